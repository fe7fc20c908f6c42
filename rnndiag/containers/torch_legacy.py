"""torch's container before 1.6: five pickles in a row, then the storages behind their sizes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rnndiag.containers.candidate import Candidate
from rnndiag.containers.failures import damaged, truncated, unsupported
from rnndiag.containers.pickle_machine import no_persistent_ids
from rnndiag.containers.pickle_stream import PickleStream
from rnndiag.containers.readable import Readable
from rnndiag.containers.records import StorageRecord
from rnndiag.containers.torch_pickles import PickleFormat, TorchPickle
from rnndiag.containers.torch_storages import NestedRecord, storage_bytes
from rnndiag.errors import Content

MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
_MAGIC_BYTES = b"\x8a\x0a" + MAGIC.to_bytes(10, "little")
_MAGIC_TEXT = b"L%dL" % MAGIC
_MAGIC_WITHIN = 32
"""Bytes: protocol 4 and 5 put a frame before the number."""

_SIZE_BYTES = 8


@dataclass(frozen=True)
class _Sections:
    """Where the bytes of each storage start."""

    source: Readable
    starts: dict[str, int]
    big_endian: bool = False
    """Never: torch has always swapped to little-endian when it wrote this container."""

    def read(self, key: str, start: int, count: int) -> npt.NDArray[np.uint8]:
        """Bytes of a storage."""
        return self.source.array_at(self.starts[key] + start, count)

    def in_place(self, key: str) -> bool:
        """Always: nothing is packed."""
        return key in self.starts


def is_legacy(head: bytes) -> bool:
    """By the first bytes."""
    return _MAGIC_BYTES in head[:_MAGIC_WITHIN] or head.startswith(_MAGIC_TEXT)


def _recognises(candidate: Candidate) -> bool:
    return is_legacy(candidate.head)


def _open(candidate: Candidate, pickle: TorchPickle) -> NestedRecord:
    source = candidate.source
    stream = PickleStream(source)
    _check_version(stream, pickle)
    root = pickle.run(stream)
    keys = pickle.run_with(stream, no_persistent_ids)
    starts = _storage_starts(source, stream.position, _checked_keys(keys, pickle), pickle.storages)
    return NestedRecord(root, _Sections(source, starts))


def _check_version(stream: PickleStream, pickle: TorchPickle) -> None:
    """Magic number, protocol and system information, of which only the protocol matters."""
    pickle.run_with(stream, no_persistent_ids)
    protocol = pickle.run_with(stream, no_persistent_ids)
    if protocol != _PROTOCOL:
        what = "a torch file of an unknown protocol"
        raise unsupported(what, "save it with a newer torch", Content.UNREADABLE)
    pickle.run_with(stream, no_persistent_ids)


def _checked_keys(keys: object, pickle: TorchPickle) -> list[str]:
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise damaged("its list of storages is no list of names")
    names = [key for key in keys if isinstance(key, str)]
    if len(set(names)) != len(names):
        raise damaged("its list of storages names one twice")
    missing = pickle.storages.keys() - set(names)
    if missing:
        raise damaged(f"storage {min(missing)} is missing")
    return names


def _storage_starts(
    source: Readable, position: int, keys: list[str], storages: dict[str, StorageRecord]
) -> dict[str, int]:
    """Step over every storage, comparing its size with the one its tensors declare."""
    starts = {}
    for key in keys:
        storage = storages.get(key)
        length = None if storage is None else storage_bytes(storage)
        if storage is None or length is None:
            what = f"a storage of an unknown type ({key})"
            raise unsupported(what, "save it with a newer torch", Content.UNREADABLE)
        count = int.from_bytes(source.read_at(position, _SIZE_BYTES), "little", signed=True)
        if count != storage.count:
            raise damaged(f"storage {key} has {count} elements where {storage.count} are declared")
        starts[key] = position + _SIZE_BYTES
        position = starts[key] + length
        if position > source.size:
            raise truncated()
    return starts


LEGACY = PickleFormat(_recognises, _open)
TORCH_LEGACY = LEGACY.container("torch-legacy")
