"""Shape annotations are executed in all tests of the mathematics; one thread, as in a trial."""

import torch
from jaxtyping import install_import_hook

torch.set_num_threads(1)
ROOMS = ("diffusion", "distill", "nets", "quality")
install_import_hook([f"sid_sweep.{room}" for room in ROOMS], "beartype.beartype")
