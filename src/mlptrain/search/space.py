"""The space of a search: ranges and choices of config keys, from a YAML file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import yaml
from pydantic import (
    BaseModel,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    field_validator,
    model_validator,
)

from mlptrain.config.compose import compose
from mlptrain.config.location import SEARCH, choices, file_of
from mlptrain.config.overrides import normalize
from mlptrain.config.spelling import did_you_mean
from mlptrain.datasets import Inventories
from mlptrain.errors import ConfigError
from mlptrain.ranges import STRICT, PositiveInt

if TYPE_CHECKING:
    import optuna

Scalar = bool | int | float | str


class Choices(BaseModel):
    """Several values without an order: choices of a group, booleans, lists written as text."""

    model_config = STRICT
    choices: Annotated[list[Scalar], Field(min_length=1)]

    def values_to_check(self) -> list[Scalar]:
        """Return every value: each must be valid."""
        return self.choices

    def suggest(self, trial: optuna.Trial, key: str) -> Scalar:
        """Ask the trial for a value."""
        chosen: Scalar = trial.suggest_categorical(key, self.choices)  # type: ignore[assignment]
        return chosen


class Range(BaseModel):
    """Numbers from `low` to `high`, integers if both are; `log` samples their logarithm."""

    model_config = STRICT
    low: int | float
    high: int | float
    log: bool = False
    step: int | float | None = None

    @field_validator("low", "high", "step", mode="before")
    @classmethod
    def _number(cls, value: Any) -> Any:
        """Convert text: PyYAML reads 1e-4, without a decimal point, as text."""
        try:
            return float(value) if isinstance(value, str) else value
        except ValueError:
            return value

    @model_validator(mode="after")
    def _in_order(self) -> Range:
        if not self.low < self.high:
            raise ValueError(f"low below high, not {self.low} and {self.high}")
        if self.log and (self.low <= 0 or self.step is not None):
            raise ValueError("a positive low and no step, because log is true")
        if self.step is not None and self.step <= 0:
            raise ValueError("a positive step")
        return self

    def values_to_check(self) -> list[Scalar]:
        """Return the two ends: if they are valid, everything between them is."""
        return [self.low, self.high]

    def suggest(self, trial: optuna.Trial, key: str) -> Scalar:
        """Ask the trial for a value."""
        if (
            isinstance(self.low, int)
            and isinstance(self.high, int)
            and type(self.step) is not float
        ):
            return trial.suggest_int(
                key, self.low, self.high, step=int(self.step or 1), log=self.log
            )
        return trial.suggest_float(key, self.low, self.high, step=self.step, log=self.log)


def _kind(entry: Any) -> str:
    known = entry if isinstance(entry, Mapping) else getattr(entry, "__dict__", ())
    return "choices" if "choices" in known else "range"


Entry = Annotated[
    Annotated[Choices, Tag("choices")] | Annotated[Range, Tag("range")], Discriminator(_kind)
]


class Space(BaseModel):
    """A search as its file describes it.

    Attributes:
        settings: overrides for every trial.
        space: config key or group → its range or choices.
        trials: total number of trials, unless the command sets it.
        sampler: how settings are proposed: Optuna's TPE, or at random.
        pruner: how trials are stopped early by their validation accuracy so far.
    """

    model_config = STRICT
    settings: list[str]
    space: Annotated[dict[str, Entry], Field(min_length=1)]
    trials: PositiveInt
    sampler: Literal["tpe", "random"]
    pruner: Literal["hyperband", "median", "none"]

    def overrides(self, values: Mapping[str, Scalar]) -> list[str]:
        """Spell a trial's values as overrides; groups first, since they bring other keys."""
        spelled = {key: _spelled(value) for key, value in values.items()}
        return [f"{key}={spelled[key]}" for key in sorted(spelled, key=lambda key: "." in key)]

    def suggest(self, trial: optuna.Trial) -> list[str]:
        """Ask the trial for a value of every key; return them as overrides."""
        return self.overrides({key: entry.suggest(trial, key) for key, entry in self.space.items()})

    def check(self, overrides: Sequence[str], inventories: Inventories) -> None:
        """Compose every choice and every end of a range once, with the first value of the others.

        Args:
            overrides: those of the command line.
            inventories: of own images; gets what is seen now, see `compose`.

        Raises:
            ConfigError: one of them is not valid.
        """
        first = {key: entry.values_to_check()[0] for key, entry in self.space.items()}
        for key, entry in self.space.items():
            for value in entry.values_to_check():
                try:
                    values = self.overrides({**first, key: value})
                    compose([*self.settings, *overrides, *values], inventories)
                except ConfigError as error:
                    where = f"in the search's {key}={_spelled(value)}"
                    raise ConfigError(
                        error.expected, f"{error.received} ({where})", error.action
                    ) from None


def load_space(name: str) -> tuple[str, Space]:
    """Load a search from `conf/search`, or from a path that ends in `.yaml`.

    Returns:
        Its name and its space.

    Raises:
        ConfigError: there is no such file, or it is not a search.
    """
    known = choices(SEARCH)
    path = Path(name) if name.endswith((".yaml", ".yml")) else file_of(SEARCH, name)
    try:
        is_file = path.is_file()
    except OSError:  # too long a name
        is_file = False
    if not is_file:
        raise ConfigError(
            f"a search: {', '.join(known)}, or the path of a YAML file",
            name,
            did_you_mean(name, known, "mlptrain search ", otherwise="or write your own file"),
        )
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        space = Space.model_validate(content)
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        raise ConfigError(
            "settings, space, trials, sampler and pruner", f"{path}: {_first(error)}",
            f"compare it with {SEARCH}/{known[0]}.yaml",
        ) from None  # fmt: skip
    space.settings[:] = normalize(space.settings)
    spelled = {normalize([f"{key}=1"])[0].partition("=")[0]: e for key, e in space.space.items()}
    return path.stem, space.model_copy(update={"space": spelled})


def _spelled(value: Scalar) -> str:
    """Spell a value as a person would write it: no sixteen digits for a learning rate."""
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _first(error: Exception) -> str:
    if isinstance(error, ValidationError):
        problem: Any = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in problem["loc"])
        return f"{where}: {problem['msg']}"
    return str(error).splitlines()[0]
