"""torch's zip container (torch 1.6 and later): one pickle, and a record for each storage."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rnndiag.containers.candidate import Candidate, Container, Contents
from rnndiag.containers.failures import damaged, refused
from rnndiag.containers.pickle_stream import PickleStream
from rnndiag.containers.records import StorageRecord
from rnndiag.containers.torch_pickles import TorchPickle
from rnndiag.containers.torch_storages import storage_bytes
from rnndiag.containers.zip_archive import Archive

_PICKLE = "data.pkl"
_MAX_PACKED_PICKLE_BYTES = 1 << 28
"""A deflated pickle is unpacked into memory; real ones are a few megabytes."""


@dataclass(frozen=True)
class _Records:
    """The storages of one archive: `<folder>/data/<key>`."""

    archive: Archive
    folder: str
    big_endian: bool

    def read(self, key: str, start: int, count: int) -> npt.NDArray[np.uint8]:
        """Bytes of a storage."""
        return self.archive.read(f"{self.folder}/data/{key}", start, count)

    def check(self, storage: StorageRecord) -> None:
        """Raise RD003 unless the record is there and long enough."""
        name = f"{self.folder}/data/{storage.key}"
        wanted = storage_bytes(storage)
        if storage.device == "meta" or wanted is None:
            return
        if name not in self.archive.members:
            raise damaged(f"its record {name} is missing")
        if self.archive.size(name) < wanted:
            raise damaged(
                f"its record {name} is shorter than declared"
                f" ({self.archive.size(name)} of {wanted} bytes)"
            )


def pickle_folders(archive: Archive) -> list[str]:
    """The top-level folders that hold a data.pkl; torch writes exactly one."""
    parts = [name.split("/") for name in archive.members]
    return [path[0] for path in parts if len(path) == 2 and path[1] == _PICKLE]


def is_torchscript(archive: Archive) -> bool:
    """A TorchScript archive also has code and its constants."""
    return any(f"{folder}/constants.pkl" in archive.members for folder in pickle_folders(archive))


def _recognises(candidate: Candidate) -> bool:
    archive = candidate.archive
    return archive is not None and bool(pickle_folders(archive)) and not is_torchscript(archive)


def _read(candidate: Candidate) -> Contents:
    archive = candidate.archive
    if archive is None:
        raise damaged("its zip directory is missing")
    folders = pickle_folders(archive)
    if len(folders) != 1:
        raise refused("the zip holds several checkpoints, and torch would pick one of them")
    records = _Records(archive, folders[0], _is_big_endian(archive, folders[0]))
    pickle = TorchPickle()
    root = pickle.run(_pickle_stream(archive, f"{folders[0]}/{_PICKLE}"))
    for storage in pickle.storages.values():
        records.check(storage)
    return pickle.contents(root, records)


def _is_big_endian(archive: Archive, folder: str) -> bool:
    name = f"{folder}/byteorder"
    if name not in archive.members:
        return False
    return archive.read(name, 0, min(8, archive.size(name))).tobytes() == b"big"


def _pickle_stream(archive: Archive, name: str) -> PickleStream:
    """In place where the pickle is stored as it is, else unpacked once."""
    size = archive.size(name)
    if archive.is_stored(name):
        return PickleStream(
            lambda start, count: archive.read(name, start, count).tobytes(), 0, size
        )
    if size > _MAX_PACKED_PICKLE_BYTES:
        raise refused(f"its pickle unpacks into {size} bytes")
    unpacked = archive.read(name, 0, size).tobytes()
    return PickleStream(lambda start, count: unpacked[start : start + count], 0, size)


TORCH_ZIP = Container("torch-zip", _recognises, _read)
