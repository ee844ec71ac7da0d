"""What the loop drives: a method that takes steps, has a student, and knows its cost.

A method is made of parts with one duty each: `Draws` are its random numbers, `Costs` its passes,
`Monitor` its diagnostics; networks, optimisers and noise levels lie in tables by name. All that it
depends on is in `state`. `OneStepMethod` adds what those share that train a one-step generator.
"""

import copy
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from sid_sweep import spec
from sid_sweep.data import Source
from sid_sweep.diffusion import noise as diffusion
from sid_sweep.diffusion.noise import Epsilon
from sid_sweep.nets import average, lora
from sid_sweep.nets.denoiser import Denoiser
from sid_sweep.nets.optim import Optimiser
from sid_sweep.nets.ranks import SOLO, Ranks
from sid_sweep.streams import seeded
from sid_sweep.student import ManySteps, OneStep, Student, sampling
from sid_sweep.teachers import Teacher

from .costs import Costs, state_bytes
from .draws import Draws
from .levels import Levels
from .meters import Monitor

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Setting:
    """What a method is given."""

    trial: spec.Trial
    teacher: Teacher
    data: Source
    device: torch.device = CPU
    ranks: Ranks = SOLO


class Method(ABC):
    """A way to a student."""

    images_per_step: int
    """The clock's step, over all ranks; 0 where nothing is trained."""

    def __init__(self, setting: Setting) -> None:
        self.trial, self.teacher = setting.trial, setting.teacher
        self.device, self.ranks = setting.device, setting.ranks
        self.process = diffusion.process(setting.trial.noise)
        placed = {"device": setting.device, "ranks": setting.ranks}
        self.draws = Draws(setting.trial.seed, setting.data, **placed)
        self.monitor = Monitor(**placed)
        self.costs = Costs()
        self.networks: dict[str, nn.Module] = {}
        self.optimisers: dict[str, Optimiser] = {}
        self.levels: dict[str, Levels] = {}

    @abstractmethod
    def step(self, images: int) -> None:
        """One turn of training, `images` having been seen before it."""

    @property
    @abstractmethod
    def student(self) -> Student:
        """The student as it stands."""

    def metrics(self) -> dict[str, float]:
        """Costs so far, and diagnostics since they were last reset."""
        teacher = self.trial.teacher
        spent = teacher.images if isinstance(teacher, spec.TrainedTeacher) else None
        networks = [*self.networks.values(), *filter(None, [self.teacher.denoiser])]
        return {
            **self.costs.metrics(teacher_images=spent),
            "cost/state_bytes": float(state_bytes(networks, self.optimisers.values())),
            "cost/nfe": float(self.student.sampling.nfe),
            **{f"diagnostics/{name}": mean for name, mean in self.monitor.means().items()},
        }

    # ---- for subclasses

    def student_of(self, epsilon: Epsilon, way: OneStep | ManySteps | None = None) -> Student:
        """The student whose denoiser is `epsilon`.

        Args:
            way: how it is sampled now; None: as at the end of training.
        """
        own = self.teacher
        way = way or sampling(self.trial)
        return Student(
            self.trial, own.shape, own.sigma_data, epsilon, way, self.device, own.num_classes
        )

    def optimiser(
        self, name: str, network: nn.Module, adam: spec.nets.Adam, *, images: int | None = None
    ) -> None:
        """An optimiser of the weights of a network that learn, its schedule over `images`; None:
        over the budget."""
        learning = [p for p in network.parameters() if p.requires_grad]
        budget = self.trial.budget.images if images is None else images
        self.optimisers[name] = Optimiser(learning, adam, budget_images=budget, ranks=self.ranks)

    def network(self, init: spec.Init, role: str) -> Denoiser:
        """A network of its own for `role`, from fresh weights or from the teacher's."""
        key = (self.trial.seed, role)
        match init:
            case spec.nets.RandomInit():
                fresh = self.teacher.fresh(init.net, key=key).to(self.device)
            case spec.nets.TeacherInit(lora=None):
                fresh = self.copy_of_teacher()
            case spec.nets.TeacherInit(lora=low_rank):
                assert self.teacher.denoiser is not None
                assert low_rank is not None
                with seeded(*key, "lora"):
                    fresh = lora.adapt(
                        self.teacher.denoiser, rank=low_rank.rank, scale=low_rank.scale
                    )
        return fresh.compute_in(self.trial.precision)

    def copy_of_teacher(self) -> Denoiser:
        """The teacher's network with weights of its own, which learn."""
        assert self.teacher.denoiser is not None  # the specification refuses it
        own = copy.deepcopy(self.teacher.denoiser).requires_grad_(True)
        return own.compute_in(self.trial.precision)

    # ---- the checkpoint

    def state(self) -> dict[str, Any]:
        """Everything that training depends on, as tensors and numbers; frozen weights are not."""
        return {
            "networks": {name: _learnt(net) for name, net in self.networks.items()},
            "optimisers": {name: own.state() for name, own in self.optimisers.items()},
            "levels": {name: own.state() for name, own in self.levels.items()},
            "monitor": self.monitor.state(),
            "costs": self.costs.state(),
        }

    def load(self, state: dict[str, Any]) -> None:
        """Go on from `state`, bitwise as if never interrupted."""
        with torch.no_grad():
            for name, network in self.networks.items():
                for key, value in _learnt(network).items():
                    value.copy_(state["networks"][name][key])
        for name, optimiser in self.optimisers.items():
            optimiser.load(state["optimisers"][name])
        for name, levels in self.levels.items():
            levels.load(state["levels"][name])
        self.monitor.load(state["monitor"])
        self.costs.load(state["costs"])


class OneStepMethod(Method):
    """A generator g(z) = D_θ(σ_init z; σ_init), whose average is the student."""

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        part = setting.trial.generator
        assert part is not None  # every method that trains one has the group
        self.part = part
        self.generator = self.network(part.init, "generator")
        self.averaged = lora.twin(self.generator)
        self.networks |= {"generator": self.generator, "student": self.averaged}
        self.optimiser("generator", self.generator, part.optim)
        pairs = zip(self.averaged.parameters(), self.generator.parameters(), strict=True)
        self._averages = [own for own, weight in pairs if weight.requires_grad]

    @property
    def student(self) -> Student:
        return self.student_of(self.averaged)

    def generate(self, latents: Tensor) -> Tensor:
        """g(z)."""
        return self.generator.generate(latents, sigma_init=self.part.sigma_init)

    def descend(self, loss: Tensor, images: int) -> None:
        """One step of the generator, and of its average."""
        optimiser = self.optimisers["generator"]
        optimiser.descend(self.part.loss_scale * loss, images)
        average.step(
            self.part.ema, self._averages, optimiser.parameters,
            batch_images=self.images_per_step, images=images,
        )  # fmt: skip


def _learnt(network: nn.Module) -> dict[str, Tensor]:
    """The weights of a network that learn; of an average, those that it averages."""
    return {name: p.detach() for name, p in network.named_parameters() if p.requires_grad}
