"""The pictures of a run folder: right contents, any size of history, the same bytes every time."""

import io
import json

import numpy as np
import pytest
from PIL import Image
from stage_figures import splits_figure, stage_figure, steps_figure

from mlptrain.figures import (
    confusion_matrix_figure,
    figure_png,
    layers_figure,
    learning_curves,
    sample_grid,
    weights_figure,
)
from mlptrain.figures.artifacts import write_classification
from mlptrain.store.run_folder import RunFolder

CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


def history_of(epochs, validation=True, rates=None):
    return [
        {
            "epoch": epoch,
            "loss": 1.0 + 1.0 / epoch,
            "accuracy": 0.7 - 0.4 / epoch,
            "val_loss": 1.3 + 0.5 / epoch if validation else None,
            "val_accuracy": 0.55 - 0.2 / epoch if validation else float("nan"),
            "learning_rate": rates[epoch - 1] if rates else 1e-3,
            "seconds": 4.0,
        }
        for epoch in range(1, epochs + 1)
    ]


KEYS = ("loss", "val_loss", "val_accuracy", "learning_rate")


def texts_of(axes):
    return [text.get_text() for text in axes.texts]


def opened(figure):
    return Image.open(io.BytesIO(figure_png(figure)))


def counts(size):
    return np.random.default_rng(0).integers(0, 400, (size, size))


def images(number):
    return np.random.default_rng(0).integers(0, 256, (number, 32, 32, 3), np.uint8)


@pytest.mark.parametrize("epochs", [1, 2, 30, 300])
def test_learning_curves_have_three_panels_and_one_size(epochs):
    figure = learning_curves(history_of(epochs), epochs, "run")

    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == ["Loss", "Accuracy", "Learning rate"]
    picture = opened(figure)
    assert (picture.format, picture.size) == ("PNG", (1200, 990))


def test_the_best_epoch_is_marked_with_its_validation_metrics():
    figure = learning_curves(history_of(30), 25, "run")
    loss, accuracy, _ = figure.axes
    assert texts_of(loss) == ["training", "validation", "1.320"]
    assert texts_of(accuracy) == ["training", "validation", "54.2 %"]
    assert "best epoch 25 of 30" in texts_of(figure)


def test_without_validation_the_training_line_is_marked():
    figure = learning_curves(history_of(4, validation=False), 4, "run")
    assert texts_of(figure.axes[0]) == ["training", "1.250"]
    assert "saved epoch 4 of 4" in texts_of(figure)


@pytest.mark.parametrize(
    ("rates", "labels"),
    [
        ([1e-3, 5e-4, 5e-4, 2.5e-4], ["0.0005", "0.00025"]),
        (list(np.linspace(1e-3, 0, 5)), []),  # a schedule has no label for every epoch
        (list(np.linspace(1e-3, 0, 100)), []),
    ],
)
def test_each_reduction_of_the_rate_is_labeled(rates, labels):
    epochs = len(rates)
    figure = learning_curves(history_of(epochs, rates=rates), epochs, "run")
    assert texts_of(figure.axes[2]) == labels


@pytest.mark.parametrize("value", [None, float("nan"), float("inf"), 0.0])
def test_a_value_that_cannot_be_drawn_does_not_stop_the_picture(value):
    history = history_of(5)
    for row, key in zip(history[1:], KEYS, strict=True):
        row[key] = value
    assert opened(learning_curves(history, 3, "run")).format == "PNG"


@pytest.mark.parametrize("size", [1, 2, 20])
def test_every_cell_shows_its_count(size):
    matrix = counts(size)
    figure = confusion_matrix_figure(matrix, [f"class {i}" for i in range(size)], "test")
    assert texts_of(figure.axes[0]) == [str(count) for count in matrix.ravel()]
    assert opened(figure).format == "PNG"


def test_a_confusion_matrix_names_accuracy_recalls_and_classes():
    matrix = np.array([[90, 10, 0], [50, 50, 0], [0, 0, 0]])
    names = ["cat", "dog", "cost in $ or $"]
    figure = confusion_matrix_figure(matrix, names, "test set")
    cells, recalls = figure.axes
    assert "accuracy 70.0 % of 200 test images" in texts_of(figure)
    assert texts_of(recalls) == ["90 %", "50 %", "none"]
    assert [label.get_text() for label in cells.get_yticklabels()] == names
    assert opened(figure).format == "PNG"


def test_an_empty_confusion_matrix_is_drawn():
    figure = confusion_matrix_figure(np.zeros((10, 10), int), CLASSES, "test")
    assert opened(figure).format == "PNG"


def test_the_sample_grid_shows_the_pixels_and_the_name_of_each_image():
    samples = images(20)
    figure = sample_grid(samples, np.arange(20) % 10, CLASSES)

    assert texts_of(figure.axes[0]) == (CLASSES * 2)[:16]
    drawn = np.asarray(opened(figure).convert("RGB"))
    assert drawn.shape == (452, 1440, 3)
    # The second image of the second row: each of its pixels is a square of 5 x 5.
    tile = drawn[268 : 268 + 160, 200 : 200 + 160]
    assert np.array_equal(tile, samples[9].repeat(5, 0).repeat(5, 1))


@pytest.mark.parametrize("number", [0, 1, 5])
def test_a_sample_grid_of_fewer_images_has_empty_places(number):
    figure = sample_grid(images(number), np.zeros((number, 1), np.uint8), CLASSES)

    assert texts_of(figure.axes[0]) == ["airplane"] * number
    assert opened(figure).size == (1440, 452)


@pytest.mark.parametrize(
    "make",
    [
        lambda: learning_curves(history_of(30), 25, "run"),
        lambda: confusion_matrix_figure(counts(10), CLASSES, "test"),
        lambda: sample_grid(images(16), np.arange(16) % 10, CLASSES),
    ],
)
def test_equal_figures_give_equal_bytes_without_metadata(make):
    first, second = figure_png(make()), figure_png(make())

    assert first == second
    assert b"tEXt" not in first


@pytest.mark.parametrize("words", [3, 12, 25, 60])
def test_a_long_title_is_readable_and_inside_the_picture(words):
    figure = learning_curves(history_of(3), 3, "label smoothing ·" * words)
    renderer = figure.canvas.get_renderer()
    *title, note = figure.texts

    assert 1 <= len(title) <= 2
    assert all(line.get_fontsize() >= 8.5 for line in title)
    assert all(line.get_window_extent(renderer).x1 < 1200 for line in title)
    assert all(line.get_window_extent(renderer).y1 < 990 for line in title)
    assert min(line.get_position()[1] for line in title) > note.get_position()[1]


def test_training_curves_say_what_they_were_measured_with():
    figure = learning_curves(history_of(3), 3, "run", ["dropout on", "mixed images"])
    note = "best epoch 3 of 3; training is measured with dropout on and mixed images"
    assert note in texts_of(figure)


def test_a_stage_names_each_configuration_with_its_last_mean():
    lines = {"relu": [history_of(3), history_of(4)], "tanh": [history_of(3, validation=False)]}
    figure = stage_figure("Activations", "Which?", lines)
    assert "relu  48.3 %" in texts_of(figure)  # 0.55 - 0.2 / 3: the mean ends with the shortest run
    assert opened(figure).size == (1350, 720)


def test_each_step_is_labeled_with_its_gain():
    figure = steps_figure({"first": {1: 0.50, 2: 0.52}, "+ more": {1: 0.54, 2: 0.55}})
    (axes,) = figure.axes
    assert texts_of(axes) == ["51.0 %", "54.5 %   +3.5"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["first", "+ more"]
    assert axes.get_ylim()[0] > axes.get_ylim()[1], "the first step stands on top"
    assert opened(figure).size == (1350, 330)


def test_the_splits_are_labeled_with_their_sizes():
    figure = splits_figure({"train": 45_000, "validation": 5_000, "test": 10_000})
    assert texts_of(figure.axes[0]) == ["train\n45,000", "validation\n5,000", "test\n10,000"]
    assert opened(figure).size == (1350, 300)


def test_many_classes_make_a_bounded_picture_with_the_worst_pairs():
    size = 200
    matrix = np.diag(np.full(size, 9))
    matrix[7, 9] = 5
    figure = confusion_matrix_figure(matrix, [f"class {n}" for n in range(size)], "a run")
    width, height = figure.get_size_inches() * figure.dpi
    assert max(width, height) <= 2_000
    texts = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert texts == ["5  class 7 as class 9"]


def test_macro_averages_are_over_the_classes_that_have_images(tmp_path):
    labels, predicted = np.array([0, 0, 1, 1], np.uint8), np.array([0, 0, 1, 2])
    write_classification(RunFolder(tmp_path), labels, predicted, ["cat", "dog", "eel"])
    report = json.loads((tmp_path / "classification_report.json").read_text())
    assert report["macro avg"]["f1-score"] == pytest.approx((1 + 2 / 3) / 2)
    assert report["eel"]["support"] == 0


def test_a_class_may_have_the_name_of_an_average(tmp_path):
    labels, predicted = np.array([0, 0, 1, 1], np.uint8), np.array([0, 0, 1, 0])
    write_classification(RunFolder(tmp_path), labels, predicted, ["accuracy", "macro avg"], 1.0)
    report = json.loads((tmp_path / "classification_report.json").read_text())
    assert report["accuracy"]["recall"] == 1.0
    assert report["macro avg"]["support"] == 2
    assert report["top-5 accuracy"] == 1.0


def test_a_name_whose_letters_the_font_lacks_is_given_by_its_number():
    names = ["猫", "chien", "собака", "قطة", "犬"]
    figure = sample_grid(np.zeros((5, 4, 4, 3), np.uint8), range(5), names, 1, 5)
    assert texts_of(figure.axes[0]) == ["class 0", "chien", "собака", "قطة", "class 4"]
    opened(figure)  # a missing letter would be a warning, which fails the test


def layer_rows(layers, epochs, value=0.5):
    columns = ("activation_sd", "dead_share", "saturated_share", "gradient_norm", "update_ratio")
    return [
        {"epoch": epoch, "layer": f"dense_{layer}", **dict.fromkeys(columns, value)}
        for epoch in range(epochs)
        for layer in range(layers)
    ]


def test_each_measurement_of_the_layers_has_a_map_with_the_layers_named_and_epochs_counted():
    rows = layer_rows(3, 5)
    rows[4]["dead_share"] = 1.0  # epoch 1, the second layer
    figure = layers_figure(rows, "recipe")
    assert [axes.get_title("left") for axes in figure.axes] == [
        "SD of the activations", "Dead units", "Saturated activations", "Gradient norm",
        "Update ratio per step",
    ]  # fmt: skip
    values = figure.axes[1].images[0].get_array()
    assert values.shape == (3, 5)
    assert values[1, 1] == 1.0
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == [
        "dense_0", "dense_1", "dense_2",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "layers", "epochs"),
    [
        (None, 1, 1), (0.0, 2, 300), (-1.0, 1, 1), (1e-30, 100, 2), (1e29, 1, 2),
        (float("nan"), 1, 1), (float("inf"), 2, 2),
    ],
)  # fmt: skip
def test_layers_are_drawn_whatever_their_number_and_values(value, layers, epochs):
    figure = layers_figure(layer_rows(layers, epochs, value), "x" * 300)
    picture = Image.open(io.BytesIO(figure_png(figure)))
    assert picture.width == 1200
    assert picture.height < 4000


def test_first_weights_are_shown_as_images_the_largest_first():
    kernel = np.zeros((4 * 4 * 3, 70), np.float32)
    kernel[:, 3] = 2.0
    kernel[0, 7] = -1.0
    (picture,) = weights_figure(kernel, 4, "recipe").images
    tiles = np.asarray(picture.get_array())
    assert tiles.shape == (4 * 66 + 3 * 8, 16 * 66 + 15 * 8, 3)  # of 66 pixels, 8 between two
    assert (tiles[:, :66] == 1)[:66].all()
    second = tiles[:66, 74:140]
    assert (second[:16, :16] == [0, 0.5, 0.5]).all()
    assert (second[20:] == 0.5).all()
    (single,) = weights_figure(kernel[:, :1], 4, "recipe").images
    assert single.get_array().shape == (66, 66, 3)
    with pytest.raises(ValueError, match="kernel of 75 rows"):
        weights_figure(kernel, 5, "recipe")
