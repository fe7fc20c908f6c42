"""Every opcode of the pickle format, and the loop that runs them."""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import partial

from rnndiag.containers.budget import used_up
from rnndiag.containers.failures import damaged, unsupported
from rnndiag.containers.pickle_calls import CALLS
from rnndiag.containers.pickle_containers import CONTAINERS
from rnndiag.containers.pickle_machine import CONTAINER_WORK, PickleMachine
from rnndiag.containers.pickle_scalars import SCALARS
from rnndiag.containers.pickle_stream import UNSIGNED, ends_early

Operation = Callable[[PickleMachine], None]

_LINE = 1000
_HIGHEST_PROTOCOL = 5


def _proto(machine: PickleMachine) -> None:
    version = machine.stream.unsigned(1)
    if version > _HIGHEST_PROTOCOL:
        raise unsupported(f"pickle protocol {version}", "save it with protocol 5 or below")


def _frame(machine: PickleMachine) -> None:
    machine.stream.require(machine.stream.unsigned(8))


def _mark(machine: PickleMachine) -> None:
    machine.marks.append(machine.stack)
    machine.stack = []


def _pop(machine: PickleMachine) -> None:
    if machine.stack:
        machine.stack.pop()
    else:
        machine.pop_mark()


def _pop_mark(machine: PickleMachine) -> None:
    machine.pop_mark()


def _duplicate(machine: PickleMachine) -> None:
    machine.push(machine.top())


def _line_index(machine: PickleMachine) -> int:
    line = machine.stream.line(_LINE)
    if not line.isdigit() or len(line) > 10:
        machine.fail("a memo index is no number")
    return int(line)


def _put(machine: PickleMachine) -> None:
    machine.remember(_line_index(machine))


def _get(machine: PickleMachine) -> None:
    machine.recall(_line_index(machine))


def _memoize(machine: PickleMachine) -> None:
    machine.remember(len(machine.memo))


def _put_of(width: int) -> Operation:
    number = UNSIGNED[width]

    def operation(machine: PickleMachine) -> None:
        machine.remember(number(machine.stream.read(width))[0])

    return operation


def _get_of(width: int) -> Operation:
    number = UNSIGNED[width]

    def operation(machine: PickleMachine) -> None:
        machine.recall(number(machine.stream.read(width))[0])

    return operation


_STACK: dict[int, tuple[Operation, int]] = {
    0x80: (_proto, 3),
    0x95: (_frame, 4),
    ord("("): (_mark, CONTAINER_WORK),
    ord("0"): (_pop, 1),
    ord("1"): (_pop_mark, 1),
    ord("2"): (_duplicate, 1),
    ord("p"): (_put, 3),
    ord("q"): (_put_of(1), 2),
    ord("r"): (_put_of(4), 2),
    0x94: (_memoize, 2),
    ord("g"): (_get, 3),
    ord("h"): (_get_of(1), 2),
    ord("j"): (_get_of(4), 2),
}
"""The opcodes that move the stack, the marks and the memo."""

OPERATIONS: dict[bytes, tuple[Operation, int]] = {
    bytes((code,)): entry for code, entry in (SCALARS | _STACK | CONTAINERS | CALLS).items()
}
"""Opcode → what it does, and its share of the budget. STOP is `run`'s own."""

STOP = b"."


def run(machine: PickleMachine) -> object:
    """Run to STOP and return the record on top.

    Raises RD003 for a damaged pickle and RD004 over a limit; the stream stands behind STOP.
    """
    budget = machine.budget
    try:
        for code in iter(partial(machine.stream.read, 1), STOP):
            try:
                operation, work = OPERATIONS[code]
            except KeyError:
                raise _no_opcode(code) from None
            # What `budget.spend` does, without a call for each of millions of opcodes.
            budget.left -= work
            if budget.left < 0:
                raise used_up()
            operation(machine)
    except struct.error:
        raise ends_early() from None
    return machine.pop()


def _no_opcode(code: bytes) -> Exception:
    return damaged(f"its pickle is damaged: no opcode {code[0]:#04x}") if code else ends_early()
