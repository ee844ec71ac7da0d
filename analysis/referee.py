"""Which arms get more seeds: what a driver asks while a sweep runs. Pure: frames in, arms out.

Arms are named by their number in the frame. An arm without a trial in the frame is not known here.
"""

import pandas as pd

from analysis.question import Question


def kept(frame: pd.DataFrame, question: Question) -> list[int]:
    """The arms to confirm on fresh seeds, best first by the screening seeds.

    At most `question.keep` of them, each with its best nuisance setting; the baseline is not among
    them, because it is always confirmed beside them.
    """
    raise NotImplementedError


def baseline(frame: pd.DataFrame, question: Question) -> int | None:
    """The arm that others are compared with, at its best nuisance setting; None while there is
    none."""
    raise NotImplementedError


def outclassed(frame: pd.DataFrame, question: Question) -> set[int]:
    """The arms that a race drops: some other arm is shown to be better on the seeds that both have.

    The seeds are those that screen, or the reported ones where none do. The chance that the truly
    best arm is ever dropped, whenever and however often this is asked, is at most 5 %: an
    anytime-valid paired test (Ville 1939) for each other arm, at 5 % over their number.
    """
    raise NotImplementedError


def settled(frame: pd.DataFrame, question: Question) -> set[int]:
    """The arms whose verdict against the baseline stands, by the rule of the table; the baseline
    too, once every other arm that the sweep asks for is among them."""
    raise NotImplementedError
