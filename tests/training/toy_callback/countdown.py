"""A callback from outside the package: it stops after some epochs and halves the rate each time."""

from mlptrain.callbacks import Callback, CallbackSettings
from mlptrain.ranges import PositiveInt


class Settings(CallbackSettings):
    epochs: PositiveInt

    def make(self, learning_rate):
        return Countdown(self.epochs)


class Countdown(Callback):
    remembers = ("epochs_left", "rate_factor", "stop")

    def __init__(self, epochs):
        self.epochs_left = epochs

    def update(self, epoch, row):
        self.epochs_left -= 1
        self.rate_factor /= 2
        self.stop = self.epochs_left == 0
