"""The judge of points: fresh data is perfect, modes are counted, and their tails."""

import math

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment

from sid_sweep import spec
from sid_sweep.data import mixture
from sid_sweep.quality import picture
from sid_sweep.quality.distances import energy, w2_squared
from sid_sweep.quality.points import MODE_SHARE, points_judge

RING = spec.data.Mixture(kind="mixture")
NUM = 2048


@pytest.fixture(scope="module")
def judge():
    return points_judge(RING, NUM)


def fresh(num, *, data=RING, seed=0):
    return mixture(data).sample(num, generator=torch.Generator().manual_seed(seed)).float()


def looks_fresh(judge, data, *, draws=50):
    """Whether the mean of ratio² is within 4 standard errors of 1, those of the judge included."""
    ratios = [judge.measure(fresh(NUM, data=data, seed=seed))["sw2_ratio"] for seed in range(draws)]
    squares = torch.tensor(ratios).double().square()
    references = len(judge.fresh)
    pairs = torch.stack([(judge.fresh - one).square().mean((1, 2)) for one in judge.fresh])
    means = pairs.sum(1) / (references - 1) / judge.floor**2
    assert means.mean().item() == pytest.approx(1, rel=1e-5)  # the floor is the mean over pairs
    variance = squares.var() / draws + 4 * means.var() / references  # Hoeffding's, for the pairs
    return abs(float(squares.mean()) - 1) < 4 * float(variance.sqrt())


@pytest.mark.slow
def test_fresh_data_has_ratio_one(judge):
    assert looks_fresh(judge, RING)
    assert not looks_fresh(judge, spec.data.Mixture(kind="mixture", radius=1.5))
    assert not looks_fresh(judge, spec.data.Mixture(kind="mixture", deviation=0.05))


@pytest.mark.parametrize("modes", [1, 4, 8])
def test_modes_are_counted(judge, modes):
    samples = mixture(RING).means.float()[:modes].repeat_interleave(NUM // modes, 0)
    measured = judge.measure(samples)
    assert (measured["modes"], measured["off_modes"]) == (modes, 0.0)


def test_a_mode_needs_a_fifth_of_its_share():
    judge, centres = points_judge(RING, 4000), mixture(RING).means.float()
    needed = round(4000 * MODE_SHARE / 8)
    for num, modes in ((needed, 2.0), (needed - 1, 1.0)):
        samples = torch.cat([centres[1:2].expand(num, 2), centres[:1].expand(4000 - num, 2)])
        assert judge.measure(samples)["modes"] == modes


@pytest.mark.slow
def test_off_modes_is_the_tail_beyond_four_deviations(judge):
    """exp(-4²/2) of a planar Gaussian, within 4 standard errors; three deviations are far off."""
    draws = 100
    tails = [judge.measure(fresh(NUM, seed=seed))["off_modes"] for seed in range(draws)]
    tail, error = sum(tails) / draws, math.sqrt(math.exp(-8) / (draws * NUM))
    assert abs(tail - math.exp(-8)) < 4 * error
    assert abs(tail - math.exp(-4.5)) > 4 * error


def test_one_mode_is_far_worse_than_fresh_data(judge):
    collapsed = fresh(8 * NUM)
    near = (collapsed - torch.tensor([1.4, 0.0])).norm(dim=1) < 0.5
    measured = judge.measure(collapsed[near][: NUM // 4].repeat(4, 1))
    assert measured["modes"] == 1
    assert measured["sw2_ratio"] > 10


def test_a_picture_shows_the_samples():
    first, other = picture(RING, fresh(NUM)), picture(RING, torch.zeros(NUM, 2))
    assert first.dtype == np.uint8
    assert first.shape == (256, 256, 3)
    assert not np.array_equal(first, other)
    assert other[128, 128].sum() < other[0, 0].sum()  # ink where the samples are, white elsewhere


# ---- the distances that look at pairs


def test_exact_w2_is_the_best_assignment():
    a, b = torch.randn(2, 30, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    cost = torch.cdist(a, b).square().numpy()
    rows, columns = linear_sum_assignment(cost)
    assert w2_squared(a, b) == pytest.approx(cost[rows, columns].mean(), rel=1e-9)


def test_exact_w2_of_a_shifted_set_is_the_shift():
    a = torch.randn(50, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    shift = torch.tensor([3.0, 0.0, -4.0, 0.0], dtype=torch.float64)
    assert w2_squared(a, a + shift) == pytest.approx(25.0, rel=1e-9)


def test_energy_is_the_double_sum_over_distinct_pairs():
    a, b = torch.randn(2, 7, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    def mean(x, y):
        own = [float((p - q).norm()) for i, p in enumerate(x) for j, q in enumerate(y)
               if x is not y or i != j]  # fmt: skip
        return sum(own) / len(own)

    assert energy(a, b) == pytest.approx(2 * mean(a, b) - mean(a, a) - mean(b, b), rel=1e-9)


def test_energy_is_unbiased_and_sees_a_shift():
    random = torch.Generator().manual_seed(0)
    same = torch.tensor(
        [energy(*torch.randn(2, 64, 2, generator=random).unbind()) for _ in range(200)]
    )
    assert abs(float(same.mean())) < 4 * float(same.std()) / 200**0.5
    a, b = torch.randn(2, 64, 2, generator=random)
    assert energy(a, b + 1) > 4 * float(same.std())


def test_mode_shares_are_compared_with_the_weights():
    data = spec.data.Mixture(kind="mixture", weight_ratio=3.0)
    judge, exact = points_judge(data, 8000), mixture(data)
    counts = (8000 * exact.weights).round().long()
    samples = exact.means.float().repeat_interleave(counts, 0)
    assert judge.measure(samples)["mode_kl"] == pytest.approx(0, abs=1e-6)
    one = exact.means[:1].float().expand(8000, 2)
    assert judge.measure(one)["mode_kl"] == pytest.approx(-math.log(exact.weights[0]), rel=1e-6)


@pytest.mark.parametrize("dimensions", [1, 2, 8])
def test_off_modes_has_one_tail_in_every_dimension(dimensions):
    data = spec.data.Mixture(
        kind="mixture", name="scattered", components=1, dimensions=dimensions, deviation=1.0
    )
    judge, num = points_judge(data, 64), 200_000
    centre = mixture(data).means.float()
    noise = torch.randn(num, dimensions, generator=torch.Generator().manual_seed(0))
    tail = math.exp(-8)
    error = math.sqrt(tail / num)
    assert abs(judge._modes(centre + noise)["off_modes"] - tail) < 4 * error
    assert abs(judge._modes(centre + 1.1 * noise)["off_modes"] - tail) > 4 * error


@pytest.mark.parametrize("name", ["grid25", "checkerboard", "scattered"])
@pytest.mark.slow
def test_fresh_data_is_perfect_whatever_the_mixture(name):
    extra = {"components": 6, "dimensions": 5} if name == "scattered" else {}
    data = spec.data.Mixture(kind="mixture", name=name, **extra)
    judge = points_judge(data, NUM)
    measured = [judge.measure(fresh(NUM, data=data, seed=seed)) for seed in range(8)]
    for ratio in ("sw2_ratio", "w2_ratio"):
        assert np.mean([one[ratio] for one in measured]) == pytest.approx(1, abs=0.3)
    shrunk = judge.measure(0.6 * fresh(NUM, data=data))
    assert shrunk["sw2_ratio"] > 2
    assert shrunk["energy"] > max(one["energy"] for one in measured)


def test_a_sample_that_is_no_number_has_no_metric(judge):
    samples = fresh(NUM)
    samples[3, 1] = float("nan")
    measured = judge.measure(samples)
    assert set(measured) == set(spec.data.Mixture.metrics)
    assert all(math.isnan(value) for value in measured.values())


def test_points_on_a_line_can_be_seen():
    data = spec.data.Mixture(kind="mixture", name="scattered", components=3, dimensions=1)
    drawn = picture(data, fresh(256, data=data))
    assert drawn.shape == (256, 256, 3)
    assert drawn.min() < 200


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_exact_w2_of_what_is_no_number_is_none(bad):
    a = torch.zeros(8, 2)
    assert math.isnan(w2_squared(torch.full((8, 2), bad), a))
    assert w2_squared(a, a) == 0


def test_a_fresh_student_has_w2_ratio_one(judge):
    """The mean of ratio² within 4 standard errors, those of the judge included, as for SW2."""
    squares = torch.tensor([judge.measure(fresh(NUM, seed=s))["w2_ratio"] for s in range(30)]) ** 2
    sets = judge.subsamples
    rows = [[w2_squared(a, b) for j, b in enumerate(sets) if j != i] for i, a in enumerate(sets)]
    means = torch.tensor(rows).mean(1) / judge.w2_floor**2
    error = math.sqrt(float(squares.var() / 30 + 4 * means.var() / len(sets)))
    assert abs(float(squares.mean()) - 1) < 4 * error
    moved = [judge.measure(fresh(NUM, seed=s) + 0.5)["w2_ratio"] ** 2 for s in range(5)]
    assert abs(sum(moved) / 5 - 1) > 4 * error


def test_sliced_floor_is_the_mean_over_pairs_in_the_precision_of_the_projections(judge):
    pairs = [(judge.fresh[i] - judge.fresh[j]).square().mean() for i in range(16) for j in range(i)]
    assert judge.floor == float(torch.stack(pairs).mean().sqrt())
