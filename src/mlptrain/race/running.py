"""Run a race round by round, each of them a part of one sweep."""

import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from omegaconf import DictConfig
from rich.console import Console

from mlptrain.config.command_line import CommandLine
from mlptrain.config.compose import compose_hydra
from mlptrain.errors import ConfigError
from mlptrain.formatting import duration, quantity, report_command
from mlptrain.race.entrants import Entrants, Limits, read_entrants
from mlptrain.race.images import image_variance
from mlptrain.race.rule import FIRST_SEEDS, Judgment, judge
from mlptrain.race.verdict import reason, verdict
from mlptrain.reports.image_results import ImageResults
from mlptrain.store.race_file import RaceDrop, RaceFile, Round, read_race, write_race
from mlptrain.store.run_folder import alone_in
from mlptrain.store.runs import read_run
from mlptrain.store.sweep_file import known_sweep
from mlptrain.sweeps.cells import Plan
from mlptrain.sweeps.estimate import STARTUP_SECONDS, makespan
from mlptrain.sweeps.hydra_app import run_hydra
from mlptrain.sweeps.launchers import Launcher, read_launcher
from mlptrain.sweeps.launching import MakeLauncher, print_results, require_finished, train_plan
from mlptrain.sweeps.ledger import Entry, left_to_train, read_ledger
from mlptrain.sweeps.packing import estimator_of, pack

_WITHOUT_PREDICTIONS = (
    "Saved predictions are missing, so the images count with the binomial bound, which is larger."
)


def run_race(line: CommandLine, limits: Limits) -> None:
    """Add seeds until the best configuration is known, or nothing more can be decided.

    The scores are read from the run folders, so the same command resumes an interrupted race.

    Raises:
        ConfigError: there is nothing to race, or the budget is too short; nothing was started.
        TrainingError: a run failed; its configuration was dropped.
        Interrupted: a signal stopped the race; the same command resumes it.
    """
    entrants = read_entrants(line, limits)
    launcher = read_launcher(compose_hydra(line))
    _check_budget(entrants, limits, launcher)
    with alone_in(entrants.root, "race"):
        run_hydra(line, partial(_train, entrants, limits, launcher))


def _check_budget(entrants: Entrants, limits: Limits, launcher: Launcher) -> None:
    """Check that the first round fits into the budget: unknown runs take at least their start."""
    if limits.budget_seconds is None:
        return
    rows = range(len(entrants.recipes))
    estimate = _estimate(entrants.after(dict.fromkeys(rows, FIRST_SEEDS)), entrants, launcher)
    needed = STARTUP_SECONDS if estimate is None else estimate
    if needed > limits.budget_seconds:
        about = "at least" if estimate is None else "about"
        raise ConfigError(
            f"a --budget for the first round, which takes {about} {duration(needed)}",
            f"--budget of {duration(limits.budget_seconds)}",
            "give the race more time, or race fewer configurations or epochs",
        )


def _estimate(plan: Plan, entrants: Entrants, launcher: Launcher) -> float | None:
    """Return the time that the plan's missing cells take; None where it is not known."""
    root, output_root = entrants.root, entrants.output_root
    missing = {
        entry.cell.config_hash
        for entry in left_to_train(read_ledger(root, output_root, plan.cells), retry_failed=False)
    }
    if not missing:
        return 0.0
    remembered = known_sweep(root)
    threads = None if remembered is None else remembered.threads
    packing = pack(launcher, [cell.config for cell in plan.cells], output_root, threads)
    estimator = estimator_of(packing, output_root)
    each = [estimator.seconds(c.config) for c in plan.cells if c.config_hash in missing]
    known = [seconds for seconds in each if seconds is not None]
    if len(known) < len(each):
        return None
    return makespan(known, packing.workers) + STARTUP_SECONDS


def _train(
    entrants: Entrants,
    limits: Limits,
    launcher: Launcher,
    hydra_config: DictConfig,
    make_launcher: MakeLauncher,
) -> list[object]:
    """Train and judge the rounds; Hydra expects an empty list."""
    console = Console(highlight=False)
    race = _Race(entrants, limits)
    while race.judgment.outcome is None:
        for row in race.judgment.racing:
            race.seeds[row] = race.seeds.get(row, FIRST_SEEDS - 1) + 1
        number = max(race.seeds.values())
        plan = entrants.after(race.seeds)
        if race.rounds and race.is_too_long(_estimate(plan, entrants, launcher)):
            for row in race.judgment.racing:
                race.seeds[row] -= 1
            race.end_for_the_budget()
            break
        race.write()
        racing = quantity(len(race.judgment.racing), "configuration")
        console.print(f"round {len(race.rounds) + 1}: {racing}, {number} seeds", style="bold")
        began = time.monotonic()
        # What has failed in this command is not tried again by its next round.
        retry = None if race.failed else entrants.line.retry_failed
        line = replace(entrants.line, retry_failed=retry)
        _, race.entries, has_trained = train_plan(plan, line, hydra_config, make_launcher)
        race.seconds += time.monotonic() - began if has_trained else 0.0
        race.judge()
        for drop in race.rounds[-1].dropped:
            text = f"dropped: {drop.configuration}: {drop.reason}"
            console.print(text, soft_wrap=True, markup=False)
    race.write()
    print_results(entrants.root, race.entries, console)
    console.print(race.text, soft_wrap=True, markup=False, style="bold")
    runs, most = sum(race.seeds.values()), limits.max_seeds * len(entrants.recipes)
    console.print(f"{runs} runs; {most} with {limits.max_seeds} seeds of each configuration")
    console.print(f"next: {report_command(entrants.root)}", soft_wrap=True, markup=False)
    require_finished(race.entries)
    return []


class _Race:
    """The course of a race.

    Attributes:
        seeds: row of a configuration → its number of seeds.
        judgment: after the last round.
        rounds: as they are recorded.
        failed: rows of configurations with a run that failed.
        entries: the state of all cells.
        seconds: time of all commands.
        text: the verdict.
        predicted: which images each run gets right.
    """

    def __init__(self, entrants: Entrants, limits: Limits) -> None:
        self.entrants, self.limits = entrants, limits
        self.seeds: dict[int, int] = {}
        self.judgment = Judgment([], list(range(len(entrants.recipes))), None)
        self.rounds: list[Round] = []
        self.failed: set[int] = set()
        self.entries: Sequence[Entry] = []
        self.text = ""
        self.predicted = ImageResults()  # reads each file once, not in every round
        earlier = read_race(entrants.root)
        is_same = earlier is not None and earlier.recipes == entrants.recipes
        self.seconds = earlier.seconds if earlier is not None and is_same else 0.0

    def write(self) -> None:
        """Record the race so far."""
        race = RaceFile(
            margin=100 * self.limits.margin,
            max_seeds=self.limits.max_seeds,
            budget_seconds=self.limits.budget_seconds,
            recipes=self.entrants.recipes,
            seconds=self.seconds,
            rounds=self.rounds,
            outcome=self.judgment.outcome,
            verdict=self.text,
        )
        write_race(self.entrants.root, race)

    def is_too_long(self, seconds: float | None) -> bool:
        """Return whether a round of so many seconds does not fit into the budget."""
        budget = self.limits.budget_seconds
        return budget is not None and seconds != 0.0 and self.seconds + (seconds or 0.0) > budget

    def judge(self) -> None:
        """Judge the finished round: failed configurations leave the race, then the rule decides.

        Raises:
            TrainingError: a run of the round is neither finished nor failed.
        """
        labels, number = self.entrants.labels, max(self.seeds.values())
        entries = {entry.cell.config_hash: entry for entry in self.entries}
        of_row = {
            row: [entries[self.entrants.cell(row, n).config_hash] for n in range(seeds)]
            for row, seeds in self.seeds.items()
        }
        require_finished([e for e in self.entries if e.status != "failed"], also_running=True)
        failures = {
            row: _failure(of_row[row], self.entrants.seeds)
            for row in self.judgment.racing
            if any(entry.status == "failed" for entry in of_row[row])
        }
        self.failed |= failures.keys()
        racing = [row for row in self.judgment.racing if row not in failures]
        dropped = [RaceDrop(configuration=labels[row], reason=failures[row]) for row in failures]
        entrants = len(self.judgment.racing)
        note = ""
        if len(racing) > 1:
            rows = [row for row in of_row if row not in self.failed]
            runs = [[read_run(entry.folder) for entry in of_row[row]] for row in rows]
            scores = np.full((len(rows), number), np.nan)
            for line, members in zip(scores, runs, strict=True):
                line[: len(members)] = [run.metrics["val_accuracy"] for run in members]
            images = self.entrants.plan.cells[0].config.data.split_sizes()["validation"]
            compared = [r if row in racing else [] for row, r in zip(rows, runs, strict=True)]
            variance, is_exact = image_variance(compared, images, self.predicted)
            judgment = judge(scores, self.limits.margin, self.limits.max_seeds, variance)
            judgment = judgment.renumbered(rows)
            dropped += [
                RaceDrop(configuration=labels[drop.configuration], reason=reason(drop, labels))
                for drop in judgment.drops
            ]
            note = "" if is_exact else f" {_WITHOUT_PREDICTIONS}"
        else:
            judgment = Judgment([], racing, "best" if racing else "not decided")
        self.judgment = judgment
        self.rounds.append(Round(seeds=number, configurations=entrants, dropped=dropped))
        if judgment.outcome is not None:
            is_last = number >= self.limits.max_seeds
            limit = f"--max-seeds {number}" if is_last else "more are unlikely to decide it"
            self.text = self._verdict(judgment, number, limit) + note

    def end_for_the_budget(self) -> None:
        """End the race because the next round would not fit into the budget."""
        self.judgment = replace(self.judgment, outcome="not decided")
        spent = f"--budget {duration(self.limits.budget_seconds or 0)}"
        self.text = self._verdict(self.judgment, max(self.seeds.values()), spent)

    def _verdict(self, judgment: Judgment, seeds: int, limit: str) -> str:
        return verdict(judgment, self.entrants.labels, self.limits.margin, seeds, limit)


def _failure(entries: Sequence[Entry], seeds: Sequence[int]) -> str:
    seed, entry = next((s, e) for s, e in zip(seeds, entries, strict=False) if e.status == "failed")
    first = (entry.reason or "see train.log").splitlines()[0]
    return f"its run with seed {seed} failed: {first[:300]}"
