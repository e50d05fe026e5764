import pytest


@pytest.fixture(scope="session")
def config():
    """Overrides → the composed config, on the mini set."""
    from mlptrain.config.compose import compose

    return lambda *words: compose(["data=cifar10_mini", *words]).config


@pytest.fixture(scope="session")
def statistics():
    """Pixel statistics of the mini set's training split."""
    from mlptrain.data.mini import load_mini
    from mlptrain.data.scaling import pixel_statistics

    return pixel_statistics(load_mini().train_images[200:])
