"""A baseline: which findings were accepted, by file, layer and rule, and how bad they were."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from rnndiag.rules import Finding

TOLERANCE = 0.1
"""Share of the accepted value by which a finding may get worse. The same files with five other
seeds: at worst 58 of 72 findings in real files and fixtures stay within it, 40 within 0.05, so that
what is beyond it is seldom the luck of the input."""


class Key(NamedTuple):
    """What is accepted: one rule's finding in one layer of one file."""

    path: str
    """Relative to the baseline's folder, with forward slashes."""

    layer: str
    code: str


@dataclass(frozen=True)
class Accepted:
    """How bad a finding was when it was accepted."""

    measure: str | None = None
    """The evidence that says it; None where the rule has no such number."""

    value: float | None = None
    """Six significant digits, as it is judged."""

    def covers(self, finding: Finding, tolerance: float) -> bool:
        """Whether a finding is no worse; one that cannot be compared is worse."""
        degree = finding.degree
        if degree is None:
            return True
        if self.measure != degree.key:
            return False
        if self.value is None or finding.value is None:
            return self.value is finding.value  # neither has the number: as it was
        return not degree.worsened(finding.value, self.value, tolerance)


@dataclass(frozen=True)
class Baseline:
    """The findings that one file accepts.

    Its paths are relative to its own folder, not to the working directory: it then means the same
    files wherever the command is run, and moves with the repository that holds it.
    """

    path: str
    """Where the baseline lies."""

    entries: Mapping[Key, Accepted] = field(default_factory=dict)

    def relative(self, path: str) -> str:
        """The path of a checkpoint as it stands in this baseline.

        >>> Baseline("ci/baseline.json").relative("runs/a.pt")
        '../runs/a.pt'
        """
        folder = os.path.dirname(self.path) or "."  # noqa: PTH120 (a hostile path need not survive Path())
        return os.path.relpath(path or ".", folder).replace(os.sep, "/")


@dataclass(frozen=True)
class Stale:
    """An accepted finding that is no longer there."""

    path: str
    """As the report shows the file."""

    layer: str
    code: str


@dataclass(frozen=True)
class Comparison:
    """What a baseline says of one call."""

    path: str
    """The baseline, as a report shows it."""

    tolerance: float
    stale: tuple[Stale, ...] = ()
    """Entries whose file was looked at by their rule, which found nothing."""

    not_checked: int = 0
    """Entries that this call did not look for: another file, rule or layer."""
