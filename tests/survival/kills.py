"""Kill a sweep again and again, in every way and at every nasty moment, and see that nothing is
lost: `python tests/survival/kills.py --kills N --seed S`.

A case starts a small sweep, kills one of its processes at its moment, waits for the command to end,
runs the same command once more, which must exit with 0, and compares all that is left with an
undisturbed run of the same sweep. A sweep may be over before its moment comes, so cases are drawn
until there were N kills. With `--each K` it is killed K times in turn before it may finish, first
early in the sweep and then later; what has not been killed when its last trial is left is killed
then. `--only` takes victims and moments; `--seed S --case K` runs one case again, as far as timing
allows. What failed keeps its folder.
"""

import argparse
import itertools
import json
import math
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[2]))

from kill_moments import MOMENTS, durations, read_durations
from kill_processes import end_all, of_role, survivors
from kill_sweeps import VARIANTS, Home, kill_server

LOOK_SECONDS = 0.004  # oftener would take the core from the sweep
LATE_LOOKS = 50  # so many go by before results are counted
END_SECONDS = 120.0  # within which a command ends after a kill, beside what is left of the sweep
LEAST_SECONDS = 600.0  # for a run that nobody disturbs
LATE_SECONDS = 5.0  # within which a moment comes at last, once a single trial is left
SURVIVE_SECONDS = 30.0  # within which all processes of an ended command are gone
CASE_SECONDS = 1800.0
BARREN = 10  # cases without a kill in a row, after which none is hoped for
RERUNS = 3  # at most, where it says each time but the last:
UNSENT = "could not be sent"  # then the same command is to send it
SIGNALS = {
    "SIGKILL": [signal.SIGKILL],
    "SIGTERM": [signal.SIGTERM],
    "SIGINT": [signal.SIGINT],
    "SIGINT twice": [signal.SIGINT, signal.SIGINT],
}
"""What the command itself gets; all other victims get SIGKILL."""
ALWAYS = ("random", "report", "checkpoint", "result", "table")
MATRIX = {
    "SIGKILL": ("random", "report", "checkpoint", "result", "migration", "teacher", "table",
                "twice"),
    "SIGTERM": (*ALWAYS, "migration", "teacher"),
    "SIGINT": (*ALWAYS, "migration", "teacher"),
    "SIGINT twice": (*ALWAYS, "migration", "teacher"),
    "actor": ("random", "report", "checkpoint", "result", "twice"),
    "worker": ("random", "report", "checkpoint", "result"),
    "raylet": (*ALWAYS, "twice"),
    "gcs": (*ALWAYS, "twice"),
    "mlflow": ("random", "report", "result", "table", "twice"),
}  # fmt: skip
"""Which victims are killed at which moments."""


class Strike(NamedTuple):
    """Who is killed when."""

    victim: str
    moment: str

    def __str__(self) -> str:
        return f"{self.victim} at {self.moment}"


@dataclass(frozen=True)
class Case:
    """Who is killed when, one after another; a function of seed, number and how often."""

    seed: int
    number: int
    strikes: tuple[Strike, ...]
    variant: str

    @property
    def draw(self) -> random.Random:
        """Its random numbers, from the start."""
        return random.Random(f"{self.seed}/{self.number}")

    def __str__(self) -> str:
        told = ", ".join(map(str, self.strikes))
        return f"case {self.number} seed {self.seed}  {told} ({self.variant})"


@dataclass
class Verdict:
    """How a case went."""

    case: str
    problems: list[str]
    statuses: list[int] = field(default_factory=list)
    killed: list[tuple[str, str, float]] = field(default_factory=list)
    """Victims, moments, and seconds since the command's start."""
    seconds: float = 0.0
    folder: str = ""

    def __str__(self) -> str:
        how = "FAILED" if self.problems else "ok"
        kills = ", ".join(f"{own[0]} after {own[2]:.2f} s" for own in self.killed) or "nobody"
        line = f"{self.case}  killed {kills}  status {self.statuses}  {self.seconds:.0f} s  {how}"
        return "\n".join([line, *(f"    {text}" for text in self.problems)])


PAIRS = [Strike(victim, moment) for victim, moments in MATRIX.items() for moment in moments]
VARIANT_OF = {"worker": "workers", "mlflow": "server"}
ORDER = ("migration", "teacher", "random", "report", "checkpoint", "result", "table")
"""The moments as a sweep comes by them."""


def make_case(seed: int, number: int, *, each: int = 1) -> Case:
    """Every pair of victim and moment in turn, in an order that the seed shuffles; and beside it
    `each` - 1 others that the same sweep can meet."""
    pairs = list(PAIRS)
    random.Random(seed).shuffle(pairs)
    first = pairs[number % len(pairs)]
    if first.moment == "twice":
        strikes, each = [Strike(first.victim, "random")] * 2, max(2, each)
    else:
        strikes = [first]
    variant = VARIANT_OF.get(first.victim, "teacher" if first.moment == "teacher" else "plain")
    draw = random.Random(f"{seed}/{number}/others")
    others = [own for own in pairs if own.moment != "twice" and _meets(variant, own)]
    strikes += [draw.choice(others) for _ in range(each - len(strikes))]
    strikes.sort(key=lambda own: ORDER.index(own.moment))
    return Case(seed, number, tuple(strikes), variant)


def _meets(variant: str, strike: Strike) -> bool:
    """Whether a variant has the victim and the moment."""
    wanted = VARIANT_OF.get(strike.victim, variant)
    comes = {"teacher": variant == "teacher", "migration": variant != "server"}
    return wanted == variant and comes.get(strike.moment, True)


def cases(seed: int, *, only: set[str], each: int = 1) -> Iterator[Case]:
    """All cases that are asked for, without end."""
    every = (make_case(seed, number, each=each) for number in itertools.count())
    return (case for case in every if not only or only & _words(case))


def _words(case: Case) -> set[str]:
    """What `--only` may call it."""
    return {case.variant, *itertools.chain.from_iterable(case.strikes)}


# ---- one case


class Run:
    """A case in its folder: kills, runs again, and says what is wrong."""

    def __init__(self, case: Case, folder: Path, reference: Home) -> None:
        self.case, self.draw = case, case.draw
        self.home = Home(folder, case.variant)
        self.reference = reference
        self.times = read_durations(reference)
        self.problems: list[str] = []
        self.statuses: list[int] = []
        self.killed: list[tuple[str, str, float]] = []
        self.drivers: list[int] = []
        self._server = self.home.start_server() if self.home.has_server else None

    def play(self) -> Verdict:
        """All of it; nothing of the case lives afterwards."""
        import kill_judge as judge

        began, before = time.monotonic(), judge.ray_folders()
        try:
            self._disturb()
            done = self._results()
            self._restart_server()
            self._rerun()
            if self._results() | done != self._results():
                self.problems.append("done twice: a trial that had a result has another one")
            self.problems += judge.differences(
                judge.snapshot(self.reference), judge.snapshot(self.home)
            )
            self.problems += judge.flaws(self.home)
        except Exception as error:
            self.problems.append(f"unreadable: {type(error).__name__}: {error}")
        finally:
            self._stop_server()
            survivors(self.home.mark, seconds=SURVIVE_SECONDS)
            self.problems += judge.left_processes(self.home.mark)
            end_all(self.home.mark)
        self.problems += judge.left_ray_folders(
            before, self.drivers, logs=self.home.path / "ray-logs"
        )
        self.problems += self._tracebacks()
        return Verdict(
            str(self.case), judge.shortened(self.problems), self.statuses, self.killed,
            time.monotonic() - began, str(self.home.path),
        )  # fmt: skip

    def _start(self) -> subprocess.Popen[bytes]:
        self._began = time.monotonic()
        process = self.home.start(len(self.drivers))
        self.drivers.append(process.pid)
        return process

    def _disturb(self) -> None:
        """Run the command, and kill again and again: it ends in bounded time, or goes on, and then
        the next kill meets the same run."""
        process = None
        for strike in self.case.strikes:
            self._restart_server()
            process = process or self._start()
            self._strike(process, strike)
            if strike.victim in SIGNALS or process.poll() is not None:
                self._wait(process, END_SECONDS + self.times["seconds"])
                process = None
        if process is not None:
            self._wait(process, END_SECONDS + self.times["seconds"])

    def _strike(self, process: subprocess.Popen[bytes], strike: Strike) -> None:
        """Kill at the moment, unless the command ends before."""
        late = self._late() if strike.moment != "table" else itertools.repeat(None)
        for _ in zip(MOMENTS[strike.moment](self.home, self.draw, self.times), late, strict=False):
            if process.poll() is not None:
                break
            time.sleep(LOOK_SECONDS)
        while process.poll() is None:
            seconds = time.monotonic() - self._began
            if self._kill(process, strike.victim):
                self.killed.append((*strike, seconds))
                break
            time.sleep(LOOK_SECONDS)

    def _late(self) -> Iterator[None]:
        """Until a single trial is left, and a little longer: else nothing would be left to kill."""
        while len(self._results()) < self.times["trials"] - 1:
            yield from itertools.repeat(None, LATE_LOOKS)
        deadline = time.monotonic() + self.draw.uniform(0, LATE_SECONDS)
        while time.monotonic() < deadline:
            yield

    def _kill(self, process: subprocess.Popen[bytes], victim: str) -> bool:
        """Kill the victim; False where there is none yet."""
        if victim in SIGNALS:
            for number, sent in enumerate(SIGNALS[victim]):
                if number:
                    time.sleep(self.draw.uniform(0.05, 1))
                if process.poll() is None:
                    _send(process, sent)
            return True
        if victim == "mlflow":
            assert self._server is not None
            kill_server(self._server)
            self._server = None
            if self.draw.random() < 0.5:
                time.sleep(self.draw.uniform(0, 5))
                self._restart_server()
            return True
        found = of_role(self.home.mark, victim)
        if found:
            os.kill(self.draw.choice(found).pid, signal.SIGKILL)
        return bool(found)

    def _wait(self, process: subprocess.Popen[bytes], seconds: float) -> None:
        try:
            self.statuses.append(process.wait(seconds))
        except subprocess.TimeoutExpired:
            self.problems.append(f"no end: the command went on for {seconds:.0f} s after the kill")
            end_all(self.home.mark)
            self._server = None
            self.statuses.append(process.wait())

    def _rerun(self) -> None:
        """The same command exits with 0, at once; it is run again only while it says that something
        is still to be sent."""
        for _ in range(RERUNS):
            process = self._start()
            self._wait(process, max(LEAST_SECONDS, 3 * self.times["seconds"]))
            is_sent = UNSENT not in self._told(-1)
            if self.statuses[-1] == 0 and is_sent:
                return
            if self.statuses[-1]:
                break
        end = self._told(-1).splitlines()[-1:]
        self.problems.append(f"not resumed: the command exits with {self.statuses[-1]} ({end})")

    def _restart_server(self) -> None:
        if self.home.has_server and self._server is None:
            self._server = self.home.start_server()

    def _stop_server(self) -> None:
        if self._server is not None:
            kill_server(self._server)

    def _results(self) -> set[tuple[str, int, int]]:
        """Every result as the file that it is: one that is written again is another."""
        paths = (self.home.sweep / "trials").glob("*/result.json")
        stats = ((path.parent.name, path.stat()) for path in paths)
        return {(name, stat.st_ino, stat.st_mtime_ns) for name, stat in stats}

    def _told(self, turn: int) -> str:
        """What a command printed."""
        return self.home.output(turn % len(self.drivers)).read_text("utf-8", "replace")

    def _tracebacks(self) -> Iterator[str]:
        for turn in range(len(self.drivers)):
            if "Traceback" in self._told(turn):
                yield f"traceback: on the console, {self.home.output(turn)}"


def _send(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Ctrl-C reaches all of a terminal's foreground processes, other signals the command alone."""
    if number is signal.SIGINT:
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)


# ---- references


def make_reference(folder: Path, variant: str) -> Home:
    """The undisturbed run of a variant, made at first use; it must be sound by itself.

    Raises:
        AssertionError: it is not.
    """
    home = Home(folder / f"reference-{variant}", variant)
    if (home.path / "durations.json").exists():
        return home
    shutil.rmtree(home.path)
    home = Home(home.path, variant)
    try:
        server = home.start_server() if home.has_server else None
        began = time.time()
        status = home.start(0).wait(LEAST_SECONDS)
        ended = time.time()
        found = [] if status else list(_flaws(home))
        if server is not None:
            kill_server(server)
    finally:
        end_all(home.mark)
    assert status == 0, f"{variant}: exit status {status}, {home.output(0).read_text()}"
    assert not found, f"{variant}: {found}"
    times = durations(home, began=began, ended=ended)
    (home.path / "durations.json").write_text(json.dumps(times))
    return home


def _flaws(home: Home) -> Iterator[str]:
    import kill_judge as judge

    return judge.flaws(home)


# ---- many cases


def place(folder: Path, case: Case) -> Path:
    """Where a case lies."""
    return folder / f"case-{case.seed}-{case.number:04d}"


def play(case: Case, folder: Path) -> Verdict:
    """A case in a folder of its own below `folder`, beside the reference's."""
    own = place(folder, case)
    shutil.rmtree(own, ignore_errors=True)
    verdict = Run(case, own, Home(folder / f"reference-{case.variant}", case.variant)).play()
    if not verdict.problems:
        shutil.rmtree(own, ignore_errors=True)
    return verdict


def until_killed(
    num: int, drawn: Iterator[Case], play: Callable[[list[Case]], Iterable[Verdict]], *, each: int
) -> Iterator[tuple[Case, Verdict]]:
    """Cases in their order until there were so many kills, or `BARREN` cases in a row had none.

    Args:
        each: kills that a case hopes for.
        play: some cases.
    """
    barren = 0
    while num > 0 and barren < BARREN:
        chosen = list(itertools.islice(drawn, math.ceil(num / each)))
        for case, verdict in zip(chosen, play(chosen), strict=True):
            num -= len(verdict.killed)
            barren = 0 if verdict.killed else barren + 1
            yield case, verdict


class Apart:
    """Cases in processes of their own, which can be given up, and which end with this one."""

    def __init__(self, folder: Path, *, each: int) -> None:
        self._folder, self._each = folder, each
        self._running: dict[Path, subprocess.Popen[str]] = {}

    def play(self, case: Case) -> Verdict:
        """One of them."""
        own = place(self._folder, case)
        words = [sys.executable, __file__, "--seed", str(case.seed), "--case", str(case.number)]
        words += ["--each", str(self._each), "--folder", str(self._folder), "--json"]
        child = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=self._folder)
        self._running[own] = child
        try:
            output, _ = child.communicate(timeout=CASE_SECONDS)
            return Verdict(**json.loads(output.splitlines()[-1]))
        except (subprocess.TimeoutExpired, ValueError, IndexError) as error:
            self._give_up(own)
            problem = f"harness: {type(error).__name__}: {str(error)[-300:]}"
            return Verdict(str(case), [problem], folder=str(own))
        finally:
            self._running.pop(own, None)

    def _give_up(self, own: Path) -> None:
        self._running[own].kill()
        end_all(str(own))

    def end(self, number: int, frame: object) -> None:
        """A signal: nothing of any case, nor of a reference, is left behind."""
        for own in list(self._running):
            self._give_up(own)
        for variant in VARIANTS:
            end_all(str(self._folder / f"reference-{variant}"))
        os._exit(128 + number)


def table(verdicts: list[Verdict]) -> str:
    """Kills by victim and moment, and how many of them lie in cases that failed, in Markdown."""
    moments = list(ORDER)
    num = Counter((who, when) for own in verdicts for who, when, _ in own.killed)
    bad = Counter((who, when) for own in verdicts if own.problems for who, when, _ in own.killed)

    def cell(victim: str, moment: str) -> str:
        pair = victim, moment
        return f"{num[pair]} / {bad[pair]}" if num[pair] else "-"

    lines = [
        "| kills / in cases that failed | " + " | ".join(moments) + " |",
        "| :--- |" + " ---: |" * len(moments),
        *(
            f"| {victim} | " + " | ".join(cell(victim, moment) for moment in moments) + " |"
            for victim in MATRIX
        ),
    ]
    return "\n".join(lines)


def by_kind(verdicts: list[Verdict]) -> str:
    """How many cases show each kind of problem."""
    from kill_judge import kind_of

    kinds = Counter(kind for own in verdicts for kind in {kind_of(text) for text in own.problems})
    return "\n".join(
        f"{num:4d} of {len(verdicts)} cases: {kind}" for kind, num in kinds.most_common()
    )


def parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20, help="how many, at least")
    parser.add_argument("--each", type=int, default=1, help="kills of one sweep, in turn")
    parser.add_argument("--seed", type=int, default=0, help="of victims, moments and times")
    parser.add_argument("--case", type=int, help="this one alone")
    parser.add_argument("--only", default="", help="victims, moments, variants; comma-separated")
    parser.add_argument("--jobs", type=int, default=1, help="cases at a time")
    parser.add_argument("--folder", type=Path, help="where cases lie; kept (default: a new one)")
    parser.add_argument("--json", action="store_true", help="print the verdict as JSON")
    return parser


def _make_references(folder: Path, some: list[Case]) -> None:
    for variant in dict.fromkeys(case.variant for case in some):
        home = make_reference(folder, variant)
        print(f"undisturbed, {variant}: {read_durations(home)['seconds']:.0f} s", flush=True)


def main() -> int:
    """Run cases; 1 if any failed, or too few kills came."""
    options = parser().parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="kills-", dir="/tmp"))
    folder = folder.resolve()
    if options.case is not None:
        case = make_case(options.seed, options.case, each=options.each)
        make_reference(folder, case.variant)
        verdict = play(case, folder)
        print(json.dumps(asdict(verdict)) if options.json else verdict, flush=True)
        return bool(verdict.problems)
    only = set(filter(None, options.only.split(",")))
    if unknown := only - {*MATRIX, *VARIANTS, *(m for own in MATRIX.values() for m in own)}:
        print(f"--only: no victim, moment or variant is called {', '.join(sorted(unknown))}")
        return 2
    apart = Apart(folder, each=options.each)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, apart.end)
    chosen, verdicts = [], []
    drawn = cases(options.seed, only=only, each=options.each)
    with ThreadPoolExecutor(options.jobs) as pool:

        def play_all(some: list[Case]) -> Iterator[Verdict]:
            print(f"seed {options.seed}, {len(some)} cases in {folder}", flush=True)
            _make_references(folder, some)
            return pool.map(apart.play, some)

        for case, verdict in until_killed(options.kills, drawn, play_all, each=options.each):
            print(verdict, flush=True)
            chosen.append(case)
            verdicts.append(verdict)
    failed = [own for own in verdicts if own.problems]
    print(f"\n{table(verdicts)}\n\n{by_kind(verdicts)}")
    print(*(f"kept: {own.folder}" for own in failed), sep="\n")
    num, wanted = sum(len(own.killed) for own in verdicts), sum(len(c.strikes) for c in chosen)
    print(
        f"{num} kills in {len(verdicts)} sweeps, of which {len(failed)} failed; "
        f"{wanted - num} moments did not come"
    )
    if num < options.kills:
        print(f"fewer than the {options.kills} kills that were asked for: no more come")
    return bool(failed) or num < options.kills


if __name__ == "__main__":
    sys.exit(main())
