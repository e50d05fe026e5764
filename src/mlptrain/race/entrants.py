"""Who takes part in a race, checked, and the cells that each round needs."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from mlptrain.config.command_line import CommandLine
from mlptrain.config.compose import compose
from mlptrain.config.identity import config_hash, recipe_hash
from mlptrain.config.settings import flat, format_settings, varying
from mlptrain.errors import ConfigError
from mlptrain.race.rule import FIRST_SEEDS
from mlptrain.sweeps.cells import Cell, Plan, plan_sweep, slug

_SEED = "seed"


@dataclass(frozen=True)
class Limits:
    """What a race may take.

    Attributes:
        margin: difference in accuracy that does not matter, as a fraction.
        max_seeds: most seeds of a configuration.
        budget_seconds: time; None for no limit.
    """

    margin: float
    max_seeds: int
    budget_seconds: float | None


@dataclass(frozen=True)
class Entrants:
    """The configurations of a race.

    Attributes:
        line: the command line.
        plan: their cells with the first seed; its name is that of the race's folder.
        labels: of the configurations, in the plan's order.
        recipes: their hashes.
        seeds: in the order in which they are added.
    """

    line: CommandLine
    plan: Plan
    labels: list[str]
    recipes: list[str]
    seeds: list[int]
    _cells: dict[tuple[int, int], Cell] = field(default_factory=dict, repr=False)

    @property
    def root(self) -> Path:
        """The race's folder."""
        return self.output_root / self.plan.name

    @property
    def output_root(self) -> Path:
        """The folder above it, whose finished runs are not trained again."""
        return Path(self.plan.cells[0].config.output_root).expanduser().resolve()

    def cell(self, row: int, place: int) -> Cell:
        """Return a configuration's cell with the seed at a place in `seeds`."""
        first, seed = self.plan.cells[row], self.seeds[place]
        if place == 0:
            return first
        if (row, place) not in self._cells:
            others = [text for text in first.overrides if not text.startswith(f"{_SEED}=")]
            overrides = [*others, f"{_SEED}={seed}"]
            composed = compose(overrides, self.plan.inventories, self.line.base)
            self._cells[row, place] = Cell(
                config_hash(composed.config),
                slug([first.slug, overrides[-1]]),
                tuple(composed.overrides),
                composed.config,
            )
        return self._cells[row, place]

    def after(self, seeds: Mapping[int, int]) -> Plan:
        """Return the plan of all cells so far.

        Args:
            seeds: row of a configuration → its number of seeds.
        """
        cells = {row: [self.cell(row, n) for n in range(number)] for row, number in seeds.items()}
        hashes = {cells[row][0].config_hash: row for row in cells}
        stages = [
            (stage, [cell.config_hash for first in firsts for cell in cells[hashes[first]]])
            for stage, firsts in self.plan.stages
        ]
        listed = [cell for row in cells for cell in cells[row]]
        return replace(self.plan, stages=stages, cells=listed, listed=len(listed))


def read_entrants(line: CommandLine, limits: Limits) -> Entrants:
    """Compose the configurations of a race and check that they can be compared.

    Raises:
        ConfigError: one is not valid, or there is nothing to race.
    """
    for override in line.overrides:
        if override.key_or_group == _SEED and override.is_sweep_override():
            raise _sweeps_the_seed(str(override.input_line))
    plan = plan_sweep(line.overrides, line.study, line.base)
    configs = [cell.config for cell in plan.cells]
    recipes = [recipe_hash(config) for config in configs]
    if len(set(recipes)) < len(recipes):
        raise _sweeps_the_seed(f"study={line.study}, whose grids have several seeds")
    if len(configs) < 2:
        raise ConfigError(
            "two or more configurations to race",
            "one configuration",
            "list several values, as in optimizer=adam,sgd; "
            "`mlptrain -m seed=1,2,3` trains one configuration with several seeds",
        )
    judged_on = {config.data.model_dump_json(exclude={"path"}) for config in configs}
    if len(judged_on) > 1:
        raise ConfigError(
            "configurations that are judged on the same validation images",
            "settings of data that differ between them",
            "give every setting of data one value, and race other settings",
        )
    if not configs[0].data.split_sizes()["validation"]:
        raise ConfigError(
            "a validation split to judge by",
            f"data.validation_fraction={configs[0].data.validation_fraction}",
            "set data.validation_fraction=0.1",
        )
    for config in configs:
        config.logger.check_ready()
    settings = [flat(config.model_dump()) for config in configs]
    labels = [format_settings(each, varying(settings)) for each in settings]
    if len(set(labels)) < len(labels):
        labels = [cell.slug for cell in plan.cells]
    first = configs[0].seed
    seeds = [first, *(seed for seed in range(1, limits.max_seeds + 1) if seed != first)]
    if configs[0].name is None:
        plan = replace(plan, name=f"race_{plan.name}")
    return Entrants(line, plan, labels, recipes, seeds[: max(FIRST_SEEDS, limits.max_seeds)])


def _sweeps_the_seed(received: str) -> ConfigError:
    return ConfigError(
        "a race without seeds of its own: it adds them itself",
        received,
        "leave the seeds out; --max-seeds N sets how many a configuration may have",
    )
