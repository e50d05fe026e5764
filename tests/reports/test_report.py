"""The HTML report and its data: what they say of the runs in a folder."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from crafted import (
    MINI,
    metrics,
    read_hash,
    write_confusion,
    write_history,
    write_predictions,
    write_run,
    write_sweep,
)
from scipy.stats import binomtest

from mlptrain.data.mini import load_mini
from mlptrain.errors import UsageError
from mlptrain.reports.baseline import baseline_of
from mlptrain.reports.page import render
from mlptrain.reports.report import as_json, report_data
from mlptrain.store.runs import find_runs, read_run

STUDY = Path(__file__).parents[2] / "docs" / "results" / "full"


def report(folder, baseline=None):
    return report_data(find_runs([folder]), [folder], baseline)


def first_group(folder, baseline=None):
    return report(folder, baseline)["groups"][0]


@pytest.fixture(scope="module")
def study():
    return report(STUDY)


@pytest.fixture(scope="module")
def page(study):
    return render(study)


# The page of the study.


def test_the_verdict_comes_before_the_first_table(study, page):
    body = page[page.index("<body>") :]
    assert body.index("is highest on validation") < body.index("<table")
    assert study["verdict"][0].startswith("dropout 0.3, batch_norm True, rmsprop")


def test_the_page_has_every_group_every_stage_and_the_published_figures(study, page):
    assert [group["reason"] for group in study["groups"]] == [
        "", "epochs 10 instead of 30", "epochs 5 instead of 30",
    ]  # fmt: skip
    for stage in study["sweeps"][0]["stages"]:
        assert stage["title"] in page
    assert ">57.3<" in page


def test_the_page_loads_nothing_from_the_network_and_is_small(page):
    outside = re.findall(r"(?:src|href)=[\"']?(?!data:|#)[^\"'> ]+", page[: page.index("<script")])
    assert outside == []
    assert len(page.encode()) < 250_000


def test_the_json_has_the_figures_of_the_page(study, page):
    data = json.loads(as_json(study))
    best = data["groups"][0]["configurations"][0]
    assert f"{100 * best['validation']['mean']:.2f}" in page
    assert data == json.loads(json.dumps(study))


def test_with_one_seed_each_no_published_figure_is_judged(tmp_path):
    shutil.copytree(STUDY, tmp_path / "full", ignore=shutil.ignore_patterns("*seed=*"))
    page = render(report(tmp_path / "full"))
    assert "to judge whether ours agree takes two seeds" in page
    assert "lie within what one more run" not in page


def test_the_command_writes_the_page_and_the_json(tmp_path, elsewhere, mlptrain):
    run = write_run(tmp_path / "run")
    outcome = mlptrain("report", str(run), "-o", "r.html", "--json", "r.json")
    assert outcome.exit_code == 0, outcome.stderr
    assert "<body>" in (elsewhere / "r.html").read_text(encoding="utf-8")
    assert json.loads((elsewhere / "r.json").read_text())["counts"]["finished"] == 1


# Image by image.

LABELS = np.arange(500, dtype=np.uint8) % 10


def write_pair(folder, seed, better, worse):
    """Dropout 0.1, better on validation, and 0.2; each wrong on so many images of its own."""
    for dropout, first, wrong in ((0.1, 0, better), (0.2, 100, worse)):
        overrides = (f"model.dropout={dropout}", f"seed={seed}")
        val = 0.6 - dropout + seed / 1_000
        predicted = LABELS.astype(int)
        predicted[first : first + wrong] = (predicted[first : first + wrong] + 1) % 10
        run = write_run(folder / f"{dropout}-{seed}", *overrides, val=val)
        write_predictions(run, predicted, LABELS)


def test_the_best_and_the_runner_up_are_compared_image_by_image_on_test(tmp_path):
    write_pair(tmp_path, seed=1, better=12, worse=31)
    write_pair(tmp_path, seed=2, better=30, worse=30)
    data = report(tmp_path)
    compared = data["groups"][0]["image_by_image"]
    assert (compared["first"], compared["second"], compared["is_baseline"]) == (0, 1, False)
    p = pytest.approx(binomtest(31, 43, 0.5).pvalue)
    assert compared["seeds"] == [
        {"seed": 1, "only_first": 31, "only_second": 12, "of": 500, "p": p},
        {"seed": 2, "only_first": 30, "only_second": 30, "of": 500, "p": 1.0},
    ]
    assert compared["notes"] == []

    page = render(data)
    section = page[page.index("Image by image <") :].partition("</details>")[0]
    cells = re.findall(r"<t[hd][^>]*>([^<]*)</t[hd]>", section)
    assert cells[4:8] == ["1", "31", "12", "0.005"]
    assert "On 500 images." in section
    assert "Test is only shown: both were chosen by validation." in section


def test_a_named_baseline_is_compared_image_by_image_instead_of_the_runner_up(tmp_path):
    write_pair(tmp_path, seed=1, better=1, worse=2)
    write_run(tmp_path / "last", "model.dropout=0.5", val=0.1)
    compared = first_group(tmp_path, "model.dropout=0.5")["image_by_image"]
    assert (compared["second"], compared["is_baseline"]) == (2, True)
    assert compared["notes"] == ["they have no seed in common"]
    compared = first_group(tmp_path, "model.dropout=0.1")["image_by_image"]
    assert (compared["second"], compared["is_baseline"]) == (1, False)


def test_a_seed_without_readable_predictions_is_left_out(tmp_path):
    for seed in (1, 2):
        write_pair(tmp_path, seed, better=1, worse=2)
    (tmp_path / "0.2-1" / "predictions.npz").write_bytes(b"no archive")
    compared = first_group(tmp_path)["image_by_image"]
    assert [row["seed"] for row in compared["seeds"]] == [2]
    (note,) = compared["notes"]
    assert note.startswith("seed 1: 0.2-1: predictions.npz: cannot be read")


def test_a_single_configuration_is_not_compared_image_by_image(tmp_path):
    write_run(tmp_path / "run")
    data = report(tmp_path)
    assert data["groups"][0]["image_by_image"] is None
    assert "Image by image <" not in render(data)


# Mistakes and confusion matrices.

CAT = 3


def write_mini(folder, labels=None, data=MINI):
    """Write a run that takes all 500 test images for a cat, the first ones most confidently."""
    labels = load_mini().test_labels if labels is None else labels
    probabilities = np.full((len(labels), 10), 0.05)
    probabilities[:, CAT] = np.linspace(0.95, 0.5, len(labels))
    write_predictions(write_run(folder, data=data), probabilities, labels)


def test_the_most_confident_mistakes_come_first_and_have_pictures(tmp_path):
    write_mini(tmp_path / "run")
    wrong = np.flatnonzero(load_mini().test_labels != CAT)
    mistakes = first_group(tmp_path)["mistakes"]
    assert mistakes["notes"] == []
    assert (mistakes["runs"], mistakes["of"], mistakes["wrong"]) == (1, 500, len(wrong))
    assert [image["index"] for image in mistakes["images"]] == wrong[:24].tolist()
    assert {image["predicted"] for image in mistakes["images"]} == {"cat"}
    assert all(image["png"].startswith("iVBOR") for image in mistakes["images"])


@pytest.mark.parametrize(
    ("data", "shift", "note"),
    [
        ({**MINI, "checksum": "0" * 64}, 0, "images are not those of a data set"),
        ({**MINI, "name": "mine"}, 0, "images are not those of a data set"),
        ({}, 0, "images are not those of a data set"),
        (MINI, 1, "labels"),
    ],
)
def test_images_of_other_data_are_not_shown(tmp_path, data, shift, note):
    write_mini(tmp_path / "run", (load_mini().test_labels + shift) % 10, data)
    mistakes = first_group(tmp_path)["mistakes"]
    assert mistakes["images"] == []
    (text,) = mistakes["notes"]
    assert note in text


def test_without_an_intact_cache_there_is_a_note_and_nothing_is_fetched(tmp_path, monkeypatch):
    from mlptrain.data import sources
    from mlptrain.data.cifar10 import DATASET_CHECKSUM
    from mlptrain.reports import mistakes

    monkeypatch.setenv("MLPTRAIN_CACHE", str(tmp_path / "cache"))
    for name in sources.SOURCES:
        monkeypatch.setitem(sources.SOURCES, name, lambda *_: pytest.fail("it looked elsewhere"))
    full = {**MINI, "name": "cifar10", "checksum": DATASET_CHECKSUM}
    write_mini(tmp_path / "run", data=full)
    mistakes.load_test_images.cache_clear()
    shown = first_group(tmp_path / "run")["mistakes"]
    mistakes.load_test_images.cache_clear()
    assert shown["images"] == []
    assert "mlptrain data fetch" in shown["notes"][0]
    assert not (tmp_path / "cache").exists()


def test_the_matrices_of_a_configurations_seeds_are_added_up(tmp_path):
    for seed in (1, 2):
        figures = {**metrics(), "test_top5_accuracy": seed / 4}
        folder = write_run(tmp_path / f"{seed}", f"seed={seed}", figures=figures)
        write_confusion(folder, [[8, 2], [seed, 4]], "ab")
    (confusion,) = first_group(tmp_path)["confusion"]
    assert confusion["matrix"] == [[16, 4], [3, 8]]
    assert confusion["runs"] == 2
    worst = {"true": "b", "predicted": "a", "share": pytest.approx(3 / 11)}
    assert confusion["worst"][0] == worst
    assert confusion["top5"] == 0.375
    assert "top-5 accuracy on test 37.5 %" in render(report(tmp_path))


# Curves.


def test_curves_are_the_mean_and_the_range_over_the_seeds(tmp_path):
    for seed, last in ((1, 0.4), (2, 0.6)):
        write_history(write_run(tmp_path / f"{seed}", f"seed={seed}"), epochs=seed + 1, last=last)
    (line,) = first_group(tmp_path)["curves"]["lines"]
    assert line["epoch"] == [1, 2, 3]
    assert line["runs"] == [2, 2, 1]
    first = {statistic: values[0] for statistic, values in line["val_accuracy"].items()}
    assert first == pytest.approx({"mean": 0.4, "low": 0.3, "high": 0.5})


def test_long_histories_are_thinned_and_keep_their_end(tmp_path):
    write_history(write_run(tmp_path / "run"), epochs=1_001)
    curves = first_group(tmp_path)["curves"]
    assert curves["every"] == 6
    assert curves["lines"][0]["epoch"][-1] == 1_001
    assert len(curves["lines"][0]["epoch"]) <= 201


# Standing, other runs, sweeps and the baseline.


def test_configurations_are_best_tied_or_below_and_one_seed_has_no_place(tmp_path):
    for seed in range(1, 5):
        write_run(tmp_path / f"a{seed}", "optimizer=adam", f"seed={seed}", val=0.5 + seed / 1_000)
        write_run(tmp_path / f"b{seed}", "optimizer=sgd", f"seed={seed}", val=0.499 + seed / 999)
        write_run(tmp_path / f"c{seed}", "optimizer=rmsprop", f"seed={seed}", val=0.3 + seed / 990)
    write_run(tmp_path / "d", "optimizer=adamw", "seed=1", val=0.2)
    group = first_group(tmp_path)
    standing = {c["settings"]["optimizer"]: c["standing"] for c in group["configurations"]}
    assert standing == {
        "adam": "best", "sgd": "tied with best", "rmsprop": "below best", "adamw": "one seed",
    }  # fmt: skip
    assert group["coverage"]["seeds_missing"][0]["seeds"] == [2, 3, 4]


def test_runs_that_are_not_compared_are_listed_with_their_status_and_reason(tmp_path):
    write_history(write_run(tmp_path / "a", "seed=1", status="running"), epochs=2)
    write_run(tmp_path / "b", "seed=2", status="failed", reason="no memory")
    write_run(tmp_path / "c", "seed=3", status="interrupted", reason="Ctrl-C")
    write_run(tmp_path / "d", "seed=4", figures={"test_accuracy": 0.4})
    write_run(tmp_path / "e", "seed=5", status="running", alive=False)
    data = report(tmp_path)
    others = {other["run"]: other for other in data["others"]}
    expected = ["running", "failed", "interrupted", "finished", "stale"]
    assert [others[name]["status"] for name in "abcde"] == expected
    assert others["e"]["reason"] == "its process is gone"
    assert "mlptrain resume" in others["e"]["action"]
    assert others["a"]["epochs"] == 2
    assert others["a"]["validation"] == pytest.approx(0.45)
    assert others["b"]["reason"] == "no memory"
    assert "no validation" in others["d"]["reason"]
    assert data["groups"] == []
    assert data["verdict"] == ["No finished run has a validation accuracy to compare by."]
    assert "no memory" in render(data)


def test_a_sweep_shows_what_was_run_and_a_stage_the_published_figures(tmp_path):
    hashes = []
    for seed, status, val in ((1, "finished", 0.50), (2, "finished", 0.52), (3, "failed", 0)):
        folder = write_run(tmp_path / f"{seed}", f"seed={seed}", val=val, status=status)
        hashes.append(read_hash(folder))
    hashes.append("f" * 64)
    cells = [(text, f"cell-{text[0]}", [0]) for text in hashes]
    stage = {
        "name": "s", "title": "Stage", "question": "Q?", "finding": "much",
        "figures": [{"validation": 53.0, "test": 90.0}], "cells": hashes,
    }  # fmt: skip
    write_sweep(tmp_path, cells, "mine", stages=[stage])

    (sweep,) = report(tmp_path)["sweeps"]

    assert (sweep["asked"], sweep["not_there"], sweep["missing"]) == (4, 1, ["cell-f"])
    assert sweep["cells"] == {
        "finished": 2, "running": 0, "stale": 0, "interrupted": 0, "failed": 1,
    }  # fmt: skip
    (row,) = sweep["stages"][0]["rows"]
    assert row["validation"]["mean"] == pytest.approx(0.51)
    assert row["validation"]["difference"] == pytest.approx(-0.02)
    assert row["validation"]["within"] is True
    assert row["test"]["within"] is False
    assert sweep["stages"][0]["figures"] == 2


def test_differences_are_relative_to_the_named_baseline(tmp_path):
    write_run(tmp_path / "a", "optimizer=sgd", val=0.3)
    write_run(tmp_path / "b", "optimizer=adam", val=0.4)
    group = first_group(tmp_path, "optimizer=sgd, train.batch_size=64")
    assert group["configurations"][group["baseline"]]["settings"]["optimizer"] == "sgd"
    assert group["configurations"][0]["versus"]["mean"] == pytest.approx(0.1)


@pytest.mark.parametrize(
    "text",
    [
        "optimizer.learning_rate=1e-3", "model.hidden=[512,256],optimizer=adam",
        "model.batch_norm=true", "model.batch_norm=True", "data.limit=null",
    ],
)  # fmt: skip
def test_a_baseline_is_matched_by_value_however_it_is_written(tmp_path, text):
    overrides = ("model.hidden=[512,256]", "optimizer=adam", "model.batch_norm=true")
    run = read_run(write_run(tmp_path, *overrides))
    assert baseline_of(text, [run])(run.settings) is True


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("adam", "--baseline"), ("=3", "--baseline"), ("optimizer=lion", "--baseline"),
        ("model.hidden=[1", "--baseline"), ("nonsense=3", "received: nonsense"),
    ],
)  # fmt: skip
def test_a_baseline_that_no_run_has_is_refused(tmp_path, text, message):
    write_run(tmp_path / "a")
    with pytest.raises(UsageError, match=message):
        report(tmp_path, text)


@pytest.mark.slow
def test_two_hundred_runs_make_a_page_of_less_than_one_megabyte(tmp_path):
    write_mini(tmp_path / "predicted")
    predictions = (tmp_path / "predicted" / "predictions.npz").rename(tmp_path / "predictions.npz")
    shutil.rmtree(tmp_path / "predicted")
    for number in range(200):
        overrides = (f"optimizer.learning_rate={0.001 * (1 + number // 3)}", f"seed={number % 3}")
        val = 0.3 + number / 1_000
        folder = write_run(tmp_path / f"run-{number:03d}", *overrides, val=val, data=MINI)
        write_history(folder, epochs=30, last=val)
        write_confusion(folder, [[5] * 10] * 10)
        (folder / "predictions.npz").write_bytes(predictions.read_bytes())
    data = report(tmp_path)
    page = render(data)
    assert len(page.encode()) < 1_000_000
    assert len(data["groups"][0]["curves"]["lines"]) == 60
    assert "The best 60 of 67 configurations" in page


@pytest.mark.parametrize(
    "figures",
    [{"val_accuracy": value} for value in (7.0, -1.0, 1e308, True)]
    + [{"seconds": 1e400, "train_accuracy": None}],
)
def test_every_number_of_the_json_is_finite(tmp_path, figures):
    write_run(tmp_path / "a", figures={**metrics(), **figures})
    write_run(tmp_path / "b", "optimizer=sgd")
    json.loads(as_json(report(tmp_path)), parse_constant=pytest.fail)
