"""How far one student's metrics scatter between draws of latents: independent ones, and Sobol's.

    python tests/benchmarks/judging.py sweeps/lambda/trials/*/generator.safetensors

prints, for each metric of points, the deviation between draws relative to the mean, on average over
the students; what scatters so is the judgement, and no student.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from sid_sweep.quality import latents
from sid_sweep.quality.points import points_judge
from sid_sweep.student import Student

DRAWS = 16


def scatter(student: Student, *, independent: bool) -> dict[str, float]:
    """Relative deviation of each metric over draws."""
    found = []
    for seed in range(DRAWS):
        judge = points_judge(student.trial.data, student.trial.evaluation.samples, seed=seed)
        if independent:
            judge = replace(
                judge, latents=latents.normal(len(judge.latents), student.shape, seed=seed)
            )
        samples = student.draw(judge.latents, random=torch.Generator().manual_seed(seed))
        found.append(judge.measure(samples))
    values = {name: np.array([one[name] for one in found]) for name in found[0]}
    return {
        name: float(own.std(ddof=1) / own.mean()) if own.mean() else 0.0
        for name, own in values.items()
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("students", nargs="+", type=Path, metavar="STUDENT.safetensors")
    students = [Student.load(path) for path in parser.parse_args().students]
    both = [[scatter(s, independent=own) for s in students] for own in (True, False)]
    print(f"{'metric':>10} {'independent':>12} {'Sobol':>8}")
    for name in both[0][0]:
        means = [float(np.mean([one[name] for one in own])) for own in both]
        print(f"{name:>10} {means[0]:>12.2%} {means[1]:>8.2%}")


if __name__ == "__main__":
    main()
