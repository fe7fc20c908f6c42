"""A change worth making, in words."""

from __future__ import annotations

from rnndiag.advice import Change
from rnndiag.readings.words import listed


def sentence(change: Change) -> str:
    """What to change, why, where, and who says so."""
    what = f"{change.what[:1].upper()}{change.what[1:]}"
    where = listed(change.layers)
    return f"{what}. Why: {change.because}. Where: {where}. Source: {change.source}."
