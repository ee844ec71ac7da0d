"""A report as one file of HTML that needs nothing else: text and figures in, a page out.

Pictures are inside as data URIs; nothing is fetched, nothing runs. Readable in the dark, on a phone
and on paper.
"""

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

import pandas as pd

from analysis.question import Question
from analysis.texts.tables import Column, columns, legend, rows_of

STYLE = """\
:root { color-scheme: light dark; --ink: #1d1d1f; --soft: #5a5a60; --line: #d8d8dc;
  --paper: #fff; --wash: #f4f4f6; --mark: #0072b2; --warn: #a04000; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8e8ea; --soft: #a8a8b0; --line: #3a3a40;
  --paper: #161618; --wash: #222226; --mark: #6ab7ea; --warn: #f0a060; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 62rem; padding: 1.2rem; color: var(--ink);
  background: var(--paper); font: 16px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: .6rem 0; }
h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
section.sweep + section.sweep { border-top: 2px solid var(--line); margin-top: 3rem; }
a { color: var(--mark); }
.answer { border-left: 4px solid var(--mark); padding: .1rem 0 .1rem 1rem; font-size: 1.06rem; }
.answer p { margin: .35rem 0; }
.badge { display: inline-block; border: 1px solid var(--warn); color: var(--warn);
  border-radius: 1rem; padding: 0 .7rem; font-size: .85rem; }
.warnings { color: var(--warn); padding-left: 1.2rem; }
.soft, figcaption, .legend { color: var(--soft); font-size: .85rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums;
  overflow-wrap: normal; }
th, td { padding: .25rem .6rem; text-align: right; white-space: nowrap;
  border-bottom: 1px solid var(--line); }
th { color: var(--soft); font-weight: 600; }
td.words, th.words { text-align: left; }
td.prose { white-space: normal; min-width: 7rem; text-align: left; }
tr.best td { background: var(--wash); }
.plots { display: grid; gap: 1rem; grid-auto-flow: dense;
  grid-template-columns: repeat(auto-fit, minmax(min(26rem, 100%), 1fr)); }
figure { margin: 0; }
figure.full { grid-column: 1 / -1; }
figure img { width: 100%; height: auto; background: #fff; border-radius: .4rem; padding: .4rem; }
figure:not(.full) img { max-width: min(30rem, 100%); }
details { border: 1px solid var(--line); border-radius: .4rem; padding: .5rem .8rem;
  margin: .6rem 0; }
summary { cursor: pointer; font-weight: 600; }
pre { font-size: .78rem; white-space: pre-wrap; }
th:first-child, td:first-child { position: sticky; left: 0; background: var(--paper); }
@media (max-width: 40rem) { body { padding: .8rem; }
  .plots { grid-template-columns: minmax(0, 1fr); }
  figure.full img { width: 44rem; max-width: none; } }
@media print { details { border: 0; } }
"""
WIDE_PIXELS = 1200  # of a picture; a wider one has the page's whole width


@dataclass(frozen=True)
class Picture:
    """A PNG and what it shows."""

    caption: str
    png: bytes

    @property
    def pixels(self) -> int:
        """Its width, as the file's header says."""
        return int.from_bytes(self.png[16:20])


@dataclass(frozen=True)
class Section:
    """What a report says of one sweep."""

    question: Question
    arms: pd.DataFrame
    answer: Sequence[str]
    warnings: Sequence[str]
    preliminary: bool
    pictures: Sequence[Picture]
    methods: str
    expected: str
    provenance: Mapping[str, object]
    runs: Sequence[Mapping[str, str]]
    """Of each trial: arm, seed, outcome, trial, run, and its address, or ""."""


def page(sections: Sequence[Section]) -> str:
    """The whole file."""
    title = sections[0].question.question if len(sections) == 1 else "Report of several sweeps"
    top = "" if len(sections) == 1 else f"<h1>{escape(title)}</h1>\n{_overview(sections)}"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n"
        f"{top}{''.join(map(_section, sections))}</body>\n</html>\n"
    )


def table(arms: pd.DataFrame, question: Question) -> str:
    """The comparison as a table with its legend."""
    shown = columns(arms, question)
    kinds = [_kind(column) for column in shown]
    head = "".join(f"<th{k}>{escape(c.above)}</th>" for k, c in zip(kinds, shown, strict=True))
    dressed = rows_of([column.dressed("<strong>", "</strong>", escape) for column in shown])
    body = ""
    for best, row in zip(arms["best"], dressed, strict=True):
        cells = "".join(f"<td{k}>{cell}</td>" for k, cell in zip(kinds, row, strict=True))
        kind = ' class="best"' if best else ""
        body += f"<tr{kind}>{cells}</tr>\n"
    return (
        f'<div class="wide"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody>\n'
        f'</table></div>\n<p class="legend">{escape(legend(arms, question))}</p>\n'
    )


def _kind(column: Column) -> str:
    """Remarks, which have no heading, are wrapped: a table is no wider for the longest of them."""
    if column.numeric:
        return ""
    return ' class="words"' if column.above else ' class="prose"'


def _overview(sections: Sequence[Section]) -> str:
    rows = "".join(
        f'<tr><td class="words"><a href="#{escape(own.question.sweep)}">'
        f"{escape(own.question.sweep)}</a>{_badge(own)}</td>"
        f'<td class="prose">{escape(own.question.question)}</td>'
        f'<td class="prose">{escape(own.answer[0])}</td><td>{len(own.arms)}</td></tr>\n'
        for own in sections
    )
    return (
        '<div class="wide"><table>\n<thead><tr><th class="words">sweep</th>'
        '<th class="words">question</th><th class="words">answer</th><th>arms</th></tr></thead>\n'
        f"<tbody>\n{rows}</tbody>\n</table></div>\n"
    )


def _section(own: Section) -> str:
    expected = f'<p class="soft">Expected: {escape(own.expected)}</p>\n' if own.expected else ""
    warnings = "".join(f"<li>{escape(warning)}</li>\n" for warning in own.warnings)
    return (
        f'<section class="sweep" id="{escape(own.question.sweep)}">\n'
        f'<p class="soft">sweep {escape(own.question.sweep)}{_badge(own)}</p>\n'
        f"<h1>{escape(own.question.question)}</h1>\n{expected}"
        f'<div class="answer">\n{_paragraphs(own.answer)}</div>\n'
        f"<h2>Comparison</h2>\n{table(own.arms, own.question)}"
        + (f'<h2>Warnings</h2>\n<ul class="warnings">\n{warnings}</ul>\n' if warnings else "")
        + (f"<h2>Plots</h2>\n{_pictures(own.pictures)}" if own.pictures else "")
        + _details("Methods", _paragraphs([own.methods]), shown=True)
        + _details("Provenance", _json(own.provenance))
        + _details(f"Runs ({len(own.runs)} trials)", _runs(own.runs))
        + "</section>\n"
    )


def _badge(own: Section) -> str:
    return ' <span class="badge">preliminary</span>' if own.preliminary else ""


def _paragraphs(texts: Iterable[str]) -> str:
    return "".join(f"<p>{escape(text)}</p>\n" for text in texts)


def _pictures(pictures: Iterable[Picture]) -> str:
    figures = ""
    for own in pictures:
        source = f"data:image/png;base64,{base64.b64encode(own.png).decode()}"
        kind = ' class="full"' if own.pixels > WIDE_PIXELS else ""
        figures += (
            f'<figure{kind}><div class="wide"><img alt="{escape(own.caption)}" '
            f'src="{source}"></div>'
            f"<figcaption>{escape(own.caption)}</figcaption></figure>\n"
        )
    return f'<div class="plots">\n{figures}</div>\n'


def _details(title: str, inside: str, *, shown: bool = False) -> str:
    state = " open" if shown else ""
    return f"<details{state}><summary>{escape(title)}</summary>\n{inside}</details>\n"


def _json(values: Mapping[str, object]) -> str:
    text = json.dumps(values, indent=1, ensure_ascii=False, sort_keys=True)
    return f"<pre>{escape(text)}</pre>\n"


def _runs(runs: Sequence[Mapping[str, str]]) -> str:
    rows = ""
    for own in runs:
        run = escape(own["run"])
        if own["address"]:
            run = f'<a href="{escape(own["address"])}">{run}</a>'
        cells = "".join(f"<td>{escape(own[name])}</td>" for name in ("arm", "seed"))
        words = "".join(f'<td class="words">{escape(own[n])}</td>' for n in ("outcome", "trial"))
        rows += f'<tr>{cells}{words}<td class="words">{run}</td></tr>\n'
    return (
        '<div class="wide"><table>\n<thead><tr><th>arm</th><th>seed</th>'
        '<th class="words">outcome</th><th class="words">trial</th>'
        f'<th class="words">MLflow run</th></tr></thead>\n<tbody>\n{rows}</tbody>\n</table></div>\n'
    )
