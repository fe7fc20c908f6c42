"""Every rule there is."""

from __future__ import annotations

from rnndiag.rules import (
    rd101,
    rd102,
    rd103,
    rd104,
    rd105,
    rd106,
    rd107,
    rd201,
    rd202,
    rd203,
    rd204,
    rd301,
    rd302,
    rd303,
    rd304,
    rd305,
    rd306,
    rd307,
    rd401,
    rd402,
    rd403,
    rd404,
    rd405,
)
from rnndiag.rules.base import Rule

RULES: tuple[Rule, ...] = (
    rd101.RULE,
    rd102.RULE,
    rd103.RULE,
    rd104.RULE,
    rd105.RULE,
    rd106.RULE,
    rd107.RULE,
    rd201.RULE,
    rd202.RULE,
    rd203.RULE,
    rd204.RULE,
    rd301.RULE,
    rd302.RULE,
    rd303.RULE,
    rd304.RULE,
    rd305.RULE,
    rd306.RULE,
    rd307.RULE,
    rd401.RULE,
    rd402.RULE,
    rd403.RULE,
    rd404.RULE,
    rd405.RULE,
)
"""Every rule, by code."""
