"""Quantised tensors: whole numbers that stand for (q − zero point) · scale."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from rnndiag.containers.checkpoint import Skipped, StoredTensor
from rnndiag.containers.failures import damaged
from rnndiag.containers.records import GlobalRecord

STORED_AS = {"qint8": "int8", "quint8": "uint8", "qint32": "int32"}
"""torch's name of the dtype → of the whole numbers; those of less than a byte are not read."""

Leaf = Callable[[str, object], object]
"""(name, record) → the tensor that a record stands for, or something else."""

_Numbers = npt.NDArray[np.floating]


def dequantised(
    name: str, stored: StoredTensor, parameters: object, leaf: Leaf
) -> StoredTensor | Skipped:
    """The float32 numbers that torch's `dequantize` gives, with a remark that says so.

    `parameters` is torch's tuple: (per_tensor_affine, scale, zero point) or (per_channel_affine,
    scales, zero points, axis). Raises RD003 where they do not fit.
    """
    entries = parameters if isinstance(parameters, tuple) else ()
    scheme = entries[0].name if entries and isinstance(entries[0], GlobalRecord) else ""
    if scheme == "per_tensor_affine" and len(entries) == 3:
        scale, zero = _number(name, entries[1]), _number(name, entries[2])
        return _converted(stored, lambda: (np.array(scale, np.float32), np.array(zero)))
    if scheme == "per_channel_affine" and len(entries) == 4:
        return _per_channel(name, stored, entries, leaf)
    return Skipped(name, f"its quantisation {scheme or 'scheme'} is not read")


def _per_channel(
    name: str, stored: StoredTensor, entries: tuple[object, ...], leaf: Leaf
) -> StoredTensor:
    axis = entries[3]
    scales, zeros = leaf(name, entries[1]), leaf(name, entries[2])
    if not isinstance(scales, StoredTensor) or not isinstance(zeros, StoredTensor):
        raise damaged(f"corrupt tensor {name}: its scales are no tensors")
    if type(axis) is not int or not 0 <= axis < len(stored.shape):
        raise damaged(f"corrupt tensor {name}: its channels are no axis of it")
    count = stored.shape[axis]
    if scales.shape != (count,) or zeros.shape != (count,):
        raise damaged(f"corrupt tensor {name}: it has not one scale a channel")
    along = tuple(count if place == axis else 1 for place in range(len(stored.shape)))

    return _converted(
        stored,
        lambda: (
            scales.load().astype(np.float64).reshape(along),
            zeros.load().astype(np.float64).reshape(along),
        ),
    )


def _converted(
    stored: StoredTensor, factors: Callable[[], tuple[_Numbers, _Numbers]]
) -> StoredTensor:
    """`factors` gives the scale and the zero point; torch multiplies in the scale's precision."""

    def load() -> _Numbers:
        scale, zero = factors()
        with np.errstate(all="ignore"):
            centred = stored.load().astype(np.float64) - zero
            return np.asarray((centred.astype(scale.dtype) * scale).astype(np.float32))

    return replace(
        stored,
        dtype="float32",
        load=load,
        stream=None,
        remark=f"is quantised {stored.dtype}: dequantised",
    )


def _number(name: str, record: object) -> float:
    if isinstance(record, bool) or not isinstance(record, int | float) or not math.isfinite(record):
        raise damaged(f"corrupt tensor {name}: its scale or zero point is no number")
    if abs(record) > np.finfo(np.float32).max:
        raise damaged(f"corrupt tensor {name}: its scale or zero point is out of range")
    return record
