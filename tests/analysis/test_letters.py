"""Letters in LaTeX: each is set, none is lost, and whatever is given compiles."""

import random
import re
import shutil
import subprocess
import unicodedata

import pytest

from analysis.texts.letters import ACCENTS, COMMANDS, SIGNS, escape, missing, spelled

BASIC_PLANE = [chr(point) for point in range(1, 0x10000)]
TOKEN = re.compile(r"\\(?:[a-zA-Z]+|[^a-zA-Z])|[{}$^_~]|[][A-Za-z0-9 .,:;!?()/*=+@'`<>|-]")
"""What LaTeX reads, if neither `%`, `&`, `#` nor a letter beyond ASCII is among it."""


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("js", r"js"),
        ("50 % & more", r"50 \% \& more"),
        (r"a\b{c}", r"a\textbackslash{}b\{c\}"),
        ("λ ≤ ½", r"$\lambda$ $\leq$ $\frac{1}{2}$"),
        ("28 [-100, 156]", "28 [$-$100, 156]"),
        ("1.5e-06", "1.5e-06"),
        ("L2 - L1", "L2 - L1"),
        ("-", "--"),
        ("1.4 [-]", "1.4 [--]"),
        ("x₀ or x⁻¹", r"x$_0$ or x$^-$$^1$"),
        ("¾ and ⅔ of √2", r"$\frac{3}{4}$ and $\frac{2}{3}$ of $\surd$2"),
        ("‖∇ℓ‖ ∈ Ω", r"$\|$$\nabla$$\ell$$\|$ $\in$ $\Omega$"),
        ("naïve Größe, Erdős", r"na\"{i}ve Gr\"{o}\ss{}e, Erd\H{o}s"),
        ("e\N{COMBINING ACUTE ACCENT}", r"\'{e}"),
        ("“so”", "``so''"),
        ("100 µs, 5 Å, ﬁt™", r"100 $\mu$s, 5 \r{A}, fit$^{\mathrm{T}\mathrm{M}}$"),
        ("--set x='' `y`", r"-{}-set x='{}' \`{}y\`{}"),
        ("日本 ок 𝔼", "[U+65E5][U+672C] [U+043E][U+043A] [U+1D53C]"),
        ("bell\a", "bell[U+0007]"),
        ("one\n\n  two", "one two"),
    ],
)
def test_escapes(text, escaped):
    assert escape(text) == escaped


def test_what_is_missing_is_named():
    assert missing(escape("日 and \a")) == [
        "% LaTeX lacks these letters, which stand by their code points: U+0007 (unnamed), "
        "U+65E5 CJK UNIFIED IDEOGRAPH-65E5"
    ]
    assert missing(escape("x₀ √2")) == []


@pytest.mark.parametrize("seed", range(20))
def test_any_text_is_tokens_of_latex_in_balance(seed):
    draw = random.Random(seed)
    signs = [chr(point) for point in range(128)] + [*COMMANDS, *SIGNS, *ACCENTS]
    text = "".join(draw.choices([*signs, *draw.choices(BASIC_PLANE, k=200)], k=2_000))
    escaped = escape(text)
    assert not TOKEN.sub("", escaped)
    bare = re.sub(r"\\[{}$]", "", escaped)
    assert bare.count("{") == bare.count("}")
    assert bare.count("$") % 2 == 0


def test_no_letter_is_lost_and_no_two_letters_or_numbers_become_one():
    alike: dict[str, set[str]] = {}
    for letter in BASIC_PLANE:
        own = escape(letter)
        assert own
        if unicodedata.category(letter)[0] in "LN":
            alike.setdefault(own, set()).add(unicodedata.normalize("NFKC", letter))
    assert {own: letters for own, letters in alike.items() if len(letters) > 1} == {}


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_every_letter_compiles(tmp_path):
    own = [letter for letter in BASIC_PLANE if spelled(letter) == letter]
    assert set(COMMANDS) | set(SIGNS) <= set(own)
    paragraphs = "\n\n".join(escape(letter) for letter in [*own, "日", "\a", "\ud800"])
    captions = escape(" ".join([*SIGNS, *(f"e{mark}" for mark in ACCENTS), "日"]))
    source = (
        "\\documentclass{article}\\begin{document}\\listoftables\n"
        f"{paragraphs}\n\\begin{{table}}\\caption{{{captions}}}\\end{{table}}\\end{{document}}\n"
    )
    (tmp_path / "letters.tex").write_text(source, "ascii")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "letters.tex"]
    for _ in range(2):  # the second reads the list of tables
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-2000:]
    assert "Missing character" not in (tmp_path / "letters.log").read_text("latin-1")
