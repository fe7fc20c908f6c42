"""From results to findings. One file per rule, and a line in registry.py."""

from __future__ import annotations

from rnndiag.rules.base import Degree, Finding, Rule, Standing
from rnndiag.rules.judge import Judgement, NotApplicable, judge
from rnndiag.rules.registry import RULES
from rnndiag.rules.selection import DEFAULT_LIMITS, Choice, Judging, Limits, RuleSetting

__all__ = [
    "DEFAULT_LIMITS",
    "RULES",
    "Choice",
    "Degree",
    "Finding",
    "Judgement",
    "Judging",
    "Limits",
    "NotApplicable",
    "Rule",
    "RuleSetting",
    "Standing",
    "judge",
]
