"""torch's zip container (torch 1.6 and later): one pickle, and a record for each storage."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rnndiag.containers.candidate import Candidate
from rnndiag.containers.failures import damaged, refused
from rnndiag.containers.pickle_stream import PickleStream
from rnndiag.containers.records import StorageRecord
from rnndiag.containers.torch_pickles import PickleFormat, TorchPickle
from rnndiag.containers.torch_storages import NestedRecord, storage_bytes
from rnndiag.containers.zip_archive import Archive


@dataclass(frozen=True)
class _Records:
    """The storages of one archive: `<folder>/<key>`."""

    archive: Archive
    folder: str
    big_endian: bool

    def read(self, key: str, start: int, count: int) -> npt.NDArray[np.uint8]:
        """Bytes of a storage."""
        return self.archive.read(f"{self.folder}/{key}", start, count)

    def in_place(self, key: str) -> bool:
        """False for a packed record."""
        name = f"{self.folder}/{key}"
        return name in self.archive.members and self.archive.is_stored(name)

    def check(self, storage: StorageRecord) -> None:
        """Raise RD003 unless the record is there and long enough."""
        name = f"{self.folder}/{storage.key}"
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
    return [path[0] for path in parts if len(path) == 2 and path[1] == "data.pkl"]


def is_torchscript(archive: Archive) -> bool:
    """A TorchScript archive also has code and its constants."""
    return any(f"{folder}/constants.pkl" in archive.members for folder in pickle_folders(archive))


def only_archive(candidate: Candidate) -> Archive:
    """The zip's directory; raises RD003 where it is none."""
    if candidate.archive is None:
        raise damaged("its zip directory is missing")
    return candidate.archive


def only_folder(archive: Archive) -> str:
    """The folder that holds the pickle; raises RD004 where there are several."""
    folders = pickle_folders(archive)
    if len(folders) != 1:
        raise refused("the zip holds several checkpoints, and torch would pick one of them")
    return folders[0]


def open_pickle(archive: Archive, folder: str, kind: str, pickle: TorchPickle) -> NestedRecord:
    """`<folder>/<kind>.pkl`, whose storages are the records `<folder>/<kind>/…`."""
    records = _Records(archive, f"{folder}/{kind}", _is_big_endian(archive, folder))
    part = archive.part(f"{folder}/{kind}.pkl")
    root = pickle.run(PickleStream(part))
    for storage in pickle.storages.values():
        records.check(storage)
    return NestedRecord(root, records)


def _recognises(candidate: Candidate) -> bool:
    archive = candidate.archive
    return archive is not None and bool(pickle_folders(archive)) and not is_torchscript(archive)


def _open(candidate: Candidate, pickle: TorchPickle) -> NestedRecord:
    archive = only_archive(candidate)
    return open_pickle(archive, only_folder(archive), "data", pickle)


def _is_big_endian(archive: Archive, folder: str) -> bool:
    name = f"{folder}/byteorder"
    if name not in archive.members:
        return False
    return archive.read(name, 0, min(8, archive.size(name))).tobytes() == b"big"


ZIP = PickleFormat(_recognises, _open)
TORCH_ZIP = ZIP.container("torch-zip")
