"""What really went wrong, in one line, out of what Ray says."""

import re
import traceback

ANSI = re.compile(r"\x1b\[[0-9;]*m")
NO_MEMORY = ("OutOfMemoryError", "low on memory")  # Ray ends processes before the system does
LESS_MEMORY = "lower batch.per_worker, or resources.concurrency"
ECHOES = ("gloo", "nccl", "connection closed by peer", "connection reset")


def explain(error: BaseException) -> tuple[str, str]:
    """One line and the full traceback of an exception.

    Of a group's failures the first rank that is not an echo counts: when one rank dies, the others
    fail in their next collective.
    """
    failures: dict[int, BaseException] = getattr(error, "worker_failures", None) or {}
    where = ""
    if failures:
        rank = min(failures, key=lambda rank: (_is_echo(failures[rank]), rank))
        error, where = failures[rank], f"rank {rank}: "
    inner = getattr(error, "_base_exc", error)
    lines = str(inner).strip().splitlines()
    trace = getattr(error, "_traceback_str", None) or "".join(traceback.format_exception(error))
    return f"{where}{type(inner).__name__}: {lines[0] if lines else 'no message'}", trace


def _is_echo(error: BaseException) -> bool:
    text = str(error).lower()
    return any(word in text for word in ECHOES)


def explain_death(report: str) -> tuple[str, str]:
    """One line and the whole of what Ray writes about a process that died: first its own line, then
    the reason in colours."""
    text = ANSI.sub("", report).partition("\n")[2].strip()
    reason = text.splitlines()[0].split(". ")[0].rstrip(".") if text else "no reason given"
    remedy = f"; {LESS_MEMORY}" if any(word in text for word in NO_MEMORY) else ""
    return f"its process died ({reason}){remedy}", text
