"""`mlptrain evaluate`: where the images of a split come from. Models: see tests/end_to_end."""

import pytest

from mlptrain.config.compose import compose
from mlptrain.data.sources import Located
from mlptrain.errors import DataError
from mlptrain.model.inference import load_own_copy


@pytest.fixture
def searched(monkeypatch):
    """The paths at which CIFAR-10 was searched for; there is none."""
    paths = []

    def locate(path, say) -> Located:
        paths.append(path)
        raise DataError("CIFAR-10", "nothing", "fetch it")

    monkeypatch.setattr("mlptrain.data.sources.locate_cifar10", locate)
    return paths


def test_a_split_never_follows_the_path_in_a_runs_config(searched):
    """The config may be untrusted: it would choose which files are read here."""
    data = compose(["data=cifar10", "data.path=/etc"]).config.data
    with pytest.raises(DataError) as caught:
        load_own_copy(data, print)
    assert searched == [None]
    assert "data.path of the config (/etc) is not read" in caught.value.received
    assert caught.value.action == "fetch it, or name images with --data PATH"


def test_without_a_path_the_error_is_that_of_training(searched):
    with pytest.raises(DataError) as caught:
        load_own_copy(compose(["data=cifar10"]).config.data, print)
    assert (searched, caught.value.received) == ([None], "nothing")


def test_a_path_of_an_unknown_user_is_refused(searched):
    with pytest.raises(DataError, match="in full"):
        load_own_copy(compose(["data=cifar10"]).config.data, print, "~nosuchuser/cifar")
    assert searched == []


def test_the_packaged_set_is_read_whatever_the_path_says(searched):
    data = compose(["data=cifar10_mini"]).config.data
    copy = load_own_copy(data.model_copy(update={"path": "/etc"}), print)
    assert (copy.sizes()["test"], searched) == (500, [])
