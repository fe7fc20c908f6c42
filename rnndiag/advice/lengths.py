"""The shortest lengths whose bias stays at or below a target."""

from __future__ import annotations

import math

import numpy as np

from rnndiag.cells.base import FloatArray

ROUNDING = 1.0 + 1e-9
"""A bias above the target by no more than this is the target, up to how it was summed."""


def lags_for(sliding: FloatArray, bias: float) -> int:
    """The smallest K at and after which the bias stays at or below the target.

    sliding: the bias when K lags are kept, K = 1 … lags; it need not fall steadily.

    >>> lags_for(np.array([0.05, 0.3, 0.02, 0.0]), 0.1)
    3
    """
    above = np.flatnonzero(sliding > bias * ROUNDING)
    return int(above[-1]) + 2 if above.size else 1


def chunk_for(chunk: FloatArray, bias: float) -> int:
    """The smallest C at and after which detaching every C steps has at most this bias.

    chunk: that bias for C = 1 … lags. Beyond the lags nothing is left to lose: it falls as 1/C.

    >>> chunk_for(np.array([0.9, 0.6, 0.4]), 0.1)
    12
    """
    above = np.flatnonzero(chunk > bias * ROUNDING)
    if above.size and above[-1] == len(chunk) - 1:
        return math.ceil(len(chunk) * float(chunk[-1]) / (bias * ROUNDING))
    return int(above[-1]) + 2 if above.size else 1
