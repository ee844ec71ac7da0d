"""What is looked at and made before a sweep is begun: whatever is refused here leaves nothing."""

from rich.console import Console
from rich.text import Text

from sid_sweep.activity import Activity
from sid_sweep.exits import EXIT_DONE, EXIT_INTERRUPTED, EXIT_LIMIT
from sid_sweep.foreign.pictures import Report, pictures
from sid_sweep.orchestration.machine import lay_out
from sid_sweep.orchestration.reach import reach
from sid_sweep.orchestration.signals import Interrupted, Signals
from sid_sweep.plan import Lines, Plan, costs
from sid_sweep.screen import say
from sid_sweep.spec import Data, SpecError
from sid_sweep.spending import Spending
from sid_sweep.tracking import restore
from sid_sweep.tracking.client import require_writable
from sid_sweep.trials import SweepFolder

WARNING = Text.assemble("  ", ("!", "yellow"), " ")
STOPPED = Text.assemble("  ", ("stopped", "yellow"), " ")


def restore_folder(folder: SweepFolder, replica: str, *, activity: Activity) -> None:
    """Where the sweep's folder is gone, take it from its replica.

    Raises:
        SpecError: the replica cannot be reached, or is another sweep's.
    """
    with activity.doing("looking at the replica") as step:
        taken = restore(folder, replica, show=lambda done, most: step.far(done, most, "files"))
    if taken:
        say(activity.console, Text("  replica   "), f"{taken:,} files taken from there")


def decode_pictures(plan: Plan, *, activity: Activity) -> int:
    """Decode what the cache lacks of the data or holds damaged, and say how far that is, before the
    sweep is begun: a picture that is not taken leaves no sweep behind. Returns the exit status:
    where it is not EXIT_DONE, that was interrupted, or a limit ended it.

    Raises:
        SpecError: a picture is not taken.
    """
    if not plan.pictures:
        return EXIT_DONE
    signals, spending = Signals(), Spending(plan.sweep, plan.folder, began=activity.began)
    with (
        signals.installed(),
        signals.unless(spending.is_late),
        activity.doing("decoding pictures") as step,
    ):

        def report(done: int, total: int) -> None:
            signals.check()
            step.far(done, total, "pictures")

        for data in plan.pictures:
            try:
                _decode(data, plan, activity.console, report)
            except ValueError as error:
                raise SpecError(f"data.path: {error}") from None
            except Interrupted:
                if signals.received is not None:
                    return EXIT_INTERRUPTED
                break
        else:
            return EXIT_DONE
    for use in spending.stops:
        say(activity.console, STOPPED, f"{use.reached} before all pictures were decoded; raise it")
    return EXIT_LIMIT


def check_cluster(plan: Plan, address: str | None, *, activity: Activity) -> None:
    """Refuse an address that cannot be joined, or a cluster on which not even one trial fits.

    Raises:
        SpecError: why, and what to do.
    """
    if address is not None and plan.done < plan.sweep.num_trials:
        with activity.doing("reaching Ray"):
            lay_out(plan.sweep, *reach(address).nodes)


def _decode(data: Data, plan: Plan, console: Console, report: Report) -> None:
    if data.kind != "images":
        return
    cache, skip = plan.folder.cache, data.skip_corrupt
    own = pictures(data.path, cache=cache, skip_corrupt=skip, report=report, sum_too=True)
    if skipped := own.skipped:
        text = f"{data.path}: {len(skipped):,} pictures cannot be decoded and are left out"
        say(console, WARNING, f"{text}, such as {skipped[0]}")


def check_store(uri: str | None) -> None:
    """Refuse a tracking URI that nothing could ever be sent to.

    Raises:
        SpecError: it is none of a store.
    """
    try:
        if uri is not None:
            require_writable(uri)
    except LookupError as error:
        raise SpecError(f"--tracking-uri: {error}") from None


def check_teachers(plan: Plan, *, activity: Activity) -> None:
    """Load what someone else trained, and ask it, before anything is created; the first one says
    what a trial will cost.

    Raises:
        SpecError: it cannot be loaded, or not be used as the sweep does.
    """
    for trial in plan.loaded:
        kind = f"teacher.kind = {trial.teacher.kind}"
        with activity.doing(f"loading what others trained ({kind})"):
            from sid_sweep import teachers

            try:
                blueprint = teachers.check(trial, cache=plan.folder.cache)
            except ValueError as error:
                raise SpecError(f"{kind}: {error}") from None
        if trial is plan.loaded[0]:
            activity.console.print(Lines(costs(trial, blueprint)))
