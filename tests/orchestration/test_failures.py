"""What went wrong is one line that names the first cause; the whole of it is kept."""

import pytest
from ray.exceptions import ActorDiedError, RayActorError
from ray.train import ControllerError, WorkerGroupError
from ray.train.v2._internal.exceptions import (
    UserExceptionWithTraceback,
    WorkerHealthCheckFailedError,
)

from sid_sweep.orchestration.failures import explain, explain_death, is_passing, lost_node
from sid_sweep.worker.memory import OutOfGPUMemory, OutOfMemory

BROKEN = ValueError("the batch is empty\nand so is the next")
REFUSED = RuntimeError("[gloo/transport/tcp/pair.cc:534] Connection closed by peer")
HUNG = RuntimeError("NCCL error: unhandled system error")


def raised(error):
    """The error as it is once it was raised, with its traceback."""
    try:
        raise error
    except BaseException as caught:
        return caught


def of_a_rank(error):
    """The error as Ray Train hands it back from a worker: its own class, whose fields are private,
    so that a version that changes them is noticed."""
    return UserExceptionWithTraceback(error, f"Traceback of the worker\n{error}")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (BROKEN, "ValueError: the batch is empty"),
        (RuntimeError(), "RuntimeError: no message"),
        (RuntimeError("\n  indented  \n"), "RuntimeError: indented"),
        (KeyError("missing"), "KeyError: 'missing'"),
    ],
)
def test_an_exception_is_its_type_and_its_first_line(error, line):
    cause, trace = explain(raised(error))
    assert cause == line
    assert trace.startswith("Traceback (most recent call last):")
    assert "raise error" in trace
    assert str(error) in trace


def test_what_a_groups_controller_hands_on_is_what_went_wrong():
    cause, _ = explain(raised(ControllerError(BROKEN)))
    assert cause == "ValueError: the batch is empty"


@pytest.mark.parametrize(
    ("failures", "line"),
    [
        ({0: BROKEN, 1: REFUSED}, "rank 0: ValueError: the batch is empty"),
        ({0: REFUSED, 1: BROKEN}, "rank 1: ValueError: the batch is empty"),
        ({0: HUNG, 2: BROKEN, 1: REFUSED}, "rank 2: ValueError: the batch is empty"),
        ({3: KeyError("late"), 1: BROKEN}, "rank 1: ValueError: the batch is empty"),
        ({1: REFUSED, 0: HUNG}, "rank 0: RuntimeError: NCCL error: unhandled system error"),
    ],
)
def test_of_a_group_the_first_rank_counts_that_is_no_echo_of_another(failures, line):
    group = WorkerGroupError("", {rank: of_a_rank(error) for rank, error in failures.items()})
    cause, trace = explain(raised(group))
    assert cause == line
    assert trace.startswith("Traceback of the worker")
    assert trace.splitlines()[1] in str(failures[int(line[5])])


@pytest.mark.parametrize(
    ("error", "passing"),
    [
        (BROKEN, False),
        (OutOfMemory("this machine has no 3 GiB left"), False),
        (OutOfGPUMemory("the GPU has no 3 GiB left"), True),
        (ActorDiedError(), True),
        (WorkerGroupError("", {0: of_a_rank(REFUSED), 1: of_a_rank(BROKEN)}), False),
        (WorkerGroupError("", {0: of_a_rank(REFUSED), 1: of_a_rank(OutOfGPUMemory())}), True),
        (WorkerGroupError("", {0: of_a_rank(REFUSED)}), True),  # of a rank that was killed
        (ControllerError(BROKEN), False),
        (ControllerError(ActorDiedError()), True),
        (WorkerGroupError("", {1: WorkerHealthCheckFailedError("", ActorDiedError())}), True),
    ],
)
def test_what_was_killed_or_found_its_gpu_full_may_go_better_another_time(error, passing):
    assert is_passing(raised(error)) is passing


COLOURED = "\x1b[36mray::ImplicitFunc.train()\x1b[39m ran out of memory. Lower it.\n  more"


@pytest.mark.parametrize(
    ("report", "line"),
    [
        (
            f"Failure # 1 (occurred at 2026-01-01_00-00-00)\n{ActorDiedError()}\n",
            "its process died (The actor died unexpectedly before finishing this task)",
        ),
        (
            f"Failure # 1 (occurred at 2026-01-01_00-00-00)\n{COLOURED}\n",
            "its process died (ray::ImplicitFunc.train() ran out of memory)",
        ),
        (
            "Failure # 1\nTask was killed due to the node running low on memory.\nMemory",
            "its process died (Task was killed due to the node running low on memory); lower "
            "batch.per_worker, or resources.concurrency",
        ),
        ("Failure # 1\n", "its process died (no reason given)"),
        ("", "its process died (no reason given)"),
    ],
)
def test_a_death_is_one_line_without_colours(report, line):
    cause, text = explain_death(report)
    assert cause == line
    assert "\x1b" not in text
    assert text == "" or text in report.replace("\x1b[36m", "").replace("\x1b[39m", "")


LEFT = f"{ActorDiedError()}\nThe actor died because its node has died. Node Id: 7"


def test_the_loss_of_a_node_is_told_from_the_death_of_a_process():
    assert explain_death(f"Failure # 1\n{LEFT}")[0] == "its process died (its node has died)"
    gone = RayActorError(error_msg=LEFT)
    assert lost_node(raised(WorkerGroupError("", {0: of_a_rank(REFUSED), 1: of_a_rank(gone)})))
    assert lost_node(raised(WorkerGroupError("", {1: WorkerHealthCheckFailedError("", gone)})))
    assert lost_node(raised(ControllerError(gone)))
    assert not lost_node(raised(WorkerGroupError("", {0: of_a_rank(ActorDiedError())})))


def test_all_that_ray_says_of_a_death_is_kept():
    _, text = explain_death(f"Failure # 1\n{COLOURED}\n")
    assert text == "ray::ImplicitFunc.train() ran out of memory. Lower it.\n  more"
