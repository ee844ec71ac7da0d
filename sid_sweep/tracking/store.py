"""MLflow's nouns, said once: runs, tags, params, points, pictures and files of one experiment."""

import json
import math
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from .client import redact
from .identity import IDENTITY
from .view import SAMPLES, VIEW

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

PARENT = "mlflow.parentRunId"
NOTE = "mlflow.note.content"  # Markdown that MLflow shows on top
PAGE = 100  # runs of one answer
PREVIEW = 256  # pixels of a small picture's longer side, as MLflow has it

MAX_PARAM_CHARACTERS = 500
MAX_TAG_CHARACTERS = 5000
MAX_PARAMS, MAX_POINTS = 100, 900  # of one call; MLflow takes 100 and 1,000
TAG = "sid_sweep."  # before every tag of ours

Status = Literal["FINISHED", "FAILED", "KILLED"]
Point = tuple[str, float, int, int]
"""Name, value, milliseconds since 1970, images."""


class Store:
    """An experiment in an MLflow store. No text leaves with a password in it."""

    def __init__(self, client: "MlflowClient", name: str, *, description: str) -> None:
        self.client = client
        self._question = redact(description)
        self._note = self._question
        if (found := client.get_experiment_by_name(name)) is not None:
            self.experiment_id = found.experiment_id
            self._note = found.tags.get(NOTE, "")
            if found.lifecycle_stage == "deleted":  # MLflow keeps its name, so none can replace it
                client.restore_experiment(found.experiment_id)
            return
        kind = {"mlflow.experimentKind": "custom_model_development"}
        tags = {NOTE: self._question, **kind}
        self.experiment_id = client.create_experiment(name, tags=tags)

    @property
    def place(self) -> dict[str, str]:
        """Where its pages are, for who may know."""
        return {"uri": redact(self.client.tracking_uri), "experiment_id": self.experiment_id}

    def create(self, name: str, tags: dict[str, str], *, parent: str) -> str:
        """A new run, running; returns its id."""
        nesting = {PARENT: parent} if parent else {}
        source = {"mlflow.source.name": "sid_sweep", "mlflow.source.type": "LOCAL"}
        own = {f"{TAG}{key}": redact(value)[:MAX_TAG_CHARACTERS] for key, value in tags.items()}
        every = {**own, **nesting, **source}
        made = self.client.create_run(self.experiment_id, run_name=redact(name), tags=every)
        return made.info.run_id

    def nest(self, run_id: str, parent: str) -> None:
        """Show a run below another."""
        self._log_tags(run_id, {PARENT: parent})

    def unknown(self, identity: str, known: set[str]) -> list["Run"]:
        """The runs of a sweep's folder that are not among the known ones: those first that hold
        something, then the oldest. The newest are read first, until a page holds known ones alone.
        """
        found: list[Run] = []
        for page in self._pages(identity, order_by=["attributes.start_time DESC"]):
            new = [run for run in page if run.info.run_id not in known]
            found += new
            if not new:
                break
        return sorted(found, key=lambda run: (is_bare(run), run.info.start_time))

    def restore(self, identity: str) -> None:
        """Bring back those runs of a sweep that somebody deleted: the folders still have them."""
        from mlflow.entities import ViewType

        for page in list(self._pages(identity, run_view_type=ViewType.DELETED_ONLY)):
            for run in page:
                self.client.restore_run(run.info.run_id)

    def disown(self, run_id: str) -> None:
        """Take away a run that was made in vain, which nobody knows any more from then on."""
        self.tag(run_id, {IDENTITY: ""})
        self.client.delete_run(run_id)

    def _pages(self, identity: str, **options: Any) -> Iterator[list["Run"]]:
        own, token = f"tags.`{TAG}{IDENTITY}` = '{identity}'", None
        while True:
            page = self.client.search_runs(
                [self.experiment_id], own, max_results=PAGE, page_token=token, **options
            )
            yield list(page)
            if not (token := page.token):
                return

    def reopen(self, run_id: str) -> bool:
        """Let a run be running again; whether there is such a run."""
        from mlflow.exceptions import MlflowException

        try:
            self.client.update_run(run_id, status="RUNNING")
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return False
        return True

    def end(self, run_id: str, status: Status) -> None:
        """Let a run be over."""
        self.client.set_terminated(run_id, status)
        _forget(run_id)

    def describe(self, run_id: str, text: str) -> None:
        """Markdown that MLflow shows on top of a run."""
        self._log_tags(run_id, {NOTE: text})

    def tag(self, run_id: str, tags: dict[str, str]) -> None:
        """Tags of ours, which may change."""
        self._log_tags(run_id, {f"{TAG}{key}": value for key, value in tags.items()})

    def params(self, run_id: str, values: dict[str, Any]) -> None:
        """Values that never change."""
        from mlflow.entities import Param

        params = [Param(k, redact(str(v))[:MAX_PARAM_CHARACTERS]) for k, v in values.items()]
        for start in range(0, len(params), MAX_PARAMS):
            self.client.log_batch(run_id, params=params[start : start + MAX_PARAMS])

    def last_step(self, run_id: str, name: str) -> int:
        """Up to where the store has a metric; -1: it has none of it."""
        history = self.client.get_metric_history(run_id, name)
        return max((point.step for point in history), default=-1)

    def points(self, run_id: str, rows: list[list[Point]]) -> None:
        """Values of metrics, those of a row all or none. One that is there already, with its time,
        is ignored."""
        from mlflow.entities import Metric

        num = max(1, MAX_POINTS // max(map(len, rows), default=1))
        for start in range(0, len(rows), num):
            own = [Metric(*point) for row in rows[start : start + num] for point in row]
            self.client.log_batch(run_id, metrics=own)

    def supersede(self, run_id: str, points: list[Point]) -> None:
        """Values that stand for those before them at the same step: a store shows the latest. One
        that was sent before is not sent again."""
        new: list[Point] = []
        known = {name: self.client.get_metric_history(run_id, name) for name, *_ in points}
        for name, value, when, step in points:
            old = [point for point in known[name] if point.step == step]
            if not any(_is_same(point.value, value) for point in old):
                when = max([when, *(point.timestamp + 1 for point in old)])
                new.append((name, value, when, step))
        self.points(run_id, [[own] for own in new])

    def picture(self, run_id: str, path: Path, *, images: int, key: str = SAMPLES) -> None:
        """A picture for MLflow's slider: the same picture replaces itself."""
        from PIL import Image

        name = picture_name(images, key=key)
        with tempfile.TemporaryDirectory() as folder, Image.open(path) as picture:
            full, small = Path(folder, f"{name}.png"), Path(folder, f"{name}+compressed.webp")
            picture.save(full)
            scale = PREVIEW / max(picture.size)
            width, height = (max(1, round(side * scale)) for side in picture.size)
            picture.resize((width, height)).save(small)
            for file in (full, small):
                self.client.log_artifact(run_id, str(file), "images")
        self._log_tags(run_id, {"mlflow.loggedImages": "True"})

    def file(self, run_id: str, path: Path) -> None:
        """A file as it is."""
        self.client.log_artifact(run_id, str(path))

    def content(self, run_id: str, content: str | bytes, name: str) -> None:
        """A file of this text, or of these bytes."""
        if isinstance(content, str):
            self.text(run_id, content, name)
            return
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, name)
            path.write_bytes(content)
            self.file(run_id, path)

    def sheet(self, run_id: str, content: bytes, *, name: str, key: str) -> None:
        """A picture that has no course."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, name)
            path.write_bytes(content)
            self.picture(run_id, path, images=0, key=key)

    def text(self, run_id: str, text: str, name: str) -> None:
        """A text file."""
        self.client.log_text(run_id, redact(text), name)

    def json(self, run_id: str, values: dict[str, Any], name: str) -> None:
        """A JSON file."""
        self.client.log_dict(run_id, _redacted(values), name)

    def view(self, state: dict[str, Any]) -> None:
        """What the runs page shows when an address names our view: by default, no metric."""
        key = f"mlflow.sharedViewState.{VIEW}"
        self.client.set_experiment_tag(self.experiment_id, key, json.dumps(state))

    def introduce(self, page: str) -> None:
        """A link to the sweep's run on top of the experiment, unless somebody has written there."""
        link = f"{self._question} [Answer, table, samples]("
        if self._note == self._question or self._note.startswith(link):
            self.client.set_experiment_tag(self.experiment_id, NOTE, f"{link}{page})")

    def _log_tags(self, run_id: str, tags: dict[str, str]) -> None:
        from mlflow.entities import RunTag

        values = [RunTag(key, redact(value)[:MAX_TAG_CHARACTERS]) for key, value in tags.items()]
        self.client.log_batch(run_id, tags=values)


def picture_name(images: int, *, key: str) -> str:
    """As MLflow names pictures, but for the random part and the time."""
    key = key.replace("/", "~")
    return f"{key}+step+{images}+timestamp+{images}+{uuid.UUID(int=images)}"


def _is_same(one: float, other: float) -> bool:
    return one == other or (math.isnan(one) and math.isnan(other))


def is_bare(run: "Run") -> bool:
    """Whether nothing was ever sent to a run but that it be made."""
    return not (run.data.params or run.data.metrics or NOTE in run.data.tags)


def _redacted(values: Any) -> Any:
    """The same values without the credentials of any URI in them."""
    if isinstance(values, dict):
        return {redact(str(key)): _redacted(value) for key, value in values.items()}
    if isinstance(values, list | tuple):
        return [_redacted(value) for value in values]
    return redact(values) if isinstance(values, str) else values


def _forget(run_id: str) -> None:
    """Free what MLflow keeps of a run to which a file was sent: queues and a pool of threads, some
    15 kB, of the last 1,024 runs."""
    from mlflow.tracking._tracking_service import utils

    vars(utils).get("_artifact_repos_cache", {}).pop(run_id, None)
