"""Runs on disk, made from a few words, and their comparison."""

import pytest
from crafted import write_run

from mlptrain.reports.comparison import compare
from mlptrain.store.runs import find_runs


@pytest.fixture
def read(tmp_path):
    """(Overrides, accuracies and changes of `run.json`) of each run → the runs read from disk."""

    def build(*runs):
        for number, (overrides, content) in enumerate(runs):
            write_run(tmp_path / f"{number:03d}", *overrides.split(), **content)
        return find_runs([tmp_path]).runs

    return build


@pytest.fixture
def compared(read):
    return lambda *runs, **options: compare(read(*runs), **options)


@pytest.fixture
def group_of(compared):
    """The same for runs that all form one group."""

    def build(*runs, **options):
        (group,) = compared(*runs, **options)
        return group

    return build
