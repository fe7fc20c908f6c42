"""rnndiag's plain RNN around a given recurrent matrix."""

from __future__ import annotations

import numpy as np

from rnndiag.cells import CELLS, LayerWeights


def rnn(matrix, bias=0.0, activation="tanh", weight_ih=1.0):
    """h' = activation(matrix h + weight_ih x + bias) of one input; numbers fill their arrays."""
    matrix = np.atleast_2d(np.asarray(matrix, float))
    size = len(matrix)
    bias = np.broadcast_to(np.asarray(bias, float), size)
    inputs = np.full((size, 1), weight_ih)
    return CELLS["rnn"](LayerWeights(inputs, matrix, bias, np.zeros(size), None, activation))
