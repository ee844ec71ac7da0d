"""How it was done, in a paragraph: space, sampler, seeds, trials, hardware, time. Text out."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from analysis.notation import arm_text, significant, value_text
from analysis.question import Question
from analysis.record import Record
from analysis.texts.letters import escape, missing
from analysis.verdicts.evidence import PRUNED, judged
from analysis.verdicts.statistics import ALPHA
from sid_sweep.spec import LOST

MAX_VALUES = 12
SECONDS_PER_HOUR = 3600
SAMPLERS = {
    "random": "random search",
    "sobol": "a scrambled Sobol sequence",
    "tpe": "a tree-structured Parzen estimator",
    "gp": "expected improvement under a Gaussian process",
    "cmaes": "CMA-ES",
    "nsga2": "NSGA-II",
}


def methods(frame: pd.DataFrame, arms: pd.DataFrame, question: Question, record: Record) -> str:
    """In sentences, each of which leaves out what is not known."""
    sentences = [
        *_space(question, record.sweep),
        _seeds(question),
        *_trials(frame, question),
        *_comparison(arms, question),
        *_machine(record),
    ]
    return " ".join(sentences)


def methods_latex(
    frame: pd.DataFrame, arms: pd.DataFrame, question: Question, record: Record
) -> str:
    """The same as a paragraph of LaTeX."""
    label = f"% how the sweep {question.sweep} was run; made by python -m analysis.compare"
    text = escape(methods(frame, arms, question, record))
    return "\n".join([label, *missing(text), text]) + "\n"


def _space(question: Question, sweep: Mapping[str, Any]) -> list[str]:
    parts = {"scientific": question.scientific, "nuisance": question.nuisance}
    found = []
    for kind, knobs in parts.items():
        if knobs:
            listed = "; ".join(f"{k} {_domain(question.domains.get(k, {}))}" for k in knobs)
            found.append(f"The {kind} knobs were {listed}.")
    search = sweep.get("search", {})
    match search.get("sampler"):
        case "grid":
            found.append("Every combination was run (grid).")
        case str(sampler):
            lent = f", which knew the arms of {search['from']}" if search.get("from") else ""
            found.append(
                f"Arms were drawn by {SAMPLERS.get(sampler, sampler)}{lent} "
                f"({search.get('arms', '?')} arms, sampler seed {search.get('seed', 0)})."
            )
    if question.pruned_by:
        found.append(
            f"While they were screened, arms were given up early by {question.pruned_by}, on what "
            "others came to after as many images on the same seeds."
        )
    if question.constraints:
        found.append(f"Arms had to keep {', '.join(question.constraints)}.")
    return found


def _domain(domain: Mapping[str, Any]) -> str:
    if "values" in domain:
        values = [value_text(value) for value in domain["values"]]
        more = f" and {len(values) - MAX_VALUES} more" if len(values) > MAX_VALUES else ""
        return f"in {{{', '.join(values[:MAX_VALUES])}{more}}}"
    if "low" in domain:
        kind = str(domain["kind"]).replace("_", " ")
        return f"in [{significant(domain['low'])}, {significant(domain['high'])}] ({kind})"
    return "as listed"


def _seeds(question: Question) -> str:
    listed = ", ".join(map(str, question.seeds[:MAX_VALUES]))
    more = ", ..." if len(question.seeds) > MAX_VALUES else ""
    text = (
        f"Every arm was trained at the same {len(question.seeds)} seeds ({listed}{more}), each of "
        "which sets initial weights, training draws and evaluation draws."
    )
    if question.screen:
        text = (
            f"All arms were screened on {len(question.screen)} seeds; the best {question.keep}"
            f"{' that were left' if question.pruned_by else ''} and "
            f"the baseline were run again on {len(question.seeds)} fresh seeds ({listed}{more}), "
            "and these alone are reported."
        )
    if question.sequential:
        text += " Seeds were added in turn until verdicts stood."
    return text


def _trials(frame: pd.DataFrame, question: Question) -> list[str]:
    trials = judged(frame, question)
    counts = [
        f"{n} {name}" for name in (*LOST, PRUNED) if (n := int((trials["outcome"] == name).sum()))
    ]
    running = int((trials["outcome"] == "running").sum())
    counts += [f"{running} not yet ended"] if running else []
    ended = f" ({', '.join(counts)})" if counts else " (all finished)"
    hours = trials["seconds"].sum() / SECONDS_PER_HOUR
    time = f"{hours:.1f} hours" if hours >= 1 else f"{hours * 60:.1f} minutes"
    images = trials.loc[trials["outcome"] == "finished", "images"]
    budget = ""
    if len(images):
        low, high = f"{images.min():,.0f}", f"{images.max():,.0f}"
        budget = f" A finished trial saw {low if low == high else f'{low} to {high}'} images."
    return [
        f"In all there were {len(trials)} trials of {trials['arm'].nunique()} arms{ended}, "
        f"{time} of trial time.{budget}"
    ]


def _comparison(arms: pd.DataFrame, question: Question) -> list[str]:
    value = f"A trial's value is its last evaluation of {question.heading(question.metric)}"
    found = [f"{value} ({question.better} is better), never the best over time."]
    if (arms["verdict"] != "").any():
        how = "logarithms" if question.scale == "ratio" else "values"
        test = "anytime-valid paired tests" if question.sequential else "paired t tests"
        within = ""
        if question.equal_within:
            within = f", equivalence within {question.equal_within:g} by two one-sided tests"
        found.append(
            f"Arms were compared with the baseline ({arm_text(question.baseline)}) by {test} on "
            f"the {how} at shared seeds{within}, and by exact tests of how often they are lost; "
            f"p values are Holm-adjusted over all arms, at {ALPHA:.0%}."
        )
    if question.collapse:
        least = ", ".join(f"{k} below {significant(v)}" for k, v in question.collapse.items())
        found.append(f"A student with {least} counts as collapsed.")
    if question.kept:
        found.append(f"One that did not keep {question.kept} was ended early, as collapsed.")
    return found


def _machine(record: Record) -> list[str]:
    machines = []
    for run in record.runs:
        gpus = run.get("gpus") or []
        gpu = f", {len(gpus)} x {gpus[0]}" if gpus else ", no GPU"
        machines.append(f"{run.get('processor') or 'CPU'} ({run.get('cpus')} cores{gpu})")
    versions = [run["versions"] for run in record.runs if "versions" in run]
    commits = list(dict.fromkeys(run["commit"][:12] for run in record.runs if run.get("commit")))
    found = []
    if machines:
        found.append(f"Hardware: {'; '.join(dict.fromkeys(machines))}.")
    if versions:
        told = ", ".join(f"{name} {version}" for name, version in sorted(versions[-1].items()))
        found.append(f"Software: {told}.")
    if commits:
        found.append(f"Commit: {', '.join(commits)}.")
    return found
