"""The teacher itself, as a row of the table: nothing is trained, every sample costs many
evaluations."""

from sid_sweep.student import Student

from .method import Method


class PlainTeacher(Method):
    """By DDPM's ancestral steps, DDIM or Heun."""

    images_per_step = 0

    def step(self, images: int) -> None:
        raise AssertionError("a plain teacher has nothing to train")

    @property
    def student(self) -> Student:
        return self.student_of(self.teacher.denoiser or self.teacher.epsilon)
