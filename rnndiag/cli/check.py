"""`rnndiag check`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from rnndiag.cli import options as o
from rnndiag.cli.locate import locate
from rnndiag.cli.output import complain, progress_bar, show
from rnndiag.cli.requests import TraceOptions, declarations
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


def check(
    paths: Paths = None,
    seq_len: o.SeqLen = None,
    batch: o.Batch = 8,
    seed: o.Seed = 0,
    drive: o.Input = "auto",
    batch_first: o.BatchFirst = False,
    initial_state: o.InitialState = "random",
    cotangents: o.Cotangents = 1,
    cotangent: o.Cotangent = None,
    readout: o.Readout = None,
    layer: o.Layer = None,
    declared: o.As = None,
    optimizer: o.Optimizer = None,
    format_name: o.OutputFormat = None,
    output: o.OutputFile = None,
    fail_on: o.FailOnOption = "error",
    verify: o.Verify = False,
    no_progress: o.NoProgress = False,
) -> int:
    """Gate: apply the rules to files and folders; exit 0 clean, 1 findings, 2 no verdict."""
    named = _named(paths, optimizer)
    trace = TraceOptions(
        seq_len,
        batch,
        seed,
        drive,
        batch_first,
        initial_state,
        cotangents,
        cotangent,
        readout=readout,
    )
    from rnndiag.analysis import Request

    settings = {"layer": layer, "optimizer": optimizer, "fail_on": fail_on, **trace.settings()}
    with progress_bar(silent=no_progress) as progress:
        request = Request(
            trace=trace.request(),
            layer=layer,
            declarations=declarations(declared),
            optimizer=optimizer,
            verify=verify,
            progress=progress,
        )
        report = _judge(named, request, settings, fail_on)
    return show(report, format_name, output)


def _judge(
    named: list[str], request: Request, settings: dict[str, Setting], fail_on: o.FailOn
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
