"""However a search space was got wrong: it is a sweep, or refused in one line, and soon."""

import random
import time
from itertools import islice
from pathlib import Path

import pytest
import yaml
from mutants import VALUES, mutants

from sid_sweep.plan import make_plan
from sid_sweep.spec import SpecError, load
from sid_sweep.spec.knobs import manual
from sid_sweep.trials import SweepFolder

LAMBDA = Path(__file__).parents[1] / "lambda.yaml"
SECONDS = 60  # of one mutant, on a machine that does much else


def refusal(text, folder):
    """Why a mutant is no sweep; "" if it can be planned."""
    path = folder / "space.yaml"
    path.write_text(text)
    try:
        sweep = load(path)
        folder = SweepFolder(folder / "sweeps" / sweep.sweep)
        make_plan(sweep, folder, address="host").render(dry_run=True)
    except SpecError as error:
        return str(error)
    return ""


def run(seed, num, folder):
    """How many of so many mutants are sweeps."""
    sweeps = 0
    for name, text in islice(mutants(seed), num):
        began = time.monotonic()
        try:
            told = refusal(text, folder)
        except Exception as error:
            raise AssertionError(f"mutant {name}:\n{text}") from error
        assert len(told.splitlines()) == bool(told), f"mutant {name}: {told!r}"
        assert time.monotonic() - began < SECONDS, f"mutant {name}:\n{text}"
        sweeps += not told
    return sweeps


def test_no_mutant_ends_in_a_traceback(tmp_path):
    num = 60
    assert 0 < run(0, num, tmp_path) < num


@pytest.mark.long
def test_not_one_of_very_many(tmp_path):
    num = 2_000
    assert 0.05 * num < run(1, num, tmp_path) < 0.6 * num


def overrides(seed):
    """`--set` texts without end: a knob or a group of it, or a key below, with any value."""
    draw, paths = random.Random(seed), [knob.path for knob in manual()]
    while True:
        path = draw.choice(paths)
        path = draw.choice([path, path, path.rpartition(".")[0] or path, f"{path}.a"])
        value = yaml.safe_dump(draw.choice(VALUES), default_flow_style=True, width=10**6)
        yield f"{path}={value.removesuffix('...' + chr(10)).strip()}"


@pytest.mark.slow
def test_what_an_override_breaks_is_said_of_it_in_one_line():
    told = {}
    for override in islice(overrides(0), 150):
        try:
            load(LAMBDA, [override])
        except SpecError as error:
            told[override] = str(error)
    assert 75 < len(told) < 150
    assert [line for line in told.values() if len(line.splitlines()) != 1] == []
    paths = {override: override.partition("=")[0] for override in told}
    assert [o for o, line in told.items() if not line.startswith(f"--set {paths[o]}=")] == []
