"""`rnndiag bptt-trace`."""

from __future__ import annotations

from rnndiag.cli.groups import spread
from rnndiag.cli.options import Checkpoint, FailOnOption, Output, Reading, Selecting, Tracing
from rnndiag.cli.single import run_single


@spread
def bptt_trace(
    tracing: Tracing,
    reading: Reading,
    selecting: Selecting,
    output: Output,
    checkpoint: Checkpoint = None,
    fail_on: FailOnOption = "never",
) -> int:
    """Gradient norm at every lag of back-propagation through time."""
    trace = tracing.with_exponents("1")
    return run_single("bptt-trace", checkpoint, reading, selecting, output, fail_on, trace=trace)
