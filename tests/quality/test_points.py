"""The judge of points: the data is perfect, each metric sees what it says and scatters little."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import norm

from sid_sweep import spec
from sid_sweep.data import mixture
from sid_sweep.quality import latents, picture
from sid_sweep.quality.points import MODE_SHARE, points_judge, quantiles

RING = spec.data.Mixture(kind="mixture")
NUM = 2048
MIXTURES = {
    "ring8": RING,
    "grid25": spec.data.Mixture(kind="mixture", name="grid25"),
    "checkerboard": spec.data.Mixture(kind="mixture", name="checkerboard"),
    "uneven": spec.data.Mixture(kind="mixture", weight_ratio=4.0, deviation_ratio=2.0),
    "line": spec.data.Mixture(kind="mixture", name="scattered", components=3, dimensions=1),
    "five": spec.data.Mixture(kind="mixture", name="scattered", components=6, dimensions=5),
}


@pytest.fixture(scope="module")
def judge():
    return points_judge(RING, NUM, seed=0)


def fresh(num, *, data=RING, seed=0):
    return mixture(data).sample(num, generator=torch.Generator().manual_seed(seed)).float()


def from_latents(z, data):
    """A perfect student of one mode after another: a mode by the order of the samples."""
    exact = mixture(data)
    edges = (exact.weights.cumsum(0) * len(z)).round().long()
    modes = torch.searchsorted(edges, torch.arange(len(z)), right=True)
    modes = modes[torch.randperm(len(z), generator=torch.Generator().manual_seed(0))]
    return (exact.means[modes] + exact.variances[modes].sqrt()[:, None] * z).float()


# ---- the data is perfect


@pytest.mark.parametrize("name", MIXTURES)
def test_a_perfect_student_reads_no_more_than_draws_of_the_data(name):
    data = MIXTURES[name]
    judge = points_judge(data, NUM, seed=1)
    reads = [judge.measure(fresh(NUM, data=data, seed=seed)) for seed in range(8)]
    for metric in ("js", "sw2"):
        own = judge.references[f"{metric}_of_data"]
        values = [read[metric] for read in reads]
        error = np.std(values, ddof=1) * math.sqrt(2 / 8)
        assert abs(np.mean(values) - own) < 4 * error
        assert judge.measure(0.8 * fresh(NUM, data=data))[metric] > own + 4 * error
    assert all(read["off_modes"] < 0.01 for read in reads)
    student = judge.measure(from_latents(judge.latents, data))
    assert student["js"] < judge.references["js_of_data"]
    assert student["sw2"] < judge.references["sw2_of_data"]


def test_what_scatters_between_seeds_is_a_hundredth_of_what_students_differ_by():
    """A student that smears a tenth of its samples, judged on the draws of eight seeds."""

    def student(z):
        own = from_latents(z, RING)
        return torch.where((z[:, :1].abs() < 0.126), 0.5 * own, own)

    judges = [points_judge(RING, 8192, seed=seed) for seed in range(8)]
    found = [judge.measure(student(judge.latents)) for judge in judges]
    for metric, deviation in (("js", 0.02), ("sw2", 0.1)):
        logs = np.log([one[metric] for one in found])
        assert 0 < logs.std(ddof=1) < deviation


def test_seeds_are_judged_on_draws_of_their_own_and_arms_on_the_same():
    one, other = (points_judge(RING, NUM, seed=seed) for seed in (0, 1))
    assert not torch.equal(one.latents, other.latents)
    assert not torch.equal(one.directions, other.directions)
    points_judge.cache_clear()
    again = points_judge(RING, NUM, seed=0)
    assert torch.equal(one.latents, again.latents)
    assert torch.equal(one.directions, again.directions)


# ---- latents


@pytest.mark.parametrize("dim", [1, 2, 5])
def test_sobol_latents_are_normal_and_even(dim):
    z = latents.sobol(4096, dim, seed=3).double()
    assert z.isfinite().all()
    assert z.mean(0).abs().max() < 0.1 / math.sqrt(4096)  # independent ones: 1/√N
    assert z.std(0).sub(1).abs().max() < 0.01
    for axis in z.T:
        shares = np.histogram(norm.cdf(axis.numpy()), bins=64, range=(0, 1))[0]
        assert set(shares) == {64}


def test_any_number_of_latents_can_be_had():
    assert torch.equal(latents.sobol(1000, 2, seed=0), latents.sobol(1024, 2, seed=0)[:1000])
    assert latents.sobol(16, 3, seed=0).shape == (16, 3)


def test_independent_latents_are_a_function_of_the_seed():
    one, same, other = (latents.normal(5, (1, 2), seed=seed) for seed in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


# ---- js and sw2


def test_js_of_one_mode_and_of_nothing_shared(judge):
    """Half of eight equal modes: p = 1/8, q = 1/4 on four of them; what lies outside is apart."""
    half = mixture(RING).means.float()[:4]
    noise = 0.1 * latents.sobol(NUM, 2, seed=0)
    q, p = np.array([0.25] * 4 + [0.0] * 4), np.full(8, 0.125)
    m = (p + q) / 2
    parts = [np.sum(own[own > 0] * np.log2(own[own > 0] / m[own > 0])) for own in (p, q)]
    order = torch.randperm(NUM, generator=torch.Generator().manual_seed(0))
    measured = judge.measure(half.repeat(NUM // 4, 1)[order] + noise)["js"]
    assert measured == pytest.approx(sum(parts) / 2, rel=0.02)
    far = judge.measure(torch.full((NUM, 2), 50.0))
    assert far["js"] == pytest.approx(1, abs=1e-6)


def test_quantiles_are_those_of_the_projected_mixture():
    exact, axis = mixture(RING), np.array([0.6, 0.8])
    levels = np.array([0.001, 0.1, 0.33, 0.5, 0.9, 0.9999])
    found = quantiles(exact, axis, levels)
    below = norm.cdf((found[:, None] - exact.means.numpy() @ axis) / 0.1).mean(1)
    assert below == pytest.approx(levels, abs=1e-5)


def test_sw2_of_a_shift_is_the_shift_over_the_root_of_the_dimension(judge):
    shift = torch.tensor([0.3, 0.4])
    measured = judge.measure(from_latents(judge.latents, RING) + shift)
    assert measured["sw2"] * judge.sigma_data == pytest.approx(0.5 / math.sqrt(2), rel=0.01)


@pytest.mark.parametrize("metric", ["js", "sw2"])
def test_the_number_of_samples_is_no_part_of_a_metric(metric):
    """A student that is too narrow reads much the same whatever N; over the distance between two
    sets of data it would read eight times more at 64 times the samples."""
    reads = []
    for num in (1024, 8192, 65_536):
        judge = points_judge(RING, num, seed=0)
        student = 0.93 * from_latents(judge.latents, RING)
        reads.append(judge.measure(student)[metric])
    assert reads == pytest.approx([reads[-1]] * 3, rel=0.15)


# ---- modes


@pytest.mark.parametrize("modes", [1, 4, 8])
def test_modes_are_counted(judge, modes):
    samples = mixture(RING).means.float()[:modes].repeat_interleave(NUM // modes, 0)
    measured = judge.measure(samples)
    assert (measured["modes"], measured["off_modes"]) == (modes, 0.0)


@pytest.mark.parametrize("name", MIXTURES)
def test_a_student_of_all_modes_has_not_collapsed(name):
    data = MIXTURES[name]
    assert data.collapse == {"modes": len(mixture(data).weights)}
    judge = points_judge(data, 8192, seed=0)
    assert judge.measure(fresh(8192, data=data))["modes"] == data.collapse["modes"]


def test_a_mode_needs_a_fifth_of_its_share():
    judge, centres = points_judge(RING, 4000, seed=0), mixture(RING).means.float()
    needed = round(4000 * MODE_SHARE / 8)
    for num, modes in ((needed, 2.0), (needed - 1, 1.0)):
        samples = torch.cat([centres[1:2].expand(num, 2), centres[:1].expand(4000 - num, 2)])
        assert judge.measure(samples)["modes"] == modes


def test_mode_shares_are_compared_with_the_weights():
    data = spec.data.Mixture(kind="mixture", weight_ratio=3.0)
    judge, exact = points_judge(data, 8000, seed=0), mixture(data)
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
    judge, num = points_judge(data, 64, seed=0), 200_000
    centre = mixture(data).means.float()
    noise = torch.randn(num, dimensions, generator=torch.Generator().manual_seed(0))
    tail = math.exp(-8)
    error = math.sqrt(tail / num)
    assert abs(judge._modes(centre + noise)["off_modes"] - tail) < 4 * error
    assert abs(judge._modes(centre + 1.1 * noise)["off_modes"] - tail) > 4 * error


# ---- odd samples, and pictures


def test_a_sample_that_is_no_number_has_no_metric(judge):
    samples = fresh(NUM)
    samples[3, 1] = float("nan")
    measured = judge.measure(samples)
    assert set(measured) == set(spec.data.Mixture.metrics)
    assert all(math.isnan(value) for value in measured.values())


def test_a_picture_shows_the_samples():
    first, other = picture(RING, fresh(NUM)), picture(RING, torch.zeros(NUM, 2))
    assert first.dtype == np.uint8
    assert first.shape == (256, 256, 3)
    assert not np.array_equal(first, other)
    assert other[128, 128].sum() < other[0, 0].sum()  # ink where the samples are, white elsewhere


def test_points_on_a_line_can_be_seen():
    data = MIXTURES["line"]
    drawn = picture(data, fresh(256, data=data))
    assert drawn.shape == (256, 256, 3)
    assert drawn.min() < 200
