"""`mlptrain explain` on folders that are incomplete, damaged or hostile."""

import json

import pytest
from crafted import change_run, write_history, write_run

from mlptrain.store.layers import header, layers_text


@pytest.fixture
def run(elsewhere):
    folder = write_run(elsewhere / "outputs" / "a", "optimizer=adam")
    write_history(folder)
    return folder


def layer(epoch, **changes):
    known = {"units": 8, "activation_sd": 1.0, "dead_share": 0.9, "gradient_norm": 1.0}
    return {"epoch": epoch, "layer": "dense_1", **known, **changes}


def write_layers(folder, *rows):
    (folder / "layers.csv").write_text(header() + layers_text(rows))


def test_the_layers_are_shown_before_and_after_training(run, mlptrain):
    write_layers(run, layer(0, dead_share=0.25), layer(3, dead_share=0.5))
    outcome = mlptrain("explain", "outputs/a")
    assert outcome.exit_code == 0
    assert "dense_1" in outcome.stdout
    assert "25% → 50%" in outcome.stdout


@pytest.mark.parametrize(
    ("status", "state"),
    [("failed", "failed after 3 of 30 epochs: why"), ("interrupted", "interrupted after 3 of 30")],
)
def test_an_unfinished_run_is_explained_with_its_state(run, mlptrain, status, state):
    change_run(run, lambda facts: facts.update(status=status, reason="why"))
    write_layers(run, layer(0, dead_share=0.25))  # stopped before the first epoch's end
    outcome = mlptrain("explain", "outputs/a")
    assert outcome.stdout.startswith(f"outputs/a\n{state}")
    assert "→" not in outcome.stdout


@pytest.mark.parametrize(
    "content",
    [None, b"", b"\x00" * 99, b"epoch,layer\n1,\x1b[31m\n", header().encode() + b"1,dense_1\n"],
)
def test_without_usable_layers_the_rest_is_explained(run, mlptrain, content):
    if content is not None:
        (run / "layers.csv").write_bytes(content)
    outcome = mlptrain("explain", "outputs/a")
    assert outcome.exit_code == 0, outcome.stderr
    assert "not known: layers.csv" in outcome.stdout
    assert "\x1b" not in outcome.stdout
    assert "outputs/a" in outcome.stdout
    report = json.loads(mlptrain("explain", "outputs/a", "--format", "json").stdout)
    assert set(report) == {"run", "findings", "notes"}


def test_a_hostile_layers_file_neither_crashes_nor_writes_control_codes(run, mlptrain):
    rows = [layer(e, layer="\x1b[31m[bold]x", gradient_norm=v) for e, v in ((0, 1e29), (9, -3.0))]
    write_layers(run, *rows)
    outcome = mlptrain("explain", "outputs/a")
    assert outcome.exit_code == 0, outcome.stderr
    assert "\x1b" not in outcome.stdout
    assert "[bold]x" in outcome.stdout


@pytest.mark.parametrize(
    "words", [["nowhere"], ["outputs"], ["a", "b", "c"], ["outputs/a", "--format", "xml"]]
)
def test_wrong_usage_is_refused(elsewhere, mlptrain, assert_refused, words):
    assert_refused(mlptrain("explain", *words))
