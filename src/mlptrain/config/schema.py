"""The whole config as types: every key, its type and its range.

Defaults are not here: each stands once, in `conf/`. Pydantic checks types strictly (a string
is never a number, True is never 1) and refuses keys it does not know.
"""

from collections.abc import Callable, Mapping
from copy import copy
from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SerializeAsAny, create_model

from mlptrain.augmentations import AUGMENTATIONS, Augmentation, make_augmentations
from mlptrain.callbacks import CALLBACKS, CallbackSettings
from mlptrain.datasets import DATASETS, DataSettings
from mlptrain.families import FAMILIES, Family
from mlptrain.loggers import LOGGERS, LoggerSettings
from mlptrain.ranges import STRICT, Fraction, NonNegative, Positive, PositiveInt


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


class Regularization(Node):
    """Penalties and limits; 0 or null switches each off."""

    l1: NonNegative
    l2: NonNegative
    label_smoothing: Fraction
    max_norm: Positive | None
    clip_norm: Positive | None


@lru_cache(maxsize=4)
def _augmentations_schema(registered: tuple[type[Augmentation], ...]) -> type[Node]:
    fields: dict[str, Any] = {
        key: (field.annotation, copy(field))
        for settings in registered
        for key, field in settings.model_fields.items()
    }
    about = "What is done to the training images: one or two keys for each augmentation."
    return create_model("Augmentations", __base__=Node, __doc__=about, **fields)


@lru_cache(maxsize=4)
def _callbacks_schema(registered: tuple[tuple[str, type[CallbackSettings]], ...]) -> type[Node]:
    fields: dict[str, Any] = {name: (settings, ...) for name, settings in registered}
    about = "One node for each callback, which switches it on and has its settings."
    return create_model("Callbacks", __base__=Node, __doc__=about, **fields)


def _checked_by(schema: Callable[[], type[Node]]) -> BeforeValidator:
    """Check a node against a schema of what is registered now."""
    return BeforeValidator(
        lambda node: node if isinstance(node, Node) else schema().model_validate(node)
    )


Augmentations = Annotated[
    SerializeAsAny[Node], _checked_by(lambda: _augmentations_schema(tuple(AUGMENTATIONS.values())))
]
"""The keys of all augmentations side by side; one that is missing is off."""

Callbacks = Annotated[
    SerializeAsAny[Node], _checked_by(lambda: _callbacks_schema(tuple(CALLBACKS.items())))
]
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


def _of_its_name(schemas: Mapping[str, type[BaseModel]]) -> BeforeValidator:
    """Let the schema that a node names check it; `validate` has done so, for its messages."""

    def check(node: Any) -> Any:
        if isinstance(node, BaseModel):
            return node
        name = node.get("name") if isinstance(node, Mapping) else None
        if not isinstance(name, str) or name not in schemas:
            raise ValueError(f"a name among {', '.join(schemas)}")
        return schemas[name].model_validate(node)

    return BeforeValidator(check)


Data = Annotated[SerializeAsAny[DataSettings], _of_its_name(DATASETS)]
Model = Annotated[SerializeAsAny[Family], _of_its_name(FAMILIES)]
Logger = Annotated[SerializeAsAny[LoggerSettings], _of_its_name(LOGGERS)]


class Config(Node):
    """One run, completely described."""

    seed: Annotated[int, Field(ge=0, lt=2**31)]
    name: str | None
    tags: list[str]
    output_root: Annotated[str, Field(min_length=1)]
    artifacts: Literal["full", "minimal"]
    instruments: Literal["on", "off"] = "on"
    data: Data
    model: Model
    activation: NamedNode
    initializer: NamedNode
    optimizer: Optimizer
    schedule: NamedNode
    regularization: Regularization
    augmentation: Augmentations
    callbacks: Callbacks
    train: Train
    runtime: Runtime
    logger: Logger

    def active_augmentations(self) -> dict[str, Augmentation]:
        """Return the augmentations that are switched on, by name, in the order they act."""
        return make_augmentations(self.augmentation.model_dump())

    def enabled_callbacks(self) -> dict[str, CallbackSettings]:
        """Return the settings of the callbacks that are switched on, by name."""
        return {name: settings for name, settings in self.callbacks if settings.enabled}
