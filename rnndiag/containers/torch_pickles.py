"""What the two torch containers share: a pickle whose persistent ids are storages."""

from __future__ import annotations

from dataclasses import dataclass, field

from rnndiag.containers.candidate import Contents
from rnndiag.containers.failures import damaged
from rnndiag.containers.flatten import flatten
from rnndiag.containers.pickle_machine import PickleMachine
from rnndiag.containers.pickle_opcodes import run
from rnndiag.containers.pickle_stream import PickleStream
from rnndiag.containers.records import GlobalRecord, StorageRecord
from rnndiag.containers.text import printable
from rnndiag.containers.torch_storages import Storages, storage_reference


@dataclass
class TorchPickle:
    """One object pickle: the storages and the names it refers to."""

    storages: dict[str, StorageRecord] = field(default_factory=dict)
    """The first reference to each key."""

    names: set[str] = field(default_factory=set)

    def run(self, stream: PickleStream) -> object:
        """The root record; raises RD003 to RD005."""
        return run(PickleMachine(stream, self.names, self._persistent))

    def contents(self, root: object, storages: Storages) -> Contents:
        """Everything below the root, by dotted name."""
        found = flatten(root, storages)
        would_import = tuple(sorted(printable(name) for name in self.names))
        return Contents(found.tensors, found.values, tuple(found.skipped), would_import)

    def _persistent(self, identifier: object) -> object:
        storage = storage_reference(identifier)
        if storage is not None:
            return self._known(storage)
        module = _module_class(identifier)
        if module is None:
            raise damaged("its pickle refers to something that is neither a storage nor a module")
        return module

    def _known(self, storage: StorageRecord) -> StorageRecord:
        first = self.storages.setdefault(storage.key, storage)
        if (first.kind, first.count) != (storage.kind, storage.count):
            raise damaged(f"storage {storage.key} is described in two different ways")
        return storage


def _module_class(identifier: object) -> GlobalRecord | None:
    """The class of ("module", class, its source file, its source code), from legacy files."""
    if not isinstance(identifier, tuple) or len(identifier) != 4 or identifier[0] != "module":
        return None
    return identifier[1] if isinstance(identifier[1], GlobalRecord) else None
