"""One epoch of every experiment and of every debug choice, really trained on the mini set."""

import math

import pytest
from real_command import MINI, read_json

from mlptrain.config.compose import compose
from mlptrain.config.identity import config_hash
from mlptrain.config.location import choices

pytestmark = [
    pytest.mark.slow,
    # Keras warns so when it saves a model.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]

EPOCH = [MINI, "train.epochs=1", "data.limit=200", "train.batch_size=60"]


def experiments(*words):
    """Choices of experiments that differ with these words; one that builds on another may not."""
    chosen = {name: [f"experiment={name}", *words] for name in choices("experiment")}
    return list(
        {config_hash(compose(chosen[name]).config): chosen[name] for name in chosen}.values()
    )


MEMORIZE = ["debug=overfit_batch"]  # trained to its end below
DEBUG = [[f"debug={name}", "train.epochs=1"] for name in choices("debug")]
DEBUG.remove([*MEMORIZE, "train.epochs=1"])


@pytest.mark.parametrize("words", [*experiments(*EPOCH), *DEBUG], ids=" ".join)
def test_it_trains_an_epoch(mlptrain, elsewhere, words):
    outcome = mlptrain(*words, "artifacts=minimal")
    assert outcome.exit_code == 0, outcome.stderr
    assert finished(elsewhere)["epochs_run"] == 1


def finished(elsewhere):
    """Metrics of the run, once it is clear that it has finished with a loss."""
    folder = elsewhere / "outputs" / "latest"
    assert read_json(folder, "run.json")["status"] == "finished"
    metrics = read_json(folder, "metrics.json")
    assert math.isfinite(metrics["test_loss"])
    return metrics


@pytest.mark.parametrize("words", [MEMORIZE, *experiments(*MEMORIZE)], ids=" ".join)
def test_the_default_recipe_and_every_experiment_memorize_a_batch(mlptrain, elsewhere, words):
    outcome = mlptrain(*words, "artifacts=minimal", "instruments=off")
    assert outcome.exit_code == 0, outcome.stderr
    assert finished(elsewhere)["train_accuracy"] == 1
