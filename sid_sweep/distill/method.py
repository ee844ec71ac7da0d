"""What the loop drives: a method that takes steps, can be sampled, and knows its cost.

`Method` holds what all have: networks, optimisers, meters, counters, and with them the checkpoint.
`OneStep` adds what those share that train a one-step generator: θ, its average, its samples.
"""

import copy
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from sid_sweep import spec
from sid_sweep.data import Source
from sid_sweep.diffusion import noise as diffusion
from sid_sweep.nets import average, lora
from sid_sweep.nets.denoiser import Denoiser
from sid_sweep.nets.optim import Optimiser
from sid_sweep.nets.ranks import SOLO, Ranks
from sid_sweep.streams import seeded, stream
from sid_sweep.teachers import Teacher

from .levels import Levels
from .meters import Meters

SAMPLE_BATCH = 4096


@dataclass(frozen=True)
class Setting:
    """What a method is given."""

    trial: spec.Trial
    teacher: Teacher
    data: Source
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    ranks: Ranks = SOLO


class Method(ABC):
    """A way to a student. All that it depends on lies in the four tables, which make `state`."""

    images_per_step: int
    """The clock's step, over all ranks; 0 where nothing is trained."""
    nfe: int
    """Network evaluations for one sample of the student."""

    def __init__(self, setting: Setting) -> None:
        self.trial, self.teacher, self.data = setting.trial, setting.teacher, setting.data
        self.device, self.ranks = setting.device, setting.ranks
        self.process = diffusion.process(setting.trial.noise)
        self.networks: dict[str, nn.Module] = {}
        self.optimisers: dict[str, Optimiser] = {}
        self.levels: dict[str, Levels] = {}
        self.meters: dict[str, Meters] = {}
        self.forwards = self.backwards = 0.0
        self._largest = torch.zeros((), device=self.device)

    @abstractmethod
    def step(self, images: int) -> None:
        """One turn of training, `images` having been seen before it."""

    @abstractmethod
    def sample(self, num: int, *, random: torch.Generator) -> Tensor:
        """The student's samples, [num, *shape]."""

    @abstractmethod
    def student_state(self) -> dict[str, Tensor]:
        """The student's weights, as the plain denoiser of its architecture; empty if it has
        none."""

    # ---- what a record shows

    def costs(self) -> dict[str, float]:
        """So far, over all ranks (sid_sweep/spec/trial.py, COSTS)."""
        evaluations, of_teacher = self.forwards + self.backwards, {}
        if isinstance(self.trial.teacher, spec.TrainedTeacher):
            of_teacher = {"cost/of_teacher": evaluations / (3 * self.trial.teacher.images)}
        return {
            "cost/forwards": self.forwards,
            "cost/backwards": self.backwards,
            "cost/evaluations": evaluations,
            **of_teacher,
            "cost/state_bytes": float(self.state_bytes()),
            "cost/nfe": float(self.nfe),
        }

    def state_bytes(self) -> int:
        """Of weights, each tensor once however many networks share it, gradients and moments."""
        held = [self.teacher.denoiser, *self.networks.values()]
        weights = {p.data_ptr(): p for network in held if network for p in network.parameters()}
        learning = [p for own in self.optimisers.values() for p in own.parameters]
        moving = 1 + Optimiser.NUM_MOMENTS  # a gradient and its moments
        return sum(p.nbytes for p in weights.values()) + sum(moving * p.nbytes for p in learning)

    def diagnostics(self) -> dict[str, float]:
        """Means since the last reset, over all ranks."""
        return {
            f"diagnostics/{name}": value
            for meters in self.meters.values()
            for name, value in meters.means().items()
        }

    def reset_diagnostics(self) -> None:
        """Begin new means."""
        for meters in self.meters.values():
            meters.reset()
        self._largest.zero_()

    def trouble(self, *, largest: float) -> str:
        """Why training cannot go on, or "": a non-finite number, or samples beyond `largest`."""
        totals = [meters.total for meters in self.meters.values()]
        numbers = torch.stack([*totals, self._largest])
        self.ranks.average([numbers])  # a NaN on any rank is a NaN on all
        if not bool(numbers.isfinite().all()):
            return "a loss is not finite"
        if (reached := self.ranks.largest(self._largest)) > largest:
            return f"a sample of {reached:.3g} is beyond {largest:.3g}"
        return ""

    # ---- for subclasses

    def count(self, num: int, *, forwards: int = 0, backwards: int = 0) -> None:
        """Note passes over `num` samples."""
        self.forwards += num * forwards
        self.backwards += num * backwards

    def meter(self, name: str, quantities: Sequence[str], *, bins: Sequence[str] = ()) -> Meters:
        """A new table of means."""
        self.meters[name] = Meters(quantities, bins=bins, device=self.device, ranks=self.ranks)
        return self.meters[name]

    def optimiser(self, name: str, network: nn.Module, adam: spec.Adam, **options: Any) -> None:
        """An optimiser of the weights of a network that learn."""
        learning = [p for p in network.parameters() if p.requires_grad]
        options = {"budget_images": self.trial.budget.images} | options
        self.optimisers[name] = Optimiser(learning, adam, ranks=self.ranks, **options)

    def normal(self, images: int, purpose: str, num: int, *, copies: int = 1) -> list[Tensor]:
        """This rank's share of `copies` standard normal tensors [num, *shape]."""
        random = stream(self.trial.seed, images, purpose, device=self.device)
        size = (copies, num, *self.teacher.shape)
        share = self.ranks.share(num)
        return [z[share] for z in torch.randn(size, generator=random, device=self.device)]

    def real(self, images: int, purpose: str, num: int) -> Tensor:
        """This rank's share of `num` draws from the data."""
        drawn = self.data.draw(num, generator=stream(self.trial.seed, images, purpose, "data"))
        return drawn[self.ranks.share(num)].to(self.device, torch.float32)

    def note_samples(self, x0: Tensor) -> None:
        """Watch how far out the student's samples lie."""
        self._largest = torch.maximum(self._largest, x0.detach().abs().amax())

    def network(self, init: spec.Init, role: str) -> Denoiser:
        """A network of its own for `role`, from fresh weights or from the teacher's."""
        key = (self.trial.seed, role)
        match init:
            case spec.RandomInit():
                fresh = self.teacher.fresh(init.net, key=key).to(self.device)
            case spec.TeacherInit(lora=None):
                assert self.teacher.denoiser is not None  # the specification refuses it
                fresh = copy.deepcopy(self.teacher.denoiser).requires_grad_(True)
            case spec.TeacherInit(lora=low_rank):
                assert self.teacher.denoiser is not None
                assert low_rank is not None
                with seeded(*key, "lora"):
                    fresh = lora.adapt(
                        self.teacher.denoiser, rank=low_rank.rank, scale=low_rank.scale
                    )
        if self.trial.precision == "bfloat16":
            fresh.precision = torch.bfloat16
        return fresh

    # ---- the checkpoint

    def state(self) -> dict[str, Any]:
        """Everything that training depends on, as tensors and numbers; frozen weights are not."""
        return {
            "networks": {name: _learnt(net) for name, net in self.networks.items()},
            "optimisers": {name: own.state() for name, own in self.optimisers.items()},
            "levels": {name: own.state() for name, own in self.levels.items()},
            "meters": {name: own.state() for name, own in self.meters.items()},
            "largest": self._largest,
            "forwards": self.forwards,
            "backwards": self.backwards,
        }

    def load(self, state: dict[str, Any]) -> None:
        """Go on from `state`, bitwise as if never interrupted."""
        with torch.no_grad():
            for name, network in self.networks.items():
                for key, value in _learnt(network).items():
                    value.copy_(state["networks"][name][key])
        tables: list[tuple[str, dict[str, Any]]] = [
            ("optimisers", self.optimisers), ("levels", self.levels), ("meters", self.meters),
        ]  # fmt: skip
        for kind, table in tables:
            for name, own in table.items():
                own.load(state[kind][name])
        self._largest = state["largest"].clone()
        self.forwards, self.backwards = state["forwards"], state["backwards"]


class OneStep(Method):
    """A generator g(z) = D_θ(σ_init z; σ_init), whose average is the student."""

    nfe = 1

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        part = setting.trial.generator
        assert part is not None  # every method that trains one has the group
        self.part = part
        self.generator = self.network(part.init, "generator")
        self.student = lora.share(self.generator)
        self.networks |= {"generator": self.generator, "student": self.student}
        self.optimiser("generator", self.generator, part.optim)
        self._averaged = [
            own
            for own, weight in zip(
                self.student.parameters(), self.generator.parameters(), strict=True
            )
            if weight.requires_grad
        ]

    def generate(self, latents: Tensor) -> Tensor:
        """g(z)."""
        return self.generator.generate(latents, sigma_init=self.part.sigma_init)

    def descend(self, loss: Tensor, images: int) -> None:
        """One step of the generator, and of its average."""
        optimiser, ema = self.optimisers["generator"], self.part.ema
        optimiser.descend(self.part.loss_scale * loss, images)
        beta = average.decay(
            self.images_per_step, images, half_life=ema.half_life_images, ramp_up=ema.ramp_up
        )
        average.update(self._averaged, optimiser.parameters, beta)

    @torch.no_grad()
    def sample(self, num: int, *, random: torch.Generator) -> Tensor:
        latents = torch.randn(num, *self.teacher.shape, generator=random, device=self.device)
        sigma = self.part.sigma_init
        parts = [self.student.generate(z, sigma_init=sigma) for z in latents.split(SAMPLE_BATCH)]
        return torch.cat(parts)

    def student_state(self) -> dict[str, Tensor]:
        return lora.merged(self.student).state_dict()


def _learnt(network: nn.Module) -> dict[str, Tensor]:
    """The weights of a network that learn; of an average, those that it averages."""
    return {name: p.detach() for name, p in network.named_parameters() if p.requires_grad}
