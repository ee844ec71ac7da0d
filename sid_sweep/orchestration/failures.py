"""What really went wrong, in one line, out of what Ray says."""

import re
import traceback
from pathlib import Path

ANSI = re.compile(r"\x1b\[[0-9;]*m")
NO_MEMORY = ("OutOfMemoryError", "low on memory")  # Ray ends processes before the system does
LESS_MEMORY = "lower batch.per_worker, or resources.concurrency"
PASSING = {  # classes of exceptions; this file is light
    "OutOfGPUMemory",
    "OutOfMemoryError",  # Ray's
    "RayActorError",
    "WorkerCrashedError",
    "NodeDiedError",
    "WorkerHealthCheckFailedError",
    "WorkerHealthCheckTimeoutError",
    "WorkerGroupStartupFailedError",
    "WorkerGroupStartupTimeoutError",
}
LOST_NODE = "its node has died"  # Ray's words
ECHOES = ("gloo", "nccl", "connection closed by peer", "connection reset")


def explain(error: BaseException) -> tuple[str, str]:
    """One line and the full traceback of an exception.

    Of a group's failures the first rank that is not an echo counts: when one rank dies, the others
    fail in their next collective.
    """
    error, where = _first(error)
    inner = getattr(error, "_base_exc", error)
    lines = str(inner).strip().splitlines()
    trace = getattr(error, "_traceback_str", None) or "".join(traceback.format_exception(error))
    return f"{where}{type(inner).__name__}: {lines[0] if lines else 'no message'}", trace


def is_passing(error: BaseException) -> bool:
    """Whether the same may well go better another time: a process was killed, a GPU was full.

    A group whose failures are all echoes of another's has lost a process as well.
    """
    error, where = _first(error)
    inner = getattr(error, "_base_exc", error)
    known = {cls.__name__ for cls in type(inner).__mro__}
    return not known.isdisjoint(PASSING) or (bool(where) and _is_echo(error))


def lost_node(error: BaseException) -> bool:
    """Whether it came from the loss of a node, that of any rank."""
    error = getattr(error, "controller_failure", error)
    failures: dict[int, BaseException] = getattr(error, "worker_failures", None) or {}
    return any(names_lost_node(str(own)) for own in (error, *failures.values()))


def names_lost_node(report: str) -> bool:
    """Whether Ray says so."""
    return LOST_NODE in report


def _first(error: BaseException) -> tuple[BaseException, str]:
    """Of a group's failures the one that counts, and whose it is."""
    error = getattr(error, "controller_failure", error)
    failures: dict[int, BaseException] = getattr(error, "worker_failures", None) or {}
    if not failures:
        return error, ""
    rank = min(failures, key=lambda rank: (_is_echo(failures[rank]), rank))
    return failures[rank], f"rank {rank}: "


def _is_echo(error: BaseException) -> bool:
    text = str(error).lower()
    return any(word in text for word in ECHOES)


def explain_death(report: str, *, logs: Path | None = None) -> tuple[str, str]:
    """One line and the whole of what Ray writes about a process that died: first its own line, then
    the reason in colours.

    Args:
        logs: where its last words will lie, if on this machine.
    """
    text = ANSI.sub("", report).partition("\n")[2].strip()
    reason = text.splitlines()[0].split(". ")[0].rstrip(".") if text else "no reason given"
    if names_lost_node(text):  # which Ray says below
        reason = LOST_NODE
    remedy = f"; {LESS_MEMORY}" if any(word in text for word in NO_MEMORY) else ""
    number = re.search(r"\bpid: (\d+)", text)
    last = f"; its log: {logs}/worker-*-{number[1]}.err" if logs and number else ""
    return f"its process died ({reason}){remedy}{last}", text
