"""The space of a search: ranges and choices of config keys, each with its conditions."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, Discriminator, Field, Tag, field_validator, model_validator

from mlptrain.config.compose import compose
from mlptrain.config.identity import WITHOUT_EFFECT
from mlptrain.config.schema import Config
from mlptrain.config.spelling import spelled
from mlptrain.datasets import Inventories
from mlptrain.errors import ConfigError
from mlptrain.ranges import STRICT, PositiveInt

if TYPE_CHECKING:
    import optuna

Scalar = bool | int | float | str | None
_DIGITS = 4
"""Significant digits of a drawn number, counted from the width of its range."""


class _Entry(BaseModel):
    """A key of the space.

    Attributes:
        when: key of the space → its choices with which this key exists; all must hold.
    """

    model_config = STRICT
    when: dict[str, list[Scalar]] = {}

    @field_validator("when", mode="before")
    @classmethod
    def _one_choice(cls, value: Any) -> Any:
        """Accept one choice in place of a list."""
        if not isinstance(value, Mapping):
            return value
        return {key: v if isinstance(v, list) else [v] for key, v in value.items()}


class Choices(_Entry):
    """Several values without an order: choices of a group, booleans, null, lists."""

    choices: Annotated[list[Scalar], Field(min_length=1)]

    @field_validator("choices", mode="before")
    @classmethod
    def _lists_as_text(cls, value: Any) -> Any:
        """Write a list as an override has it; refuse a choice that is there twice."""
        if not isinstance(value, list):
            return value
        texts = [spelled(choice) for choice in value]
        for text in texts:
            if texts.count(text) > 1:
                raise ValueError(f"each choice once, not {text} twice")
        return [
            text if isinstance(choice, list) else choice
            for text, choice in zip(texts, value, strict=True)
        ]

    def values_to_check(self) -> list[Scalar]:
        """Return every value: each must be valid."""
        return self.choices

    def suggest(self, trial: optuna.Trial, key: str) -> Scalar:
        """Ask the trial for a value."""
        chosen: Scalar = trial.suggest_categorical(key, self.choices)
        return chosen

    def match(self, value: Any) -> list[Scalar]:
        """Return the choice that a config has, as the only item; nothing if it has another."""
        text = spelled(value)
        return [c for c in self.choices if spelled(c).replace(" ", "") == text]


class Range(_Entry):
    """Numbers from `low` to `high`, integers if both are; `log` samples their logarithm."""

    low: int | float
    high: int | float
    log: bool = False
    step: int | float | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Range:
        if not self.low < self.high:  # neither is infinite: the config of the model refuses that
            raise ValueError(f"low below high, not {self.low} and {self.high}")
        if self.log and (self.low <= 0 or self.step is not None):
            raise ValueError("a positive low and no step, because log is true")
        if self.step is not None and not 0 < self.step <= self.high - self.low:
            raise ValueError(f"a positive step that fits between low and high, not {self.step}")
        return self

    @property
    def _is_whole(self) -> bool:
        return not any(isinstance(n, float) for n in (self.low, self.high, self.step))

    def values_to_check(self) -> list[Scalar]:
        """Return the two ends: if they are valid, everything between them is."""
        return [self.low, self.high]

    def suggest(self, trial: optuna.Trial, key: str) -> Scalar:
        """Ask the trial for a value, rounded to as many digits as the range needs."""
        if self._is_whole:
            step = int(self.step or 1)
            return trial.suggest_int(key, int(self.low), int(self.high), step=step, log=self.log)
        return self._rounded(
            trial.suggest_float(key, self.low, self.high, step=self.step, log=self.log)
        )

    def match(self, value: Any) -> list[Scalar]:
        """Return a number within the range, as the only item; nothing for any other value."""
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not self.low <= value <= self.high:
            return []
        if self.step or self._is_whole:
            steps = (value - self.low) / (self.step or 1)
            return [value] if abs(steps - round(steps)) < 1e-8 else []
        return [float(value)]

    def near(self, center: float, offset: float) -> Scalar:
        """Return a number at an offset from the center, as a share of the range; within it."""
        low, high, middle = (
            math.log(n) if self.log else n for n in (self.low, self.high, max(center, self.low))
        )
        position = min(max(middle + offset * (high - low), low), high)
        value = min(max(math.exp(position) if self.log else position, self.low), self.high)
        if self.step or self._is_whole:
            step = self.step or 1
            steps = min(round((value - self.low) / step), int((self.high - self.low) / step + 1e-9))
            value = self.low + steps * step
        return int(value) if self._is_whole else self._rounded(value)

    def _rounded(self, value: float) -> float:
        width = self.high - self.low
        scale = min(value, width) if self.log else width
        rounded = round(value, max(0, _DIGITS - 1 - math.floor(math.log10(scale))))
        return min(max(rounded, float(self.low)), float(self.high))


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
        budget: most epochs of all trials together, unless the command sets it; null: no limit.
        sampler: how settings are proposed: Optuna's TPE, or at random.
        halving: whether trials pause at rungs and only the best third of each trains on.
    """

    model_config = STRICT
    settings: list[str] = []
    space: Annotated[dict[str, Entry], Field(min_length=1)]
    trials: PositiveInt
    budget: PositiveInt | None = None
    sampler: Literal["tpe", "random"]
    halving: bool

    @model_validator(mode="after")
    def _conditions_hold(self) -> Space:
        for key, entry in self.space.items():
            for parent, values in entry.when.items():
                known = self.space.get(parent)
                if not isinstance(known, Choices):
                    raise ValueError(f"space.{key}.when: a key of the space that has choices, "
                                     f"not {parent}")  # fmt: skip
                for value in values:
                    if not known.match(value):
                        raise ValueError(
                            f"space.{key}.when: choices of {parent}, not {spelled(value)}"
                        )
            if key in self._ancestors(key):
                raise ValueError(f"space.{key}.when: conditions that do not go in a circle")
        for setting in self.settings:
            if (key := setting.partition("=")[0].lstrip("+~")) in self.space:
                raise ValueError(f"settings: no {setting}, because the space searches {key}")
        for key in self.space:
            if any(f"{key}.".startswith(f"{other}.") for other in WITHOUT_EFFECT):
                raise ValueError(f"space.{key}: a setting that can change the result of a run")
        return self

    def _ancestors(self, key: str) -> set[str]:
        ancestors: set[str] = set()
        waiting = [*self.space[key].when]
        while waiting:
            if (parent := waiting.pop()) not in ancestors:
                ancestors.add(parent)
                waiting += self.space[parent].when if parent in self.space else []
        return ancestors

    def without(self, fixed: Mapping[str, str]) -> Space:
        """Return the space without keys that the command line sets, or that cannot exist then."""

        def can_exist(key: str) -> bool:
            return all(
                fixed[parent] in map(spelled, values) if parent in fixed else can_exist(parent)
                for parent, values in self.space[key].when.items()
            )

        searched = {}
        for key, entry in self.space.items():
            if key not in fixed and can_exist(key):
                when = {parent: v for parent, v in entry.when.items() if parent not in fixed}
                searched[key] = entry.model_copy(update={"when": when})
        return self.model_copy(update={"space": searched})

    def active(self, values: Mapping[str, Scalar]) -> Iterator[tuple[str, Choices | Range]]:
        """Yield each key that exists with the `values`, which may grow meanwhile; parents first."""
        for key in sorted(self.space, key=lambda key: len(self._ancestors(key))):
            entry = self.space[key]
            if all(
                parent in values and values[parent] in allowed
                for parent, allowed in entry.when.items()
            ):
                yield key, entry

    def overrides(self, values: Mapping[str, Scalar]) -> list[str]:
        """Spell a trial's values as overrides; groups first, since they bring other keys."""
        return [f"{key}={spelled(values[key])}" for key in sorted(values, key=lambda k: "." in k)]

    def suggest(self, trial: optuna.Trial) -> dict[str, Scalar]:
        """Ask the trial for a value of every key that exists with the values of the others."""
        values: dict[str, Scalar] = {}
        for key, entry in self.active(values):
            values[key] = entry.suggest(trial, key)
        return values

    def example(self, fixed: Mapping[str, Scalar]) -> dict[str, Scalar]:
        """Return the first value of every key, but for those fixed and what they depend on."""
        fixed, waiting = dict(fixed), list(fixed)
        while waiting:
            for parent, allowed in self.space[waiting.pop()].when.items():
                if parent not in fixed:
                    fixed[parent] = allowed[0]
                    waiting.append(parent)
        values: dict[str, Scalar] = {}
        for key, entry in self.active(values):
            values[key] = fixed[key] if key in fixed else entry.values_to_check()[0]
        return values

    def check(self, overrides: Sequence[str], inventories: Inventories) -> Config:
        """Compose every choice and every end of a range, in each of its conditions.

        Args:
            overrides: those of the command line.
            inventories: of own images; gets what is seen now, see `compose`.

        Returns:
            The config without any key of the space, whose settings are the search's defaults.

        Raises:
            ConfigError: one of them is not valid; the error names the entry.
        """
        base = [*self.settings, *overrides]
        config = compose(base, inventories).config
        for key, entry in self.space.items():
            conditions: list[dict[str, Scalar]] = [
                {parent: value} for parent, allowed in entry.when.items() for value in allowed
            ] or [{}]
            for condition in conditions:
                for value in entry.values_to_check():
                    values = self.example({**condition, key: value})
                    try:
                        compose([*base, *self.overrides(values)], inventories)
                    except ConfigError as error:
                        # A key that does not exist is named, whichever entry is being tried.
                        named = [other for other in values if other in error.received]
                        culprit = max(named, key=len, default=key)
                        tried = " ".join(self.overrides(values))
                        hint = "; `when` limits an entry to some choices of another"
                        raise ConfigError(
                            error.expected,
                            f"{error.received} (space.{culprit}, tried with {tried})",
                            error.action + hint * (culprit != key),
                        ) from None
        return config
