"""Each heavy library has one room; what must answer at once loads none of them."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = [*(ROOT / "sid_sweep").rglob("*.py"), *(ROOT / "analysis").rglob("*.py")]

ROOMS = {  # library: where it may be imported, lazily or not
    "ray": ("sid_sweep/orchestration/",),
    "optuna": ("sid_sweep/orchestration/search.py",),
    "mlflow": ("sid_sweep/tracking/",),
    "yaml": ("sid_sweep/spec/",),
    "ot": ("sid_sweep/quality/",),
    "sid_sweep": ("sid_sweep/", "analysis/compare.py"),
}


def imported(source: str) -> set[str]:
    """Top-level packages that a module imports anywhere in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add((node.module or "").partition(".")[0])
    return found


@pytest.mark.parametrize("library", ROOMS)
def test_a_library_is_imported_in_its_room_alone(library):
    users = [
        str(path.relative_to(ROOT)) for path in SOURCES if library in imported(path.read_text())
    ]
    assert users, f"nothing imports {library}: this test watches an empty room"
    assert [user for user in users if not user.startswith(ROOMS[library])] == []


def test_the_watch_sees_lazy_imports():
    assert imported("def f():\n    from ray import tune\n    import torch.nn") == {"ray", "torch"}


@pytest.mark.parametrize("package", ["diffusion", "nets", "data", "teachers", "quality", "distill"])
def test_the_pure_part_needs_only_the_pure_part(package):
    """`distill` runs where there is only torch: no room below it knows of orchestration or
    tracking."""
    for path in (ROOT / "sid_sweep" / package).rglob("*.py"):
        text = path.read_text()
        assert "orchestration" not in text.replace("orchestration:", "")
        assert "tracking" not in text


def loaded_by(code: str) -> set[str]:
    """Which heavy libraries a fresh interpreter has loaded after `code`."""
    report = "import sys; print(*{'torch', 'ray', 'mlflow', 'optuna', 'pandas'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{report}"], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split())


def test_a_dry_run_loads_nothing_heavy(tmp_path):
    command = ["search_spaces/lambda.yaml", "--dry-run", "--storage", str(tmp_path / "sweeps")]
    assert loaded_by(f"from sid_sweep.run import main; assert main({command!r}) == 0") == set()
    assert list(tmp_path.iterdir()) == []


def test_the_driver_loads_no_torch():
    modules = "drive, events, folder, hooks, job, machine, record, rows, search"
    assert "torch" not in loaded_by(f"from sid_sweep.orchestration import {modules}")
