"""A tracked sweep as rows of the tidy table: the same rows that its folders give."""

import atexit
import json
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .client import absolute, connect, redact
from .mirror import TAG

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

COSTS = {"cost/seconds": "seconds", "cost/peak_memory_bytes": "peak_memory_bytes"}
PAGE = 1000
STUDENT = "generator.safetensors"


def read_sweep(
    name: str, *, tracking_uri: str | None = None
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """All rows of the newest sweep of that name, and its question.

    Raises:
        LookupError: there is no such sweep, or the store cannot be read; one line.
    """
    from_where = redact(tracking_uri or "MLflow's default store")
    client = connect(tracking_uri)
    store = absolute(client.tracking_uri).removeprefix("sqlite:///")
    if store.startswith("/") and not Path(store).exists():  # asking MLflow would create it
        raise LookupError(
            f"no sweep {name!r}: there is no {store}; run the sweep in this folder first"
        )
    from mlflow.exceptions import MlflowException

    try:
        experiment = client.get_experiment_by_name(name)
        if experiment is None:
            known = sorted(e.name for e in client.search_experiments() if e.name != "Default")
            hint = f"; there are {', '.join(known)}" if known else "; it holds no sweep yet"
            raise LookupError(f"no sweep {name!r} in {from_where}{hint}")
        parents = client.search_runs(
            [experiment.experiment_id],
            f"tags.`{TAG}level` = 'sweep'",
            order_by=["attributes.start_time DESC"],
            max_results=1,
        )
        if not parents:
            raise LookupError(f"experiment {name!r} in {from_where} holds no sweep of sid_sweep")
        parent = parents[0].info.run_id
        question = _question(client, parent)
        runs = _seed_runs(client, experiment.experiment_id, parent)
        arms = _arms(runs)
        rows = [row for run in runs for row in _rows(client, name, run, arms)]
    except MlflowException as error:
        first = redact(str(error).strip().splitlines()[0])
        raise LookupError(f"{from_where} cannot be read: {first}") from None
    return rows, question


def fetch_student(run_id: str, *, tracking_uri: str | None = None) -> Path:
    """A run's exported student, in a temporary folder that lives as long as this process.

    Raises:
        LookupError: there is no such run, or it has exported none.
    """
    from mlflow.exceptions import MlflowException

    client, folder = connect(tracking_uri), tempfile.mkdtemp(prefix="sid-student-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    try:
        return Path(client.download_artifacts(run_id, STUDENT, folder))
    except (MlflowException, OSError) as error:
        from_where = redact(tracking_uri or "MLflow's default store")
        reason = redact(str(error).strip().splitlines()[0])
        raise LookupError(
            f"run {run_id} in {from_where} has no {STUDENT}: {reason}; name a seed's finished run"
        ) from None


def _question(client: "MlflowClient", parent: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = client.download_artifacts(parent, "question.json", folder)
        return json.loads(Path(path).read_text("utf-8"))


def _seed_runs(client: "MlflowClient", experiment_id: str, parent: str) -> list["Run"]:
    found: list[Run] = []
    token = None
    while True:
        page = client.search_runs(
            [experiment_id],
            f"tags.`{TAG}level` = 'seed' AND tags.`{TAG}parent` = '{parent}'",
            max_results=PAGE,
            page_token=token,
        )
        found += page
        token = page.token
        if not token:
            break
    return sorted(found, key=lambda r: (_tag(r, "arm", int), _tag(r, "seed", int)))


def _arms(runs: list["Run"]) -> dict[str, int]:
    """A number for each arm. The runs' own may clash: a ledger that was resumed counts anew."""
    values = dict.fromkeys(run.data.tags[f"{TAG}values"] for run in runs)
    return {arm: index for index, arm in enumerate(values)}


def _rows(
    client: "MlflowClient", sweep: str, run: "Run", arms: dict[str, int]
) -> list[dict[str, Any]]:
    by_images: dict[int, dict[str, float]] = {}
    for key in run.data.metrics:
        for point in client.get_metric_history(run.info.run_id, key):
            by_images.setdefault(point.step, {})[key] = point.value
    last = max(by_images, default=0)
    outcome = run.data.tags.get(f"{TAG}outcome", "running")
    values = json.loads(run.data.tags[f"{TAG}values"])
    return [
        {
            "sweep": sweep,
            "arm": arms[run.data.tags[f"{TAG}values"]],
            "seed": _tag(run, "seed", int),
            "trial": run.data.tags[f"{TAG}trial"],
            "run_id": run.info.run_id,
            "outcome": outcome,
            "cause": run.data.tags.get(f"{TAG}cause", ""),
            "images": images,
            **{column: float(metrics.get(key, 0.0)) for key, column in COSTS.items()},
            "final": images == last,
            **{f"param.{knob}": value for knob, value in values.items()},
            **{f"metric.{key}": value for key, value in metrics.items() if key not in COSTS},
        }
        for images, metrics in sorted(by_images.items() or [(0, {})])
    ]


def _tag(run: "Run", name: str, kind: type) -> Any:
    return kind(run.data.tags[f"{TAG}{name}"])
