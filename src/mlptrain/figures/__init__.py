"""The pictures of a run folder: curves, confusion matrix, samples, layers, first weights."""

from mlptrain.figures.confusion import confusion_matrix_figure
from mlptrain.figures.curves import learning_curves
from mlptrain.figures.layers import layers_figure, weights_figure
from mlptrain.figures.samples import sample_grid
from mlptrain.figures.style import figure_png

__all__ = [
    "confusion_matrix_figure",
    "figure_png",
    "layers_figure",
    "learning_curves",
    "sample_grid",
    "weights_figure",
]
