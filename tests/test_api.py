"""mlptrain from Python: the same config, the same folder and the same refusals as the command."""

import csv
import json
import signal

import numpy as np
import pytest

from mlptrain import compose, load_model, load_runs, train
from mlptrain.config.identity import config_hash
from mlptrain.errors import ConfigError, RunFolderError, TrainingError

SMOKE = ["debug=smoke", "artifacts=minimal", "logger=none"]


def test_importing_it_imports_nothing_heavy(real_mlptrain):
    heavy = "{'tensorflow', 'keras', 'pandas', 'numpy', 'hydra', 'pydantic', 'rich', 'typer'}"
    code = f"import sys, mlptrain; sys.exit(str({heavy} & set(sys.modules) or 0))"
    outcome = real_mlptrain(python=("-c", code))
    assert outcome.stderr.strip() in ("", "0")


def test_nor_does_composing(real_mlptrain):
    code = "import sys, mlptrain; mlptrain.compose(); sys.exit('tensorflow' in sys.modules)"
    assert real_mlptrain(python=("-c", code)).exit_code == 0


# compose


def test_compose_takes_the_words_of_the_command_line():
    config = compose(["data=cifar10_mini", "init=glorot_uniform", "+optimizer=adam", "seed=7"])
    assert config.data.name == "cifar10_mini"
    assert config.initializer.name == "glorot_uniform"
    assert (config.optimizer.name, config.seed) == ("adam", 7)


def test_compose_without_words_is_the_final_recipe():
    config = compose()
    assert (config.data.name, config.train.epochs, config.seed) == ("cifar10", 30, 42)
    with pytest.raises(ValueError, match="frozen"):
        config.seed = 1


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["model.dropuot=0.2"], "did you mean model.dropout?"),
        (["train.epochs=0"], "train.epochs"),
        (["activation=relu,tanh"], "one value for activation"),
        (["study=full"], "overrides of one run"),
        (["hydra.run.dir=elsewhere"], "output_root=PATH"),
        ("seed=1", r"compose\(\['seed=1'\]\)"),
    ],
)
def test_compose_refuses_what_is_no_single_run(words, told, elsewhere):
    with pytest.raises(ConfigError, match=told):
        compose(words)
    assert list(elsewhere.iterdir()) == []


# train


def test_train_checks_a_config_that_was_changed_by_hand(elsewhere):
    config = compose(SMOKE)
    changed = config.model_copy(update={"seed": -1})
    with pytest.raises(ConfigError, match="seed"):
        train(changed)
    assert list(elsewhere.iterdir()) == []


def history(folder):
    with (folder / "history.csv").open() as stream:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(stream)]


@pytest.mark.slow
def test_train_leaves_the_commands_folder_and_figures(elsewhere, real_mlptrain, capfd):
    run = train(compose(SMOKE))
    assert "epoch 2/2" in capfd.readouterr().out
    assert run.metrics == json.loads((run.folder / "metrics.json").read_text())
    facts = json.loads((run.folder / "run.json").read_text())
    assert facts["status"] == "finished"
    assert facts["config_hash"] == config_hash(compose(SMOKE))
    assert (elsewhere / "outputs" / "latest").resolve() == run.folder

    assert real_mlptrain(*SMOKE).exit_code == 0
    typed = (elsewhere / "outputs" / "latest").resolve()
    assert typed != run.folder
    assert history(run.folder) == history(typed)
    names = {path.relative_to(run.folder) for path in run.folder.rglob("*")}
    assert names == {path.relative_to(typed) for path in typed.rglob("*")}
    assert list(load_runs("outputs")["config_hash"]) == [facts["config_hash"]] * 2


@pytest.mark.slow
def test_a_failed_run_raises_and_says_why_in_its_folder(elsewhere):
    wild = ["optimizer=sgd", "optimizer.learning_rate=1e20", "model.batch_norm=false"]
    with pytest.raises(TrainingError, match="NaN or infinity"):
        train(compose([*SMOKE, *wild, "runtime.progress=none"]))
    facts = json.loads((elsewhere / "outputs" / "latest" / "run.json").read_text())
    assert facts["status"] == "failed"


@pytest.mark.slow
def test_a_notebooks_stop_button_ends_a_run_that_resume_goes_on_with(
    elsewhere, monkeypatch, real_mlptrain
):
    from mlptrain.training.interruption import Interrupted
    from mlptrain.training.views.plain import PlainView

    monkeypatch.setattr(PlainView, "epoch_done", lambda *_: signal.raise_signal(signal.SIGINT))
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(Interrupted):
        train(compose([*SMOKE, "runtime.progress=plain"]))
    assert signal.getsignal(signal.SIGINT) is before
    folder = (elsewhere / "outputs" / "latest").resolve()
    assert json.loads((folder / "run.json").read_text())["status"] == "interrupted"
    assert real_mlptrain("resume", str(folder)).exit_code == 0
    assert len(history(folder)) == 2


# load_model


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras's saving
def test_load_model_is_what_the_run_saved(elsewhere):
    from mlptrain.data.mini import load_mini

    run = train(compose(["debug=smoke", "logger=none", "runtime.progress=none"]))
    model = load_model("outputs/latest")
    stored = np.load(run.folder / "predictions.npz")["test_probabilities"]
    images = load_mini().test_images[: len(stored)]
    predicted = model.predict_on_batch(images)
    assert predicted.shape == stored.shape
    np.testing.assert_allclose(predicted, stored, atol=1e-3)


@pytest.mark.slow
def test_load_model_refuses_a_run_without_one(elsewhere):
    run = train(compose([*SMOKE, "runtime.progress=none"]))
    with pytest.raises(RunFolderError, match="artifacts=minimal"):
        load_model(run.folder)


def test_load_model_refuses_a_folder_without_a_run(elsewhere):
    with pytest.raises(RunFolderError, match="nowhere"):
        load_model("nowhere")
