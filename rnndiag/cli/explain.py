"""`rnndiag explain`."""

from __future__ import annotations

import difflib
import math
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from rnndiag.cli.output import filled, write
from rnndiag.errors import INPUT_CODES, InputCode, RnndiagError

if TYPE_CHECKING:
    from rnndiag.rules import Rule

Code = Annotated[str, typer.Argument(help="A code such as RD301.", show_default=False)]


def explain(code: Code) -> int:
    """What a rule means, its threshold, source and remedy."""
    wanted = code.upper()
    documented = {input_code.value: text for input_code, text in INPUT_CODES.items()}
    if wanted in documented:
        write(f"{wanted}: {documented[wanted]}\nExit code 2; it cannot be ignored.\n")
        return 0
    from rnndiag.rules import RULES

    for rule in RULES:
        if rule.code == wanted:
            write(f"{filled(_page(rule), sys.stdout)}\n")
            return 0
    known = [*documented, *(rule.code for rule in RULES)]
    family = [one for one in known if wanted and one.startswith(wanted)]
    nearest = family or difflib.get_close_matches(wanted, known, n=3, cutoff=0.8) or known
    there = "there is" if len(nearest) == 1 else "there are"
    raise RnndiagError(InputCode.USAGE, f"no rule {code!r}", f"{there} {', '.join(nearest)}")


def _page(rule: Rule) -> str:
    """Everything about one rule, and how to set it."""
    severity = rule.severity if rule.milder is None else f"{rule.milder} or {rule.severity}"
    settable = "severity" if math.isnan(rule.limit) else "severity and threshold"
    paragraphs = (" ".join(part.split()) for part in rule.documentation.strip().split("\n\n"))
    documentation = "\n\n".join(paragraphs)
    return (
        f"{rule.code}: {rule.title} ({severity})\n\n{documentation}\n\n"
        f"Threshold: {rule.bound}\nSource: {rule.source}\n"
        f"{_in_a_baseline(rule)}\n"
        f"Set its {settable} in [tool.rnndiag.rules.{rule.code}] of pyproject.toml."
    )


def _in_a_baseline(rule: Rule) -> str:
    """What an accepted finding of it does later."""
    if rule.degree is None:
        return "A baseline accepts it as it is."
    degree = rule.degree
    return f"A baseline accepts it until {degree.key} gets {degree.worse}, beyond a tolerance."
