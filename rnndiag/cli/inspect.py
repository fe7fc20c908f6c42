"""`rnndiag inspect`."""

from __future__ import annotations

from rnndiag.cli.groups import spread
from rnndiag.cli.options import Checkpoint, FailOnOption, Output, Reading, Selecting
from rnndiag.cli.single import run_single


@spread
def inspect(
    reading: Reading,
    selecting: Selecting,
    output: Output,
    checkpoint: Checkpoint = None,
    fail_on: FailOnOption = "never",
) -> int:
    """What is in the file: recurrent layers, weight health, training state."""
    return run_single("inspect", checkpoint, reading, selecting, output, fail_on)
