"""Reads what numpy pickles, scalars and arrays, from inert records."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from rnndiag.containers.checkpoint import Skipped, StoredTensor, Value
from rnndiag.containers.failures import damaged
from rnndiag.containers.records import CallRecord, called
from rnndiag.containers.views import MAX_DIMENSIONS, View, contiguous_strides, stored_tensor

_MULTIARRAY = ("numpy.core.multiarray", "numpy._core.multiarray")
_NUMERIC = ("numpy.core.numeric", "numpy._core.numeric")
SCALARS = frozenset(f"{module}.scalar" for module in _MULTIARRAY)
RECONSTRUCTED = frozenset(f"{module}._reconstruct" for module in _MULTIARRAY)
FROM_BUFFER = frozenset(f"{module}._frombuffer" for module in _NUMERIC)

TORCH_NAMES = {
    "b1": "bool",
    "i1": "int8",
    "i2": "int16",
    "i4": "int32",
    "i8": "int64",
    "u1": "uint8",
    "u2": "uint16",
    "u4": "uint32",
    "u8": "uint64",
    "f2": "float16",
    "f4": "float32",
    "f8": "float64",
    "c8": "complex64",
    "c16": "complex128",
}
"""numpy's type code → torch's name."""


def scalar(record: CallRecord) -> Value | Skipped:
    """The plain value of a numpy scalar (dtype, bytes)."""
    code = dtype_code(record.arguments[0]) if len(record.arguments) == 2 else ""
    if code[1:] not in TORCH_NAMES or code[1] == "c":
        return Skipped("", "a numpy scalar of another kind")
    raw = _exactly(record.arguments[1], np.dtype(code).itemsize)
    value = np.frombuffer(raw, code)[0].item()
    return value if isinstance(value, bool | int | float) else None


def array(name: str, record: CallRecord) -> StoredTensor | Skipped:
    """A numpy array whose bytes lie in the pickle itself. They are looked at when it is loaded."""
    parts = _parts(record)
    if parts is None:
        return Skipped(name, "a numpy array of an unknown layout")
    shape, dtype, is_fortran, data = parts
    code = dtype_code(dtype)
    if code[1:] not in TORCH_NAMES:
        return Skipped(name, "a numpy array that does not hold numbers")
    count = math.prod(shape)
    size_bytes = count * np.dtype(code).itemsize
    if _known_length(data) not in (None, size_bytes):
        raise damaged(f"corrupt array {name}: its shape and its bytes disagree")
    strides = contiguous_strides(shape, is_fortran)
    view = View(TORCH_NAMES[code[1:]], shape, strides, 0, count, code[0] == ">")

    def read(start: int, length: int) -> npt.NDArray[np.uint8]:
        raw = _exactly(data, size_bytes)
        return np.frombuffer(raw, np.uint8, length, start).copy()

    return stored_tensor(name, view, ("numpy", id(data)), read)


def _parts(record: CallRecord) -> tuple[tuple[int, ...], object, bool, object] | None:
    """Shape, dtype, whether in Fortran order, bytes."""
    if called(record) in FROM_BUFFER and len(record.arguments) == 4:
        data, dtype, shape, order = record.arguments
        is_fortran: object = isinstance(order, str) and order == "F"
    elif record.states and isinstance(record.states[-1], tuple) and len(record.states[-1]) == 5:
        _, shape, dtype, is_fortran, data = record.states[-1]
    else:
        return None
    if not isinstance(shape, tuple):
        return None
    sizes = tuple(n for n in shape if isinstance(n, int) and n >= 0)
    if len(shape) > MAX_DIMENSIONS:
        return None
    return (sizes, dtype, is_fortran is True, data) if len(sizes) == len(shape) else None


def dtype_code(record: object) -> str:
    """Byte order and type code of a pickled numpy dtype, such as "<f8"; "" where it is none."""
    if not isinstance(record, CallRecord) or called(record) != "numpy.dtype":
        return ""
    code = record.arguments[0] if record.arguments else None
    state = record.states[-1] if record.states else None
    order = state[1] if isinstance(state, tuple) and len(state) > 1 else "<"
    if not isinstance(code, str):
        return ""
    return (">" if isinstance(order, str) and order == ">" else "<") + code.lstrip("<>|=")


def _exactly(record: object, size_bytes: int) -> bytes:
    """The bytes that a record stands for; raises RD003 unless there are `size_bytes` of them."""
    raw = as_bytes(record) if _known_length(record) in (None, size_bytes) else None
    if raw is None or len(raw) != size_bytes:
        raise damaged("corrupt array: its shape and its bytes disagree")
    return raw


def _known_length(record: object) -> int | None:
    """Bytes that a record stands for, where that can be told without converting it."""
    if isinstance(record, bytes):
        return len(record)
    text = encoded_text(record)
    return None if text is None else len(text)


def encoded_text(record: object) -> str | None:
    """The text of a _codecs.encode call, which is how protocol 2 writes bytes."""
    if not isinstance(record, CallRecord) or called(record) != "_codecs.encode":
        return None
    text = record.arguments[0] if record.arguments else None
    return text if isinstance(text, str) else None


def as_bytes(record: object) -> bytes | None:
    """Bytes, a Python 2 string, an encoded text, or bytes()."""
    if isinstance(record, bytes):
        return record
    if isinstance(record, str):
        return record.encode("utf-8", "backslashreplace")
    if called(record) in ("builtins.bytes", "__builtin__.bytes"):
        return b""
    try:
        return (encoded_text(record) or "").encode("latin-1")
    except UnicodeEncodeError:
        raise damaged("encoded bytes hold a character that is no byte") from None
