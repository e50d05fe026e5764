"""What a comparison says in words: verdicts, standings, the question, headings of groups."""

import re
from collections.abc import Sequence
from math import sqrt

from mlptrain.config.settings import short
from mlptrain.formatting import p_value, percent
from mlptrain.reports.comparison import Configuration, Group
from mlptrain.reports.statistics import Sample
from mlptrain.store.runs import Run
from mlptrain.uncertainty import Estimate

_UNEVEN = 0.3
"""From this share of the most frequent class on, accuracies are compared with guessing."""


def verdict(group: Group) -> list[str]:
    """Say what the group's runs show, in plain sentences."""
    best, count = group.best, len(group.configurations)
    figure = best.figures["validation"]
    name = "The only configuration" if count == 1 else f"{best.label} is highest on validation"
    test = best.figures.get("test")
    on_test = "" if test is None else f", on test {percent(test.mean)}"
    sentences = [f"{name}: {_figure(figure)}{on_test}."]
    if count > 1 and all(len(c.runs) == 1 for c in group.configurations):
        sentences.append("One seed each: no ranking is claimed.")
        if group.noise:
            sentences.append(
                f"Differences below about {200 * sqrt(2) * group.noise:.1f} points may be due "
                "to the choice of validation images alone."
            )
    elif count > 1 and len(best.runs) == 1:
        sentences.append("It has one seed: no ranking is claimed.")
    elif count > 1:
        others = group.configurations[1:]
        tied = [c.label for c in others if c.tied]
        untested = sum(c.tied is None for c in others)
        if untested:
            sentences.append(
                f"{untested} of the others could not be tested against it: too few seeds."
            )
        if not tied and untested == 0:
            sentences.append(
                "It is significantly better than every other configuration (5 % level, "
                "Holm-corrected)."
            )
        elif tied and len(tied) == count - 1:
            sentences.append(
                "Every other configuration is tied with it: these seeds and images do not "
                "distinguish them."
            )
        elif tied:
            sentences.append(
                f"{len(tied)} of the {count - 1} others {'is' if len(tied) == 1 else 'are'} tied "
                f"with it: {_listed(tied)}."
            )
            if worse := [c.label for c in others if c.tied is False]:
                sentences.append(f"Significantly worse: {_listed(worse)}.")
    sentences += _sources(group)
    if count > 1 and group.selection_bias:
        sentences.append(
            f"Because it was chosen as the best of {count}, its validation accuracy is probably "
            f"too optimistic, by up to about {100 * group.selection_bias:.1f} points."
        )
    sentences += _unequal_budgets(group) + _early_stops(best.runs) + _guessing(best.runs)
    run, of = group.coverage
    if of is not None and run < of and len(group.settings) > 1:
        sentences.append(f"{run:,} of the {of:,} combinations of what varies were run.")
    return sentences


def _listed(labels: Sequence[str]) -> str:
    return "; ".join(labels[:5]) + "; …" * (len(labels) > 5)


def _sources(group: Group) -> list[str]:
    """Say how much of the uncertainty comes from seeds and from images, and what would help."""
    if group.lead is None:
        return []
    estimate = group.lead.estimate
    share, width = estimate.seed_share, estimate.half_width
    if (split_share := estimate.split_share) is not None:
        return [
            f"Of the spread from run to run, {percent(split_share, 0)} comes from the split and "
            f"{percent(1 - split_share, 0)} from the seed. Intervals allow for training sets that "
            "overlap (Nadeau and Bengio 2003)."
        ]
    if share is None or width is None or estimate.images is None:
        return []
    other = group.label_of(group.lead.other)
    of = "this accuracy" if other is None else f"its difference from {other}"
    bound = "" if estimate.image_error == "predictions" else (
        " (the binomial bound, which is too large: predictions are missing)"
    )  # fmt: skip
    (narrow, better), (wide, other_way) = sorted(
        (100 * (expected.half_width or width), name)
        for expected, name in (
            (estimate.with_more(images=2), "a validation set twice as large"),
            (estimate.with_more(seeds=2), "twice as many seeds"),
        )
    )
    return [
        f"Of the variance of {of}, {percent(share, 0)} comes from the seeds and "
        f"{percent(1 - share, 0)} from the choice of the {estimate.images:,} validation images"
        f"{bound}. Its interval, ±{100 * width:.1f} points, would shrink to ±{narrow:.1f} with "
        f"{better}, and to ±{wide:.1f} with {other_way}."
    ]


def difference_in_words(estimate: Estimate, is_paired: bool) -> str:
    """Say how far two configurations differ on validation, and what is known of its error."""
    start = f"second minus first {100 * estimate.mean:+.2f} points"
    bound = " by the binomial bound" if estimate.image_error == "bound" else ""
    if (interval := estimate.interval()) is not None and estimate.p is not None:
        source = (
            "splits corrected for overlap" if estimate.image_error == "splits"
            else f"{percent(estimate.seed_share, 0)} of the variance from the seeds"
        )  # fmt: skip
        return (
            f"{start}, 95 % interval {_range(interval)} for new seeds and new images{bound}, "
            f"{p_value(estimate.p, 'p')} ({estimate.seeds} {'shared ' * is_paired}seeds; {source})"
        )
    if (interval := estimate.image_interval()) is None:
        return f"{start}; how far other images would move it is not known"
    return (
        f"{start}, 95 % interval {_range(interval)} for new images alone{bound}; how far other "
        "seeds would move it takes two seeds of each"
    )


def _range(interval: tuple[float, float]) -> str:
    return " to ".join(f"{100 * end:+.2f}" for end in interval)


def _unequal_budgets(group: Group) -> list[str]:
    """Say that configurations were trained for different numbers of epochs, or on other splits."""
    sentences = []
    epochs = {run.settings.get("train.epochs") for c in group.configurations for run in c.runs}
    numbers = sorted(n for n in epochs if isinstance(n, int))
    if len(numbers) > 1:
        sentences.append(
            f"The budgets are unequal: {numbers[0]:,} to {numbers[-1]:,} epochs. The best may "
            "owe its place to longer training."
        )
    sizes = [(run.facts.data or {}).get("sizes") for c in group.configurations for run in c.runs]
    if any(size != sizes[0] for size in sizes):
        sentences.append("The configurations were trained and judged on different splits.")
    return sentences


def _early_stops(runs: Sequence[Run]) -> list[str]:
    """Say which of a configuration's runs ended before their last epoch, and why."""
    early = [run for run in runs if run.facts.status == "finished" and run.facts.reason]
    if len(runs) == len(early) == 1:
        best = f"{early[0].metrics.get('best_epoch', 0):.0f}"
        return [f"Its run {short(early[0].facts.reason)}; its metrics are from epoch {best}."]
    if not early:
        return []
    epochs = sorted({round(run.metrics.get("epochs_run", 0)) for run in early})
    spread = " to ".join(str(number) for number in dict.fromkeys((epochs[0], epochs[-1])))
    return [f"{len(early)} of its {len(runs)} runs stopped early, after {spread} epochs."]


def _guessing(runs: Sequence[Run]) -> list[str]:
    """Say what guessing scores on test, where the classes are so uneven that it matters."""
    guessing = (runs[0].facts.data or {}).get("guessing")
    share = guessing.get("test") if isinstance(guessing, dict) else None
    if not isinstance(share, float) or not _UNEVEN <= share <= 1:
        return []
    return [f"Always guessing the most frequent class scores {percent(share)} on test."]


def _figure(sample: Sample) -> str:
    interval = ""
    if sample.low is not None:
        low, high = percent(sample.low, unit=""), percent(sample.high, unit="")
        interval = f"95 % interval {low} to {high}, "
    return f"{percent(sample.mean)} ({interval}n = {sample.n})"


def verdict_against_baseline(group: Group) -> str:
    """Say how many configurations are better or worse than the baseline."""
    tested = [
        c.versus
        for c in group.configurations
        if c.versus is not None and c.versus.p_holm is not None
    ]
    clear = [d for d in tested if d.p_holm is not None and d.p_holm < 0.05]
    better, worse = sum(d.mean > 0 for d in clear), sum(d.mean < 0 for d in clear)
    others = len(group.configurations) - 1
    return (
        f"Against the baseline, {group.baseline.label}: {better} of {others} better, {worse} worse "
        f"(5 % level, Holm-corrected); {others - len(tested)} could not be tested."
    )


def verdict_without_comparison(runs: Sequence[Run]) -> str:
    """Say why there is nothing to compare."""
    if any(run.facts.status == "finished" for run in runs):
        return "No finished run has a validation accuracy to compare by."
    return "No run is finished yet."


def standing(configuration: Configuration, group: Group) -> str:
    """Return how it compares with the best one; only that was tested, so there are no ranks."""
    if len(configuration.runs) == 1:
        return "one seed"
    if configuration.recipe_hash == group.best.recipe_hash:
        return "best"
    if configuration.tied is None:
        return "not testable"
    return "tied with best" if configuration.tied else "below best"


def question(group: Group) -> str:
    """Return the question that the group's comparison answers."""
    if len(group.configurations) == 1:
        return "How good is this configuration on images it was not trained on?"
    # `callbacks.early_stopping.enabled` is early stopping, `augmentation.std` keeps its group.
    keys = [
        " ".join(key.removesuffix(".enabled").split(".")[-2:]).replace("_", " ")
        for key in group.settings
    ]
    listed = ", ".join(keys[:8]) + (f" and {len(keys) - 8} more" if len(keys) > 8 else "")
    return (
        f"Which of {len(group.configurations)} configurations is best on validation? "
        f"They differ in {listed}."
    )


def headings(groups: Sequence[Group]) -> list[str]:
    """Return how each group differs from the others; for a single group, its data."""
    titles = [group.title.split(", ") for group in groups]
    if len(titles) == 1:
        return [re.sub(r"^data (\w+) [0-9a-f]{8}$", r"\1", titles[0][0])]
    shared = set.intersection(*map(set, titles)) if titles else set()
    differing = [[part for part in title if part not in shared] or title[:1] for title in titles]
    return [", ".join(map(_spoken, parts)) for parts in differing]


def _spoken(part: str) -> str:
    """Return `30 epochs` for `epochs 30`."""
    text = re.sub(r"^epochs (\d+)$", r"\1 epochs", part)
    return "1 epoch" if text == "1 epochs" else text
