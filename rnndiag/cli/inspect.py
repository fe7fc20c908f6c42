"""`rnndiag inspect`."""

from __future__ import annotations

import os

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
    # Nothing is multiplied here: the threads that numpy's OpenBLAS starts would only cost time.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    return run_single("inspect", checkpoint, reading, selecting, output, fail_on)
