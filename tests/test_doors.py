"""Rooms and doors: who may import whom, where the heavy libraries are, who spells which path."""

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = [*(ROOT / "sid_sweep").rglob("*.py"), *(ROOT / "analysis").rglob("*.py")]

LIBRARIES = {  # where a library may be imported, lazily or not
    "ray": ("sid_sweep/orchestration/",),
    "optuna": ("sid_sweep/search/", "analysis/verdicts/importance.py"),
    "mlflow": ("sid_sweep/tracking/",),
    "yaml": ("sid_sweep/spec/",),
    "diffusers": ("sid_sweep/nets/outside.py",),
    "fsspec": ("sid_sweep/tracking/replica.py",),
    "huggingface_hub": ("sid_sweep/teachers/hub.py",),
}
ROOMS = {  # which rooms a room may know, lazily or not; a file beside the rooms is one too
    "spec": "",
    "files": "",
    "archives": "files",
    "cache": "files",
    "sums": "files",
    "tensors": "files sums",
    "streams": "",
    "foreign": "spec files cache",
    "diffusion": "spec",
    "nets": "spec files tensors diffusion",
    "data": "spec foreign diffusion streams",
    "student": "spec diffusion nets data streams files tensors",
    "teachers": "spec foreign diffusion nets data streams files archives tensors cache",
    "quality": "spec foreign diffusion data teachers streams files tensors cache",
    "distill": "spec diffusion nets data teachers quality student streams",
    "trials": "spec foreign files archives sums",
    "search": "spec files trials",
    "worker": "spec files archives trials quality distill",
    "orchestration": "spec files trials search worker distill",
    "tracking": "spec files trials",
    "screen": "",
    "activity": "screen",
    "spending": "spec trials screen",
    "console": "spec trials screen",
    "notify": "",
    "estimate": "spec foreign nets",
    "plan": "spec foreign trials screen spending console estimate orchestration",
    "table_referee": "spec trials analysis",
    "exhibit": "trials analysis",
    "exits": "",
    "places": "",
    "manual": "spec",
    "preparation": "spec foreign trials teachers orchestration tracking exits screen activity "
    "spending plan",
    "teaching": "spec teachers quality orchestration screen activity spending plan",
    "session": "spec files trials search table_referee exhibit orchestration tracking exits screen "
    "activity console spending notify plan preparation teaching analysis",
    "command": "spec files trials search exits places screen activity plan notify manual "
    "preparation session",
    "run": "exits places command",
    "sample": "spec places nets trials tracking student quality analysis",
    "__main__": "run sample analysis",
    "analysis": "spec files trials tracking screen places",
}
ABOVE = ("table_referee", "exhibit", "session", "sample", "__main__")
"""Those who ask what the analysis makes of a sweep. It reads what the rooms write, and
no room knows of it."""
PATHS = ("trials", "trial.json", "failure.json", "result.json", "sweep.json", "measurements.jsonl")


@cache
def read(path: Path) -> str:
    return path.read_text()


@cache
def imports(source: str, *, package: str = "") -> set[str]:
    """All that a module imports, anywhere in it but for the type checker, by full names."""
    found: set[str] = set()
    tree = ast.parse(source)
    for_types = [node for node in ast.walk(tree) if isinstance(node, ast.If)]
    for_types = [node for node in for_types if ast.unparse(node.test) == "TYPE_CHECKING"]
    left_out = {id(inner) for node in for_types for inner in ast.walk(node)}
    for node in ast.walk(tree):
        if id(node) in left_out:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: -(node.level - 1) or None] if node.level else []
            module = ".".join([*above, *([node.module] if node.module else [])])
            found |= {f"{module}.{alias.name}" for alias in node.names}
    return found


def package_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).parent.parts)


def room_of(module: str) -> str:
    """The room of a module of this project, or ""."""
    top, _, rest = module.partition(".")
    if top == "analysis":
        return "analysis"
    return rest.partition(".")[0] if top == "sid_sweep" else ""


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_library_is_imported_in_its_room_alone(library):
    users = [
        str(path.relative_to(ROOT))
        for path in SOURCES
        if library in {name.partition(".")[0] for name in imports(read(path))}
    ]
    assert users, f"nothing imports {library}: this test watches an empty room"
    assert [user for user in users if not user.startswith(LIBRARIES[library])] == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_room_knows_those_below_it_alone(path):
    package = package_of(path)
    own = room_of(f"{package}.{path.stem}")
    known = {room_of(name) for name in imports(read(path), package=package)} - {"", own}
    if own != "__init__":
        assert known <= set(ROOMS[own].split())


def test_the_watch_sees_lazy_and_relative_imports():
    source = "def f():\n    from ray import tune\n    import torch.nn\n    from .a import b\n"
    assert imports(source, package="x.y") == {"ray.tune", "torch.nn", "x.y.a.b"}
    assert imports("from ..a import b", package="x.y") == {"x.a.b"}
    assert imports("if TYPE_CHECKING:\n    import torch\nimport os") == {"os"}
    assert room_of("sid_sweep.trials.folder.LOG") == "trials"
    assert room_of("numpy.random") == ""


def test_every_room_is_watched_and_rooms_form_no_circle():
    package = ROOT / "sid_sweep"
    rooms = {p.stem for p in package.iterdir() if p.suffix == ".py" or (p / "__init__.py").exists()}
    assert rooms - {"__init__"} | {"analysis"} == set(ROOMS)
    below: set[str] = set()
    left = dict(ROOMS)
    while left:
        free = [room for room, known in left.items() if set(known.split()) <= below]
        assert free, f"these know each other in a circle: {', '.join(left)}"
        below |= set(free)
        left = {room: known for room, known in left.items() if room not in free}
    assert {room for room, known in ROOMS.items() if "analysis" in known.split()} == set(ABOVE)


def test_files_form_no_circle():
    """Not even a lazy one, within a room or between rooms."""
    modules = {f"{package_of(path)}.{path.stem}": path for path in SOURCES}
    graph = {}
    for module, path in modules.items():
        if path.stem == "__init__":
            continue
        names = imports(read(path), package=package_of(path))
        candidates = names | {name.rpartition(".")[0] for name in names}
        graph[module] = (candidates & set(modules)) - {module}
    while leaves := [m for m, known in graph.items() if not known & set(graph)]:
        graph = {m: known for m, known in graph.items() if m not in leaves}
    assert graph == {}


@pytest.mark.parametrize("name", PATHS)
def test_the_disks_room_alone_spells_its_paths(name):
    spelt = f'"{name}"' if "." in name else f'/ "{name}"'
    users = [path for path in SOURCES if spelt in read(path)]
    assert {path.parent.name for path in users} == {"trials"}


def loaded_by(code: str) -> set[str]:
    """Which heavy libraries a fresh interpreter has loaded after `code`."""
    heavy = {"torch", "ray", "mlflow", "optuna", "pandas", "scipy"}
    report = f"import sys; print(*{heavy} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{report}"], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split())


def test_a_dry_run_loads_nothing_heavy(tmp_path):
    command = ["search_spaces/lambda.yaml", "--dry-run", "--storage", str(tmp_path / "sweeps")]
    assert loaded_by(f"from sid_sweep.run import main; assert main({command!r}) == 0") == set()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("modules", "allowed"),
    [
        ("from sid_sweep import spec, trials, files", set()),
        ("from sid_sweep.worker import job", set()),
        ("from sid_sweep.orchestration import machine, signals, failures, trainable", set()),
        pytest.param("from sid_sweep import search", {"optuna", "pandas"}, marks=pytest.mark.slow),
        pytest.param(
            "from sid_sweep.orchestration import cluster, drive, hooks",
            {"ray", "optuna", "pandas"},
            marks=pytest.mark.slow,
        ),
        ("from sid_sweep import session, table_referee", {"optuna", "pandas"}),
        ("from sid_sweep import tracking", set()),
        ("from sid_sweep.__main__ import main; main([])", set()),
        ("from analysis import sources, compare, trace, verify", {"pandas", "scipy"}),
    ],
)
def test_what_is_light_stays_light(modules, allowed):
    """The driver loads no torch; what Tune loads in a worker loads it there and not before."""
    assert loaded_by(modules) <= allowed
