"""The three pictures of a run folder: learning curves, confusion matrix, sample grid."""

from mlptrain.figures.confusion import confusion_matrix_figure
from mlptrain.figures.curves import learning_curves
from mlptrain.figures.samples import sample_grid
from mlptrain.figures.style import figure_png

__all__ = ["confusion_matrix_figure", "figure_png", "learning_curves", "sample_grid"]
