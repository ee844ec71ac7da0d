"""What a killed and resumed sweep must have in common with an undisturbed one: all but the clock.

`snapshot` reads a case's folder, ledger, frame and MLflow into plain values; two of them are
compared leaf by leaf. What a snapshot alone can be wrong in is found by `flaws`.
"""

import fcntl
import hashlib
import itertools
import re
import shutil
import sqlite3
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from kill_processes import marked
from kill_sweeps import NAME, Home

from sid_sweep.orchestration.home import OWNER
from sid_sweep.search.study import ARM, OUTCOME, open_study
from sid_sweep.spec import SETTLED
from sid_sweep.tracking import read_sweep
from sid_sweep.trials import SweepFolder
from sid_sweep.trials.rows import Columns, rows_of

CLOCK = {
    "seconds", "timestamp_ms", "peak_memory_bytes", "run_id", "metric.cost/samples_per_second",
    "cost/samples_per_second", "cost/seconds", "cost/peak_memory_bytes", "system",
}  # fmt: skip
"""What no two runs have in common."""
SHOWN = 3  # differences of one kind that are printed
RAY_FOLDERS = Path("/tmp")  # where Ray's sockets must lie
STARTING_SECONDS = 60.0  # in which a folder of Ray's may be without a session
OTHERS = re.compile(r"db_init_lock-.*|torchinductor_.*")
"""What MLflow and torch themselves leave among temporary files, one of a store and of a user."""

# ---- what is compared


def snapshot(home: Home) -> dict[str, Any]:
    """All that must be the same whatever happened."""
    folder = SweepFolder(home.sweep)
    return {
        "trials": dict(_trials(folder)),
        "arms": [dict(arm) for arm in folder.arms()],
        "ledger": _ledger(folder),
        "table": _timeless(_cells(rows_of(NAME, folder.entries(folder.sweep())))),
        "MLflow": dict(_runs(home)),
    }


def _trials(folder: SweepFolder) -> Iterator[tuple[str, Any]]:
    for own in folder.trials_like(""):
        result = own.result()
        yield (
            own.path.name,
            {
                "result": result and _timeless(asdict(result)),
                "measurements": [_timeless(asdict(each)) for each in own.measurements()],
                "pictures": {str(images): _sum(path) for images, path in own.pictures()},
                "references": _sum(own.references),
                "student": _sum(own.student),
            },
        )


def _sum(path: Path) -> str:
    """Of a file's bytes; "" where there is none."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else ""


def _ledger(folder: SweepFolder) -> list[Any]:
    """By arm, what Optuna was told; each arm must be told once, and none be left running."""
    with tempfile.TemporaryDirectory() as place:  # opening a study writes
        copy = Path(shutil.copy(folder.journal, place))
        proposals = open_study(copy, folder.sweep()).get_trials(deepcopy=False)
    return sorted(
        [sorted(own.user_attrs[ARM].items()), own.state.name, own.user_attrs.get(OUTCOME, "")]
        for own in proposals
        if own.user_attrs.get(OUTCOME) in SETTLED or not own.state.is_finished()
    ) + sorted(own.values for own in proposals if own.values is not None)


def _runs(home: Home) -> Iterator[tuple[str, Any]]:
    """MLflow's runs by level and name; the same name twice gets a number."""
    found = _query(home, "select run_uuid, name, status from runs where lifecycle_stage = 'active'")
    seen: Counter[str] = Counter()
    for run_id, name, status in sorted(found, key=lambda row: row[1]):
        tags, params = (
            dict(_query(home, f"select key, value from {own} where run_uuid = '{run_id}'"))
            for own in ("tags", "params")
        )
        key = f"{tags.get('sid_sweep.level')}: {name}"
        seen[key] += 1
        again = f" ({seen[key]} times)" if seen[key] > 1 else ""
        yield (
            key + again,
            {
                "status": status,
                "params": params,
                "outcome": tags.get("sid_sweep.outcome"),
                "points": _points(home, run_id),
                "pictures": _pictures(home, run_id),
            },
        )


def _points(home: Home, run_id: str) -> dict[str, Any]:
    """By metric, values by step; of the clock's, steps alone."""
    rows = _query(home, f"select key, step, value from metrics where run_uuid = '{run_id}'")
    groups = itertools.groupby(sorted(rows), key=lambda row: row[0])
    return {
        key: [
            [step] if {key, key.partition("/")[0]} & CLOCK else [step, value]
            for _, step, value in group
        ]
        for key, group in groups
    }


def _pictures(home: Home, run_id: str) -> list[int]:
    """The steps of all pictures that MLflow's slider would show."""
    images = _artifacts(home, run_id) / "images"
    names = [path.name for path in images.glob("*.png")]
    return sorted(int(re.findall(r"step[+%](\d+)", name)[0]) for name in names)


def _artifacts(home: Home, run_id: str) -> Path:
    ((uri,),) = _query(home, f"select artifact_uri from runs where run_uuid = '{run_id}'")
    if uri.startswith("mlflow-artifacts:"):
        return home.server_files / "artifacts" / uri.removeprefix("mlflow-artifacts:").lstrip("/")
    return Path(uri.removeprefix("file://"))


def _query(home: Home, statement: str) -> list[Any]:
    with closing(sqlite3.connect(f"file:{home.database}?mode=ro", uri=True)) as database:
        return database.execute(statement).fetchall()


def _cells(columns: Columns) -> dict[str, list[Any]]:
    """Columns of plain values, None for what is blank: two blanks are the same."""
    return {name: [None if cell != cell else cell for cell in own] for name, own in columns.items()}


def _timeless(values: Any) -> Any:
    """The same without what the clock says."""
    if isinstance(values, dict):
        return {key: _timeless(value) for key, value in values.items() if key not in CLOCK}
    return values


def differences(expected: Any, found: Any, path: str = "") -> Iterator[str]:
    """`path: found x, undisturbed y` for every leaf that is not the same."""
    if isinstance(expected, dict) and isinstance(found, dict):
        for key in dict.fromkeys([*expected, *found]):
            own = f"{path}/{key}" if path else str(key)
            yield from differences(expected.get(key), found.get(key), own)
    elif isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        for place, pair in enumerate(zip(expected, found, strict=True)):
            yield from differences(*pair, f"{path}/{place}")
    elif expected != found:
        yield f"{path}: {_short(found)}, undisturbed {_short(expected)}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 120 else f"{text[:117]}..."


# ---- what is wrong by itself


def flaws(home: Home) -> Iterator[str]:
    """What a finished sweep must not have, whatever it is compared with."""
    yield from _doubled_points(home)
    yield from _other_clock(home)
    yield from _other_frame(home)
    yield from _left_files(home)


def _doubled_points(home: Home) -> Iterator[str]:
    rows = _query(
        home,
        "select runs.name, key, step, count(*) from metrics join runs using (run_uuid) "
        "where lifecycle_stage = 'active' group by run_uuid, key, step having count(*) > 1",
    )
    if rows:
        name, key, step, num = rows[0]
        first = f"{key} at {step} of {name!r}, {num} times"
        yield f"points: {len(rows)} stand more than once, such as {first}"


def _other_clock(home: Home) -> Iterator[str]:
    """What the clock said is the same in MLflow and in the folder."""
    folder = SweepFolder(home.sweep)
    runs = {
        (int(arm), int(seed)): run_id
        for run_id, arm, seed in _query(
            home,
            "select a.run_uuid, a.value, s.value from tags a join tags s using (run_uuid) join "
            "runs using (run_uuid) where a.key = 'sid_sweep.arm' and s.key = 'sid_sweep.seed' "
            "and lifecycle_stage = 'active'",
        )
    }
    for entry in folder.entries(folder.sweep()):
        run_id = runs.get((entry.number, entry.seed))
        sent = set(
            _query(
                home,
                "select step, timestamp, value from metrics where key = 'cost/seconds' and "
                f"run_uuid = '{run_id}'",
            )
        )
        own = {(m.images, m.timestamp_ms, m.seconds) for m in entry.folder.measurements()}
        if missing := own - sent:
            yield f"clock: {entry} lacks {len(missing)} of {len(own)} times in MLflow"


def _other_frame(home: Home) -> Iterator[str]:
    """The table is the same from MLflow as from the folder, the clock included."""
    folder = SweepFolder(home.sweep)
    try:
        tracked, _ = read_sweep(NAME, tracking_uri=home.tracking_uri)
    except LookupError as error:
        yield f"frame: {error.args[0]}"
        return
    own = rows_of(NAME, folder.entries(folder.sweep()))
    own.pop("run_id"), tracked.pop("run_id")
    yield from (f"frame/{text}" for text in differences(_cells(own), _cells(tracked)))


def _left_files(home: Home) -> Iterator[str]:
    """Temporary files and folders of whoever was killed."""
    own = [p for p in home.temporary.iterdir() if not OTHERS.fullmatch(p.name)]
    for path in [*own, *home.user.rglob("*.tmp"), *home.server_files.rglob("*.tmp")]:
        yield f"left file: {path.relative_to(home.path)}"


def ray_folders() -> set[Path]:
    """Ray's folders on this machine, everybody's."""
    return set(RAY_FOLDERS.glob("sid-ray-*"))


def left_ray_folders(before: set[Path], drivers: list[int], *, logs: Path) -> Iterator[str]:
    """Those that these commands have left: a session is called by its driver's process; a folder
    without one, made since, may be anybody's. They are removed; what they log goes to `logs`."""
    for folder in sorted(ray_folders() - before):
        sessions = [path.name for path in folder.glob("ray/session_2*")]
        if any(int(name.rpartition("_")[2]) in drivers for name in sessions):
            yield f"left folder: {folder}"
            for own in folder.glob("ray/session_2*/logs"):
                shutil.copytree(own, logs / own.parent.name, ignore_dangling_symlinks=True)
            shutil.rmtree(folder, ignore_errors=True)
        elif not sessions and not _is_used(folder):
            yield f"left folder: {folder} (empty)"


def _is_used(folder: Path) -> bool:
    """Whether a command holds it, or has just made it: it is about to hold it, or Ray to start."""
    try:
        with suppress(FileNotFoundError), (folder / OWNER).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return time.time() - folder.stat().st_mtime < STARTING_SECONDS
    except BlockingIOError:
        return True
    except OSError:
        return not folder.exists()


def left_processes(mark: str) -> Iterator[str]:
    """What still lives."""
    yield from (f"left process: {process}" for process in marked(mark))


def shortened(problems: list[str]) -> list[str]:
    """A few of each kind, and how many more there are."""
    shown = []
    for kind, group in itertools.groupby(sorted(problems), key=kind_of):
        own = list(group)
        rest = len(own) - SHOWN
        shown += own[:SHOWN] + ([f"{kind}: and {rest} more"] if rest > 0 else [])
    return shown


def kind_of(problem: str) -> str:
    """What went wrong, in a word or two."""
    return re.split(r"[:/]", problem)[0]
