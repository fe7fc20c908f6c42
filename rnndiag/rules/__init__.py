"""From results to findings. One file per rule."""

from __future__ import annotations

from rnndiag.analysis import FileResult
from rnndiag.rules import rd101, rd104, rd301, rd302
from rnndiag.rules.base import Finding, Rule

__all__ = ["RULES", "Finding", "Rule", "find"]

RULES: tuple[Rule, ...] = (rd101.RULE, rd104.RULE, rd301.RULE, rd302.RULE)
"""Every rule, by code."""


def find(result: FileResult) -> tuple[Finding, ...]:
    """All findings of one file, sorted by layer, then code."""
    order = {item.layer.label: place for place, item in enumerate(result.layers)}
    findings = [finding for rule in RULES for finding in rule.check(result)]
    return tuple(sorted(findings, key=lambda f: (order.get(f.layer, len(order)), f.layer, f.code)))
