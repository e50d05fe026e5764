"""Average over the mirror image when scoring."""

from pydantic import Field

from mlptrain.augmentations.augmentation import ScoringView, Tensor


class Settings(ScoringView):
    """Average the probabilities of an image and its mirror image."""

    position = 90

    test_flip: bool = Field(
        False,
        description="average the probabilities of each image and its mirror image when scoring",
    )

    def describe(self) -> list[str]:
        """Say what was done to the scores."""
        return ["scores average the mirror image"]

    def view(self, images: Tensor) -> Tensor:
        """Return the mirror images."""
        import keras

        return keras.ops.flip(images, axis=2)
