"""`rnndiag diff`."""

from __future__ import annotations

from typing import Annotated

import typer

from rnndiag.cli.groups import spread
from rnndiag.cli.options import FailOnOption, Output, Reading, Selecting, Tracing
from rnndiag.cli.output import chosen_formats, progress_bar, show
from rnndiag.errors import InputCode, RnndiagError

Checkpoints = Annotated[
    list[str],
    typer.Argument(
        metavar="OLD NEW...", show_default=False, help="Checkpoints of one model, oldest first."
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
    if len(checkpoints) < 2:
        raise RnndiagError(InputCode.USAGE, "one checkpoint given", "name two or more to compare")
    chosen = chosen_formats("diff", output)
    from rnndiag.comparison import compare
    from rnndiag.paths import shown_path
    from rnndiag.report import Report, report_file

    judging = selecting.judging()
    with progress_bar(silent=output.silent) as progress:
        request = reading.request(progress, spectrum=True, trace=tracing.request())
        files = tuple(
            report_file(path, request, shown_as=shown_path(path), judging=judging)
            for path in checkpoints
        )
    measured = [file.result for file in files if file.result is not None]
    settings = {**reading.settings(), **selecting.settings(), **tracing.settings()}
    # With one file unread there is nothing to set beside the others; its error says why.
    comparison = compare(measured) if len(measured) == len(files) else ()
    report = Report("diff", settings, files, fail_on=fail_on, comparison=comparison)
    return show(report, chosen, output)
