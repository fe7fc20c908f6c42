"""`rnndiag report`."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated

import typer

from rnndiag.cli.groups import spread
from rnndiag.cli.locate import locate
from rnndiag.cli.options import FailOnOption, Output, Reading, Selecting, Tracing
from rnndiag.cli.output import chosen_formats, notice, progress_bar, show
from rnndiag.cli.suggest import Advising
from rnndiag.errors import InputCode, RnndiagError
from rnndiag.escape import printable

if TYPE_CHECKING:
    from rnndiag.analysis import Request
    from rnndiag.gate import Batch
    from rnndiag.report import FileReport, SkippedFile

PAGE = "rnndiag-report.html"
"""Where the page goes if nobody says: it is looked at in a browser, not in a terminal."""

Checkpoints = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="CHECKPOINT...",
        show_default=False,
        help="Checkpoints, folders or patterns. Else RNNDIAG_CHECKPOINT, the configured one, or "
        "the sample.",
    ),
]


@spread
def report(
    advising: Advising,
    tracing: Tracing,
    reading: Reading,
    selecting: Selecting,
    output: Output,
    checkpoints: Checkpoints = None,
    fail_on: FailOnOption = "never",
) -> int:
    """One HTML page to open or send: verdict, findings, pictures and advice."""
    if output.output is None and output.format_name in {None, "html"}:
        output = dataclasses.replace(output, output=PAGE)
    chosen = chosen_formats("report", output)
    from rnndiag.gate import Batch
    from rnndiag.report import Report

    traced = tracing.with_exponents("1")
    batch = Batch(judging=selecting.judging(), advice=advising.request())
    with progress_bar(silent=output.silent) as progress:
        request = reading.request(progress, True, traced.request(), whole_file=True)
        files, skipped = _measured(
            checkpoints, request, batch, output.quiet, gate=fail_on != "never"
        )
    settings = {**reading.settings(), **selecting.settings(), **traced.settings()}
    made = Report("report", settings, files, skipped, fail_on)
    code = show(made, chosen, output)
    if not output.to_stdout and not output.quiet:
        notice(f"report written to {printable(output.output or '')}")
    return code


def _measured(
    checkpoints: list[str] | None, request: Request, batch: Batch, quiet: bool, gate: bool
) -> tuple[tuple[FileReport, ...], tuple[SkippedFile, ...]]:
    """Every named file, and those of folders; else the one that `locate` finds."""
    from rnndiag.gate import check_paths
    from rnndiag.paths import shown_path
    from rnndiag.report import report_file

    if checkpoints:
        if request.optimizer is not None and len(checkpoints) > 1:
            what = "--optimizer is one checkpoint's"
            raise RnndiagError(InputCode.USAGE, what, "report on that checkpoint by itself")
        return check_paths(checkpoints, request, batch)
    path, name = locate(None, quiet, gate)
    shown = shown_path(name)
    return (report_file(path, request, batch.advice, shown, judging=batch.judging),), ()
