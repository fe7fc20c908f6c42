"""What a rule is: an identity, what it needs, a threshold with its source, results to findings."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal

from rnndiag.analysis import FileResult
from rnndiag.rules.needs import Need

Severity = Literal["note", "warning", "error"]

SEVERITIES: tuple[Severity, ...] = ("note", "warning", "error")
"""From mild to serious."""

Evidence = dict[str, float | int | str | None]


@dataclass(frozen=True)
class Finding:
    """One thing that a rule found in one layer."""

    code: str
    severity: Severity

    layer: str
    """The layer's label, "encoder.lstm/0/forward", or the name of a tensor."""

    message: str
    remedy: str
    evidence: Evidence = field(default_factory=dict)


Check = Callable[[FileResult, "Rule"], Iterable[Finding]]
"""Looks at one file's results; the rule is the one in force, with a configured threshold."""


@dataclass(frozen=True)
class Rule:
    """One rule; its documentation is its module's docstring."""

    code: str
    title: str
    severity: Severity
    """The highest it can have."""

    threshold: str
    """In words, with its unit; "{limit:g}" stands for `limit`."""

    source: str
    """Where the threshold comes from."""

    documentation: str
    check: Check

    needs: tuple[Need, ...]
    """What has to be there for it to be judged; without, it is not applicable."""

    limit: float = math.nan
    """The number that is compared with, which a configuration may change; NaN: there is none."""

    milder: Severity | None = None
    """What it is in the milder of two cases that its documentation tells apart."""

    configured: bool = False
    """Whether the limit is the user's own, which is then said."""

    @property
    def bound(self) -> str:
        """The threshold in force, in words."""
        return self.threshold.format(limit=self.limit)

    def finding(
        self,
        layer: str,
        message: str,
        remedy: str,
        evidence: Evidence,
        severity: Severity | None = None,
    ) -> Finding:
        """What this rule says of one layer, and the threshold it was judged by."""
        if not math.isnan(self.limit):
            evidence = {**evidence, "threshold": self.limit}
        if self.configured:
            message += f" (threshold set to {self.limit:g})"
        return Finding(self.code, severity or self.severity, layer, message, remedy, evidence)
