"""The Python API: each command as a function from paths to frozen results.

All of them raise RnndiagError where the command line would exit with 2, `check` excepted, whose
report holds the errors of single files.
"""

from __future__ import annotations

from dataclasses import replace

from rnndiag.accepting import accept
from rnndiag.advice import Advice, AdviceRequest, advise
from rnndiag.analysis import FileResult, Request, analyse
from rnndiag.baseline import TOLERANCE, read_baseline
from rnndiag.containers import read
from rnndiag.gate import Batch, check_paths
from rnndiag.report import FailOn, Report, Setting
from rnndiag.rules import Judging
from rnndiag.tracing import TraceRequest


def inspect(path: str) -> FileResult:
    """Recurrent layers, weight health and training state of a checkpoint.

    >>> from rnndiag.cli.locate import SAMPLE
    >>> inspect(str(SAMPLE)).layers[0].layer.cell
    'lstm'
    """
    return analyse(read(path), Request())


def spectrum(path: str) -> FileResult:
    """`inspect`, and the eigenvalues and norms of every layer."""
    return analyse(read(path), Request(spectrum=True))


def trace(path: str, request: TraceRequest | None = None) -> FileResult:
    """`inspect`, and every layer's gradient at every lag."""
    return analyse(read(path), Request(trace=request or TraceRequest()))


def suggest(
    path: str, request: TraceRequest | None = None, known: AdviceRequest | None = None
) -> Advice:
    """A clip value and a truncation length with what they rest on, and changes worth making."""
    return advise(trace(path, replace(request or TraceRequest(), compare_lags=True)), known)


def check(
    *paths: str,
    request: TraceRequest | None = None,
    fail_on: FailOn = "error",
    judging: Judging | None = None,
    baseline: str | None = None,
    tolerance: float = TOLERANCE,
    allow_unmeasured: bool = False,
) -> Report:
    """Apply the rules to files and folders; `exit_code` is that of the command.

    No configuration file is read; `judging` says which rules, all of them by default. `baseline` is
    a file that accepts findings until they are worse by more than the share `tolerance`.
    `allow_unmeasured` makes notes of recurrences that cannot be measured.
    """
    known = None if baseline is None else read_baseline(baseline)
    measured = Request(state_map=True, trace=request or TraceRequest(), other_weights=True)
    batch = Batch(judging=judging or Judging(), allow_unmeasured=allow_unmeasured)
    files, skipped = check_paths(paths, measured, batch)
    comparison = None
    if known is not None:
        files, comparison = accept(files, known, tolerance)
    settings: dict[str, Setting] = {"fail_on": fail_on, "allow_unmeasured": allow_unmeasured}
    return Report(
        *("check", settings, files, skipped, fail_on),
        allow_unmeasured=allow_unmeasured,
        baseline=comparison,
    )
