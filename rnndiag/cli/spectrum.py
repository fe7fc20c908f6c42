"""`rnndiag spectrum`."""

from __future__ import annotations

from rnndiag.cli.groups import spread
from rnndiag.cli.options import Checkpoint, FailOnOption, Output, Reading, Selecting
from rnndiag.cli.single import run_single


@spread
def spectrum(
    reading: Reading,
    selecting: Selecting,
    output: Output,
    checkpoint: Checkpoint = None,
    fail_on: FailOnOption = "never",
) -> int:
    """Eigenvalues of W_hh and of the step Jacobian, and what they do (not) imply."""
    return run_single("spectrum", checkpoint, reading, selecting, output, fail_on, spectrum=True)
