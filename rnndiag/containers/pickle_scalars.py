"""The opcodes that push a number, a string or bytes."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable

from rnndiag.containers.failures import refused
from rnndiag.containers.pickle_machine import PickleMachine
from rnndiag.containers.pickle_stream import UNSIGNED
from rnndiag.containers.text import printable, python2_string

Operation = Callable[[PickleMachine], None]

_MAX_INTEGER_BYTES = 1024
"""Of a long integer: reading one as text takes quadratic time."""

_MAX_NUMBER_LINE = 1000
_DIGITS_PER_WORK = 16
_BYTES_PER_WORK = 256
"""Of a long string."""

_ESCAPE_WORK = 3
_MAX_STRING_LINE = 1 << 20

_SIGNED = struct.Struct("<i").unpack
_DOUBLE = struct.Struct(">d").unpack

_ESCAPES = {
    b"\\": b"\\",
    b"'": b"'",
    b'"': b'"',
    b"n": b"\n",
    b"r": b"\r",
    b"t": b"\t",
}
"""All that Python 2 wrote, besides \\\\xNN."""


def _none(machine: PickleMachine) -> None:
    machine.stack.append(None)


def _true(machine: PickleMachine) -> None:
    machine.stack.append(True)


def _false(machine: PickleMachine) -> None:
    machine.stack.append(False)


def _number_line(machine: PickleMachine) -> bytes:
    """A number as text. The digits are charged: reading them takes quadratic time."""
    line = machine.stream.line(_MAX_NUMBER_LINE)
    machine.budget.spend(len(line) // _DIGITS_PER_WORK)
    return line


def _parsed_integer(machine: PickleMachine, line: bytes) -> int:
    if not line.removeprefix(b"-").isdigit():
        machine.fail("an integer is no number")
    return int(line)


def _int(machine: PickleMachine) -> None:
    """`I01` and `I00` are protocol 0's booleans."""
    line = _number_line(machine)
    if line in (b"01", b"00"):
        machine.stack.append(line == b"01")
    else:
        machine.stack.append(_parsed_integer(machine, line))


def _long(machine: PickleMachine) -> None:
    line = _number_line(machine)
    machine.stack.append(_parsed_integer(machine, line.removesuffix(b"L")))


def _binint(machine: PickleMachine) -> None:
    machine.stack.append(_SIGNED(machine.stream.read(4))[0])


def _unsigned_of(width: int) -> Operation:
    number = UNSIGNED[width]

    def operation(machine: PickleMachine) -> None:
        machine.stack.append(number(machine.stream.read(width))[0])

    return operation


def _long_of(width: int) -> Operation:
    def operation(machine: PickleMachine) -> None:
        count = machine.stream.unsigned(width)
        if count > _MAX_INTEGER_BYTES:
            raise refused(f"its pickle holds an integer of {count} bytes")
        machine.stack.append(int.from_bytes(machine.stream.take(count), "little", signed=True))

    return operation


def _float(machine: PickleMachine) -> None:
    line = _number_line(machine)
    try:
        machine.stack.append(float(line))
    except ValueError:
        machine.fail("a float is no number")


def _binfloat(machine: PickleMachine) -> None:
    machine.stack.append(_DOUBLE(machine.stream.read(8))[0])


def _quoted_string(machine: PickleMachine) -> None:
    """A Python 2 string in quotes, with escapes."""
    line = machine.stream.line(_MAX_STRING_LINE).strip()
    if len(line) < 2 or line[0] != line[-1] or line[:1] not in (b"'", b'"'):
        machine.fail("a string has no quotes")
    machine.stack.append(_python2_string(machine, _unescaped(machine, line[1:-1])))


def _python2_string(machine: PickleMachine, raw: bytes) -> str | bytes:
    machine.stream.widen(raw)
    return python2_string(raw)


def _unescaped(machine: PickleMachine, body: bytes) -> bytes:
    """The bytes a quoted body stands for."""
    if b"\\" not in body:
        return body
    machine.budget.spend(_ESCAPE_WORK * body.count(b"\\"))

    def replaced(match: re.Match[bytes]) -> bytes:
        digits, letter = match.groups()
        if digits:
            return bytes([int(digits, 16)])
        if letter not in _ESCAPES:
            machine.fail("a string has a broken escape")
        return _ESCAPES[letter]

    return re.sub(rb"\\(?:x([0-9a-fA-F]{2})|(.?))", replaced, body, flags=re.DOTALL)


def _unicode_line(machine: PickleMachine) -> None:
    line = machine.stream.line(_MAX_STRING_LINE)
    machine.budget.spend(len(line) // _BYTES_PER_WORK)
    try:
        text = line.decode("raw_unicode_escape")
    except UnicodeDecodeError:
        machine.fail("a string has a broken escape")
    if not text.isascii():
        machine.stream.widen(text)
        text = printable(text)
    machine.stack.append(text)


def _literal(machine: PickleMachine, width: int) -> bytes:
    """Bytes behind a length of `width` bytes."""
    raw = machine.stream.literal(width)
    if len(raw) >= _BYTES_PER_WORK:
        machine.budget.spend(len(raw) // _BYTES_PER_WORK)
    return raw


def _string_of(width: int) -> Operation:
    """A Python 2 string behind its length."""

    def operation(machine: PickleMachine) -> None:
        machine.stack.append(_python2_string(machine, _literal(machine, width)))

    return operation


def _unicode_of(width: int) -> Operation:
    def operation(machine: PickleMachine) -> None:
        raw = _literal(machine, width)
        machine.stream.widen(raw)
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            text = machine.text(raw)
        machine.stack.append(text)

    return operation


def _bytes_of(width: int) -> Operation:
    def operation(machine: PickleMachine) -> None:
        machine.stack.append(_literal(machine, width))

    return operation


SCALARS: dict[int, tuple[Operation, int]] = {
    ord("N"): (_none, 1),
    0x88: (_true, 1),
    0x89: (_false, 1),
    ord("I"): (_int, 4),
    ord("L"): (_long, 4),
    ord("J"): (_binint, 2),
    ord("K"): (_unsigned_of(1), 2),
    ord("M"): (_unsigned_of(2), 2),
    0x8A: (_long_of(1), 4),
    0x8B: (_long_of(4), 6),
    ord("F"): (_float, 4),
    ord("G"): (_binfloat, 2),
    ord("S"): (_quoted_string, 5),
    ord("T"): (_string_of(4), 5),
    ord("U"): (_string_of(1), 5),
    ord("V"): (_unicode_line, 5),
    ord("X"): (_unicode_of(4), 4),
    0x8C: (_unicode_of(1), 4),
    0x8D: (_unicode_of(8), 4),
    ord("B"): (_bytes_of(4), 4),
    ord("C"): (_bytes_of(1), 4),
    0x8E: (_bytes_of(8), 4),
    0x96: (_bytes_of(8), 4),
}
"""Opcode byte → what it pushes, and its share of the budget."""
