"""What a rule is: an identity, what it needs, a threshold with its source, results to findings."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal

from rnndiag.analysis import FileResult
from rnndiag.rounding import judged
from rnndiag.rules.needs import Need

Severity = Literal["note", "warning", "error"]

SEVERITIES: tuple[Severity, ...] = ("note", "warning", "error")
"""From mild to serious."""

Evidence = dict[str, float | int | str | None]


@dataclass(frozen=True)
class Degree:
    """Which number of the evidence says how bad a finding is, for a baseline to remember.

    A rate or a horizon where there is one: unlike a gradient's size at the last lag, neither
    depends on the length of the sequence.
    """

    key: str
    """Its name in the evidence."""

    worse: Literal["higher", "lower"] = "higher"
    """Which way it gets worse."""

    def worsened(self, now: float, accepted: float, tolerance: float) -> bool:
        """Whether it is worse than accepted by more than this share of the accepted value.

        >>> Degree("horizon", "lower").worsened(89.0, 100.0, tolerance=0.1)
        True
        >>> Degree("rate_per_step").worsened(0.11, 0.1, tolerance=0.1)
        False
        """
        sign = 1.0 if self.worse == "higher" else -1.0
        room = tolerance * abs(accepted) if math.isfinite(accepted) else 0.0
        return judged(sign * now) > judged(sign * accepted + room)


@dataclass(frozen=True)
class Standing:
    """What a baseline says of a finding."""

    state: Literal["new", "accepted", "worse"]

    accepted_value: float | None = None
    """What it was when it was accepted, where the rule has a number for that."""


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

    degree: Degree | None = None
    """How bad it is; None: it is there or not, and no instance is worse than another."""

    standing: Standing | None = None
    """None without a baseline."""

    @property
    def value(self) -> float | None:
        """The number that says how bad it is, where there is one."""
        found = None if self.degree is None else self.evidence[self.degree.key]
        return judged(found) if isinstance(found, int | float) else None

    @property
    def accepted(self) -> bool:
        """Whether a baseline covers it: then nothing fails because of it."""
        return self.standing is not None and self.standing.state == "accepted"


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

    degree: Degree | None = None
    """By which number a finding is worse than one that was accepted; None: it cannot be."""

    yields_to: tuple[str, ...] = ()
    """Codes of rules whose finding in the same layer says the same, and more."""

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
        severity = severity or self.severity
        return Finding(self.code, severity, layer, message, remedy, evidence, self.degree)
