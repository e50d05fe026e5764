from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from mlptrain.store.sweep_file import CellName
from mlptrain.sweeps.ledger import Entry, how_to_retry
from mlptrain.sweeps.tables import counts, ledger_table, places


def entry(slug, status, accuracy=None, reason=None):
    metrics = {} if accuracy is None else {"val_accuracy": accuracy}
    return Entry(CellName("ab" * 32, slug, ()), status, reason, Path("nowhere"), metrics)


def shown(*entries):
    console = Console(width=80)
    with console.capture() as capture:
        console.print(ledger_table(entries, console.width), soft_wrap=True)
    return capture.get()


def test_finished_cells_come_first_the_best_on_top():
    text = shown(entry("a", "not started"), entry("b", "done", 0.5), entry("c", "done", 0.6))
    assert [line.split()[0] for line in text.splitlines()] == ["cell", "c", "b", "a"]


def test_without_metrics_there_are_no_columns_for_them():
    assert shown(entry("a", "not started")).split() == ["cell", "status", "a", "not", "started"]


@pytest.mark.parametrize("status", ["interrupted", "not started"])
def test_on_a_narrow_terminal_only_the_cells_name_is_cut(status):
    text = shown(entry("x" * 80, status), entry("b", "done", 0.5))
    for word in (status, "train", "validation", "test", "50.0 %"):
        assert word in text


def test_only_the_first_line_of_a_reason_is_shown_without_markup():
    text = shown(entry("a", "failed", reason="[red]because\nof more"))
    assert "[red]because" in text
    assert "of more" not in text


def test_why_a_finished_cell_stopped_early_takes_no_room():
    assert "early" not in shown(entry("a", "done", 0.5, reason="stopped early after 3 of 9 epochs"))


def test_runs_that_another_sweep_trained_are_named_where_they_are(tmp_path):
    root, other = tmp_path / "free", tmp_path / "seed"
    cells = [replace(entry("a", "done", 0.5), folder=other / "a")]
    assert places(root, cells) == f"runs in {other}; the sweep's folder is {root}"
    assert places(other, cells) == f"in {other}"
    assert places(root, [entry("a", "not started")]) == f"in {root}"


def test_failed_cells_are_tried_again_on_request():
    assert how_to_retry([entry("a", "done", 0.5)]) is None
    advice = how_to_retry([entry("a", "failed", reason="ValueError: because")])
    assert advice == "failed cells are tried again with sweep.retry_failed=true"


def test_mended_images_make_new_cells():
    advice = how_to_retry([entry("a", "failed", reason="Data error: cat.png is cut off")])
    assert advice.endswith("but not after a change of the images: they make new cells")


def test_cells_are_counted_by_status():
    entries = [entry("a", "done", 0.5), entry("b", "not started"), entry("c", "not started")]
    assert counts(entries) == "3 cells: 2 not started, 1 done"
    assert counts(entries[1:2]) == "1 cell: 1 not started"
