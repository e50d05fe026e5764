"""A column of the history is one entry; here one comes from outside the package."""

import io

from mlptrain.store import history
from mlptrain.store.run_folder import RunFolder
from mlptrain.training.views.plain import PlainView

ROW = dict.fromkeys(("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"), 0.5)


def test_a_new_column_is_in_the_file_and_in_the_plain_view(tmp_path):
    column = history.Column("norm", "norm", lambda value: f"{value:.1f}", 5)
    history.COLUMNS.append(column)
    try:
        row = {**ROW, "epoch": 1, "seconds": 2.0, "norm": 3.25}
        RunFolder(tmp_path).write_history([row])
        header, line = (tmp_path / "history.csv").read_text().splitlines()
        stream = io.StringIO()
        PlainView(stream).epoch_done(row, best=True)
    finally:
        history.COLUMNS.remove(column)
    assert header.endswith(",seconds,norm")
    assert line.endswith(",2.0,3.25")
    assert stream.getvalue().endswith("  2.0 s  norm 3.2  * best\n")
