"""What all of torch's containers share: a pickle whose persistent ids are storages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from rnndiag.containers.budget import Budget
from rnndiag.containers.candidate import Candidate, Container, Contents
from rnndiag.containers.failures import damaged
from rnndiag.containers.flatten import flatten
from rnndiag.containers.packed_layers import unpacked
from rnndiag.containers.pickle_machine import PickleMachine
from rnndiag.containers.pickle_opcodes import run
from rnndiag.containers.pickle_stream import PickleStream
from rnndiag.containers.records import CallRecord, GlobalRecord, StorageRecord, class_of
from rnndiag.containers.text import printable
from rnndiag.containers.torch_storages import NestedRecord, Storages, storage_reference

_RUN_WORK = 20
"""Of starting a machine, beside what it runs."""


@dataclass
class TorchPickle:
    """One object pickle: what it refers to, and what it shares with all others of its file."""

    storages: dict[str, StorageRecord] = field(default_factory=dict)
    """The first reference to each key."""

    names: set[str] = field(default_factory=set)
    """Of everything that a trusting load would import."""

    budget: Budget = field(default_factory=Budget)

    depth: int = 0
    """Torch files around this one."""

    nested: dict[int, tuple[bytes | str, object]] = field(default_factory=dict)
    """By the identity of the bytes, so that none is read twice."""

    opened: dict[int, tuple[object, NestedRecord | str | None]] = field(default_factory=dict)
    """The same of bytes that nobody asked to load."""

    def run(self, stream: PickleStream) -> object:
        """The root record; raises RD003 to RD005."""
        return self.run_with(stream, self._persistent)

    def run_with(
        self,
        stream: PickleStream,
        persistent: Callable[[object], object],
        built: Callable[[CallRecord, PickleStream], object] | None = None,
    ) -> object:
        """The same with another meaning of persistent ids, and of objects with a state."""
        self.budget.spend(_RUN_WORK)
        return run(PickleMachine(stream, self.names, persistent, self.budget, self._called, built))

    def inner(self) -> TorchPickle:
        """One for a torch file inside of this one."""
        return TorchPickle(names=self.names, budget=self.budget, depth=self.depth + 1)

    def contents(self, root: object, storages: Storages) -> Contents:
        """Everything below the root, by dotted name."""
        found = flatten(root, storages, self.budget, self._opened)
        # TorchScript's own classes come from its archive, not from an import.
        imports = (name for name in self.names if not name.startswith("__torch__."))
        would_import = tuple(sorted(printable(name) for name in imports))
        tensors = unpacked(found.tensors, found.values)
        skipped, made_of = tuple(found.skipped), printable(class_of(root))
        return Contents(tensors, found.values, skipped, would_import, made_of=made_of)

    def _called(self, call: CallRecord) -> object:
        """A call that loads bytes as a torch file stands for what that file holds."""
        # Not above: the formats of a nested file are built on this module.
        from rnndiag.containers.nested import nested_bytes, open_nested

        raw = nested_bytes(call)
        if raw is None:
            return call
        if id(raw) not in self.nested:
            self.nested[id(raw)] = raw, open_nested(call, self.inner()) or call
        return self.nested[id(raw)][1]

    def _opened(self, record: object, depth: int) -> NestedRecord | str | None:
        """What bytes hold that are a torch file without anybody saying so."""
        from rnndiag.containers.nested import is_torch_bytes, open_bytes

        if not is_torch_bytes(record):
            return None
        if id(record) not in self.opened:
            inner = TorchPickle(names=self.names, budget=self.budget, depth=self.depth + depth)
            self.opened[id(record)] = record, open_bytes(record, inner)
        return self.opened[id(record)][1]

    def _persistent(self, identifier: object) -> object:
        storage = storage_reference(identifier)
        if storage is not None:
            return self._known(storage)
        module = module_class(identifier)
        if module is None:
            raise damaged("its pickle refers to something that is neither a storage nor a module")
        return module

    def _known(self, storage: StorageRecord) -> StorageRecord:
        first = self.storages.setdefault(storage.key, storage)
        if (first.kind, first.count) != (storage.kind, storage.count):
            raise damaged(f"storage {storage.key} is described in two different ways")
        return storage


@dataclass(frozen=True)
class PickleFormat:
    """A way to lay out one object pickle and its storages."""

    recognises: Callable[[Candidate], bool]
    open: Callable[[Candidate, TorchPickle], NestedRecord]

    def container(self, name: str) -> Container:
        """The same as a file format of its own."""
        return Container(name, self.recognises, self.read)

    def read(self, candidate: Candidate) -> Contents:
        """Everything in the file; raises RD003 to RD005."""
        pickle = TorchPickle()
        opened = self.open(candidate, pickle)
        return pickle.contents(opened.root, opened.storages)


def module_class(identifier: object) -> GlobalRecord | None:
    """The class of ("module", class, its source file, its source code), from legacy files."""
    if not isinstance(identifier, tuple) or len(identifier) != 4 or identifier[0] != "module":
        return None
    return identifier[1] if isinstance(identifier[1], GlobalRecord) else None
