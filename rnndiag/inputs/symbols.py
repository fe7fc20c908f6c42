"""Symbols drawn at random: rows of the file's embedding, or one-hot vectors."""

from __future__ import annotations

import numpy as np

from rnndiag.cells.base import FloatArray
from rnndiag.containers.checkpoint import Checkpoint
from rnndiag.drives import Drive, Sampler

FEWEST_SYMBOLS = 4
"""Width from which one-hot vectors are thought of: three numbers are not three symbols. Of 176
trained networks a readout as wide as the input made 127 look as if they took symbols; 27 did."""


def embedding_drive(name: str, checkpoint: Checkpoint, deciding: bool = True) -> Drive | None:
    """Rows of an embedding of the module's input width; None where its values are not finite."""
    rows = np.asarray(checkpoint.tensors[name].load(), dtype=np.float64)
    if not np.isfinite(rows).all():
        return None

    def sample(generator: np.random.Generator, steps: int, batch: int) -> FloatArray:
        return np.asarray(rows[generator.integers(len(rows), size=(steps, batch))])

    return Drive("embedding", deciding, sample, f"rows of {name} at random")


def onehot_drive(width: int, source: str, deciding: bool = True) -> Drive:
    """One of `width` symbols at each step, all as likely."""
    return Drive("onehot", deciding, _onehot(width), source)


def _onehot(width: int) -> Sampler:
    def sample(generator: np.random.Generator, steps: int, batch: int) -> FloatArray:
        # Not rows of np.eye(width): for 50,000 symbols that is 20 GB.
        symbols = np.zeros((steps, batch, width))
        drawn = generator.integers(width, size=(steps, batch, 1))
        np.put_along_axis(symbols, drawn, 1.0, axis=2)
        return symbols

    return sample
