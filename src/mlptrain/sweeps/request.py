"""What a command line asks of a sweep, kept while Hydra runs.

Hydra composes every word that is not its own into one config, with the groups' defaults, before
it calls the sweeper. That config is of no use to a grid, and refuses right words: a parameter of
an optimizer that only the grid chooses. So Hydra is given its own words alone, and the sweeper,
which runs in the same process, finds the others here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True)
class Request:
    """A sweep as the user asked for it.

    Attributes:
        words: the overrides, swept ones included, without Hydra's own.
        study: whose grids the words change; None for the words' own grid.
        retry_failed: whether failed cells are tried again.
        command: the whole command line, to type again.
    """

    words: Sequence[str]
    study: str | None
    retry_failed: bool
    command: Sequence[str]


_request: ContextVar[Request] = ContextVar("request")


@contextmanager
def requested(request: Request) -> Iterator[None]:
    """Keep the request for `current` while the block runs."""
    token = _request.set(request)
    try:
        yield
    finally:
        _request.reset(token)


def current() -> Request:
    """The request that the running sweep is for."""
    return _request.get()
