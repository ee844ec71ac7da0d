"""Ray Tune drives a sweep: trials out of the ledger, results into it, watchers told on the way."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sid_sweep.search import Ledger
from sid_sweep.trials import Entry, Watcher
from sid_sweep.worker.job import Job

from .assignment import Assignment, reserve
from .cluster import Cluster
from .guard import Guard, Lost
from .trainable import train_trial

if TYPE_CHECKING:
    from .hooks import Gate

UNEXPECTED = "Caught unexpected exception:"
"""Tune's words where an actor ended in a way that it does not know: Ray took its memory back."""


def drive(
    ledger: Ledger,
    cluster: Cluster,
    *,
    watchers: Sequence[Watcher],
    guard: Guard,
    gate: "Gate",
    say: Callable[[str], None],
) -> None:
    """Run all that the ledger asks for.

    Args:
        gate: may hold trials back; those that run go on to their end.
        say: tells the user a line.

    Raises:
        Interrupted: a signal came, or time is over; what was running goes on from its checkpoints
            next time.
        Lost: Ray cannot be used any more; as for Interrupted.
    """
    from ray import tune
    from ray.air._internal import usage
    from ray.exceptions import RayError

    from .hooks import Dispatcher, Handed, Relay

    # Tune counts callbacks for statistics that are off, and loads all of MLflow to do so: a second.
    usage.tag_callbacks = lambda callbacks: False  # pyright: ignore
    scratch = cluster.scratch.resolve()

    def assign(entry: Entry) -> dict[str, Any]:
        real = ledger.folder.data_picture(entry.trial.data)
        job = Job(
            trial=entry.trial,
            folder=entry.folder.resolved(),
            cache=ledger.folder.cache.resolve(),
            checkpoint_seconds=ledger.sweep.resources.checkpoint_seconds,
            threads=cluster.layout.cpus_per_worker,
            data_picture=real and real.resolve(),
        )
        meeting = scratch / "meetings" if cluster.is_local else None
        avoided = cluster.nodes.unfit() if cluster.nodes else ()
        own = Assignment(job, cluster.layout, scratch / "train", meeting, Path.cwd(), avoided)
        return {"assignment": own}

    handed = Handed(ledger, assign, gate, room=cluster.room)
    logs = ledger.folder.logs if cluster.is_local else None
    relay = Relay(handed, watchers, check=guard.check, say=say, logs=logs)
    relay.lost_node = cluster.lost_node
    tuner = tune.Tuner(
        tune.with_resources(train_trial, reserve),
        tune_config=tune.TuneConfig(
            search_alg=Dispatcher(handed),
            num_samples=-1,
            reuse_actors=True,
            trial_dirname_creator=lambda trial: trial.trial_id,
            trial_name_creator=lambda trial: trial.trial_id,
        ),
        run_config=tune.RunConfig(
            name="tune",
            storage_path=str(scratch),
            verbose=0,
            callbacks=[relay],
            failure_config=tune.FailureConfig(max_failures=0, fail_fast=False),
        ),
    )
    try:
        tuner.fit()
    except (RayError, RuntimeError) as error:
        first, *_ = str(error).splitlines() or [type(error).__name__]
        if not isinstance(error, RayError) and not first.startswith(UNEXPECTED):
            raise
        raise Lost(first.removeprefix(UNEXPECTED).strip()) from error
