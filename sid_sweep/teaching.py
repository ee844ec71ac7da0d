"""Teachers that a sweep needs and the cache lacks are trained first, by the command itself."""

import gc
import time

from rich.text import Text

from sid_sweep.activity import Activity
from sid_sweep.orchestration.signals import Signals
from sid_sweep.plan import Plan
from sid_sweep.screen import duration, say
from sid_sweep.spec import Trial
from sid_sweep.spending import Spending


def train_teachers(plan: Plan, *, activity: Activity, signals: Signals, spending: Spending) -> None:
    """Train and judge them, and say what they came to.

    Raises:
        Interrupted: a signal came, or time is over; training goes on from its checkpoint next time.
    """
    if not plan.untrained:
        return
    with activity.doing("loading libraries, to train the teacher"):
        import torch

        import sid_sweep.quality
        import sid_sweep.teachers  # noqa: F401

    torch.set_num_threads(plan.sweep.resources.cpus_per_worker)
    device = device_of(plan)
    with spending.holding(0.0 if device == "cpu" else 1.0):
        for trial in plan.untrained:
            _train(trial, plan, device, activity, signals)
    if device != "cpu":  # the command lives on beside its trials, which need the room
        gc.collect()
        torch.cuda.empty_cache()


def _train(trial: Trial, plan: Plan, device: str, activity: Activity, signals: Signals) -> None:
    from sid_sweep import quality, teachers

    began, cache = time.monotonic(), plan.folder.cache
    with activity.doing("training the teacher") as step:

        def report(images: int, total: int, loss: float) -> None:
            signals.check()
            step.far(images, total, "images", more=f", loss {loss:.4f}")

        teacher = teachers.load(trial, cache=cache, device=device, report=report)
        step.now("judging the teacher's own samples, until their score stands")
        references = quality.judge(trial, teacher, cache=cache).references
    figures = ", ".join(f"{name} {value:.4g}" for name, value in references.items())
    took = duration(time.monotonic() - began)
    say(activity.console, Text("  teacher   "), f"trained in {took}: {figures}")


def device_of(plan: Plan) -> str:
    """Where a trial's worker would train, if this machine can; before a cluster is seen, a GPU
    unless the sweep says otherwise."""
    import torch

    wanted = plan.layout.device if plan.layout else "cuda"
    if plan.layout is None and plan.sweep.resources.gpus_per_worker == 0:
        wanted = "cpu"
    return wanted if torch.cuda.is_available() else "cpu"
