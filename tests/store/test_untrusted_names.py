"""Names of run folders are untrusted too."""

import sys

import pytest
from crafted import write_run
from untrusted_process import ESCAPES, FORMS, assert_harmless, in_process

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not sys.platform.startswith("linux"), reason="pipes, links and limits as on Linux"
    ),
]

NAMES = [
    ESCAPES.replace("/", ""),
    "[red]x[/blue]",
    "<script>",
    "\udcff\udc80",
    "--sort",
    "~",
    "a|b",
]


@pytest.fixture(scope="module")
def named(once):
    return once("untrusted_names", read_names)


def read_names(cwd):
    """Return form or diff, broken or not, and name → (exit code, stdout, stderr, MiB)."""
    good = str(write_run(cwd / "good", "optimizer=nadam"))
    jobs = []
    for number, name in enumerate(NAMES):
        for broken in (False, True):
            root = cwd / f"{number}-{broken}"
            folder = write_run(root / name, val=0.6, run_id="a-run")
            if broken:
                (folder / "run.json").write_text("{")
            runs = ["runs", str(root), good]
            jobs += [[f"{form} {broken} {name}", [*runs, "--format", form]] for form in FORMS]
            jobs.append([f"diff {broken} {name}", ["diff", good, str(folder)]])
    return in_process(cwd, jobs, mebibytes=1024)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("broken", [False, True])
@pytest.mark.parametrize("output", [*FORMS, "diff"])
def test_the_name_of_a_folder_is_spelled_out(named, name, broken, output):
    code, out, _, _ = outcome = named[f"{output} {broken} {name}"]
    assert_harmless(outcome, also={c for c in ESCAPES if output == "csv"})
    if broken and output == "diff":
        assert code == 2
    else:
        assert code == 0
        assert "good" in out
