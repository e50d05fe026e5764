from typing import Literal

from mlptrain.datasets.fixed_data import FixedData


class Data(FixedData):
    name: Literal["stripes"]
    classes = ("across", "upright")
    side = 6
    sizes = (80, 20)

    @classmethod
    def checksum(cls):
        return "5" * 64

    @classmethod
    def read_local_copy(cls):
        import numpy as np

        from mlptrain.data.arrays import ImageArrays, aligned_empty

        train, test = cls.sizes
        labels = np.arange(train + test, dtype=np.uint8) % 2
        images = aligned_empty((train + test, cls.side, cls.side, 3), np.uint8)
        for number, (image, label) in enumerate(zip(images, labels, strict=True)):
            image[:] = number
            if label:
                image[:, ::2] = 255
            else:
                image[::2] = 255
        return ImageArrays(images[:train], labels[:train], images[train:], labels[train:])
