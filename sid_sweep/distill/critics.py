"""Networks with one output: the discriminator of a GAN, the log density of a DDE."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sid_sweep import spec
from sid_sweep.nets.denoiser import raw


class Critic(nn.Module):
    """A network that sees the sample over `scale`, at no noise level; its outputs' mean."""

    def __init__(self, net: spec.Net, shape: tuple[int, ...], *, scale: float) -> None:
        super().__init__()
        self.net = raw(net, shape)
        self.scale = scale

    def forward(self, x: Float[Tensor, "B ..."]) -> Float[Tensor, " B"]:
        level = x.new_zeros(1)  # c_noise of σ = 1
        return self.net(x / self.scale, level).flatten(1).mean(1) * math.sqrt(x[0].numel())


def least_squares(scores: Float[Tensor, " B"], *, wanted: float) -> Float[Tensor, " B"]:
    """½ (D(x) - wanted)² (Mao et al. 2017, eq. 2)."""
    return 0.5 * (scores - wanted).square()


def density_error(
    estimator: nn.Module,
    noisy: Float[Tensor, "B ..."],
    noise: Float[Tensor, "B ..."],
    *,
    sigma: float,
) -> Float[Tensor, " B"]:
    """½ ‖σ ∇s(x̃) + n‖², least where s is log p(x̃) (Bigdeli et al. 2020, eq. 8, over σ²)."""
    noisy = noisy.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(estimator(noisy).sum(), noisy, create_graph=True)
    return 0.5 * (sigma * gradient + noise).square().flatten(1).sum(1)
