"""Classes that are rare or missing."""

from collections.abc import Iterator

import numpy as np

from mlptrain.data_checks.image_list import ImageList
from mlptrain.data_checks.thresholds import Command, limit
from mlptrain.finding import Finding

_MOST_NAMED = 5


def find_missing_classes(images: ImageList) -> Iterator[Finding]:
    """Yield the finding about classes without images in a split that has images."""
    missing = {
        split: [name for name, count in zip(images.class_names, counts, strict=True) if not count]
        for split, counts in images.counts().items()
        if counts.any() and not counts.all()
    }
    if not missing:
        return
    parts = []
    for split, names in missing.items():
        more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
        parts.append(f"no {split} images of {', '.join(names[:_MOST_NAMED])}{more}")
    is_untrained = "train" in missing
    consequence = (
        "a class without training images cannot be learned"
        if is_untrained
        else "figures say nothing about these classes"
    )
    yield Finding(
        "class_missing_in_split",
        "high" if is_untrained else "medium",
        f"There are {'; '.join(parts)}: {consequence}. Add such images, or move some.",
        {"missing": missing},
    )


def find_imbalance(images: ImageList, command: Command) -> Iterator[Finding]:
    """Yield the finding about training images that are unevenly spread over the classes."""
    counts, names = images.counts(), images.class_names
    train = counts["train"]
    present = train[train > 0]  # a missing class is a finding of its own
    if not present.size or (ratio := present.max() / present.min()) < limit("imbalance"):
        return
    largest = int(train.argmax())
    smallest = int(np.where(train > 0, train, train.max() + 1).argmin())
    guessing = {
        split: float(part[largest] / part.sum())
        for split, part in counts.items()
        if split != "train" and part.any()
    }
    shown = ", ".join(f"{100 * share:.1f} % on {split}" for split, share in guessing.items())
    yield Finding(
        "class_imbalance",
        "high" if ratio >= limit("high_imbalance") else "medium",
        f"{names[largest]} has {train[largest]:,} training images and {names[smallest]} "
        f"{train[smallest]:,}. Always guessing {names[largest]} reaches {shown}: compare "
        "accuracy with that, and look at macro F1.",
        {
            "ratio": float(ratio),
            "largest": {"class": names[largest], "count": int(train[largest])},
            "smallest": {"class": names[smallest], "count": int(train[smallest])},
            "guessing": guessing,
            "counts": {
                split: dict(zip(names, part.tolist(), strict=True))
                for split, part in counts.items()
            },
        },
        (command("data.class_weights=balanced"),),
    )
