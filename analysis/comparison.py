"""A sweep's frame in, everything to say about them out, without a file or a plot.

comparison = make_comparison(*sources.find("lambda"))
console.print(comparison.terminal())
mlflow_description = comparison.markdown()
"""

from dataclasses import dataclass

import pandas as pd

from analysis import trace
from analysis.question import Question
from analysis.texts import answer, html, latex, tables
from analysis.verdicts import health
from analysis.verdicts.arms import arms as make_arms
from sid_sweep.screen import Fitting


@dataclass(frozen=True)
class Comparison:
    """A question, its trials, its arms and what speaks against them."""

    question: Question
    frame: pd.DataFrame
    arms: pd.DataFrame
    warnings: tuple[str, ...]

    @property
    def preliminary(self) -> bool:
        """Whether some of what was asked for is not done."""
        return answer.is_preliminary(self.frame, self.arms, self.question)

    def markdown(self) -> str:
        """Question, table, warnings."""
        parts = [f"**{self.question.question}**\n", tables.markdown(self.arms, self.question)]
        if self.warnings:
            parts.append("".join(f"- {warning}\n" for warning in self.warnings))
        return "\n".join(parts)

    def latex(self) -> str:
        """The table as a float with its caption, for a page of one column."""
        return latex.table(self.arms, self.question)

    def latex_narrow(self) -> str:
        """The same for a page of two columns, with fewer columns of its own."""
        return latex.narrow(self.arms, self.question)

    def html(self) -> str:
        """The table for a page."""
        return html.table(self.arms, self.question)

    def csv(self) -> str:
        """The arms in full precision, each with its runs."""
        own = trace.runs(self.frame, self.question)
        return tables.csv(self.arms.assign(runs=self.arms["arm"].map(own)), self.question)

    def terminal(self) -> Fitting:
        """The table for a console."""
        return tables.terminal(self.arms, self.question)


def make_comparison(frame: pd.DataFrame, question: Question) -> Comparison:
    """Average, object.

    Raises:
        ValueError: a finished trial has no finite metric.
    """
    arms = make_arms(frame, question)
    return Comparison(question, frame, arms, tuple(health.warnings(frame, arms, question)))
