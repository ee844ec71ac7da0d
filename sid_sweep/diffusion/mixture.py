"""Gaussian mixtures Σ w_k N(c_k, v_k I), whose every noisy version is again a mixture.

With x_t = ᾱ x_0 + β̄ ε the components are N(ᾱ c_k, (ᾱ² v_k + β̄²) I), so the best denoiser is a
closed form: ε* = E[ε | x_t] = β̄ Σ_k r_k(x_t) (x_t - ᾱ c_k)/(ᾱ² v_k + β̄²), r_k the
responsibilities.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from .noise import Level


@dataclass(frozen=True)
class Mixture:
    """Weights w_k, centres c_k and variances v_k per coordinate."""

    weights: Float[Tensor, " K"]
    means: Float[Tensor, "K D"]
    variances: Float[Tensor, " K"]

    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> "Mixture":
        """The same mixture elsewhere."""
        return Mixture(
            self.weights.to(device, dtype),
            self.means.to(device, dtype),
            self.variances.to(device, dtype),
        )

    def deviation(self) -> float:
        """σ_data: root mean square over coordinates of the centred samples."""
        mean = self.weights @ self.means
        between = self.weights @ (self.means - mean).square()
        return float((between + self.weights @ self.variances).mean().sqrt())

    def sample(self, num: int, *, generator: torch.Generator) -> Float[Tensor, "N D"]:
        """Fresh draws."""
        which = torch.multinomial(self.weights, num, replacement=True, generator=generator)
        noise = torch.randn(
            num, self.means.shape[1], generator=generator,
            dtype=self.means.dtype, device=self.means.device,
        )  # fmt: skip
        return self.means[which] + self.variances[which].sqrt()[:, None] * noise

    def epsilon(self, xt: Float[Tensor, "B D"], level: Level) -> Float[Tensor, "B D"]:
        """ε*(x_t) = -β̄ ∇ log p(x_t), for `level` of shape [B, 1]."""
        alpha, beta = level.alpha, level.beta
        variances = alpha.square() * self.variances + beta.square()  # [B K]
        offsets = xt[:, None, :] - alpha[:, :, None] * self.means  # [B K D]
        logits = self._log_weights(variances) - 0.5 * offsets.square().sum(-1) / variances
        # Σ_k pulls_k (x_t - ᾱ c_k), without a [B K D] product
        pulls = logits.softmax(-1) / variances
        return beta * (xt * pulls.sum(-1, keepdim=True) - alpha * (pulls @ self.means))

    def log_density(self, xt: Float[Tensor, "B D"], level: Level) -> Float[Tensor, " B"]:
        """log p(x_t)."""
        variances = level.alpha.square() * self.variances + level.beta.square()
        offsets = xt[:, None, :] - level.alpha[:, :, None] * self.means
        logits = self._log_weights(variances) - 0.5 * offsets.square().sum(-1) / variances
        return logits.logsumexp(-1) - 0.5 * self.means.shape[1] * math.log(2 * math.pi)

    def _log_weights(self, variances: Float[Tensor, "B K"]) -> Float[Tensor, "B K"]:
        return self.weights.log() - 0.5 * self.means.shape[1] * variances.log()
