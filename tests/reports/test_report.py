"""The HTML report: what it says, and that nothing in a folder can act on the page."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from crafted import write_run
from scipy.stats import binomtest

from mlptrain.errors import UsageError
from mlptrain.reports.page import render, require_extras
from mlptrain.reports.report import as_json, report_data
from mlptrain.store.runs import find_runs

KEPT = Path(__file__).parents[2] / "docs" / "results" / "full"
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


def test_finished_runs_without_validation_are_not_said_to_be_unfinished(tmp_path):
    folder = crafted(tmp_path)
    metrics = json.loads((folder / "metrics.json").read_text())
    kept = {key: value for key, value in metrics.items() if key != "val_accuracy"}
    (folder / "metrics.json").write_text(json.dumps(kept))
    (told,) = report_data(find_runs([folder]), [folder])["verdict"]
    assert told == "No finished run has a validation accuracy to compare by."


def test_one_seed_gets_no_place(tmp_path):
    folder = crafted(tmp_path)
    data = report_data(find_runs([folder]), [folder])
    assert data["groups"][0]["configurations"][0]["standing"] == "one seed"


def test_with_one_seed_no_figure_of_the_study_is_judged(tmp_path):
    shutil.copytree(KEPT, tmp_path / "full", ignore=shutil.ignore_patterns("*seed=*"))
    page = render(report_data(find_runs([tmp_path / "full"]), [tmp_path / "full"]))
    assert "to judge whether ours agree takes two seeds" in page
    assert "lie within what one more run" not in page


def test_a_baseline_that_no_run_has_is_refused():
    with pytest.raises(UsageError, match="--baseline"):
        report_data(find_runs([KEPT]), [KEPT], "optimizer=lion")


LABELS = np.arange(500, dtype=np.uint8) % 10


def write_pair(folder, seed, better, worse):
    """Dropout 0.1, better on validation, and 0.2; each wrong on so many images of its own."""
    for dropout, first, wrong in ((0.1, 0, better), (0.2, 100, worse)):
        run = write_run(
            folder / f"{dropout}-{seed}",
            f"model.dropout={dropout}",
            f"seed={seed}",
            val=0.6 - dropout + seed / 1_000,
        )
        classes = LABELS.astype(int)
        classes[first : first + wrong] += 1
        np.savez_compressed(
            run / "predictions.npz",
            test_probabilities=np.eye(11, dtype=np.float16)[classes][:, :10],
            test_labels=LABELS,
        )


def test_the_best_and_the_runner_up_are_compared_image_by_image_on_test(tmp_path):
    write_pair(tmp_path, seed=1, better=12, worse=31)
    write_pair(tmp_path, seed=2, better=30, worse=30)
    data = report_data(find_runs([tmp_path]), [tmp_path])
    told = data["groups"][0]["image_by_image"]
    assert (told["first"], told["second"], told["is_baseline"]) == (0, 1, False)
    p = pytest.approx(binomtest(31, 43, 0.5).pvalue)
    assert told["seeds"] == [
        {"seed": 1, "only_first": 31, "only_second": 12, "of": 500, "p": p},
        {"seed": 2, "only_first": 30, "only_second": 30, "of": 500, "p": 1.0},
    ]
    assert told["notes"] == []

    page = render(data)
    section = page[page.index("Image by image <") :].partition("</details>")[0]
    cells = re.findall(r"<t[hd][^>]*>([^<]*)</t[hd]>", section)
    assert cells[4:8] == ["1", "31", "12", "0.005"]
    assert "On 500 images." in section
    assert "Test is only shown: both were chosen by validation." in section


def test_image_by_image_the_named_baseline_takes_the_runner_ups_place(tmp_path):
    write_pair(tmp_path, seed=1, better=1, worse=2)
    write_run(tmp_path / "last", "model.dropout=0.5", val=0.1)
    found = find_runs([tmp_path])
    told = report_data(found, [tmp_path], "model.dropout=0.5")["groups"][0]["image_by_image"]
    assert (told["second"], told["is_baseline"]) == (2, True)
    assert told["notes"] == ["they have no seed in common"]
    told = report_data(found, [tmp_path], "model.dropout=0.1")["groups"][0]["image_by_image"]
    assert (told["second"], told["is_baseline"]) == (1, False)


def test_predictions_that_cannot_be_read_leave_that_seed_out(tmp_path):
    for seed in (1, 2):
        write_pair(tmp_path, seed, better=1, worse=2)
    (tmp_path / "0.2-1" / "predictions.npz").write_bytes(EVIL.encode())
    data = report_data(find_runs([tmp_path]), [tmp_path])
    told = data["groups"][0]["image_by_image"]
    assert [row["seed"] for row in told["seeds"]] == [2]
    (note,) = told["notes"]
    assert note.startswith("seed 1: 0.2-1: predictions.npz: cannot be read")
    assert EVIL not in render(data)


def test_a_single_configuration_has_nothing_to_be_compared_with(tmp_path):
    folder = crafted(tmp_path)
    data = report_data(find_runs([folder]), [folder])
    assert data["groups"][0]["image_by_image"] is None
    assert "Image by image <" not in render(data)


def test_without_the_extra_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    with pytest.raises(UsageError, match=re.escape("mlptrain[report]")):
        require_extras()


def test_the_command_writes_both_files_and_imports_no_tensorflow(tmp_path):
    program = (
        "import sys; from mlptrain.cli import run_command_line as run; "
        f"code = run(['report', {str(KEPT)!r}, '-o', 'r.html', '--json', 'r.json']); "
        "sys.exit(code or 3 * ('tensorflow' in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "r.html").is_file()
    assert json.loads((tmp_path / "r.json").read_text())["counts"]["finished"] == 54
