"""Every threshold of the checks of a data set, in one table with its source."""

from collections.abc import Callable

from mlptrain.finding import Severity, Threshold

Command = Callable[[str], str]
"""Override, such as `data.image_size=8` → the complete command that trains with it."""

THRESHOLDS = {
    "constant_deviation": Threshold(
        4.0, "standard deviation of each color of a nearly constant image, of 255 levels",
        "below half the least of CIFAR-10's 60,000 images (9.0)"),
    "black_level": Threshold(
        16.0, "brightest value that counts as black", "the black level of video (ITU-R BT.601)"),
    "black_share": Threshold(
        0.99, "share of black values of a nearly black image", "CleanVision's percentile for dark"),
    "imbalance": Threshold(
        3.0, "images of the largest class to those of the smallest", "a smaller class of at most "
        "a quarter of two, where Google's course on machine learning leaves mild imbalance"),
    "high_imbalance": Threshold(
        9.0, "likewise, for a high severity", "high imbalance in the KEEL repository"),
    "smaller": Threshold(
        0.5, "shorter side to `image_size`", "three quarters of the pixels are interpolated"),
    "larger": Threshold(8.0, "likewise", "one pixel is left of 64"),
    "medium_share": Threshold(0.01, "share of images for a medium severity", "judgment"),
    "high_share": Threshold(0.1, "share of images for a high severity", "judgment"),
    "leaked_share": Threshold(
        0.01, "share of an evaluation split, or of wrong labels, for a high severity",
        "the size of the differences between configurations that a study measures"),
    "evidence": Threshold(
        3.84, "likelihood ratio (2 log) of some wrong labels against none",
        "5 % level of chi-squared with one degree of freedom"),
    "sure": Threshold(
        0.95, "probability of being right at which a model is sure of an image", "judgment"),
    "sure_share": Threshold(
        0.25, "share of images that a model must be sure of to judge labels", "measured: 0.57 "
        "to 0.89 on scikit-learn's digits, with up to 20 % wrong labels; at most 0.02 on CIFAR-10"),
    "mislabeled": Threshold(
        0.5, "probability that a label is wrong", "more likely than not"),
}  # fmt: skip
"""Name → limit. The page docs/howto/check_data.md has the same table."""


def limit(name: str) -> float:
    """Return the value of a threshold."""
    return THRESHOLDS[name].value


def severity_of(share: float) -> Severity:
    """Return how much a fault matters that a share of all images has."""
    if share >= limit("high_share"):
        return "high"
    return "medium" if share >= limit("medium_share") else "low"
