"""`rnndiag diff`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from rnndiag.cli.groups import spread
from rnndiag.cli.options import FailOnOption, Output, Reading, Selecting, Tracing
from rnndiag.cli.output import chosen_formats, progress_bar, show
from rnndiag.errors import InputCode, RnndiagError

Checkpoints = Annotated[
    list[str],
    typer.Argument(
        metavar="OLD NEW...",
        show_default=False,
        help="Checkpoints of one model, oldest first; folders and patterns in the order of the "
        "numbers in their names.",
    ),
]


@spread
def diff(
    checkpoints: Checkpoints,
    tracing: Tracing,
    reading: Reading,
    selecting: Selecting,
    output: Output,
    fail_on: FailOnOption = "never",
) -> int:
    """The same measures of several checkpoints side by side, in the order given."""
    chosen = chosen_formats("diff", output)
    from rnndiag.candidates import in_order
    from rnndiag.comparison import compare
    from rnndiag.gate import Batch, check_candidates
    from rnndiag.report import Report

    candidates = list(in_order(checkpoints))
    if len(candidates) < 2 and all(one.error is None for one in candidates):
        raise _too_few(candidates)
    batch = Batch(compares=True, judging=selecting.judging())
    with progress_bar(silent=output.silent) as progress:
        request = reading.request(progress, spectrum=True, trace=tracing.request())
        files, skipped = check_candidates(candidates, request, batch)
    measured = [file.result for file in files if file.result is not None]
    if len(files) < 2 and len(measured) == len(files):
        raise _too_few(files)
    settings = {**reading.settings(), **selecting.settings(), **tracing.settings()}
    # With one file unread there is nothing to set beside the others; its error says why.
    comparison = compare(measured) if len(measured) == len(files) else ()
    report = Report("diff", settings, files, skipped, fail_on, comparison)
    return show(report, chosen, output)


def _too_few(found: Sequence[object]) -> RnndiagError:
    what = f"{'one checkpoint' if found else 'no checkpoint'} given"
    return RnndiagError(InputCode.USAGE, what, "name two or more to compare")
