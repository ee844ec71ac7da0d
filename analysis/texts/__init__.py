"""Verdicts to words: tables, sentences, a page.

tables.py    Markdown, CSV, terminal
latex.py     LaTeX that fits one column or two
letters.py   any letter in LaTeX
answer.py    what the verdicts say, in sentences
methods.py   how it was done, in a paragraph
html.py      a report as one page
"""
