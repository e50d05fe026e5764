"""Groups named beside an experiment or an earlier run, in the processes that train the cells."""

import json

import pytest
import yaml

pytestmark = pytest.mark.slow

TINY = ["data=cifar10_mini", "data.limit=200", "train.batch_size=60",
        "train.epochs=1", "artifacts=minimal", "logger=none", "instruments=off"]  # fmt: skip


def configs_below(folder):
    """Each cell's config, with what `.hydra/` says of it."""
    result = []
    for file in sorted(folder.rglob("run.json")):
        facts = json.loads(file.read_text())
        assert facts["status"] == "finished"
        hydra = file.parent / ".hydra"
        assert yaml.safe_load((hydra / "config.yaml").read_text())["train"]["epochs"] == 1
        result.append((facts["config"], yaml.safe_load((hydra / "config.yaml").read_text())))
    return result


def test_a_sweep_over_experiments_and_then_over_seeds_of_one_of_its_runs(command, tmp_path):
    grid = ["experiment=fast,flat", "augmentation=none,flip_shift", "optimizer=sgd"]
    done = command(tmp_path, "-m", *grid, *TINY)
    assert done.code == 0, done.err
    cells = configs_below(tmp_path / "outputs")
    expected = {(ema, shift, "sgd") for ema in (0.0, 0.999) for shift in (0, 4)}
    for config in zip(*cells, strict=True):
        assert {
            (c["train"]["ema"], c["augmentation"]["shift"], c["optimizer"]["name"]) for c in config
        } == expected
        assert all(c["augmentation"]["mixup"] == 0 for c in config)

    first = next((tmp_path / "outputs").rglob("run.json")).parent
    repeated = json.loads((first / "run.json").read_text())["config"]
    words = ["--like", str(first), "output_root=more", "seed=1,2"]
    planned = command(tmp_path, "plan", *words)
    assert "2 distinct" in planned.out
    done = command(tmp_path, "-m", *words)
    assert done.code == 0, done.err
    seeds = [config for config, _ in configs_below(tmp_path / "more")]
    assert [config.pop("seed") for config in seeds] == [1, 2]
    del repeated["seed"], repeated["output_root"]
    for config in seeds:
        del config["output_root"]
        config["runtime"]["threads"] = repeated["runtime"]["threads"]
        assert config == repeated
