"""What was found once and accepted: a gate then fails for what is new, or worse."""

from __future__ import annotations

from rnndiag.baseline.base import TOLERANCE, Accepted, Baseline, Comparison, Key, Stale
from rnndiag.baseline.text import baseline_text, parse_baseline, read_baseline

__all__ = [
    "TOLERANCE",
    "Accepted",
    "Baseline",
    "Comparison",
    "Key",
    "Stale",
    "baseline_text",
    "parse_baseline",
    "read_baseline",
]
