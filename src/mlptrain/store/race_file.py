"""`race.json` in a sweep's folder: its rounds, who was dropped when and why, and the verdict.

It is a record. A race that is resumed reads the scores from the run folders and decides anew.
"""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from mlptrain.errors import RunFolderError, reason_of
from mlptrain.formatting import duration, quantity
from mlptrain.store.names import RACE
from mlptrain.store.reading import read_checked
from mlptrain.store.run_folder import RunFolder

SCHEMA_VERSION = 1

Text = Annotated[str, Field(max_length=2_000)]
_Count = Annotated[int, Field(ge=0, le=10_000_000)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class RaceDrop(_Part):
    """A configuration that left the race, by the name of its cells, and why."""

    configuration: Text
    reason: Text


class Round(_Part):
    """A round: the number of seeds that its configurations have, and who was dropped after it."""

    seeds: _Count
    configurations: _Count
    dropped: list[RaceDrop] = []


class RaceFile(_Part):
    """A race.

    Attributes:
        margin: difference in accuracy that does not matter, in points.
        max_seeds: most seeds of a configuration.
        budget_seconds: time that they may take together; None for no limit.
        recipes: hash of each configuration.
        seconds: time that its commands took so far.
        rounds: the rounds so far.
        outcome: `best`, `tied` or `not decided`; None while it is not over.
        verdict: the outcome in sentences.
    """

    margin: FiniteFloat
    max_seeds: _Count
    budget_seconds: FiniteFloat | None = None
    recipes: list[Text] = []
    seconds: FiniteFloat = 0.0
    rounds: list[Round] = []
    outcome: Text | None = None
    verdict: Text = ""

    @property
    def lines(self) -> list[str]:
        """The race as text, a line for each round and each drop."""
        budget = "" if self.budget_seconds is None else f", {duration(self.budget_seconds)}"
        text = f"race: margin {self.margin:g} points, at most {self.max_seeds} seeds{budget}"
        lines = [text]
        for number, stage in enumerate(self.rounds, 1):
            entrants = quantity(stage.configurations, "configuration")
            dropped = f", {len(stage.dropped)} dropped" if stage.dropped else ""
            lines.append(f"  round {number}: {entrants}, {stage.seeds} seeds{dropped}")
            lines += [f"    {drop.configuration}: {drop.reason}" for drop in stage.dropped]
        return [*lines, self.verdict or "The race is not over; its command resumes it."]


def read_race(root: Path) -> RaceFile | None:
    """Read the file of a sweep's folder; None if the sweep is no race.

    Raises:
        RunFolderError: it is not what this version writes.
    """
    try:
        if not (root / RACE).is_file():
            return None
    except OSError as error:
        raise RunFolderError(
            f"{root} to be readable", reason_of(error), "give access to it"
        ) from None
    return read_checked(root, RACE, RaceFile, SCHEMA_VERSION)


def write_race(root: Path, race: RaceFile) -> None:
    """Write the file, atomically."""
    content = {"schema_version": SCHEMA_VERSION, **race.model_dump()}
    RunFolder(root).write_json(RACE, content)
