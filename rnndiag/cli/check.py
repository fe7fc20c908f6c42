"""`rnndiag check`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from rnndiag.cli.groups import spread
from rnndiag.cli.locate import locate
from rnndiag.cli.options import FailOn, FailOnOption, Output, Reading, Tracing
from rnndiag.cli.output import complain, progress_bar, show
from rnndiag.errors import InputCode, RnndiagError

if TYPE_CHECKING:
    from rnndiag.analysis import Request
    from rnndiag.report import Report, Setting

Paths = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="PATH...", show_default=False, help="Checkpoints, and folders to search for them."
    ),
]


@spread
def check(
    tracing: Tracing,
    reading: Reading,
    output: Output,
    paths: Paths = None,
    fail_on: FailOnOption = "error",
) -> int:
    """Gate: apply the rules to files and folders; exit 0 clean, 1 findings, 2 no verdict."""
    named = _named(paths, reading.optimizer)
    settings = {**reading.settings(), "fail_on": fail_on, **tracing.settings()}
    with progress_bar(silent=output.silent) as progress:
        request = reading.request(progress, trace=tracing.request())
        report = _judge(named, request, settings, fail_on)
    return show(report, output.format_name, output.output)


def _judge(
    named: list[str], request: Request, settings: dict[str, Setting], fail_on: FailOn
) -> Report:
    """Check every file; a call that measured nothing says so."""
    from rnndiag.gate import check_paths
    from rnndiag.report import Report

    files, skipped = check_paths(named, request)
    report = Report("check", settings, files, skipped, fail_on)
    if not report.measured and all(file.error is None for file in files):
        complain(_nothing(named, len(skipped) + len(files)))
    return report


def _named(paths: list[str] | None, optimizer: str | None) -> list[str]:
    """What is to be checked; a single file where an optimizer's goes with it."""
    named = paths or [locate(None, quiet=True, gate=True)[0]]
    if optimizer is None:
        return named
    from rnndiag.containers.folders import is_folder

    if len(named) > 1 or is_folder(named[0]):
        raise RnndiagError(
            InputCode.USAGE, "--optimizer is one checkpoint's", "check that checkpoint by itself"
        )
    return named


def _nothing(named: list[str], looked_at: int) -> RnndiagError:
    """Why a gate that measured no layer gives no verdict."""
    where = ", ".join(named)
    what = f"nothing was checked in {where}: {looked_at} files, no recurrent layer measured"
    return RnndiagError(InputCode.NO_RECURRENT_WEIGHTS, what, "name a checkpoint")
