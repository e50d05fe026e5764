"""Fenced blocks of a Markdown page, their commands, and shorter commands for tests."""

import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path

from mlptrain.config.location import subcommands

FENCE = re.compile(r"^```(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MARKER = re.compile(r"<!-- ([^>]*?) -->\s*\Z")
INSTALLS = {
    "pip": "installs",
    "mlflow": "starts a server",
    "sbatch": "needs a cluster",
    "docker": "needs Docker",
    "podman": "needs Podman",
}
"""Commands that no test runs, and why."""

PLACEHOLDERS = {"RUN": "outputs/latest", "NAME": "demo", "PATH": "outputs"}
MINI = "data=cifar10_mini"
LONG = re.compile(r"^train\.epochs=(?:[3-9]|\d\d+)$")
OWN_NET = ["debug", "experiment", "model", "model.dropout"]
"""Commands with one of these keep their net, because the page shows it."""
SMALL_NET = ["model.hidden=[16]", "model.batch_norm=false"]


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        language: the word after the fence; bash if there is none.
        text: the lines between the fences.
        marker: the comment right above it, such as `not run: needs a cluster`.
        line: number of the fence's line, from 1.
    """

    language: str
    text: str
    marker: str
    line: int

    @property
    def not_run(self):
        """The reason why it is not run; None if it is run."""
        return self.marker.removeprefix("not run: ") if self.marker.startswith("not run") else None


@dataclass
class Command:
    """A command line and what the page shows of its output."""

    line: str
    shown: list[str] = field(default_factory=list)

    @property
    def words(self):
        """The words of the line as the shell splits it, without comments."""
        return shlex.split(self.line, comments=True)


def blocks(page: Path):
    """Return all blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    result = []
    for match in FENCE.finditer(text):
        above = MARKER.search(text[: match.start()])
        line = text.count("\n", 0, match.start()) + 1
        result.append(Block(match[1] or "bash", match[2], above[1] if above else "", line))
    return result


def commands(block: Block):
    """Return the commands of a bash or console block."""
    console = block.language == "console" or block.text.startswith("$ ")
    result: list[Command] = []
    for line in block.text.replace("\\\n", " ").splitlines():
        if not console:
            if line.strip() and not line.startswith("#"):
                result.append(Command(line))
        elif line.startswith("$ "):
            result.append(Command(line[2:]))
        elif line.strip() and result:
            result[-1].shown.append(line)
    return result


def trains(words):
    """Return whether a command trains a new run."""
    verb = words[0] if words and words[0] in subcommands() else "train"
    return verb == "train" and not {"--cfg", "--info", "--version", "--help"} & set(words)


def shortened(words, first=False, interrupted=False, explained=False):
    """Return the words of a command short enough for a test: mini set, one epoch, one process.

    A grid keeps two values of each list and sweeps two keys at most; a study keeps one seed. For
    `study=full`, of 18 cells, the three of `study=activations` are trained under its name.

    Args:
        words: after `mlptrain`, with placeholders.
        first: whether it is the first run of a page that shows output; it keeps its net unless it
            is a grid.
        interrupted: whether the test stops it; then it keeps its number of epochs.
        explained: whether the page looks inside the nets of a grid, which are then measured.
    """
    words = [PLACEHOLDERS.get(word, word) for word in words]
    if words[:2] == ["data", "show"]:
        return words if _has(words, "data") else [*words, MINI]
    verb = words[0] if words and words[0] in subcommands() else "train"
    if verb not in ("plan", "search") and not trains(words):
        return words
    added = []
    if not _has(words, "data", "debug") and "--like" not in words:
        added.append(MINI)
    seeds = r"\1" if _has(words, "study") else r"\1\2"
    words = [re.sub(r"^(seed=\d+)(,\d+)[,\d]*$", seeds, word) for word in words]
    if "study=full" in words and verb == "train":
        words[words.index("study=full")] = "study=activations"
        added.append("name=full")
    if not interrupted and not _has(words, "debug"):
        words = [LONG.sub("train.epochs=1", word) for word in words]
        if not _has(words, "train.epochs"):
            added.append("train.epochs=1")
    if "-m" in words and not explained:
        words = _small_grid(words)
    grid = "-m" in words or _has(words, "study")
    own_net = _has(words, *OWN_NET) or "study=ablation" in words or "--like" in words
    if (grid or interrupted or not first) and not own_net:
        added += [word for word in SMALL_NET if not _has(words, word.partition("=")[0])]
    if verb == "search":
        words = [re.sub(r"^\d+$", "1", word) for word in words]
        return [*words, *added, "--workers", "1"] + ["--trials", "1"] * ("--trials" not in words)
    if verb == "train" and grid:
        added.append("hydra/launcher=basic")
        spare = ("artifacts=minimal",) if explained else ("artifacts=minimal", "instruments=off")
        added += [word for word in spare if not _has(words, word.partition("=")[0])]
    return [*words, *added]


_VALUE = re.compile(r"(?:\[[^]]*\]|[^],[])+")
"""One of a list; a list in brackets is one value."""


def _small_grid(words):
    """Return the words with the first and the last value of two lists, and the first of others."""
    lists = 0
    small = []
    for word in words:
        key, _, text = word.partition("=")
        values = _VALUE.findall(text)
        if len(values) > 1:
            lists += 1
            word = f"{key}={values[0]}" + f",{values[-1]}" * (lists < 3)
        small.append(word)
    return small


def _has(words, *keys):
    return any(word.lstrip("+~").partition("=")[0] in keys for word in words if "=" in word)


_NUMBER = re.compile(r"[+-]?\d[\d.,]*(?:e-?\d+)?")


_RUN = re.compile(r"\d{4}-\d\d-\d\d_[\w-]+")


_ONE = re.compile(r"\b1 (epoch|run|cell)\b")


def _shape(line):
    """Return a line without its figures, names of runs, spacing and singulars."""
    plural = _ONE.sub(r"1 \1s", _RUN.sub("0", line))
    return " ".join(_NUMBER.sub("0", plural).split())


def not_shown(shown, output):
    """Return the lines of a page's output that the command did not print.

    Figures and order may differ. `…` stands for anything: whole lines, or a part of one.
    """
    printed = [_shape(line) for line in output.splitlines()]
    missing = []
    for line in shown:
        parts = [re.escape(part.strip()) for part in _shape(line).split("…")]
        pattern = re.compile(".*".join(parts))
        if any(parts) and not any(pattern.fullmatch(known) for known in printed):
            missing.append(line)
    return missing
