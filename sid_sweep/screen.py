"""Text that keeps within a console's width: wrapped between words, columns left out whole."""

from collections.abc import Iterable, Sequence

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
from rich.text import Text

INDENT = 2


def duration(seconds: float) -> str:
    """`9 s`, `2 min 05 s`, `3 h 20 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def is_live(console: Console) -> bool:
    """Whether a picture can be drawn again in its place; else there are plain lines."""
    return console.is_terminal and not console.is_dumb_terminal


class Hanging:
    """Words that are wrapped between words, the second line under the first."""

    def __init__(self, text: str, *, indent: int = INDENT) -> None:
        self._text, self._indent = text, indent

    def lines(self, console: Console, width: int) -> list[Text]:
        """Without what they are indented by; at least one."""
        wrapped = Text(self._text).wrap(console, max(width - self._indent, 10))
        for line in wrapped:
            line.rstrip()
        return list(wrapped) or [Text()]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for line in self.lines(console, options.max_width):
            yield Text(" " * self._indent) + line


def packed(parts: Iterable[str], width: int, *, between: str = "  ·  ") -> list[str]:
    """Parts on as few lines as hold them, none broken that fits on a line."""
    lines: list[str] = []
    for part in parts:
        if lines and len(lines[-1]) + len(between) + len(part) <= width:
            lines[-1] += between + part
        else:
            lines.append(part)
    return lines


class Fitting:
    """The first of several pictures of one thing that is not too wide, else the last."""

    def __init__(self, pictures: Sequence[RenderableType]) -> None:
        self._pictures = pictures

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        room = options.update(width=10_000)
        for picture in self._pictures[:-1]:
            if Measurement.get(console, room, picture).maximum <= options.max_width:
                yield picture
                return
        yield self._pictures[-1]
