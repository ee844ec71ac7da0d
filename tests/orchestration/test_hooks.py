"""Tune's trials are the ledger's entries, and whatever becomes of one, ledger and watchers hear of
it once."""

import pickle
from pathlib import Path
from types import SimpleNamespace

import pytest
from ray import tune
from ray.exceptions import ActorDiedError
from ray.tune.experiment import Trial
from ray.tune.search import Searcher

from sid_sweep.files import Unwritable
from sid_sweep.orchestration.guard import Guard, Lost
from sid_sweep.orchestration.hooks import Dispatcher, Handed, Relay
from sid_sweep.orchestration.signals import Interrupted, Signals
from sid_sweep.orchestration.trainable import train_trial
from sid_sweep.search import Ledger
from sid_sweep.spec import load
from sid_sweep.trials import Result, SweepFolder, TrialFolder
from sid_sweep.trials.folder import Measurement

LAMBDA = Path(__file__).parents[1] / "lambda.yaml"
SMALL = ("seeds=[0, 1]", "scientific.loss.lambda={choice: [0.5, 1.0]}")
METRICS = {"js": 0.5, "cost/evaluations": 1200.0}
OVER = {"images": 0, "over": True, "passing": False, "lost_node": False, "unwritten": ""}
DEATH = f"Failure # 1 (occurred at noon)\n{ActorDiedError()}\n"
FINISHED = Result(outcome="finished", images=480_000, seconds=9.0, metrics=METRICS)


class Telling(Ledger):
    """A ledger that remembers what it was told."""

    def __init__(self, *args):
        super().__init__(*args)
        self.told = []

    def tell(self, entry, result):
        self.told.append((entry.key, result))
        super().tell(entry, result)


class Listener:
    """A watcher that remembers what it was told."""

    def __init__(self):
        self.heard = []

    def started(self, entry):
        self.heard.append(("started", entry.key))

    def progressed(self, entry, images, metrics):
        self.heard.append(("progressed", entry.key, images, metrics))

    def ended(self, entry, result):
        self.heard.append(("ended", entry.key, result.outcome, result.cause))


class Gate:
    """Admits so many trials, and remembers them."""

    def __init__(self):
        self.most, self.admitted, self.back = 1000, [], []

    def admits(self, entry):
        return len(self.admitted) < self.most

    def handed(self, entry):
        self.admitted.append(entry.key)

    def returned(self, entry):
        self.back.append(entry.key)


class Sweeping:
    """A sweep's ledger and the two hooks, as Tune calls them."""

    def __init__(self, folder, *overrides):
        self.ledger = Telling(SweepFolder(folder), load(LAMBDA, (*SMALL, *overrides)))
        self.gate = Gate()
        handed = Handed(self.ledger, lambda entry: {"assignment": entry}, self.gate)
        self.dispatcher = Dispatcher(handed)
        self.listeners = [Listener(), Listener()]
        self.guard = Guard(Signals(), lambda reason: None)
        self.said = []
        self.relay = Relay(
            handed,
            self.listeners,
            check=self.guard.check,
            say=self.said.append,
            logs=Path("the/logs"),
        )
        self.errors = folder / "error.txt"

    @property
    def heard(self):
        first, second = self.listeners
        assert first.heard == second.heard
        return first.heard

    def start(self, trial_id="one"):
        """Hand out the next entry under an id; returns it."""
        entry = self.dispatcher.suggest(trial_id)["assignment"]
        self.call("on_trial_start", trial_id)
        return entry

    def call(self, hook, trial_id="one", **more):
        noted = SimpleNamespace(last_result={})
        trial = SimpleNamespace(trial_id=trial_id, error_file=str(self.errors), run_metadata=noted)
        self.tell_of(trial, hook, **more)

    def tell_of(self, trial, hook, **more):
        getattr(self.relay, hook)(iteration=1, trials=[trial], trial=trial, **more)

    def die(self, trial_id="one", report=DEATH):
        """What Tune does when an actor's process is gone."""
        self.errors.write_text(report)
        self.call("on_trial_error", trial_id)


@pytest.fixture
def sweeping(tmp_path):
    return Sweeping(tmp_path, "resources.retries=0")


def test_every_entry_is_handed_out_once_and_then_there_is_nothing(sweeping):
    entries = [sweeping.start(f"id{n}") for n in range(4)]
    assert [entry.key for entry in entries] == ["0/0", "0/1", "1/0", "1/1"]
    for number, entry in enumerate(entries):
        assert sweeping.dispatcher.suggest("id4") is None  # one that is out may have to be again
        entry.folder.write_result(FINISHED)
        sweeping.call("on_trial_complete", f"id{number}")
    assert sweeping.dispatcher.suggest("id4") == Searcher.FINISHED
    assert sweeping.dispatcher.suggest("id5") == Searcher.FINISHED


def test_what_tune_notes_of_a_trial_goes_once_all_have_looked_at_it(sweeping):
    """Tune's own callback, which comes later, prints a trial that ends with nothing to show."""
    entry = sweeping.start()
    slip = Trial("train_trial", trial_id="one", config={"assignment": entry}, stub=True)
    slip._default_result_or_future = {"config": slip.config}
    for images in range(1, 30):
        result = {"images": images, **METRICS, "config": slip.config}
        sweeping.tell_of(slip, "on_trial_result", result=result)
        slip.update_last_result(result)
    assert len(slip.metric_analysis) > len(METRICS)
    entry.folder.write_result(FINISHED)
    sweeping.tell_of(slip, "on_trial_complete")
    assert slip.last_result == result
    sweeping.relay.on_step_begin(iteration=2, trials=[slip])
    assert slip.last_result == {"done": True, "trial_id": "one"}
    assert not slip.metric_analysis
    assert not slip.metric_n_steps


def test_what_the_gate_holds_back_is_not_handed_out_and_what_is_out_ends(tmp_path):
    sweeping = Sweeping(tmp_path, "resources.retries=1")
    sweeping.gate.most = 2
    first, second = sweeping.start("one"), sweeping.start("two")
    assert sweeping.gate.admitted == ["0/0", "0/1"]
    assert sweeping.dispatcher.suggest("three") is None
    sweeping.die("one")  # tried again: it is no other trial
    assert sweeping.start("three") == first
    for name, entry in (("two", second), ("three", first)):
        assert sweeping.dispatcher.suggest("four") is None
        entry.folder.write_result(FINISHED)
        sweeping.call("on_trial_complete", name)
    assert sweeping.dispatcher.suggest("four") == Searcher.FINISHED
    assert sweeping.ledger.upcoming().key == "1/0"  # it stays what comes next
    sweeping.gate.most = 3
    assert sweeping.start("five").key == "1/0"


def test_tune_asks_again_while_a_trial_that_runs_decides_what_is_next(tmp_path):
    sweeping = Sweeping(tmp_path, "seeds={screen: [0], confirm: [1], keep: 1}")
    sweeping.ledger._referee = SimpleNamespace(
        kept=lambda entries: [0], baseline=lambda entries: None
    )
    first, second = sweeping.start("one"), sweeping.start("two")
    assert sweeping.dispatcher.suggest("three") is None
    for name, entry in (("one", first), ("two", second)):
        assert sweeping.dispatcher.suggest("three") is None
        entry.folder.write_result(FINISHED)
        sweeping.call("on_trial_complete", name)
    third = sweeping.start("three")
    assert third.key == "0/1"
    third.folder.write_result(FINISHED)
    sweeping.call("on_trial_complete", "three")
    assert sweeping.dispatcher.suggest("four") == Searcher.FINISHED


def test_watchers_hear_of_a_trial_in_order_and_the_ledger_once(sweeping):
    entry = sweeping.start()
    for images in (0, 480_000):
        result = {"images": images, "seconds": 1.0, "training_iteration": 3, **METRICS}
        sweeping.call("on_trial_result", result=result)
    sweeping.call("on_trial_result", result=OVER)
    entry.folder.write_result(FINISHED)
    sweeping.call("on_trial_complete")
    assert sweeping.heard == [
        ("started", "0/0"),
        ("progressed", "0/0", 0, METRICS),
        ("progressed", "0/0", 480_000, METRICS),
        ("ended", "0/0", "finished", ""),
    ]
    assert sweeping.ledger.told == [("0/0", FINISHED)]


def test_a_trial_that_runs_beside_another_is_not_mistaken_for_it(sweeping):
    sweeping.start("first")
    entry = sweeping.start("second")
    entry.folder.write_result(FINISHED)
    sweeping.call("on_trial_complete", "second")
    assert [told[0] for told in sweeping.ledger.told] == ["0/1"]
    assert sweeping.heard[-1] == ("ended", "0/1", "finished", "")


def test_a_cost_that_is_the_objective_passes_through(tmp_path):
    sweeping = Sweeping(tmp_path, "objective.metric=cost/samples_per_second")
    sweeping.start()
    figures = {"cost/samples_per_second": 7.0, "diagnostics/l1": 1.0, "time_total_s": 3.0}
    sweeping.call("on_trial_result", result={"images": 64, **figures})
    assert sweeping.heard[-1] == ("progressed", "0/0", 64, {"cost/samples_per_second": 7.0})


def test_what_the_trial_has_noted_of_its_failure_is_what_is_told(sweeping):
    entry = sweeping.start()
    entry.folder.write_failure("ValueError: no", traceback="...")
    sweeping.call("on_trial_result", result=OVER)
    sweeping.call("on_trial_complete")
    assert sweeping.heard == [("started", "0/0"), ("ended", "0/0", "failed", "ValueError: no")]


@pytest.mark.parametrize("older", ["", "ValueError: of an older attempt"])
def test_a_failure_that_the_trial_could_not_write_down_is_told_as_it_was(sweeping, older):
    entry = sweeping.start()
    if older:
        entry.folder.write_failure(older, traceback="")
    sweeping.call("on_trial_result", result=OVER | {"unwritten": "ValueError: no"})
    sweeping.call("on_trial_complete")
    assert sweeping.heard == [("started", "0/0"), ("ended", "0/0", "failed", "ValueError: no")]
    assert entry.folder.failed() == "ValueError: no"


def test_where_the_driver_cannot_write_it_down_either_it_is_said(sweeping):
    entry = sweeping.start()
    entry.folder.path.parent.mkdir(parents=True)
    entry.folder.path.write_text("in its place")
    sweeping.call("on_trial_result", result=OVER | {"unwritten": "ValueError: no"})
    with pytest.raises(Unwritable):
        sweeping.call("on_trial_complete")
    assert sweeping.said == [f"{entry}: ValueError: no"]


@pytest.mark.parametrize("broken", [False, True])
def test_a_trial_hands_on_what_it_could_not_write_down(tmp_path, monkeypatch, broken):
    reports = []
    monkeypatch.setattr(tune, "report", reports.append)
    folder = TrialFolder(tmp_path / "trial")
    if broken:
        folder.path.write_text("in its place")

    def fails():
        raise ValueError("no")

    job = SimpleNamespace(folder=folder)
    train_trial({"assignment": SimpleNamespace(job=job, settle=fails)})
    (told,) = reports
    assert told == OVER | {"unwritten": "ValueError: no" if broken else ""}
    assert broken or folder.failed() == "ValueError: no"


DIED = "its process died (The actor died unexpectedly before finishing this task)"


@pytest.mark.parametrize("older", ["", "ValueError: of an older attempt"])
def test_a_trial_whose_process_died_has_failed_with_that_reason(sweeping, older):
    entry = sweeping.start()
    if older:
        entry.folder.write_failure(older, traceback="")
    sweeping.die()
    standing = entry.folder.standing()
    assert (standing.outcome, standing.cause) == ("failed", DIED)
    assert entry.folder.has_begun()  # so that it is a row of the table
    assert sweeping.heard == [("started", "0/0"), ("ended", "0/0", "failed", DIED)]
    assert [told[0] for told in sweeping.ledger.told] == ["0/0"]


def test_a_reason_in_colours_is_written_without_them(sweeping):
    entry = sweeping.start()
    sweeping.die(report="Failure # 1\n\x1b[36mray::train()\x1b[39m ran out of memory. So it is.\n")
    assert entry.folder.standing().cause == "its process died (ray::train() ran out of memory)"
    assert "\\u001b" not in entry.folder.failure.read_text()


def test_a_trial_that_was_done_before_its_process_died_is_done(sweeping):
    entry = sweeping.start()
    entry.folder.write_result(FINISHED)
    sweeping.die()
    assert sweeping.heard[-1] == ("ended", "0/0", "finished", "")
    assert not entry.folder.failure.exists()
    assert sweeping.ledger.told == [("0/0", FINISHED)]


def test_a_trial_that_ends_without_result_or_failure_has_failed(sweeping):
    entry = sweeping.start()
    entry.folder.begin(entry.trial)
    sweeping.call("on_trial_complete")
    assert entry.folder.standing().outcome == "failed"
    assert sweeping.heard[-1] == ("ended", "0/0", "failed", "its process died (no reason given)")


def test_a_trial_whose_process_died_is_tried_again_so_often_as_stated(tmp_path):
    """Neither ledger nor watchers hear of it before that is spent; others are not touched."""
    sweeping = Sweeping(tmp_path, "resources.retries=2")
    for attempt, name in enumerate(("one", "two", "three"), start=1):
        entry = sweeping.start(name)
        assert entry.key == "0/0"
        sweeping.die(name)
        assert len(sweeping.said) == min(attempt, 2)
    assert sweeping.said == [f"{entry}: {DIED}; tried again ({n} of 2)" for n in (1, 2)]
    assert [told[0] for told in sweeping.ledger.told] == ["0/0"]
    assert sweeping.heard == [("started", "0/0")] * 3 + [("ended", "0/0", "failed", DIED)]
    assert sweeping.start("four").key == "0/1"
    assert sweeping.gate.back == ["0/0"] * 2


LEFT = DEATH + "The actor died because its node has died. Node Id: 7\n"
MOVED = "its node is lost; it goes on elsewhere, from its checkpoint"


def measured(images):
    return Measurement(
        images=images, seconds=1.0, peak_memory_bytes=0, metrics=METRICS, timestamp_ms=0
    )


def test_a_lost_node_costs_a_trial_no_try_as_long_as_it_comes_further(tmp_path):
    sweeping = Sweeping(tmp_path, "resources.retries=1")
    for name, images in (("one", None), ("two", 64), ("three", 128)):
        entry = sweeping.start(name)
        assert entry.key == "0/0"
        if images is not None:
            entry.folder.append(measured(images))
        sweeping.die(name, report=LEFT)
        assert MOVED in sweeping.said[-1]
    assert sweeping.gate.back == ["0/0"] * 3
    assert sweeping.start("four").key == "0/0"
    sweeping.die("four", report=LEFT)  # no further than before: so it may be what kills the node
    assert "tried again (1 of 1)" in sweeping.said[-1]
    assert sweeping.start("five").key == "0/0"
    sweeping.die("five", report=LEFT)
    assert [told[0] for told in sweeping.ledger.told] == ["0/0"]


def test_a_group_that_lost_a_node_goes_on_as_well(tmp_path):
    sweeping = Sweeping(tmp_path, "resources.retries=0")
    entry = sweeping.start()
    entry.folder.write_failure("rank 1: ActorDiedError: its node has died", traceback="")
    result = {**OVER, "passing": True, "lost_node": True}
    sweeping.call("on_trial_result", result=result)
    sweeping.call("on_trial_complete")
    assert not sweeping.ledger.told
    assert sweeping.start("two").key == "0/0"


def test_a_death_of_which_ray_does_not_know_yet_that_the_node_is_lost(tmp_path):
    sweeping = Sweeping(tmp_path, "resources.retries=0")
    sweeping.relay.lost_node = lambda: True
    entry = sweeping.start()
    sweeping.die()
    assert sweeping.said == [f"{entry}: {MOVED}"]
    sweeping.start("two").folder.write_failure("ValueError: of its own", traceback="")
    sweeping.call("on_trial_result", "two", result=OVER)
    sweeping.call("on_trial_complete", "two")
    assert [told[0] for told in sweeping.ledger.told] == ["0/0"]


def test_no_more_are_handed_out_than_there_is_room_for(sweeping):
    sweeping.dispatcher._handed.room = lambda: room
    room = 1
    sweeping.start("one")
    assert sweeping.dispatcher.suggest("two") is None
    room = 2
    sweeping.start("two")
    assert sweeping.dispatcher.suggest("three") is None


@pytest.mark.parametrize(("passing", "tries"), [(True, 2), (False, 1)])
def test_a_full_gpu_is_tried_again_and_a_deterministic_error_is_not(tmp_path, passing, tries):
    sweeping = Sweeping(tmp_path, "resources.retries=1")
    for attempt in range(tries):
        assert not sweeping.ledger.told
        entry = sweeping.start(str(attempt))
        entry.folder.write_failure("the cause", traceback="")
        sweeping.call("on_trial_result", str(attempt), result={**OVER, "passing": passing})
        sweeping.call("on_trial_complete", str(attempt))
    assert [told[0] for told in sweeping.ledger.told] == ["0/0"]
    assert len(sweeping.said) == tries - 1


def test_the_log_of_a_dead_process_is_named(sweeping):
    entry = sweeping.start()
    sweeping.die(report=DEATH + "\tpid: 4711\n")
    assert entry.folder.standing().cause == f"{DIED}; its log: the/logs/worker-*-4711.err"


def test_a_trial_that_dies_with_all_of_ray_is_not_to_blame(sweeping):
    entry = sweeping.start()
    sweeping.guard.loss = "its raylet has died"
    with pytest.raises(Lost):
        sweeping.die()
    assert entry.folder.standing().outcome == "running"
    assert sweeping.heard == [("started", "0/0")]


def test_the_guard_hears_whether_trials_wait_while_none_runs(sweeping):
    heard = []
    sweeping.relay._check = heard.append
    sweeping.relay.on_step_begin(iteration=0, trials=[])
    entry = sweeping.dispatcher.suggest("one")["assignment"]
    sweeping.relay.on_step_begin(iteration=1, trials=[])
    sweeping.call("on_trial_start")
    sweeping.relay.on_step_begin(iteration=2, trials=[])
    entry.folder.write_result(FINISHED)
    sweeping.call("on_trial_complete")
    sweeping.relay.on_step_begin(iteration=3, trials=[])
    assert heard == [True, False, True, True]


def test_a_step_begins_unless_a_signal_has_come(sweeping):
    sweeping.relay.on_step_begin(iteration=0, trials=[])
    sweeping.guard.signals.received = 2
    with pytest.raises(Interrupted):
        sweeping.relay.on_step_begin(iteration=1, trials=[])


def test_tune_may_pickle_its_parts_and_nothing_of_the_sweep_goes_with_them(sweeping):
    for part in (sweeping.dispatcher._handed, sweeping.relay):
        assert b"loss.lambda" not in pickle.dumps(part)
