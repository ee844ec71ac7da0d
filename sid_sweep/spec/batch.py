"""The batch of a step: who gets its latents, and how many of them pass at once."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from .base import Count, Fraction, Spec

if TYPE_CHECKING:
    from .trial import Trial


class Batch(Spec):
    """How many latents a step draws, and who gets them."""

    latents: Annotated[int, Field(ge=2)] = 256
    """Latents of one step, over all workers."""
    generator_fraction: Fraction = 0.5
    """Part that enters the generator's loss; the others train the fake score or the critics.
    Without meaning where they are shared."""
    per_worker: Count | None = None
    """Most latents that pass through the networks at once on one worker, for memory; gradients are
    added up over as many passes as it takes. null: all."""

    shared: bool = False
    """One forward pass of θ and one of ψ serve both losses (about 9 passes a latent instead of 11
    for each pair), and every latent trains both. The price: ψ learns on the generator's noise
    levels, and the generator meets ψ as it was before its step (Su 2024, algorithm 12.1)."""

    def refuses(self, trial: "Trial", path: str) -> Iterator[str]:
        if not self.shared:
            return
        part = trial.fake_score
        if trial.method.kind != "sid" or part is None:
            yield f"{path}.shared is for method.kind = sid, which trains two networks on one pass"
        elif part.steps > 1:
            yield f"{path}.shared makes one step of each network; set fake_score.steps = 1"
        elif part.importance is not None:
            yield (
                f"{path}.shared gives the fake score the generator's levels; leave "
                "fake_score.importance out"
            )
        elif part.augment:
            yield (f"{path}.shared shows both losses the same images; set fake_score.augment = 0")

    @property
    def generator_latents(self) -> int:
        if self.shared:
            return self.latents
        return min(max(round(self.latents * self.generator_fraction), 1), self.latents - 1)

    @property
    def fake_score_latents(self) -> int:
        return self.latents if self.shared else self.latents - self.generator_latents
