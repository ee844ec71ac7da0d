"""Domains: the values a swept knob may take."""

from collections.abc import Iterator
from typing import Any, ClassVar

from pydantic import Field, model_validator

from .arm import Scalar
from .base import Spec, SpecError
from .paths import leaves

LEAST_WIDTH = 1e-300


class _Domain(Spec):
    when: dict[str, Scalar] = Field(default_factory=dict)
    """The knob exists only where these knobs have these values."""

    def holds(self, value: Any) -> bool:
        """Whether a knob may have this value."""
        raise NotImplementedError

    def corners(self) -> list[Any]:
        """Values that stand for all: every choice, both ends of a range."""
        raise NotImplementedError


class Choice(_Domain):
    """One of the listed values."""

    choice: list[Scalar] = Field(min_length=1)
    """The values, in the order in which they are shown."""

    @model_validator(mode="after")
    def _distinct(self) -> "Choice":
        seen: set[tuple[bool, Scalar]] = set()
        for value in self.choice:
            key = (isinstance(value, bool), value)
            if key in seen:
                raise ValueError(f"choice holds {value!r} twice")
            seen.add(key)
        return self

    def holds(self, value: Any) -> bool:
        return any(
            value == own and isinstance(value, bool) == isinstance(own, bool) for own in self.choice
        )

    def corners(self) -> list[Any]:
        return list(self.choice)


class Cases(_Domain):
    """One of several named groups of settings, such as a method with what it needs."""

    cases: dict[str, dict[str, Any]] = Field(min_length=1)
    """By name: settings of a trial, nested or by their dotted paths, over the fixed ones."""

    @model_validator(mode="after")
    def _no_empty_groups(self) -> "Cases":
        for case, settings in self.cases.items():
            if empty := next(_empty_groups(settings), None):
                raise ValueError(f"case {case}: {empty} is empty and sets nothing; leave it out")
        return self

    def holds(self, value: Any) -> bool:
        return value in self.cases

    def corners(self) -> list[Any]:
        return list(self.cases)

    def settings(self, name: str) -> dict[str, Any]:
        """The values of a case by their dotted paths."""
        return dict(leaves(self.cases[name]))


def _empty_groups(values: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in values.items():
        if isinstance(value, dict):
            if not value:
                yield f"{prefix}{key}"
            yield from _empty_groups(value, f"{prefix}{key}.")


class _Range(_Domain):
    largest: ClassVar[float] = 1e300
    """End of a range with which Optuna's samplers still compute."""

    def bounds(self) -> tuple[float, float]:
        raise NotImplementedError

    @model_validator(mode="after")
    def _ordered(self) -> "_Range":
        low, high = self.bounds()
        if low >= high:
            raise ValueError(f"the lower end {low} must be below the upper end {high}")
        if max(-low, high) > self.largest or high - low < LEAST_WIDTH:
            raise ValueError(
                f"[{low}, {high}] is more than a sampler can divide: ends lie within "
                f"±{self.largest:g} and at least {LEAST_WIDTH:g} apart"
            )
        return self

    def holds(self, value: Any) -> bool:
        low, high = self.bounds()
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return is_number and low <= value <= high

    def corners(self) -> list[Any]:
        return list(self.bounds())


class Uniform(_Range):
    """Real, uniform between both ends."""

    uniform: tuple[float, float] = Field(strict=False)
    """[low, high]."""

    def bounds(self) -> tuple[float, float]:
        return self.uniform


class LogUniform(_Range):
    """Real, its logarithm uniform."""

    log_uniform: tuple[float, float] = Field(strict=False)
    """[low, high], both positive."""

    @model_validator(mode="after")
    def _positive(self) -> "LogUniform":
        if self.log_uniform[0] <= 0:
            raise ValueError(f"log_uniform needs a positive lower end, not {self.log_uniform[0]}")
        return self

    def bounds(self) -> tuple[float, float]:
        return self.log_uniform


class IntUniform(_Range):
    """Whole, uniform, both ends included."""

    largest: ClassVar[float] = 1e12

    int_uniform: tuple[int, int] = Field(strict=False)
    """[low, high]."""

    def bounds(self) -> tuple[int, int]:
        return self.int_uniform

    def holds(self, value: Any) -> bool:
        return isinstance(value, int) and super().holds(value)


Domain = Choice | Cases | Uniform | LogUniform | IntUniform
DOMAINS: dict[str, type[Domain]] = {
    "choice": Choice,
    "cases": Cases,
    "uniform": Uniform,
    "log_uniform": LogUniform,
    "int_uniform": IntUniform,
}


def domain_type(values: Any) -> type[Domain]:
    """Which domain a YAML value describes.

    Raises:
        SpecError: it is no mapping with exactly one of the domain keys.
    """
    names = ", ".join(DOMAINS)
    if not isinstance(values, dict):
        raise SpecError(f"{values!r} is no domain; write {{choice: [...]}} (or {names})")
    found = [key for key in DOMAINS if key in values]
    if len(found) > 1:
        raise SpecError(f"a knob has one domain, not {' and '.join(found)}; keep one of them")
    if not found:
        raise SpecError(f"no domain among the keys {sorted(values)}; write one of {names}")
    return DOMAINS[found[0]]


def describe(domain: Domain) -> dict[str, Any]:
    """The domain as plain values for tables and plots: kind, and values or low and high."""
    if isinstance(domain, Choice | Cases):
        return {"kind": "choice", "values": domain.corners()}
    kind = next(key for key, cls in DOMAINS.items() if isinstance(domain, cls))
    low, high = domain.bounds()
    return {"kind": kind, "low": low, "high": high}
