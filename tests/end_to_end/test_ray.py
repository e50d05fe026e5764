"""Sweeps on a Ray cluster of two nodes, which are processes on this machine."""

from importlib.util import find_spec

import numpy as np
import pytest
from real_command import (
    SPARE,
    environment,
    epochs_of_runs,
    finish,
    history,
    mlptrain_command,
    runs,
    start_fresh,
    wait_for_epochs,
)  # fmt: skip

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("ray") is None, reason="needs the extra ray"),
    pytest.mark.filterwarnings("ignore"),  # Ray's own, in this process
]
GRID = ["-m", "data=npz", "data.path=images.npz", "data.image_size=8", *SPARE, "seed=1,2,3",
        "name=grid", "train.epochs=60", "train.batch_size=16", "callbacks.early_stopping=false",
        "model.hidden=[64]", "runtime.threads=1"]  # fmt: skip
MINUTES = 600  # a node has five processes of its own, and each job imports TensorFlow
NODE = {"num_cpus": 1, "object_store_memory": 80 * 2**20, "include_dashboard": False}


@pytest.fixture(scope="module")
def cluster():
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment().items():
            patch.setenv(name, value)
        cluster = Cluster(initialize_head=True, head_node_args=NODE)
        cluster.add_node(**NODE)
        yield cluster
        cluster.shutdown()


@pytest.fixture
def on_ray(cluster):
    return ["hydra/launcher=ray", f"hydra.launcher.ray.init.address={cluster.address}"]


def with_images(folder):
    folder.mkdir()
    images = np.random.default_rng(1).integers(0, 256, (400, 8, 8, 3), dtype=np.uint8)
    np.savez(folder / "images.npz", images=images, labels=np.arange(400) % 4)
    return folder


def test_a_sweep_that_is_killed_and_loses_a_node_ends_as_if_undisturbed(cluster, on_ray, tmp_path):
    cwd = with_images(tmp_path / "ray")

    def start_and_wait():
        before = sum(epochs_of_runs(cwd).values())
        process = start_fresh(cwd, *GRID, *on_ray)
        wait_for_epochs(process, cwd, before + 4, MINUTES)
        return process

    process = start_and_wait()
    process.kill()
    process.communicate()

    process = start_and_wait()
    (node,) = [node for node in cluster.list_all_nodes() if node is not cluster.head_node]
    cluster.remove_node(node, allow_graceful=False)
    ended = finish(process, cwd, MINUTES)
    assert ended.code == 0, ended.err
    assert "3 cells: 3 done" in ended.out

    other = with_images(tmp_path / "basic")
    alone = finish(start_fresh(other, *GRID, "hydra/launcher=basic"), other, MINUTES)
    assert alone.code == 0, alone.err
    on_one_process = {folder.name: history(folder) for folder in runs(other)}
    assert {folder.name: history(folder) for folder in runs(cwd)} == on_one_process


@pytest.mark.parametrize(
    ("words", "received"),
    [
        (["hydra.launcher.ray.init.address=127.0.0.1:1"], "nothing that answers at 127.0.0.1:1"),
        (["+hydra.launcher.ray.init.coers=2"], "coers"),
        (["+hydra.launcher.ray.remote.coers=2"], "coers"),
        (["+hydra.launcher.ray.remote.num_cpus=many"], "num_cpus"),
        (["+hydra.launcher.ray.remote.num_cpus=64"], "1 CPU"),
        (["--detach"], "jobs that would end with the command"),
    ],
)
def test_what_ray_cannot_do_is_refused_before_anything_is_written(
    on_ray, tmp_path, words, received
):
    refused = mlptrain_command(tmp_path, "-m", "data=cifar10_mini", "seed=1,2", *on_ray, *words)
    assert refused.code == 2, refused.err
    assert received in refused.err
    assert list(tmp_path.iterdir()) == []
