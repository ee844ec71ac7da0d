"""The first signal waits until somebody checks; the second ends at once."""

import os
import signal
import subprocess
import sys

import pytest

from sid_sweep.orchestration.signals import Interrupted, Signals

BOTH = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])


@BOTH
def test_the_first_signal_is_noted_and_raised_at_the_next_check(number):
    with Signals().installed() as signals:
        signals.check()
        os.kill(os.getpid(), number)
        assert signals.received == number
        with pytest.raises(Interrupted):
            signals.check()
        with pytest.raises(Interrupted):  # it stays noted
            signals.check()


def test_an_interruption_is_no_exception_that_somebody_could_swallow():
    assert not issubclass(Interrupted, Exception)


def test_what_was_there_before_comes_back_whatever_happens():
    before = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]
    signals = Signals()

    def fail():
        with signals.installed():
            assert signal.getsignal(signal.SIGTERM) is signals
            signal.signal(signal.SIGTERM, signal.SIG_IGN)  # as Ray takes it for itself
            signals.install()
            assert signal.getsignal(signal.SIGTERM) is signals
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)] == before


DEAF = """\
import os, sys
from sid_sweep.orchestration.signals import Signals
with Signals().installed():
    for number in sys.argv[1:]:
        print("alive", flush=True)
        os.kill(os.getpid(), int(number))
print("at the end")
"""


@BOTH
def test_the_second_signal_ends_at_once(number):
    def run(*numbers):
        command = [sys.executable, "-c", DEAF, *(str(int(n)) for n in numbers)]
        done = subprocess.run(command, capture_output=True, text=True)
        return done.returncode, done.stdout.split("\n")

    assert run(number) == (0, ["alive", "at the end", ""])
    assert run(signal.SIGINT, number) == (128 + number, ["alive", "alive", ""])
