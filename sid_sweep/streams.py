"""Random numbers by name: a stream is a pure function of its key, so no random state is ever
saved."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def stream(*key: int | str, device: torch.device | str = "cpu") -> torch.Generator:
    """A generator whose seed is a hash of `key`, such as (seed, images, purpose)."""
    name = "/".join(map(str, key))
    seed = hashlib.blake2b(name.encode(), digest_size=8).digest()
    return torch.Generator(device).manual_seed(int.from_bytes(seed, "little"))


@contextmanager
def seeded(*key: int | str) -> Iterator[None]:
    """Within, torch's global CPU generator is the stream of `key`; afterwards, what it was.

    For initial weights, which torch's layers draw from the global generator.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stream(*key).initial_seed())
        yield
