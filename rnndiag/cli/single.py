"""What the commands on one checkpoint have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rnndiag.cli.locate import locate
from rnndiag.cli.options import FailOn
from rnndiag.cli.output import progress_bar, show
from rnndiag.cli.requests import TraceOptions, declarations

if TYPE_CHECKING:
    from rnndiag.advice import AdviceRequest
    from rnndiag.report import Command


class Common(NamedTuple):
    """The options of every analysing command, as they were typed."""

    checkpoint: str | None
    layer: str | None
    declared: list[str] | None
    format_name: str | None
    output: str | None
    fail_on: FailOn
    quiet: bool
    optimizer: str | None = None
    verify: bool = False
    no_progress: bool = False


def run_single(
    command: Command,
    common: Common,
    *,
    spectrum: bool = False,
    trace: TraceOptions | None = None,
    advice: AdviceRequest | None = None,
) -> int:
    """Find the checkpoint, measure it, show it; returns the exit code."""
    path, name = locate(common.checkpoint, common.quiet, gate=common.fail_on != "never")
    # Only now: --help and usage errors need none of this, nor numpy.
    from rnndiag.analysis import Request
    from rnndiag.report import Report, report_file

    with progress_bar(silent=common.quiet or common.no_progress) as progress:
        request = Request(
            spectrum=spectrum,
            trace=None if trace is None else trace.request(),
            layer=common.layer,
            declarations=declarations(common.declared),
            optimizer=common.optimizer,
            verify=common.verify,
            progress=progress,
        )
        file = report_file(path, request, advice=advice, shown_as=name)
    settings = {
        "layer": common.layer,
        "optimizer": common.optimizer,
        **({} if trace is None else trace.settings()),
    }
    report = Report(command, settings, (file,), fail_on=common.fail_on)
    return show(report, common.format_name, common.output)
