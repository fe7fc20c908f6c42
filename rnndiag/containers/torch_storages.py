"""References to storages in torch's pickles, and where a container keeps their bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from rnndiag.containers.failures import damaged
from rnndiag.containers.records import GlobalRecord, StorageRecord
from rnndiag.containers.views import DTYPES, item_size

STORAGE_DTYPES = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
    "ComplexFloatStorage": "complex64",
    "ComplexDoubleStorage": "complex128",
    "UntypedStorage": "uint8",
    "QInt8Storage": "qint8",
    "QUInt8Storage": "quint8",
    "QInt32Storage": "qint32",
    "QUInt4x2Storage": "quint4x2",
    "QUInt2x4Storage": "quint2x4",
}
"""The class that torch pickles → the dtype of its elements."""

_QUANTISED_BYTES = {"qint8": 1, "quint8": 1, "qint32": 4, "quint4x2": 1, "quint2x4": 1}

_MAX_COUNT = 1 << 48


class Storages(Protocol):
    """Where a container keeps the bytes of its storages."""

    @property
    def big_endian(self) -> bool:
        """Byte order of everything stored."""

    def read(self, key: str, start: int, count: int) -> npt.NDArray[np.uint8]:
        """Bytes [start, start + count) of a storage; raises RnndiagError."""

    def in_place(self, key: str) -> bool:
        """True where a part of a storage can be read without reading what stands before it."""


class NoStorages:
    """Of a file that keeps none beside its pickle."""

    big_endian = False

    def read(self, key: str, start: int, count: int) -> npt.NDArray[np.uint8]:
        """There is nothing to read."""
        raise damaged(f"storage {key} is missing")

    def in_place(self, key: str) -> bool:
        """Never asked: there is no storage."""
        return False


@dataclass(frozen=True, slots=True, eq=False)
class NestedRecord:
    """What a torch file inside a pickle holds, and where its storages lie."""

    root: object
    storages: Storages


def storage_bytes(record: StorageRecord) -> int | None:
    """Bytes of the whole storage; None where its element type is unknown."""
    if record.kind in _QUANTISED_BYTES:
        return record.count * _QUANTISED_BYTES[record.kind]
    if record.kind in DTYPES:
        return record.count * item_size(record.kind)
    return None


def storage_reference(identifier: object) -> StorageRecord | None:
    """The record of a persistent id ("storage", class, key, device, count[, view]).

    None where the identifier is of another kind; raises RD003 where it is malformed.
    """
    if not isinstance(identifier, tuple) or not identifier or identifier[0] != "storage":
        return None
    if len(identifier) not in (5, 6):
        raise damaged("a reference to a storage has the wrong length")
    _, kind, key, device, count = identifier[:5]
    if not isinstance(kind, GlobalRecord) or not isinstance(key, str):
        raise damaged("a reference to a storage has no type or no key")
    dtype = STORAGE_DTYPES.get(kind.name, f"unknown {kind.name}")
    view = identifier[5] if len(identifier) == 6 else None
    offset, view_count = _view(view)
    place = device if isinstance(device, str) else ""
    return StorageRecord(dtype, key, place, _count(count), offset, view_count)


def _view(metadata: object) -> tuple[int, int | None]:
    """Offset and length of a legacy storage view (key, offset, count)."""
    if metadata is None:
        return 0, None
    if not isinstance(metadata, tuple) or len(metadata) != 3:
        raise damaged("a view of a storage is malformed")
    return _count(metadata[1]), _count(metadata[2])


def _count(number: object) -> int:
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number <= _MAX_COUNT:
        raise damaged("a storage has an impossible size")
    return number
