r"""Any text in letters that pdflatex sets with no package at all. Pure: ASCII out.

Accents, Greek, mathematics, fractions and what stands high or low become LaTeX's own. A letter that
it lacks, as 日, stands by its code point, `[U+65E5]`, and `missing` names it.
"""

import re
import unicodedata

COMMANDS = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "`": r"\`{}",
    '"': "''", "–": "--", "—": "---", "‐": "-", "‑": "-", "‒": "--", "…": r"\dots{}", "\xa0": "~",
    "\u2009": r"\,", "\u202f": r"\,", "\xad": r"\-", "\u200b": "{}", "\u200c": "{}",
    "“": "``", "”": "''", "„": ",,", "‘": "`", "’": "'", "‚": ",",
    "¡": "!`", "¿": "?`", "§": r"\S{}", "¶": r"\P{}", "©": r"\copyright{}", "£": r"\pounds{}",
    "ß": r"\ss{}", "æ": r"\ae{}", "Æ": r"\AE{}", "œ": r"\oe{}", "Œ": r"\OE{}", "ø": r"\o{}",
    "Ø": r"\O{}", "ł": r"\l{}", "Ł": r"\L{}", "ı": r"\i{}", "ȷ": r"\j{}",
}  # fmt: skip
SIGNS = {
    "<": "<", ">": ">", "|": "|", "−": "-", "†": r"^\dagger", "‡": r"^\ddagger", "°": r"^\circ",
    "±": r"\pm", "∓": r"\mp", "×": r"\times", "÷": r"\div", "·": r"\cdot",
    "⋅": r"\cdot", "∙": r"\cdot", "∗": r"\ast", "⋆": r"\star", "∘": r"\circ", "•": r"\bullet",
    "⊕": r"\oplus", "⊖": r"\ominus", "⊗": r"\otimes", "⊙": r"\odot", "√": r"\surd",
    "∛": r"\sqrt[3]{}", "∞": r"\infty", "∂": r"\partial", "∇": r"\nabla", "∆": r"\Delta",
    "∑": r"\sum", "∏": r"\prod", "∫": r"\int", "∮": r"\oint", "≤": r"\leq", "≥": r"\geq",
    "≠": r"\neq", "≈": r"\approx", "≡": r"\equiv", "∼": r"\sim", "≃": r"\simeq", "≅": r"\cong",
    "≪": r"\ll", "≫": r"\gg", "«": r"\ll", "»": r"\gg", "∝": r"\propto", "≺": r"\prec",
    "≻": r"\succ", "∈": r"\in", "∉": r"\notin", "∋": r"\ni", "⊂": r"\subset", "⊃": r"\supset",
    "⊆": r"\subseteq", "⊇": r"\supseteq", "∪": r"\cup", "∩": r"\cap", "∖": r"\setminus",
    "∅": r"\emptyset", "∀": r"\forall", "∃": r"\exists", "¬": r"\neg", "∧": r"\wedge",
    "∨": r"\vee", "⊢": r"\vdash", "⊤": r"\top", "⊥": r"\bot", "∠": r"\angle", "∥": r"\parallel",
    "‖": r"\|", "∣": r"\mid", "⟨": r"\langle", "⟩": r"\rangle", "⌊": r"\lfloor", "⌋": r"\rfloor",
    "⌈": r"\lceil", "⌉": r"\rceil", "←": r"\leftarrow", "→": r"\to", "↔": r"\leftrightarrow",
    "↑": r"\uparrow", "↓": r"\downarrow", "↦": r"\mapsto", "⇐": r"\Leftarrow",
    "⇒": r"\Rightarrow", "⇔": r"\Leftrightarrow", "⋯": r"\cdots", "⋮": r"\vdots", "⋱": r"\ddots",
    "′": r"^\prime", "″": r"^{\prime\prime}", "ℓ": r"\ell", "ℏ": r"\hbar", "ħ": r"\hbar",
    "ℜ": r"\Re", "ℑ": r"\Im", "ℵ": r"\aleph", "℘": r"\wp", "ℒ": r"\mathcal{L}",
    "ℝ": r"\mathbf{R}", "ℕ": r"\mathbf{N}", "ℤ": r"\mathbf{Z}", "ℚ": r"\mathbf{Q}",
    "ℂ": r"\mathbf{C}", "α": r"\alpha", "β": r"\beta", "γ": r"\gamma", "δ": r"\delta",
    "ε": r"\varepsilon", "ϵ": r"\epsilon", "ζ": r"\zeta", "η": r"\eta", "θ": r"\theta",
    "ϑ": r"\vartheta", "ι": r"\iota", "κ": r"\kappa", "λ": r"\lambda", "μ": r"\mu", "ν": r"\nu",
    "ξ": r"\xi", "ο": "o", "π": r"\pi", "ϖ": r"\varpi", "ρ": r"\rho", "ϱ": r"\varrho",
    "σ": r"\sigma", "ς": r"\varsigma", "τ": r"\tau", "υ": r"\upsilon", "φ": r"\phi",
    "ϕ": r"\varphi", "χ": r"\chi", "ψ": r"\psi", "ω": r"\omega", "Γ": r"\Gamma", "Δ": r"\Delta",
    "Θ": r"\Theta", "Λ": r"\Lambda", "Ξ": r"\Xi", "Π": r"\Pi", "Σ": r"\Sigma", "Υ": r"\Upsilon",
    "Φ": r"\Phi", "Ψ": r"\Psi", "Ω": r"\Omega",
    **{greek: rf"\mathrm{{{latin}}}" for greek, latin in zip("ΑΒΕΖΗΙΚΜΝΟΡΤΧ", "ABEZHIKMNOPTX",
                                                             strict=True)},
}  # fmt: skip
"""In mathematics."""
ACCENTS = {
    "\u0300": "`", "\u0301": "'", "\u0302": "^", "\u0303": "~", "\u0304": "=", "\u0306": "u",
    "\u0307": ".", "\u0308": '"', "\u030a": "r", "\u030b": "H", "\u030c": "v", "\u0323": "d",
    "\u0327": "c", "\u0331": "b",
}  # fmt: skip
"""Over or under the letter that they follow."""
NOTHING = "\u200b"  # between signs of which LaTeX would make one
CODE_POINT = re.compile(r"\[U\+([0-9A-F]{4,6})\]")


def escape(text: str) -> str:
    """Text for LaTeX; a minus before a number is a minus, a lone dash is an en dash, of several
    each is one."""
    apart = re.sub("(?<=-)(?=-)|(?<=')(?=')", NOTHING, spelled(text))
    escaped = "".join(filter(None, map(_translated, apart)))
    escaped = re.sub(r"(?<![\w.}\\-])-(?=\d)", "$-$", escaped)
    return re.sub(r"^-$|(?<=\[)-(?=\])", "--", escaped)


def spelled(text: str) -> str:
    """With `[U+65E5]` for every letter that LaTeX lacks; one space for what breaks a line."""
    composed = unicodedata.normalize(
        "NFC", re.sub(r"\s*[\t\n\v\f\r\x85\u2028\u2029]\s*", " ", text)
    )
    return "".join(c if _translated(c) is not None else f"[U+{ord(c):04X}]" for c in composed)


def missing(escaped: str) -> list[str]:
    """In a line of comment, what stands by its code point; nothing where nothing does."""
    points = sorted({int(found, 16) for found in CODE_POINT.findall(escaped)})
    if not points:
        return []
    named = (f"U+{point:04X} {unicodedata.name(chr(point), '(unnamed)')}" for point in points)
    return [f"% LaTeX lacks these letters, which stand by their code points: {', '.join(named)}"]


def _translated(letter: str) -> str | None:
    """LaTeX for one letter; None where there is none."""
    if letter in COMMANDS:
        return COMMANDS[letter]
    if (sign := _sign(letter)) is not None:
        return f"${sign}$"
    if " " <= letter <= "~":
        return letter
    kind, parts = _parts(letter)
    if kind == "" and parts[:1].isascii() and parts[:1].isalpha() and parts[1:] in ACCENTS:
        return rf"\{ACCENTS[parts[1:]]}{{{parts[0]}}}"
    if kind == "<compat>" and parts.isascii() and parts.isprintable():
        return "".join(filter(None, map(_translated, parts)))
    return None


def _sign(letter: str) -> str | None:
    """A letter that is mathematics, between no dollars."""
    if letter in SIGNS:
        return SIGNS[letter]
    kind, parts = _parts(letter)
    match kind:
        case "<fraction>":
            over, _, under = parts.partition("\N{FRACTION SLASH}")
            return rf"\frac{{{over}}}{{{under}}}" if over and under else None
        case "<super>" | "<sub>":
            inner = [_small(part) for part in parts]
            place = "^" if kind == "<super>" else "_"
            own = "".join(filter(None, inner))
            braced = own if len(own) == 1 else f"{{{own}}}"
            return f"{place}{braced}" if all(inner) else None
        case "<compat>" if len(parts) == 1:
            return SIGNS.get(parts)
    return None


def _small(letter: str) -> str | None:
    """A letter that stands high or low."""
    if letter in SIGNS:
        return SIGNS[letter]
    if letter.isascii() and letter.isalpha():
        return rf"\mathrm{{{letter}}}"
    return letter if letter in "0123456789+-=()" else None


def _parts(letter: str) -> tuple[str, str]:
    """How Unicode takes a letter apart: the kind, as `<super>`, or "", and the parts."""
    words = unicodedata.decomposition(letter).split()
    kind = words.pop(0) if words and words[0].startswith("<") else ""
    return kind, "".join(chr(int(word, 16)) for word in words)
