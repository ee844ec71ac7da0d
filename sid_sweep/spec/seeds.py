"""Seeds: on which each arm runs, and on which the few that are chosen by them are confirmed.

The best of many arms looks better on the seeds that chose it than it is. So a sweep may *screen*
all arms on some seeds and *confirm* the best few, beside the baseline, on fresh ones, which are
then the ones that a table reports.
"""

from collections import Counter
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from .base import Count, Spec

MAX_SEED = 2**63 - 1
MAX_COUNT = 100_000
MIN_RACE = 3
"""Below that many seeds no arm can be shown to be worse before all have run."""
KEEP = 3

Seed = Annotated[int, Field(ge=0, le=MAX_SEED)]


class Seeds(Spec):
    """Written as a list, `[0, 1, 2]`, as a count, `3`, or as a mapping of these keys."""

    screen: list[Seed] = Field(min_length=1)
    """Every arm runs on these: a list, or a count from 0 on."""
    race: bool = False
    """Screen on one seed after the other; an arm that is clearly worse than another gets no
    more."""
    confirm: list[Seed] = Field(default_factory=list)
    """Fresh seeds for the best arms and the baseline, which the table then reports: a list, or a
    count beyond the largest that screens."""
    keep: Count | None = None
    """How many arms are confirmed, beside the baseline; 3 where seeds confirm."""
    until: Literal["spent", "decided"] = "spent"
    """decided: the reported seeds are handed out in turn, and an arm whose verdict stands gets no
    more."""

    @model_validator(mode="before")
    @classmethod
    def _unfold(cls, written: Any) -> Any:
        """A list or a count is a mapping of which only `screen` was written."""
        if isinstance(written, list | int) and not isinstance(written, bool):
            written = {"screen": written}
        if not isinstance(written, dict):
            raise ValueError(
                "must be a list such as [0, 1, 2], a count such as 3, or a mapping such as "
                "{screen: 3, confirm: 10}"
            )
        values = dict(written)
        if _is_count(values.get("screen")):
            values["screen"] = _following("screen", values["screen"], after=-1)
        if _is_count(values.get("confirm")) and _are_seeds(values.get("screen")):
            last = max(values["screen"])
            values["confirm"] = _following("confirm", values["confirm"], after=last)
        if values.get("confirm") and values.get("keep") is None:
            values["keep"] = KEEP
        return values

    @field_validator("screen", "confirm")
    @classmethod
    def _each_once(cls, seeds: list[int]) -> list[int]:
        twice = sorted(seed for seed, times in Counter(seeds).items() if times > 1)
        if twice:
            raise ValueError(
                f"names a seed twice ({twice[0]}); the unit of a table is the seed, list each once"
            )
        return seeds

    @field_validator("race")
    @classmethod
    def _long_enough(cls, race: bool, info: ValidationInfo) -> bool:
        num = len(info.data.get("screen", range(MIN_RACE)))
        if race and num < MIN_RACE:
            raise ValueError(
                f"{num} seeds that screen cannot show any arm to be worse before all have run; "
                f"race with {MIN_RACE} or more"
            )
        return race

    @field_validator("confirm")
    @classmethod
    def _fresh(cls, confirm: list[int], info: ValidationInfo) -> list[int]:
        if both := sorted(set(confirm) & set(info.data.get("screen", ()))):
            raise ValueError(
                f"{both[0]} is among the seeds that screen, so it is not fresh; confirm on others, "
                "or give their count"
            )
        return confirm

    @field_validator("keep")
    @classmethod
    def _for_confirming(cls, keep: int | None, info: ValidationInfo) -> int | None:
        if keep is not None and not info.data.get("confirm", True):
            raise ValueError("no seeds confirm what is kept; add confirm, such as confirm: 10")
        return keep

    @property
    def reported(self) -> list[int]:
        """Those that the table reports, in the order in which they are handed out."""
        return self.confirm or self.screen

    @property
    def all(self) -> list[int]:
        """Those that screen, then those that confirm."""
        return [*self.screen, *self.confirm]

    @property
    def screened_in_turn(self) -> bool:
        """Whether how many screening seeds an arm gets depends on what they show."""
        return self.race or (self.until == "decided" and not self.confirm)

    @property
    def sequential(self) -> bool:
        """Whether how many reported seeds an arm gets depends on what they show."""
        return self.until == "decided" or (self.race and not self.confirm)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _are_seeds(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_is_count, value))


def _following(key: str, count: int, *, after: int) -> list[int]:
    """That many seeds after one."""
    if not 1 <= count <= MAX_COUNT:
        raise ValueError(f"{key} = {count:,}: a count of seeds is between 1 and {MAX_COUNT:,}")
    return list(range(after + 1, after + 1 + count))
