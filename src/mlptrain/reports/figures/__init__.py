"""The three pictures of a run folder: learning curves, confusion matrix, sample grid."""

from mlptrain.reports.figures.confusion import confusion_matrix_figure
from mlptrain.reports.figures.curves import learning_curves
from mlptrain.reports.figures.samples import sample_grid
from mlptrain.reports.figures.style import figure_png

__all__ = ["confusion_matrix_figure", "figure_png", "learning_curves", "sample_grid"]
