"""Text that every command spells alike."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlptrain.formatting import csv_text, fitting_names, quantity, without_apostrophe


@pytest.mark.parametrize("text", ["=1+1", "+cmd", "-x", "@SUM(A1)", "\tx"])
def test_text_is_no_formula_for_a_spreadsheet(text):
    ((cell,),) = csv.reader(io.StringIO(csv_text([[text]]), newline=""))
    assert cell == f"'{text}"
    assert without_apostrophe(cell) == text


@pytest.mark.parametrize(("value", "cell"), [(-1.5, "-1.5"), ("-1.5", "-1.5"), ("+2", "+2"),
                                             (None, ""), ("cat", "cat"), ("'s", "'s")])  # fmt: skip
def test_numbers_and_other_text_stay_as_they_are(value, cell):
    assert csv_text([[value, 1]]) == f"{cell},1\n"
    assert without_apostrophe(cell) == cell


@given(st.text(st.characters(exclude_characters="'\r", exclude_categories=["Cs"])))
def test_what_was_said_can_be_read_back(text):
    rows = list(csv.reader(io.StringIO(csv_text([[text, "x"]]), newline="")))
    assert without_apostrophe(rows[0][0]) == text


@pytest.mark.parametrize(("number", "noun", "text"), [
    (0, "cell", "0 cells"), (1, "cell", "1 cell"), (1_200, "image", "1,200 images"),
    (1, "class", "1 class"), (2, "class", "2 classes"),
    (2, "epoch", "2 epochs"), (2, "batch", "2 batches"),
])  # fmt: skip
def test_a_count_agrees_with_its_noun(number, noun, text):
    assert quantity(number, noun) == text


def test_long_paths_stand_beside_a_table_in_one_piece():
    assert fitting_names("image", ["a.png", "b.png"], 80) == (["a.png", "b.png"], [])
    assert fitting_names("image", [], 80) == ([], [])
    long = "folder/" * 9
    numbers, lines = fitting_names("image", ["a.png", long], 80)
    assert numbers == ["1", "2"]
    assert lines == ["image 1: a.png", f"image 2: {long}"]
