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

CHOICES = [(group, name) for group in ("experiment", "debug") for name in choices(group)]


@pytest.mark.parametrize(("group", "name"), CHOICES)
def test_it_trains_an_epoch(mlptrain, elsewhere, group, name):
    outcome = mlptrain(f"{group}={name}", MINI, "train.epochs=1", "artifacts=minimal")
    assert outcome.exit_code == 0, outcome.stderr
    folder = elsewhere / "outputs" / "latest"
    assert read_json(folder, "run.json")["status"] == "finished"
    metrics = read_json(folder, "metrics.json")
    assert metrics["epochs_run"] == 1
    assert math.isfinite(metrics["test_loss"])


def memorizing():
    """Experiments that differ when they memorize a batch; those that build on another do not."""
    words = {name: [f"experiment={name}", "debug=overfit_batch"] for name in choices("experiment")}
    return list({config_hash(compose(words[name]).config): name for name in words}.values())


@pytest.mark.parametrize("experiment", memorizing())
def test_every_experiment_memorizes_a_batch(mlptrain, elsewhere, experiment):
    outcome = mlptrain(f"experiment={experiment}", "debug=overfit_batch", "artifacts=minimal")
    assert outcome.exit_code == 0, outcome.stderr
    assert read_json(elsewhere / "outputs" / "latest", "metrics.json")["train_accuracy"] == 1
