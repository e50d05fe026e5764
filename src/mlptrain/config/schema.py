"""The whole config as types: every key, its type and its range.

Defaults are not here: each stands once, in `conf/`. Pydantic checks types strictly (a string
is never a number, True is never 1) and refuses keys it does not know.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializeAsAny,
    create_model,
)

from mlptrain.callbacks import CALLBACKS, CallbackSettings
from mlptrain.families import FAMILIES, Family
from mlptrain.images.inventory import MOST_CLASSES
from mlptrain.ranges import (
    STRICT,
    Fraction,
    NonNegative,
    NonNegativeInt,
    Positive,
    PositiveInt,
    UnitInterval,
)


def _shown(name: str) -> str:
    if not name.isprintable() or "${" in name:
        raise ValueError("a printable name without ${")
    return name


ClassName = Annotated[str, Field(min_length=1, max_length=80), AfterValidator(_shown)]


class Node(BaseModel):
    """A part of the config: strict, frozen, without unknown keys."""

    model_config = STRICT


class NamedNode(BaseModel):
    """A part whose `name` is looked up in a registry, which says what else it may hold."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)
    name: str

    @property
    def parameters(self) -> dict[str, Any]:
        """Everything beside the name, as the constructor's keyword arguments."""
        return self.model_dump(exclude={"name"})


class Optimizer(NamedNode):
    """The optimizer; all of them have a learning rate."""

    learning_rate: float


Scaling = Literal["standardize", "minus_one_one", "zero_one"]


class Cifar10(Node):
    """CIFAR-10 or its packaged part, and how it is split and scaled."""

    name: Literal["cifar10", "cifar10_mini"]
    validation_fraction: Fraction
    scaling: Scaling
    path: str | None
    limit: PositiveInt | None


class ImageInventory(Node):
    """Classes, counts and checksum of the images at `data.path`; see images/inventory.py."""

    classes: Annotated[list[ClassName], Field(min_length=2, max_length=MOST_CLASSES)]
    train: PositiveInt
    test: NonNegativeInt
    checksum: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class OwnImages(Node):
    """A user's own images: a folder of classes, or arrays in an `.npz`."""

    name: Literal["folder", "npz"]
    path: str | None
    image_size: Annotated[int, Field(ge=4, le=256)]
    test_fraction: Fraction
    validation_fraction: Fraction
    scaling: Scaling
    limit: PositiveInt | None
    inventory: ImageInventory | None


Data = Annotated[Cifar10 | OwnImages, Field(discriminator="name")]


class Regularization(Node):
    """Penalties and limits; 0 or null switches each off."""

    l1: NonNegative
    l2: NonNegative
    label_smoothing: Fraction
    max_norm: Positive | None
    clip_norm: Positive | None


class Augmentation(Node):
    """What is done to the training images; `std` is in units of the scaled pixels."""

    std: NonNegative
    when: Literal["once", "every_epoch"]
    flip: Literal[False, True, "alternating"]
    shift: NonNegativeInt
    crop: NonNegativeInt
    brightness: UnitInterval
    contrast: UnitInterval
    cutout: NonNegativeInt
    cutmix: NonNegative
    mixup: NonNegative
    test_flip: bool


@lru_cache(maxsize=4)
def _callbacks_schema(registered: tuple[tuple[str, type[CallbackSettings]], ...]) -> type[Node]:
    fields: dict[str, Any] = {name: (settings, ...) for name, settings in registered}
    return create_model("Callbacks", __base__=Node, **fields)


def _of_registered_callbacks(node: Any) -> Any:
    """Check the node against the schemas of all callbacks that are registered now."""
    if isinstance(node, Node):
        return node
    return _callbacks_schema(tuple(CALLBACKS.items())).model_validate(node)


Callbacks = Annotated[SerializeAsAny[Node], BeforeValidator(_of_registered_callbacks)]
"""One key for each callback; each is switched on by its own `enabled`."""


class Train(Node):
    """How long, in which batches, and whether the weights are averaged over the steps."""

    epochs: PositiveInt
    batch_size: PositiveInt
    ema: Fraction


class Runtime(Node):
    """How the computer is used; none of it is part of the experiment but the last two."""

    threads: PositiveInt | None
    progress: Literal["auto", "rich", "plain", "none"]
    device: Literal["auto", "cpu", "gpu"]
    deterministic: bool
    precision: Literal["float32", "mixed_bfloat16"]


class Logger(Node):
    """Where the figures of each epoch go beside history.csv; the other keys are mlflow's."""

    name: Literal["tensorboard", "mlflow", "none"]
    uri: str | None = None
    experiment: Annotated[str, Field(min_length=1)] | None = None


def _of_its_family(node: Any) -> Any:
    """Let the family that the node names check it; `validate` has done so, for its messages."""
    if isinstance(node, Family):
        return node
    name = node.get("name") if isinstance(node, Mapping) else None
    if not isinstance(name, str) or name not in FAMILIES:
        raise ValueError("not one of the families of nets")
    return FAMILIES[name].model_validate(node)


Model = Annotated[SerializeAsAny[Family], BeforeValidator(_of_its_family)]


class Config(Node):
    """One run, completely described."""

    seed: Annotated[int, Field(ge=0, lt=2**31)]
    name: str | None
    tags: list[str]
    output_root: Annotated[str, Field(min_length=1)]
    artifacts: Literal["full", "minimal"]
    data: Data
    model: Model
    activation: NamedNode
    initializer: NamedNode
    optimizer: Optimizer
    schedule: NamedNode
    regularization: Regularization
    augmentation: Augmentation
    callbacks: Callbacks
    train: Train
    runtime: Runtime
    logger: Logger

    def enabled_callbacks(self) -> dict[str, CallbackSettings]:
        """Return the settings of the callbacks that are switched on, by name."""
        return {name: settings for name, settings in self.callbacks if settings.enabled}
