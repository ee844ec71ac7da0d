"""The comparison table in four dresses: Markdown, CSV, LaTeX and the terminal. Pure: text out.

All but the CSV show the same cells; the CSV holds every figure in full precision. `best` is a word,
not a bold number: bold is kept for a test of significance.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd
from rich import markup
from rich.table import Table

from analysis.notation import estimate, knob_name, significant, thousands, value_text
from analysis.question import Question
from analysis.statistics import CONFIDENCE
from sid_sweep.spec import LOST

MARK = "†"
MEBIBYTE = 2**20
LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": "$<$", ">": "$>$", "|": "$|$", '"': "''",
    "†": r"$^\dagger$", "±": r"$\pm$", "×": r"$\times$", "²": "$^2$", "½": r"$\frac{1}{2}$",
    "≤": r"$\leq$", "≥": r"$\geq$", "≈": r"$\approx$", "→": r"$\to$", "−": "$-$", "–": "--",
    "—": "---", "…": r"\dots{}", "∞": r"$\infty$", "α": r"$\alpha$", "β": r"$\beta$",
    "γ": r"$\gamma$", "δ": r"$\delta$", "ε": r"$\varepsilon$", "η": r"$\eta$", "θ": r"$\theta$",
    "λ": r"$\lambda$", "μ": r"$\mu$", "π": r"$\pi$", "ρ": r"$\rho$", "σ": r"$\sigma$",
    "τ": r"$\tau$", "φ": r"$\phi$", "ψ": r"$\psi$", "ω": r"$\omega$",
}  # fmt: skip


@dataclass(frozen=True)
class Column:
    """A title and a cell per arm."""

    title: str
    cells: list[str]
    numeric: bool = True
    """Numbers stand right, words left."""


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
        Column(question.metric, _estimates(arms)),
        Column("n", [str(n) for n in arms["n"]]),
        *extra,
        Column("images", [thousands(images) for images in arms["images"]]),
        Column("seconds", [_seconds(seconds) for seconds in arms["seconds"]]),
        Column("peak MiB", [thousands(size) for size in mebibytes]),
        Column("", [_remarks(arm) for _, arm in arms.iterrows()], numeric=False),
    ]


def legend(arms: pd.DataFrame, question: Question) -> str:
    """What the cells mean, as a caption."""
    sentences = [
        f"Mean {question.metric} of the n finished seeds ({question.better} is better) "
        f"with its Student-t {CONFIDENCE:.0%} interval; images and seconds are means over these "
        "seeds, peak MiB their maximum."
    ]
    if (arms["marked"] & (arms["n"] > 0)).any():
        sentences.append(f"{MARK} Mean over the surviving seeds only; never called best.")
    return " ".join(sentences)


def markdown(arms: pd.DataFrame, question: Question) -> str:
    """A pipe table and its legend."""
    shown = columns(arms, question)
    lines = [
        _pipes(column.title for column in shown),
        _pipes("---:" if column.numeric else ":---" for column in shown),
        *[_pipes(_plain(cell) for cell in row) for row in _rows(shown)],
    ]
    return "\n".join(lines) + f"\n\n{legend(arms, question)}\n"


def csv(arms: pd.DataFrame, question: Question) -> str:
    """Every column of `statistics.arms`, in full precision."""
    return arms.to_csv(index=False, lineterminator="\n")


def latex(arms: pd.DataFrame, question: Question) -> str:
    r"""A `table` float; needs \usepackage{booktabs} and nothing else."""
    shown = columns(arms, question)
    align = "".join("r" if column.numeric else "l" for column in shown)
    lines = [
        "% needs \\usepackage{booktabs}",
        "\\begin{table}",
        "  \\centering\\small",
        "  \\setlength{\\tabcolsep}{4pt}",
        f"  \\caption{{{escape(question.question)} {escape(legend(arms, question))}}}",
        f"  \\label{{tab:{question.sweep}}}",
        f"  \\begin{{tabular}}{{{align}}}",
        "    \\toprule",
        f"    {_ampersands(column.title for column in shown)}",
        "    \\midrule",
        *[f"    {_ampersands(row)}" for row in _rows(shown)],
        "    \\bottomrule",
        "  \\end{tabular}",
        "\\end{table}",
    ]
    return "\n".join(lines) + "\n"


def terminal(arms: pd.DataFrame, question: Question) -> Table:
    """The same for a console."""
    shown = columns(arms, question)
    table = Table(box=None, padding=(0, 2), header_style="dim", pad_edge=False)
    for column in shown:
        table.add_column(
            markup.escape(column.title), justify="right" if column.numeric else "left", no_wrap=True
        )
    for best, row in zip(arms["best"], _rows(shown), strict=True):
        table.add_row(*map(markup.escape, row), style="green" if best else "")
    return table


def escape(text: str) -> str:
    """Text for LaTeX; a minus before a number is a minus, a lone dash is an en dash."""
    escaped = "".join(LATEX.get(character, character) for character in text)
    escaped = re.sub(r"(?<![\w.}-])-(?=\d)", "$-$", escaped)
    return re.sub(r"^-$|(?<=\[)-(?=\])", "--", escaped)


def _estimates(arms: pd.DataFrame) -> list[str]:
    cells = []
    for _, arm in arms.iterrows():
        text = estimate(arm["mean"], arm["low"], arm["high"])
        cells.append(f"{text} {MARK}" if arm["marked"] and arm["n"] else text)
    return cells


def _seconds(seconds: float) -> str:
    return thousands(seconds) if seconds >= 100 else significant(seconds, digits=3)


def _remarks(arm: pd.Series) -> str:
    """`best, baseline, 1 diverged`."""
    names = {"best": "best", "baseline": "baseline", "pareto": "Pareto"}
    words = [name for column, name in names.items() if arm[column]]
    words += [f"{arm[name]} {name}" for name in (*LOST, "running") if arm[name]]
    return ", ".join(words)


def _rows(shown: list[Column]) -> list[tuple[str, ...]]:
    return list(zip(*[column.cells for column in shown], strict=True))


def _pipes(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _plain(cell: str) -> str:
    return cell.replace("|", r"\|")


def _ampersands(cells: Iterable[str]) -> str:
    return " & ".join(escape(cell) for cell in cells) + r" \\"
