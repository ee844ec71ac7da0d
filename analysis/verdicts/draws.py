"""Randomness of an analysis: it follows from the question, so that the same trials give the same
bytes, wherever they are read from."""

import hashlib

import numpy as np

from analysis.question import Question


def generator(question: Question, purpose: str) -> np.random.Generator:
    """A stream of its own for each purpose."""
    digest = hashlib.sha256(f"{purpose}\n{question.to_json()}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big"))
