"""The order of own images, from which their splits are cut."""

import heapq

import numpy as np


def stratified_order(labels: np.ndarray, draw: np.random.Generator | None = None) -> np.ndarray:
    """Return an order of which every beginning has its share of each class.

    The first m of n images hold m/n of the images of each class, to less than one image. Which of
    a class come first is drawn, by default from a fixed seed. Every place goes to the class that
    must have one soonest, among those that may have one (Tijdeman, "The chairman assignment
    problem", 1980).

    Args:
        labels: integers (n,).
        draw: source of the random numbers.

    Returns:
        A permutation of 0 … n - 1, int64 (n,).
    """
    drawn = (draw or np.random.default_rng(0)).permutation(len(labels))
    classes, sizes = np.unique(labels, return_counts=True)
    n, m = len(labels), max(2 * len(classes) - 2, 1)
    first, last = np.empty(n, np.int64), np.empty(n, np.int64)  # place that an image may have
    for label, size in zip(classes, sizes, strict=True):
        members = drawn[labels[drawn] == label]
        before = np.arange(size) * m
        first[members] = -(-n * (before + 1) // (size * m))
        last[members] = -(-n * (before + m - 1) // (size * m))
    by_first = iter(drawn[np.argsort(first[drawn], kind="stable")].tolist())
    order: list[int] = []
    waiting: list[tuple[int, int, int]] = []
    image = next(by_first, None)
    for place in range(1, n + 1):
        while image is not None and first[image] <= place:
            heapq.heappush(waiting, (int(last[image]), len(order) + len(waiting), image))
            image = next(by_first, None)
        order.append(heapq.heappop(waiting)[2])
    return np.array(order, np.int64)
