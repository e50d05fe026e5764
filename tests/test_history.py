"""A column of the history is one entry; here one comes from outside the package."""

import io

from mlptrain import history
from mlptrain.callbacks.early_stopping import EarlyStopping
from mlptrain.figures import learning_curves
from mlptrain.formatting import percent
from mlptrain.reports.curves import curve_names
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
    assert header.endswith(",seconds,val_macro_f1,norm")
    assert line.endswith(",2.0,,3.25")
    assert stream.getvalue().endswith("  2.0 s  norm 3.2  * best\n")


def test_a_new_metric_is_drawn_compared_and_monitored(monkeypatch):
    new = [history.Column(key, key, percent, 6, better="higher") for key in ("top5", "val_top5")]
    monkeypatch.setattr(history, "COLUMNS", [*history.COLUMNS, *new])
    monkeypatch.setattr("mlptrain.figures.curves.COLUMNS", history.COLUMNS)
    row = {**ROW, "epoch": 1, "top5": 0.8, "val_top5": 0.7}
    figure = learning_curves([row], 1, "run")
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == ["Loss", "Accuracy", "Top5", "Learning rate"]
    assert "70.0 %" in [text.get_text() for text in figure.axes[2].texts]
    assert list(curve_names().items())[2] == ("val_top5", "Validation top5, %")
    assert EarlyStopping("val_top5", patience=1).maximize
