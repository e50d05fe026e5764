"""The report of untrusted run folders: made to do harm, damaged or incomplete."""

import io
import pickle
import zipfile
from html.parser import HTMLParser

import numpy as np
import pytest
from crafted import (
    MINI,
    change_run,
    write_confusion,
    write_history,
    write_predictions,
    write_run,
    write_sweep,
)

from mlptrain.errors import RunFolderError
from mlptrain.reports.page import render
from mlptrain.reports.report import report_data
from mlptrain.store.confusion import read_confusion
from mlptrain.store.predictions import read_predictions
from mlptrain.store.reading import LIMITS
from mlptrain.store.runs import find_runs, read_run

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>{{ 7*7 }}"


def report(folder):
    return report_data(find_runs([folder]), [folder])


@pytest.fixture
def run(tmp_path):
    """A finished run on the mini set, for a file to be added to."""
    return read_run(write_run(tmp_path / "run", data=MINI))


class Elements(HTMLParser):
    """The elements of a page as a browser would see them, with the names of their attributes."""

    def __init__(self, page):
        super().__init__()
        self.elements = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, {name for name, _ in attrs}))


# Text from folders.


def test_text_from_any_file_is_text_on_the_page(tmp_path):
    changes = {
        "command": ["mlptrain", EVIL],
        "versions": {"tensorflow": EVIL, EVIL: EVIL},
        "git": {"commit": EVIL},
        "machine": {EVIL: EVIL},
        "data": {**MINI, "name": EVIL},
    }
    hashes = []

    def poison(content):
        seed = content["seed"]
        content["config"][EVIL] = content["config"]["optimizer"]["name"] = f"{EVIL}{seed}"
        content["recipe_hash"] = f"{seed}" * 64
        hashes.append(content["config_hash"])

    for seed in (1, 2):
        overrides = ("train.epochs=1", "model.hidden=[4]", f"seed={seed}")
        folder = write_run(tmp_path / f"run<script>{seed}", *overrides, **changes)
        change_run(folder, poison)
        write_history(folder)
        write_confusion(folder, [[1, 2], [3, 4]], [EVIL, "b"])
        (folder / "predictions.npz").write_bytes(EVIL.encode())
    write_run(tmp_path / "failed", status="failed", reason=EVIL)
    stage = {
        "name": EVIL, "title": EVIL, "question": EVIL, "finding": EVIL, "figures": [],
        "cells": hashes[1:],
    }  # fmt: skip
    write_sweep(tmp_path, [("0" * 64, "cell", [0])], EVIL, [[EVIL]], [stage])

    page = render(report(tmp_path))

    elements = Elements(page).elements
    assert [tag for tag, _ in elements if tag in ("script", "img")] == ["script"] * 2
    assert not [e for e in elements if any(name.startswith("on") for name in e[1])]
    assert page.count("<script") == page.count("</script>") == 2
    assert "&lt;/script&gt;" in page
    assert "{{ 7*7 }}" in page


def test_control_characters_are_spelled_out(tmp_path):
    write_run(tmp_path / "a", status="failed", reason="red \x1b[31m, turned \u202e")
    for name, optimizer in (("b", "\ud800"), ("c", "line\nbreak")):

        def rename(content, name=name, optimizer=optimizer):
            content["config"]["optimizer"]["name"] = optimizer
            content["recipe_hash"] = name * 64

        change_run(write_run(tmp_path / name), rename)
    data = report(tmp_path)
    assert data["others"][0]["reason"] == r"red \x1b[31m, turned \u202e"
    labels = {c["label"] for c in data["groups"][0]["configurations"]}
    assert labels == {r"\ud800", r"line\nbreak"}
    render(data).encode()


def test_only_a_command_of_mlptrain_is_shown_and_it_is_quoted(tmp_path):
    write_run(tmp_path / "a", "seed=1", command=["mlptrain", "seed=1", "name=x; rm -rf ~"])
    write_run(tmp_path / "b", "optimizer=sgd", command=["rm", "-rf", "/"])
    commands = [c["command"] for c in report(tmp_path)["groups"][0]["configurations"]]
    assert sorted(commands, key=str) == [None, "mlptrain 'name=x; rm -rf ~' seed=1"]


def test_a_config_with_too_many_settings_is_skipped_with_a_reason(tmp_path):
    def widen(content):
        content["config"] |= {f"k{i}": i for i in range(2_000)}

    def deepen(content):
        for _ in range(400):
            content["config"] = {"a": content["config"]}

    change_run(write_run(tmp_path / "deep"), deepen)
    change_run(write_run(tmp_path / "wide"), widen)
    data = report(tmp_path)
    assert [entry["folder"] for entry in data["skipped"]] == [
        str(tmp_path / name) for name in ("deep", "wide")
    ]
    assert all("\n" not in entry["reason"] for entry in data["skipped"])
    render(data)


def test_a_malformed_sweep_file_is_skipped_with_a_reason(tmp_path):
    write_run(tmp_path / "a")
    (tmp_path / "sweep.json").write_text('{"study": 3}')
    (skipped,) = report(tmp_path)["skipped"]
    assert "sweep.json" in skipped["reason"]


# predictions.npz


def write_members(folder, probabilities, labels, **others):
    with zipfile.ZipFile(folder / "predictions.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        members = {"test_probabilities": probabilities, "test_labels": labels, **others}
        for name, content in members.items():
            if content is not None:
                archive.writestr(f"{name}.npy", content)


def npy(array):
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=True)
    return stream.getvalue()


def npy_claiming(header):
    """Return an array file with any text as its header."""
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode()


PROBABILITIES = npy(np.full((4, 10), 0.1, np.float16))
LABELS = npy(np.zeros(4, np.uint8))
HUGE = npy_claiming("{'descr': '<f2', 'fortran_order': False, 'shape': (99999999999, 10)}\n")


class Explosive:
    def __reduce__(self):
        return (pytest.fail, ("it was unpickled",))


@pytest.mark.parametrize(
    ("probabilities", "labels", "others", "reason"),
    [
        (bytes(LIMITS["predictions.npz"]), LABELS, {}, "unpacked"),
        (PROBABILITIES, None, {"other": LABELS}, "other members"),
        (PROBABILITIES, None, {}, "no predictions"),
        (HUGE, LABELS, {}, "claims"),
        (npy(np.array([Explosive()])), LABELS, {}, "claims object"),
        (pickle.dumps(1), LABELS, {}, "cannot be read"),
        (npy(np.ones((4, 1), np.float16)), LABELS, {}, "are"),
        (PROBABILITIES, npy(np.zeros(5, np.uint8)), {}, "labels are"),
        (npy(np.full((4, 10), np.nan, np.float16)), LABELS, {}, "values outside 0 to 1"),
        (PROBABILITIES, npy(np.full(4, 77, np.uint8)), {}, "unknown classes"),
    ],
    ids=[
        "bomb", "member", "half", "huge", "objects", "pickle", "shape", "lengths", "nan", "class",
    ],
)  # fmt: skip
def test_invalid_predictions_are_refused(tmp_path, run, probabilities, labels, others, reason):
    write_members(run.path, probabilities, labels, **others)
    with pytest.raises(RunFolderError) as error:
        read_predictions(run)
    assert reason in error.value.received
    assert "\n" not in error.value.received

    (note,) = report(tmp_path)["groups"][0]["mistakes"]["notes"]
    assert error.value.received in note


def test_predictions_of_many_images_and_classes_are_read(run):
    probabilities = np.random.default_rng(0).random((45_000, 200)).astype(np.float16)
    write_predictions(run.path, probabilities, np.zeros(45_000, np.uint8))
    np.testing.assert_array_equal(read_predictions(run).probabilities, probabilities)


def test_mistakes_between_other_classes_have_no_pictures(tmp_path, run):
    write_members(run.path, npy(np.full((4, 9), 1 / 9, np.float16)), LABELS)
    (note,) = report(tmp_path)["groups"][0]["mistakes"]["notes"]
    assert "probabilities of other classes" in note


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"not a zip", pickle.dumps(Explosive())])
def test_predictions_that_are_not_an_archive_are_refused(run, content):
    (run.path / "predictions.npz").write_bytes(content)
    with pytest.raises(RunFolderError):
        read_predictions(run)


def test_a_member_that_unpacks_to_more_than_its_stated_size_is_refused(run):
    write_members(run.path, b"\0" * (50 << 20), LABELS)
    path = run.path / "predictions.npz"
    size = (50 << 20).to_bytes(4, "little")
    path.write_bytes(path.read_bytes().replace(size, (100).to_bytes(4, "little")))
    with pytest.raises(RunFolderError, match="predictions"):
        read_predictions(run)


# CSV files


@pytest.mark.parametrize(
    "text",
    [
        "", "a,b\n1,2\n", "a,b\n1,2\n3,x\n", "a,b\n1,2\n3,-4\n", "a,b\n1,2\n3,9999999999\n",
        "a\n1\n", ",".join("c" * 201) + "\n", "a,b\n1,²\n3,4\n", '"' + "a" * 200_000,
    ],
)  # fmt: skip
def test_a_table_that_is_not_a_confusion_matrix_is_refused(tmp_path, run, text):
    (run.path / "confusion_matrix.csv").write_text(text)
    with pytest.raises(RunFolderError):
        read_confusion(run)
    (confusion,) = report(tmp_path)["groups"][0]["confusion"]
    assert len(confusion["notes"]) == 1


@pytest.mark.parametrize("text", ["", "epoch,loss\n1,2\n", "epoch,loss,accuracy\n1e300,inf,nan\n"])
def test_a_history_without_curves_leaves_them_out(tmp_path, run, text):
    (run.path / "history.csv").write_text(text)
    data = report(tmp_path)
    assert all(line["epoch"] == [] for line in data["groups"][0]["curves"]["lines"])
    render(data)
