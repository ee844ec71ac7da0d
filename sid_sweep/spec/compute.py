"""How a step is carried out: what changes speed, memory and rounding, and nothing else."""

from .base import Spec


class Compute(Spec):
    """Ways to carry out the same step, beside `precision`."""

    tf32: bool = False
    """Let CUDA round the factors of float32 products to 10 bits, for speed."""
    cudnn_benchmark: bool = False
    """Let cuDNN try its algorithms when it meets a shape, and keep the fastest, as the official
    code does: a trial run again may then differ in rounding."""
    channels_last: bool = False
    """Lay images and convolutions out with the channels last: tensor cores want half precision so,
    and CPUs often do."""
    compile: bool = False
    """Compile the networks with torch.compile: minutes at the start for fewer, larger kernels."""
    checkpoint_activations: bool = False
    """Keep only what enters a network's blocks, and compute the rest again on the way back: one
    forward pass more for far less memory."""
