"""The batch of a step: who gets its latents, and how many of them pass at once."""

from typing import Annotated

from pydantic import Field

from .base import Count, Fraction, Spec


class Batch(Spec):
    """How many latents a step draws, and who gets them."""

    latents: Annotated[int, Field(ge=2)] = 256
    """Latents of one step, over all workers."""
    generator_fraction: Fraction = 0.5
    """Part that enters the generator's loss; the others train the fake score or the critics."""
    per_worker: Count | None = None
    """Most latents that pass through the networks at once on one worker, for memory; gradients are
    added up over as many passes as it takes. null: all."""

    @property
    def generator_latents(self) -> int:
        return min(max(round(self.latents * self.generator_fraction), 1), self.latents - 1)

    @property
    def fake_score_latents(self) -> int:
        return self.latents - self.generator_latents
