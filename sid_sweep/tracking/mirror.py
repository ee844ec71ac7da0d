"""Makes MLflow's runs equal to a sweep's folders: whatever is missing there is sent, nothing twice.

A parent run for the sweep, a child for each arm, a grandchild for each seed (two levels where there
is one seed). What has been sent is noted in a cursor beside the folders, after the fact: a kill in
between sends again what MLflow already has, and MLflow ignores an equal point.
"""

import json
import time
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from sid_sweep.orchestration.events import Run
from sid_sweep.orchestration.folder import Record, Result, write_json
from sid_sweep.spec import Arm, Sweep, plain

from .client import redact
from .provenance import provenance

if TYPE_CHECKING:
    from mlflow import MlflowClient

MAX_PARAM_CHARACTERS = 500
MAX_TAG_CHARACTERS = 5000
TAG = "sid_sweep."
VIEW = "sid_sweep"  # name of the view that the address of the runs table asks for


class Mirror:
    """The runs of one sweep in one MLflow store."""

    def __init__(self, client: "MlflowClient", sweep: Sweep, folder: Path, cursor: Path) -> None:
        self.client = client
        self.sweep = sweep
        self.folder = folder
        self._cursor_path = cursor
        self._cursor: dict[str, Any] = {"parent": "", "arms": {}, "runs": {}}
        if cursor.exists():
            self._cursor = json.loads(cursor.read_text("utf-8"))
        self._results: dict[str, dict[int, Result]] = {}
        self.experiment_id = self._experiment()
        self._open_parent()

    # ---- events

    def show(self, run: Run) -> None:
        """Send what a trial has recorded since the last time."""
        if self._entry(run).get("done"):
            return
        self._send(run)

    def end(self, run: Run, result: Result) -> None:
        """Send the rest of a trial and close its run; with the last of its seeds, its arm's."""
        if not self._entry(run).get("done"):
            self._send(run)
            self._close(run, result)
        self._end_of_arm(run, result)

    def conclude(self, report: str, *, failed: bool) -> None:
        """Put question and table into the description of the sweep, and close it."""
        parent = self._cursor["parent"]
        self._tag(parent, {"mlflow.note.content": self._description() + f"\n{report}"})
        self.client.log_text(parent, report, "table.md")
        self.client.set_terminated(parent, "FAILED" if failed else "FINISHED")

    def interrupt(self) -> None:
        """Close every run that is still open: killed, to be opened again by the next run."""
        for entry in [*self._cursor["runs"].values(), *self._cursor["arms"].values()]:
            if entry.get("open"):
                self.client.set_terminated(entry["run_id"], "KILLED")
                entry["open"] = False
        self.client.set_terminated(self._cursor["parent"], "KILLED")
        self._save()

    # ---- the sweep

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
        from mlflow.exceptions import MlflowException

        parent = self._cursor["parent"]
        if parent:
            try:
                self.client.update_run(parent, status="RUNNING")
            except MlflowException as error:
                if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                    raise
                parent = ""  # the store was deleted or replaced: everything is sent anew
                self._cursor = {"parent": "", "arms": {}, "runs": {}}
        if not parent:
            parent = self._create(self.sweep.sweep, {"level": "sweep"}, parent="")
            self._cursor["parent"] = parent
        self._tag(parent, {"mlflow.note.content": self._description()})
        self.client.set_experiment_tag(
            self.experiment_id, f"mlflow.sharedViewState.{VIEW}", json.dumps(self._view())
        )
        self.client.log_dict(parent, self.sweep.record(), "question.json")
        self.client.log_dict(parent, _redacted(plain(self.sweep)), "sweep.json")
        self.client.log_dict(parent, provenance(), "provenance.json")
        self._save()

    def _view(self) -> dict[str, Any]:
        """What the runs table shows when it is opened with this view: by default, no metric."""
        record = self.sweep.record()
        metric = f"metrics.`{record['metric']}`"
        columns = [
            metric,
            *[f"metrics.`{name}`" for name in record["columns"]],
            *[f"params.`{knob}`" for knob in self.sweep.domains],
            f"tags.`{TAG}outcome`",
        ]
        return {"selectedColumns": columns, "runsHiddenMode": "SHOW_ALL"}

    def _description(self) -> str:
        sweep = self.sweep
        words = {"Question": sweep.question, "Expected": sweep.expect, "Found": sweep.found}
        return "".join(f"{name}: {text}\n\n" for name, text in words.items() if text)

    # ---- arms

    def _end_of_arm(self, run: Run, result: Result) -> None:
        """The mean over the seeds, once all have ended, so that arms can be compared in the UI."""
        results = self._results.setdefault(_key(run.values), {})
        results[run.seed] = result
        arm = self._cursor["arms"].get(_key(run.values))
        if arm is None or len(results) < len(self.sweep.seeds):
            return
        signature = [[seed, r.outcome] for seed, r in sorted(results.items())]
        if arm.get("done") == signature:
            return
        from mlflow.entities import Metric

        finished = [r for r in results.values() if r.outcome == "finished"]
        outcomes = [r.outcome for r in results.values()]
        if finished:
            now, images = int(time.time() * 1000), max(r.images for r in finished)
            means = {name: fmean(r.metrics[name] for r in finished) for name in finished[0].metrics}
            metrics = [Metric(name, value, now, images) for name, value in means.items()]
            self.client.log_batch(arm["run_id"], metrics=metrics)
        tags = {
            f"{TAG}{name}": str(outcomes.count(name)) for name in ("finished", "diverged", "failed")
        }
        self._tag(arm["run_id"], tags)
        self.client.set_terminated(arm["run_id"], "FAILED" if "failed" in outcomes else "FINISHED")
        arm["open"] = False
        arm["done"] = signature
        self._save()

    def _arm(self, run: Run) -> str:
        """The run of an arm, or the parent where there is one seed."""
        if len(self.sweep.seeds) == 1:
            return self._cursor["parent"]
        arms = self._cursor["arms"]
        key = _key(run.values)
        if key not in arms:
            tags = {"level": "arm", "values": json.dumps(run.values)}
            run_id = self._create(_name(run.values), tags, parent=self._cursor["parent"])
            self._params(run_id, dict(run.values))
            arms[key] = {"run_id": run_id}
            self._save()
        elif not arms[key].get("open"):
            self.client.update_run(arms[key]["run_id"], status="RUNNING")
        arms[key]["open"] = True
        return arms[key]["run_id"]

    # ---- seeds

    def _entry(self, run: Run) -> dict[str, Any]:
        return self._cursor["runs"].setdefault(run.digest, {})

    def _open(self, run: Run) -> str:
        """The run of a trial: created, opened again, or as it is."""
        entry = self._entry(run)
        if "run_id" not in entry:
            one = len(self.sweep.seeds) == 1
            tags = {
                "level": "seed",
                "values": json.dumps(run.values),
                "arm": str(run.arm),
                "seed": str(run.seed),
                "trial": run.digest,
                "parent": self._cursor["parent"],
                "outcome": "running",
            }
            name = _name(run.values) if one else f"{_name(run.values)} seed={run.seed}"
            entry["run_id"] = self._create(name, tags, parent=self._arm(run))
            entry["images"] = entry["pictures"] = -1
            self._save()
            self._params(entry["run_id"], _flat(plain(run.trial)))
            self.client.log_dict(entry["run_id"], _redacted(plain(run.trial)), "trial.json")
        elif not entry.get("open"):
            self._arm(run)
            self.client.update_run(entry["run_id"], status="RUNNING")
        entry["open"] = True
        return entry["run_id"]

    def _send(self, run: Run) -> None:
        run_id, entry = self._open(run), self._entry(run)
        new = [record for record in run.folder.records() if record.images > entry["images"]]
        if new:
            self._metrics(run_id, new)
            entry["images"] = new[-1].images
            self._save()
        for images, path in run.folder.pictures():
            if images > entry["pictures"]:
                from PIL import Image

                with Image.open(path) as picture:
                    self.client.log_image(
                        run_id, picture.copy(), key="samples", step=images, synchronous=True
                    )
                entry["pictures"] = images
                self._save()

    def _close(self, run: Run, result: Result) -> None:
        entry = self._entry(run)
        run_id = entry["run_id"]
        end = Record(
            result.images, result.seconds, result.peak_memory_bytes, {}, int(time.time() * 1000)
        )
        if result.images > entry["images"]:
            self._metrics(run_id, [end])
        self._tag(run_id, {f"{TAG}outcome": result.outcome, f"{TAG}cause": result.cause})
        for name in ("references.json", "generator.safetensors", "failure.json"):
            if (path := run.folder.path / name).exists():
                self.client.log_artifact(run_id, str(path))
        self.client.set_terminated(run_id, "FAILED" if result.outcome == "failed" else "FINISHED")
        entry["open"] = False
        # A failed trial is tried again by the next run, so its run may be opened again.
        entry["done"] = result.outcome != "failed"
        self._save()

    # ---- MLflow's nouns

    def _create(self, name: str, tags: dict[str, str], *, parent: str) -> str:
        own = {f"{TAG}{key}": value[:MAX_TAG_CHARACTERS] for key, value in tags.items()}
        nesting = {"mlflow.parentRunId": parent} if parent else {}
        source = {"mlflow.source.name": "sid_sweep", "mlflow.source.type": "LOCAL"}
        run = self.client.create_run(
            self.experiment_id, run_name=name, tags={**own, **nesting, **source}
        )
        return run.info.run_id

    def _tag(self, run_id: str, tags: dict[str, str]) -> None:
        from mlflow.entities import RunTag

        values = [RunTag(key, redact(value)[:MAX_TAG_CHARACTERS]) for key, value in tags.items()]
        self.client.log_batch(run_id, tags=values)

    def _params(self, run_id: str, values: dict[str, Any]) -> None:
        from mlflow.entities import Param

        params = [Param(k, redact(str(v))[:MAX_PARAM_CHARACTERS]) for k, v in values.items()]
        for start in range(0, len(params), 100):  # MLflow's limit for one batch
            self.client.log_batch(run_id, params=params[start : start + 100])

    def _metrics(self, run_id: str, records: list[Record]) -> None:
        from mlflow.entities import Metric

        points = [
            Metric(name, value, record.timestamp_ms, record.images)
            for record in records
            for name, value in {
                **record.metrics,
                "cost/seconds": record.seconds,
                "cost/peak_memory_bytes": float(record.peak_memory_bytes),
            }.items()
        ]
        for start in range(0, len(points), 500):
            self.client.log_batch(run_id, metrics=points[start : start + 500])

    def _save(self) -> None:
        write_json(self._cursor_path, self._cursor)


def _name(values: Arm) -> str:
    return ", ".join(f"{knob}={value}" for knob, value in values.items())


def _key(values: Arm) -> str:
    return json.dumps(values, sort_keys=True)


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        nested = isinstance(value, dict)
        flat |= _flat(value, f"{prefix}{key}.") if nested else {f"{prefix}{key}": value}
    return flat


def _redacted(values: Any) -> Any:
    return json.loads(redact(json.dumps(values, ensure_ascii=False)))
