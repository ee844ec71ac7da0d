"""However a search space was got wrong: it is a sweep, or refused in one line, and soon."""

import time
from itertools import islice

import pytest
from mutants import mutants

from sid_sweep.plan import make_plan
from sid_sweep.spec import SpecError, load
from sid_sweep.trials import SweepFolder

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


@pytest.mark.slow
def test_not_one_of_very_many(tmp_path):
    num = 2_000
    assert 0.05 * num < run(1, num, tmp_path) < 0.6 * num
