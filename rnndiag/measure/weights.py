"""The health of a layer's stored weights, and what their biases say of its time scales."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rnndiag.cells import load_bias
from rnndiag.cells.base import FloatArray
from rnndiag.containers.checkpoint import StoredTensor
from rnndiag.measure.sampling import Sample, Sampler
from rnndiag.measure.start import Start, is_draw, is_initial, start
from rnndiag.recognise.layers import GATES, RecurrentLayer


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

    start: Start | None = None
    """How W_hh stands to what an initialiser draws; None where it is not finite."""

    chance_of_staying: float | None = None
    """Where W_hh is as it was drawn and weight_ih is not: how likely that is by chance, see
    `chance_of_staying`; else None."""


ROUNDING = {"float16": 2.0**-11, "bfloat16": 2.0**-8}
"""Largest relative error of storing a number; others as float32, which torch draws in."""


def measure_weights(layer: RecurrentLayer) -> WeightHealth:
    """Look at every number of one layer once, in small reads, in the precision it is stored in."""
    # 1/√hidden may have been rounded up when it was stored, by half a unit in the last place.
    rounding = ROUNDING.get(layer.weight_hh.dtype, 2.0**-24)
    box = (1.0 + 2.0 * rounding) / math.sqrt(layer.hidden_size)
    sampler = Sampler(layer.weight_hh, rounding)
    extents = {
        name: _extent(tensor, sampler if name == "weight_hh" else None)
        for name, tensor in _named(layer)
    }
    moved = {name: not extent.largest <= box for name, extent in extents.items()}
    non_finite = sum(extent.non_finite for extent in extents.values())
    begun = (
        start(sampler.sample(), layer.hidden_size, GATES[layer.cell]) if not non_finite else None
    )
    return WeightHealth(
        non_finite=non_finite,
        zero_rows=extents["weight_hh"].zero_rows,
        moved_from_init=moved,
        gate_time_constants=tuple(_time_constants(layer)),
        start=begun,
        # Only then, and that is rare: it takes another look at every entry of weight_ih.
        chance_of_staying=_chance(layer, rounding, moved["weight_hh"])
        if begun is not None and begun.drawn is not None and moved["weight_ih"]
        else None,
    )


def _chance(layer: RecurrentLayer, rounding: float, elsewhere: bool) -> float | None:
    """How likely W_hh is as drawn by chance; None where weight_ih may be as drawn, too.

    `elsewhere` says that W_hh was drawn from another box than PyTorch's: then the network's author
    has initialised weight_ih as well, and only what no initialiser leaves shows training.
    """
    sampler = Sampler(layer.weight_ih, rounding)
    _extent(layer.weight_ih, sampler)
    if is_initial(sampler.sample(), layer.input_size, layer.hidden_size, GATES[layer.cell]):
        return None
    if elsewhere and not _biases_moved(layer):
        return None
    box = (1.0 + 2.0 * rounding) / math.sqrt(layer.hidden_size)
    return chance_of_staying(layer.weight_ih, layer.weight_hh.size, box)


def _biases_moved(layer: RecurrentLayer) -> bool:
    """Whether a bias is neither one number a gate nor drawn from that box; True without any."""
    biases = [load_bias(layer, bias) for bias in (layer.bias_ih, layer.bias_hh) if bias is not None]
    return not biases or any(
        np.ptp(bias.reshape(-1, layer.hidden_size), axis=1).any()
        and not is_draw(Sample.of(bias), layer.hidden_size**-0.5)
        for bias in biases
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


def _extent(tensor: StoredTensor, sampler: Sampler | None) -> _Extent:
    largest, non_finite, zero_rows = 0.0, 0, 0
    # Through map no block outlives its turn, so that there is memory for one only.
    for block in map(partial(_block_extent, sampler), tensor.blocks()):
        largest = float(np.maximum(largest, block.largest))
        non_finite += block.non_finite
        zero_rows += block.zero_rows
    return _Extent(largest, non_finite, zero_rows)


def _block_extent(sampler: Sampler | None, stored: npt.NDArray[np.generic]) -> _Extent:
    block = stored.astype(np.float32) if stored.dtype == np.float16 else stored
    # max and min are the fastest passes there are, and hand on NaN and infinities.
    peak = float(np.maximum(block.max(initial=0.0), -block.min(initial=0.0)))
    if sampler is not None:
        sampler.take(block, peak)
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
