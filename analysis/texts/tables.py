"""The comparison table as Markdown, as CSV and for the terminal. Pure: text out.

All but the CSV show the same cells; the CSV holds every figure in full precision. A number is bold,
an arm is called best, only by a test of significance.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from textwrap import fill

import pandas as pd
from rich import markup
from rich.console import Group, RenderableType
from rich.table import Table

from analysis.notation import MISSING, estimate, knob_name, significant, thousands, value_text
from analysis.question import Question
from analysis.verdicts.pareto import is_member
from analysis.verdicts.statistics import ALPHA, CONFIDENCE
from sid_sweep.screen import Fitting, Hanging
from sid_sweep.spec import LOST

MARK = "†"
MEBIBYTE = 2**20
REMARK_WIDTH = 16  # where a terminal is too narrow for remarks on one line


@dataclass(frozen=True)
class Column:
    """A title and a cell per arm."""

    title: str
    """What it is found by."""
    cells: list[str]
    numeric: bool = True
    """Numbers stand right, words left."""
    bold: Sequence[bool] = ()
    """Which cells stand out; none if empty."""
    heading: str = ""
    """What stands above it, where that is not the title."""

    @property
    def above(self) -> str:
        """What stands above it."""
        return self.heading or self.title

    def dressed(self, before: str, after: str, escape: Callable[[str], str]) -> list[str]:
        """The cells, escaped, and between two marks where they stand out."""
        cells = [escape(cell) for cell in self.cells]
        bold = self.bold if len(self.bold) else [False] * len(cells)
        marked = zip(cells, bold, strict=True)
        return [f"{before}{cell}{after}" if strong else cell for cell, strong in marked]


def columns(arms: pd.DataFrame, question: Question) -> list[Column]:
    """What a reader sees: knobs, quality, seeds, cost, remarks. What all arms have in common is in
    the legend."""
    once = _said_once(arms, question)
    every = all_columns(arms, question)
    return [own for own in every if own.title not in once and any(map(bool, own.cells))]


def all_columns(arms: pd.DataFrame, question: Question) -> list[Column]:
    """Also those in which all arms agree."""
    rows = [arm for _, arm in arms.iterrows()]
    knobs = [
        Column(knob_name(knob), [value_text(value) for value in arms[f"param.{knob}"]])
        for knob in question.knobs
    ]
    return [
        *knobs,
        *([Column("tried", [str(num) for num in arms["tried"]])] if question.nuisance else []),
        Column(
            question.metric,
            [_estimate(arm) for arm in rows],
            bold=list(arms["bold"]),
            heading=question.heading(question.metric),
        ),
        Column("n", [str(arm["n"]) if arm["confirmed"] else "" for arm in rows]),
        *_screened(rows, question),
        *_effects(arms, question),
        *_spent(arms, question),
        Column("", [_remarks(arm) for arm in rows], numeric=False),
    ]


def _spent(arms: pd.DataFrame, question: Question) -> list[Column]:
    """Further metrics and costs."""
    extra = [
        Column(
            name,
            [significant(value) for value in arms[f"metric.{name}"]],
            heading=question.heading(name),
        )
        for name in question.columns
    ]
    mebibytes = arms["peak_memory_bytes"] / MEBIBYTE
    return [
        *extra,
        Column("images", [thousands(images) for images in arms["images"]]),
        Column("seconds", [_seconds(seconds) for seconds in arms["seconds"]]),
        Column("peak MiB", [thousands(size) for size in mebibytes]),
    ]


def _said_once(arms: pd.DataFrame, question: Question) -> dict[str, str]:
    """By title, the one cell of a column whose arms have no other; a declared cost stays."""
    found = {}
    for column in _spent(arms, question):
        cells = set(column.cells) - {MISSING}
        if len(arms) > 1 and len(cells) == 1 and column.title != question.cost:
            found[column.title] = cells.pop()
    return found


def legend(arms: pd.DataFrame, question: Question) -> str:
    """What the cells mean, as a caption."""
    ratio = question.scale == "ratio"
    interval = f"{'log-t' if ratio else 'Student-t'} {CONFIDENCE:.0%} interval"
    if question.sequential:
        interval = f"{CONFIDENCE:.0%} confidence sequence, valid at any number of seeds"
    sentences = [
        f"{'Geometric mean' if ratio else 'Mean'} {question.heading(question.metric)} of the n "
        f"seeds with a value ({question.better} is better) with its {interval}; images and "
        "seconds are means over the trials that ran to their end, peak MiB their maximum."
    ]
    if once := _said_once(arms, question):
        told = ", ".join(f"{name} {cell}" for name, cell in once.items())
        sentences.append(f"In all arms: {told}.")
    if question.nuisance:
        knobs = ", ".join(map(knob_name, question.nuisance))
        seeds = "screening" if question.screen else "same"
        sentences.append(f"Each row is the best of those tried in {knobs}, by the {seeds} seeds.")
        if arms["tuned_on_same_seeds"].any():
            sentences.append(
                "Verdicts are those of the best of all pairs of settings (Bonferroni)."
            )
    if question.screen:
        change = "the mean over it" if ratio else "the mean less it"
        sentences.append(
            f"Screened: by {len(question.screen)} other seeds, which chose what to confirm; "
            f"shrinkage: {change}. An arm without a mean was not confirmed."
        )
    if question.pruned_by and arms["pruned"].any():
        sentences.append(
            f"Pruned: given up early by {question.pruned_by}, on the screening seeds; such an arm "
            "has no value and no verdict."
        )
    if (arms["verdict"] != "").any():
        if ((arms["effect_n"] > 0) & (arms["raw"] == "")).any():
            own = "confidence sequence" if question.sequential else "interval"
            sentences.append(
                f"{'Ratio' if ratio else 'Difference'} to the baseline over the seeds that both "
                f"finished, with its paired {own}."
            )
        sentences.append(
            f"Better, worse{', equal' if question.equal_within else ''} or undecided at "
            f"{ALPHA:.0%} for all arms together (Holm)"
            f"{', whenever one looks' if question.sequential else ''}."
        )
    if arms["bold"].any():
        others = " or than the baseline" if (arms["verdict"] != "").any() else ""
        sentences.append(f"Bold: not shown to be worse than the arm that leads{others}.")
    if question.constraints:
        sentences.append(
            f"An arm is ranked that keeps {', '.join(question.constraints)}, by its mean; one that "
            "violates a constraint neither leads nor is best."
        )
    if arms["copies"].any():
        sentences.append(
            "Copies: all seeds of the arm gave one value, so there is no interval to print."
        )
    if (arms["marked"] & (arms["raw"] == "") & (arms["n"] > 0)).any():
        sentences.append(f"{MARK} Of the surviving seeds only.")
    if arms["marked"].any():
        sentences.append(
            "An arm that lost seeds is compared by how often and by its survivors; in brackets "
            f"the exact {CONFIDENCE:.0%} interval of that part."
        )
    if arms["collapsed"].any():
        how = [f"{name} < {significant(x)}" for name, x in question.collapse.items()]
        how += [f"ended early, not having kept {question.kept}"] if question.kept else []
        sentences.append(f"Collapsed: {', or '.join(how)}.")
    return " ".join(sentences)


def markdown(arms: pd.DataFrame, question: Question) -> str:
    """A pipe table and its legend."""
    shown = columns(arms, question)
    lines = [
        _pipes(column.above for column in shown),
        _pipes("---:" if column.numeric else ":---" for column in shown),
        *[_pipes(row) for row in rows_of([c.dressed("**", "**", _plain) for c in shown])],
    ]
    return "\n".join(lines) + f"\n\n{legend(arms, question)}\n"


def csv(arms: pd.DataFrame, question: Question) -> str:
    """Every column of `arms.arms`, in full precision."""
    return arms.to_csv(index=False, lineterminator="\n")


def terminal(arms: pd.DataFrame, question: Question) -> Fitting:
    """The same for a console, knobs by the names that the YAML has; where it is too narrow without
    the columns that matter least, which are named, and at last arm by arm."""
    shown = columns(arms, question)
    spared = [own.title for own in reversed(_spent(arms, question)) if own.title != question.cost]
    titles = [title for title in spared if title in {column.title for column in shown}]
    pictures: list[RenderableType] = [_terminal(arms, question, shown, broken=False)]
    for number in (*range(len(titles) + 1), len(titles)):
        kept = [own for own in shown if own.title not in titles[:number]]
        tall = len(pictures) > len(titles) + 1
        table = _terminal(arms, question, kept, broken=True, tall=tall)
        left = f"\nnot shown at this width: {', '.join(titles[:number])}" if number else ""
        pictures.append(Group(table, *([Hanging(left, indent=0)] if left else [])))
    return Fitting([*pictures, _arm_by_arm(arms, question, shown)])


def _terminal(
    arms: pd.DataFrame, question: Question, shown: list[Column], *, broken: bool, tall: bool = False
) -> Table:
    """Broken: the names of knobs after their dots, remarks between words. Tall: intervals below
    their means."""
    paths = {knob_name(knob): knob for knob in question.knobs}
    table = Table(box=None, padding=(0, 1), header_style="dim", pad_edge=False)
    for column in shown:
        title = paths.get(column.title, column.above)
        title = title.replace(".", ".\n") if broken and column.title in paths else title
        side = "right" if column.numeric else "left"
        table.add_column(markup.escape(title), justify=side, no_wrap=True)
    dressed = [column.dressed("[bold]", "[/bold]", markup.escape) for column in shown]
    if broken and not shown[-1].title:
        dressed[-1] = [markup.escape(fill(cell, REMARK_WIDTH)) for cell in shown[-1].cells]
    if tall:
        dressed = [[cell.replace(" [", "\n[") for cell in own] for own in dressed]
    for best, row in zip(arms["best"], rows_of(dressed), strict=True):
        table.add_row(*row, style="green" if best else "")
    return table


def _arm_by_arm(arms: pd.DataFrame, question: Question, shown: list[Column]) -> Group:
    """Its knobs, and below them all that the table says of it."""
    paths = {knob_name(knob): knob for knob in question.knobs}
    lines = []
    for number in range(len(arms)):
        cells = [(own.title, own.above, own.cells[number]) for own in shown if own.cells[number]]
        arm = ", ".join(f"{paths[title]} = {cell}" for title, _, cell in cells if title in paths)
        said = [f"{above} {cell}".strip() for title, above, cell in cells if title not in paths]
        lines += [Hanging(arm, indent=0), Hanging(*said, indent=4)]
    return Group(*lines)


def _estimate(arm: pd.Series) -> str:
    """`1.42 [1.31, 1.53]`, with the mark of survivors; `1.107 (copies)`; `1.9, 2.1, collapsed`."""
    if not arm["confirmed"]:
        return ""
    if arm["raw"]:
        return arm["raw"]
    if arm["copies"]:
        return f"{significant(arm['mean'])} (copies)"
    text = estimate(arm["mean"], arm["low"], arm["high"])
    return f"{text} {MARK}" if arm["marked"] and arm["n"] else text


def _screened(rows: list[pd.Series], question: Question) -> list[Column]:
    """What an arm was chosen by, and how much of it fresh seeds bear out."""
    if not question.screen:
        return []
    shrinkage = ["" if pd.isna(arm["shrinkage"]) else f"{arm['shrinkage']:.3g}" for arm in rows]
    return [
        Column("screened", [significant(arm["screened"]) for arm in rows]),
        Column("shrinkage", shrinkage),
    ]


def _effects(arms: pd.DataFrame, question: Question) -> list[Column]:
    """`0.78 [0.70, 0.87] better`: beside the baseline, where there is one to compare with."""
    if not (arms["verdict"] != "").any():
        return []
    title = "ratio" if question.scale == "ratio" else "difference"
    cells = [
        estimate(arm["effect"], arm["effect_low"], arm["effect_high"])
        if arm["effect_n"] and not arm["raw"]
        else ""
        for _, arm in arms.iterrows()
    ]
    return [Column(title, cells), Column("verdict", list(arms["verdict"]), numeric=False)]


def _seconds(seconds: float) -> str:
    return thousands(seconds) if seconds >= 100 else significant(seconds, digits=3)


def _remarks(arm: pd.Series) -> str:
    """`leads, baseline, 1 of 3 diverged [1%, 91%]`; what leads is best only with a verdict behind
    it."""
    words = ["best" if arm["best"] else "leads"] if arm["leads"] else []
    words += ["baseline"] if arm["baseline"] else []
    words += [f"violates {arm['violates']}"] if arm["violates"] else []
    words += [f"Pareto {arm['pareto']:.0%}"] if is_member(arm["pareto"]) else []
    words += [_losses(arm)] if arm["lost"] else []
    words += ["pruned"] if arm["pruned"] else []
    words += [f"{arm['running']} running"] if arm["running"] else []
    words += ["outclassed"] if arm["stopped"] == "outclassed" else []
    return ", ".join(words)


def _losses(arm: pd.Series) -> str:
    """`2 of 10 lost [3%, 56%] (1 diverged, 1 failed)`."""
    counts = {name: arm[name] for name in LOST if arm[name]}
    one = len(counts) == 1
    interval = f"[{arm['lost_low']:.0%}, {arm['lost_high']:.0%}]"
    text = f"{arm['lost']} of {arm['ended']} {next(iter(counts)) if one else 'lost'} {interval}"
    kinds = ", ".join(f"{number} {name}" for name, number in counts.items())
    return text if one else f"{text} ({kinds})"


def rows_of(columns: list[list[str]]) -> list[tuple[str, ...]]:
    return list(zip(*columns, strict=True))


def _pipes(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _plain(cell: str) -> str:
    return cell.replace("|", r"\|")
