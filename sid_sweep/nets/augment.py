"""Non-leaking augmentation (Karras et al. 2020, 2022 App. F.2): images are moved, and the network
is told how.

With probability p each: upside down (half of these), scaled, rotated, scaled along one axis,
shifted; whenever p > 0, half of all are mirrored. Nine numbers say what was done, all zero for an
untouched image. Mirrors are exact. The rest is one resampling at twice the resolution, up and down
by the sym6 wavelet, whose orthogonality makes an image that did not move come back as it was.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import conv2d, conv_transpose2d, grid_sample, pad

NUM_LABELS = 9
NUM_UNIFORMS = 15
SCALE_DEVIATION = 0.2  # of log2 of a scale
SHIFT_DEVIATION = 0.125  # of a shift, in sides of the image
SMALLEST = 2.0**-24  # a uniform number of 0 or 1 has no normal quantile
OBLIQUE = 0.5  # of the scalings along one axis, this part is along any direction
SYM6 = (
    0.015404109327027373, 0.0034907120842174702, -0.11799011114819057, -0.048311742585633,
    0.4910559419267466, 0.787641141030194, 0.3379294217276218, -0.07263752278646252,
    -0.021060292512300564, 0.04472490177066578, 0.0017677118642428036, -0.007800708325034148,
)  # fmt: skip
DELAY = 5.09826089954573  # Σ n h(n) / Σ h(n): where an image's pixel lies among its samples


def augmented(
    images: Float[Tensor, "B C H W"], uniforms: Float[Tensor, "B 15"], *, probability: float
) -> tuple[Float[Tensor, "B C H W"], Float[Tensor, "B 9"]]:
    """Images moved at random, and what was done to each; all that is random is in `uniforms`."""
    u = uniforms.unbind(1)
    mirror = (u[0] < 0.5) & (probability > 0)
    upside = (u[1] < probability) & (u[2] < 0.5)
    zoom = _normal(u[4]) * (u[3] < probability)
    angle = math.pi * (2 * u[6] - 1) * (u[5] < probability)
    stretch = _normal(u[8]) * (u[7] < probability)
    along = math.pi * (2 * u[10] - 1) * (u[9] < OBLIQUE)
    shift = _normal(torch.stack([u[12], u[13]])) * (u[11] < probability)
    images = torch.where(mirror[:, None, None, None], images.flip(3), images)
    images = torch.where(upside[:, None, None, None], images.flip(2), images)
    labels = torch.stack(
        [
            mirror.to(zoom), upside.to(zoom), zoom, angle.cos() - 1, angle.sin(),
            stretch * along.cos(), stretch * along.sin(), shift[0], shift[1],
        ],
        1,
    )  # fmt: skip
    still = (labels[:, 2:] == 0).all(1)
    moved = resampled(images, linear(zoom, angle, stretch, along), shift.T)
    return torch.where(still[:, None, None, None], images, moved), labels


def linear(
    zoom: Float[Tensor, " B"],
    angle: Float[Tensor, " B"],
    stretch: Float[Tensor, " B"],
    along: Float[Tensor, " B"],
) -> Float[Tensor, "B 2 2"]:
    """From a place of the moved image to where it comes from, both (x, y) from the centre."""
    size = (-SCALE_DEVIATION * zoom).exp2()
    longer = (-SCALE_DEVIATION * stretch).exp2()
    axes = torch.diag_embed(torch.stack([longer, 1 / longer], 1))
    slanted = _rotation(-along) @ axes @ _rotation(along)
    return size[:, None, None] * _rotation(angle) @ slanted


def resampled(
    images: Float[Tensor, "B C H W"], linear: Float[Tensor, "B 2 2"], shift: Float[Tensor, "B 2"]
) -> Float[Tensor, "B C H W"]:
    """Images of which each place shows another; beyond the edges they are mirrored.

    Sample s of a filtered image lies at its pixel (s - DELAY)/2; half a side is added all around.
    """
    sides = torch.tensor([images.shape[3], images.shape[2]]).to(linear)
    margin, centre = sides // 2, (sides - 1) / 2
    x, y = (
        (torch.arange(2 * int(side) + len(SYM6) - 2).to(linear) - DELAY) / 2 - middle
        for side, middle in zip(sides, centre, strict=True)
    )
    places = torch.stack(torch.meshgrid(x, y, indexing="xy"), 2)
    places = places - SHIFT_DEVIATION * (sides * shift)[:, None, None]
    sources = torch.einsum("bij,bhwj->bhwi", linear, places) + centre
    (across, down) = (int(own) for own in margin)
    fine = _doubled(pad(images, (across, across, down, down), mode="reflect"))
    samples = 2 * (sources + margin) + DELAY
    size = torch.tensor([fine.shape[3], fine.shape[2]]).to(linear)
    grid = ((2 * samples + 1) / size - 1).to(fine.dtype)
    return _halved(grid_sample(fine, grid, padding_mode="reflection", align_corners=False))


def _rotation(angle: Float[Tensor, " B"]) -> Float[Tensor, "B 2 2"]:
    cos, sin = angle.cos(), angle.sin()
    return torch.stack([torch.stack([cos, -sin], 1), torch.stack([sin, cos], 1)], 1)


def _doubled(images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H2 W2"]:
    for kernel in _kernels(images):
        stride = (2, 1) if kernel.shape[2] > 1 else (1, 2)
        images = conv_transpose2d(images, kernel, stride=stride, groups=images.shape[1])
    return images


def _halved(images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H2 W2"]:
    for kernel in _kernels(images):
        stride = (2, 1) if kernel.shape[2] > 1 else (1, 2)
        images = conv2d(images, kernel, stride=stride, groups=images.shape[1])
    return images


def _kernels(images: Float[Tensor, "B C H W"]) -> list[Tensor]:
    """The filter down and across, one per colour."""
    taps = images.new_tensor(SYM6).expand(images.shape[1], 1, -1)
    return [taps[:, :, :, None], taps[:, :, None, :]]


def _normal(uniforms: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Standard normals, by inverse transform; none is infinite."""
    return torch.special.ndtri(uniforms.clamp(SMALLEST, 1 - SMALLEST))
