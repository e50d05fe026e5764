import os
import signal
import threading

import pytest

from mlptrain.training.interruption import SIGNALS, Interrupted, Interruption

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals as on POSIX")


@pytest.fixture(autouse=True)
def before():
    """Handlers of the test's own: a signal that gets through is seen, and kills nothing."""
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    through = []
    for number in SIGNALS:
        signal.signal(number, lambda number, frame: through.append(number))
    yield through
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_signal_is_remembered_until_it_is_asked_for(number, before):
    with Interruption() as interruption:
        interruption.check()
        signal.raise_signal(number)
        assert interruption.reason == number.name
        with pytest.raises(Interrupted, match=number.name):
            interruption.check()
    assert before == []


@pytest.mark.parametrize("first", SIGNALS)
def test_ctrl_c_after_a_signal_ends_at_once(first):
    with Interruption() as interruption:
        signal.raise_signal(first)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert interruption.reason == first.name


@pytest.mark.parametrize("number", SIGNALS)
def test_what_leaves_nothing_half_written_ends_at_the_first_signal(number, before):
    with Interruption() as interruption:
        with pytest.raises(KeyboardInterrupt, match=number.name), interruption.at_once():
            signal.raise_signal(number)
        assert interruption.reason == number.name
    with Interruption() as interruption:
        with interruption.at_once():
            pass
        signal.raise_signal(number)  # remembered again
    assert before == []


def test_what_was_asked_for_before_it_began_ends_it_too():
    with Interruption() as interruption:
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(Interrupted, match="SIGTERM"), interruption.at_once():
            raise AssertionError("begun")


def test_another_signal_after_the_first_changes_nothing():
    with Interruption() as interruption:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
        assert interruption.reason == "SIGINT"


@pytest.mark.parametrize("number", SIGNALS)
def test_afterwards_signals_go_where_they_went_before(number, before):
    with pytest.raises(ZeroDivisionError), Interruption():
        raise ZeroDivisionError
    signal.raise_signal(number)
    assert before == [number]


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_that_is_ignored_stays_ignored(number):
    signal.signal(number, signal.SIG_IGN)
    with Interruption() as interruption:
        signal.raise_signal(number)
        interruption.check()
    assert interruption.reason is None
    assert signal.getsignal(number) is signal.SIG_IGN


def test_a_run_stops_when_it_is_asked_to_and_says_why():
    answers = iter([None, "the sweep's process is gone"])
    with Interruption(lambda: next(answers)) as interruption:
        interruption.check()
        for _ in range(2):  # once asked to stop, it asks no more
            with pytest.raises(Interrupted, match="the sweep's process is gone"):
                interruption.check()
    assert interruption.reason == "the sweep's process is gone"


def test_a_signal_counts_before_what_is_asked():
    with Interruption(lambda: "asked") as interruption:
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(Interrupted, match="SIGTERM"):
            interruption.check()


def test_the_first_signal_is_announced_once():
    heard = []
    with Interruption(on_signal=heard.append):
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert heard == ["SIGTERM"]


def test_in_a_thread_of_its_own_it_leaves_signals_alone_and_still_asks():
    seen = []

    def run():
        before = signal.getsignal(signal.SIGINT)
        with Interruption(lambda: "asked") as interruption:
            seen.append(signal.getsignal(signal.SIGINT) is before)
            try:
                interruption.check()
            except Interrupted as stop:
                seen.append(str(stop))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen == [True, "asked"]
