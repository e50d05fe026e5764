"""A data set is one module and one YAML file; here both come from outside the package."""

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image
from toy_data_set import stripes

from mlptrain.config import compose as composing
from mlptrain.config import location
from mlptrain.datasets import DATASETS
from mlptrain.errors import ConfigError

YAML = Path(stripes.__file__).with_name("stripes.yaml")
SMALL = ["data=stripes", "model.hidden=[8]", "train.batch_size=20"]


@pytest.fixture
def with_toy(tmp_path, monkeypatch):
    """`conf/` with one more file, and its data set registered, in an empty working directory."""
    shutil.copytree(location.CONF, tmp_path / "conf")
    shutil.copy(YAML, tmp_path / "conf" / "data")
    monkeypatch.setattr(location, "CONF", tmp_path / "conf")
    monkeypatch.setitem(DATASETS, "stripes", stripes.Data)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


@pytest.fixture
def run(with_toy, mlptrain):
    def call(*arguments):
        result = mlptrain(*arguments)
        assert result.exit_code == 0, result.stderr
        return result.stdout

    return call


# h5py reads Keras's variables as NumPy 1 did.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_a_new_data_set_trains_and_is_recorded_with_what_it_says_of_itself(run):
    run("train", *SMALL, "train.epochs=1", "runtime.progress=none")
    folder = Path("outputs/latest")
    assert len((folder / "history.csv").read_text().splitlines()) == 2
    facts = json.loads((folder / "run.json").read_text())
    assert facts["data"]["checksum"] == stripes.Data.checksum()
    assert facts["data"]["sizes"] == {"train": 60, "validation": 20, "test": 20}
    matrix = (folder / "confusion_matrix.csv").read_text()
    assert matrix.splitlines()[0] == ",".join(stripes.Data.classes)
    assert "from class" not in run("evaluate", str(folder), "--data", "train")


def test_a_new_data_set_is_planned_and_shown(run):
    assert "left: at most 18 steps" in run("plan", *SMALL, "train.epochs=3", "seed=1,2")
    printed = run("data", "show", *SMALL)
    assert "stripes (part of the package)" in printed
    assert "train            60 images" in printed
    with Image.open("samples.png") as picture:
        assert picture.size[0] > 100


def test_a_new_data_set_is_listed(run):
    assert "images of horizontal or vertical" in run("options", "data")


def test_keys_of_a_new_data_set_are_checked(with_toy):
    with pytest.raises(ConfigError) as refused:
        composing.compose([*SMALL, "data.limit=0"])
    assert "data.limit: at least 1" in refused.value.expected
    with pytest.raises(ConfigError) as refused:
        composing.compose([*SMALL, "data.path=."])
    assert "data=stripes" in refused.value.action
    with pytest.raises(ConfigError) as refused:
        composing.compose(["data.name=strips"])
    assert "stripes" in refused.value.expected


@pytest.mark.parametrize("name", DATASETS)
def test_a_data_set_is_the_module_of_its_name(name):
    assert DATASETS[name].__module__ == f"mlptrain.datasets.{name}"
    assert name in location.choices("data")
