"""The epoch loop: train, validate, decide, record, checkpoint."""

import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlptrain.callbacks import make_callbacks
from mlptrain.config.identity import config_hash
from mlptrain.config.location import contents
from mlptrain.config.schema import Config
from mlptrain.config.sizes import steps_per_epoch
from mlptrain.data.dataset import Split
from mlptrain.errors import TrainingError
from mlptrain.loggers import RunLogger
from mlptrain.schedules import learning_rates
from mlptrain.store.run_record import RunRecord
from mlptrain.training import checkpoint
from mlptrain.training.engine import Engine, Totals
from mlptrain.training.instruments import LayerLog
from mlptrain.training.interruption import Interruption
from mlptrain.training.views.plain import View

_CALL_SECONDS = 0.5
"""What one graph call should take: Ctrl-C, NaN and the display wait no longer than that."""


@dataclass(frozen=True)
class Trained:
    """What training ended with; the engine holds the weights of `best_epoch`.

    Attributes:
        history: one row per epoch.
        best_epoch: the epoch that the weights are of.
        reason: why training ended before its last epoch; None if it did not.
    """

    history: list[dict[str, Any]]
    best_epoch: int
    reason: str | None = None


class CallSize:
    """Steps per graph call, adapted to the machine; results do not depend on it."""

    def __init__(self) -> None:
        self.steps = 8
        self._compiled = False
        self._counted, self._seconds = 0, 0.0

    def measured(self, steps: int, seconds: float) -> None:
        """Take in a call's duration; the first one, which compiles, says nothing."""
        if self._compiled:
            fitting = int(steps * _CALL_SECONDS / max(seconds, 1e-6))
            self.steps = max(1, min(fitting, self.steps * 8))
            self._counted += steps
            self._seconds += seconds
        self._compiled = True

    @property
    def seconds_per_step(self) -> float | None:
        """The mean over all calls but the first; None before the second."""
        return self._seconds / self._counted if self._counted else None


class EpochLoop:
    """Runs the epochs of one config on one engine.

    Args:
        config: the whole config.
        engine: what trains, with fresh weights.
        validation: images uint8 (n, side, side, 3), labels uint8 (n,); may be empty.
        record: of the run folder, for history, checkpoints and the heartbeat.
        view: what the user sees.
        interruption: asked between graph calls.
        logger: receives each epoch's row; None without one.
        layer_log: measures inside the net after each epoch; None without instruments.
    """

    def __init__(
        self,
        config: Config,
        engine: Engine,
        validation: Split,
        record: RunRecord,
        view: View,
        interruption: Interruption,
        logger: RunLogger | None,
        layer_log: LayerLog | None = None,
    ) -> None:
        self.config = config
        self.engine = engine
        self.validation = validation
        self.record = record
        self.view = view
        self.interruption = interruption
        self.logger = logger
        self.history: list[dict[str, Any]] = []
        self.best_weights: list[np.ndarray] = []
        self.steps = steps_per_epoch(config)
        self.call_size = CallSize()
        self.callbacks = make_callbacks(config.enabled_callbacks(), config.optimizer.learning_rate)
        self.layer_log = layer_log

    def resume(self, state: checkpoint.State) -> None:
        """Restore the state after `state.epoch`, as if the run had never stopped."""
        self.history = list(state.history)
        self.engine.set_weights(state.weights)
        self.engine.set_optimizer_state(state.optimizer)
        if self.engine.average is not None:
            self.engine.average.restore(state.average)
        self.best_weights = state.best_weights
        for name, callback in self.callbacks.items():
            callback.restore(state.callbacks[name])

    def run(self) -> Trained:
        """Train the remaining epochs and put the chosen weights into the engine.

        Raises:
            TrainingError: a loss was not finite.
            Interrupted: a signal asked to stop.
        """
        epoch = len(self.history)
        if self.layer_log is not None:
            self.layer_log.start(epoch)
        mark = time.perf_counter()
        while epoch < self.config.train.epochs and not any(
            callback.stop for callback in self.callbacks.values()
        ):
            epoch += 1
            self.view.epoch_started(epoch, self.config.train.epochs, self.steps)
            row, weights = self._train_epoch(epoch)
            inside = self.layer_log.epoch_done(epoch) if self.layer_log is not None else {}
            # From the end of one epoch's validation to the end of the next one's: checkpoints
            # and files are inside, so the seconds add up to what the user waited.
            row["seconds"], mark = round(time.perf_counter() - mark, 4), time.perf_counter()
            self._decide(epoch, row, weights, inside)
        if self.best_weights:
            self.engine.set_weights(self.best_weights)
        else:
            self.engine.set_averaged_weights()
        best = [item.best_epoch for item in self.callbacks.values() if item.keeps_best]
        return Trained(self.history, (best and best[0]) or epoch, self._stop_reason())

    @property
    def best_by(self) -> str | None:
        """The metric whose best epoch's weights are kept; None if the last epoch's are."""
        monitors = [getattr(c, "monitor", None) for c in self.callbacks.values() if c.keeps_best]
        return monitors[0] if monitors else None

    def _stop_reason(self) -> str | None:
        trained, epochs = len(self.history), self.config.train.epochs
        reasons = [callback.stop_reason for callback in self.callbacks.values() if callback.stop]
        if trained == epochs or not reasons:
            return None
        return f"stopped early after {trained} of {epochs} epochs: {reasons[0]}"

    def _train_epoch(self, epoch: int) -> tuple[dict[str, Any], list[np.ndarray]]:
        """The epoch's row, and the weights that its validation figures are of."""
        before = (epoch - 1) * self.steps
        rates = learning_rates(
            self.config.schedule,
            before,
            self.steps,
            self.config.train.epochs * self.steps,
            self.config.optimizer.learning_rate,
        )
        rates *= np.float32(math.prod(item.rate_factor for item in self.callbacks.values()))
        order = self.engine.start_epoch(epoch)
        totals, step = Totals(), 0
        while step < self.steps:
            last = min(self.steps, step + self.call_size.steps)
            start = time.perf_counter()
            totals = self.engine.train_steps(order, rates, step, last, before, totals)
            self.call_size.measured(last - step, time.perf_counter() - start)
            if totals.bad_step >= 0:
                raise _diverged(self.config, epoch, totals.bad_step, float(rates[totals.bad_step]))
            step = last
            self.record.heartbeat()
            loss, accuracy = totals.loss / totals.images, totals.correct / totals.images
            self.view.step(step, loss, accuracy, float(rates[step - 1]))
            self.interruption.check()
        row: dict[str, Any] = {
            "epoch": epoch,
            "loss": totals.loss / totals.images,
            "accuracy": totals.correct / totals.images,
            "val_loss": None,
            "val_accuracy": None,
            "val_macro_f1": None,
            # float32 as used, written as the shortest decimal that means it
            "learning_rate": float(str(rates[-1])),
        }
        finite = all(np.isfinite(array).all() for array in self.engine.weights())
        with self.engine.averaged():
            weights = self.engine.weights()
            if finite and len(self.validation):
                scores = self.engine.evaluate(self.validation)
                row |= {
                    "val_loss": scores.loss,
                    "val_accuracy": scores.accuracy,
                    "val_macro_f1": scores.macro_f1,
                }
                finite = math.isfinite(scores.loss)
        if not finite:  # the last update did it: no training loss has seen its weights
            raise _diverged(self.config, epoch, self.steps - 1, float(rates[-1]))
        return row, weights

    def _decide(
        self, epoch: int, row: dict[str, Any], weights: list[np.ndarray], inside: dict[str, float]
    ) -> None:
        """Let the callbacks see the epoch, then write everything down."""
        self.history.append(row)
        for callback in self.callbacks.values():
            callback.update(epoch, row)
        is_best = any(callback.is_best for callback in self.callbacks.values())
        if is_best:
            self.best_weights = weights
        self.record.folder.write_history(self.history)
        average = self.engine.average
        state = checkpoint.State(
            epoch=epoch,
            history=self.history,
            callbacks={name: item.state() for name, item in self.callbacks.items()},
            weights=self.engine.weights() if self.engine.averages else weights,
            optimizer=self.engine.optimizer_state(),
            best_weights=self.best_weights,
            average=average.state() if average else [],
        )
        checkpoint.save(self.record.folder, state, config_hash(self.config))
        self.record.log("  ".join(f"{key} {value}" for key, value in row.items()))
        if self.logger is not None:
            self.logger.log(row | inside)
        self.view.epoch_done(row, is_best)


def _diverged(config: Config, epoch: int, step: int, rate: float) -> TrainingError:
    """Return the error, with what the config leaves to try."""
    default = float(contents("optimizer", config.optimizer.name)["learning_rate"])
    ways = ["take the rate that `mlptrain rate` suggests"]
    if config.optimizer.learning_rate > default:
        ways.append(f"take the optimizer's default rate (optimizer.learning_rate={default:g})")
    if config.schedule.parameters.get("warmup") == 0:
        ways.append("warm the rate up (schedule.warmup=0.05)")
    if config.regularization.clip_norm is None:
        ways.append("bound the gradient (regularization.clip_norm=1)")
    return TrainingError(
        "a finite loss at every step",
        f"NaN or infinity at epoch {epoch}, step {step + 1}, learning rate {rate:g}",
        ", or ".join(ways),
    )
