"""A trace in words: what was traced, and its numbers at single lags."""

from __future__ import annotations

from rnndiag.analysis import FileResult
from rnndiag.cells.base import FloatArray
from rnndiag.escape import printable
from rnndiag.measure.drive_trace import DriveTrace
from rnndiag.measure.trace import LayerTrace
from rnndiag.readings.length import length_phrase
from rnndiag.rounding import power_of_ten


def setting(result: FileResult) -> str:
    """What was traced, over how many steps, and who said so."""
    return f"gradient of a loss at the last of {printable(length_phrase(result))}"


def horizon(lag: int | None, drive: DriveTrace) -> str:
    """The last lag above a threshold, or a bound where there is none."""
    if lag is None:
        return f"> {len(drive.log10_gradient_norm) - 1}"
    return "none" if lag < 0 else str(lag)


def at_lag(curve: FloatArray, lag: int) -> str:
    """The value of a logarithmic curve, which an overflow ends early."""
    return power_of_ten(float(curve[lag])) if lag < len(curve) else "overflow"


def shown_lags(trace: LayerTrace) -> list[int]:
    """1, 2, 5 times powers of ten, and both ends."""
    steps = trace.seq_len
    round_lags = [m * 10**e for e in range(9) for m in (1, 2, 5) if m * 10**e < steps]
    return [0, *round_lags, steps]
