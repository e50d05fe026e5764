"""The facts about a run that findings are made from; its folder may be untrusted."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from mlptrain.config.location import contents
from mlptrain.errors import RunFolderError, printable
from mlptrain.finding import Finding, Severity
from mlptrain.findings.thresholds import limit
from mlptrain.formatting import like_command
from mlptrain.store.confusion import read_confusion
from mlptrain.store.layers import NETWORK, read_layers
from mlptrain.store.runs import Run

Row = Mapping[str, Any]
LOGITS = "logits"


@dataclass(frozen=True)
class RunFinding(Finding):
    """One cause of what a run did.

    Attributes:
        since_epoch: the first epoch that shows it, 0 for the untrained net; None if it has none.
    """

    since_epoch: int | None = None


@dataclass(frozen=True)
class Facts:
    """What is known about a run.

    Attributes:
        path: of its folder, for commands.
        settings: of its config, with dotted keys; a group's choice stands under the group's name.
        history: rows of `history.csv`.
        layers: rows of `layers.csv`.
        metrics: `metrics.json`.
        reason: why the run failed or stopped; None if it finished.
        sizes: images by split.
        guessing: accuracy of always guessing the most frequent class, by split.
        confusion: counts on test, rows true and columns predicted; empty if not known.
        class_names: of the rows of `confusion`.
        notes: what could not be read.
    """

    path: Path
    settings: Mapping[str, Any]
    history: Sequence[Row]
    layers: Sequence[Row]
    metrics: Mapping[str, float]
    reason: str | None = None
    sizes: Mapping[str, int] = field(default_factory=dict)
    guessing: Mapping[str, float] = field(default_factory=dict)
    confusion: Sequence[Sequence[int]] = ()
    class_names: Sequence[str] = ()
    notes: Sequence[str] = ()

    @classmethod
    def of(cls, run: Run) -> Facts:
        """Read what a run's folder says."""
        layers, problem = read_layers(run.path)
        notes = [*run.notes, *([problem] if problem else [])]
        class_names: Sequence[str] = ()
        confusion: Sequence[Sequence[int]] = ()
        if run.facts.status == "finished":
            try:
                class_names, matrix = read_confusion(run)
                confusion = matrix.tolist()
            except RunFolderError as error:
                notes.append(error.received)
        data = run.facts.data or {}
        history = [row for row in run.history if row.get("epoch") is not None]
        if not history:
            notes.append("history.csv has no finished epoch")
        return cls(
            run.path, run.settings, history, layers, run.metrics,
            run.facts.reason if run.facts.status != "finished" else None,
            {key: int(value) for key, value in _numbers(data.get("sizes")).items()},
            {k: v for k, v in _numbers(data.get("guessing")).items() if 0 <= v <= 1},
            confusion, class_names, notes,
        )  # fmt: skip

    # The net, epoch by epoch.

    @cached_property
    def measured_epochs(self) -> list[int]:
        """Epochs with rows in `layers.csv`, in order; 0 is the untrained net."""
        return sorted({int(row["epoch"]) for row in self.layers})

    def at(self, epoch: int) -> list[Row]:
        """Return the rows of the layers after an epoch."""
        return [row for row in self.layers if row["epoch"] == epoch and row["layer"] != NETWORK]

    def hidden_at(self, epoch: int) -> list[Row]:
        """Return the rows of the hidden layers after an epoch."""
        return [row for row in self.at(epoch) if row["layer"] != LOGITS]

    def network(self, epoch: int) -> Row:
        """Return the row of the whole net after an epoch; empty if it was not measured."""
        rows = (row for row in self.layers if row["epoch"] == epoch and row["layer"] == NETWORK)
        return next(rows, {})

    @property
    def last_measured(self) -> int:
        """The last epoch with rows in `layers.csv`; 0 without any."""
        return self.measured_epochs[-1] if self.measured_epochs else 0

    def worst(self, epoch: int, column: str) -> tuple[float, str]:
        """Return the largest value of a column among the hidden layers, and its layer."""
        values = [
            (row[column], row["layer"])
            for row in self.hidden_at(epoch)
            if row.get(column) is not None
        ]
        return max(values, default=(0.0, ""))

    # Learning.

    @property
    def epochs(self) -> int:
        """Finished epochs."""
        return len(self.history)

    def column(self, key: str) -> list[float]:
        """Return a column of the history, NaN where a value is missing."""
        return [math.nan if row.get(key) is None else float(row[key]) for row in self.history]

    def known(self, key: str) -> list[float]:
        """Return the values of a column of the history that are not missing."""
        return [value for value in self.column(key) if not math.isnan(value)]

    @property
    def is_validated(self) -> bool:
        """Whether the history has validation figures."""
        return bool(self.known("val_loss"))

    @property
    def judged(self) -> str:
        """`val_` where there is validation, else nothing: the prefix of the columns to judge by."""
        return "val_" if self.is_validated else ""

    @cached_property
    def guess(self) -> float:
        """The accuracy of guessing."""
        return self.guessing.get("validation", self.guessing.get("test", 1 / self.classes))

    @cached_property
    def classes(self) -> int:
        """Number of classes; 10 if it is not known."""
        names = self.settings.get("data.inventory.classes")
        if isinstance(names, list | tuple) and len(names) > 1:
            return len(names)
        return len(self.class_names) or 10

    @cached_property
    def best_accuracy(self) -> float:
        """The highest accuracy of an epoch, of validation where there is one."""
        return max(self.known(f"{self.judged}accuracy"), default=0.0)

    @cached_property
    def train_accuracy(self) -> float:
        """The highest accuracy on training images: of an epoch, or clean at the end."""
        return max([*self.known("accuracy"), self.metrics.get("train_accuracy", 0.0)])

    @property
    def highest_accuracy(self) -> float:
        """The higher of the best and the training accuracy."""
        return max(self.train_accuracy, self.best_accuracy)

    def learned(self, accuracy: float) -> float:
        """Return an accuracy as a share of the way from guessing to perfect."""
        return (accuracy - self.guess) / max(1e-9, 1 - self.guess)

    @property
    def is_at_chance(self) -> bool:
        """Whether neither training nor validation accuracy is clearly better than guessing."""
        return self.learned(self.highest_accuracy) < limit("learned")

    def has_learned(self, threshold: str) -> bool:
        """Return whether the training accuracy reaches a threshold, such as `fitted`."""
        return self.learned(self.train_accuracy) >= limit(threshold)

    @property
    def noise(self) -> float:
        """The standard error of the judged accuracy: binomial, of that many images."""
        size = self.sizes.get("validation" if self.is_validated else "train", 0) or 1
        p = min(max(self.best_accuracy, 0.02), 0.98)
        return math.sqrt(p * (1 - p) / size)

    @cached_property
    def top_class(self) -> tuple[float, str]:
        """The share of the class that is predicted most often, and of which images."""
        if self.confusion:
            columns = [sum(column) for column in zip(*self.confusion, strict=True)]
            return max(columns) / max(1, sum(columns)), "of the test images"
        share = self.network(self.last_measured).get("top_class_share")
        return share or 0.0, "of the probe's images"

    @property
    def is_collapsed(self) -> bool:
        """Whether nearly every image is predicted as one class."""
        return self.top_class[0] >= limit("top_class_share")

    @property
    def is_imbalanced(self) -> bool:
        """Whether guessing scores clearly more than with equally many images of each class."""
        return self.guess >= limit("imbalance") / self.classes

    # Settings.

    def number(self, key: str, missing: float = 0.0) -> float:
        """Return a setting that is a number."""
        value = self.settings.get(key)
        if not isinstance(value, int | float) or isinstance(value, bool):
            return missing
        return float(value) if math.isfinite(value) else missing

    def choice(self, key: str) -> str:
        """Return a setting that is text; empty if it is missing or something else."""
        value = self.settings.get(key)
        return printable(value) if isinstance(value, str) else ""

    @property
    def rate(self) -> float:
        """The learning rate of the config."""
        return self.number("optimizer.learning_rate", math.nan)

    @cached_property
    def default_rate(self) -> float:
        """The default learning rate of the run's optimizer."""
        try:
            text = contents("optimizer", self.choice("optimizer")).get("learning_rate")
            return float(str(text))
        except (OSError, ValueError):
            return 1e-3

    @property
    def steps(self) -> int:
        """Steps of an epoch; 0 if not known."""
        batch = self.number("train.batch_size")
        return math.ceil(self.sizes.get("train", 0) / batch) if batch >= 1 else 0

    @property
    def loss_of_guessing(self) -> float:
        """The cross-entropy of uniform probabilities."""
        return math.log(self.classes)

    def penalty(self, epoch: int) -> float:
        """Return about how much of the training loss is the L1 and L2 penalty."""
        l1, l2 = self.number("regularization.l1"), self.number("regularization.l2")
        total = 0.0
        for row in self.hidden_at(epoch):
            norm, size = row.get("kernel_norm") or 0.0, row.get("kernel_size") or 0.0
            # Of normal weights: the mean of |w| is 0.8 SD.
            total += l2 * norm**2 + l1 * 0.8 * norm * math.sqrt(max(size, 0.0))
        return total

    def finding(
        self,
        name: str,
        severity: Severity,
        summary: str,
        evidence: str,
        since_epoch: int | None,
        *overrides: str,
        range_test: bool = False,
    ) -> RunFinding:
        """Return a finding that suggests commands that start from this run's config.

        Args:
            name: of the rule.
            severity: `high` if the run is not worth keeping as it is.
            summary: one sentence of what is wrong.
            evidence: what was measured: numbers with their epochs.
            since_epoch: see `RunFinding`.
            overrides: those of each command, as typed.
            range_test: whether to suggest the learning-rate range test too.
        """
        like = like_command(self.path)
        commands = [
            f"{like} {each}"
            for each in overrides
            # This optimizer averages by itself, in the place of a schedule.
            if self.choice("optimizer") != "schedule_free_adamw"
            or not ("schedule=" in each or "train.ema=" in each)
        ]
        if range_test:
            commands.append(like.replace("mlptrain", "mlptrain rate", 1))
        return RunFinding(name, severity, summary, evidence, tuple(commands), since_epoch)


def _numbers(values: Any) -> dict[str, float]:
    if not isinstance(values, Mapping):
        return {}
    return {
        str(key): float(value)
        for key, value in values.items()
        if isinstance(value, int | float) and math.isfinite(value) and 0 <= value < 1e12
    }
