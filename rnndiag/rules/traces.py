"""What several rules ask of traces: deciding drives, and how long a gradient lasts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rnndiag.analysis import FileResult, LayerResult
from rnndiag.measure.decay import horizon, left_curve
from rnndiag.measure.verdict import explodes, surely_grows
from rnndiag.rounding import judged

if TYPE_CHECKING:
    from rnndiag.measure.drive_trace import DriveTrace
    from rnndiag.measure.trace import LayerTrace


@dataclass(frozen=True)
class Traced:
    """One layer that was traced."""

    item: LayerResult
    trace: LayerTrace

    @property
    def label(self) -> str:
        """The layer's."""
        return self.item.layer.label

    @property
    def deciding(self) -> list[DriveTrace]:
        """The drives on which its verdict rests."""
        return self.trace.deciding

    def surely_explodes(self, decades: float) -> bool:
        """Whether it grows so much under every deciding drive, at a length that bears that out."""
        all_of_them = len(self.trace.exploding(decades)) == len(self.deciding)
        return all_of_them and self.trace.bears_out(decades)


def traced(result: FileResult) -> Iterator[Traced]:
    """Every layer that has a trace."""
    for item in result.layers:
        if item.trace is not None:
            yield Traced(item, item.trace)


def names(drives: Iterable[DriveTrace]) -> str:
    """Of the drives, for a message."""
    return ", ".join(drive.drive for drive in drives)


@dataclass(frozen=True)
class Lost:
    """A gradient that falls below a limit and stays there, under every deciding drive."""

    drive: DriveTrace
    """The one under which it lasts longest."""

    left_log10: float
    """log10 of what is left at its last lag."""

    horizon: int
    """Last lag at which it is not yet below the limit."""

    steps: int
    """Lags that were traced."""


def lost(layer: Traced, limit: float) -> Lost | None:
    """How long φ stays at or above a limit; None where it is not lost under a deciding drive.

    One that explodes or surely grows is not lost, however small it may end, nor is that of an LSTM
    whose memory cell carries it on.
    """
    limit_log10 = math.log10(limit)
    for drive in layer.deciding:
        grows = explodes(drive.decay, drive.overflow_step) or surely_grows(drive.decay)
        if grows or judged(drive.left_log10) >= judged(limit_log10):
            return None
    longest = max(layer.deciding, key=lambda drive: drive.left_log10)
    curve = left_curve(longest.log10_gradient_norm)
    last = horizon(curve, limit_log10)
    return Lost(longest, float(curve[-1]), max(last or 0, 0), len(curve) - 1)
