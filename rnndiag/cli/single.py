"""What the commands on one checkpoint have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rnndiag.cli.locate import locate
from rnndiag.cli.options import FailOn, Output, Reading, Selecting, Tracing
from rnndiag.cli.output import chosen_formats, progress_bar, show

if TYPE_CHECKING:
    from rnndiag.advice import AdviceRequest
    from rnndiag.report import Command


def run_single(
    command: Command,
    checkpoint: str | None,
    reading: Reading,
    selecting: Selecting,
    output: Output,
    fail_on: FailOn,
    *,
    spectrum: bool = False,
    trace: Tracing | None = None,
    advice: AdviceRequest | None = None,
) -> int:
    """Find the checkpoint, measure it, show it; returns the exit code."""
    chosen = chosen_formats(command, output)
    path, name = locate(checkpoint, output.quiet, gate=fail_on != "never")
    # Only now: --help and usage errors need none of this, nor numpy.
    from rnndiag.paths import shown_path
    from rnndiag.report import Report, report_file

    judging = selecting.judging()
    with progress_bar(silent=output.silent) as progress:
        tracing = None if trace is None else trace.request()
        # A gate looks at the whole file; who looks at a recurrence does not wait for the rest.
        whole = fail_on != "never"
        request = reading.request(progress, spectrum, tracing, whole_file=whole)
        file = report_file(path, request, advice=advice, shown_as=shown_path(name), judging=judging)
    settings = {**reading.settings(), **selecting.settings()}
    if trace is not None:
        settings |= trace.settings()
    report = Report(command, settings, (file,), fail_on=fail_on)
    return show(report, chosen, output)
