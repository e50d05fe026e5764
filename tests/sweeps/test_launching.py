"""What a sweep hands to its launcher; that cells are really trained is tests/end_to_end's."""

import pytest
from omegaconf import OmegaConf

from mlptrain.config.command_line import CommandLine
from mlptrain.errors import ConfigError, TrainingError
from mlptrain.store.run_folder import RunFolder
from mlptrain.store.run_record import RunRecord
from mlptrain.store.sweep_file import load
from mlptrain.sweeps.cells import plan_sweep
from mlptrain.sweeps.launching import launch
from mlptrain.sweeps.worker import check_planned

TINY = ["data=cifar10_mini", "train.epochs=1", "runtime.progress=plain"]


class Recorder:
    """A launcher that trains nothing."""

    def __init__(self, jobs):
        self.jobs = jobs

    def launch(self, jobs, initial_job_idx):
        self.jobs.extend(jobs)
        return []


@pytest.fixture
def folders(elsewhere):
    """Words of a sweep → the folders in which it would have cells trained; trains none."""

    def received(*words, study=None):
        jobs = []
        config = OmegaConf.create(
            {
                "hydra": {
                    "sweep": {"dir": ""},
                    "launcher": {"n_jobs": 1},
                    "runtime": {"choices": {"hydra/launcher": "joblib"}},
                }
            },
            flags={"struct": True},
        )
        studies = [] if study is None else [f"study={study}"]
        line = CommandLine.parse([*TINY, *words, *studies], ["mlptrain", "-m", *words])
        with pytest.raises(TrainingError, match="that did not"):
            launch(line, config, lambda task: Recorder(jobs))
        subdirs = [word for job in jobs for word in job if word.startswith("hydra.sweep.subdir=")]
        return {word.partition("=")[2].strip("'") for word in subdirs}

    return received


@pytest.mark.parametrize(
    ("study", "words"), [(None, ["name=mine", "optimizer=adam,sgd"]), ("dropout", [])]
)
def test_a_cell_keeps_its_folder_whichever_overrides_lead_to_it(folders, elsewhere, study, words):
    first = folders(*words, study=study)
    later = folders(*words, "seed=42,43", study=study)
    assert first < later
    assert len(later) == 2 * len(first)
    root = elsewhere / "outputs" / (study or "mine")
    assert {cell.folder_name for cell in load(root).requested} == later


def test_an_interrupted_cell_is_resumed_in_its_folder(folders, elsewhere):
    (cell, _) = plan_sweep([*TINY, "name=mine", "optimizer=adam,sgd"]).cells
    (name, _) = sorted(folders("name=mine", "optimizer=adam,sgd"))
    assert name == cell.folder_name
    folder = RunFolder(elsewhere / "outputs" / "mine" / name)
    folder.path.mkdir()
    record = RunRecord(folder)
    record.start(cell.config, ["mlptrain"])
    record.interrupt("SIGINT")
    assert name in folders("name=mine", "optimizer=adam,sgd", "seed=42,43")


def test_a_worker_refuses_a_config_other_than_the_planned_one(tmp_path):
    (cell,) = plan_sweep([*TINY, "seed=7"]).cells
    folder = RunFolder(tmp_path / cell.folder_name)
    check_planned(cell.config, folder)
    other = plan_sweep([*TINY, "seed=8"]).cells[0].config
    with pytest.raises(ConfigError, match=f"planned for {cell.folder_name}"):
        check_planned(other, folder)
