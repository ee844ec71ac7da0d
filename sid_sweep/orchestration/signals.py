"""Ctrl-C, SIGTERM and whatever else ends a command early, acted on between two of Tune's steps."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class Interrupted(BaseException):
    """Ctrl-C, SIGTERM, or time is over. No Exception, since Tune would catch it and take its time
    to clean up."""


class Signals:
    """The first signal is noted and acted on when somebody checks; the second ends at once."""

    def __init__(self) -> None:
        self.received: int | None = None
        self._is_over: Callable[[], bool] = lambda: False

    def __call__(self, number: int, frame: Any) -> None:
        if self.received is not None:
            os._exit(128 + number)  # Ray's processes end when they see that their driver is gone
        self.received = number

    def install(self) -> None:
        """Take SIGINT and SIGTERM."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self)

    def check(self) -> None:
        """Raise Interrupted if a signal has come, or time is over."""
        if self.received is not None or self._is_over():
            raise Interrupted

    @contextmanager
    def unless(self, is_over: Callable[[], bool]) -> Iterator[None]:
        """Within, what is checked goes on only until this holds."""
        before, self._is_over = self._is_over, is_over
        try:
            yield
        finally:
            self._is_over = before

    @contextmanager
    def installed(self) -> Iterator["Signals"]:
        """Take the signals within, and put back what was there."""
        before = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}
        self.install()
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
