"""Which runs made a number: from a cell of the table to its seeds, trials, runs and folders.

A cell is `ARM` or `ARM:COLUMN`. ARM is an arm's number (`3`) or its values (`λ = 0.5`, by symbol or
path, several with commas); COLUMN is the title of a column of the table, the metric where none is
named.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from rich.markup import escape
from rich.table import Table

from analysis.notation import arm_text, is_missing
from analysis.question import Question
from analysis.texts import tables
from analysis.verdicts.evidence import judged
from analysis.verdicts.selection import select
from sid_sweep.spec.knobs import nearest
from sid_sweep.spec.names import trial_name
from sid_sweep.trials import SweepFolder

PAIRED = ("ratio", "difference", "verdict")
"""Columns that rest on the baseline's trials too."""
TRIED = "tried"
"""The column that rests on all arms of its setting of the scientific knobs."""
SCREENED, SHRINKAGE = "screened", "shrinkage"
"""Columns that rest on the seeds that chose, and on both these and those that are reported."""
OF_METRIC = ("n", TRIED, SCREENED, SHRINKAGE, *PAIRED)
COLUMNS = {"images": "images", "seconds": "seconds", "peak MiB": "peak_memory_bytes"}
"""Columns of the table that are no metric, by their column of the frame."""


@dataclass(frozen=True)
class Trace:
    """A cell, what it shows, and the trials behind it."""

    title: str
    """`js of arm 1 (λ = 0.5): 1.6 [1.4, 1.9]`."""
    trials: pd.DataFrame
    """A row per trial: `arm`, `seed`, `value`, `outcome`, `use`, `trial`, `run_id`. `use` is
    counted, screening, lost (no value) or not shared (the other arm has no value)."""


def trace(cell: str, frame: pd.DataFrame, arms: pd.DataFrame, question: Question) -> Trace:
    """The trials behind a cell of the table of `arms`.

    Raises:
        ValueError: there is no such arm or column; one line that names those there are.
    """
    trials = judged(frame, question)
    arm, column = _find(cell, trials, question)
    shown = [arm, *_others(arm, column, arms, trials, question)]
    found = [_behind(trials[trials["arm"] == own], column, question) for own in shown]
    if column in PAIRED and len(found) == 2:
        lost = column == "verdict" and any((own["use"] == "lost").any() for own in found)
        match = _ended if lost else _shared
        found = [match(found[0], found[1]), match(found[1], found[0])]
    text = _texts(trials, question)[arm]
    title = f"{column} of arm {arm} ({text})"
    if (shows := _shown(arm, column, arms, question)) is not None:
        title = f"{title}: {shows}"
    return Trace(title, pd.concat(found, ignore_index=True))


def runs(frame: pd.DataFrame, question: Question) -> dict[int, str]:
    """By arm, all trials that its row rests on: `seed:trial`, or `seed:trial:run` where MLflow has
    it, screening seeds first."""
    trials = judged(frame, question)
    found: dict[int, list[str]] = {}
    for seed in (*question.screen, *question.seeds):
        for _, row in trials[trials["seed"] == seed].iterrows():
            run = f":{row['run_id']}" if row["run_id"] else ""
            found.setdefault(int(row["arm"]), []).append(f"{seed}:{row['trial']}{run}")
    return {arm: " ".join(texts) for arm, texts in found.items()}


def terminal(found: Trace, *, folder: SweepFolder) -> Table:
    """For a console; values in full, folders where they are on this disk.

    Raises:
        ValueError: a trial's digest is none.
    """
    table = Table(box=None, padding=(0, 2), header_style="dim", pad_edge=False, title_style="")
    table.title, table.title_justify = escape(found.title), "left"
    for name in ("arm", "seed", "value", "outcome", "use", "trial", "run", "folder"):
        table.add_column(name, justify="right" if name in ("arm", "seed") else "left", no_wrap=True)
    for _, row in found.trials.iterrows():
        path = folder.trial_of(trial_name(row["trial"])).path
        place = str(path) if path.is_dir() else "-"
        value = "-" if is_missing(row["value"]) else repr(float(row["value"]))
        cells = (value, row["outcome"], row["use"], row["trial"], row["run_id"] or "-", place)
        table.add_row(str(row["arm"]), str(row["seed"]), *map(escape, cells))
    return table


def folder_of(storage: Path, question: Question) -> SweepFolder:
    """Where the sweep's trials lie, if they are on this disk."""
    return SweepFolder(storage / question.sweep)


# ---- the trials


def _others(
    arm: int, column: str, arms: pd.DataFrame, trials: pd.DataFrame, question: Question
) -> list[int]:
    """The arms whose trials a cell of this one rests on too."""
    found: list[int] = []
    if column in PAIRED:
        found = [int(own) for own in arms["arm"][arms["baseline"]]]
    elif column == TRIED:
        groups = select(trials, question).groups.values()
        found = next(own for own in groups if arm in own)
    return [own for own in found if own != arm]


def _counting(column: str, question: Question) -> tuple[int, ...]:
    """The seeds that a column is made of."""
    if column in (SCREENED, TRIED):
        return question.screen or question.seeds
    every = (*question.screen, *question.seeds)
    return every if column in (SHRINKAGE, *COLUMNS) else question.seeds


def _behind(own: pd.DataFrame, column: str, question: Question) -> pd.DataFrame:
    """The trials of one arm, screening seeds first; of what screening alone decided, these."""
    if column in (SCREENED, TRIED):
        own = own[own["seed"].isin(_counting(column, question))]
    metric = question.metric if column in OF_METRIC else column
    name = COLUMNS.get(column, f"metric.{metric}")
    has_value = own["outcome"] == "finished" if metric == question.metric else own["whole"]
    use = has_value.map({True: "counted", False: "lost"}).where(own["outcome"] != "running", "-")
    use = use.where(own["seed"].isin(_counting(column, question)), "screening")
    place = {seed: rank for rank, seed in enumerate((*question.screen, *question.seeds))}
    found = own.assign(value=own[name], use=use)
    found = found.sort_values("seed", key=lambda seeds: seeds.map(place), kind="stable")
    return found[["arm", "seed", "value", "outcome", "use", "trial", "run_id"]]


def _shared(own: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    """A comparison counts a seed where both have a value."""
    both = other["seed"][other["use"] == "counted"]
    apart = (own["use"] == "counted") & ~own["seed"].isin(both)
    return own.assign(use=own["use"].mask(apart, "not shared"))


def _ended(own: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    """A comparison by losses counts a seed where both have an end."""
    both = other["seed"][other["use"].isin(("counted", "lost"))]
    counts = own["use"].isin(("counted", "lost")) & own["seed"].isin(both)
    return own.assign(use=own["use"].mask(counts, "counted"))


# ---- the cell


def _find(cell: str, trials: pd.DataFrame, question: Question) -> tuple[int, str]:
    """Arm and column of a cell."""
    metrics = [
        name.removeprefix("metric.") for name in map(str, trials) if name.startswith("metric.")
    ]
    scale = "ratio" if question.scale == "ratio" else "difference"
    own = [TRIED] if question.nuisance else []
    own += [SCREENED, SHRINKAGE] if question.screen else []
    columns = [*metrics, "n", *own, scale, "verdict", *COLUMNS]
    texts = _texts(trials, question)
    if (arm := _arm(cell, texts, question)) is not None:
        return arm, question.metric
    text, _, column = (part.strip() for part in cell.rpartition(":"))
    arm = _arm(text if text else column, texts, question)
    if arm is None:
        known = "; ".join(f"{number} ({own})" for number, own in texts.items())
        raise ValueError(f"--trace {cell!r}: there is no such arm; there are {known}")
    if column not in columns:
        hint = nearest(column, columns)
        raise ValueError(
            f"--trace {cell!r}: there is no column {column!r}{hint}; there are {', '.join(columns)}"
        )
    return arm, column


def _texts(trials: pd.DataFrame, question: Question) -> dict[int, str]:
    """By arm, `λ = 0.5`."""
    first = trials.drop_duplicates("arm").sort_values("arm")
    return {int(row["arm"]): arm_text(_values(row, question)) for _, row in first.iterrows()}


def _values(row: pd.Series, question: Question) -> Mapping[str, Any]:
    return {knob: row[f"param.{knob}"] for knob in question.knobs}


def _arm(text: str, texts: Mapping[int, str], question: Question) -> int | None:
    """The number of an arm that is named by it or by its values."""
    if text.strip().isdecimal() and int(text) in texts:
        return int(text)
    wanted = _normal(text, question)
    return next((arm for arm, own in texts.items() if _normal(own, question) == wanted), None)


def _normal(text: str, question: Question) -> frozenset[str]:
    """An arm's words without spaces, with knobs by their symbols, in any order."""
    parts = [part.replace(" ", "") for part in text.split(",")]
    symbols = {knob: arm_text({knob: 0}).partition(" =")[0] for knob in question.knobs}
    return frozenset(
        f"{symbols.get(knob, knob)}{equals}{value}"
        for knob, equals, value in (part.partition("=") for part in parts)
    )


def _shown(arm: int, column: str, arms: pd.DataFrame, question: Question) -> str | None:
    """What the table shows there; None where it does not show that arm or column."""
    places = [place for place, own in enumerate(arms["arm"]) if own == arm]
    titled = [own for own in tables.all_columns(arms, question) if own.title == column]
    return titled[0].cells[places[0]] if places and titled else None
