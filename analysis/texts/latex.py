"""The comparison table in LaTeX, as wide as a column of the page. Pure: text out.

Widths are those of Computer Modern, so that a table is known to fit before it is set. What has no
room is left out, the least needed first: peak memory, time, images, further metrics. The CSV holds
all of it.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from analysis.question import Question
from analysis.texts.letters import escape, missing, spelled
from analysis.texts.tables import Column, columns, legend, rows_of

LINE_POINTS = 345.0
"""\\linewidth of article in one column at 10 pt."""
NARROW_POINTS = 229.5
"""... in two columns."""
FONTS = {r"\small": 9.0, r"\footnotesize": 8.0, r"\scriptsize": 7.0}
CM_SIZES = {9.0: 0.925, 8.0: 0.85, 7.0: 0.797}
"""Width of a letter at that size over that at 10 pt: small fonts are cut wider."""
TABCOLSEP = 3.0
ROUNDING = 1e-6
LEAST_POINTS = 20.0  # of a column whose cells break into lines
BOLD = 1.15  # cmbx over cmr
WIDTHS = {
    5.0: "0123456789aovxyk", 5.56: "bdhnpuqkvxy", 4.44: "ecz", 2.78: "ijl.,:;!|", 3.06: "f",
    3.89: "st()-", 3.92: "r", 7.22: "w", 8.33: "mMOQ",
}  # fmt: skip
"""cmr10 in points; a letter that stands twice is as wide as the wider."""
OTHER_WIDTH = 7.78  # capitals, Greek, signs
BRACKET, SPACE = 2.78, 3.33
NEEDED = ("n", "ratio", "difference", "verdict")
OPTIONAL = ("peak MiB", "seconds", "images")
"""Left out in this order where there is no room."""


@dataclass(frozen=True)
class Page:
    """A line of text on paper."""

    points: float
    only: tuple[str, ...] | None = None
    """Titles beside the knobs, where a table has no more."""


ONE_COLUMN = Page(LINE_POINTS)
TWO_COLUMNS = Page(NARROW_POINTS, NEEDED)


def table(arms: pd.DataFrame, question: Question, *, page: Page = ONE_COLUMN) -> str:
    r"""A `table` float; needs \usepackage{booktabs} and nothing else."""
    shown, notes = fitted(_chosen(arms, question, page), page, question)
    font, _ = _font(shown, page)
    align = "".join(_align(column) for column in shown)
    dressed = [column.dressed(r"\textbf{", "}", escape) for column in shown]
    label = f"tab:{question.sweep}" if page.only is None else f"tab:{question.sweep}-narrow"
    caption = " ".join([question.question, legend(arms, question), *notes])
    lines = [
        "% needs \\usepackage{booktabs}",
        "\\begin{table}",
        f"  \\centering{font}",
        f"  \\setlength{{\\tabcolsep}}{{{TABCOLSEP:g}pt}}",
        f"  \\caption{{{escape(caption)}}}",
        f"  \\label{{{label}}}",
        f"  \\begin{{tabular}}{{@{{}}{align}@{{}}}}",
        "    \\toprule",
        f"    {_ampersands(_breakable(column, escape(column.above)) for column in shown)}",
        "    \\midrule",
        *[f"    {_ampersands(row)}" for row in rows_of(dressed)],
        "    \\bottomrule",
        "  \\end{tabular}",
        "\\end{table}",
    ]
    return "\n".join([*missing("\n".join(lines)), *lines]) + "\n"


def narrow(arms: pd.DataFrame, question: Question) -> str:
    """The same for a page of two columns: knobs, metric, n, the comparison and its verdict."""
    return table(arms, question, page=TWO_COLUMNS)


def fitted(
    shown: Sequence[Column], page: Page, question: Question
) -> tuple[list[Column], list[str]]:
    """The columns that fit, and what the caption says instead of the others."""
    num_knobs = len(question.knobs)
    kept, notes = _short_titles(list(shown), num_knobs)
    for number in (1, 2, 3):
        while (
            not _fits(kept, page)
            and (spare := _spare(kept, num_knobs, question.metric, number)) is not None
        ):
            kept.remove(spare)
    if not _fits(kept, page):  # the interval of the comparison says more than that of the mean
        kept = [_bare(own) if own.title == question.metric else own for own in kept]
        notes.append("Intervals of the means are in the CSV.")
    if not _fits(kept, page):
        kept = _wrapped(kept, page, num_knobs)
    return kept, notes


def width(shown: Sequence[Column], size: float) -> float:
    """Of the table in points, about."""
    gaps = 2 * TABCOLSEP * (len(shown) - 1)
    return gaps + sum(_column_width(column, size) for column in shown)


def text_width(text: str, size: float) -> float:
    """Of text in Computer Modern, in points."""
    return CM_SIZES[size] * sum(_letter_width(letter) for letter in spelled(text))


def _chosen(arms: pd.DataFrame, question: Question, page: Page) -> list[Column]:
    every = columns(arms, question)
    num_knobs = len(question.knobs)
    if page.only is None:
        return every
    named = (question.metric, *page.only)
    return [c for i, c in enumerate(every) if i < num_knobs or c.title in named]


def _spare(shown: Sequence[Column], num_knobs: int, metric: str, number: int) -> Column | None:
    """What to leave out next: first what `OPTIONAL` names, then further metrics, then remarks."""
    own = shown[num_knobs:]
    needed = (metric, *NEEDED)
    if number == 1:
        found = [c for title in OPTIONAL for c in own if c.title == title]
    elif number == 2:
        found = [c for c in reversed(own) if c.title not in (*needed, "")]
    else:
        found = [c for c in own if c.title == ""]
    return found[0] if found else None


def _short_titles(shown: list[Column], num_knobs: int) -> tuple[list[Column], list[str]]:
    """Knobs by the end of their path, where that is unique, with the path in the caption."""
    titles = [column.title for column in shown[:num_knobs]]
    ends = [title.rpartition(".")[2] for title in titles]
    short = ends if len(set(ends)) == len(ends) else titles
    pairs = [(a, b) for a, b in zip(short, titles, strict=True) if a != b]
    notes = [f"{', '.join(f'{a}: {b}' for a, b in pairs)}."] if pairs else []
    knobs = [replace(c, title=title) for c, title in zip(shown, short, strict=False)]
    return [*knobs, *shown[num_knobs:]], notes


def _bare(column: Column) -> Column:
    """Estimates without their intervals."""
    cells = [re.sub(r" \[[^\]]*\]", "", cell) for cell in column.cells]
    return replace(column, cells=cells)


def _wrapped(shown: list[Column], page: Page, num_knobs: int) -> list[Column]:
    """Knobs and words share what is left of the width; a cell that is longer breaks into lines."""
    size = min(FONTS.values())
    free = [c for i, c in enumerate(shown) if i < num_knobs or not c.numeric]
    widths = sorted(_column_width(column, size) for column in free)
    left = page.points - (width(shown, size) - sum(widths))
    while widths and widths[0] <= left / len(widths):  # the short ones keep what they need
        left -= widths.pop(0)
    share = max(left / max(len(widths), 1), LEAST_POINTS)
    return [
        _Wrapped(**vars(column), points=share)
        if column in free and _column_width(column, size) > share
        else column
        for column in shown
    ]


@dataclass(frozen=True)
class _Wrapped(Column):
    """A column of a set width, whose cells break into lines."""

    points: float = 0.0

    def dressed(self, before, after, escape):
        """The same, and words may break at a low line."""
        return [_breakable(self, cell) for cell in super().dressed(before, after, escape)]


def _breakable(column: Column, text: str) -> str:
    """With places at which a line may end; TeX divides no first word, hence the empty space."""
    if not isinstance(column, _Wrapped):
        return text
    return r"\hspace{0pt}" + text.replace(r"\_", r"\_\hspace{0pt}").replace(".", r".\hspace{0pt}")


def _align(column: Column) -> str:
    if isinstance(column, _Wrapped):
        return rf"p{{{column.points:.1f}pt}}"
    return "r" if column.numeric else "l"


def _font(shown: Sequence[Column], page: Page) -> tuple[str, float]:
    """The largest font in which the table fits, or the smallest."""
    for font, size in FONTS.items():
        if width(shown, size) <= page.points + ROUNDING:
            return font, size
    return font, size


def _fits(shown: Sequence[Column], page: Page) -> bool:
    return width(shown, min(FONTS.values())) <= page.points + ROUNDING


def _column_width(column: Column, size: float) -> float:
    if isinstance(column, _Wrapped):
        return column.points
    bold = column.bold if len(column.bold) else [False] * len(column.cells)
    cells = zip(column.cells, bold, strict=True)
    widths = [text_width(cell, size) * (BOLD if strong else 1) for cell, strong in cells]
    return max([text_width(column.above, size), *widths])


def _letter_width(letter: str) -> float:
    if letter in "[]":
        return BRACKET
    if letter == " ":
        return SPACE
    return max((w for w, letters in WIDTHS.items() if letter in letters), default=OTHER_WIDTH)


def _ampersands(cells: Iterable[str]) -> str:
    r"""A row. Behind `\\`, and behind a line, a bracket or a star would be an option of it."""
    row = " & ".join(cells)
    return ("{}" if row.startswith(("[", "*")) else "") + row + r" \\"
