"""What can be written in a search space, and what students can be judged by, for a person."""

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from sid_sweep.spec import SpecError
from sid_sweep.spec.knobs import manual, nearest
from sid_sweep.spec.metrics import metrics

TABLE_WIDTH = 160  # columns that a table of five needs
PROSE = ("meaning", "limit")


def print_knobs(console: Console, prefix: str) -> None:
    """All knobs whose names begin so.

    Raises:
        SpecError: there are none.
    """
    listed = list(manual())
    found = [knob for knob in listed if knob.path.startswith(prefix)]
    if not found:
        names = sorted({knob.path for knob in listed} | {k.path.split(".")[0] for k in listed})
        hint = nearest(prefix, names)
        raise SpecError(f"--knobs {prefix}: no knob begins like that{hint}")
    rows = [
        (
            knob.path,
            knob.type,
            "" if knob.default is None else str(knob.default),
            ", ".join(f"{union}={kind}" for union, kind in knob.kinds),
            knob.doc,
        )
        for knob in found
    ]
    _print_table(console, ("knob", "type", "default", "where", "meaning"), rows)


def print_metrics(console: Console) -> None:
    """All metrics, with what each means and does not see."""
    _print_table(console, ("metric", "where", "range", "meaning", "limit"), metrics())


def _print_table(console: Console, titles: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    if console.width < TABLE_WIDTH:  # a line of figures, and below it what they mean
        for row in rows:
            words = {title: cell for title, cell in zip(titles, row, strict=True) if cell}
            prose = [words.pop(title) for title in PROSE if title in words]
            name = Text("  ").append(words.pop(titles[0]), style="bold")
            facts = "   ".join(f"{title} {cell}" for title, cell in words.items())
            console.print(name.append(f"   {facts}" if facts else "", style="dim not bold"))
            console.print(Padding(Text("\n".join(prose)), (0, 0, 0, 6)))
        return
    table = Table(box=None, padding=(0, 2), header_style="dim")
    for title in titles:
        table.add_column(title, overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))  # what stands in brackets is no markup
    console.print(table)
