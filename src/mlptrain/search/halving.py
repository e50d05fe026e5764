"""Asynchronous successive halving: which trial trains on, and how far (Li et al., 2020, ASHA).

Every trial trains toward the full number of epochs and pauses at the first rung. The best third of
those that reached a rung trains on to the next one, from its checkpoint.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

REDUCTION = 3
"""One trial of so many is promoted, and each rung has so many times the epochs of the one below."""


@dataclass(frozen=True)
class Progress:
    """How far a trial has come.

    Attributes:
        number: of the trial.
        state: `paused` at a rung, `running`, `finished` or `failed`.
        accuracies: epoch → validation accuracy after it.
        at_chance: whether its accuracy cannot be distinguished from that of guessing.
        is_known: whether it was trained outside this search, at no cost to the budget.
    """

    number: int
    state: Literal["running", "paused", "finished", "failed"]
    accuracies: Mapping[int, float]
    at_chance: bool = False
    is_known: bool = False

    @property
    def epochs(self) -> int:
        """Number of epochs trained."""
        return max(self.accuracies, default=0)

    def at(self, rung: int) -> float | None:
        """Return the accuracy at a rung; None if the trial has not come that far."""
        if self.state == "finished":  # perhaps it stopped early
            rung = max((epoch for epoch in self.accuracies if epoch <= rung), default=0)
        return self.accuracies.get(rung)


@dataclass(frozen=True)
class Halving:
    """The rungs of a search and its budget.

    Attributes:
        rungs: in epochs, ascending; the last is the full number of epochs.
        budget: most epochs of all trials together; None for no limit.
    """

    rungs: tuple[int, ...]
    budget: int | None = None

    @classmethod
    def of(cls, epochs: int, budget: int | None = None) -> "Halving":
        """Return rungs at the full number of epochs, a third of it, a ninth …, down to one."""
        rungs = [epochs]
        while rungs[0] > 1:
            rungs.insert(0, max(1, round(epochs / REDUCTION ** len(rungs))))
        return cls(tuple(rungs), budget)

    def promoted(self, trials: Sequence[Progress], *, is_last: bool) -> Progress | None:
        """Return the paused trial that trains on, looking at the highest rung first; None for none.

        Args:
            trials: all of them.
            is_last: whether no trial starts any more. Then the best of each rung trains on even if
                fewer than `REDUCTION` reached it, once no running trial can still reach it; with a
                budget, as many as can still finish.
        """
        learning = [t for t in trials if not t.at_chance and t.state != "failed"]
        # Where every trial is at chance, the epochs were too few to say anything.
        eligible = learning or (trials if is_last else [])
        for rung, _ in reversed(list(pairwise(self.rungs))):
            reached = [t for t in trials if t.at(rung) is not None]
            if is_last and any(t.state == "running" and t.epochs < rung for t in trials):
                continue
            failed = sum(t.state == "failed" and t.epochs < rung for t in trials)
            places = (len(reached) + (failed if rung == self.rungs[0] else 0)) // REDUCTION
            best = sorted(
                (t for t in reached if t in eligible), key=lambda t: (-(t.at(rung) or 0), t.number)
            )
            target = self._next_rung(rung)
            if is_last and self.budget is not None:  # the rest of the budget is for the best ones
                places, target = len(best), self.rungs[-1]
            for trial in best[: max(places, int(is_last))]:
                is_here = trial.state == "paused" and trial.epochs == rung
                if is_here and self._can_pay(trials, target, rung):
                    return trial
        return None

    def may_start(self, trials: Sequence[Progress]) -> bool:
        """Return whether the budget allows another trial: as long as one could finish."""
        return self._can_pay(trials, self.rungs[-1])

    def _next_rung(self, epochs: int) -> int:
        return next((rung for rung in self.rungs if rung > epochs), self.rungs[-1])

    def _can_pay(self, trials: Sequence[Progress], target: int, trained: int = 0) -> bool:
        """Return whether a trial can train on to a target, and one still finish afterward."""
        if self.budget is None:
            return True
        targets = {t.number: t.epochs for t in trials if not t.is_known}
        targets |= {t.number: self._next_rung(t.epochs) for t in trials if t.state == "running"}
        missing = 0
        if not any(t.state == "finished" and not t.is_known for t in trials):
            alive = [
                targets[t.number] for t in trials if t.state in ("running", "paused")
                and not t.at_chance
            ]  # fmt: skip
            missing = self.rungs[-1] - max([*alive, target])
        return sum(targets.values()) + target - trained + missing <= self.budget
