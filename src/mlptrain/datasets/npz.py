"""A user's own images as arrays in an `.npz`, under the names that people give them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mlptrain.datasets.data_settings import MOST_CLASSES
from mlptrain.datasets.own_images import OwnImages

if TYPE_CHECKING:
    import numpy as np

    from mlptrain.data.source_images import SourceImages


class Data(OwnImages):
    """Images uint8 (n, rows, columns[, 3]) and labels from 0; see `images/arrays.py`."""

    name: Literal["npz"]
    place = "an .npz file of images and labels"
    expected = (
        "an .npz with images uint8 (n, rows, columns[, 3]) and labels from 0 on, named like "
        f"x_train, y_train, x_test, y_test or images, labels, of 2 to {MOST_CLASSES} classes; "
        "`classes` may name them"
    )

    @classmethod
    def is_place(cls, path: Path) -> bool:
        """Return whether it is a file."""
        return path.is_file()

    @classmethod
    def take_inventory(cls, path: Path, node: Mapping[str, Any]) -> dict[str, Any]:
        """Take the checksum of the file."""
        from mlptrain.images.arrays import read_npz

        arrays = cls.listed(read_npz, path)
        sizes = {split: len(labels) for split, (_, labels) in arrays.splits.items()}
        return cls.inventory_content(arrays.classes, sizes, _checksum(path))

    def read_splits(self, path: Path, say: Callable[[str], None]) -> SourceImages:
        """Resize the arrays."""
        import numpy as np

        from mlptrain.data.source_images import SourceImages
        from mlptrain.images.arrays import read_npz
        from mlptrain.images.image_file import as_images

        if _checksum(path) != self.checksum():
            raise self.changed()
        arrays = self.listed(read_npz, path)
        for line in arrays.notes:
            say(line)
        splits = arrays.splits
        return SourceImages(
            images={s: as_images(images, self.image_size) for s, (images, _) in splits.items()},
            labels={split: labels.astype(np.uint8) for split, (_, labels) in splits.items()},
            arrays=arrays.image_names,
            sizes={split: images.shape[1:3] for split, (images, _) in splits.items()},
        )

    def original_sizes(self, source: SourceImages) -> np.ndarray:
        """Repeat the size of each array for its images."""
        import numpy as np

        counts = [len(source.labels[split]) for split in source.sizes]
        return np.repeat(np.array(list(source.sizes.values())), counts, axis=0)


def _checksum(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
