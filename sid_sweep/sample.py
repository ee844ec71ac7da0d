"""The command: `python -m sid_sweep.sample RUN --num 64 --out grid.png` draws from a student."""

import argparse
import json
import sys
from pathlib import Path
from typing import NamedTuple

EXIT_INPUT = 2

DESCRIPTION = """\
Draw samples from a finished student, as a picture or as an array. RUN is a file that a trial
exported, a trial's folder, an MLflow run id, or the name of a sweep: then its best arm is taken, at
the first of its seeds."""

EPILOG = """\
examples:
  python -m sid_sweep.sample lambda-digits                    the best arm's student: sample.png
  python -m sid_sweep.sample lambda --num 4096 --out points.npz an array `samples` [4096, 2]
  python -m sid_sweep.sample 3f2a... --tracking-uri http://server:5000
  python -m sid_sweep.sample generator.safetensors --seed 7

from Python:
  from sid_sweep.student import Student
  student = Student.load("generator.safetensors")
  samples = student.sample(64, seed=0)

exit status: 0 done; 2 the input is wrong.
"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m sid_sweep.sample",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run", metavar="RUN", help="file, trial folder, MLflow run id or sweep")
    parser.add_argument("--num", type=int, default=100, help="samples (default: 100)")
    parser.add_argument("--seed", type=int, default=0, help="of the latents (default: 0)")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("sample.png"),
        metavar="FILE",
        help="a .png picture or an .npz array (default: sample.png)",
    )
    parser.add_argument("--device", default="cpu", help="cpu, cuda, ... (default: cpu)")
    parser.add_argument(
        "--tracking-uri",
        metavar="URI",
        help="MLflow tracking server or database (default: MLflow's own, ./mlflow.db)",
    )
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    options = parser().parse_args(arguments)
    try:
        print(draw(options))
    except (ValueError, OSError, LookupError) as error:
        print(f"error: {error.args[-1]}", file=sys.stderr)
        return EXIT_INPUT
    return 0


def draw(options: argparse.Namespace) -> str:
    """Sample and write; returns what was done, in a line.

    Raises:
        ValueError: the options or the file are wrong.
        LookupError: there is no such run or sweep.
    """
    if options.num < 1:
        raise ValueError(f"--num {options.num}: draw at least one sample")
    if options.out.suffix not in (".png", ".npz"):
        raise ValueError(f"--out {options.out}: name a .png picture or an .npz array")
    found = find(options.run, tracking_uri=options.tracking_uri)

    from sid_sweep.student import Student

    student = Student.load(found.path)
    try:
        samples = student.sample(options.num, seed=options.seed, device=options.device).cpu()
    except RuntimeError as error:
        raise ValueError(f"--device {options.device}: {str(error).splitlines()[0]}") from None
    options.out.parent.mkdir(parents=True, exist_ok=True)
    if options.out.suffix == ".npz":
        import numpy as np

        trial = json.dumps(student.trial.model_dump(mode="json", by_alias=True))
        np.savez(options.out, samples=samples.numpy(), trial=np.array(trial))
    else:
        from PIL import Image

        from sid_sweep.quality.pictures import picture

        Image.fromarray(picture(student.trial.data, samples)).save(options.out)
    return f"{options.out}: {options.num} samples {list(student.shape)} of {found.name}"


class Found(NamedTuple):
    """A student's file, and whose it is."""

    path: Path
    name: str


def find(run: str, *, tracking_uri: str | None) -> Found:
    """The student of a run: on this disk, or fetched from MLflow.

    Raises:
        LookupError: there is no such run or sweep.
    """
    path = Path(run)
    if path.is_dir():
        return Found(path / "generator.safetensors", run)
    if path.exists() or path.suffix == ".safetensors":
        return Found(path, run)

    from sid_sweep.tracking import fetch_student

    if len(run) == 32 and set(run) <= set("0123456789abcdef"):
        return Found(fetch_student(run, tracking_uri=tracking_uri), f"run {run}")
    run_id, name = best_run(run, tracking_uri=tracking_uri)
    return Found(fetch_student(run_id, tracking_uri=tracking_uri), name)


def best_run(sweep: str, *, tracking_uri: str | None) -> tuple[str, str]:
    """The run id and the name of a sweep's best arm at the first of its seeds."""
    from analysis.notation import arm_text
    from analysis.runs import Question, tidy
    from analysis.statistics import arms
    from sid_sweep.tracking import read_sweep

    rows, record = read_sweep(sweep, tracking_uri=tracking_uri)
    question = Question.from_record(record)
    frame = tidy(rows, question)
    table = arms(frame, question)
    if not table["best"].any():
        raise LookupError(f"sweep {sweep!r} has no arm all of whose seeds finished; name a run id")
    best = table[table["best"]].iloc[0]
    runs = frame[frame["final"] & (frame["arm"] == best["arm"])].sort_values("seed")
    first = runs.iloc[0]
    values = arm_text({knob: best[f"param.{knob}"] for knob in question.knobs})
    return first["run_id"], f"{sweep}: {values}, seed {first['seed']} (run {first['run_id']})"


if __name__ == "__main__":
    sys.exit(main())
