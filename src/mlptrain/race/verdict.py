"""The verdict of a race, and why a configuration was dropped, in sentences."""

from collections.abc import Sequence

from mlptrain.formatting import quantity
from mlptrain.race.rule import Drop, Judgment

_MOST_NAMED = 5
_SAYS_NOTHING = 0.2
"""A bound of a difference between accuracies that is not worth a sentence, as after two seeds."""


def points(difference: float) -> str:
    """Return a difference between accuracies, such as "1.4 points"."""
    return f"{100 * difference:.1f} points"


def reason(drop: Drop, labels: Sequence[str]) -> str:
    """Say why a configuration was dropped."""
    return (
        f"worse than {labels[drop.better]} by {points(drop.difference)}, at least "
        f"{points(drop.low)}"
    )


def verdict(
    judgment: Judgment, labels: Sequence[str], margin: float, seeds: int, limit: str
) -> str:
    """Say how a race ended.

    Args:
        judgment: after the last round.
        labels: of the configurations.
        margin: of the race, as a fraction.
        seeds: number of seeds that the racing configurations have.
        limit: what ended a race that is not decided, such as "10 seeds".
    """
    if not judgment.racing:
        return "No configuration is left: each has a run that failed."
    first, *others = (labels[row] for row in judgment.racing)
    rest = len(labels) - len(judgment.racing)
    others_dropped = f" The other {rest} {'were' if rest > 1 else 'was'} dropped." if rest else ""
    if judgment.outcome == "best":
        return f"{first} is the best of {quantity(len(labels), 'configuration')} on validation."
    if judgment.outcome == "tied":
        listed = "; ".join([first, *others])  # a label may have commas
        return f"Tied within {100 * margin:g} points on validation: {listed}.{others_dropped}"
    listed = "; ".join(others[:_MOST_NAMED])
    more = f" and {len(others) - _MOST_NAMED} more" if len(others) > _MOST_NAMED else ""
    sentences = [
        f"Not decided after {quantity(seeds, 'seed')} ({limit}): {first} leads on validation and "
        f"is not distinguishable from {listed}{more}.{others_dropped}"
    ]
    if judgment.lead is not None and judgment.lead < _SAYS_NOTHING:
        sentences.append(
            f"None of those left is better than {first} by more than {points(judgment.lead)}."
        )
    if judgment.seeds_needed is not None:
        sentences.append(f"About {judgment.seeds_needed} seeds would decide it.")
    else:
        sentences.append(
            "More seeds would not decide it: the number of validation images is the limit."
        )
    return " ".join(sentences)
