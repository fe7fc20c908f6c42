"""The health of a layer's stored weights, and what their biases say of its time scales."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rnndiag.cells import load_bias
from rnndiag.cells.base import FloatArray
from rnndiag.containers.checkpoint import StoredTensor
from rnndiag.recognise.layers import RecurrentLayer

UNTRAINED = 0.01
"""Chance of staying below which a recurrence is called untrained. At 0.1 a real network of 3 units
would be, whose W_ih has two of 9 entries outside and whose biases were trained."""


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

    chance_of_staying: float | None = None
    """Where weight_ih has left the box and weight_hh has not: how likely that is by chance, see
    `chance_of_staying`; else None."""

    @property
    def recurrence_untrained(self) -> bool:
        """Whether W_hh stayed in that box by more than chance; without a past step it must."""
        chance = self.chance_of_staying
        return chance is not None and chance < UNTRAINED and not self.non_finite


ROUNDING = {"float16": 2.0**-11, "bfloat16": 2.0**-8}
"""Largest relative error of storing a number; others as float32, which torch draws in."""


def measure_weights(layer: RecurrentLayer) -> WeightHealth:
    """Look at every number of one layer once, in small reads, in the precision it is stored in."""
    # 1/√hidden may have been rounded up when it was stored, by half a unit in the last place.
    rounding = ROUNDING.get(layer.weight_hh.dtype, 2.0**-24)
    box = (1.0 + 2.0 * rounding) / math.sqrt(layer.hidden_size)
    extents = {name: _extent(tensor) for name, tensor in _named(layer)}
    moved = {name: not extent.largest <= box for name, extent in extents.items()}
    return WeightHealth(
        non_finite=sum(extent.non_finite for extent in extents.values()),
        zero_rows=extents["weight_hh"].zero_rows,
        moved_from_init=moved,
        gate_time_constants=tuple(_time_constants(layer)),
        # Only then, and that is rare: it takes another look at every entry of weight_ih.
        chance_of_staying=chance_of_staying(layer.weight_ih, layer.weight_hh.size, box)
        if moved["weight_ih"] and not moved["weight_hh"]
        else None,
    )


def chance_of_staying(witness: StoredTensor, entries: int, box: float) -> float:
    """(1 − p)ⁿ: that n entries stay in ±box if each leaves it as often as those of the witness.

    p is the share of the witness's entries outside, n the number of `entries`.
    """
    outside = sum(int((np.abs(block) > box).sum()) for block in witness.blocks())
    return float((1.0 - outside / witness.size) ** entries)


class _Extent(NamedTuple):
    """What one pass over a tensor tells."""

    largest: float
    """Largest magnitude; NaN if there is one."""

    non_finite: int
    zero_rows: int


def _extent(tensor: StoredTensor) -> _Extent:
    largest, non_finite, zero_rows = 0.0, 0, 0
    # Through map no block outlives its turn, so that there is memory for one only.
    for block in map(_block_extent, tensor.blocks()):
        largest = float(np.maximum(largest, block.largest))
        non_finite += block.non_finite
        zero_rows += block.zero_rows
    return _Extent(largest, non_finite, zero_rows)


def _block_extent(stored: npt.NDArray[np.generic]) -> _Extent:
    block = stored.astype(np.float32) if stored.dtype == np.float16 else stored
    # max and min are the fastest passes there are, and hand on NaN and infinities.
    peak = float(np.maximum(block.max(initial=0.0), -block.min(initial=0.0)))
    non_finite = 0 if math.isfinite(peak) else int((~np.isfinite(block)).sum())
    rows = block.reshape(len(block), -1) if block.ndim else block.reshape(1, 1)
    # Few rows start with a zero, and only those can be zero throughout.
    zero_rows = int((~rows[rows[:, :1].any(axis=1) == 0].any(axis=1)).sum())
    return _Extent(peak, non_finite, zero_rows)


def time_constants(bias: FloatArray) -> FloatArray:
    """τ = −1/ln σ(b) = 1/softplus(−b) in steps, of a gate that keeps its state at zero input.

    >>> round(float(time_constants(np.array([2.0]))[0]), 4)
    7.8785
    """
    # exp underflows for biases above 745: such a gate keeps its state for ever, to the last bit.
    with np.errstate(divide="ignore"):
        return np.asarray(1.0 / np.logaddexp(0.0, -bias))


def _named(layer: RecurrentLayer) -> Iterator[tuple[str, StoredTensor]]:
    for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr"):
        tensor = getattr(layer, name)
        if tensor is not None:
            yield name, tensor


KEEPING_GATE = {"lstm": "forget", "gru": "update"}
"""The gate that multiplies the old state: the second block of both cells."""


def _time_constants(layer: RecurrentLayer) -> Iterator[GateTimeConstant]:
    gate = KEEPING_GATE.get(layer.cell)
    if gate is None:
        return
    hidden = layer.hidden_size
    bias = (load_bias(layer, layer.bias_ih) + load_bias(layer, layer.bias_hh))[hidden : 2 * hidden]
    if np.isfinite(bias).all():
        taus = np.sort(time_constants(bias))
        # Not np.median, which loads numpy.ma: a fiftieth of the whole time of `inspect`.
        median = float(taus[[(hidden - 1) // 2, hidden // 2]].mean())
        yield GateTimeConstant(gate, median, float(taus[0]), float(taus[-1]))
