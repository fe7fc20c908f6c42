"""Every opcode of the pickle format, and the loop that runs them."""

from __future__ import annotations

from collections.abc import Callable

from rnndiag.containers.failures import damaged, unsupported
from rnndiag.containers.pickle_calls import CALLS
from rnndiag.containers.pickle_containers import CONTAINERS
from rnndiag.containers.pickle_machine import CONTAINER_WORK, PickleMachine
from rnndiag.containers.pickle_scalars import SCALARS

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


def _binput(machine: PickleMachine) -> None:
    machine.remember(machine.stream.byte())


def _long_binput(machine: PickleMachine) -> None:
    machine.remember(machine.stream.unsigned(4))


def _memoize(machine: PickleMachine) -> None:
    machine.remember(len(machine.memo))


def _binget(machine: PickleMachine) -> None:
    machine.recall(machine.stream.byte())


def _long_binget(machine: PickleMachine) -> None:
    machine.recall(machine.stream.unsigned(4))


_STACK: dict[int, tuple[Callable[[PickleMachine], None], int]] = {
    0x80: (_proto, 1),
    0x95: (_frame, 1),
    ord("("): (_mark, CONTAINER_WORK),
    ord("0"): (_pop, 1),
    ord("1"): (_pop_mark, 1),
    ord("2"): (_duplicate, 1),
    ord("p"): (_put, 1),
    ord("q"): (_binput, 1),
    ord("r"): (_long_binput, 1),
    0x94: (_memoize, 1),
    ord("g"): (_get, 1),
    ord("h"): (_binget, 1),
    ord("j"): (_long_binget, 1),
}
"""The opcodes that move the stack, the marks and the memo."""

OPERATIONS: dict[int, tuple[Operation, int]] = {
    **{code: (operation, 1) for code, operation in SCALARS.items()},
    **_STACK,
    **CONTAINERS,
    **CALLS,
}
"""Opcode byte → what it does, and its share of the budget. STOP is `run`'s own."""

STOP = ord(".")


def run(machine: PickleMachine) -> object:
    """Run to STOP and return the record on top.

    Raises RD003 for a damaged pickle and RD004 over a limit; the stream stands behind STOP.
    """
    next_byte = machine.stream.byte
    while True:
        code = next_byte()
        if code == STOP:
            return machine.pop()
        if code not in OPERATIONS:
            raise damaged(f"its pickle is damaged: no opcode {code:#04x}")
        operation, work = OPERATIONS[code]
        machine.spend(work)
        operation(machine)
