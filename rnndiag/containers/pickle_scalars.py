"""The opcodes that push a number, a string or bytes."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable

from rnndiag.containers.failures import refused
from rnndiag.containers.pickle_machine import PickleMachine
from rnndiag.containers.text import decoded, printable, python2_string

_MAX_INTEGER_BYTES = 1024
"""Of a long integer: reading one as text takes quadratic time."""

_MAX_NUMBER_LINE = 1000
_MAX_STRING_LINE = 1 << 20

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
    machine.push(None)


def _true(machine: PickleMachine) -> None:
    machine.push(True)


def _false(machine: PickleMachine) -> None:
    machine.push(False)


def _parsed_integer(machine: PickleMachine, line: bytes) -> int:
    if not line.removeprefix(b"-").isdigit():
        machine.fail("an integer is no number")
    return int(line)


def _int(machine: PickleMachine) -> None:
    """`I01` and `I00` are protocol 0's booleans."""
    line = machine.stream.line(_MAX_NUMBER_LINE)
    if line in (b"01", b"00"):
        machine.push(line == b"01")
    else:
        machine.push(_parsed_integer(machine, line))


def _long(machine: PickleMachine) -> None:
    line = machine.stream.line(_MAX_NUMBER_LINE)
    machine.push(_parsed_integer(machine, line.removesuffix(b"L")))


def _binint(machine: PickleMachine) -> None:
    machine.push(int.from_bytes(machine.stream.take(4), "little", signed=True))


def _binint1(machine: PickleMachine) -> None:
    machine.push(machine.stream.byte())


def _binint2(machine: PickleMachine) -> None:
    machine.push(machine.stream.unsigned(2))


def _long_of(width: int) -> Callable[[PickleMachine], None]:
    def operation(machine: PickleMachine) -> None:
        count = machine.stream.unsigned(width)
        if count > _MAX_INTEGER_BYTES:
            raise refused(f"its pickle holds an integer of {count} bytes")
        machine.push(int.from_bytes(machine.stream.take(count), "little", signed=True))

    return operation


def _float(machine: PickleMachine) -> None:
    line = machine.stream.line(_MAX_NUMBER_LINE)
    try:
        machine.push(float(line))
    except ValueError:
        machine.fail("a float is no number")


def _binfloat(machine: PickleMachine) -> None:
    machine.push(struct.unpack(">d", machine.stream.take(8))[0])


def _quoted_string(machine: PickleMachine) -> None:
    """A Python 2 string in quotes, with escapes."""
    line = machine.stream.line(_MAX_STRING_LINE).strip()
    if len(line) < 2 or line[0] != line[-1] or line[:1] not in (b"'", b'"'):
        machine.fail("a string has no quotes")
    machine.push(python2_string(_unescaped(machine, line[1:-1])))


def _unescaped(machine: PickleMachine, body: bytes) -> bytes:
    """The bytes a quoted body stands for."""

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
    try:
        machine.push(printable(line.decode("raw_unicode_escape")))
    except UnicodeDecodeError:
        machine.fail("a string has a broken escape")


def _string_of(width: int) -> Callable[[PickleMachine], None]:
    """A Python 2 string behind its length."""

    def operation(machine: PickleMachine) -> None:
        machine.push(python2_string(machine.stream.literal(machine.stream.unsigned(width))))

    return operation


def _unicode_of(width: int) -> Callable[[PickleMachine], None]:
    def operation(machine: PickleMachine) -> None:
        machine.push(decoded(machine.stream.literal(machine.stream.unsigned(width))))

    return operation


def _bytes_of(width: int) -> Callable[[PickleMachine], None]:
    def operation(machine: PickleMachine) -> None:
        machine.push(machine.stream.literal(machine.stream.unsigned(width)))

    return operation


SCALARS: dict[int, Callable[[PickleMachine], None]] = {
    ord("N"): _none,
    0x88: _true,
    0x89: _false,
    ord("I"): _int,
    ord("L"): _long,
    ord("J"): _binint,
    ord("K"): _binint1,
    ord("M"): _binint2,
    0x8A: _long_of(1),
    0x8B: _long_of(4),
    ord("F"): _float,
    ord("G"): _binfloat,
    ord("S"): _quoted_string,
    ord("T"): _string_of(4),
    ord("U"): _string_of(1),
    ord("V"): _unicode_line,
    ord("X"): _unicode_of(4),
    0x8C: _unicode_of(1),
    0x8D: _unicode_of(8),
    ord("B"): _bytes_of(4),
    ord("C"): _bytes_of(1),
    0x8E: _bytes_of(8),
    0x96: _bytes_of(8),
}
"""Opcode byte → what it pushes."""
