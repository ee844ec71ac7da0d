"""What a trial costs as a sweep grows: the command on a sweep of near-empty trials, all included.

    python tests/benchmarks/growth.py [--trials 1000] [--first 10]

One run of the command; while it goes on, how many trials are done and what the command's process
has used are noted. Its first trials are those of a small sweep, so that cost per trial is compared
within one run, with imports and start-up left out. Then the finished sweep is asked for again, and
then a few times with one trial missing, beside a small sweep that misses one.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

SPACE = """\
question: How long does nothing take?
sweep: nothing
objective: {{metric: js}}
seeds: 4
scientific: {{generator.optim.lr: {{choice: {rates}}}}}
fixed:
  data: {{kind: mixture, name: ring8}}
  generator: {{init: {{kind: random, net: {{kind: mlp, width: 16, depth: 2}}}}}}
  fake_score: {{init: {{kind: random, net: {{kind: mlp, width: 16, depth: 2}}}}}}
  batch: {{latents: 32}}
  budget: {{images: 32}}
  evaluation: {{times: 1, samples: 64}}
"""
COMMAND = [sys.executable, "-m", "sid_sweep.run", "space.yaml"]
SMALL = 8  # trials
STARTS = 5
TICKS = os.sysconf("SC_CLK_TCK")


def used(pid: int) -> tuple[float, float]:
    """Seconds of CPU and MiB in memory of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    resident = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return (int(fields[11]) + int(fields[12])) / TICKS, resident / 2**20


def follow(process: subprocess.Popen, folder: Path) -> list[tuple[int, float, float, float]]:
    """(trials done, wall clock, seconds of CPU, MiB) of the command, twice a second."""
    seen, began = [], time.perf_counter()
    while process.poll() is None:
        done = sum(1 for _ in folder.glob("sweeps/nothing/trials/*/result.json"))
        if not seen or done > seen[-1][0]:
            try:
                seen.append((done, time.perf_counter() - began, *used(process.pid)))
            except OSError:
                break
        time.sleep(0.5)
    return seen


def between(seen: list, first: int, last: int) -> tuple[float, float, float]:
    """Wall clock and CPU per trial from one count to another, and MiB at its end."""
    begin = next(row for row in seen if row[0] >= first)
    end = next((row for row in seen if row[0] >= last), seen[-1])
    num = max(1, end[0] - begin[0])
    return (end[1] - begin[1]) / num, (end[2] - begin[2]) / num, end[3]


def peaks(folder: Path) -> list[float]:
    """MiB of every trial, in the order in which they ended."""
    from sid_sweep.trials import TrialFolder

    ended = sorted(folder.glob("sweeps/nothing/trials/*/result.json"), key=os.path.getmtime)
    results = [TrialFolder(path.parent).result() for path in ended]
    return [result.peak_memory_bytes / 2**20 for result in results if result is not None]


def run(folder: Path, num_trials: int) -> list[tuple[int, float, float, float]]:
    """The command, to its end, and what was seen of it."""
    folder.mkdir()
    rates = [1e-4 * (1 + arm) for arm in range(num_trials // 4)]
    (folder / "space.yaml").write_text(SPACE.format(rates=rates))
    with (folder / "output").open("w") as output:
        process = subprocess.Popen(COMMAND, cwd=folder, stdout=output, stderr=output)
        seen = follow(process, folder)
    if process.returncode:
        sys.exit((folder / "output").read_text()[-5000:])
    return seen


def start(folder: Path) -> tuple[float, float]:
    """Seconds until a sweep that misses one trial starts Ray, and until that trial begins."""
    missing = next(folder.glob("sweeps/nothing/trials/*"))
    shutil.rmtree(missing)
    began, reached = time.perf_counter(), 0.0
    with (folder / "again").open("w") as output:
        process = subprocess.Popen(COMMAND, cwd=folder, stdout=output, stderr=output)
        while process.poll() is None and not (missing / "trial.json").exists():
            if not reached and "starting Ray" in (folder / "again").read_text():
                reached = time.perf_counter() - began
            time.sleep(0.05)
        begun = time.perf_counter() - began
        process.wait()
    return reached, begun


def spread(seconds: Sequence[float]) -> str:
    """`9.4 s (8.7 to 9.9)`: the middle and the ends."""
    return f"{median(seconds):.1f} s ({min(seconds):.1f} to {max(seconds):.1f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--first", type=int, default=10, help="trials of a small sweep")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder, small = Path(place) / "large", Path(place) / "small"
        seen = run(folder, options.trials)
        print(f"{'trials':>14}{'seconds':>10}{'CPU s':>10}  of the command for each{'MiB':>8}")
        tenth = options.trials // 10
        bounds = [(2, 2 + options.first)]
        bounds += [(i * tenth, (i + 1) * tenth) for i in (1, 3, 5, 7, 9)]
        for first, last in bounds:
            wall, cpu, mib = between(seen, first, last)
            print(f"{first:6} to{last:5}{wall:10.3f}{cpu:10.3f}{'':26}{mib:8.0f}")
        own = peaks(folder)
        num = len(own)
        for name, part in (("first", own[2:12]), ("last", own[-10:])):
            print(f"peak of a trial, {name} ten of {num}: {min(part):.0f} to {max(part):.0f} MiB")
        began = time.perf_counter()
        subprocess.run(COMMAND, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        print(f"the finished sweep again, with its table: {time.perf_counter() - began:.1f} s")
        run(small, SMALL)
        for num, own in ((options.trials, folder), (SMALL, small)):
            reached, begun = zip(*(start(own) for _ in range(STARTS)), strict=True)
            print(f"one of {num} left: starts Ray after {spread(reached)}, ", end="")
            print(f"begins the trial after {spread(begun)}")


if __name__ == "__main__":
    main()
