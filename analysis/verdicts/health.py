"""What a careful referee would object to, one sentence each. Pure, and silent where all is well."""

import re
from collections import Counter
from collections.abc import Callable

import pandas as pd

from analysis.notation import arm_text, row_text, significant
from analysis.question import Question
from analysis.verdicts import budgets
from analysis.verdicts.edges import leader_on_edge
from analysis.verdicts.evidence import COLLAPSED, PRUNED, judged
from analysis.verdicts.importance import too_few_arms, too_noisy
from analysis.verdicts.power import ran_out, too_few_seeds, unpaired
from sid_sweep.spec import LOST

NUMBER = re.compile(r"-?\d+(\.\d+)?(e[-+]?\d+)?")
NAMED_ARMS = 3  # more arms than this are counted, not listed

Check = Callable[[pd.DataFrame, pd.DataFrame, Question], list[str]]


def warnings(frame: pd.DataFrame, arms: pd.DataFrame, question: Question) -> list[str]:
    """All objections to a frame and its arms, those that weaken every number first.

    What is no objection to a sweep that still runs waits for its end.
    """
    always: tuple[Check, ...] = (
        lost,
        given_up,
        collapsed,
        no_leader,
        unequal_images,
        unequal_compute,
        unequal_seconds,
        no_interval,
        copies,
        leader_on_edge,
    )
    at_the_end: tuple[Check, ...] = (
        baseline_not_beaten,
        unequal_tuning,
        tuned_on_reported_seeds,
        shrunk,
        unpaired,
        too_few_seeds,
        ran_out,
        noisy_knobs,
    )
    missing = unfinished(frame, arms, question)
    checks = always if missing else (*always, *at_the_end)
    return missing + [sentence for check in checks for sentence in check(frame, arms, question)]


def unfinished(frame: pd.DataFrame, arms: pd.DataFrame, question: Question) -> list[str]:
    """Trials without an end, seeds of a started arm that have not begun, arms that never were."""
    trials = judged(frame, question)
    running = int((trials["outcome"] == "running").sum())
    waiting = _waiting(trials, arms, question)
    never = max(question.num_arms - trials["arm"].nunique(), 0)
    parts = []
    if running + waiting:
        parts = [
            f"{running} of {len(trials) + waiting} trials are still running and {waiting} have "
            "not started"
        ]
    if never:
        parts.append(f"{never} of {question.num_arms} arms have not started")
    if question.screen and not arms["confirmed"].any():
        parts.append("no arm has been confirmed on fresh seeds")
    text = ", ".join(parts)
    return [f"{text[0].upper()}{text[1:]}: this table is preliminary."] if parts else []


def _waiting(trials: pd.DataFrame, arms: pd.DataFrame, question: Question) -> int:
    """How many seeds are due and have not begun, in arms that have.

    Screening is over once an arm is confirmed; what a race took seeds from, or was given up,
    is not due them.
    """
    due = question.seeds
    pruned = sorted(set(trials["arm"][trials["outcome"] == PRUNED]))
    started = trials.groupby("arm")["seed"].agg(set).drop(pruned)
    if question.screen and arms["confirmed"].any():
        started = started[started.index.isin(arms.loc[arms["confirmed"], "arm"])]
    elif question.screen:
        due = question.screen
    if question.sequential:
        started = started[started.index.isin(arms.loc[arms["stopped"] == "", "arm"])]
    return sum(len(set(due) - seeds) for seeds in started)


def lost(frame: pd.DataFrame, arms: pd.DataFrame, question: Question) -> list[str]:
    """How many trials diverged or failed, and why most of them did."""
    trials = frame[frame["final"]]
    bad = trials[trials["outcome"].isin(LOST)]
    if bad.empty:
        return []
    counts = [f"{(bad['outcome'] == name).sum()} {name}" for name in LOST]
    counts = [count for count in counts if not count.startswith("0 ")]
    kinds = Counter(map(without_numbers, bad["cause"]))
    (kind, times), *_ = kinds.most_common(1)
    alike = [cause for cause in bad["cause"] if without_numbers(cause) == kind]
    such = "" if len(set(alike)) == 1 else "such as "
    why = f"; most often ({times}): {such}{alike[0]}" if kind else ""
    part = len(bad) / len(trials)
    return [
        f"{len(bad)} of {len(trials)} trials ({part:.0%}) ended without a value: "
        f"{', '.join(counts)}{why}."
    ]


def given_up(frame: pd.DataFrame, arms: pd.DataFrame, question: Question) -> list[str]:
    """Where so many arms were given up early that fewer are confirmed than were to be kept."""
    confirmed = int((arms["confirmed"] & ~arms["baseline"]).sum())
    pruned = int((arms["pruned"] > 0).sum())
    if not pruned or not arms["confirmed"].any() or confirmed >= question.keep:
        return []
    return [
        f"{pruned} of {len(arms)} arms were given up early, so {confirmed} of the {question.keep} "
        "to be kept were confirmed: ask for more arms, or give up fewer (search.prune.eta, "
        "search.prune.least)."
    ]


def without_numbers(cause: str) -> str:
    """`overflows float16 at a loss scale of …`: what several causes have in common."""
    return NUMBER.sub("…", cause)


def collapsed(frame: pd.DataFrame, arms: pd.DataFrame, question: Question) -> list[str]:
    """How many students had collapsed at their end, and what that means here."""
    trials = judged(frame, question)
    num = int(((trials["outcome"] == COLLAPSED) & trials["whole"]).sum())
    if not num:
        return []
    limits = " or ".join(f"{name} < {significant(x)}" for name, x in question.collapse.items())
    return [
        f"{num} of {len(trials)} trials ({num / len(trials):.0%}) collapsed ({limits}): they "
        "count as lost and enter no mean."
    ]


def no_leader(frame: pd.DataFrame, arms: pd.DataFrame, question: Question) -> list[str]:
    """Without an arm that is complete none leads."""
    if arms["leads"].any():
        return []
    return ["No arm finished at every seed, so none leads."]


# ---- what an arm was given


def unequal_images(frame: pd.DataFrame, arms: pd.DataFrame, question: Question) -> list[str]:
    """Arms that saw other numbers of images answer another question than their knobs do."""
    odd = arms[~arms["ranked"]].sort_values("images", kind="stable")
    if odd.empty:
        return []
    spent = [f"{images:,.0f}" for images in odd["images"]]
    return [
        f"Images differ by more than {budgets.MAX_SPREAD:.0%} from {_reference(arms)} in "
        f"{len(odd)} of {len(arms)} arms, {_extent(spent, odd, question)}: such arms are not "
        "ranked."
    ]


def unequal_compute(frame: pd.DataFrame, arms: pd.DataFrame, question: Question) -> list[str]:
    """At equal images an arm may spend several times another's passes through the networks."""
    odd = arms[budgets.differs(arms["compute"])]
    if odd.empty:
        return []
    return [
        f"At equal images, {len(odd)} of {len(arms)} arms spend other {budgets.EVALUATIONS} than "
        f"{_reference(arms)}, {_multiples(arms['compute'], odd, question)}: verdicts hold at equal "
        "images, not at equal compute, which `cost` would weigh."
    ]


def unequal_seconds(frame: pd.DataFrame, arms: pd.DataFrame, question: Question) -> list[str]:
    """Seconds that nothing counted explains: larger networks, or other work on the machine."""
    multiple = budgets.seconds(frame, arms, question)
    far = (multiple > budgets.MAX_SECONDS) | (multiple < 1 / budgets.MAX_SECONDS)
    odd = arms[far]
    if odd.empty:
        return []
    return [
        f"At equal images and evaluations, {len(odd)} of {len(arms)} arms took other seconds than "
        f"{_reference(arms)} even at their fastest seed, {_multiples(multiple, odd, question)}: "
        "larger networks, or a machine that was busy."
    ]


def _multiples(multiple: pd.Series, odd: pd.DataFrame, question: Question) -> str:
    """`from 0.5 times (K = 1) to 2 times (K = 4)`."""
    order = multiple[odd.index].sort_values(kind="stable")
    return _extent([f"{own:.2g} times" for own in order], odd.loc[order.index], question)


def _extent(spent: list[str], odd: pd.DataFrame, question: Question) -> str:
    """From the least to the most, of rows in that order; one figure where it is that of all."""
    names = [f"{spent[at]} ({row_text(odd.iloc[at], question.knobs)})" for at in (0, -1)]
    if len(odd) == 1:
        return names[0]
    return f"from {names[0]} to {names[1]}" if spent[0] != spent[-1] else f"{spent[0]} each"


def _reference(arms: pd.DataFrame) -> str:
    trained = arms["baseline"] & (arms["images"] > 0)
    return "the baseline's" if trained.any() else "the median arm's"


def unequal_tuning(frame: pd.DataFrame, arms: pd.DataFrame, question: Question) -> list[str]:
    """The best of more settings is better by luck alone."""
    by_effort = arms.sort_values("tried", kind="stable")
    least, most = by_effort.iloc[0], by_effort.iloc[-1]
    if least["tried"] == most["tried"]:
        return []
    names = [row_text(arm, question.scientific) for arm in (least, most)]
    return [
        f"Tuning effort differs: {names[1]} is the best of {most['tried']} nuisance settings, "
        f"{names[0]} of {least['tried']}, and the best of more is better by luck."
    ]


def tuned_on_reported_seeds(
    frame: pd.DataFrame, arms: pd.DataFrame, question: Question
) -> list[str]:
    """What chose a setting cannot also report it."""
    if not arms["tuned_on_same_seeds"].any():
        return []
    return [
        "Nuisance settings were chosen by the seeds that the table reports, so means and intervals "
        "look too good (verdicts allow for that); `seeds: {screen: ..., confirm: ...}` reports "
        "fresh ones."
    ]


def shrunk(frame: pd.DataFrame, arms: pd.DataFrame, question: Question) -> list[str]:
    """The arm that screened best was in luck, if fresh seeds exclude what it screened at."""
    if not question.screen:
        return []
    chosen = arms[arms["confirmed"] & ~arms["baseline"] & arms["screened"].notna()]
    if chosen.empty:
        return []
    lower = question.goal == "minimize"
    best = chosen.sort_values("screened", ascending=lower, kind="stable").iloc[0]
    lucky = best["screened"] < best["low"] if lower else best["screened"] > best["high"]
    if not lucky:
        return []
    ratio = f"{best['shrinkage']:.2g} times" if question.scale == "ratio" else "no longer at"
    return [
        f"On fresh seeds the arm that screened best ({row_text(best, question.knobs)}) is {ratio} "
        f"its screened value ({significant(best['mean'], digits=3)} against "
        f"{significant(best['screened'], digits=3)}): it was chosen in part by luck."
    ]


def noisy_knobs(frame: pd.DataFrame, arms: pd.DataFrame, question: Question) -> list[str]:
    """A search wide enough to rank its knobs, with seeds too few to do so."""
    if len(question.knobs) < 2 or too_few_arms(frame, question):
        return []
    noise = too_noisy(frame, question)
    return [f"The importance of the knobs cannot be told: {noise}."] if noise else []


# ---- what the seeds carry


def no_interval(frame: pd.DataFrame, arms: pd.DataFrame, question: Question) -> list[str]:
    """One seed says nothing about the next one."""
    single = arms[arms["n"] == 1]
    if single.empty:
        return []
    if len(single) == int(arms["confirmed"].sum()):
        who = "Every arm has"
    elif len(single) > NAMED_ARMS:
        who = f"{len(single)} of {len(arms)} arms have"
    else:
        names = " and ".join(f"({row_text(row, question.knobs)})" for _, row in single.iterrows())
        who = f"The arm {names} has" if len(single) == 1 else f"The arms {names} have"
    return [f"{who} one finished seed, so no interval: a difference there may be chance."]


def copies(frame: pd.DataFrame, arms: pd.DataFrame, question: Question) -> list[str]:
    """Seeds that all gave one value repeat nothing."""
    same = arms[arms["copies"]]
    if same.empty:
        return []
    return [
        f"{len(same)} of {len(arms)} arms gave one value at every seed: copies, not repetitions, "
        "so they have no interval, and nothing is claimed of them."
    ]


def baseline_not_beaten(frame: pd.DataFrame, arms: pd.DataFrame, question: Question) -> list[str]:
    """The baseline is missing, or nothing is shown to improve on it."""
    if not question.baseline:
        return []
    base = arms[arms["baseline"] & (arms["n"] > 0)]
    if base.empty:
        told = arms["verdict"].isin(("better", "worse")).any()
        rest = "only how often others are lost" if told else "nothing"
        name = arm_text(question.baseline)
        return [f"The baseline ({name}) has no finished trial: {rest} can be compared with it."]
    verdicts = set(arms["verdict"]) - {""}
    if not verdicts or "better" in verdicts:
        return []
    return ["No arm is shown to be better than the baseline."]
