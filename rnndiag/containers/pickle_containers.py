"""The opcodes that make and fill tuples, lists, sets and dictionaries."""

from __future__ import annotations

from collections.abc import Callable

from rnndiag.containers.pickle_machine import CONTAINER_WORK, PAIR_WORK, PickleMachine
from rnndiag.containers.records import CallRecord, DictRecord, SetRecord

_WITH_ITEMS = (CallRecord, SetRecord)
_WITH_PAIRS = (CallRecord, DictRecord)


def _empty_tuple(machine: PickleMachine) -> None:
    machine.push(())


def _empty_list(machine: PickleMachine) -> None:
    machine.push([])


def _empty_dict(machine: PickleMachine) -> None:
    machine.push(DictRecord())


def _empty_set(machine: PickleMachine) -> None:
    machine.push(SetRecord())


def _tuple(machine: PickleMachine) -> None:
    machine.push(tuple(machine.pop_mark()))


def _tuple_of(count: int) -> Callable[[PickleMachine], None]:
    def operation(machine: PickleMachine) -> None:
        stack = machine.stack
        if len(stack) < count:
            machine.fail("it takes from an empty stack")
        stack[-count:] = [tuple(stack[-count:])]

    return operation


def _list(machine: PickleMachine) -> None:
    machine.push(machine.pop_mark())


def _dict(machine: PickleMachine) -> None:
    machine.push(DictRecord(_paired(machine, machine.pop_mark())))


def _frozenset(machine: PickleMachine) -> None:
    machine.push(SetRecord(machine.pop_mark()))


def _paired(machine: PickleMachine, items: list[object]) -> list[tuple[object, object]]:
    if len(items) % 2:
        machine.fail("a dictionary has a key without a value")
    machine.budget.spend(PAIR_WORK * (len(items) // 2))
    return list(zip(items[::2], items[1::2], strict=True))


def _extend(machine: PickleMachine, items: list[object]) -> None:
    target = machine.top()
    if isinstance(target, list):
        target.extend(items)
    elif isinstance(target, _WITH_ITEMS):
        target.items.extend(items)
    else:
        machine.fail("it appends to something that is no list")


def _append(machine: PickleMachine) -> None:
    item = machine.pop()
    target = machine.top()
    if isinstance(target, list):
        target.append(item)
    else:
        _extend(machine, [item])


def _appends(machine: PickleMachine) -> None:
    _extend(machine, machine.pop_mark())


def _set_pairs(machine: PickleMachine, pairs: list[tuple[object, object]]) -> None:
    target = machine.top()
    if not isinstance(target, _WITH_PAIRS):
        machine.fail("it sets an item of something that is no dictionary")
    target.pairs.extend(pairs)


def _setitem(machine: PickleMachine) -> None:
    value = machine.pop()
    key = machine.pop()
    _set_pairs(machine, [(key, value)])


def _setitems(machine: PickleMachine) -> None:
    _set_pairs(machine, _paired(machine, machine.pop_mark()))


CONTAINERS: dict[int, tuple[Callable[[PickleMachine], None], int]] = {
    ord(")"): (_empty_tuple, 1),
    ord("]"): (_empty_list, CONTAINER_WORK),
    ord("}"): (_empty_dict, CONTAINER_WORK),
    0x8F: (_empty_set, CONTAINER_WORK),
    ord("t"): (_tuple, CONTAINER_WORK),
    0x85: (_tuple_of(1), CONTAINER_WORK),
    0x86: (_tuple_of(2), CONTAINER_WORK),
    0x87: (_tuple_of(3), CONTAINER_WORK),
    ord("l"): (_list, CONTAINER_WORK),
    ord("d"): (_dict, CONTAINER_WORK),
    0x91: (_frozenset, CONTAINER_WORK),
    ord("a"): (_append, 2),
    ord("e"): (_appends, 2),
    0x90: (_appends, 2),
    ord("s"): (_setitem, 2 + PAIR_WORK),
    ord("u"): (_setitems, 2),
}
"""Opcode byte → what it does, and its share of the budget."""
