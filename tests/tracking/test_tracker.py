"""Watching costs training nothing: none of the events is lost or doubled, and a store that is down,
slow or dead holds nobody up."""

import threading
import time

import pytest

from sid_sweep.tracking import tracker as module
from sid_sweep.tracking.tracker import Tracker
from sid_sweep.trials import Result

RESULT = Result(outcome="finished", images=100)
MANY = 20


class Memory:
    """A mirror that remembers what it was told.

    Args:
        failures: how many calls fail first.
        seconds: how long a call takes.
    """

    hint = "look in the memory"
    is_drawing = False

    def __init__(self, *, failures=0, seconds=0.0):
        self.told = []
        self.calls = 0
        self.failures = failures
        self._seconds = seconds
        self.answers = threading.Event()
        """Cleared: a call hangs."""
        self.answers.set()

    def show(self, entry):
        self._tell("show", entry)

    def end(self, entry, result):
        self._tell("end", entry, result.outcome)

    def interrupt(self, why=""):
        self._tell("interrupt")

    def conclude(self, report, *, failed):
        self._tell("conclude", report, failed)

    def _tell(self, *event):
        self.calls += 1
        self.answers.wait()
        time.sleep(self._seconds)
        if self.calls <= self.failures:
            raise ConnectionError("it is away")
        self.told.append(event)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.01)
    monkeypatch.setattr(module, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(module, "BEGINNING_SECONDS", 0.01)


def tracking(mirror):
    return Tracker(lambda: mirror, store="memory", hint="not yet")


def wait_for(condition):
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.002)


def tell_many(tracker):
    for number in range(MANY):
        tracker.started(number)


def many():
    """What a mirror was told of them."""
    return [("show", number) for number in range(MANY)]


def hanging(**options):
    mirror = Memory(**options)
    mirror.answers.clear()
    return mirror


# ---- a store that answers


def test_events_arrive_in_order():
    mirror = Memory()
    with tracking(mirror) as tracker:
        tracker.started("a")
        tracker.started("b")
        tracker.progressed("a", 100, {"js": 1.0})
        tracker.ended("b", RESULT)
        tracker.concluded("a table", failed=True)
        tracker.interrupted()
        tracker.drain()
        assert tracker.pending == 0
    assert mirror.told == [
        ("show", "a"),
        ("show", "b"),
        ("show", "a"),
        ("end", "b", "finished"),
        ("conclude", "a table", True),
        ("interrupt",),
    ]
    assert tracker.unsent == 0
    assert tracker.trouble == ""


def test_what_is_known_already_leaves_the_machine_to_the_first_trial(monkeypatch):
    monkeypatch.setattr(module, "BEGINNING_SECONDS", 30.0)
    mirror, opened = Memory(), threading.Event()

    def open_mirror():
        opened.set()
        return mirror

    with Tracker(open_mirror, store="memory", hint="not yet") as tracker:
        tracker.ended("a", RESULT)
        assert not opened.wait(0.3)
        tracker.started("b")
        wait_for(lambda: mirror.told == [("end", "a", "finished"), ("show", "b")])


def test_what_is_known_already_waits_no_longer_than_that():
    mirror = Memory()
    with tracking(mirror) as tracker:
        tracker.ended("a", RESULT)
        wait_for(lambda: mirror.told == [("end", "a", "finished")])


def test_leaving_sends_what_is_left(monkeypatch):
    monkeypatch.setattr(module, "RETRY_SECONDS", 5.0)  # what leaving may take
    mirror = Memory(seconds=0.01)
    with tracking(mirror) as tracker:
        tell_many(tracker)
    assert mirror.told == many()
    assert tracker.unsent == 0


def test_a_store_is_opened_in_the_trackers_own_thread_and_once():
    threads = []

    def open_mirror():
        threads.append(threading.current_thread())
        return Memory()

    with Tracker(open_mirror, store="memory", hint="not yet") as tracker:
        tell_many(tracker)
        tracker.drain()
    assert len(threads) == 1
    assert threads[0] is not threading.current_thread()


def test_how_to_look_is_known_better_once_the_store_is_open():
    tracker = tracking(Memory())
    assert tracker.hint == "not yet"
    with tracker:
        tracker.started("a")
        tracker.drain()
    assert tracker.hint == "look in the memory"


# ---- a store that is away for a while


@pytest.mark.parametrize("failures", [1, 2, 5])  # fewer and more than are allowed at the end
def test_what_failed_is_sent_again_and_once(failures):
    mirror = Memory(failures=failures)
    with tracking(mirror) as tracker:
        tell_many(tracker)
        wait_for(lambda: not tracker.pending)
    assert sorted(mirror.told) == many()
    assert mirror.calls == MANY + failures
    assert tracker.unsent == 0


def test_a_store_that_opens_late_gets_everything():
    mirror, attempts = Memory(), []

    def open_mirror():
        attempts.append(None)
        if len(attempts) < 5:
            raise ConnectionError("it is away")
        return mirror

    with Tracker(open_mirror, store="memory", hint="not yet") as tracker:
        tell_many(tracker)
        wait_for(lambda: not tracker.pending)
    assert sorted(mirror.told) == many()
    assert len(attempts) == 5
    assert tracker.unsent == 0


def test_one_failure_at_the_end_loses_nothing():
    mirror = hanging(failures=1)
    with tracking(mirror) as tracker:
        tell_many(tracker)
        threading.Timer(0.05, mirror.answers.set).start()
        tracker.drain()
    assert sorted(mirror.told) == many()
    assert tracker.unsent == 0


def test_a_store_that_came_back_is_tried_at_the_end(monkeypatch):
    mirror = Memory(failures=10**6)
    with tracking(mirror) as tracker:
        tell_many(tracker)
        wait_for(lambda: mirror.calls > module.MAX_FAILURES)
        calls = mirror.calls
        monkeypatch.setattr(module, "RETRY_SECONDS", 30.0)
        wait_for(lambda: mirror.calls > calls)  # from now on, nothing for half a minute
        mirror.failures = 0
        tracker.drain()
    assert sorted(mirror.told) == many()
    assert tracker.unsent == 0


def test_an_error_without_words_is_one_like_others():
    class Speechless(Memory):
        def show(self, entry):
            if not self.calls:
                self.calls += 1
                raise TimeoutError
            super().show(entry)

    mirror = Speechless()
    with tracking(mirror) as tracker:
        tracker.started("a")
        tracker.drain(patience=0.5)
    assert mirror.told == [("show", "a")]
    assert tracker.trouble == "TimeoutError"


# ---- a store that refuses one thing


class Choosy(Memory):
    """A mirror that never takes one entry."""

    refused = 3

    def show(self, entry):
        if entry == self.refused:
            raise ValueError("its folder is damaged")
        super().show(entry)


def test_a_trial_that_is_refused_holds_up_no_other_and_is_counted():
    mirror = Choosy()
    with tracking(mirror) as tracker:
        tell_many(tracker)
        wait_for(lambda: tracker.pending == 1)
        tracker.concluded("a table", failed=False)
        tracker.drain()
    others = [event for event in many() if event != ("show", Choosy.refused)]
    assert mirror.told == [*others, ("conclude", "a table", False)]
    assert tracker.unsent == 1
    assert tracker.trouble == "its folder is damaged"


def test_what_comes_last_waits_for_what_failed_before_it():
    mirror = Memory(failures=1)
    with tracking(mirror) as tracker:
        tracker.started("a")
        tracker.concluded("a table", failed=False)
        tracker.drain()
    assert mirror.told == [("show", "a"), ("conclude", "a table", False)]
    assert tracker.unsent == 0


# ---- a store that stays away


def test_a_store_that_never_opens_ends_quickly_and_says_why(monkeypatch):
    monkeypatch.setattr(module, "RETRY_SECONDS", 30.0)  # nobody waits for the next attempt
    attempts = []

    def open_mirror():
        attempts.append(None)
        raise ConnectionError("\nno answer from https://me:secret@host:5000\nmany more lines")

    began = time.monotonic()
    with Tracker(open_mirror, store="memory", hint="not yet") as tracker:
        tell_many(tracker)
        tracker.drain()
        assert tracker.pending == 0
    assert time.monotonic() - began < 2
    assert tracker.unsent == MANY
    assert tracker.trouble == "no answer from https://***@host:5000"
    assert tracker.hint == "not yet"
    assert len(attempts) <= module.MAX_FAILURES


def test_events_return_at_once_whatever_the_store_does():
    mirror = hanging()
    with tracking(mirror) as tracker:
        began = time.monotonic()
        tell_many(tracker)
        tracker.progressed("a", 100, {})
        tracker.ended("a", RESULT)
        tracker.concluded("a table", failed=False)
        assert time.monotonic() - began < 0.2
        assert tracker.pending == MANY + 3
        mirror.answers.set()
        tracker.drain()
        assert tracker.pending == 0
    assert len(mirror.told) == MANY + 3


def test_a_store_that_hangs_is_left_behind():
    mirror = hanging()
    began = time.monotonic()
    with tracking(mirror) as tracker:
        tell_many(tracker)
        tracker.drain(patience=0.2)
        assert 0.2 <= time.monotonic() - began < 1
    assert time.monotonic() - began < 2
    assert tracker.unsent == MANY
    assert tracker.trouble == "it answers too slowly"
    mirror.answers.set()


def test_a_store_that_is_being_opened_is_waited_for_longer(monkeypatch):
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.05)
    mirror = Memory()

    def open_mirror():
        time.sleep(0.5)
        return mirror

    with Tracker(open_mirror, store="memory", hint="not yet") as tracker:
        tell_many(tracker)
        tracker.drain()
    assert mirror.told == many()
    assert tracker.unsent == 0


def test_a_slow_store_is_waited_for_as_long_as_it_moves():
    mirror = Memory(seconds=0.05)
    with tracking(mirror) as tracker:
        tell_many(tracker)
        tracker.drain(patience=0.4)  # all of them take a second
        assert tracker.pending == 0
    assert mirror.told == many()
    assert tracker.unsent == 0


# ---- those who wait


def test_what_is_left_is_shown_as_it_shrinks():
    shown = []
    with tracking(Memory(seconds=0.02)) as tracker:
        tell_many(tracker)
        tracker.drain(show=shown.append)
    assert shown == sorted(shown, reverse=True)
    assert shown[-1] < shown[0]


def test_whoever_watches_may_stop_waiting():
    class Stopped(Exception):
        pass

    def stop(left):
        raise Stopped

    mirror = hanging()
    began = time.monotonic()
    with tracking(mirror) as tracker:
        tell_many(tracker)
        with pytest.raises(Stopped):
            tracker.drain(show=stop)
    assert time.monotonic() - began < 1
    assert tracker.unsent == MANY
    mirror.answers.set()


def test_an_error_inside_closes_what_is_open_and_goes_on_its_way():
    mirror = Memory()

    def break_off():
        with tracking(mirror) as tracker:
            tracker.started("a")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        break_off()
    assert mirror.told == [("show", "a"), ("interrupt",)]


def test_an_error_inside_does_not_wait_for_a_store_that_hangs(monkeypatch):
    monkeypatch.setattr(module, "INTERRUPTED_SECONDS", 0.1)
    mirror = hanging()
    began = time.monotonic()

    def break_off():
        with tracking(mirror) as tracker:
            tracker.started("a")
            raise RuntimeError("the reason")

    with pytest.raises(RuntimeError, match="the reason"):
        break_off()
    assert time.monotonic() - began < 1
    mirror.answers.set()


def test_a_mirror_that_draws_is_waited_for(monkeypatch):
    """At the end a store that takes nothing is given up; one that is at work is not."""
    mirror = Memory()

    def conclude(report, *, failed):
        mirror.is_drawing = mirror.draws
        time.sleep(0.3)
        mirror.is_drawing = False
        mirror.told.append("drawn")

    mirror.conclude = conclude
    for draws, unsent in ((True, 0), (False, 1)):
        mirror.draws = draws
        with tracking(mirror) as tracker:
            tracker.concluded("a table", failed=False)
            tracker.drain(patience=0.1)
        assert tracker.unsent == unsent
