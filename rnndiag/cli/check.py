"""`rnndiag check`."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from rnndiag.cli.accepting import Accepting
from rnndiag.cli.groups import spread
from rnndiag.cli.locate import locate
from rnndiag.cli.options import GateFailOnOption, Output, Reading, Selecting, Tracing
from rnndiag.cli.output import chosen_formats, progress_bar, show
from rnndiag.errors import InputCode, RnndiagError

if TYPE_CHECKING:
    from rnndiag.gate import Batch
    from rnndiag.report import Setting
    from rnndiag.rules import Judging

Paths = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="PATH...",
        show_default=False,
        help="Checkpoints, folders to search for them, and patterns such as 'runs/**/*.pt'.",
    ),
]


@dataclass(frozen=True)
class Gating:
    """How many files are gone through, and what fails."""

    jobs: Annotated[
        int,
        typer.Option("--jobs", "-j", min=0, help="Processes that check files; 0: one for a core."),
    ] = 1
    exit_zero: Annotated[
        bool, typer.Option("--exit-zero", help="Exit 0 with findings; 2 without a verdict stays 2.")
    ] = False
    allow_empty: Annotated[
        bool, typer.Option("--allow-empty", help="Exit 0 where there is no checkpoint to check.")
    ] = False
    allow_unmeasured: Annotated[
        bool,
        typer.Option(
            "--allow-unmeasured/--no-allow-unmeasured",
            envvar="RNNDIAG_ALLOW_UNMEASURED",
            help="Make notes of recurrences that cannot be measured, which fail otherwise.",
        ),
    ] = False
    skip_others: Annotated[
        bool,
        typer.Option(
            "--skip-others",
            help="Skip a named file that holds no recurrent weights, as in folders.",
        ),
    ] = False

    def batch(self, measures: bool, judging: Judging) -> Batch:
        """How to go through the files."""
        from rnndiag.gate import Batch

        jobs = self.jobs or _cores()
        return Batch(
            *(jobs, measures, self.allow_empty, self.skip_others, self.allow_unmeasured),
            judging=judging,
        )

    def settings(self) -> dict[str, Setting]:
        """As they stand in the report, which does not depend on how many processes made it."""
        return {
            "exit_zero": self.exit_zero,
            "allow_empty": self.allow_empty,
            "allow_unmeasured": self.allow_unmeasured,
            "skip_others": self.skip_others,
        }


@spread
def check(
    gating: Gating,
    accepting: Accepting,
    tracing: Tracing,
    reading: Reading,
    selecting: Selecting,
    output: Output,
    paths: Paths = None,
    fail_on: GateFailOnOption = "error",
) -> int:
    """Gate: apply the rules to files and folders; exit 0 clean, 1 findings, 2 no verdict."""
    chosen = chosen_formats("check", output)
    named = _named(paths, reading.optimizer)
    # Only now: --help and usage errors need none of this, nor numpy.
    from rnndiag.gate import check_paths
    from rnndiag.report import Report

    judging = selecting.judging()
    known = accepting.known()
    batch = gating.batch(chosen.measures, judging)
    with progress_bar(silent=output.silent, doing="checking files") as progress:
        recorded = tracing.probe is not None and judging.needs("probe")
        trace = tracing.request() if recorded or judging.needs("trace") else None
        request = reading.request(progress, trace=trace, judging=judging)
        measured, skipped = check_paths(named, request, batch)
    files, comparison = accepting.applied(measured, known, some_layers=reading.layer is not None)
    settings = {**reading.settings(), **selecting.settings(), **tracing.settings()}
    settings |= {"fail_on": fail_on, **gating.settings(), **accepting.settings()}
    report = Report(
        *("check", settings, files, skipped, fail_on),
        exit_zero=gating.exit_zero,
        allow_empty=gating.allow_empty,
        allow_unmeasured=gating.allow_unmeasured,
        baseline=comparison,
    )
    accepting.write(report)
    return show(report, chosen, output)


def _cores() -> int:
    """Those that this process may use, where the system tells."""
    allowed = getattr(os, "sched_getaffinity", None)
    return len(allowed(0)) if allowed else os.cpu_count() or 1


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
