"""`mlptrain evaluate`: whose images a split means. Real models are in tests/end_to_end."""

import pytest

from mlptrain.config.compose import compose
from mlptrain.data.sources import Located
from mlptrain.errors import DataError
from mlptrain.model.inference import load_own_copy


@pytest.fixture
def asked(monkeypatch):
    """The paths at which CIFAR-10 was looked for; there is none."""
    paths = []

    def locate(path, say) -> Located:
        paths.append(path)
        raise DataError("CIFAR-10", "nothing", "fetch it")

    monkeypatch.setattr("mlptrain.data.sources.locate_cifar10", locate)
    return paths


def test_a_split_never_follows_the_path_in_a_runs_config(asked):
    """The config may be a stranger's: it would choose what is read here."""
    data = compose(["data=cifar10", "data.path=/etc"]).config.data
    with pytest.raises(DataError) as caught:
        load_own_copy(data, print)
    assert asked == [None]
    assert "data.path of the config (/etc) is not read" in caught.value.received
    assert caught.value.action == "fetch it, or name images with --data PATH"


def test_without_a_path_the_refusal_is_that_of_training(asked):
    with pytest.raises(DataError) as caught:
        load_own_copy(compose(["data=cifar10"]).config.data, print)
    assert (asked, caught.value.received) == ([None], "nothing")


def test_a_path_of_nobody_is_refused(asked):
    with pytest.raises(DataError, match="in full"):
        load_own_copy(compose(["data=cifar10"]).config.data, print, "~nosuchuser/cifar")
    assert asked == []


def test_the_packaged_set_is_found_by_its_name(asked):
    data = compose(["data=cifar10_mini"]).config.data
    own = load_own_copy(data.model_copy(update={"path": "/etc"}), print)
    assert (own.sizes()["test"], asked) == (500, [])
