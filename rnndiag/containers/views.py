"""From a view of stored numbers to a StoredTensor: bounds first, bytes only when asked for."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from rnndiag.containers.checkpoint import Skipped, StoredTensor
from rnndiag.containers.failures import damaged, out_of_memory, refused

ReadBytes = Callable[[int, int], npt.NDArray[np.uint8]]
"""(start, count) in bytes → a fresh array of shape (count,); raises RnndiagError."""

DTYPES: dict[str, str] = {
    "float64": "f8",
    "float32": "f4",
    "float16": "f2",
    "bfloat16": "u2",
    "int64": "i8",
    "int32": "i4",
    "int16": "i2",
    "int8": "i1",
    "uint64": "u8",
    "uint32": "u4",
    "uint16": "u2",
    "uint8": "u1",
    "bool": "u1",
    "complex64": "c8",
    "complex128": "c16",
}
"""torch's name → numpy's code for the stored bits."""

MAX_DIMENSIONS = 32
"""numpy 1.26's limit; no weight has more than six."""

MAX_REPEATED_ELEMENTS = 1 << 22
"""Of a view that has more elements than its storage: an expanded mask, never a weight."""

BLOCK_BYTES = 1 << 21
"""Read at once when a tensor is only looked at: little memory, and few enough reads."""

MAX_ROW_BYTES = 1 << 26
"""Of a matrix that is looked at row by row: 16 million inputs of a layer, which none has."""

_MAX_EXTENT = 1 << 48
"""Any size, stride or offset beyond this is corrupt: no file is that large."""


@dataclass(frozen=True)
class View:
    """Where the elements of a tensor lie in its storage, counted in elements."""

    dtype: str
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int

    storage_count: int
    """Elements that the view may reach."""

    big_endian: bool = False

    @property
    def span(self) -> int:
        """Elements from the first to the last one, both included."""
        if 0 in self.shape:
            return 0
        return 1 + sum((n - 1) * step for n, step in zip(self.shape, self.strides, strict=True))


def contiguous_strides(shape: tuple[int, ...], is_fortran: bool = False) -> tuple[int, ...]:
    """Of an array without gaps, in elements: the last axis runs fastest, in Fortran's the first."""
    if is_fortran:
        return contiguous_strides(shape[::-1])[::-1]
    strides, step = [], 1
    for extent in reversed(shape):
        strides.append(step)
        step *= extent
    return tuple(reversed(strides))


def item_size(dtype: str) -> int:
    """Bytes per element of a dtype in DTYPES."""
    return np.dtype(DTYPES[dtype]).itemsize


def stored_tensor(
    name: str, view: View, identity: tuple[object, ...], read: ReadBytes, in_place: bool = True
) -> StoredTensor | Skipped:
    """Check the view and promise its values; `in_place` if reading a part does not read the rest.

    Raises RD003 where the view leaves its storage and RD004 where it would repeat a few elements
    into a huge array; a dtype that numpy does not have is skipped.
    """
    if view.dtype not in DTYPES:
        return Skipped(name, f"its dtype {view.dtype} is not read")
    check_view(name, view)
    full_identity = (*identity, view.dtype, view.offset, view.shape, view.strides)
    is_dense = bool(view.shape) and view.strides == contiguous_strides(view.shape)
    return StoredTensor(
        view.dtype,
        view.shape,
        full_identity,
        lambda: _load(view, read),
        (lambda: _blocks(view, read)) if in_place and is_dense and view.span else None,
    )


def check_view(name: str, view: View) -> None:
    """Raise unless every element lies inside the storage."""
    numbers = (*view.shape, *view.strides, view.offset, view.storage_count)
    if len(view.shape) != len(view.strides) or len(view.shape) > MAX_DIMENSIONS:
        raise damaged(f"corrupt tensor {name}: its shape and strides disagree")
    if any(number < 0 or number > _MAX_EXTENT for number in numbers):
        raise damaged(f"corrupt tensor {name}: a size, stride or offset is out of range")
    if math.prod(extent for extent in view.shape if extent) > _MAX_EXTENT:
        raise refused(f"tensor {name} claims more elements than any file holds")
    if view.span and view.offset + view.span > view.storage_count:
        raise damaged(f"corrupt tensor {name}: it reaches past the end of its storage")
    elements = math.prod(view.shape)
    if elements > max(view.storage_count, MAX_REPEATED_ELEMENTS):
        raise refused(f"tensor {name} repeats {view.storage_count} numbers into {elements}")


def _load(view: View, read: ReadBytes) -> npt.NDArray[np.generic]:
    """A contiguous copy in native byte order; bfloat16 as the float32 of the same value."""
    code = np.dtype(DTYPES[view.dtype]).newbyteorder(">" if view.big_endian else "<")
    raw = read(view.offset * code.itemsize, view.span * code.itemsize).view(code)
    try:
        return _converted(_gathered(raw, view), view.dtype)
    except MemoryError:
        raise out_of_memory(math.prod(view.shape) * code.itemsize) from None


def _blocks(view: View, read: ReadBytes) -> Iterator[npt.NDArray[np.generic]]:
    """A dense view along its first dimension, about BLOCK_BYTES at a time, but whole rows.

    Raises RnndiagError (RD004) for rows that would take too much memory.
    """
    row_bytes = view.strides[0] * item_size(view.dtype)
    if row_bytes > MAX_ROW_BYTES:
        raise refused(
            f"a tensor has rows of {row_bytes >> 20} MiB, at most {MAX_ROW_BYTES >> 20} are read"
        )
    count = max(1, BLOCK_BYTES // row_bytes)
    for start in range(0, view.shape[0], count):
        shape = (min(count, view.shape[0] - start), *view.shape[1:])
        yield _load(replace(view, shape=shape, offset=view.offset + start * view.strides[0]), read)


def _gathered(raw: npt.NDArray[np.generic], view: View) -> npt.NDArray[np.generic]:
    if view.strides == contiguous_strides(view.shape) or not view.span:
        return raw.reshape(view.shape)
    steps = tuple(stride * raw.itemsize for stride in view.strides)
    strided = np.lib.stride_tricks.as_strided(raw, view.shape, steps, writeable=False)
    return np.array(strided, order="C")


def _converted(values: npt.NDArray[np.generic], dtype: str) -> npt.NDArray[np.generic]:
    native = values.astype(values.dtype.newbyteorder("="), copy=False)
    if dtype == "bfloat16":
        return np.left_shift(native.astype(np.uint32), np.uint32(16)).view(np.float32)
    if dtype == "bool":
        return np.not_equal(native, np.uint8(0))
    return native
