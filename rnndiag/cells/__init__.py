"""What a recurrent update is: parameters, step, linearisation. One file per cell."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rnndiag.cells.base import Cell, FloatArray, LayerWeights, Linearisation, Pullback
from rnndiag.cells.elman import ElmanCell
from rnndiag.cells.gru import GRUCell
from rnndiag.cells.lstm import LSTMCell
from rnndiag.containers.checkpoint import StoredTensor
from rnndiag.recognise.layers import RecurrentLayer

__all__ = [
    "CELLS",
    "Cell",
    "LayerWeights",
    "Linearisation",
    "Pullback",
    "build_cell",
    "load_bias",
    "load_weights",
]

CELLS: dict[str, Callable[[LayerWeights], Cell]] = {
    "rnn": ElmanCell,
    "gru": GRUCell,
    "lstm": LSTMCell,
}
"""Every cell that can be measured, by its name in `RecurrentLayer.cell`."""


def load_weights(layer: RecurrentLayer) -> LayerWeights:
    """Read one layer's weights into float64; a missing bias becomes zeros."""
    return LayerWeights(
        weight_ih=_float64(layer.weight_ih),
        weight_hh=_float64(layer.weight_hh),
        bias_ih=load_bias(layer, layer.bias_ih),
        bias_hh=load_bias(layer, layer.bias_hh),
        weight_hr=None if layer.weight_hr is None else _float64(layer.weight_hr),
        activation=layer.activation,
    )


def load_bias(layer: RecurrentLayer, bias: StoredTensor | None) -> FloatArray:
    """One of a layer's biases in float64, shape (gates * hidden,); zeros where it has none."""
    rows = layer.weight_hh.shape[0]
    return np.zeros(rows) if bias is None else _float64(bias).reshape(rows)


def build_cell(layer: RecurrentLayer) -> Cell:
    """The update that a recognised layer performs, ready to run."""
    return CELLS[layer.cell](load_weights(layer))


def _float64(tensor: StoredTensor) -> FloatArray:
    return np.asarray(tensor.load(), dtype=np.float64)
