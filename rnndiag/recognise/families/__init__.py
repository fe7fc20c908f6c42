"""Every family of recurrences that is known by its tensors, in the order they are tried."""

from __future__ import annotations

from rnndiag.recognise.families.base import Family, Row
from rnndiag.recognise.families.fused import FUSED
from rnndiag.recognise.families.gated import GATED
from rnndiag.recognise.families.linear import LINEAR
from rnndiag.recognise.families.own import OWN
from rnndiag.recognise.families.pairs import PAIRED

__all__ = ["FAMILIES", "Family", "Row"]

FAMILIES: tuple[Row, ...] = (*LINEAR, *GATED, *OWN, *FUSED, *PAIRED)
"""The first that fits is the one: those with names of their own stand before those without."""
