import itertools

import numpy as np
import pytest

from mlptrain.config.location import choices
from mlptrain.random_streams import Kind, stream, stream_word

SEEDS = range(1, 11)


def test_a_stream_is_the_same_every_time():
    assert stream_word(42, Kind.ORDER, 3) == stream_word(42, Kind.ORDER, 3)


def test_no_two_seeds_kinds_or_indices_share_a_stream():
    indices = [(), *itertools.product(range(5)), *itertools.product(range(5), range(5))]
    sources = [stream(s, kind, *index) for s in SEEDS for kind in Kind for index in indices]
    states = {source.generate_state(4).tobytes() for source in sources}
    assert len(states) == len(SEEDS) * len(Kind) * len(indices)


def beginning(kernel):
    """Return the ranks of the first values, which one stream gives at any scale."""
    return np.argsort(kernel.numpy().ravel()[:48], kind="stable").tobytes()


@pytest.mark.parametrize(
    ("model", "initializer"),
    [*((model, "he_normal") for model in choices("model")), ("mlp", "glorot_uniform")],
)
def test_no_two_layers_of_any_seeds_start_with_shared_values(model, initializer):
    import keras

    from mlptrain.config.compose import compose
    from mlptrain.data.scaling import PixelStatistics
    from mlptrain.model.mlp import build_mlp

    keras.backend.clear_session()
    overrides = ["data=cifar10_mini", f"model={model}", f"initializer={initializer}"]
    config = compose(overrides).config
    statistics = PixelStatistics(np.zeros(3072), np.ones(3072))
    beginnings = []
    for seed in SEEDS:
        mlp = build_mlp(config.model_copy(update={"seed": seed}), statistics)
        layers = [layer for layer in mlp.network.layers if hasattr(layer, "kernel")]
        # Kernels that start at zero have nothing to share.
        kernels = [layer.kernel for layer in layers if np.any(layer.kernel)]
        beginnings += map(beginning, kernels)
    assert len(beginnings) == len(SEEDS) * len(kernels)
    assert len(set(beginnings)) == len(beginnings)
