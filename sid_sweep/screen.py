"""Text that keeps within a console's width: wrapped between words, columns left out whole."""

from collections.abc import Sequence

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
from rich.text import Text

INDENT, LEAST_WIDTH = 2, 10
BETWEEN = "  ·  "


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
    """Parts on as few lines as hold them, wrapped between words where one is too long, all lines
    indented alike."""

    def __init__(self, *parts: str, indent: int = INDENT, before: Text | None = None) -> None:
        """
        Args:
            before: what stands in the place of the first line's indent, and is as long.
        """
        self._parts, self._before = parts, before or Text(" " * indent)
        self._indent = self._before.cell_len

    def lines(self, console: Console, width: int) -> list[Text]:
        """Without what they are indented by; at least one."""
        width = max(width - self._indent, LEAST_WIDTH)
        wrapped = [own for line in self._packed(width) for own in Text(line).wrap(console, width)]
        for line in wrapped:
            line.rstrip()
        return wrapped or [Text()]

    def _packed(self, width: int) -> list[str]:
        lines: list[str] = []
        for part in self._parts:
            if lines and cell_len(lines[-1] + BETWEEN + part) <= width:
                lines[-1] += BETWEEN + part
            else:
                lines.append(part)
        return lines

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        before = self._before
        for line in self.lines(console, options.max_width):
            yield before + line
            before = Text(" " * self._indent)

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        least = self._indent + LEAST_WIDTH
        return Measurement(least, least)  # it takes any width


def say(console: Console, before: Text, text: str) -> None:
    """Print a sentence; on a terminal it is wrapped beside what stands before it."""
    if is_live(console):
        console.print(Hanging(text, before=before))
    else:
        console.print(before + Text(text), soft_wrap=True)


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
