"""`layers.csv` read from a folder that may be damaged or hostile."""

import pytest

from mlptrain.store.layers import COLUMNS, header, layers_text, lines_until, read_layers

ROW = {"epoch": 1, "layer": "dense_1", "dead_share": 0.25, "activation_sd": None}


def test_rows_come_back_as_they_were_written(tmp_path):
    (tmp_path / "layers.csv").write_text(header() + layers_text([ROW, {**ROW, "epoch": 2}]))
    rows, problem = read_layers(tmp_path)
    assert problem is None
    assert [row["epoch"] for row in rows] == [1, 2]
    assert rows[0]["dead_share"] == 0.25
    assert rows[0]["activation_sd"] is rows[0]["gradient_cosine"] is None


def test_a_resumed_run_keeps_the_lines_of_the_epochs_that_it_keeps():
    text = header() + layers_text([{**ROW, "epoch": epoch} for epoch in range(4)])
    assert lines_until(text, 2) == header() + layers_text([{**ROW, "epoch": e} for e in range(3)])
    assert lines_until("another file", 2) == header()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "is missing"),
        (b"", "no row that mlptrain wrote"),
        (b"\xff\xfe\x00", "not UTF-8"),
        (b"a,b\n1,2\n", "no row that mlptrain wrote"),
        (header().encode(), "no row that mlptrain wrote"),
        (b"epoch,layer\n" + b'"' + b"x" * 200_000, "field larger"),
        (b"x" * (17 << 20), "more than"),
    ],
)
def test_what_cannot_be_used_is_said_in_one_line(tmp_path, content, reason):
    if content is not None:
        (tmp_path / "layers.csv").write_bytes(content)
    rows, problem = read_layers(tmp_path)
    assert rows == []
    assert reason in problem
    assert len(problem.splitlines()) == 1


def test_damaged_rows_and_values_are_left_out_and_the_rest_is_read(tmp_path):
    good = layers_text([ROW])
    hostile = [
        good.replace("1,dense", "one,dense"),
        good.replace("1,dense", "nan,dense"),
        good.replace("1,dense", "-1,dense"),
        "1,dense_1,7\n",
    ]
    odd = layers_text([{**ROW, "layer": "\x1b[31mred"}]).replace("0.25", "1e999")
    (tmp_path / "layers.csv").write_text(header() + good + "".join(hostile) + odd)
    rows, problem = read_layers(tmp_path)
    assert "4 damaged rows" in problem
    assert len(rows) == 2
    assert rows[1]["dead_share"] is None
    assert "\x1b" not in rows[1]["layer"]
    assert set(rows[0]) == set(COLUMNS)


def test_a_link_is_not_followed(tmp_path):
    (tmp_path / "elsewhere.csv").write_text(header() + layers_text([ROW]))
    (tmp_path / "layers.csv").symlink_to(tmp_path / "elsewhere.csv")
    assert read_layers(tmp_path)[0] == []
