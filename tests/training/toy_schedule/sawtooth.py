"""A schedule from outside the package: it falls in a straight line, several times."""

from mlptrain.ranges import PositiveInt
from mlptrain.schedules import Schedule


def multiples(schedule, total_steps):
    return lambda step: 1.0 - (step * schedule.teeth / total_steps) % 1


SAWTOOTH = Schedule({"teeth": PositiveInt}, multiples)
