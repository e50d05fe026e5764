"""TensorBoard's files; that its own reader reads them is tests/end_to_end/test_run_folder.py's."""

import pytest

from mlptrain.config.compose import compose
from mlptrain.config.identity import config_hash
from mlptrain.store.run_folder import RunFolder
from mlptrain.store.run_record import RunRecord
from mlptrain.training.loggers.tensorboard import TensorBoardLogger

ROW = {
    "epoch": 1,
    "loss": 2.0,
    "accuracy": 0.5,
    "val_loss": None,
    "val_accuracy": None,
    "learning_rate": 1e-3,
}


def test_a_failure_to_write_is_logged_once_and_the_run_continues(tmp_path):
    config = compose(["data=cifar10_mini"]).config
    folder = RunFolder.create(tmp_path, config_hash(config))
    record = RunRecord(folder)
    record.start(config, ["mlptrain"])
    folder.file("tensorboard").write_text("a file stands in its place")
    logger = TensorBoardLogger(record)
    logger.start([])
    for _ in range(3):
        logger.log(ROW)
    logger.finish()
    log = folder.file("train.log").read_text()
    assert log.count("tensorboard: ") == 1
    assert "the run continues" in log
    assert folder.status() == "running"


@pytest.mark.slow
def test_every_column_arrives_under_the_split_that_its_key_names(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    config = compose(["data=cifar10_mini"]).config
    folder = RunFolder.create(tmp_path, config_hash(config))
    logger = TensorBoardLogger(RunRecord(folder))
    logger.start([])
    logger.log({**ROW, "val_accuracy": 0.25, "margin": 3.0, "val_margin": 4.0, "seconds": 1.0})
    logger.finish()
    tags = {}
    for split in ("train", "validation"):
        events = EventAccumulator(str(folder.file("tensorboard") / split))
        events.Reload()
        tags[split] = set(events.Tags()["tensors"])
    assert tags["train"] == {
        "epoch_loss", "epoch_accuracy", "epoch_learning_rate", "epoch_margin",
    }  # fmt: skip
    assert tags["validation"] == {"epoch_accuracy", "epoch_margin"}
