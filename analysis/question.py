"""The question that a sweep asks: all that an analysis must know beside the trials."""

import json
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from typing import Any

from sid_sweep.spec.constraints import parse

SCHEMA_VERSION = 5
"""Of what an exported Parquet file holds: the question and the frame's columns."""
GOALS = ("minimize", "maximize")
SCALES = ("ratio", "difference")


@dataclass(frozen=True)
class Question:
    """Metric, knobs, domains, baseline and seeds."""

    sweep: str
    question: str
    metric: str
    """Decides which arm is best, by its value at a trial's last evaluation."""
    goal: str
    """minimize or maximize."""
    scientific: tuple[str, ...]
    """Knobs that the question is about."""
    nuisance: tuple[str, ...]
    """Knobs that are tuned so that the comparison is fair."""
    baseline: dict[str, Any]
    """Values of the arms that others are compared with; empty if none was declared."""
    seeds: tuple[int, ...]
    """Those that the table reports, in the order in which they are handed out."""
    domains: dict[str, dict[str, Any]]
    """By knob: `kind`, and `values` (choice) or `low` and `high` (any other)."""
    columns: tuple[str, ...] = ()
    """Further metrics to show in the table."""
    cost: str = ""
    """A metric that quality is traded against; "" for none. It is one of the columns."""
    cost_goal: str = "minimize"
    """minimize or maximize."""
    kept: str = ""
    """What a student had to keep while it trained, or it was ended as collapsed; "" for nothing."""
    pruned_by: str = ""
    """In a sentence, how arms were given up early; "" where none was."""
    constraints: tuple[str, ...] = ()
    """What an arm must keep to be ranked (`spec.constraints`); their metrics are among the
    columns."""
    scale: str = "ratio"
    """How values are compared: by their ratio (of positive ones) or by their difference."""
    equal_within: float = 0.0
    """Arms no further apart are equal in practice: a part (0.1 is ±10 %) on the scale of ratios,
    a difference on the other; 0: nothing is ever called equal."""
    screen: tuple[int, ...] = ()
    """Other seeds, by which the arms were chosen that ran on `seeds`; () where all did."""
    keep: int = 0
    """How many arms are confirmed on `seeds` beside the baseline; 0 where nothing was screened."""
    sequential: bool = False
    """Whether the number of reported seeds depended on what they showed, so that only what is valid
    at any number of them may be said."""
    collapse: dict[str, float] = field(default_factory=dict)
    """By metric, the least value of a student that has not collapsed, as 8 modes of 8."""
    num_arms: int = 0
    """How many arms the sweep asks for; 0 where that is not known."""
    most: float | None = None
    """The largest value that the metric can have, if there is one; none is below 0."""
    samples: dict[str, int] = field(default_factory=dict)
    """By metric, of how many samples it is measured, where its value depends on that."""
    version: int = field(default=SCHEMA_VERSION, kw_only=True)

    def __post_init__(self) -> None:
        _require_version(self.version)
        for name in ("goal", "cost_goal"):
            if (goal := getattr(self, name)) not in GOALS:
                raise ValueError(f"{name} = {goal!r}: it is one of {', '.join(GOALS)}")
        if self.scale not in SCALES:
            raise ValueError(f"scale = {self.scale!r}: it is one of {', '.join(SCALES)}")
        if self.cost and self.cost not in self.columns:
            raise ValueError(f"cost = {self.cost!r} is not among the columns")
        for own in map(parse, self.constraints):
            if own.metric not in (self.metric, *self.columns):
                raise ValueError(f"constraint {own.text!r}: {own.metric} is not among the columns")
        if shared := sorted(set(self.screen) & set(self.seeds)):
            raise ValueError(
                f"seed {shared[0]} both screens and reports; what chose cannot confirm"
            )
        if self.keep < 0 or bool(self.screen) != bool(self.keep):
            raise ValueError(
                f"keep = {self.keep} with {len(self.screen)} screening seeds: arms are kept where "
                "some seeds screen, and only there"
            )
        if unknown := sorted(set(self.collapse) - {self.metric, *self.columns}):
            raise ValueError(f"collapse names {unknown[0]!r}, which is not among the columns")
        if self.num_arms < 0:
            raise ValueError(f"num_arms = {self.num_arms}: it is a count, 0 where it is not known")
        if not self.scientific:
            raise ValueError("a question needs at least one scientific knob")

    @property
    def knobs(self) -> tuple[str, ...]:
        """All swept knobs, scientific first."""
        return self.scientific + self.nuisance

    def heading(self, metric: str) -> str:
        """A metric over a column or beside an axis: `fid (50,000)` where its value depends on the
        number of samples."""
        return f"{metric} ({self.samples[metric]:,})" if metric in self.samples else metric

    @property
    def better(self) -> str:
        """Which direction of the metric is better, as a word."""
        return "lower" if self.goal == "minimize" else "higher"

    @property
    def cost_better(self) -> str:
        """Which direction of the cost is better, as a word."""
        return "lower" if self.cost_goal == "minimize" else "higher"

    @classmethod
    def from_outline(cls, outline: Mapping[str, Any]) -> "Question":
        """From plain values, as they come from JSON.

        Raises:
            ValueError: a field is unknown or missing, or the version is another one.
        """
        # first of all: another version may well have other fields
        _require_version(outline.get("version", SCHEMA_VERSION))
        known = {f.name for f in fields(cls)}
        if unknown := sorted(set(outline) - known):
            raise ValueError(f"a question has no field {unknown[0]} (it has {', '.join(known)})")
        required = [f.name for f in fields(cls) if f.default is f.default_factory is MISSING]
        if missing := [name for name in required if name not in outline]:
            raise ValueError(f"the question lacks {', '.join(missing)}")
        values: dict[str, Any] = json.loads(json.dumps(dict(outline)))
        for name, value in values.items():
            if isinstance(value, list):
                values[name] = tuple(value)
        return cls(**values)

    def to_json(self) -> str:
        """One line, the same for equal questions."""
        return json.dumps(asdict(self), sort_keys=True, ensure_ascii=False)


def _require_version(version: int) -> None:
    if version != SCHEMA_VERSION:
        raise ValueError(
            f"the trials have schema version {version} and this program reads {SCHEMA_VERSION}; "
            "use the version of sid_sweep that wrote them"
        )
