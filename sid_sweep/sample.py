"""The command: `python -m sid_sweep.sample RUN --num 64 --out grid.png` draws from a student."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from sid_sweep.places import STORAGE

if TYPE_CHECKING:
    from torch import Tensor

    from sid_sweep.student import Student
    from sid_sweep.trials import TrialFolder

EXIT_INPUT = 2

DESCRIPTION = """\
Draw samples from a finished student: as one picture, an array, or a folder of pictures. RUN is a
file that a trial exported, a trial's folder, an MLflow run id, or the name or the folder of a
sweep: then the arm that leads is taken, at the first of its seeds."""

EPILOG = """\
examples:
  python -m sid_sweep.sample lambda-digits                    the leading arm's student: sample.png
  python -m sid_sweep.sample lambda --num 4096 --out points.npz an array `samples` [4096, 2]
  python -m sid_sweep.sample lambda-mnist --num 50000 --out pictures/   a PNG for each, to be judged
  python -m sid_sweep.sample cifar10 --class 3 --out cats.png           where it knows classes
  python -m sid_sweep.sample church --format diffusers --out church/    a folder for UNet2DModel
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
        metavar="PATH",
        help="a .png picture, an .npz array, or a folder of PNG files (default: sample.png)",
    )
    parser.add_argument(
        "--class", type=int, dest="label", metavar="N", help="of all samples (default: any class)"
    )
    parser.add_argument(
        "--format",
        choices=("samples", "diffusers"),
        default="samples",
        help="diffusers: write the student's network as a folder that diffusers loads",
    )
    parser.add_argument(
        "--trust-code",
        action="store_true",
        help="import the user's own network, where the student's file names one",
    )
    parser.add_argument("--device", default="cpu", help="cpu, cuda, ... (default: cpu)")
    parser.add_argument(
        "--storage",
        type=Path,
        default=STORAGE,
        metavar="DIR",
        help="where sweeps lie (default: ./sweeps)",
    )
    parser.add_argument(
        "--tracking-uri",
        metavar="URI",
        help="fetch from this MLflow server or database instead (for a run id: MLflow's default)",
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
    if options.format == "samples" and options.out.suffix not in ("", ".png", ".npz"):
        raise ValueError(
            f"--out {options.out}: name a .png picture, an .npz array or a folder, without a dot"
        )
    if options.out.is_dir() and any(options.out.iterdir()):
        raise ValueError(f"--out {options.out}: is not empty; name a new folder")
    found = find(options)
    _require_device(options.device)

    from sid_sweep.student import Student

    try:
        student = Student.load(
            found.path, device=options.device, trust_code=options.trust_code, trial=found.trial
        )
        if options.format == "diffusers":
            export(student, options.out)
            return f"{options.out}: the network of {found.name}, for UNet2DModel.from_pretrained"
        write(student, options)
    except RuntimeError as error:
        raise ValueError(f"--device {options.device}: {str(error).splitlines()[0]}") from None
    return f"{options.out}: {options.num} samples {list(student.shape)} of {found.name}"


def _require_device(name: str) -> None:
    """Ask before anything is loaded onto it.

    Raises:
        ValueError: there is no such device here.
    """
    import torch

    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:  # the second where torch was built without CUDA
        reason = str(error).splitlines()[0].rstrip(".")
        raise ValueError(f"--device {name}: {reason}; use --device cpu") from None


def write(student: "Student", options: argparse.Namespace) -> None:
    """Draw, and write what was asked for.

    Raises:
        ValueError: there is no such class, or what is drawn is no picture.
    """
    is_images = student.trial.data.is_images
    if options.out.suffix == "" and not is_images:
        raise ValueError(f"--out {options.out}: points are no pictures; name a .png or an .npz")
    samples = student.sample(options.num, seed=options.seed, labels=options.label).cpu()
    options.out.parent.mkdir(parents=True, exist_ok=True)
    match options.out.suffix:
        case ".npz":
            _write_array(student, samples, options)
        case ".png":
            from PIL import Image

            from sid_sweep.quality import picture

            drawn = picture(student.trial.data, samples, num_images=options.num)
            Image.fromarray(drawn).save(options.out)
        case _:
            _write_pictures(samples, options.out)


def _write_array(student: "Student", samples: "Tensor", options: argparse.Namespace) -> None:
    """`samples` [N, ...] in float32, `labels` [N] where there are classes, `trial` in JSON."""
    import numpy as np

    trial = json.dumps(student.trial.model_dump(mode="json", by_alias=True))
    labels = student.classes(options.num, options.label, seed=options.seed)
    arrays = {"samples": samples.numpy(), "trial": np.array(trial)}
    if labels is not None:
        arrays["labels"] = labels.numpy()
    np.savez(options.out, **arrays)  # pyright: ignore


def _write_pictures(samples: "Tensor", folder: Path) -> None:
    """00000.png, 00001.png, ..., rounded to bytes as they are when they are judged."""
    from PIL import Image

    from sid_sweep.quality.gallery import as_bytes

    folder.mkdir(exist_ok=True)
    for number, pixels in enumerate(as_bytes(samples).permute(0, 2, 3, 1).numpy()):
        grey = pixels.shape[2] == 1
        Image.fromarray(pixels[:, :, 0] if grey else pixels).save(folder / f"{number:05}.png")


def export(student: "Student", folder: Path) -> None:
    """The student's network as diffusers saves one, with its schedule, and `student.json`: the
    latents' scale σ_init and the level at which the network makes a sample of them.

    Raises:
        ValueError: its network is not the library's.
    """
    from sid_sweep.nets.denoiser import Denoiser
    from sid_sweep.nets.outside import SteppedUNet, export_unet
    from sid_sweep.student import OneStep

    own = student.epsilon
    if not isinstance(own, Denoiser) or not isinstance(own.net, SteppedUNet):
        raise ValueError("--format diffusers: its network is none of diffusers' own")
    export_unet(own.net, own.blueprint, folder)
    if isinstance(student.sampling, OneStep):
        import torch

        sigma = student.sampling.sigma_init
        step = own.net.step(torch.tensor([sigma]).log()).item()
        (folder / "student.json").write_text(json.dumps({"sigma_init": sigma, "timestep": step}))


class Found(NamedTuple):
    """A student's file, and whose it is."""

    path: Path
    name: str
    trial: str | None = None
    """The digest of the trial that it must be of, where that is known."""


def find(options: argparse.Namespace) -> Found:
    """The student that the command line names: on this disk, or fetched from MLflow.

    Raises:
        LookupError, ValueError: there is no such run or sweep.
    """
    from sid_sweep.trials import SweepFolder, TrialFolder

    run = options.run
    path = Path(run)
    if path.is_file() or path.suffix == ".safetensors":
        return Found(path, run)
    if SweepFolder(path).exists():
        place = path.resolve()
        return _leading(place.name, storage=place.parent, tracking_uri=None)
    if TrialFolder(path).has_begun() or (path.is_dir() and len(path.parts) > 1):
        return Found(_exported(TrialFolder(path)), run)

    if len(run) == 32 and set(run) <= set("0123456789abcdef"):
        from sid_sweep.tracking import fetch_student

        return Found(fetch_student(run, tracking_uri=options.tracking_uri), f"run {run}")
    return _leading(run, storage=options.storage, tracking_uri=options.tracking_uri)


def _leading(sweep: str, *, storage: Path, tracking_uri: str | None) -> Found:
    from sid_sweep.tracking import fetch_student
    from sid_sweep.trials import SweepFolder

    lead = leading_trial(sweep, storage=storage, tracking_uri=tracking_uri)
    if tracking_uri is None:
        folder = SweepFolder(storage / sweep).trial_of(lead.digest)
        return Found(_exported(folder), lead.name, lead.digest)
    student = fetch_student(lead.run_id, tracking_uri=tracking_uri)
    return Found(student, lead.name, lead.digest)


def _exported(folder: "TrialFolder") -> Path:
    """The student that a trial has exported.

    Raises:
        LookupError: it has not; one line says how far it is.
    """
    if folder.student.exists():
        return folder.student
    if not folder.has_begun():
        raise LookupError(f"{folder.path}: is the folder of no sweep and of no trial")
    own = folder.standing()
    cause = f" ({own.cause})" if own.cause else ""
    raise LookupError(
        f"{folder.path}: has no student, which a trial exports when it finishes; this one is "
        f"{own.outcome}{cause}, last judged at {own.images:,} images; run its sweep's command "
        "again, or name another"
    )


class Lead(NamedTuple):
    """The first trial of the arm that leads a sweep."""

    digest: str
    run_id: str
    name: str


def leading_trial(sweep: str, *, storage: Path, tracking_uri: str | None) -> Lead:
    """The arm that leads a sweep, at the first of its seeds.

    Raises:
        ValueError: there is no such sweep.
        LookupError: no arm of it has finished.
    """
    from analysis import sources
    from analysis.notation import arm_text
    from analysis.verdicts.arms import arms
    from sid_sweep.trials import SweepFolder

    frame, question = sources.find(sweep, storage=storage, tracking_uri=tracking_uri)
    table = arms(frame, question)
    if not table["leads"].any():
        done = frame[frame["final"] & (frame["outcome"] == "finished")]
        remedy = "run its command again"
        if len(done) and tracking_uri is not None:
            remedy = f"name a run, such as {done.iloc[0]['run_id']}"
        elif len(done):
            trial = SweepFolder(storage / sweep).trial_of(done.iloc[0]["trial"])
            remedy = f"name a trial, such as {trial.path}"
        raise LookupError(
            f"sweep {sweep!r} has no arm that finished at all its seeds and kept its modes; of its "
            f"trials {len(done)} have finished; {remedy}"
        )
    lead = table[table["leads"]].iloc[0]
    first = frame[frame["final"] & (frame["arm"] == lead["arm"])].sort_values("seed").iloc[0]
    values = arm_text({knob: lead[f"param.{knob}"] for knob in question.knobs})
    return Lead(first["trial"], first["run_id"], f"{sweep}: {values}, seed {first['seed']}")


if __name__ == "__main__":
    sys.exit(main())
