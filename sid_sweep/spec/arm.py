"""An arm: one setting of the swept knobs, with one identity and one way to write it."""

from collections.abc import Iterator, Mapping

Scalar = bool | int | float | str

WRITTEN_LENGTH = 9  # a number that someone wrote is short
DRAWN_DIGITS = 4  # of one that a sampler drew
PLAIN_MAX = 1e10  # larger numbers are written with an exponent


class Arm(Mapping[str, Scalar]):
    """Values by knob, in the order of definition. Two arms are one if they hold the same values in
    any order; 1 and 1.0 are the same value, 1 and true are not."""

    def __init__(self, values: Mapping[str, Scalar]) -> None:
        self._values = dict(values)
        self._identity = frozenset((k, isinstance(v, bool), v) for k, v in values.items())

    def __getitem__(self, knob: str) -> Scalar:
        return self._values[knob]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Arm) and self._identity == other._identity

    def __hash__(self) -> int:
        return hash(self._identity)

    def __str__(self) -> str:
        return arm_text(self)

    def __repr__(self) -> str:
        return f"Arm({self._values})"


def arm_text(values: Mapping[str, Scalar], *, names: Mapping[str, str] | None = None) -> str:
    """`loss.lambda = 0.5, noise.kind = vp`.

    Args:
        names: what to call a knob instead of its path.
    """
    called = names or {}
    return ", ".join(f"{called.get(k, k)} = {value_text(v)}" for k, v in values.items())


def value_text(value: Scalar) -> str:
    """A knob's value as in the YAML; numbers that a sampler drew get four digits."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    if float(value).is_integer() and abs(value) < PLAIN_MAX:
        return f"{value:,.0f}" if abs(value) >= 10_000 else str(int(value))
    whole = f"{value:.12g}"
    return whole if len(whole) <= WRITTEN_LENGTH else f"{value:.{DRAWN_DIGITS}g}"
