"""What is damaged in a sweep's folder is set aside, never deleted, and what it held is derived from
other files, or left for the trial to make again.

For the command that runs the sweep and holds its lock; all others only read, and name in one line
what is damaged (`sid_sweep.files.Damaged`). Each function gives a line for each file.
"""

import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from sid_sweep.archives import stamped
from sid_sweep.files import Damaged, drop_half_line, set_aside, whole_lines, write_json, write_lines
from sid_sweep.spec import SpecError, Sweep, Trial, digest, plain
from sid_sweep.sums import checked_words

from .checked import NOTE, parsed
from .folder import MOMENT, VALUES, Measurement, Moment, TrialFolder, disagreement
from .sweep_folder import DIGEST, Held, SweepFolder

PNG, END = b"\x89PNG\r\n\x1a\n", b"IEND"

AGAIN = "the trial is run again"
NOT_AGAIN = "its trial has ended and does not make it again"
JUDGED = "whether its arm was given up is asked again"
OTHERS = "its evaluations are not those that its checkpoint knows"


def mend_sweep(folder: SweepFolder, sweep: Sweep) -> Iterator[str]:
    """What is not a trial's, but for the ledger's own.

    Raises:
        SpecError: the folder leads out of itself, or is not of the sweep.
    """
    _refuse_links(folder)
    for partial in folder.path.rglob(".*.tmp"):  # of processes that were killed while they wrote
        if not partial.is_dir():  # no process left that
            partial.unlink(missing_ok=True)
    for place in (folder.trials, folder.logs, folder.scratch):
        if place.exists() and not place.is_dir():
            yield _aside(Damaged(place, "is a file, not a folder"), "a folder takes its place")
    try:
        if folder.exists():
            folder.recorded()
    except Damaged as damaged:
        if folder.trials_like("") and not _is_known(folder, sweep):
            raise SpecError(
                f"{damaged.path}: {damaged.what}, and no trial beside it is of this sweep; restore "
                "the file, or begin a new sweep with --name"
            ) from None
        yield _aside(damaged, "written again from what is run now")
    for path, kind in ((folder.provenance, VALUES), *((p, NOTE) for p in folder.cursors())):
        yield from _mend_lines(path, kind)


def _refuse_links(folder: SweepFolder) -> None:
    """What is written in a sweep's folder stays in it; the folder itself may lie behind a link."""
    for entry in _within(folder.path, but=(folder.logs, folder.scratch)):
        if entry.is_symlink():
            raise SpecError(
                f"{entry.path}: is a symbolic link, and nothing is written outside a sweep's "
                "folder; put in its place what it names, or begin a new sweep with --name"
            )


def _within(place: Path, *, but: Sequence[Path]) -> "Iterator[os.DirEntry[str]]":
    """All that lies in a folder, but for what lies in some; no link is followed."""
    with os.scandir(place) as entries:
        for entry in entries:
            yield entry
            if entry.is_dir(follow_symlinks=False) and (own := Path(entry.path)) not in but:
                yield from _within(own, but=but)


def _is_known(folder: SweepFolder, sweep: Sweep) -> bool:
    """Whether a trial that the sweep asks for has begun: then it is the same question."""
    arms = [sweep.first_arm()]
    arms += sweep.grid() if sweep.search.sampler == "grid" else folder.arms()
    return any(folder.trial(own).path.is_dir() for arm in arms for own in sweep.trials(arm))


def _mend_lines(path: Path, kind: TypeAdapter[Any]) -> Iterator[str]:
    """Keep the lines that are whole."""
    if not path.exists():
        return
    kept: list[Any] = []
    trouble: list[Damaged] = []
    try:
        for number, line in enumerate(whole_lines(path), 1):
            try:
                kept.append(parsed(kind, line, path, place=f"line {number}: "))
            except Damaged as damaged:
                trouble.append(damaged)
    except Damaged as damaged:  # a folder
        trouble.append(damaged)
    if trouble:
        yield _aside(trouble[0], f"{len(kept)} whole lines are kept")
        write_lines(path, kept)
    else:
        drop_half_line(path)


# ---- trials


def mend_trials(folder: SweepFolder, sweep: Sweep) -> Iterator[str]:
    """All trials that the folder has ever seen."""
    known = {entry.folder.path.name: entry.trial for entry in folder.entries(sweep)}
    for path in sorted(folder.trials.glob("*")):
        if not DIGEST.fullmatch(path.name):
            continue
        if path.is_dir():
            yield from _Mending(TrialFolder(path), known.get(path.name)).lines()
        else:
            yield _aside(Damaged(path, "is a file, not a folder"), AGAIN)


def mend_spending(folder: SweepFolder) -> Iterator[str]:
    """Once all trials are mended: their own seconds stand in for what is not known any more."""
    try:
        folder.held()
    except Damaged as damaged:
        yield _aside(damaged, "GPU hours are counted anew from the seconds that trials trained")
        ran = ((own.standing().seconds, own.host()) for own in folder.trials_like(""))
        on_gpus = (seconds * host.workers for seconds, host in ran if host and host.device != "cpu")
        folder.write_held(Held(gpu_seconds=sum(on_gpus)))


class _Mending:
    """One trial: its files, each with what is wrong with it, and what follows from that."""

    def __init__(self, folder: TrialFolder, trial: Trial | None) -> None:
        self.folder, self.trial = folder, trial
        self.name = folder.path.name

    def lines(self) -> Iterator[str]:
        own = self.folder
        yield from self._specification()
        yield from self._unless(own.host, "what it ran on is not known")
        yield from self._unless(own.failed, "it is tried again")
        yield from self._course()
        then = ("noted by its next attempt", "drawn again where an attempt passes it")
        if _tried(own.result)[0] is not None:
            then = (NOT_AGAIN, NOT_AGAIN)
        yield from self._unless(own.standards, then[0])
        yield from self._pictures(then[1])

    def _specification(self) -> Iterator[str]:
        """Its digest is the name of the folder, whatever version of this program wrote it."""
        path = self.folder.specification
        try:
            if not path.exists():
                return
            if digest(self.folder.values()) == self.name:
                return
            raise Damaged(path, "is of another trial")
        except Damaged as damaged:
            known = "written again" if self.trial else "no trial of this sweep needs it"
            yield _aside(damaged, known)
            if self.trial:
                write_json(path, plain(self.trial))

    def _unless(self, look: Callable[[], object], then: str) -> Iterator[str]:
        try:
            look()
        except Damaged as damaged:
            yield _aside(damaged, then)

    def _pictures(self, then: str) -> Iterator[str]:
        place = self.folder.samples
        if place.exists() and not place.is_dir():
            yield _aside(Damaged(place, "is a file, not a folder"), "its pictures are not there")
        for _, path in self.folder.pictures():
            if what := picture_trouble(path):
                yield _aside(Damaged(path, what), then)

    def _course(self) -> Iterator[str]:
        """Result, measurements, student and checkpoint say the same, or what they say is made
        again: from the checkpoint where it stands, else from the start."""
        own = self.folder
        result, wrong_end = _tried(own.result)
        measured, wrong_log = _tried(own.measurements)
        wrong_student = self._student()
        if wrong_log is None and not _in_order(measured or []):
            wrong_log = Damaged(own.log, "its evaluations are not in order")
        is_open = result is None or not own.ending.exists()
        end = own.unwritten_end() if is_open and not (wrong_log or wrong_student) else None
        if end:
            if wrong_end:
                yield _aside(wrong_end, f"derived from {own.log.name}")
            own.write_result(end)
            return
        if wrong_log and own.pruning.exists() and not own.ending.exists():
            yield _aside(wrong_log, "its arm stays given up")
            return
        if result is not None:
            if wrong_log is None and (what := disagreement(result, measured or [])):
                wrong_end, wrong_log = Damaged(own.ending, what), Damaged(own.log, what)
            elif wrong_log or wrong_student:
                cause = wrong_log or wrong_student
                assert cause is not None
                wrong_end = Damaged(own.ending, f"its {cause.path.name} is damaged")
        for wrong in (wrong_student, wrong_end):
            if wrong:
                yield _aside(wrong, JUDGED if wrong.path == own.pruning else AGAIN)
        if result is not None and wrong_end is None:
            own.forget_attempts()
        else:
            yield from self._attempt(wrong_log, measured or [])

    def _attempt(self, wrong_log: Damaged | None, measured: list[Measurement]) -> Iterator[str]:
        """Where a trial without an end goes on: its checkpoint knows what was measured."""
        own = self.folder
        moment, wrong = self._moment()
        if wrong:
            yield _aside(wrong, "the trial begins again")
        held = moment.measured if moment else []
        lacks = len(held) - len(measured) > 1  # a kill leaves at most the last one out
        if not wrong_log and (lacks or held[: len(measured)] != measured[: len(held)]):
            wrong_log = Damaged(own.log, OTHERS)
        if wrong_log:
            yield _aside(wrong_log, "written again from its checkpoint" if moment else AGAIN)
        if wrong_log and moment:
            own.write_log(moment.measured)

    def _student(self) -> Damaged | None:
        path = self.folder.student
        return _tried(lambda: student_of(path, self.name))[1] if path.exists() else None

    def _moment(self) -> tuple[Moment | None, Damaged | None]:
        path = self.folder.checkpoint
        if not path.exists():
            return None, None
        return _tried(lambda: moment_of(path, self.name))


def student_of(path: Path, name: str) -> None:
    """Raise Damaged unless a file is the whole student of the trial with that digest."""
    if path.is_dir():
        raise Damaged(path, "is a folder, not a file")
    trial = checked_words(path).get("trial")
    if not isinstance(trial, dict) or digest(trial) != name:
        raise Damaged(path, "is of another trial")


def moment_of(path: Path, name: str) -> Moment:
    """What a checkpoint of the trial with that digest holds.

    Raises:
        Damaged: it is not whole, or of another trial.
    """
    moment = parsed(MOMENT, stamped(path), path)
    if moment.trial != name:
        raise Damaged(path, f"is of another trial, {moment.trial}")
    return moment


def picture_trouble(path: Path) -> str:
    """What is wrong with a PNG; "" if nothing is. Each of its parts carries a sum."""
    if path.is_dir():
        return "is a folder, not a file"
    content = path.read_bytes()
    place, kind = len(PNG), b""
    while content.startswith(PNG) and kind != END:
        length = int.from_bytes(content[place : place + 4], "big")
        body, place = content[place + 4 : place + 8 + length], place + 12 + length
        if zlib.crc32(body).to_bytes(4, "big") != content[place - 4 : place]:
            break
        kind = body[:4]
    return "" if kind == END else "is no whole picture"


def _in_order(measured: Sequence[Measurement]) -> bool:
    return all(one.images < other.images for one, other in pairwise(measured))


def _tried(look: Callable[[], Any]) -> tuple[Any, Damaged | None]:
    try:
        return look(), None
    except Damaged as damaged:
        return None, damaged


def _aside(damaged: Damaged, then: str) -> str:
    place = set_aside(damaged.path)
    return f"{damaged.path}: {damaged.what}; set aside as {place.name}, {then}"
