"""The report of folders that somebody made to harm, or that are merely incomplete."""

import csv
import io
import json
import pickle
import zipfile
from html.parser import HTMLParser

import numpy as np
import pytest
from crafted import metrics, write_run, write_sweep

from mlptrain.data.mini import MINI_CHECKSUM, load_mini
from mlptrain.datasets.cifar10 import CIFAR10_CLASSES as CLASS_NAMES
from mlptrain.errors import RunFolderError, UsageError
from mlptrain.reports.baseline import baseline_of
from mlptrain.reports.mistakes import read_confusion
from mlptrain.reports.page import render
from mlptrain.reports.predictions import read_predictions
from mlptrain.reports.report import as_json, report_data
from mlptrain.store.history import column_keys
from mlptrain.store.reading import LIMITS
from mlptrain.store.runs import find_runs, read_run

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>{{ 7*7 }}"
MINI = {
    "name": "cifar10_mini",
    "checksum": MINI_CHECKSUM,
    "sizes": {"train": 1_800, "validation": 200, "test": 500},
}


def report(folder, baseline=None):
    return report_data(find_runs([folder]), [folder], baseline)


def write_history(folder, epochs=3, last=0.5):
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow(column_keys())
    for epoch in range(1, epochs + 1):
        rows.writerow([epoch, 2 / epoch, last - 0.1 / epoch, 2.1, last - 0.1 / epoch, 0.001, 1.0])
    (folder / "history.csv").write_text(text.getvalue())


def write_predictions(folder, probabilities=None, labels=None, **more):
    """As training does: 500 images of the mini set, all taken for a cat, most confident first."""
    labels = load_mini().test_labels if labels is None else labels
    if probabilities is None:
        probabilities = np.full((len(labels), 10), 0.05)
        probabilities[:, 3] = np.linspace(0.95, 0.5, len(labels))
    np.savez_compressed(
        folder / "predictions.npz",
        test_probabilities=probabilities.astype(np.float16),
        test_labels=labels,
        **more,
    )


def write_matrix(folder, matrix, names=CLASS_NAMES):
    with (folder / "confusion_matrix.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([names, *matrix])


class Elements(HTMLParser):
    """The elements of a page as a browser would see them, with the names of their attributes."""

    def __init__(self, page):
        super().__init__()
        self.found = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, {name for name, _ in attrs}))


# Text from folders.


def test_text_of_every_kind_is_text_on_the_page(tmp_path):
    words = ("train.epochs=1", "model.hidden=[4]")
    changes = {
        "command": ["mlptrain", EVIL],
        "versions": {"tensorflow": EVIL, EVIL: EVIL},
        "git": {"commit": EVIL},
        "machine": {EVIL: EVIL},
        "data": {**MINI, "name": EVIL},
    }
    for seed in (1, 2):
        folder = write_run(tmp_path / f"run<script>{seed}", *words, f"seed={seed}", **changes)
        facts = json.loads((folder / "run.json").read_text())
        facts["config"][EVIL] = facts["config"]["optimizer"]["name"] = f"{EVIL}{seed}"
        facts["recipe_hash"] = f"{seed}" * 64
        (folder / "run.json").write_text(json.dumps(facts))
        write_history(folder)
        write_matrix(folder, [[1, 2], [3, 4]], [EVIL, "b"])
    write_run(tmp_path / "failed", status="failed", reason=EVIL)
    stage = {
        "name": EVIL, "title": EVIL, "question": EVIL, "finding": EVIL, "figures": [],
        "cells": [facts["config_hash"]],
    }  # fmt: skip
    write_sweep(tmp_path, [("0" * 64, "cell", [0])], EVIL, [[EVIL]], [stage])

    page = render(report(tmp_path))

    elements = Elements(page).found
    assert [tag for tag, _ in elements if tag in ("script", "img")] == ["script"] * 3
    assert not [e for e in elements if any(name.startswith("on") for name in e[1])]
    assert page.count("<script") == page.count("</script>") == 3
    assert "&lt;/script&gt;" in page
    assert "{{ 7*7 }}" in page


def test_control_characters_are_spelled_out(tmp_path):
    write_run(tmp_path / "a", status="failed", reason="red \x1b[31m, turned \u202e")
    for name, optimizer in (("b", "\ud800"), ("c", "line\nbreak")):
        folder = write_run(tmp_path / name)
        facts = json.loads((folder / "run.json").read_text())
        facts["config"]["optimizer"]["name"] = optimizer
        facts["recipe_hash"] = name * 64
        (folder / "run.json").write_text(json.dumps(facts))
    data = report(tmp_path)
    assert data["others"][0]["reason"] == r"red \x1b[31m, turned \u202e"
    labels = {c["label"] for c in data["groups"][0]["configurations"]}
    assert labels == {r"\ud800", r"line\nbreak"}
    render(data).encode()


def test_only_a_command_of_mlptrain_is_passed_on_and_it_is_quoted(tmp_path):
    write_run(tmp_path / "a", "seed=1", command=["mlptrain", "seed=1", "name=x; rm -rf ~"])
    write_run(tmp_path / "b", "optimizer=sgd", command=["rm", "-rf", "/"])
    by_label = {c["label"]: c["command"] for c in report(tmp_path)["groups"][0]["configurations"]}
    assert sorted(by_label.values(), key=str) == [None, "mlptrain 'name=x; rm -rf ~' seed=1"]


def test_a_config_too_deep_or_too_wide_is_skipped_with_a_reason(tmp_path):
    deep = write_run(tmp_path / "deep")
    (deep / "run.json").write_text(
        (deep / "run.json").read_text().replace('"seed"', '"x":' + '{"a":' * 800 + "1" + "}" * 800
        + ', "seed"', 1)
    )  # fmt: skip
    wide = write_run(tmp_path / "wide")
    facts = json.loads((wide / "run.json").read_text())
    facts["config"] |= {f"k{i}": i for i in range(2_000)}
    (wide / "run.json").write_text(json.dumps(facts))
    data = report(tmp_path)
    assert len(data["skipped"]) >= 1
    assert all("\n" not in entry["reason"] for entry in data["skipped"])
    render(data)


@pytest.mark.parametrize("accuracy", [7.0, -1.0, 1e308, True])
def test_accuracies_that_are_none_do_not_stop_a_report(tmp_path, accuracy):
    write_run(tmp_path / "a", figures={**metrics(), "val_accuracy": accuracy})
    write_run(tmp_path / "b", "optimizer=sgd")
    json.loads(as_json(report(tmp_path)), parse_constant=pytest.fail)


def test_a_sweep_file_that_is_none_is_skipped_with_a_reason(tmp_path):
    write_run(tmp_path / "a")
    (tmp_path / "sweep.json").write_text('{"study": 3}')
    (skipped,) = report(tmp_path)["skipped"]
    assert "sweep.json" in skipped["reason"]


# predictions.npz


def members(folder, **content):
    with zipfile.ZipFile(folder / "predictions.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            archive.writestr(f"{name}.npy", data)


def saved(array, allow_pickle=False):
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=allow_pickle)
    return stream.getvalue()


def claiming(header):
    """An array file whose header says what it likes."""
    text = header.encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


PROBABILITIES = saved(np.full((4, 10), 0.1, np.float16))
LABELS = saved(np.zeros(4, np.uint8))


class Explosive:
    def __reduce__(self):
        return (pytest.fail, ("it was unpickled",))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (
            {"test_probabilities": bytes(LIMITS["predictions.npz"]), "test_labels": LABELS},
            "unpacked",
        ),
        ({"test_probabilities": PROBABILITIES, "other": LABELS}, "other members"),
        ({"test_probabilities": PROBABILITIES}, "no predictions"),
        (
            {
                "test_probabilities": claiming(
                    "{'descr': '<f2', 'fortran_order': False, 'shape': (99999999999, 10)}\n"
                ),
                "test_labels": LABELS,
            },
            "claims",
        ),
        (
            {
                "test_probabilities": saved(np.array([Explosive()]), allow_pickle=True),
                "test_labels": LABELS,
            },
            "claims object",
        ),
        ({"test_probabilities": pickle.dumps(1), "test_labels": LABELS}, "cannot be read"),
        ({"test_probabilities": saved(np.ones((4, 1), np.float16)), "test_labels": LABELS}, "are"),
        (
            {"test_probabilities": PROBABILITIES, "test_labels": saved(np.zeros(5, np.uint8))},
            "labels are",
        ),
        (
            {
                "test_probabilities": saved(np.full((4, 10), np.nan, np.float16)),
                "test_labels": LABELS,
            },
            "values outside 0 to 1",
        ),
        (
            {"test_probabilities": PROBABILITIES, "test_labels": saved(np.full(4, 77, np.uint8))},
            "unknown classes",
        ),
    ],
    ids=[
        "bomb", "member", "half", "huge", "objects", "pickle", "shape", "lengths", "nan", "class",
    ],
)  # fmt: skip
def test_invalid_predictions_are_refused(tmp_path, content, reason):
    run = read_run(write_run(tmp_path / "run", data=MINI))
    members(run.path, **content)
    with pytest.raises(RunFolderError) as error:
        read_predictions(run)
    assert reason in error.value.received
    assert "\n" not in error.value.received

    (note,) = report(tmp_path)["groups"][0]["mistakes"]["notes"]
    assert error.value.received in note


def test_predictions_of_many_images_and_classes_are_read(tmp_path):
    run = read_run(write_run(tmp_path / "run"))
    probabilities = np.random.default_rng(0).random((45_000, 200)).astype(np.float16)
    write_predictions(run.path, probabilities, np.zeros(45_000, np.uint8))
    read = read_predictions(run)
    np.testing.assert_array_equal(read.probabilities, probabilities)


def test_other_classes_than_the_data_sets_have_no_pictures(tmp_path):
    run = read_run(write_run(tmp_path / "run", data=MINI))
    probabilities = np.full((4, 9), 1 / 9, np.float16)
    members(run.path, test_probabilities=saved(probabilities), test_labels=LABELS)
    (note,) = report(tmp_path)["groups"][0]["mistakes"]["notes"]
    assert "probabilities of other classes" in note


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"not a zip", pickle.dumps(Explosive())])
def test_files_that_are_no_archive_are_refused(tmp_path, content):
    run = read_run(write_run(tmp_path / "run"))
    (run.path / "predictions.npz").write_bytes(content)
    with pytest.raises(RunFolderError):
        read_predictions(run)


def test_a_size_that_lies_is_refused(tmp_path):
    """The directory says 100 bytes, the stream unpacks to 50 MB."""
    run = read_run(write_run(tmp_path / "run"))
    members(run.path, test_probabilities=b"\0" * (50 << 20), test_labels=LABELS)
    path = run.path / "predictions.npz"
    size = (50 << 20).to_bytes(4, "little")
    path.write_bytes(path.read_bytes().replace(size, (100).to_bytes(4, "little")))
    with pytest.raises(RunFolderError, match="predictions"):
        read_predictions(run)


# The surest mistakes and confusion matrices.


def test_the_surest_mistakes_come_first_and_have_their_pictures(tmp_path):
    labels = load_mini().test_labels
    write_predictions(write_run(tmp_path / "run", data=MINI))
    told = report(tmp_path)["groups"][0]["mistakes"]
    assert told["notes"] == []
    assert (told["runs"], told["of"], told["wrong"]) == (1, 500, int((labels != 3).sum()))
    assert [i["index"] for i in told["images"]] == [
        int(i) for i in np.flatnonzero(labels != 3)[:24]
    ]
    assert {i["predicted"] for i in told["images"]} == {"cat"}
    assert all(i["png"].startswith("iVBOR") for i in told["images"])


@pytest.mark.parametrize("data", [{**MINI, "checksum": "0" * 64}, {**MINI, "name": "mine"}, {}])
def test_images_of_other_data_are_not_shown(tmp_path, data):
    write_predictions(write_run(tmp_path / "run", data=data))
    told = report(tmp_path)["groups"][0]["mistakes"]
    assert told["images"] == []
    assert len(told["notes"]) == 1


def test_labels_that_are_not_the_data_sets_leave_the_images_out(tmp_path):
    labels = (load_mini().test_labels + 1) % 10
    write_predictions(write_run(tmp_path / "run", data=MINI), labels=labels)
    told = report(tmp_path)["groups"][0]["mistakes"]
    assert told["images"] == []
    assert "labels" in told["notes"][0]


def test_without_an_intact_cache_a_note_stands_there_and_nothing_is_fetched(tmp_path, monkeypatch):
    from mlptrain.data import sources
    from mlptrain.data.cifar10 import DATASET_CHECKSUM
    from mlptrain.reports import mistakes

    monkeypatch.setenv("MLPTRAIN_CACHE", str(tmp_path / "cache"))
    for name in sources.SOURCES:
        monkeypatch.setitem(sources.SOURCES, name, lambda *_: pytest.fail("it looked elsewhere"))
    mistakes.load_test_images.cache_clear()
    full = {**MINI, "name": "cifar10", "checksum": DATASET_CHECKSUM}
    write_predictions(write_run(tmp_path / "run", data=full))
    told = report(tmp_path / "run")["groups"][0]["mistakes"]
    mistakes.load_test_images.cache_clear()
    assert told["images"] == []
    assert "mlptrain data fetch" in told["notes"][0]
    assert not (tmp_path / "cache").exists()


def test_matrices_of_a_configurations_seeds_are_added_up(tmp_path):
    for seed in (1, 2):
        write_matrix(write_run(tmp_path / f"{seed}", f"seed={seed}"), [[8, 2], [seed, 4]], "ab")
    (told,) = report(tmp_path)["groups"][0]["confusion"]
    assert told["matrix"] == [[16, 4], [3, 8]]
    assert told["runs"] == 2
    assert told["worst"][0] == {"true": "b", "predicted": "a", "share": pytest.approx(3 / 11)}


@pytest.mark.parametrize(
    "text",
    [
        "", "a,b\n1,2\n", "a,b\n1,2\n3,x\n", "a,b\n1,2\n3,-4\n", "a,b\n1,2\n3,9999999999\n",
        "a\n1\n", ",".join("c" * 201) + "\n", "a,b\n1,²\n3,4\n", '"' + "a" * 200_000,
    ],
)  # fmt: skip
def test_tables_that_are_no_matrix_are_refused(tmp_path, text):
    run = read_run(write_run(tmp_path / "run"))
    (run.path / "confusion_matrix.csv").write_text(text)
    with pytest.raises(RunFolderError):
        read_confusion(run)
    (told,) = report(tmp_path)["groups"][0]["confusion"]
    assert len(told["notes"]) == 1


# Curves, seeds, statuses, sweeps, the baseline.


def test_curves_are_the_mean_and_the_range_of_the_seeds(tmp_path):
    for seed, last in ((1, 0.4), (2, 0.6)):
        write_history(write_run(tmp_path / f"{seed}", f"seed={seed}"), epochs=seed + 1, last=last)
    (line,) = report(tmp_path)["groups"][0]["curves"]["lines"]
    assert line["epoch"] == [1, 2, 3]
    assert line["runs"] == [2, 2, 1]
    assert line["val_accuracy"]["mean"][0] == pytest.approx(0.4)
    assert line["val_accuracy"]["low"][0] == pytest.approx(0.3)
    assert line["val_accuracy"]["high"][0] == pytest.approx(0.5)


def test_long_histories_are_thinned_and_keep_their_end(tmp_path):
    write_history(write_run(tmp_path / "run"), epochs=1_001)
    curves = report(tmp_path)["groups"][0]["curves"]
    assert curves["every"] == 6
    assert curves["lines"][0]["epoch"][-1] == 1_001
    assert len(curves["lines"][0]["epoch"]) <= 201


@pytest.mark.parametrize("text", ["", "epoch,loss\n1,2\n", "epoch,loss,accuracy\n1e300,inf,nan\n"])
def test_histories_that_are_none_leave_the_curves_out(tmp_path, text):
    (write_run(tmp_path / "run") / "history.csv").write_text(text)
    render(report(tmp_path))


def test_several_seeds_are_best_tied_or_below_and_one_stands_nowhere(tmp_path):
    for seed in range(1, 5):
        write_run(tmp_path / f"a{seed}", "optimizer=adam", f"seed={seed}", val=0.5 + seed / 1_000)
        write_run(tmp_path / f"b{seed}", "optimizer=sgd", f"seed={seed}", val=0.499 + seed / 999)
        write_run(tmp_path / f"c{seed}", "optimizer=rmsprop", f"seed={seed}", val=0.3 + seed / 990)
    write_run(tmp_path / "d", "optimizer=adamw", "seed=1", val=0.2)
    group = report(tmp_path)["groups"][0]
    standing = {c["settings"]["optimizer"]: c["standing"] for c in group["configurations"]}
    assert standing["rmsprop"] == "below best"
    assert standing["adamw"] == "one seed"
    assert {standing["adam"], standing["sgd"]} <= {"best", "below best", "tied with best"}
    assert group["coverage"]["seeds_missing"][0]["seeds"] == [2, 3, 4]


def test_runs_that_are_not_compared_are_shown_for_what_they_are(tmp_path):
    write_history(write_run(tmp_path / "a", "seed=1", status="running"), epochs=2)
    write_run(tmp_path / "b", "seed=2", status="failed", reason="no memory")
    write_run(tmp_path / "c", "seed=3", status="interrupted", reason="Ctrl-C")
    write_run(tmp_path / "d", "seed=4", figures={"test_accuracy": 0.4})
    write_run(tmp_path / "e", "seed=5", status="running", alive=False)
    data = report(tmp_path)
    told = {other["run"]: other for other in data["others"]}
    expected = ["running", "failed", "interrupted", "finished", "stale"]
    assert [told[n]["status"] for n in "abcde"] == expected
    assert told["e"]["reason"] == "its process is gone"
    assert "mlptrain resume" in told["e"]["action"]
    assert told["a"]["epochs"] == 2
    assert told["a"]["validation"] == pytest.approx(0.45)
    assert told["b"]["reason"] == "no memory"
    assert "no validation" in told["d"]["reason"]
    assert data["groups"] == []
    assert "no memory" in render(data)


def test_a_sweep_tells_what_of_it_was_run_and_a_stage_the_studys_figures(tmp_path):
    cells, digests = [], []
    for seed, val in ((1, 0.50), (2, 0.52), (3, None)):
        folder = write_run(
            tmp_path / f"{seed}",
            f"seed={seed}",
            val=val or 0,
            status="finished" if val else "failed",
        )
        digests.append(json.loads((folder / "run.json").read_text())["config_hash"])
    digests.append("f" * 64)
    for digest in digests:
        cells.append((digest, f"cell-{digest[0]}", [0]))
    stage = {
        "name": "s", "title": "Stage", "question": "Q?", "finding": "much",
        "figures": [{"validation": 53.0, "test": 90.0}], "cells": digests,
    }  # fmt: skip
    write_sweep(tmp_path, cells, "mine", stages=[stage])

    (told,) = report(tmp_path)["sweeps"]

    assert (told["asked"], told["not_there"], told["missing"]) == (4, 1, ["cell-f"])
    assert told["cells"] == {
        "finished": 2, "running": 0, "stale": 0, "interrupted": 0, "failed": 1,
    }  # fmt: skip
    (row,) = told["stages"][0]["rows"]
    assert row["validation"]["mean"] == pytest.approx(0.51)
    assert row["validation"]["difference"] == pytest.approx(-0.02)
    assert row["validation"]["within"] is True
    assert row["test"]["within"] is False
    assert told["stages"][0]["figures"] == 2


def test_the_baseline_is_the_one_asked_for(tmp_path):
    write_run(tmp_path / "a", "optimizer=sgd", val=0.3)
    write_run(tmp_path / "b", "optimizer=adam", val=0.4)
    group = report(tmp_path, "optimizer=sgd, train.batch_size=64")["groups"][0]
    assert group["configurations"][group["baseline"]]["settings"]["optimizer"] == "sgd"
    assert group["configurations"][0]["versus"]["mean"] == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("optimizer.learning_rate=1e-3", True),
        ("model.hidden=[512,256],optimizer=adam", True),
        ("model.batch_norm=true", True),
        ("model.batch_norm=True", True),
        ("data.limit=null", True),
    ],
)
def test_values_are_compared_as_values(tmp_path, text, right):
    run = read_run(
        write_run(tmp_path, "model.hidden=[512,256]", "optimizer=adam", "model.batch_norm=true")
    )
    assert baseline_of(text, [run])(run.settings) is right


@pytest.mark.parametrize("text", ["adam", "=3", "nonsense=3", "optimizer=lion", "model.hidden=[1"])
def test_a_baseline_that_is_none_is_refused(tmp_path, text):
    write_run(tmp_path / "a")
    with pytest.raises(UsageError):
        report(tmp_path, text)


# The whole.


@pytest.mark.slow
def test_two_hundred_runs_make_a_page_of_less_than_five_megabytes(tmp_path):
    source = None
    for number in range(200):
        settings = (f"optimizer.learning_rate={0.001 * (1 + number // 3)}", f"seed={number % 3}")
        folder = write_run(
            tmp_path / f"run-{number:03d}", *settings, val=0.3 + number / 1_000, data=MINI
        )
        write_history(folder, epochs=30, last=0.3 + number / 1_000)
        write_matrix(folder, [[5] * 10] * 10)
        if source is None:
            write_predictions(folder)
            source = (folder / "predictions.npz").read_bytes()
        (folder / "predictions.npz").write_bytes(source)
    data = report(tmp_path)
    page = render(data)
    assert len(page.encode()) < 5_000_000
    assert len(data["groups"][0]["curves"]["lines"]) == 60
    assert "The best 60 of 67 configurations" in page


def test_every_number_of_the_data_is_finite_and_the_text_is_json(tmp_path):
    write_run(tmp_path / "a", "optimizer=sgd")
    write_run(tmp_path / "b", figures={**metrics(), "seconds": 1e400, "train_accuracy": None})
    json.loads(as_json(report(tmp_path)), parse_constant=pytest.fail)
