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
    """By gate the share of saturated values, and an LSTM's mean o(1 − tanh² c) by memory cell."""
    saturated: dict[str, float] = {}
    exposure: FloatArray | None = None
    first, total = 0, int(lengths.sum())
    for chunk in run.chunks():
        there = np.arange(first, first + chunk.steps)[:, None] < lengths
        for gate, values in chunk.cell.gates(chunk.preactivations_tbg).items():
            share = (np.abs(values[there]) > SATURATED).sum() / (total * values.shape[-1])
            saturated[gate] = saturated.get(gate, 0.0) + float(share)
        if isinstance(chunk.linearisation, LSTMLinearisation):
            part = chunk.linearisation.exposure[there].sum(axis=0) / total
            exposure = part if exposure is None else exposure + part
        first += chunk.steps
    return saturated, exposure
