"""The terminal's format: Rich tables, a small picture, and what the numbers mean."""

from __future__ import annotations

import io
from collections.abc import Iterator

from rich.console import Console, RenderableType
from rich.text import Text

from rnndiag.escape import encodable, printable
from rnndiag.readings.length import length_phrase
from rnndiag.render.base import Screen
from rnndiag.render.table import closing, comparing, findings, inspecting, spectrum, suggest, trace
from rnndiag.report import FileReport, Report


def render(report: Report, screen: Screen) -> str:
    """The whole report, wrapped at the screen's width."""
    out = io.StringIO()
    console = Console(
        file=out,
        width=screen.width,
        force_terminal=screen.color,
        color_system="standard" if screen.color else None,
        markup=False,
        highlight=False,
        emoji=False,
        legacy_windows=False,
    )
    for part in _parts(report, screen):
        # Tables fit by themselves; code must not be cut where the screen ends.
        console.print(part, crop=False)
    lines = (line.rstrip() for line in out.getvalue().splitlines())
    text = "".join(f"{line}\n" for line in lines)
    return text if screen.unicode else encodable(text, "ascii")


def _parts(report: Report, screen: Screen) -> Iterator[RenderableType]:
    if report.command == "diff":
        yield from comparing.show(report, screen)
        if report.skipped_files:
            yield closing.skipped(report)
        return
    if report.command == "check":
        yield from _gate(report)
        return
    for file in report.files:
        if file.error is None:
            yield Text(_title(file), style="bold")
            yield from _body(report, file, screen)
            yield from findings.list_codes(file)


def _gate(report: Report) -> Iterator[RenderableType]:
    """Files with something to say, then what is said of all of them."""
    alone = len(report.files) == 1
    for file in report.files:
        if file.error is None and (alone or not closing.is_clean(file)):
            yield Text.assemble((_title(file), "bold"), _length(file))
            yield from findings.show(file)
    yield from closing.show(report)


def _title(file: FileReport) -> str:
    path = printable(file.path)
    if file.result is None:
        return path
    checkpoint = file.result.checkpoint
    return f"{path}  ({checkpoint.container}, {checkpoint.size_bytes:,} bytes)"


def _length(file: FileReport) -> str:
    """Over how many steps a gate looked, and who says so."""
    said = "" if file.result is None else length_phrase(file.result)
    return f"  {printable(said)}" if said else ""


def _body(report: Report, file: FileReport, screen: Screen) -> Iterator[RenderableType]:
    if file.result is None:
        return
    if report.command == "inspect":
        yield from inspecting.show(file.result, file.limits)
    elif report.command == "spectrum":
        yield from spectrum.show(file.result, screen, file.limits)
    elif report.command == "bptt-trace":
        yield from trace.show(file.result, screen)
    elif report.command == "suggest" and file.advice is not None:
        yield from suggest.show(file.advice, file.result)
