"""The health of a layer's stored weights, and what their biases say of its time scales."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from rnndiag.cells import load_weights
from rnndiag.cells.base import FloatArray, LayerWeights
from rnndiag.recognise.layers import RecurrentLayer


@dataclass(frozen=True)
class GateTimeConstant:
    """What a keeping gate's biases alone give: the unit's memory at zero state and input."""

    gate: str
    """"forget" of an LSTM, "update" of a GRU (PyTorch's z keeps the state)."""

    median: float
    """Median over units of τ = 1/softplus(−b), b = b_ih + b_hh, in steps."""

    shortest: float
    longest: float


@dataclass(frozen=True)
class WeightHealth:
    """One layer's weights as they are stored."""

    non_finite: int
    """NaN and infinite entries in all of the layer's tensors."""

    zero_rows: int
    """Rows of weight_hh that are zero throughout."""

    moved_from_init: dict[str, bool]
    """By tensor: whether any entry lies outside ±1/√hidden, the box that PyTorch draws from."""

    gate_time_constants: tuple[GateTimeConstant, ...]


ROUNDING = {"float16": 2.0**-11, "bfloat16": 2.0**-8}
"""Largest relative error of storing a number; others as float32, which torch draws in."""


def measure_weights(layer: RecurrentLayer) -> WeightHealth:
    """Read one layer's tensors and look at their values."""
    weights = load_weights(layer)
    tensors = dict(_named(layer, weights))
    # 1/√hidden may have been rounded up when it was stored, by half a unit in the last place.
    rounding = ROUNDING.get(layer.weight_hh.dtype, 2.0**-24)
    box = (1.0 + 2.0 * rounding) / math.sqrt(layer.hidden_size)
    return WeightHealth(
        non_finite=sum(int((~np.isfinite(values)).sum()) for values in tensors.values()),
        zero_rows=int((~weights.weight_hh.any(axis=1)).sum()),
        moved_from_init={
            name: bool((~(np.abs(values) <= box)).any()) for name, values in tensors.items()
        },
        gate_time_constants=tuple(_time_constants(layer, weights)),
    )


def time_constants(bias: FloatArray) -> FloatArray:
    """τ = −1/ln σ(b) = 1/softplus(−b) in steps, of a gate that keeps its state at zero input.

    >>> round(float(time_constants(np.array([2.0]))[0]), 4)
    7.8785
    """
    # exp underflows for biases above 745: such a gate keeps its state for ever, to the last bit.
    with np.errstate(divide="ignore"):
        return np.asarray(1.0 / np.logaddexp(0.0, -bias))


def _named(layer: RecurrentLayer, weights: LayerWeights) -> Iterator[tuple[str, FloatArray]]:
    yield "weight_ih", weights.weight_ih
    yield "weight_hh", weights.weight_hh
    if layer.bias_ih is not None:
        yield "bias_ih", weights.bias_ih
    if layer.bias_hh is not None:
        yield "bias_hh", weights.bias_hh
    if weights.weight_hr is not None:
        yield "weight_hr", weights.weight_hr


KEEPING_GATE = {"lstm": "forget", "gru": "update"}
"""The gate that multiplies the old state: the second block of both cells."""


def _time_constants(layer: RecurrentLayer, weights: LayerWeights) -> Iterator[GateTimeConstant]:
    gate = KEEPING_GATE.get(layer.cell)
    if gate is None:
        return
    hidden = layer.hidden_size
    bias = (weights.bias_ih + weights.bias_hh)[hidden : 2 * hidden]
    if np.isfinite(bias).all():
        taus = time_constants(bias)
        yield GateTimeConstant(gate, float(np.median(taus)), float(taus.min()), float(taus.max()))
