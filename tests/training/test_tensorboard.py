"""TensorBoard's files; that its own reader reads them is tests/end_to_end/test_run_folder.py's."""

import pytest
from started_run import StartedRun, row


def test_a_failure_to_write_is_logged_once_and_the_run_continues(tmp_path):
    run = StartedRun(tmp_path / "run")
    run.record.folder.file("tensorboard").write_text("a file stands in its place")
    run.train(3)
    run.logger.finish()
    assert run.log().count("tensorboard: ") == 1
    assert "the run continues" in run.log()
    assert run.record.folder.status() == "running"


@pytest.mark.slow
def test_every_column_arrives_under_the_split_that_its_key_names(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = StartedRun(tmp_path / "run")
    run.logger.start([])
    run.logger.log({**row(1), "val_accuracy": 0.25, "margin": 3.0, "val_margin": 4.0})
    run.logger.finish()
    folder = run.record.folder
    tags = {}
    for split in ("train", "validation"):
        events = EventAccumulator(str(folder.file("tensorboard") / split))
        events.Reload()
        tags[split] = set(events.Tags()["tensors"])
    assert tags["train"] == {
        "epoch_loss", "epoch_accuracy", "epoch_learning_rate", "epoch_margin",
    }  # fmt: skip
    assert tags["validation"] == {"epoch_accuracy", "epoch_margin"}
