"""Which arms get more seeds: what a driver asks while a sweep runs. Pure: frames in, arms out.

Arms are named by their number in the frame. An arm without a trial in the frame is not known here.
"""

import pandas as pd

from analysis.question import Question
from analysis.verdicts.constraints import violations
from analysis.verdicts.evidence import PRUNED, gather, judged, verdicts
from analysis.verdicts.selection import race_lost, ranked, select


def kept(frame: pd.DataFrame, question: Question) -> list[int]:
    """The arms to confirm on fresh seeds, best first by the screening seeds.

    At most `question.keep` of them, each with its best nuisance setting; no arm that finished at no
    seed, was given up or violates a constraint, and not the baseline, because it is always
    confirmed beside them.
    """
    trials = judged(frame, question)
    own = gather(trials, question.screen, question)
    finished = {arm for arm, row in zip(own.arms, own.ended & ~own.lost, strict=True) if row.any()}
    finished -= set(trials["arm"][trials["outcome"] == PRUNED])
    chosen = select(trials, question)
    finished -= set(violations(trials, question, question.screen, chosen.baseline))
    worthy = [arm for arm in chosen.arms if arm in finished and arm != chosen.baseline]
    return ranked(own.of(worthy), question)[: question.keep]


def baseline(frame: pd.DataFrame, question: Question) -> int | None:
    """The arm that others are compared with, at its best nuisance setting; None where there is not
    exactly one."""
    return select(judged(frame, question), question).baseline


def outclassed(frame: pd.DataFrame, question: Question) -> set[int]:
    """The arms that a race drops: some other arm is shown to be better on the seeds that both have.

    The seeds are those that screen, or the reported ones where none do. The chance that the truly
    best arm is ever dropped, whenever and however often this is asked, is at most 5 %: an
    anytime-valid paired test (Ville 1939) for each other arm, at 5 % over their number.
    """
    return race_lost(judged(frame, question), question)


def settled(frame: pd.DataFrame, question: Question) -> set[int]:
    """The arms whose verdict against the baseline stands, by the rule of the table, with all their
    nuisance settings; the baseline's too, once all arms that the sweep asks for are settled."""
    trials = judged(frame, question)
    chosen = select(trials, question)
    if chosen.baseline is None:
        return set()
    own = gather(trials, question.seeds, question).of(chosen.confirmed)
    if chosen.baseline not in own.arms:
        return set()
    found = verdicts(own, chosen.baseline, question, num_pairs=chosen.num_pairs)
    decided = [arm for arm, verdict in found.items() if verdict.word != "undecided"]
    more = {member for arm in decided for member in chosen.groups[arm]} - {chosen.baseline}
    asked = set(kept(frame, question)) if question.screen else set(chosen.arms)
    whole = len(set(trials["arm"])) >= question.num_arms and asked <= {*found, chosen.baseline}
    if found and whole and len(decided) == len(found):
        more |= set(chosen.groups[chosen.baseline])
    return more
