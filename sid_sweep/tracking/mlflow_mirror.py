"""Makes MLflow's runs equal to a sweep's folders: whatever is missing there is sent, nothing twice.

A parent run for the sweep, a child for each arm, a grandchild for each seed (two levels where there
is one seed). What has been sent is noted in a cursor beside the folders, after the fact: a kill in
between sends again what MLflow already has, and MLflow ignores an equal point, its time included.
"""

import json
from statistics import fmean
from typing import TYPE_CHECKING, Any

from sid_sweep.spec import Sweep, digest, plain
from sid_sweep.spec.paths import leaves
from sid_sweep.trials import Entry, Measurement, Result, SweepFolder
from sid_sweep.trials.sweep_folder import RECORD

from .client import VIEW, absolute, connect, redact, ui_hint
from .cursor import Cursor
from .provenance import provenance
from .tracker import Tracker

if TYPE_CHECKING:
    from mlflow import MlflowClient

MAX_PARAM_CHARACTERS = 500
MAX_TAG_CHARACTERS = 5000
MAX_PARAMS, MAX_POINTS = 100, 900  # of one call; MLflow takes 100 and 1,000
TAG = "sid_sweep."
Point = tuple[str, float, int, int]  # name, value, milliseconds since 1970, images
SWEEP = "sweep"  # key of the parent's note in the cursor


def track(sweep: Sweep, folder: SweepFolder, *, uri: str | None) -> Tracker:
    """A tracker that mirrors a sweep into the MLflow at `uri`; None: MLflow's default store."""

    def open_mirror() -> MlflowMirror:
        client = connect(uri)
        return MlflowMirror(client, sweep, cursor_of(folder, client.tracking_uri), uri=uri)

    name = redact(uri or "MLflow's default store")
    return Tracker(open_mirror, store=name, hint=ui_hint(uri))


def cursor_of(folder: SweepFolder, uri: str) -> Cursor:
    """What was sent from a sweep's folder to a store."""
    return Cursor(folder.cursor(digest({"uri": redact(absolute(uri))})))


def run_ids(folder: SweepFolder) -> dict[str, str]:
    """MLflow's run of each entry, by `Entry.key`, in the store that was last sent to."""
    for path in folder.cursors():
        return {key: note["run_id"] for key, note in Cursor(path).items() if "/" in key}
    return {}


class MlflowMirror:
    """The runs of one sweep in one MLflow store."""

    def __init__(
        self, client: "MlflowClient", sweep: Sweep, cursor: Cursor, *, uri: str | None = None
    ) -> None:
        self.client = client
        self.sweep = sweep
        self._cursor = cursor
        self._uri = uri
        self._results: dict[int, dict[int, Result]] = {}
        self.experiment_id = self._experiment()
        self._open_parent()

    @property
    def hint(self) -> str:
        return ui_hint(self._uri, experiment_id=self.experiment_id)

    # ---- events

    def show(self, entry: Entry) -> None:
        if not self._cursor[entry.key].get("done"):
            self._send(entry)

    def end(self, entry: Entry, result: Result) -> None:
        if not self._cursor[entry.key].get("done"):
            self._send(entry)
            self._close(entry, result)
        self._end_of_arm(entry, result)

    def conclude(self, report: str, *, failed: bool) -> None:
        """Question and table become the description of the sweep's run, which ends."""
        self._tag(self._parent, {"mlflow.note.content": self._description() + f"\n{report}"})
        self.client.log_text(self._parent, report, "table.md")
        self.client.set_terminated(self._parent, "FAILED" if failed else "FINISHED")

    def interrupt(self) -> None:
        """Killed, every run that is open, to be opened again by the next run of the sweep."""
        for key, note in self._cursor.items():
            if note.get("open"):
                self.client.set_terminated(note["run_id"], "KILLED")
                self._cursor.note(key, open=False)
        self.client.set_terminated(self._parent, "KILLED")

    # ---- the sweep

    @property
    def _parent(self) -> str:
        return self._cursor[SWEEP].get("run_id", "")

    def _experiment(self) -> str:
        found = self.client.get_experiment_by_name(self.sweep.sweep)
        if found is not None:
            return found.experiment_id
        return self.client.create_experiment(
            self.sweep.sweep,
            tags={
                "mlflow.note.content": self.sweep.question,
                "mlflow.experimentKind": "custom_model_development",
            },
        )

    def _open_parent(self) -> None:
        if self._parent and not self._reopen(self._parent):
            self._cursor.clear()  # the store was deleted or replaced: everything is sent anew
        if not self._parent:
            self._create(SWEEP, self.sweep.sweep, {"level": "sweep"}, parent="")
        self._tag(self._parent, {"mlflow.note.content": self._description()})
        self.client.set_experiment_tag(
            self.experiment_id, f"mlflow.sharedViewState.{VIEW}", json.dumps(self._view())
        )
        self.client.log_dict(self._parent, self.sweep.outline(), "question.json")
        self.client.log_dict(self._parent, _redacted(plain(self.sweep)), RECORD)
        self.client.log_dict(self._parent, provenance(), "provenance.json")

    def _reopen(self, run_id: str) -> bool:
        """Whether there is such a run; it is then running again."""
        from mlflow.exceptions import MlflowException

        try:
            self.client.update_run(run_id, status="RUNNING")
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return False
        return True

    def _view(self) -> dict[str, Any]:
        """What the runs table shows when it is opened with this view: by default, no metric."""
        outline = self.sweep.outline()
        columns = [
            f"metrics.`{outline['metric']}`",
            *[f"metrics.`{name}`" for name in outline["columns"]],
            *[f"params.`{knob}`" for knob in self.sweep.domains],
            f"tags.`{TAG}outcome`",
        ]
        return {"selectedColumns": columns, "runsHiddenMode": "SHOW_ALL"}

    def _description(self) -> str:
        sweep = self.sweep
        words = {"Question": sweep.question, "Expected": sweep.expect, "Found": sweep.found}
        return "".join(f"{name}: {text}\n\n" for name, text in words.items() if text)

    # ---- arms

    def _arm_run(self, entry: Entry) -> str:
        """The run of an arm, open; the parent where there is one seed."""
        if len(self.sweep.seeds) == 1:
            return self._parent
        key = f"arm {entry.number}"
        note = self._cursor[key]
        if "run_id" not in note:
            run_id = self._create(key, str(entry.arm), {"level": "arm"}, parent=self._parent)
            self._params(run_id, dict(entry.arm))
        elif not note.get("open"):
            self.client.update_run(note["run_id"], status="RUNNING")
            self._cursor.note(key, open=True)
        return self._cursor[key]["run_id"]

    def _end_of_arm(self, entry: Entry, result: Result) -> None:
        """The mean over the seeds, once all have ended, so that arms can be compared in the UI."""
        results = self._results.setdefault(entry.number, {})
        results[entry.seed] = result
        key = f"arm {entry.number}"
        note = self._cursor[key]
        signature = [[seed, own.outcome] for seed, own in sorted(results.items())]
        if not note or len(results) < len(self.sweep.seeds) or note.get("done") == signature:
            return
        finished = [own for own in results.values() if own.outcome == "finished"]
        outcomes = [own.outcome for own in results.values()]
        if finished:
            names = finished[0].metrics
            means = {name: fmean(own.metrics[name] for own in finished) for name in names}
            images = max(own.images for own in finished)
            self._points(note["run_id"], images, means, timestamp_ms=_end_of(entry))
        counts = {f"{TAG}{o}": str(outcomes.count(o)) for o in ("finished", "diverged", "failed")}
        self._tag(note["run_id"], counts)
        self.client.set_terminated(note["run_id"], "FAILED" if "failed" in outcomes else "FINISHED")
        self._cursor.note(key, open=False, done=signature)

    # ---- seeds

    def _open(self, entry: Entry) -> str:
        """The run of a trial: created, opened again, or as it is."""
        note = self._cursor[entry.key]
        if "run_id" not in note:
            one = len(self.sweep.seeds) == 1
            tags = {
                "level": "seed",
                "values": json.dumps(dict(entry.arm)),
                "arm": str(entry.number),
                "seed": str(entry.seed),
                "trial": entry.folder.path.name,
                "parent": self._parent,
                "outcome": "running",
            }
            name = str(entry.arm) if one else str(entry)
            run_id = self._create(entry.key, name, tags, parent=self._arm_run(entry))
            self._params(run_id, dict(leaves(plain(entry.trial))))
            name = entry.folder.specification.name
            self.client.log_dict(run_id, _redacted(plain(entry.trial)), name)
        elif not note.get("open"):
            self._arm_run(entry)
            self.client.update_run(note["run_id"], status="RUNNING")
            again = {"outcome": "running", "cause": "", "end": ""}
            self._tag(note["run_id"], {f"{TAG}{name}": value for name, value in again.items()})
            self._cursor.note(entry.key, open=True)
        return self._cursor[entry.key]["run_id"]

    def _send(self, entry: Entry) -> None:
        run_id, sent = self._open(entry), self._cursor[entry.key].get("images", -1)
        new = [own for own in entry.folder.measurements() if own.images > sent]
        if new:
            self._measurements(run_id, new)
            self.client.log_artifact(run_id, str(entry.folder.log))
            self._cursor.note(entry.key, images=new[-1].images)
        shown = self._cursor[entry.key].get("pictures", -1)
        for images, path in entry.folder.pictures():
            if images > shown:
                self._picture(run_id, path, images)
                self._cursor.note(entry.key, pictures=images)

    def _picture(self, run_id: str, path: Any, images: int) -> None:
        from PIL import Image

        with Image.open(path) as picture:
            self.client.log_image(
                run_id, picture.copy(), key="samples", step=images, synchronous=True
            )

    def _close(self, entry: Entry, result: Result) -> None:
        run_id = self._cursor[entry.key]["run_id"]
        spent = {"seconds": result.seconds, "peak_memory_bytes": result.peak_memory_bytes}
        if result.images > self._cursor[entry.key].get("images", -1):
            costs = {f"cost/{name}": float(value) for name, value in spent.items()}
            self._points(run_id, result.images, costs, timestamp_ms=_end_of(entry))
        end = json.dumps({"images": result.images, **spent})
        tags = {"outcome": result.outcome, "cause": result.cause, "end": end}
        self._tag(run_id, {f"{TAG}{name}": value for name, value in tags.items()})
        for path in entry.folder.exports():
            self.client.log_artifact(run_id, str(path))
        failed = result.outcome == "failed"  # tried again by the next run, so opened again
        self.client.set_terminated(run_id, "FAILED" if failed else "FINISHED")
        self._cursor.note(entry.key, open=False, done=not failed)

    # ---- MLflow's nouns

    def _create(self, key: str, name: str, tags: dict[str, str], *, parent: str) -> str:
        """A new run, noted under `key`."""
        own = {f"{TAG}{tag}": value[:MAX_TAG_CHARACTERS] for tag, value in tags.items()}
        nesting = {"mlflow.parentRunId": parent} if parent else {}
        source = {"mlflow.source.name": "sid_sweep", "mlflow.source.type": "LOCAL"}
        run = self.client.create_run(
            self.experiment_id, run_name=name, tags={**own, **nesting, **source}
        )
        self._cursor.note(key, run_id=run.info.run_id, open=key != SWEEP)
        return run.info.run_id

    def _tag(self, run_id: str, tags: dict[str, str]) -> None:
        from mlflow.entities import RunTag

        values = [RunTag(key, redact(value)[:MAX_TAG_CHARACTERS]) for key, value in tags.items()]
        self.client.log_batch(run_id, tags=values)

    def _params(self, run_id: str, values: dict[str, Any]) -> None:
        from mlflow.entities import Param

        params = [Param(k, redact(str(v))[:MAX_PARAM_CHARACTERS]) for k, v in values.items()]
        for start in range(0, len(params), MAX_PARAMS):
            self.client.log_batch(run_id, params=params[start : start + MAX_PARAMS])

    def _measurements(self, run_id: str, measurements: list[Measurement]) -> None:
        self._log(run_id, [point for own in measurements for point in _points_of(own)])

    def _points(
        self, run_id: str, images: int, metrics: dict[str, float], *, timestamp_ms: int
    ) -> None:
        self._log(run_id, [(name, value, timestamp_ms, images) for name, value in metrics.items()])

    def _log(self, run_id: str, points: list[Point]) -> None:
        from mlflow.entities import Metric

        metrics = [Metric(*point) for point in points]
        for start in range(0, len(metrics), MAX_POINTS):
            self.client.log_batch(run_id, metrics=metrics[start : start + MAX_POINTS])


def _points_of(own: Measurement) -> list[Point]:
    costs = {
        "cost/seconds": own.seconds,
        "cost/peak_memory_bytes": float(own.peak_memory_bytes),
    }
    metrics = own.metrics | costs
    return [(name, value, own.timestamp_ms, own.images) for name, value in metrics.items()]


def _end_of(entry: Entry) -> int:
    """When a trial ended, in milliseconds since 1970: the same whenever it is asked."""
    path = entry.folder.ending if entry.folder.ending.exists() else entry.folder.path
    return int(path.stat().st_mtime * 1000)


def _redacted(values: Any) -> Any:
    return json.loads(redact(json.dumps(values, ensure_ascii=False)))
