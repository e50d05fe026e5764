"""Every command and code block of README.md and docs/ is run, on the mini set and shortened."""

import contextlib
import io
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml
from markdown_blocks import INSTALLS, Block, blocks, commands, not_shown, shortened, trains
from PIL import Image
from real_command import environment, finish, start, wait_for_epochs

from mlptrain.data.cache import cache_folder
from mlptrain.data.cifar10 import damaged_records
from mlptrain.data.mini import load_mini

REPOSITORY = Path(__file__).parents[2]
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]
PAGES = [page for page in PAGES if not {"results", "reference"} & set(page.parts)]
PAGES = [page for page in PAGES if blocks(page)]
TRANSLATED = REPOSITORY / "docs" / "es" / "tutorial.md"
ORIGINAL = REPOSITORY / "docs" / "tutorial.md"
LANGUAGES = {"bash", "console", "python", "yaml", "text", "{toctree}"}
NEEDS_CIFAR10 = ("fetch", "verify", "check")


def named(page):
    return page.relative_to(REPOSITORY).as_posix()


@pytest.fixture
def folder(tmp_path):
    """Where a page's commands are typed: two images to classify, and nothing else."""
    images = load_mini().test_images
    for name, image in zip(("cat.png", "dog.jpg"), images, strict=False):
        Image.fromarray(image).save(tmp_path / name)
    return tmp_path


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_blocks_are_labelled(page):
    unknown = [(block.line, block.language) for block in blocks(page)
               if block.language not in LANGUAGES]  # fmt: skip
    assert not unknown


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_blocks_that_are_not_run_say_why(page):
    for block in blocks(page):
        if block.language not in ("bash", "console") or block.not_run is not None:
            continue
        others = {command.words[0] for command in commands(block)} - {"mlptrain", *INSTALLS}
        assert not others, f"line {block.line}: <!-- not run: why --> above it, or mlptrain only"


def test_a_translation_shows_only_what_the_original_runs():
    """So that its commands are not trained a second time."""

    def lines(page):
        for block in blocks(page):
            if block.not_run is None:
                assert block.language in ("bash", "console")
                for command in commands(block):
                    yield from (f"$ {command.line}", *command.shown)

    original = lines(ORIGINAL)
    missing = [line for line in lines(TRANSLATED) if line not in original]  # in this order
    assert not missing


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # those of Keras when it saves a model
@pytest.mark.parametrize("page", [page for page in PAGES if page != TRANSLATED], ids=named)
def test_every_block_runs(page, folder, monkeypatch):
    monkeypatch.chdir(folder)
    for name, value in (("COLUMNS", "100"), ("NO_COLOR", "1")):
        monkeypatch.setenv(name, value)
    session = Session(page, folder)
    for block in blocks(page):
        session.take(block)
    print("\n".join(f"{number:4} {what}" for what, number in sorted(session.counts.items())))


class Session:
    """One page's blocks, in order, in one folder."""

    def __init__(self, page, folder):
        self.page, self.folder = page, folder
        self.namespace = {}
        self.counts: Counter[str] = Counter()
        # The first run keeps its net only where somebody looks at what it leaves.
        self.keeps_net = any(
            command.shown
            for block in blocks(page)
            if block.not_run is None and block.language in ("bash", "console")
            for command in commands(block)
        )

    def take(self, block: Block):
        if block.not_run is not None:
            self.counts[f"not run: {block.not_run}"] += 1
        elif block.marker.startswith("written to: "):
            self._write(block)
        elif block.marker.startswith("added to: "):
            self._add(block)
        elif block.language == "python":
            self._check(block, self._python(block.text))
            self.counts["python run"] += 1
        elif block.language == "yaml":
            assert yaml.safe_load(block.text), block.line
            self.counts["yaml read"] += 1
        elif block.language in ("bash", "console"):
            for command in commands(block):
                self._command(block, command)

    def _command(self, block, command):
        first, *words = command.words
        if first != "mlptrain":
            self.counts[f"not run: {INSTALLS[first]}"] += 1
            return
        needs_cifar10 = words[:1] == ["data"] and words[1] in NEEDS_CIFAR10
        needs_cifar10 &= not any(word.startswith("data=") for word in words)
        if needs_cifar10 and damaged_records(cache_folder()):
            self.counts["not run: no copy of CIFAR-10 here"] += 1
            return
        if words[0] in ("diff", "explain") and (number := words.count("RUN")):
            words[1 : 1 + number] = map(str, sorted(self.folder.glob("outputs/2*"))[-number:])
        interrupted = block.marker == "stopped by Ctrl-C"
        explained = block.marker == "explained below"
        words = shortened(words, self.keeps_net, interrupted, explained)
        words = [file for word in words for file in self._expanded(word)]
        if block.marker == "run in the changed copy":
            outcome = self._in_copy(words)
        else:
            outcome = self._run(words, interrupted)
        self.keeps_net &= not trains(words)
        self._check(block, outcome, command, words)
        self.counts["commands run"] += 1

    def _expanded(self, word):
        """As a shell does."""
        matching = sorted(self.folder.glob(word)) if "*" in word else []
        return [str(file.relative_to(self.folder)) for file in matching] or [word]

    def _check(self, block, outcome, command=None, words=()):
        code, output = outcome
        shown = command.shown if command else []
        expected = 130 if block.marker == "stopped by Ctrl-C" else 0
        if any(line.startswith("  to do:") for line in shown) or (
            "logger=wandb" in words and find_spec("wandb") is None  # refused
        ):
            expected = 2
        where = f"{named(self.page)}:{block.line}: mlptrain {' '.join(words)}\n{output[-3000:]}"
        assert code == expected, where
        missing = not_shown(shown, output)
        assert not missing, f"not printed: {missing}\n{where}"

    def _write(self, block):
        target = self._changed(block.marker.removeprefix("written to: "))
        if target.parent.is_dir():
            target.write_text(block.text, encoding="utf-8")
        self.counts["files written"] += 1

    def _add(self, block):
        """At the head of the named dictionary, or without a name at the end of the file."""
        file, _, name = block.marker.removeprefix("added to: ").partition(", ")
        target = self._changed(file)
        text = target.read_text(encoding="utf-8")
        head = re.search(rf"^{name}\b.*= \{{\n", text, re.MULTILINE) if name else None
        assert head or not name, f"{file} has no {name}"
        end = head.end() if head else len(text)
        target.write_text(text[:end] + block.text + text[end:], encoding="utf-8")
        self.counts["files written"] += 1

    def _changed(self, file):
        """Return where a file is written; those of the repository, in a copy of it."""
        if file.startswith(("src/", "conf/")) and not (self.folder / "src").exists():
            for part in ("src", "conf"):
                shutil.copytree(REPOSITORY / part, self.folder / part)
        return self.folder / file

    def _run(self, words, interrupted):
        process = start(self.folder, *words)
        if interrupted:  # the first run of its page
            wait_for_epochs(process, self.folder, 1)
            process.send_signal(signal.SIGINT)
        done = finish(process, self.folder)
        return done.code, done.out + done.err

    def _python(self, source):
        """Run a block in this process; the blocks of a page share their names."""
        output = io.StringIO()
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            exec(compile(source, str(self.page), "exec"), self.namespace)
        return 0, output.getvalue()

    def _in_copy(self, words):
        done = subprocess.run(
            [sys.executable, "-m", "mlptrain", *words],
            cwd=self.folder,
            env={**environment(), "PYTHONPATH": str(self.folder / "src")},
            capture_output=True,
            encoding="utf-8",
            timeout=300,
        )
        return done.returncode, done.stdout + done.stderr
