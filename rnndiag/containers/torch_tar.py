"""torch 0.1: a tar of three pickled tables (storages, tensors, objects), read in place.

The tables of storages and tensors are pickles between raw numbers; all refer to their entries by
number, or by a text, which the object pickle spells as one.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from rnndiag.containers.candidate import Candidate
from rnndiag.containers.failures import damaged
from rnndiag.containers.pickle_stream import PickleStream
from rnndiag.containers.readable import Part
from rnndiag.containers.records import CallRecord, GlobalRecord, StorageRecord
from rnndiag.containers.torch_pickles import PickleFormat, TorchPickle
from rnndiag.containers.torch_storages import NestedRecord, storage_bytes, storage_reference
from rnndiag.containers.views import MAX_DIMENSIONS

_MEMBERS = ("sys_info", "pickle", "tensors", "storages")
"""In the order in which torch wrote them."""

_MAX_KEY = 100
_KEY_BITS = 64
"""Of the name of a storage or a tensor."""

_REBUILD = GlobalRecord("torch._utils", "_rebuild_tensor")


def _recognises(candidate: Candidate) -> bool:
    if candidate.head[257:262] != b"ustar":
        return False
    from rnndiag.containers.tar_archive import first_member

    return first_member(candidate.head) in _MEMBERS


def _open(candidate: Candidate, pickle: TorchPickle) -> NestedRecord:
    from rnndiag.containers.tar_archive import tar_members

    members = tar_members(candidate.source)
    tables = _Tables(_member(members, "storages"), pickle)
    tables.read_storages()
    tables.read_tensors(_stream(members, "tensors"))
    return NestedRecord(pickle.run_with(_stream(members, "pickle"), tables.persistent), tables)


def _member(members: dict[str, Part], name: str) -> Part:
    if name not in members:
        raise damaged(f"its member {name} is missing")
    return members[name]


def _stream(members: dict[str, Part], name: str) -> PickleStream:
    return PickleStream(_member(members, name))


@dataclass
class _Tables:
    """What the object pickle refers to by number."""

    part: Part
    """The member that holds the storages."""

    pickle: TorchPickle
    storages: dict[str, StorageRecord] = field(default_factory=dict)
    tensors: dict[str, CallRecord] = field(default_factory=dict)
    starts: dict[str, int] = field(default_factory=dict)
    big_endian: bool = False
    """Never: torch has always swapped to little-endian."""

    def read(self, key: str, start: int, count: int) -> npt.NDArray[np.uint8]:
        """Bytes of a storage."""
        return self.part.array_at(self.starts[key] + start, count)

    def in_place(self, key: str) -> bool:
        """Always: nothing is packed."""
        return key in self.starts

    def read_storages(self) -> None:
        """A count; (number, device, class) and the elements of each; and views of them."""
        stream = PickleStream(self.part)
        for _ in range(_count(self.pickle.run(stream))):
            name, device, kind = _entry(self.pickle.run(stream), 3)
            length = int.from_bytes(stream.take(8), "little", signed=True)
            key = _key(name)
            storage = storage_reference(("storage", kind, key, device, length))
            size_bytes = None if storage is None else storage_bytes(storage)
            if storage is None or size_bytes is None:
                raise damaged(f"storage {key} has an unknown type")
            self.starts[key] = stream.position
            stream.skip(size_bytes)
            self.storages[key] = storage
        views = self.pickle.run(stream)
        for entry in views if isinstance(views, list | tuple) else ():
            name, root, start, count = _entry(entry, 4)
            whole = self.storage(root)
            part = replace(whole, view_offset=_count(start), view_count=_count(count))
            self.storages[_key(name)] = part

    def read_tensors(self, stream: PickleStream) -> None:
        """A count; (number, storage, class) of each, then its shape, strides and offset."""
        for _ in range(_count(self.pickle.run(stream))):
            name, storage, _ = _entry(self.pickle.run(stream), 3)
            dimensions = stream.unsigned(8) & 0xFFFFFFFF
            if dimensions > MAX_DIMENSIONS:
                raise damaged("a tensor has too many dimensions")
            width = f"<{dimensions}q"
            shape = struct.unpack(width, stream.take(8 * dimensions))
            strides = struct.unpack(width, stream.take(8 * dimensions))
            offset = int.from_bytes(stream.take(8), "little", signed=True)
            place = (self.storage(storage), offset, shape, strides)
            self.tensors[_key(name)] = CallRecord(_REBUILD, place)

    def storage(self, name: object) -> StorageRecord:
        """By its number or text; raises RD003 where there is none."""
        found = self.storages.get(_key(name))
        if found is None:
            raise damaged("a storage is missing from its table")
        return found

    def persistent(self, identifier: object) -> object:
        """A tensor or storage by its number, or a module's class."""
        if isinstance(identifier, tuple) and identifier and isinstance(identifier[0], GlobalRecord):
            return identifier[0]
        key = _key(identifier)
        return self.tensors[key] if key in self.tensors else self.storage(key)


def _key(name: object) -> str:
    """What a table's entry is found by: torch keyed them by address, as a number or as text."""
    if isinstance(name, str) and len(name) <= _MAX_KEY:
        return name
    if isinstance(name, bool) or not isinstance(name, int) or name.bit_length() > _KEY_BITS:
        raise damaged("a name in its tables is neither a number nor a short text")
    return str(name)


def _count(number: object) -> int:
    if isinstance(number, bool) or not isinstance(number, int) or number < 0:
        raise damaged("a number in its tables is none")
    return number


def _entry(record: object, length: int) -> tuple[object, ...]:
    if not isinstance(record, tuple | list) or len(record) != length:
        raise damaged("an entry of its tables has the wrong length")
    return tuple(record)


TORCH_TAR = PickleFormat(_recognises, _open).container("torch-tar")
