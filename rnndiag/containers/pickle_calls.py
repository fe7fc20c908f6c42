"""The opcodes with which a trusting load would import, call and alter; here they take notes."""

from __future__ import annotations

from collections.abc import Callable

from rnndiag.containers.failures import refused, unsupported
from rnndiag.containers.pickle_machine import PickleMachine
from rnndiag.containers.records import CallRecord, GlobalRecord
from rnndiag.containers.text import printable

_LINE = 1000
_GLOBAL_WORK = 8
_CALL_WORK = 14


def _global(machine: PickleMachine) -> None:
    module = machine.text(machine.stream.line(_LINE))
    machine.push_global(module, machine.text(machine.stream.line(_LINE)))


def _stack_global(machine: PickleMachine) -> None:
    name, module = machine.pop(), machine.pop()
    if not isinstance(name, str) or not isinstance(module, str):
        machine.fail("an import has no name")
    machine.push_global(module, name)


def _extension(width: int) -> Callable[[PickleMachine], None]:
    def operation(machine: PickleMachine) -> None:
        machine.push_global("copyreg", f"extension_{machine.stream.unsigned(width)}")

    return operation


def _arguments(machine: PickleMachine) -> tuple[object, ...]:
    arguments = machine.pop()
    if not isinstance(arguments, tuple):
        machine.fail("a call has no arguments")
    return arguments


def _reduce(machine: PickleMachine) -> None:
    arguments = _arguments(machine)
    machine.push(machine.called(CallRecord(machine.pop(), arguments)))


def _newobj_ex(machine: PickleMachine) -> None:
    keywords, arguments = machine.pop(), _arguments(machine)
    machine.push(CallRecord(machine.pop(), arguments, keywords))


def _inst(machine: PickleMachine) -> None:
    _global(machine)
    function = machine.pop()
    machine.push(CallRecord(function, tuple(machine.pop_mark())))


def _obj(machine: PickleMachine) -> None:
    items = machine.pop_mark()
    if not items:
        machine.fail("an object has no class")
    machine.push(CallRecord(items[0], tuple(items[1:])))


def _build(machine: PickleMachine) -> None:
    state = machine.pop()
    target = machine.top()
    if isinstance(target, GlobalRecord):
        raise refused(f"loading it would alter {printable(str(target))} itself")
    if not isinstance(target, CallRecord):
        machine.fail("it sets the state of something that is no object")
    target.states.append(state)
    if machine.built is not None:
        machine.stack[-1] = machine.built(target, machine.stream)


def _persid(machine: PickleMachine) -> None:
    machine.push(machine.persistent(machine.text(machine.stream.line(_LINE))))


def _binpersid(machine: PickleMachine) -> None:
    machine.push(machine.persistent(machine.pop()))


def _next_buffer(_: PickleMachine) -> None:
    raise unsupported("a pickle with out-of-band buffers", "save it without a buffer callback")


def _readonly_buffer(machine: PickleMachine) -> None:
    machine.top()


CALLS: dict[int, tuple[Callable[[PickleMachine], None], int]] = {
    ord("c"): (_global, _GLOBAL_WORK),
    0x93: (_stack_global, _GLOBAL_WORK),
    0x82: (_extension(1), _GLOBAL_WORK),
    0x83: (_extension(2), _GLOBAL_WORK),
    0x84: (_extension(4), _GLOBAL_WORK),
    ord("R"): (_reduce, _CALL_WORK),
    0x81: (_reduce, _CALL_WORK),
    0x92: (_newobj_ex, _CALL_WORK),
    ord("i"): (_inst, _GLOBAL_WORK + _CALL_WORK),
    ord("o"): (_obj, _CALL_WORK),
    ord("b"): (_build, 10),
    ord("P"): (_persid, 4),
    ord("Q"): (_binpersid, 4),
    0x97: (_next_buffer, 1),
    0x98: (_readonly_buffer, 1),
}
"""Opcode byte → what it notes, and its share of the budget. NEWOBJ notes the same as REDUCE."""
