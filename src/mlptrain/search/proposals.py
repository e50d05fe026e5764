"""The settings of the next trial: the defaults, numbers around them, then what Optuna proposes."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState, create_trial

from mlptrain.config.compose import compose
from mlptrain.datasets import Inventories
from mlptrain.search.space import Choices, Range, Scalar, Space

OTHER_SEED = "other_seed"
"""Attribute of a trial: a known run with the same settings but for its seed."""
_STARTUP = 10
"""Trials before the sampler has seen enough; their numbers are drawn around the defaults."""
_SPREAD = 0.2
"""Standard deviation of these draws, as a share of the range."""
_ATTEMPTS = 20
"""Proposals of settings that are known before one is repeated."""


def propose(
    space: Space,
    overrides: Sequence[str],
    inventories: Inventories,
    trials: Sequence[FrozenTrial],
    seed: Sequence[int],
    *,
    is_first: bool,
) -> tuple[dict[str, Scalar], FrozenTrial | None]:
    """Return settings for the next trial, and the trial that has them already, if there is one.

    Args:
        space: ranges and choices.
        overrides: those of the command line.
        inventories: of own images.
        trials: all that are known, each once.
        seed: of this proposal.
        is_first: whether this search has started no trial yet.
    """
    random = np.random.default_rng(seed)
    is_guided = space.sampler == "tpe"
    study = optuna.create_study(
        sampler=_sampler(int(random.integers(2**31))) if is_guided
        else optuna.samplers.RandomSampler(seed=int(random.integers(2**31))),
        direction="maximize",
    )  # fmt: skip
    for trial in trials:
        study.add_trial(_without_failure(trial))
    base = [*space.settings, *overrides]
    if is_guided and is_first:
        defaults = compose(base, inventories).config.model_dump()
        study.enqueue_trial(Defaults(space, base, inventories).values(defaults))
    for _ in range(_ATTEMPTS):
        values = space.suggest(study.ask())
        if is_guided and not is_first and len(trials) < _STARTUP:
            values = _around_defaults(space, base, inventories, values, random)
        twin = next(
            (t for t in trials if t.params == values and OTHER_SEED not in t.user_attrs), None
        )
        if twin is None:
            break
    return values, twin


def _sampler(seed: int) -> optuna.samplers.BaseSampler:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        # Groups are for keys that not every trial has. Running trials count as bad ones, so that
        # workers do not all try the same settings.
        return optuna.samplers.TPESampler(
            seed=seed,
            n_startup_trials=_STARTUP,
            multivariate=True,
            group=True,
            constant_liar=True,
        )


def _without_failure(trial: FrozenTrial) -> FrozenTrial:
    """Return the trial as the sampler should see it: a failed one as the worst."""
    if trial.state != TrialState.FAIL:
        return trial
    return create_trial(
        state=TrialState.PRUNED, params=trial.params, distributions=trial.distributions
    )


def _around_defaults(
    space: Space,
    base: Sequence[str],
    inventories: Inventories,
    values: Mapping[str, Scalar],
    random: np.random.Generator,
) -> dict[str, Scalar]:
    """Return the values with each number drawn around its default, given the choices."""
    choices = {key: v for key, v in values.items() if isinstance(space.space[key], Choices)}
    config = compose([*base, *space.overrides(choices)], inventories).config.model_dump()
    result = dict(values)
    for key in values:
        entry, default = space.space[key], lookup(config, key)
        if isinstance(entry, Range) and entry.match(default):
            result[key] = entry.near(default, random.normal(0, _SPREAD))
    return result


def lookup(config: Mapping[str, Any], key: str) -> Any:
    """Return the value of a dotted key; None where the config does not have it."""
    node: Any = config
    for part in key.split("."):
        node = node.get(part) if isinstance(node, Mapping) else None
    return node


class Defaults:
    """Finds a config within a space: which choices and numbers it has.

    Args:
        space: ranges and choices.
        base: overrides of every trial.
        inventories: of own images.
    """

    def __init__(self, space: Space, base: Sequence[str], inventories: Inventories) -> None:
        self._space, self._base, self._inventories = space, base, inventories
        self._parts: dict[str, list[tuple[Scalar, Any]]] = {}

    def values(self, config: Mapping[str, Any]) -> dict[str, Scalar]:
        """Return the value of every key of the space that has one the space allows."""
        values: dict[str, Scalar] = {}
        for key, entry in self._space.active(values):
            for value in self._matching(key, entry, config):
                values[key] = value
        return values

    def _matching(
        self, key: str, entry: Choices | Range, config: Mapping[str, Any]
    ) -> Iterator[Scalar]:
        node = lookup(config, key)
        if not isinstance(node, Mapping) or not isinstance(entry, Choices):
            yield from entry.match(node)[:1]
            return
        if key not in self._parts:  # a group: which of its choices is this part of the config?
            self._parts[key] = []
            for choice in entry.choices:
                overrides = self._space.overrides(self._space.example({key: choice}))
                composed = compose([*self._base, *overrides], self._inventories).config
                part = lookup(composed.model_dump(), key)
                self._parts[key].append((choice, self._fixed_part(key, part)))
        part = self._fixed_part(key, node)
        yield from [choice for choice, known in self._parts[key] if known == part][:1]

    def _fixed_part(self, group: str, part: Mapping[str, Any]) -> dict[str, Any]:
        return {key: v for key, v in part.items() if f"{group}.{key}" not in self._space.space}
