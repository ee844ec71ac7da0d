"""Tells somebody how a command has ended: a program that reads JSON, or a webhook that is sent it.

Whom is said on the command line (`--notify`) and never in a search space: that is a file which is
shared and published, and whoever runs somebody else's question must not thereby run a program that
it names. The address of a webhook is a secret itself, so an environment variable holds it, and only
the variable is ever named.
"""

import ipaddress
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import threading
import time
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

WEBHOOK = "webhook:"
SECONDS = 5.0  # for each to take it; all are told at once
SOME_MORE = 1.0  # for what has no time-out of its own, such as looking up a name
LOCAL = "localhost"
FORMS = f"write {WEBHOOK}NAME, where the variable NAME holds an address, or a program's command"


class Untold(Exception):
    """Somebody could not be told: why, without a secret."""


@dataclass(frozen=True)
class Program:
    """A program of this machine, run without a shell; the document is its standard input."""

    words: tuple[str, ...]

    def __str__(self) -> str:
        return self.words[0]

    def tell(self, document: bytes) -> None:
        """Run it."""
        with subprocess.Popen(
            self.words,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        ) as process:
            try:
                process.communicate(document, timeout=SECONDS)
            except subprocess.TimeoutExpired:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                raise Untold(f"it was not done after {SECONDS:g} s") from None
        if process.returncode:
            raise Untold(f"its exit status is {process.returncode}")


@dataclass(frozen=True)
class Webhook:
    """An address that takes a POST of the document."""

    variable: str
    url: str = field(repr=False)

    def __str__(self) -> str:
        return f"{WEBHOOK}{self.variable}"

    def tell(self, document: bytes) -> None:
        """Send it. Nothing is sent on to where an answer points."""
        headers = {"Content-Type": "application/json", "User-Agent": "sid_sweep"}
        handlers: list[Any] = [_Stay]
        if _is_loopback(self.url):
            handlers.append(urllib.request.ProxyHandler({}))
        try:
            request = urllib.request.Request(self.url, data=document, headers=headers)
            with urllib.request.build_opener(*handlers).open(request, timeout=SECONDS):
                pass
        except HTTPError as error:
            error.close()
            raise Untold(f"it answered {error.code}") from None
        except Exception as error:  # whose words may hold the address
            inner = error.reason if isinstance(error, URLError) else error
            name = type(inner).__name__ if isinstance(inner, BaseException) else "URLError"
            raise Untold(f"it could not be reached ({name})") from None


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: Any, **more: Any) -> None:
        """None: it is an error."""


Listener = Program | Webhook


def listener(text: str, environment: Mapping[str, str] = os.environ) -> Listener:
    """Whom a `--notify` names.

    Raises:
        ValueError: nobody could be told so; one line without a secret.
    """
    if text.startswith(WEBHOOK):
        return _webhook(text.removeprefix(WEBHOOK), environment)
    if re.search("https?://", text, re.I):
        raise ValueError(
            "an address on a command line is seen by others and kept in records; put it into an "
            f"environment variable: --notify {WEBHOOK}NAME"
        )
    try:
        words = tuple(shlex.split(text))
    except ValueError as error:
        raise ValueError(f"{text}: {error}; {FORMS}") from None
    if not words:
        raise ValueError(f"names nobody; {FORMS}")
    if shutil.which(words[0]) is None:
        raise ValueError(f"{words[0]}: there is no such program; {FORMS}")
    return Program(words)


def _webhook(variable: str, environment: Mapping[str, str]) -> Webhook:
    url = environment.get(variable, "").strip()
    if not url:
        raise ValueError(f"the environment variable {variable} is not set; it holds the address")
    try:
        parts = urlsplit(url)
        whole = bool(parts.hostname) and not any(c.isspace() or not c.isprintable() for c in url)
    except ValueError:
        whole = False
    if not whole or parts.scheme not in ("https", "http"):
        raise ValueError(f"the environment variable {variable} holds no https address")
    if parts.scheme == "http" and not _is_loopback(url):
        raise ValueError(
            f"the environment variable {variable} holds an http address, which everybody on the "
            "way can read; use https, or http to this machine"
        )
    return Webhook(variable, url)


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == LOCAL


def document(
    *,
    sweep: str,
    event: str,
    status: int,
    words: str,
    trials: Mapping[str, int],
    answer: str,
    spent: Mapping[str, float],
    limits: Mapping[str, float | None],
    command: str,
) -> dict[str, Any]:
    """What is told.

    Args:
        event: finished, failed, limit, interrupted, lost or error.
        status: the exit status.
        words: what has happened, in one line.
        trials: how many stand how.
        answer: what the verdicts say, where the arms were compared.
        spent: by the keys of the limits.
        limits: those that are set.
        command: what goes on.
    """
    counts = ", ".join(f"{number} {word}" for word, number in trials.items() if number)
    text = f"{sweep}: {words}; {counts or 'no trial has begun'}"
    return {
        "sweep": sweep,
        "event": event,
        "exit_status": status,
        "text": f"{text}. {answer}" if answer else text,
        "trials": dict(trials),
        "answer": answer,
        "spent": {key: round(value, 6) for key, value in spent.items()},
        "limits": {key: value for key, value in limits.items() if value is not None},
        "command": command,
    }


def notify(listeners: Sequence[Listener], told: Mapping[str, Any]) -> list[str]:
    """Tell all at once; returns a line for each that could not be told. It takes some seconds at
    most, whatever they do."""
    content = json.dumps(told, ensure_ascii=False).encode()
    troubles: dict[int, str] = dict.fromkeys(range(len(listeners)), f"no answer in {SECONDS:g} s")

    def tell(number: int) -> None:
        try:
            listeners[number].tell(content)
            troubles[number] = ""
        except Untold as untold:
            troubles[number] = str(untold)
        except OSError as error:  # the program is gone
            troubles[number] = error.strerror or type(error).__name__

    threads = [
        threading.Thread(target=tell, args=(number,), name="notify", daemon=True)
        for number in troubles
    ]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + SECONDS + SOME_MORE
    for thread in threads:
        thread.join(max(deadline - time.monotonic(), 0.0))
    return [
        f"{listeners[number]} could not be told how it ended: {trouble}"
        for number, trouble in sorted(troubles.items())
        if trouble
    ]
