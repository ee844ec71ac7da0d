"""How the command ends, for scripts: its exit status; for those who are told: an event."""

EXIT_DONE = 0
EXIT_FAILED = 1  # some trials, or the command itself
EXIT_INPUT = 2
EXIT_LIMIT = 3
EXIT_INTERRUPTED = 130

EVENTS = {
    EXIT_DONE: ("finished", "all trials have an end"),
    EXIT_FAILED: ("failed", "some trials failed"),
    EXIT_LIMIT: ("limit", "stopped by itself"),
    EXIT_INTERRUPTED: ("interrupted", "interrupted"),
}
"""Of a command that came to its own end: what that is called, and in words."""
