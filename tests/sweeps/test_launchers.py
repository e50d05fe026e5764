"""A launcher of Hydra's from outside the package, with and without a YAML file of ours."""

import json
import os
import shutil
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml
from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins

from mlptrain.config.location import CONF
from mlptrain.sweeps import launchers, packing

TOY = Path(__file__).parent / "toy_launcher"
YAML = TOY / "backwards.yaml"
SMALL = ["data=cifar10_mini", "data.limit=200", "model.hidden=[8]", "train.epochs=1"]
SWEEP = ["-m", "hydra/launcher=backwards", *SMALL, "artifacts=minimal", "seed=1,2"]


def toy():
    return import_module("hydra_plugins.backwards").Backwards


@pytest.fixture(autouse=True)
def with_toy(tmp_path, monkeypatch):
    """The toy registered as an installed plugin would be, on four cores; its YAML is not there."""
    monkeypatch.syspath_prepend(TOY)
    Plugins.instance().register(toy())
    node = {"_target_": "hydra_plugins.backwards.Backwards", "limit": 1}
    ConfigStore.instance().store(group="hydra/launcher", name="backwards", node=node)
    shutil.copytree(CONF / "launcher", tmp_path / "conf" / "launcher")
    monkeypatch.setattr(launchers, "CONF", tmp_path / "conf")
    monkeypatch.setattr(packing, "core_limit", lambda: (4, None))
    yield tmp_path / "conf" / "launcher"
    del ConfigStore.instance().repo["hydra"]["launcher"]["backwards.yaml"]


def threads_of_jobs():
    return [word for job in toy().launched for word in job if word.startswith("runtime.threads=")]


def test_without_a_file_jobs_share_the_cores_and_train(mlptrain, elsewhere):
    done = mlptrain(*SWEEP)
    assert done.exit_code == 0, done.stderr
    assert threads_of_jobs() == ["runtime.threads=2"] * 2
    runs = [json.loads(file.read_text()) for file in elsewhere.glob("outputs/*/*/run.json")]
    assert {(run["seed"], run["status"]) for run in runs} == {(1, "finished"), (2, "finished")}


@pytest.mark.parametrize(
    ("fields", "settings", "threads"),
    [
        ({}, [], 4),  # as the file has it: one job after another, on all cores
        ({"parallel": True, "jobs": "limit"}, [], 4),
        ({"parallel": True, "jobs": "limit"}, ["hydra.launcher.limit=2"], 2),
        ({"parallel": True, "separate": True, "threads": "limit"}, ["hydra.launcher.limit=3"], 3),
    ],
)
def test_a_file_says_how_its_launcher_runs(
    mlptrain, elsewhere, monkeypatch, with_toy, fields, settings, threads
):
    content = {**yaml.safe_load(YAML.read_text()), **fields}
    (with_toy / YAML.name).write_text(yaml.safe_dump(content))

    def record(self, jobs, initial_job_idx):
        toy().launched = jobs
        return []

    monkeypatch.setattr(toy(), "launch", record)
    assert "2 of 2 cells that did not finish" in mlptrain(*SWEEP, *settings).stderr
    assert threads_of_jobs() == [f"runtime.threads={threads}"] * 2


@pytest.mark.skipif(sys.platform == "win32", reason="a script as a program")
@pytest.mark.parametrize(("limit", "sizes"), [("2", [2, 2, 1]), ("1001", [5]), ("many", [5])])
def test_an_array_above_the_limit_of_the_cluster_is_submitted_in_pieces(
    mlptrain, elsewhere, monkeypatch, with_toy, limit, sizes
):
    fields = {**yaml.safe_load(YAML.read_text()), "parallel": True, "separate": True}
    (with_toy / YAML.name).write_text(yaml.safe_dump(fields))
    monkeypatch.setenv("PATH", f"{TOY / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("MAX_ARRAY_SIZE", limit)
    arrays = []

    def record(self, jobs, initial_job_idx):
        arrays.append(jobs)
        return []

    monkeypatch.setattr(toy(), "launch", record)
    assert "5 of 5 cells that did not finish" in mlptrain(*SWEEP[:-1], "seed=1,2,3,4,5").stderr
    assert [len(jobs) for jobs in arrays] == sizes
    assert len({tuple(job) for jobs in arrays for job in jobs}) == 5


@pytest.mark.parametrize(
    ("name", "extra", "package"),
    [
        ("submitit_slurm", "slurm", "hydra_submitit_launcher"),
        ("submitit_local", "slurm", "hydra_submitit_launcher"),
        ("ray", "ray", "hydra_ray_launcher"),
    ],
)
def test_a_launcher_that_is_not_installed_names_its_extra(
    mlptrain, assert_refused, name, extra, package
):
    if find_spec(f"hydra_plugins.{package}") is not None:
        pytest.skip("it is installed")
    outcome = mlptrain("-m", "seed=1,2", f"hydra/launcher={name}")
    assert_refused(outcome)
    assert outcome.hint == f"pip install 'mlptrain[{extra}]'"


@pytest.mark.parametrize("file", sorted((CONF / "launcher").glob("*.yaml")), ids=lambda f: f.stem)
def test_every_file_has_all_fields_and_opens_with_its_name_and_command(file):
    first, second, *_ = file.read_text(encoding="utf-8").splitlines()
    assert first.startswith(f"# {file.stem}: ")
    assert second.startswith(f"# mlptrain -m hydra/launcher={file.stem} ")
    assert list(yaml.safe_load(file.read_text())) == [
        "parallel", "separate", "elsewhere", "children", "jobs", "threads", "extra",
    ]  # fmt: skip
