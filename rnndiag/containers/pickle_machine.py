"""A pickle machine, protocols 0 to 5, that builds inert records.

GLOBAL never imports, REDUCE never calls, BUILD never sets an attribute, no key is hashed, and
nothing recurses. What an opcode does stands in `pickle_opcodes`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NoReturn

from rnndiag.containers.budget import Budget
from rnndiag.containers.failures import damaged, refused
from rnndiag.containers.pickle_stream import PickleStream
from rnndiag.containers.records import CallRecord, GlobalRecord
from rnndiag.containers.text import decoded

CONTAINER_WORK = 3
"""Of an opcode that makes a container."""

PAIR_WORK = 2
"""Of an entry of a dictionary, beside the opcodes that make its key and its value."""

MAX_NAME = 1000
"""Characters of a module or attribute name."""


def no_persistent_ids(identifier: object) -> object:
    """Raise RD003: a plain pickle has none."""
    raise damaged("its pickle refers to data outside of itself")


def _as_it_is(call: CallRecord) -> object:
    return call


@dataclass(slots=True)
class PickleMachine:
    """The state of one run. `names` collects every global that was asked for."""

    stream: PickleStream
    names: set[str]
    persistent: Callable[[object], object] = no_persistent_ids
    """Turns a persistent id into a record."""

    budget: Budget = field(default_factory=Budget)
    called: Callable[[CallRecord], object] = _as_it_is
    """Turns a call that was asked for into the record that stands for its result."""

    built: Callable[[CallRecord, PickleStream], object] | None = None
    """Turns an object whose state was just set into the record that stands for it, and may read on:
    joblib writes the numbers of an array behind its description."""

    stack: list[object] = field(default_factory=list)
    """Since the last mark."""

    marks: list[list[object]] = field(default_factory=list)
    """The stacks below each mark."""

    memo: dict[int, object] = field(default_factory=dict)

    def fail(self, what: str) -> NoReturn:
        """Raise RD003 with the place."""
        raise damaged(f"its pickle is damaged: {what} before byte {self.stream.position}")

    def push(self, record: object) -> None:
        """Put a record on the stack."""
        self.stack.append(record)

    def pop(self) -> object:
        """Take the top record."""
        if not self.stack:
            self.fail("it takes from an empty stack")
        return self.stack.pop()

    def top(self) -> object:
        """Look at the top record."""
        if not self.stack:
            self.fail("it reads from an empty stack")
        return self.stack[-1]

    def pop_mark(self) -> list[object]:
        """Everything above the last mark, which is removed."""
        if not self.marks:
            self.fail("it asks for a mark that was never set")
        above = self.stack
        self.stack = self.marks.pop()
        return above

    def remember(self, index: int) -> None:
        """Put the top record into the memo."""
        if not self.stack:
            self.fail("it reads from an empty stack")
        self.memo[index] = self.stack[-1]

    def recall(self, index: int) -> None:
        """Push a memo entry."""
        if index not in self.memo:
            self.fail(f"memo entry {index} was never set")
        self.stack.append(self.memo[index])

    def push_global(self, module: str, name: str) -> None:
        """Note a name that a trusting load would import, and push it as a record."""
        if len(module) > MAX_NAME or len(name) > MAX_NAME:
            raise refused("its pickle imports something with a name longer than 1000 characters")
        record = GlobalRecord(module, name)
        self.names.add(str(record))
        self.push(record)

    def text(self, raw: bytes) -> str:
        """UTF-8, with every byte that is none written as an escape, which takes its time."""
        try:
            return raw.decode()
        except UnicodeDecodeError:
            self.budget.spend(8 + 2 * len(raw))
            return decoded(raw)
