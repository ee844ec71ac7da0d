"""Every metric with what it means and what it does not see: the manual behind `--metrics`."""

from typing import NamedTuple

from .base import variants
from .data import Data
from .evaluation import Features
from .trial import COSTS

LIMITS = {
    "js": "blind to how far mass went, and never 0 of a sample: read it beside js_of_data",
    "sw2": "hardly sees the few samples between modes; read it beside sw2_of_data",
    "off_modes": "blind to weights and to lost modes; 3e-4 for the data itself",
    "mode_kl": "blind to shape: each sample counts for its nearest mode, however far away",
    "modes": "a mode with a fifth of its share counts as found; constant where all are",
    "fd_ratio": "an imperfect teacher makes it smaller; below 1 means nearer than the teacher",
    "fd_ratio_real": "one set of real digits reads 1 ± 0.13, so differences near 1 say little",
    "fd": "sees two moments of its features; biased by 1/n; no FID, and compares within one sweep",
    "class_score": "blind to variety within a class, and to whether samples look real",
    "class_score_ratio": "as class_score; above 1 is over-confident, not better",
    "fid": "sees two moments; biased by 1/n, so figures of other sample numbers do not compare",
    "kid": "scatters more than fid at small distances; may be below 0",
    "inception_score": "never looks at the data; blind to variety within a class",
    "mmd": "scatters more than fd at small distances; may be below 0",
    "precision": "one good sample drawn many times reads 1; depends on the number of samples",
    "recall": "one real outlier covers much; depends on the number of samples",
    "cost/forwards": "counts passes, not their sizes",
    "cost/backwards": "as cost/forwards",
    "cost/evaluations": "weighs a forward and a backward pass alike",
    "cost/of_teacher": "only where the teacher was trained here",
    "cost/state_bytes": "activations are not in it, which may weigh more",
    "cost/nfe": "a pass of a large network counts as one of a small one",
    "cost/samples_per_second": "by the clock: depends on the machine and on what else it does",
}
"""By metric."""


class Metric(NamedTuple):
    """A name that an objective, a cost or a column may have."""

    name: str
    where: str
    """The kind of data or of features that has it."""
    range: str
    doc: str
    limit: str


def metrics() -> list[Metric]:
    """All of them: of points, of digits, of images by their features, and costs."""
    owners = [
        *((f"data.kind={kind}", own) for kind, own in variants(Data).items() if own.metrics),
        *((f"evaluation.features.kind={kind}", own) for kind, own in variants(Features).items()),
    ]
    listed = [
        Metric(name, where, _range(name, own), doc, LIMITS.get(name, ""))
        for where, own in owners
        for name, doc in own.metrics.items()
    ]
    costs = [Metric(name, "any", "0 or more", doc, LIMITS[name]) for name, doc in COSTS.items()]
    return [*listed, *costs]


def _range(name: str, owner: type) -> str:
    most = owner.most.get(name)
    least = "above 0" if name in owner.positive else ""
    return ", ".join(filter(None, (least, f"at most {most:g}" if most is not None else "")))
