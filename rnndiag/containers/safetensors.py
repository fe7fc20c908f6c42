"""safetensors: a JSON header behind its length, then the numbers without gaps."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from rnndiag.containers.candidate import Candidate, Container, Contents
from rnndiag.containers.checkpoint import Skipped, StoredTensor, Value
from rnndiag.containers.failures import damaged, refused, truncated
from rnndiag.containers.json_text import json_object
from rnndiag.containers.readable import Readable
from rnndiag.containers.text import printable
from rnndiag.containers.views import (
    DTYPES,
    MAX_DIMENSIONS,
    View,
    contiguous_strides,
    item_size,
    stored_tensor,
)

_LENGTH_BYTES = 8
METADATA = "__metadata__"
"""Key of the header's own values, and the first part of their names in a checkpoint."""

_HEADER_STARTS = (b'{"', b"{}", b"{ ", b"{\n", b"{\t", b"{\r")

_MOST_LENGTH = 1 << 48
"""Of a header that a file may claim. The first eight letters of a text claim more than 2^56."""

_LETTERS = 16
"""Of a header's text that are looked at: noise has a control character among as many."""

_MAX_HEADER_BYTES = 1 << 22
"""About thirty thousand tensors. The reference implementation takes up to 100 MB, which as Python
objects are gigabytes."""

_MAX_SIZE = 1 << 63
_MAX_DTYPE = 20
"""Characters shown of a dtype that is not known."""

_DTYPES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U64": "uint64",
    "U32": "uint32",
    "U16": "uint16",
    "U8": "uint8",
    "BOOL": "bool",
    "C64": "complex64",
}
"""The format's name → torch's; others are passed on by their own name."""

DTYPE_NAMES = {ours: theirs for theirs, ours in _DTYPES.items()}
"""torch's name → the format's."""


def _recognises(candidate: Candidate) -> bool:
    """By a header's length that can be true, and the first letters of its text."""
    length = int.from_bytes(candidate.head[:_LENGTH_BYTES], "little")
    text = candidate.head[_LENGTH_BYTES : _LENGTH_BYTES + min(length, _LETTERS)]
    is_text = not any(byte < 0x20 and byte not in b"\t\n\r" for byte in text)
    return 2 <= length < _MOST_LENGTH and text[:2] in _HEADER_STARTS and is_text


def _read(candidate: Candidate) -> Contents:
    source = candidate.source
    length = int.from_bytes(candidate.head[:_LENGTH_BYTES], "little")
    if _LENGTH_BYTES + length > source.size:
        raise truncated(f"the file is truncated: its header claims {length} bytes")
    if length > _MAX_HEADER_BYTES:
        raise refused(f"its header has {length} bytes, more than any checkpoint needs")
    header = json_object(source.read_at(_LENGTH_BYTES, length), "its header")
    values = _metadata(header.pop(METADATA, {}))
    entries = {name: _entry(name, entry) for name, entry in header.items()}
    data_start = _LENGTH_BYTES + length
    _check_layout([place for _, _, place in entries.values()], source.size - data_start)
    found = {name: _tensor(source, data_start, name, entry) for name, entry in entries.items()}
    return Contents.of(found, values)


def _metadata(metadata: object) -> dict[str, Value]:
    if not isinstance(metadata, dict):
        raise damaged("its metadata is no JSON object")
    return {
        f"{METADATA}.{key}": printable(text)
        for key, text in metadata.items()
        if isinstance(text, str)
    }


Entry = tuple[str, tuple[int, ...], tuple[int, int]]
"""torch's dtype, shape, and first and last byte in the data."""


def _entry(name: str, entry: object) -> Entry:
    if not isinstance(entry, dict):
        raise damaged(f"corrupt tensor {name}: its entry is no JSON object")
    shape, place = _numbers(name, entry.get("shape")), _numbers(name, entry.get("data_offsets"))
    dtype = entry.get("dtype")
    if len(place) != 2 or place[0] > place[1] or not isinstance(dtype, str):
        raise damaged(f"corrupt tensor {name}: its dtype or offsets are invalid")
    known = _DTYPES.get(dtype, printable(dtype[:_MAX_DTYPE]).lower())
    if known in DTYPES and math.prod(shape) * item_size(known) != place[1] - place[0]:
        raise damaged(f"corrupt tensor {name}: its shape and its offsets disagree")
    return known, shape, (place[0], place[1])


def _numbers(name: str, found: object) -> tuple[int, ...]:
    if not isinstance(found, list):
        raise damaged(f"corrupt tensor {name}: its shape or offsets are missing")
    if len(found) > MAX_DIMENSIONS:
        raise damaged(f"corrupt tensor {name}: its shape has {len(found)} dimensions")
    if not all(type(number) is int and 0 <= number < _MAX_SIZE for number in found):
        raise damaged(f"corrupt tensor {name}: its shape or offsets are no sizes")
    return tuple(found)


def _check_layout(places: list[tuple[int, int]], length: int) -> None:
    """The tensors must cover the data exactly, as the reference implementation demands."""
    ordered = sorted(places)
    edges = [(0, 0), *ordered]
    if any(before[1] != after[0] for before, after in pairwise(edges)):
        raise damaged("its tensors overlap or leave a gap")
    end = edges[-1][1]
    if end > length:
        raise truncated(f"the file is truncated: {length} of {end} bytes of data are there")
    if end < length:
        raise damaged("it has bytes that belong to no tensor")


def _tensor(source: Readable, data_start: int, name: str, entry: Entry) -> StoredTensor | Skipped:
    dtype, shape, (first, last) = entry
    count = math.prod(shape)
    view = View(dtype, shape, contiguous_strides(shape), 0, count)

    def read(start: int, length: int) -> npt.NDArray[np.uint8]:
        return source.array_at(data_start + first + start, length)

    return stored_tensor(name, view, ("data", first, last), read)


SAFETENSORS = Container("safetensors", _recognises, _read)
