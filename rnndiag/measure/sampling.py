"""One pass over a matrix: what is needed to tell the distribution of its entries."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rnndiag.cells.base import FloatArray
from rnndiag.containers.checkpoint import StoredTensor

SAMPLED = 1 << 14
"""Entries of a larger matrix that its distribution is told from, evenly spread."""

COLUMNS = 8
"""Whose 28 inner products are looked at: in a matrix that is not orthogonal each is about 1/√rows
of a column's length."""


@dataclass(frozen=True)
class Sample:
    """What one pass over a matrix leaves of it."""

    entries: FloatArray
    """Up to about SAMPLED of them, shape (n,)."""

    size: int
    largest: float
    """Of all entries, the magnitude."""

    gram: FloatArray
    """Inner products of the first COLUMNS columns."""

    diagonal: FloatArray
    """Of the first block."""

    largest_row: float

    rounding: float
    """Largest relative error of a stored entry."""

    @classmethod
    def of(cls, vector: FloatArray) -> Sample:
        """Of a vector, which has no columns."""
        largest = float(np.abs(vector).max(initial=0.0))
        return cls(vector, vector.size, largest, np.zeros((0, 0)), vector[:0], largest, 2.0**-8)


class Sampler:
    """Takes the blocks of a matrix one after the other."""

    def __init__(self, tensor: StoredTensor, rounding: float) -> None:
        self._columns = tensor.shape[1]
        self._rounding = rounding
        # Odd, so that it does not run down one column of a matrix whose width is a power of two.
        self._stride = max(1, tensor.size // SAMPLED) | 1
        self._size = self._rows = 0
        self._largest = self._row = 0.0
        self._entries: list[FloatArray] = []
        self._diagonal: list[FloatArray] = []
        corner = min(COLUMNS, self._columns)
        self._gram = np.zeros((corner, corner))

    def take(self, block: npt.NDArray[np.generic], peak: float) -> None:
        """Look at whole rows of the matrix, whose largest magnitude is known."""
        rows = block.reshape(-1, self._columns)
        entries = np.asarray(rows.reshape(-1)[:: self._stride], dtype=np.float64)
        with np.errstate(all="ignore"):
            corner = np.asarray(rows[:, : len(self._gram)], dtype=np.float64)
            self._gram += corner.T @ corner
            self._row = max(self._row, self._largest_row(rows, entries, peak))
        self._diagonal.append(np.asarray(rows.diagonal(self._rows), dtype=np.float64))
        self._entries.append(entries)
        self._rows += len(rows)
        self._size += rows.size
        self._largest = max(self._largest, peak)

    def _largest_row(
        self, rows: npt.NDArray[np.generic], entries: FloatArray, peak: float
    ) -> float:
        """Largest sum of |entries| of a row, exact where it may be small.

        Else that of the mean row or the largest entry: less than it, and no pass of its own.
        """
        if peak * self._columns <= 1.0:
            return float(np.abs(rows).sum(axis=1, dtype=np.float64).max(initial=0.0))
        return max(peak, float(np.abs(entries).mean()) * self._columns)

    def sample(self) -> Sample:
        """What was seen of it."""
        return Sample(
            entries=np.concatenate(self._entries),
            size=self._size,
            largest=self._largest,
            gram=self._gram,
            diagonal=np.concatenate(self._diagonal),
            largest_row=self._row,
            rounding=self._rounding,
        )
