"""The HTML report: what it says, and that nothing in a folder can act on the page."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mlptrain.errors import UsageError
from mlptrain.reports.page import render, require_extras
from mlptrain.reports.report import as_json, report_data
from mlptrain.reports.runs import find_runs

KEPT = Path(__file__).parents[2] / "docs" / "results"
EVIL = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def study():
    return report_data(find_runs([KEPT]), [KEPT])


@pytest.fixture(scope="module")
def page(study):
    return render(study)


def test_the_verdict_stands_before_the_first_table(study, page):
    body = page[page.index("<body>") :]
    assert body.index("is highest on validation") < body.index("<table")
    assert study["verdict"][0].startswith("dropout 0.3, batch_norm True, rmsprop")


def test_the_page_has_every_group_every_stage_and_the_studys_figures(study, page):
    assert [group["reason"] for group in study["groups"]] == [
        "", "epochs 10 instead of 30", "epochs 5 instead of 30",
    ]  # fmt: skip
    for stage in study["sweeps"][0]["stages"]:
        assert stage["title"] in page
    assert ">57.3<" in page


def test_it_asks_nothing_of_the_network_and_stays_small(page):
    outside = re.findall(r"(?:src|href)=[\"']?(?!data:|#)[^\"'> ]+", page[: page.index("<script")])
    assert outside == []
    assert len(page.encode()) < 5 * 2**20


def test_the_data_are_the_figures_of_the_page(study, page):
    told = json.loads(as_json(study))
    best = told["groups"][0]["configurations"][0]
    assert f"{100 * best['validation']['mean']:.2f}" in page
    assert told == json.loads(json.dumps(study))


def crafted(tmp_path, **changes):
    """A copy of one kept run, changed."""
    source = next(KEPT.glob("baseline-*"))
    folder = tmp_path / "run"
    folder.mkdir()
    facts = json.loads((source / "run.json").read_text()) | changes
    (folder / "run.json").write_text(json.dumps(facts))
    for name in ("metrics.json", "history.csv"):
        (folder / name).write_bytes((source / name).read_bytes())
    return folder


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "failed", "reason": EVIL},
        {"command": ["mlptrain", EVIL]},
        {"versions": {"tensorflow": EVIL, "keras": "3"}},
        {"machine": {EVIL: EVIL}},
        {"data": {"name": EVIL, "sizes": {"train": 1}}},
    ],
)
def test_what_a_folder_says_is_text_on_the_page(tmp_path, changes):
    folder = crafted(tmp_path, **changes)
    page = render(report_data(find_runs([folder]), [folder]))
    assert EVIL not in page
    assert "&lt;script&gt;" in page or "\\u003cscript" in page


def test_one_seed_gets_no_place(tmp_path):
    folder = crafted(tmp_path)
    data = report_data(find_runs([folder]), [folder])
    assert data["groups"][0]["configurations"][0]["standing"] == "one seed"


def test_a_baseline_that_no_run_has_is_refused():
    with pytest.raises(UsageError, match="--baseline"):
        report_data(find_runs([KEPT]), [KEPT], "optimizer=lion")


def test_without_the_extra_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    with pytest.raises(UsageError, match=re.escape("mlptrain[report]")):
        require_extras()


def test_the_command_writes_both_files_and_imports_no_tensorflow(tmp_path):
    program = (
        "import sys; from mlptrain.cli import _run; "
        f"code = _run(['report', {str(KEPT)!r}, '-o', 'r.html', '--json', 'r.json']); "
        "sys.exit(code or 3 * ('tensorflow' in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "r.html").is_file()
    assert json.loads((tmp_path / "r.json").read_text())["counts"]["finished"] == 54
