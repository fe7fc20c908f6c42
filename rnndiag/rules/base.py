"""What a rule is: an identity, a threshold with its source, and results to findings."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal

from rnndiag.analysis import FileResult

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


@dataclass(frozen=True)
class Rule:
    """One rule; its documentation is its module's docstring."""

    code: str
    title: str
    severity: Severity
    """The highest it can have."""

    threshold: str
    """In words, with its unit."""

    source: str
    """Where the threshold comes from."""

    documentation: str
    check: Callable[[FileResult], Iterable[Finding]]
