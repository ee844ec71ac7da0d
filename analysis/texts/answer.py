"""The answer to a question in a few sentences, no stronger than its verdicts. Pure: text out."""

import pandas as pd

from analysis.notation import arm_text, estimate
from analysis.question import Question
from analysis.verdicts import budgets
from analysis.verdicts.statistics import ALPHA

NAMED = 3  # arms that are named; more are counted


def is_preliminary(frame: pd.DataFrame, arms: pd.DataFrame, question: Question) -> bool:
    """Whether some trial has no end yet, or some arm or seed has not started that was asked for."""
    trials = frame[frame["final"]]
    if (trials["outcome"] == "running").any():
        return True
    if question.num_arms and trials["arm"].nunique() < question.num_arms:
        return True
    due = arms[arms["confirmed"] & (arms["stopped"] == "")]
    return bool((due["ended"] < len(question.seeds)).any())


def answer(arms: pd.DataFrame, question: Question) -> list[str]:
    """What the verdicts say, the strongest first, and how certain that is."""
    base = arms[arms["baseline"]]
    judged = arms[arms["verdict"] != ""]
    sentences = []
    if arms["best"].any():
        sentences.append(_best(arms, question))
    if judged.empty:
        return [*sentences, *_without_baseline(arms, question)]
    name = f"the baseline ({_name(base.iloc[0], question)})" if len(base) == 1 else "the baseline"
    found = {verdict: judged[judged["verdict"] == verdict] for verdict in set(judged["verdict"])}
    better = found.get("better", judged.iloc[:0])
    if better.empty:
        sentences.append(f"No arm is shown to be better than {name}.")
    for verdict in ("better", "equal", "worse", "undecided"):
        if verdict in found:
            sentences.append(_group(verdict, found[verdict], name, base, question))
    if len(judged) > len(found.get("undecided", [])):
        looks = ", whenever one looks" if question.sequential else ""
        sentences.append(
            f"All these claims together hold a false one with probability at most {ALPHA:.0%}"
            f"{looks}."
        )
    return sentences


def _best(arms: pd.DataFrame, question: Question) -> str:
    """Better than what, where some arms are left out of the comparison."""
    limits = {
        "was confirmed": arms["confirmed"],
        "saw as many images": arms["ranked"] | ~arms["confirmed"],
        "violates no constraint": arms["violates"] == "",
    }
    kept = [name for name, holds in limits.items() if not holds.all()]
    which = f" that {' and '.join(kept)}" if kept else ""
    unequal = budgets.differs(arms["compute"][arms["contends"]]).any()
    at = ", at equal images but not equal network evaluations" if unequal else ""
    name = _called(arms[arms["best"]].iloc[0], question)
    return f"{name} is better than every other arm{which}{at}."


def _group(
    verdict: str, own: pd.DataFrame, name: str, base: pd.DataFrame, question: Question
) -> str:
    words = {
        "better": f"better than {name}",
        "worse": f"worse than {name}",
        "equal": f"equal to {name} in practice",
        "undecided": "undecided",
    }[verdict]
    if len(own) > NAMED:
        number, verb = f"{len(own)} arms", "are"
        if verdict == "undecided":
            return f"{number} {verb} undecided."
        named = f", {_effect(_foremost(own, question), base, question)} foremost"
        return f"{number} {verb} {words}{named if verdict == 'better' else ''}."
    arms = [_effect(arm, base, question) for _, arm in own.iterrows()]
    if verdict == "undecided":
        return f"Undecided: {'; '.join(arms)}."
    return f"{words[0].upper()}{words[1:]}: {'; '.join(arms)}."


def _without_baseline(arms: pd.DataFrame, question: Question) -> list[str]:
    if len(arms) == 1:
        return ["There is one arm, and nothing to compare it with."]
    leads = arms[arms["leads"] & ~arms["best"]]
    if leads.empty:
        if arms["best"].any():
            return [f"That is false with probability at most {ALPHA:.0%}."]
        return ["Undecided: no arm has finished at every seed."]
    behind = int(arms["behind"].sum())
    return [
        f"Undecided: {_called(leads.iloc[0], question)} leads, and is shown to be better than "
        f"{behind} of {len(arms) - 1} other arms."
    ]


def _effect(arm: pd.Series, base: pd.DataFrame, question: Question) -> str:
    """`λ = 0.75: ratio 0.78 [0.70, 0.87], n = 20`, and how often it was lost, where it or the
    baseline was."""
    told = []
    if arm["effect_n"] and not arm["raw"]:
        numbers = estimate(arm["effect"], arm["effect_low"], arm["effect_high"])
        told.append(f"{question.scale} {numbers}, n = {arm['effect_n']}")
    if budgets.differs(pd.Series([arm["compute"]])).any():
        told.append(f"at {arm['compute']:.2g} times the network evaluations")
    base_lost = int(base["lost"].sum())
    if arm["lost"] or base_lost:
        told.append(f"{arm['lost']} of {arm['ended']} seeds lost")
    if base_lost:
        told.append(f"{base_lost} of {base['ended'].sum()} of the baseline's")
    return f"{_name(arm, question)}: {', '.join(told) or 'no seed in common'}"


def _called(arm: pd.Series, question: Question) -> str:
    """The arm with its mean."""
    numbers = estimate(arm["mean"], arm["low"], arm["high"])
    return f"{_name(arm, question)} ({question.metric} {numbers}, n = {arm['n']})"


def _foremost(own: pd.DataFrame, question: Question) -> pd.Series:
    order = own.sort_values("effect", ascending=question.goal == "minimize", kind="stable")
    return order.iloc[0]


def _name(arm: pd.Series, question: Question) -> str:
    name = arm_text({knob: arm[f"param.{knob}"] for knob in question.knobs})
    return f"{name}, which violates {arm['violates']}" if arm["violates"] else name
