"""What can be wrong with a data set before anything is trained on it."""

from mlptrain.data_checks.checks import check_data, find_image_faults
from mlptrain.data_checks.finding import DataFinding
from mlptrain.data_checks.image_list import ImageList

__all__ = ["DataFinding", "ImageList", "check_data", "find_image_faults"]
