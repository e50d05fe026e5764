"""What a report says of the inside of the nets: findings, measurements and pictures."""

import pytest
from crafted import read_hash, write_history, write_run, write_sweep
from PIL import Image

from mlptrain.reports.page import render
from mlptrain.reports.report import report_data
from mlptrain.store.layers import header, layers_text
from mlptrain.store.runs import find_runs


def test_findings_stand_beside_a_configuration_and_with_what_was_measured_inside(tmp_path):
    for seed in (1, 2):
        for activation, accuracy, dead in (("relu", 0.1, 1.0), ("tanh", 0.6, 0.2 * seed)):
            folder = write_run(
                tmp_path / f"{activation}{seed}",
                f"activation={activation}",
                f"seed={seed}",
                val=accuracy,
                train=accuracy,
            )
            write_history(folder, last=accuracy)
            rows = [
                {"epoch": epoch, "layer": "dense_1", "units": 8, "dead_share": dead}
                for epoch in range(4)
            ]
            (folder / "layers.csv").write_text(header() + layers_text(rows))
            Image.new("RGB", (30, 20), "red").save(folder / "layers.png")
            (folder / "weights.png").write_bytes(b"<script>")
    cells = [read_hash(folder) for folder in sorted(tmp_path.glob("*/"))]
    stage = {"name": "s", "title": "Stage", "question": "", "finding": "", "figures": []}
    write_sweep(tmp_path, [("0" * 64, "cell", [0])], "mine", stages=[{**stage, "cells": cells}])
    data = report_data(find_runs([tmp_path]), [tmp_path])
    inside = data["groups"][0]["inside"]
    tanh, relu = inside["configurations"]
    assert inside["quantities"][0] == {"name": "dead units", "is_share": True}
    assert [tanh["values"][0], relu["values"][0]] == [pytest.approx(0.3), 1.0]
    assert tanh["values"][1] is None
    finding = relu["findings"][0]
    assert (finding["name"], finding["severity"]) == ("dead_units", "high")
    assert (finding["seeds"], finding["of"]) == (2, 2)
    assert "dead_units" not in {other["name"] for other in tanh["findings"]}
    page = render(data)
    leaderboard = page[page.index('id="board-0"') : page.index("<summary>Inside the nets")]
    assert f'data-tooltip="{finding["summary"]}">dead units<' in leaderboard

    of_stage = data["sweeps"][0]["stages"][0]["inside"]
    assert of_stage["sentence"].endswith(
        "dead units, 30.0 % with tanh and 100.0 % with relu after epoch 3."
    )
    assert of_stage["quantities"][0]["name"] == "dead units"
    relu, tanh = of_stage["lines"]
    assert (relu["label"], tanh["label"]) == ("relu", "tanh")
    assert (tanh["epoch"], tanh["runs"]) == ([0, 1, 2, 3], [2, 2, 2, 2])
    assert tanh["dead units"] == {"mean": [0.3] * 4, "low": [0.2] * 4, "high": [0.4] * 4}
    assert tanh["effective rank of the activations"]["mean"] == [None] * 4

    (picture,) = data["groups"][0]["pictures"]
    assert (picture["name"], picture["width"], picture["height"]) == ("layers.png", 30, 20)
    assert f'src="data:image/png;base64,{picture["png"]}"' in page
