"""TensorBoard's files; that its own reader reads them is tests/end_to_end/test_run_folder.py's."""

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


def test_what_cannot_be_written_is_told_once_and_the_run_goes_on(tmp_path):
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
    assert "the run goes on" in log
    assert folder.status() == "running"
