"""A run's record and its logger, without the training."""

from mlptrain.config.compose import compose
from mlptrain.store.run_folder import RunFolder
from mlptrain.store.run_record import RunRecord
from mlptrain.training.logged_run import make_logger


def row(epoch):
    """Return what the epoch loop hands to a logger."""
    return {
        "epoch": epoch, "loss": 1 / epoch, "accuracy": 0.5, "val_loss": None,
        "val_accuracy": None, "learning_rate": 0.001, "seconds": 2.0,
    }  # fmt: skip


class StartedRun:
    """A run that only pretends to train."""

    def __init__(self, path, *words):
        self.config = compose(["data=cifar10_mini", *words]).config
        path.mkdir(parents=True, exist_ok=True)
        self.record = RunRecord(RunFolder(path))
        self.record.start(self.config, ["mlptrain", *words])
        self.logger = make_logger(self.config, self.record)

    def train(self, epochs, after=()):
        self.logger.start(list(after))
        for epoch in range(len(after) + 1, epochs + 1):
            self.logger.log(row(epoch))

    def finish(self):
        metrics = {"test_accuracy": 0.25, "val_loss": None, "best_epoch": 2, "epochs_run": 3}
        self.record.folder.write_json("metrics.json", metrics)
        self.record.folder.write_text("learning_curves.png", "a picture")
        self.record.folder.write_text("model.keras", "a model")
        self.record.finish({})
        self.logger.finish()

    def resume(self):
        self.record.resume()
        self.logger = make_logger(self.config, self.record)

    def log(self):
        return self.record.folder.file("train.log").read_text()
