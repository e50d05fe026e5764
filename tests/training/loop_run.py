"""The loop of a run in a folder, listened to, without the command around it."""

import shutil
from functools import cache

from mlptrain.config.compose import compose
from mlptrain.config.identity import config_hash
from mlptrain.store.run_folder import RunFolder
from mlptrain.store.run_record import RunRecord
from mlptrain.training.interruption import Interruption
from mlptrain.training.views.plain import View

SMALL = ["data=cifar10_mini", "data.limit=120", "model.hidden=[8]", "train.batch_size=32",
         "callbacks=none"]  # fmt: skip
STEPS = 4  # 108 training images


class Listener(View):
    """Hears every step and epoch, and can act on them."""

    def __init__(self):
        self.rates, self.best = [], []
        self.at_step, self.at_epoch = lambda: None, lambda epoch: None

    def step(self, step, loss, accuracy, learning_rate):
        self.rates.append(learning_rate)
        self.at_step()

    def epoch_done(self, row, best):
        self.best.append(best)
        self.at_epoch(row["epoch"])


@cache
def assembled(words):
    """An assembly for these words and its first state; it takes seconds to build and compile."""
    from mlptrain.training.assemble import assemble

    assembly = assemble(compose([*SMALL, *words]).config)
    return assembly, assembly.engine.weights(), assembly.engine.optimizer_state()


class Run:
    """A loop in a folder, made from overrides; each is a process of its own in real life.

    Runs that differ only in what the loop decides share an engine, in its first state again at
    the start of each: what a checkpoint does not hold is then what the run before left.
    """

    LOOP = ("train.epochs=", "schedule=", "callbacks")

    def __init__(self, path, *words):
        from mlptrain.training.loop import EpochLoop

        words = " ".join(words).split()  # one text may hold several
        self.config = compose([*SMALL, *words]).config
        of_engine = tuple(word for word in words if not word.startswith(self.LOOP))
        assembly, *self._first_state = assembled(of_engine)
        self.engine = assembly.engine
        self.validation = assembly.dataset.validation
        path.mkdir(exist_ok=True)
        self.folder = RunFolder(path)
        self.view, self.interruption = Listener(), Interruption()
        record = RunRecord(self.folder)
        self.loop = EpochLoop(
            self.config, self.engine, self.validation, record, self.view, self.interruption, None
        )
        self.steps_per_call(1)

    def steps_per_call(self, steps):
        """Fix what otherwise adapts to the machine."""
        self.loop.call_size.steps = steps
        self.loop.call_size.measured = lambda steps, seconds: None

    def copy_each_epoch(self, root):
        """Copy the folder at the end of each epoch, as a kill right then leaves it."""
        folder = root / "after-{}"
        self.view.at_epoch = lambda epoch: shutil.copytree(
            self.folder.path, str(folder).format(epoch)
        )
        return lambda epoch: root / f"after-{epoch}"

    def train(self):
        weights, optimizer_state = self._first_state
        self.engine.set_weights(weights)
        self.engine.set_optimizer_state(optimizer_state)
        return self._run()

    def resume(self):
        from mlptrain.training import checkpoint

        self.loop.resume(checkpoint.load(self.folder, config_hash(self.config)))
        return self._run()

    def _run(self):
        trained = self.loop.run()
        self.arrays = [*self.engine.weights(), *self.engine.optimizer_state()]
        return trained
