"""Which noise levels a loss sees, and how much each counts.

Levels come from uniform numbers u by inverse transform, so every distribution of levels is u on
[0, 1]. Importance sampling (Nichol & Dhariwal 2021, Sec. 3.3) changes the distribution of u alone:
[0, 1] is cut into K bins, bin k is drawn with probability p_k, and the sample weighs 1/(K p_k). The
expectation of a weighted loss is the same for any p; its variance is least for p_k proportional to
the root mean square of the loss in the bin.
"""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from sid_sweep import spec
from sid_sweep.diffusion import noise as diffusion
from sid_sweep.nets.ranks import SOLO, Ranks


@dataclass(frozen=True)
class Draw:
    """Levels for a batch."""

    level: diffusion.Level
    ratio: Float[Tensor, " B"] | None
    """1/(K p_k), the likelihood ratio that each sample's loss is multiplied by; None where all are
    1."""
    uniforms: Float[Tensor, " B"]
    """Where in its distribution each level lies."""

    def mean(self, loss: Float[Tensor, " B"]) -> Float[Tensor, ""]:
        """The batch's estimate of the expected loss, unbiased whatever levels were preferred."""
        return (loss if self.ratio is None else self.ratio * loss).mean()


class Levels:
    """The noise levels of one network's loss."""

    def __init__(
        self,
        part: spec.Generator | spec.FakeScore,
        process: diffusion.Process,
        *,
        device: torch.device | str = "cpu",
        ranks: Ranks = SOLO,
    ) -> None:
        self._part, self._process, self._ranks = part, process, ranks
        bins = part.importance.bins if part.importance else 0
        self._squares, self._counts = torch.zeros(2, bins, device=device)
        self._noted: list[Float[Tensor, "2 K"]] = []

    def draw(self, uniforms: Float[Tensor, " B"], *, dims: int) -> Draw:
        """Levels that broadcast against samples of `dims` dimensions, from uniform numbers."""
        ratio = None
        if self._part.importance is not None:
            uniforms, ratio = stratify(uniforms, self.probabilities())
        sigma = diffusion.draw_sigma(self._part.times, self._process, uniforms)
        return Draw(self._process.level(sigma.view(-1, *[1] * dims)), ratio, uniforms)

    @torch.no_grad()
    def note(self, draw: Draw, loss: Float[Tensor, " B"]) -> None:
        """See how large the weighted loss is at the levels drawn; only importance needs it."""
        importance = self._part.importance
        if importance is None:
            return
        bins = (draw.uniforms * importance.bins).long().clamp(max=importance.bins - 1)
        seen = loss.new_zeros(2, importance.bins)
        seen.index_add_(1, bins, torch.stack([loss.square(), torch.ones_like(loss)]))
        self._noted.append(seen)

    @torch.no_grad()
    def learn(self, num: int) -> None:
        """Learn from all that was noted of a batch of `num`, so that each of its passes drew from
        one distribution."""
        importance = self._part.importance
        if importance is None:
            return
        seen = torch.stack(self._noted).sum(0)
        self._noted.clear()
        self._ranks.average([seen])
        keep = 0.5 ** (num / importance.half_life_images)
        self._squares = keep * self._squares + seen[0]
        self._counts = keep * self._counts + seen[1]

    def probabilities(self) -> Float[Tensor, " K"]:
        """p_k; an unseen bin counts like the mean of the others."""
        importance = self._part.importance
        assert importance is not None
        seen = self._counts > 0
        size = (self._squares / self._counts.clamp(min=1e-30)).sqrt()
        mean = (size * seen).sum() / seen.sum().clamp(min=1)
        size = torch.where(seen, size, mean) + 1e-30  # all zero before the first loss
        uniform = importance.uniform_fraction
        return (1 - uniform) * size / size.sum() + uniform / importance.bins

    def middles(self, num: int) -> list[float]:
        """σ in the middle of `num` bins of equal probability, without importance."""
        centres = (torch.arange(num) + 0.5) / num
        return diffusion.draw_sigma(self._part.times, self._process, centres).tolist()

    def state(self) -> dict[str, Any]:
        """The running squares."""
        return {"squares": self._squares, "counts": self._counts}

    def load(self, state: dict[str, Any]) -> None:
        """Go on from `state`."""
        self._squares, self._counts = state["squares"].clone(), state["counts"].clone()


def stratify(
    uniforms: Float[Tensor, " B"], probabilities: Float[Tensor, " K"]
) -> tuple[Float[Tensor, " B"], Float[Tensor, " B"]]:
    """Uniform numbers to numbers of density K p_k on bin k, and the inverse of that density."""
    num = len(probabilities)
    ends = probabilities.cumsum(0)
    k = torch.searchsorted(ends, uniforms).clamp(max=num - 1)
    within = (uniforms - (ends - probabilities)[k]) / probabilities[k]
    return (k + within.clamp(0, 1)) / num, 1 / (num * probabilities[k])
