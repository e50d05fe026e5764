"""mlptrain from Python: the same config, the same folder and the same refusals as the command."""

import signal

import numpy as np
import pytest
from real_command import history, mlptrain_command, read_json

from mlptrain import compose, load_model, load_runs, sweep, train
from mlptrain.config.identity import config_hash
from mlptrain.errors import ConfigError, RunFolderError, TrainingError

SMOKE = ["debug=smoke", "model.hidden=[16]", "artifacts=minimal", "logger=none"]


def test_compose_takes_the_overrides_of_the_command_line():
    config = compose(["data=cifar10_mini", "init=glorot_uniform", "+optimizer=adam", "seed=7"])
    assert config.data.name == "cifar10_mini"
    assert config.initializer.name == "glorot_uniform"
    assert (config.optimizer.name, config.seed) == ("adam", 7)


def test_compose_without_overrides_is_the_final_recipe():
    config = compose()
    assert (config.data.name, config.train.epochs, config.seed) == ("cifar10", 30, 42)
    with pytest.raises(ValueError, match="frozen"):
        config.seed = 1


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["model.dropuot=0.2"], "did you mean model.dropout?"),
        (["train.epochs=0"], "train.epochs"),
        (["activation=relu,tanh"], "one value for activation"),
        (["study=full"], "overrides of one run"),
        (["hydra.run.dir=elsewhere"], "output_root=PATH"),
        ("seed=1", r"compose\(\['seed=1'\]\)"),
    ],
)
def test_compose_refuses_anything_but_one_run(overrides, message, elsewhere):
    with pytest.raises(ConfigError, match=message):
        compose(overrides)
    assert list(elsewhere.iterdir()) == []


# train


def test_train_checks_a_config_that_was_changed_by_hand(elsewhere):
    config = compose(SMOKE)
    changed = config.model_copy(update={"seed": -1})
    with pytest.raises(ConfigError, match="seed"):
        train(changed)
    assert list(elsewhere.iterdir()) == []


@pytest.mark.slow
def test_train_writes_the_same_folder_and_figures_as_the_command(elsewhere, capfd):
    run = train(compose(SMOKE))
    assert "epoch 2/2" in capfd.readouterr().out
    assert run.metrics == read_json(run.folder, "metrics.json")
    facts = read_json(run.folder, "run.json")
    assert facts["status"] == "finished"
    assert facts["config_hash"] == config_hash(compose(SMOKE))
    assert (elsewhere / "outputs" / "latest").resolve() == run.folder

    assert mlptrain_command(elsewhere, *SMOKE).code == 0
    typed = (elsewhere / "outputs" / "latest").resolve()
    assert typed != run.folder
    assert history(run.folder) == history(typed)
    names = {path.relative_to(run.folder) for path in run.folder.rglob("*")}
    assert names == {path.relative_to(typed) for path in typed.rglob("*")}
    assert list(load_runs("outputs")["config_hash"]) == [facts["config_hash"]] * 2
    with pytest.raises(RunFolderError, match="artifacts=minimal"):
        load_model(run.folder)


@pytest.mark.slow
def test_a_failed_run_raises_and_records_the_failure(elsewhere):
    wild = ["optimizer=sgd", "optimizer.learning_rate=1e20", "model.batch_norm=false"]
    with pytest.raises(TrainingError, match="NaN or infinity"):
        train(compose([*SMOKE, *wild, "runtime.progress=none"]))
    facts = read_json(elsewhere / "outputs" / "latest", "run.json")
    assert facts["status"] == "failed"


@pytest.mark.slow
def test_a_run_ended_by_a_notebooks_stop_button_can_be_resumed(elsewhere, monkeypatch):
    from mlptrain.training.interruption import Interrupted
    from mlptrain.training.views.plain import PlainView

    monkeypatch.setattr(PlainView, "epoch_done", lambda *_: signal.raise_signal(signal.SIGINT))
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(Interrupted):
        train(compose([*SMOKE, "runtime.progress=plain"]))
    assert signal.getsignal(signal.SIGINT) is before
    folder = (elsewhere / "outputs" / "latest").resolve()
    assert read_json(folder, "run.json")["status"] == "interrupted"
    assert mlptrain_command(elsewhere, "resume", str(folder)).code == 0
    assert len(history(folder)) == 2


@pytest.mark.slow
def test_a_sweep_repeats_an_earlier_run_and_is_quiet(elsewhere, capfd):
    small = {"data": "cifar10_mini", "data.limit": 100, "model.hidden": [8], "train.epochs": 1}
    quiet = {"artifacts": "minimal", "logger": "none", "runtime.progress": "none"}
    best = train(compose({**small, **quiet, "seed": 7}))
    assert [row["epoch"] for row in best.history] == [1.0]
    assert best._repr_png_() is None  # artifacts=minimal draws nothing

    grid = {"seed": [1, 2], "model.hidden": [[8]], "hydra.launcher.n_jobs": 1}
    runs = sweep(grid, like=best.folder)
    assert [read_json(run.folder, "run.json")["seed"] for run in runs] == [1, 2]
    assert all(run.metrics == read_json(run.folder, "metrics.json") for run in runs)
    assert sweep(grid, like=best.folder) == runs
    assert capfd.readouterr().out == ""
    assert compose(like=best.folder).train.epochs == 1
    assert compose(["augmentation=none"], like=best.folder).augmentation.std == 0
    with pytest.raises(ConfigError, match="one value for seed"):
        compose(["seed=1,2"], like=best.folder)


# load_model


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras's saving
def test_load_model_is_what_the_run_saved(elsewhere):
    import keras

    from mlptrain.data.mini import load_mini

    words = ["debug=smoke", "model.hidden=[16]", "logger=none", "runtime.progress=none"]
    run = train(compose([*words, "schedule=cosine", "optimizer.learning_rate=0.002"]))
    saved = keras.saving.load_model(run.folder / "model.keras")
    assert float(saved.optimizer.learning_rate) == pytest.approx(0.002)
    assert run._repr_png_().startswith(b"\x89PNG")
    model = load_model("outputs/latest")
    stored = np.load(run.folder / "predictions.npz")["test_probabilities"]
    images = load_mini().test_images[: len(stored)]
    predicted = model.predict_on_batch(images)
    assert predicted.shape == stored.shape
    np.testing.assert_allclose(predicted, stored, atol=1e-3)


def test_load_model_refuses_a_folder_without_a_run(elsewhere):
    with pytest.raises(RunFolderError, match="nowhere"):
        load_model("nowhere")
