"""From nested records to dotted names: tensors, plain values, and what was left out.

Walks with a stack of its own, so that no depth of nesting can exhaust Python's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from rnndiag.containers.checkpoint import Skipped, StoredTensor, Value
from rnndiag.containers.children import children
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
    StorageRecord,
    called,
)
from rnndiag.containers.torch_storages import NestedRecord, Storages
from rnndiag.containers.torch_tensors import tensor

MAX_DEPTH = 200
"""Levels of nesting; the deepest real module has about 40."""

MAX_NODES = 5_000_000
"""Records visited. The largest real vocabularies (two million words, stored twice) need about four
million."""

MAX_REPEATED_NODES = 250_000
"""Records visited again below a container that was reached before: settings that every layer of a
module shares come to some thousands, and a bomb made of references to references does not end."""

MAX_VALUES = 300_000
"""Plain values kept of one file."""

MAX_NAME_CHARACTERS = 1 << 27
"""Of all names together."""

MAX_PLAIN_PER_CONTAINER = 10_000
"""Plain values of one list or dictionary; a longer one is a vocabulary or a log, not settings."""

MAX_STRING = 200
"""Characters of a plain string; a longer one is source code or a document and is left out."""

_INTEGER_BITS = 64


@dataclass
class Flattened:
    """The leaves found so far, in the order of the file."""

    tensors: dict[str, StoredTensor] = field(default_factory=dict)
    values: dict[str, Value] = field(default_factory=dict)
    skipped: list[Skipped] = field(default_factory=list)


@dataclass
class _Level:
    """A container that is being walked."""

    name: str
    record: object
    storages: Storages
    children: Iterator[tuple[str, object]]
    is_repeated: bool
    plain: int = 0
    left_out: int = 0


def flatten(root: object, storages: Storages, max_nodes: int = MAX_NODES) -> Flattened:
    """Name every leaf below `root` by its dotted path.

    Raises RD003 for a corrupt tensor and RD004 beyond the depth, node or name budget.
    """
    return _Walk(storages, max_nodes, MAX_REPEATED_NODES, MAX_NAME_CHARACTERS).run(root)


@dataclass
class _Walk:
    """One walk: the levels on the current path, and the budgets."""

    storages: Storages
    nodes_left: int
    repeated_left: int
    characters_left: int
    found: Flattened = field(default_factory=Flattened)
    levels: list[_Level] = field(default_factory=list)
    on_path: set[int] = field(default_factory=set)
    reached: set[int] = field(default_factory=set)

    def run(self, root: object) -> Flattened:
        """Depth first, in the order of the file."""
        self.visit("", root, self.storages)
        while self.levels:
            level = self.levels[-1]
            child = next(level.children, None)
            if child is None:
                self.leave()
            elif isinstance(child[1], PLAIN) and self.is_full(level):
                level.left_out += 1
                self.spend(0)
            else:
                self.visit(_joined(level.name, child[0]), child[1], level.storages)
        return self.found

    def is_full(self, level: _Level) -> bool:
        """No more plain values of this container, or of this file."""
        return level.plain >= MAX_PLAIN_PER_CONTAINER or len(self.found.values) >= MAX_VALUES

    def spend(self, characters: int) -> None:
        """Charge one record and its name; raises RD004 when a budget is used up."""
        self.nodes_left -= 1
        self.characters_left -= characters
        if self.levels and self.levels[-1].is_repeated:
            self.repeated_left -= 1
        if self.nodes_left < 0 or self.repeated_left < 0 or self.characters_left < 0:
            raise refused("its contents unfold into more entries than any checkpoint has")

    def visit(self, name: str, record: object, storages: Storages) -> None:
        """Note a leaf, or go down into a container."""
        self.spend(len(name))
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
        elif not isinstance(record, bytes):
            self.enter(name, record, storages)

    def visit_call(self, name: str, record: CallRecord, storages: Storages) -> None:
        """A tensor, a number or text in disguise, or an object with contents."""
        leaf = tensor(storages, name, record)
        function = called(record)
        if leaf is None and function in RECONSTRUCTED | FROM_BUFFER:
            leaf = array(name, record)
        if isinstance(leaf, StoredTensor):
            self.note_tensor(name, leaf)
        elif isinstance(leaf, Skipped):
            self.found.skipped.append(leaf)
        elif function in SCALARS:
            self.note_scalar(name, record)
        elif function == "_codecs.encode":
            return
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
            self.nodes_left -= 1
        self.found.tensors[free] = found

    def enter(self, name: str, record: object, storages: Storages) -> None:
        """Go down, unless the record contains itself."""
        if id(record) in self.on_path:
            self.found.skipped.append(Skipped(name, "it refers to what contains it"))
            return
        if len(self.levels) >= MAX_DEPTH:
            raise refused(f"its contents are nested deeper than {MAX_DEPTH} levels")
        is_below = bool(self.levels) and self.levels[-1].is_repeated
        is_repeated = is_below or id(record) in self.reached
        self.on_path.add(id(record))
        self.reached.add(id(record))
        self.levels.append(_Level(name, record, storages, children(record), is_repeated))

    def leave(self) -> None:
        """Come back up, saying what was left out below."""
        level = self.levels.pop()
        self.on_path.discard(id(level.record))
        if level.left_out:
            reason = f"{level.left_out} more plain values, left out"
            self.found.skipped.append(Skipped(level.name, reason))


def _joined(name: str, part: str) -> str:
    """A dotted path; an empty part leaves no trace."""
    return f"{name}.{part}" if name and part else name or part


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
