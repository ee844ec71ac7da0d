"""MLflow's nouns, said once: runs, tags, params, points, pictures and files of one experiment."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from .client import redact

if TYPE_CHECKING:
    from mlflow import MlflowClient

MAX_PARAM_CHARACTERS = 500
MAX_TAG_CHARACTERS = 5000
MAX_PARAMS, MAX_POINTS = 100, 900  # of one call; MLflow takes 100 and 1,000
TAG = "sid_sweep."  # before every tag of ours

Point = tuple[str, float, int, int]
"""Name, value, milliseconds since 1970, images."""


class Store:
    """An experiment in an MLflow store. No text leaves with a password in it."""

    def __init__(self, client: "MlflowClient", name: str, *, description: str) -> None:
        self.client = client
        if (found := client.get_experiment_by_name(name)) is not None:
            self.experiment_id = found.experiment_id
            if found.lifecycle_stage == "deleted":  # MLflow keeps its name, so none can replace it
                client.restore_experiment(found.experiment_id)
            return
        kind = {"mlflow.experimentKind": "custom_model_development"}
        tags = {"mlflow.note.content": redact(description), **kind}
        self.experiment_id = client.create_experiment(name, tags=tags)

    def create(self, name: str, tags: dict[str, str], *, parent: str) -> str:
        """A new run, running; returns its id."""
        nesting = {"mlflow.parentRunId": parent} if parent else {}
        source = {"mlflow.source.name": "sid_sweep", "mlflow.source.type": "LOCAL"}
        own = {f"{TAG}{key}": redact(value)[:MAX_TAG_CHARACTERS] for key, value in tags.items()}
        every = {**own, **nesting, **source}
        made = self.client.create_run(self.experiment_id, run_name=redact(name), tags=every)
        return made.info.run_id

    def restore(self, run_ids: set[str]) -> None:
        """Bring back those of these runs that somebody deleted: the folders still have them."""
        from mlflow.entities import ViewType

        deleted: set[str] = set()
        token = None
        while True:
            page = self.client.search_runs(
                [self.experiment_id], run_view_type=ViewType.DELETED_ONLY, page_token=token
            )
            deleted |= {run.info.run_id for run in page}
            if not (token := page.token):
                break
        for run_id in sorted(deleted & run_ids):
            self.client.restore_run(run_id)

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

    def end(self, run_id: str, status: Literal["FINISHED", "FAILED", "KILLED"]) -> None:
        """Let a run be over."""
        self.client.set_terminated(run_id, status)

    def describe(self, run_id: str, text: str) -> None:
        """Markdown that MLflow shows on top of a run."""
        self._log_tags(run_id, {"mlflow.note.content": text})

    def tag(self, run_id: str, tags: dict[str, str]) -> None:
        """Tags of ours, which may change."""
        self._log_tags(run_id, {f"{TAG}{key}": value for key, value in tags.items()})

    def params(self, run_id: str, values: dict[str, Any]) -> None:
        """Values that never change."""
        from mlflow.entities import Param

        params = [Param(k, redact(str(v))[:MAX_PARAM_CHARACTERS]) for k, v in values.items()]
        for start in range(0, len(params), MAX_PARAMS):
            self.client.log_batch(run_id, params=params[start : start + MAX_PARAMS])

    def points(self, run_id: str, points: Iterable[Point]) -> None:
        """Values of metrics; one that is there already, with its time, is ignored."""
        from mlflow.entities import Metric

        metrics = [Metric(*point) for point in points]
        for start in range(0, len(metrics), MAX_POINTS):
            self.client.log_batch(run_id, metrics=metrics[start : start + MAX_POINTS])

    def picture(self, run_id: str, path: Path, *, images: int) -> None:
        """A picture for MLflow's slider."""
        from PIL import Image

        with Image.open(path) as picture:
            shown = picture.copy()
        self.client.log_image(run_id, shown, key="samples", step=images, synchronous=True)

    def file(self, run_id: str, path: Path) -> None:
        """A file as it is."""
        self.client.log_artifact(run_id, str(path))

    def text(self, run_id: str, text: str, name: str) -> None:
        """A text file."""
        self.client.log_text(run_id, redact(text), name)

    def json(self, run_id: str, values: dict[str, Any], name: str) -> None:
        """A JSON file."""
        self.client.log_dict(run_id, _redacted(values), name)

    def view(self, name: str, columns: list[str]) -> None:
        """What the runs table shows when it is opened with this view: by default, no metric."""
        state = {"selectedColumns": columns, "runsHiddenMode": "SHOW_ALL"}
        key = f"mlflow.sharedViewState.{name}"
        self.client.set_experiment_tag(self.experiment_id, key, json.dumps(state))

    def _log_tags(self, run_id: str, tags: dict[str, str]) -> None:
        from mlflow.entities import RunTag

        values = [RunTag(key, redact(value)[:MAX_TAG_CHARACTERS]) for key, value in tags.items()]
        self.client.log_batch(run_id, tags=values)


def _redacted(values: Any) -> Any:
    """The same values without the credentials of any URI in them."""
    if isinstance(values, dict):
        return {redact(str(key)): _redacted(value) for key, value in values.items()}
    if isinstance(values, list | tuple):
        return [_redacted(value) for value in values]
    return redact(values) if isinstance(values, str) else values
