"""How saturated a layer is on sequences of different lengths: their padding does not count."""

from __future__ import annotations

import numpy as np

from rnndiag.cells.base import FloatArray
from rnndiag.cells.lstm import LSTMLinearisation
from rnndiag.measure.gradient import SATURATED
from rnndiag.probe.records import IntArray
from rnndiag.rollout import LayerRun


def measure_activity(
    run: LayerRun, lengths: IntArray
) -> tuple[dict[str, float], FloatArray | None]:
    """By gate the share of saturated values, and an LSTM's mean o(1 − tanh² c) by memory cell.

    The latter over the second half of every sequence: before that a cell may not have filled yet.
    """
    saturated: dict[str, float] = {}
    exposure: FloatArray | None = None
    first, total = 0, int(lengths.sum())
    settled = int((lengths - lengths // 2).sum())
    for chunk in run.chunks():
        steps = np.arange(first, first + chunk.steps)[:, None]
        there = steps < lengths
        for gate, values in chunk.cell.gates(chunk.preactivations_tbg).items():
            share = (np.abs(values[there]) > SATURATED).sum() / (total * values.shape[-1])
            saturated[gate] = saturated.get(gate, 0.0) + float(share)
        if isinstance(chunk.linearisation, LSTMLinearisation):
            late = there & (steps >= lengths // 2)
            part = chunk.linearisation.exposure[late].sum(axis=0) / settled
            exposure = part if exposure is None else exposure + part
        first += chunk.steps
    return saturated, exposure
