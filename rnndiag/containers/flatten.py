"""From nested records to dotted names: tensors, plain values, and what was left out.

Walks with a stack of its own, so that no depth of nesting can exhaust Python's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from rnndiag.containers.budget import ENTRIES, Budget
from rnndiag.containers.checkpoint import Skipped, StoredTensor, Value
from rnndiag.containers.children import Children, children
from rnndiag.containers.failures import refused
from rnndiag.containers.numpy_records import (
    FROM_BUFFER,
    RECONSTRUCTED,
    SCALARS,
    array,
    scalar,
)
from rnndiag.containers.records import (
    PLAIN,
    CallRecord,
    GlobalRecord,
    NothingRecord,
    StorageRecord,
    called,
)
from rnndiag.containers.torch_storages import NestedRecord, Storages
from rnndiag.containers.torch_tensors import tensor

MAX_DEPTH = 200
"""Levels of nesting; the deepest real module has about 40."""

REPEATED_WORK = 32
"""How much more a record costs below a container that was reached before. Settings that every layer
of a module shares come to some thousands; a bomb made of references to references does not end."""

VISIT_WORK = 6
ENTER_WORK = 12
CALL_WORK = 20
TENSOR_WORK = 80
"""What a record costs, in the unit of a pickle's work: any one with a name, and beyond that a
container, a call, and a tensor. A plain value that is left out, and so gets no name, costs 1."""

CHARACTERS_PER_WORK = 8
"""Of a name."""

MAX_VALUES = 300_000
"""Plain values kept of one file."""

MAX_PLAIN_PER_CONTAINER = 10_000
"""Plain values of one list or dictionary; a longer one is a vocabulary or a log, not settings."""

MAX_STRING = 200
"""Characters of a plain string; a longer one is source code or a document and is left out."""

_INTEGER_BITS = 64
_PLAIN_TYPES = frozenset(PLAIN)
_ARRAYS = RECONSTRUCTED | FROM_BUFFER


OpenBytes = Callable[[object, int], NestedRecord | str | None]
"""(bytes, or the call that encodes them; files around them, this one included) → the torch file
that they are, or why it is not read; None for other bytes."""


def _unopened(_: object, __: int) -> None:
    """Leaves every run of bytes alone."""


@dataclass
class Flattened:
    """The leaves found so far, in the order of the file."""

    tensors: dict[str, StoredTensor] = field(default_factory=dict)
    values: dict[str, Value] = field(default_factory=dict)
    skipped: list[Skipped] = field(default_factory=list)


@dataclass(slots=True)
class _Level:
    """A container that is being walked."""

    name: str
    record: object
    storages: Storages
    children: Children

    factor: int
    """By how much everything in it costs more."""

    plain: int = 0
    left_out: int = 0


def flatten(
    root: object, storages: Storages, budget: Budget, open_bytes: OpenBytes = _unopened
) -> Flattened:
    """Name every leaf below `root` by its dotted path.

    `open_bytes` tells what a run of bytes at some depth of files within files holds. Raises RD003
    for a corrupt tensor and RD004 beyond the depth or the budget.
    """
    return _Walk(storages, budget, open_bytes).run(root)


@dataclass(slots=True)
class _Walk:
    """One walk: the levels on the current path, and what was found on it so far."""

    storages: Storages
    budget: Budget
    open_bytes: OpenBytes
    found: Flattened = field(default_factory=Flattened)
    levels: list[_Level] = field(default_factory=list)
    on_path: set[int] = field(default_factory=set)
    reached: set[int] = field(default_factory=set)
    opened: list[int] = field(default_factory=list)
    """How many levels stand above each file within a file that the current path leads into."""

    def run(self, root: object) -> Flattened:
        """Depth first, in the order of the file."""
        self.visit("", root, self.storages)
        while self.levels:
            level = self.levels[-1]
            for part, record in level.children:
                if type(record) in _PLAIN_TYPES and self.is_full(level):
                    level.left_out += 1
                    self.spend(1)
                else:
                    self.visit(_joined(level.name, part), record, level.storages)
                    if self.levels[-1] is not level:
                        break
            else:
                self.leave()
        return self.found

    def is_full(self, level: _Level) -> bool:
        """No more plain values of this container, or of this file."""
        return level.plain >= MAX_PLAIN_PER_CONTAINER or len(self.found.values) >= MAX_VALUES

    def spend(self, work: int) -> None:
        """Charge the budget for something in the current level."""
        self.budget.spend(work * self.levels[-1].factor if self.levels else work, ENTRIES)

    def visit(self, name: str, record: object, storages: Storages) -> None:
        """Note a leaf, or go down into a container."""
        self.spend(VISIT_WORK + len(name) // CHARACTERS_PER_WORK)
        if isinstance(record, PLAIN):
            self.note_plain(name, record)
        elif isinstance(record, CallRecord):
            self.visit_call(name, record, storages)
        elif isinstance(record, NestedRecord):
            self.visit(name, record.root, record.storages)
        elif isinstance(record, GlobalRecord):
            self.note_plain(name, str(record))
        elif isinstance(record, StorageRecord):
            self.found.skipped.append(Skipped(name, "a bare storage, without a shape"))
        elif isinstance(record, bytes):
            self.visit_bytes(name, record)
        elif not isinstance(record, NothingRecord):
            self.enter(name, record, storages)

    def visit_bytes(self, name: str, record: object) -> None:
        """A torch file as bytes, as skorch pickles them; other bytes leave no trace."""
        inner = self.open_bytes(record, 1 + len(self.opened))
        if isinstance(inner, NestedRecord):
            self.opened.append(len(self.levels))
            self.visit(name, inner.root, inner.storages)
            self.close_files()
        elif inner:
            self.found.skipped.append(Skipped(name, inner))

    def close_files(self) -> None:
        """Forget the files within files that the current path no longer leads into."""
        while self.opened and self.opened[-1] >= len(self.levels):
            self.opened.pop()

    def visit_call(self, name: str, record: CallRecord, storages: Storages) -> None:
        """A tensor, a number or text in disguise, or an object with contents."""
        self.spend(CALL_WORK)
        leaf = tensor(storages, name, record)
        function = called(record)
        if leaf is None and function in _ARRAYS:
            leaf = array(name, record)
        if isinstance(leaf, StoredTensor):
            self.spend(TENSOR_WORK)
            self.note_tensor(name, leaf)
        elif isinstance(leaf, Skipped):
            self.found.skipped.append(leaf)
        elif function in SCALARS:
            self.note_scalar(name, record)
        elif function == "_codecs.encode":
            self.visit_bytes(name, record)
        elif _is_plain_in_disguise(record):
            self.note_plain(name, record.arguments[0])
        else:
            self.enter(name, record, storages)

    def note_scalar(self, name: str, record: CallRecord) -> None:
        """A numpy scalar."""
        value = scalar(record)
        if isinstance(value, Skipped):
            self.found.skipped.append(Skipped(name, value.reason))
        else:
            self.note_plain(name, value)

    def note_plain(self, name: str, value: object) -> None:
        """A plain value, unless it is too long or its container has too many."""
        if not isinstance(value, PLAIN):
            return
        if isinstance(value, str) and len(value) > MAX_STRING:
            return
        if isinstance(value, int) and value.bit_length() > _INTEGER_BITS:
            return
        if self.levels and self.is_full(self.levels[-1]):
            self.levels[-1].left_out += 1
            return
        if self.levels:
            self.levels[-1].plain += 1
        self.found.values[name] = value

    def note_tensor(self, name: str, found: StoredTensor) -> None:
        """Two different tensors under one name keep both: the second gets a number."""
        number, free = 1, name
        while free in self.found.tensors:
            if self.found.tensors[free].identity == found.identity:
                return
            number += 1
            free = f"{name}<{number}>"
            self.spend(1)
        self.found.tensors[free] = found

    def enter(self, name: str, record: object, storages: Storages) -> None:
        """Go down, unless the record contains itself."""
        self.spend(ENTER_WORK)
        if id(record) in self.on_path:
            self.found.skipped.append(Skipped(name, "it refers to what contains it"))
            return
        if len(self.levels) >= MAX_DEPTH:
            raise refused(f"its contents are nested deeper than {MAX_DEPTH} levels")
        factor = REPEATED_WORK if id(record) in self.reached else 1
        if self.levels:
            factor = max(factor, self.levels[-1].factor)
        self.on_path.add(id(record))
        self.reached.add(id(record))
        self.levels.append(_Level(name, record, storages, children(record), factor))

    def leave(self) -> None:
        """Come back up, saying what was left out below."""
        level = self.levels.pop()
        self.on_path.discard(id(level.record))
        self.close_files()
        if level.left_out:
            reason = f"{level.left_out} more plain values, left out"
            self.found.skipped.append(Skipped(level.name, reason))


def _joined(name: str, part: str | int) -> str:
    """A dotted path; an empty part leaves no trace."""
    if part == "":
        return name
    return f"{name}.{part}" if name else str(part)


def _is_plain_in_disguise(record: CallRecord) -> bool:
    """A call with one plain argument and nothing else: torch.device, an Enum, a numpy dtype."""
    return (
        bool(record.arguments)
        and isinstance(record.arguments[0], PLAIN)
        and (
            called(record) == "numpy.dtype"
            or not (record.arguments[1:] or record.states or record.items or record.pairs)
        )
    )
