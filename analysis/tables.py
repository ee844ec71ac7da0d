"""The comparison table as Markdown, as CSV and for the terminal. Pure: text out.

All but the CSV show the same cells; the CSV holds every figure in full precision. A number is bold,
an arm is called best, only by a test of significance.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import pandas as pd
from rich import markup
from rich.table import Table

from analysis.notation import estimate, knob_name, significant, thousands, value_text
from analysis.question import Question
from analysis.statistics import ALPHA, CONFIDENCE
from sid_sweep.spec import LOST

MARK = "†"
MEBIBYTE = 2**20


@dataclass(frozen=True)
class Column:
    """A title and a cell per arm."""

    title: str
    cells: list[str]
    numeric: bool = True
    """Numbers stand right, words left."""
    bold: Sequence[bool] = ()
    """Which cells stand out; none if empty."""

    def dressed(self, before: str, after: str, escape: Callable[[str], str]) -> list[str]:
        """The cells, escaped, and between two marks where they stand out."""
        cells = [escape(cell) for cell in self.cells]
        bold = self.bold if len(self.bold) else [False] * len(cells)
        marked = zip(cells, bold, strict=True)
        return [f"{before}{cell}{after}" if strong else cell for cell, strong in marked]


def columns(arms: pd.DataFrame, question: Question) -> list[Column]:
    """What a reader sees: knobs, quality, seeds, cost, remarks."""
    knobs = [
        Column(knob_name(knob), [value_text(value) for value in arms[f"param.{knob}"]])
        for knob in question.knobs
    ]
    extra = [
        Column(name, [significant(value) for value in arms[f"metric.{name}"]])
        for name in question.columns
    ]
    mebibytes = arms["peak_memory_bytes"] / MEBIBYTE
    return [
        *knobs,
        Column(
            question.metric, [_estimate(arm) for _, arm in arms.iterrows()], bold=list(arms["bold"])
        ),
        Column("n", [str(n) for n in arms["n"]]),
        *_effects(arms, question),
        *extra,
        Column("images", [thousands(images) for images in arms["images"]]),
        Column("seconds", [_seconds(seconds) for seconds in arms["seconds"]]),
        Column("peak MiB", [thousands(size) for size in mebibytes]),
        Column("", [_remarks(arm) for _, arm in arms.iterrows()], numeric=False),
    ]


def legend(arms: pd.DataFrame, question: Question) -> str:
    """What the cells mean, as a caption."""
    mean, t = ("Geometric mean", "log-t") if question.scale == "ratio" else ("Mean", "Student-t")
    sentences = [
        f"{mean} {question.metric} of the n finished seeds ({question.better} is better) "
        f"with its {t} {CONFIDENCE:.0%} interval; images and seconds are means over these "
        "seeds, peak MiB their maximum."
    ]
    if (arms["effect_n"] > 0).any():
        what = "Ratio" if question.scale == "ratio" else "Difference"
        sentences.append(
            f"{what} to the baseline over the seeds that both finished, with its paired interval; "
            f"better, worse{', equal' if question.equal_within else ''} or undecided at "
            f"{ALPHA:.0%} for all arms together (Holm)."
        )
    if arms["bold"].any():
        sentences.append("Bold: not significantly worse than the arm that leads.")
    if arms["copies"].any():
        sentences.append("Copies: all seeds gave one value, which has no interval.")
    if (arms["marked"] & (arms["n"] > 0)).any():
        sentences.append(f"{MARK} Of the surviving seeds only; compared by how often it is lost.")
    return " ".join(sentences)


def markdown(arms: pd.DataFrame, question: Question) -> str:
    """A pipe table and its legend."""
    shown = columns(arms, question)
    lines = [
        _pipes(column.title for column in shown),
        _pipes("---:" if column.numeric else ":---" for column in shown),
        *[_pipes(row) for row in rows_of([c.dressed("**", "**", _plain) for c in shown])],
    ]
    return "\n".join(lines) + f"\n\n{legend(arms, question)}\n"


def csv(arms: pd.DataFrame, question: Question) -> str:
    """Every column of `arms.arms`, in full precision."""
    return arms.to_csv(index=False, lineterminator="\n")


def terminal(arms: pd.DataFrame, question: Question) -> Table:
    """The same for a console."""
    shown = columns(arms, question)
    table = Table(box=None, padding=(0, 2), header_style="dim", pad_edge=False)
    for column in shown:
        title = markup.escape(column.title)
        table.add_column(title, justify="right" if column.numeric else "left", no_wrap=True)
    dressed = [column.dressed("[bold]", "[/bold]", markup.escape) for column in shown]
    for best, row in zip(arms["best"], rows_of(dressed), strict=True):
        table.add_row(*row, style="green" if best else "")
    return table


def _estimate(arm: pd.Series) -> str:
    """`1.42 [1.31, 1.53]`, with the mark of survivors; `1.107 (copies)`."""
    if arm["copies"]:
        return f"{significant(arm['mean'])} (copies)"
    text = estimate(arm["mean"], arm["low"], arm["high"])
    return f"{text} {MARK}" if arm["marked"] and arm["n"] else text


def _effects(arms: pd.DataFrame, question: Question) -> list[Column]:
    """`0.78 [0.70, 0.87] better`: beside the baseline, where there is one to compare with."""
    if not (arms["effect_n"] > 0).any():
        return []
    title = "ratio" if question.scale == "ratio" else "difference"
    cells = [
        estimate(arm["effect"], arm["effect_low"], arm["effect_high"]) if arm["effect_n"] else ""
        for _, arm in arms.iterrows()
    ]
    return [Column(title, cells), Column("verdict", list(arms["verdict"]), numeric=False)]


def _seconds(seconds: float) -> str:
    return thousands(seconds) if seconds >= 100 else significant(seconds, digits=3)


def _remarks(arm: pd.Series) -> str:
    """`leads, baseline, 1 diverged`; what leads is best only with a verdict behind it."""
    words = ["best" if arm["best"] else "leads"] if arm["leads"] else []
    names = {"baseline": "baseline", "pareto": "Pareto"}
    words += [name for column, name in names.items() if arm[column]]
    words += [f"{arm[name]} {name}" for name in (*LOST, "running") if arm[name]]
    return ", ".join(words)


def rows_of(columns: list[list[str]]) -> list[tuple[str, ...]]:
    return list(zip(*columns, strict=True))


def _pipes(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _plain(cell: str) -> str:
    return cell.replace("|", r"\|")
