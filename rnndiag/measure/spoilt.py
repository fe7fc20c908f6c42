"""NaN in weights outside the recurrence, looked for in small reads."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rnndiag.containers.checkpoint import Checkpoint, StoredTensor
from rnndiag.containers.views import MAX_ROW_BYTES
from rnndiag.recognise.layers import Recognition
from rnndiag.recognise.model_weights import is_statistic, is_weight, weights_outside


@dataclass(frozen=True)
class Spoilt:
    """One tensor that makes what the model answers NaN, or infinite."""

    name: str
    count: int
    """Entries that do so."""

    size: int


def spoilt_outside(checkpoint: Checkpoint, recognition: Recognition) -> tuple[Spoilt, ...]:
    """Every tensor outside the recurrence that is spoilt.

    A file with nothing recurrent is read no further than its first finite matrix: most are other
    people's models and data, with missing values, but one that is NaN throughout is broken.
    """
    outside = weights_outside(checkpoint, recognition)
    if recognition.modules or recognition.unrecognised:
        return spoilt(outside)
    return spoilt(outside) if checkpoint.container != "npz" and is_all_nan(outside) else ()


def spoilt(tensors: Mapping[str, StoredTensor]) -> tuple[Spoilt, ...]:
    """Every tensor with such entries, in the order given.

    NaN counts in all of them. An infinite entry counts in a running statistic, and where it is +inf
    in a weight or bias: nobody stores that on purpose, and the softmax behind it is NaN. −inf may
    be a mask wherever it stands, as in a bias that forbids an answer.
    """
    counted = (Spoilt(name, _count(name, tensor), tensor.size) for name, tensor in tensors.items())
    return tuple(found for found in counted if found.count)


def is_all_nan(tensors: Mapping[str, StoredTensor]) -> bool:
    """Whether there are two tensors or more, matrices among them, and all of these begin with NaN.

    Of each no more than its first block is read, and nothing behind the first finite one.
    """
    matrices = [tensor for tensor in tensors.values() if len(tensor.shape) > 1]
    return len(tensors) > 1 and bool(matrices) and all(map(_begins_with_nan, matrices))


def _begins_with_nan(tensor: StoredTensor) -> bool:
    return bool(np.isnan(next(_blocks(tensor))).all())


def _count(name: str, tensor: StoredTensor) -> int:
    """Entries that spoil; the tensor is read once, in blocks of about two megabytes."""
    statistic = is_statistic(name)
    positive = statistic or is_weight(name)
    return sum(_spoiling(block, positive, statistic) for block in _blocks(tensor))


def _blocks(tensor: StoredTensor) -> Iterator[npt.NDArray[np.generic]]:
    """As they are stored; what has a single row too long to be a block is read whole."""
    rows = tensor.shape[0] if tensor.shape else 1
    long = tensor.size // max(rows, 1) * 16 > MAX_ROW_BYTES
    return iter((tensor.load(),)) if long else tensor.blocks()


def _spoiling(stored: npt.NDArray[np.generic], positive: bool, negative: bool) -> int:
    """How many entries are NaN, or infinite with a sign that counts."""
    block = stored.astype(np.float32) if stored.dtype == np.float16 else stored
    if block.dtype.kind == "c":
        return int(np.isnan(block).sum())
    # max and min are the fastest passes there are, and hand on NaN and infinities.
    top = float(block.max(initial=-math.inf))
    if math.isfinite(top) and not negative:
        return 0
    bad = np.isnan(block)
    if positive:
        bad |= block == np.inf
    if negative:
        bad |= block == -np.inf
    return int(bad.sum())
