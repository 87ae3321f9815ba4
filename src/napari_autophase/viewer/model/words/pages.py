"""The pages of the documentation that come with the package, as plain Markdown."""

from __future__ import annotations

import re
from pathlib import Path

FOLDERS = ("tutorial", "guide", "how")
"""Those that the wheel holds, below ``docs``."""
_LETTERS = {
    **{"varphi": "φ", "varepsilon": "ε", "rho": "ρ", "beta": "β", "pi": "π", "delta": "δ", "lambda": "λ"},
    **{"partial": "∂", "nabla": "∇", "sum": "Σ", "cdot": "·", "times": "×", "lvert": "|", "rvert": "|"},
    **{"ln": "ln ", "arg": "arg", "left": "", "right": "", "sqrt": "√"},
}
_RAISED = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


def text_of(page: str) -> str | None:
    """Return a page, such as ``guide/strain.md``, without what only Sphinx understands; None: it is not installed."""
    package = Path(__file__).parents[3]
    for folder in (package / "docs", package.parents[1] / "docs"):
        path = folder / page
        if path.is_file():
            return plain(path.read_text(encoding="utf-8"))
    return None


def plain(text: str) -> str:
    """Return MyST Markdown without directives, roles, pictures and formulas, which become plain text."""
    text = re.sub(r"^(`{3,}|:{3,})\{.*?^\1\s*$", "", text, flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"^:::.*$", "", text, flags=re.MULTILINE)
    text = re.sub(r"!\[[^\]]*\]\([^)]*\)", "", text)
    text = re.sub(r"\{\w+\}`([^`<]*?)\s*(?:<[^`>]*>)?`", r"\1", text)
    text = re.sub(r"\$\$(.+?)\$\$", lambda found: f"\n{_formula(found.group(1))}\n", text, flags=re.DOTALL)
    return re.sub(r"\$([^$\n]+)\$", lambda found: _formula(found.group(1)), text)


def _formula(latex: str) -> str:
    latex = re.sub(r"\\frac\{(.+?)\}\{(.+?)\}", r"\1/\2", latex.strip())
    latex = re.sub(r"\\(?:mathbf|mathcal|mathsf|mathrm|hat)\s*\{?(?:\\mathbf\s*)?(\w+)\}*", r"\1", latex)
    latex = re.sub(r"\\([a-zA-Z]+)", lambda found: _LETTERS.get(found.group(1), found.group(1)), latex)
    latex = re.sub(r"\^\{?(-?\d+)\}?", lambda found: found.group(1).translate(_RAISED), latex)
    return re.sub(r"\\.", " ", latex).replace("{", "").replace("}", "")
