"""What the trials of an arm come to together, as MLflow shows it."""

from collections import Counter
from collections.abc import Sequence
from statistics import fmean

from sid_sweep.spec import Sweep
from sid_sweep.spec.constraints import excesses
from sid_sweep.trials import Entry, Result

from .store import Point
from .view import shown_metrics

CLOCK, MEMORY = "cost/seconds", "cost/peak_memory_bytes"  # metrics of every measurement
SYSTEM = "system/"  # what MLflow shows on a page of its own

Ending = tuple[Entry, Result]
"""A trial and how it ended."""


def outcomes(sweep: Sweep, ended: Sequence[Ending]) -> str:
    """How trials ended, in words; what finished and lost a part of the data, as in the table."""
    least, counts = sweep.outline()["collapse"], Counter[str]()
    for _, result in ended:
        is_whole = all(result.metrics.get(name, low) >= low for name, low in least.items())
        counts[result.outcome if is_whole else "collapsed"] += 1
    return ", ".join(f"{num} {name}" for name, num in sorted(counts.items()))


def finals(sweep: Sweep, ended: Sequence[Ending]) -> dict[str, float]:
    """Means of what the runs table shows; {} where a trial has no value."""
    if not ended or any(result.outcome != "finished" for _, result in ended):
        return {}
    spent = [{CLOCK: r.seconds, MEMORY: float(r.peak_memory_bytes)} for _, r in ended]
    values = [own | result.metrics for own, (_, result) in zip(spent, ended, strict=True)]
    names = [name for name in shown_metrics(sweep) if all(name in own for own in values)]
    if len(values) == 1:  # as it is: a geometric mean rounds
        return {name: values[0][name] for name in names}
    return {name: sweep.mean(name, (own[name] for own in values)) for name in names}


def best(sweep: Sweep, arms: Sequence[Sequence[Ending]]) -> Sequence[Ending]:
    """The arm with the best value of the objective that keeps the constraints; where some were
    confirmed, of these. () where none has a value."""
    fresh, metric = set(sweep.seeds.confirm), sweep.objective.metric
    asked = [own for own in arms if not fresh or fresh & {entry.seed for entry, _ in own}]
    base = next((own for own in asked if own and sweep.is_baseline(own[0][0].arm)), ())
    asked = [own for own in asked if _keeps_constraints(sweep, own, base)]
    values = [finals(sweep, own).get(metric) for own in asked]
    whole = [(value, place) for place, value in enumerate(values) if value is not None]
    if not whole:
        return ()
    first = min if sweep.objective.goal == "minimize" else max
    return asked[first(whole)[1]]


def _keeps_constraints(sweep: Sweep, own: Sequence[Ending], base: Sequence[Ending]) -> bool:
    """By its means, as in the table; what has none, or is relative to what has none, keeps them."""
    means, known = _bounded_means(sweep, own), _bounded_means(sweep, base)
    return all(excess <= 0 for excess in excesses(sweep.bounds, means, known).values())


def _bounded_means(sweep: Sweep, own: Sequence[Ending]) -> dict[str, float]:
    """Of the metrics that constraints name, where there is a value."""
    found = {}
    for name in {constraint.metric for constraint in sweep.bounds}:
        if values := [result.metrics[name] for _, result in own if name in result.metrics]:
            is_objective = name == sweep.objective.metric
            found[name] = sweep.mean(name, values) if is_objective else fmean(values)
    return found


def course(sweep: Sweep, finished: Sequence[Ending]) -> list[Point]:
    """Means at the images at which all trials were judged; each at the time of the last of these:
    the same whenever it is sent."""
    logs = [{own.images: own for own in entry.folder.measurements()} for entry, _ in finished]
    points: list[Point] = []
    for images in sorted(set(logs[0]).intersection(*logs)) if logs else ():
        own = [log[images] for log in logs]
        when = max(each.timestamp_ms for each in own)
        for name in (n for n in own[0].metrics if all(n in each.metrics for each in own)):
            mean = sweep.mean(name, (each.metrics[name] for each in own))
            points.append((name, mean, when, images))
    return points


def end_of(entry: Entry, result: Result) -> int:
    """When a trial ended, in milliseconds since 1970, as its log says: a file's own time changes
    when it is copied."""
    measurements = entry.folder.measurements()
    if not measurements:
        path = entry.folder.ending if entry.folder.ending.exists() else entry.folder.path
        return int(path.stat().st_mtime * 1000)
    last = measurements[-1]
    return last.timestamp_ms + round(max(0.0, result.seconds - last.seconds) * 1000)
