"""What every format is: a report and a screen to text."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from rnndiag.report import Report, SkippedFile
    from rnndiag.rules import Finding


@dataclass(frozen=True)
class Screen:
    """Where the text is going to be read."""

    width: int = 100
    color: bool = False
    unicode: bool = True


Renderer: TypeAlias = "Callable[[Report, Screen], str]"


def number(value: float | int | None) -> str:
    """Six significant digits, as every judgement is made on; a dash for what was not measured.

    >>> number(0.12345678), number(3), number(None), number(1e-30)
    ('0.123457', '3', '-', '1e-30')
    """
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.6g}"


def short(value: float | None) -> str:
    """Four significant digits, where a narrow terminal has to hold a table; JSON has twelve.

    >>> short(0.0123456), short(None)
    ('0.01235', '-')
    """
    return "-" if value is None else f"{value:.4g}"


def grade(finding: Finding) -> str:
    """The severity, or that a baseline accepts it: then it is none of the errors or warnings."""
    return "accepted" if finding.accepted else finding.severity


def stale_entries(report: Report) -> list[str]:
    """A sentence for each; not escaped yet."""
    if report.baseline is None:
        return []
    return [
        f"{entry.path}:{entry.layer}: {entry.code} stale: {report.baseline.path} accepts it, and "
        "it is no longer found"
        for entry in report.baseline.stale
    ]


def length_advice(report: Report) -> list[str]:
    """What to do about lengths that are assumed, and which are short; not escaped yet."""
    from rnndiag.readings.length import advise_lengths

    return advise_lengths(
        {
            file.path: file.result.length
            for file in report.files
            if file.result is not None and file.result.length is not None
        }
    )


def by_kind(skipped: Sequence[SkippedFile], shown: int) -> Iterator[str]:
    """One sentence for each reason: how many files, and the first names; not escaped yet."""
    kinds: dict[str, list[SkippedFile]] = {}
    for file in skipped:
        kinds.setdefault(file.kind, []).append(file)
    for kind, files in sorted(kinds.items(), key=lambda entry: -len(entry[1])):
        names = ", ".join(file.name for file in files[:shown])
        more = f" and {len(files) - shown} more" if len(files) > shown else ""
        reason = files[0].reason if len(files) == 1 else kind
        yield f"{len(files)} skipped, {reason}: {names}{more}"
