"""Changes to a file's bytes, as data: hypothesis draws them in the tests, dice in the fuzzer."""

from __future__ import annotations

from typing import NamedTuple

from rnndiag.containers import read
from rnndiag.errors import RnndiagError

EDGE = 6000
"""Bytes at the start and the end where formats keep their structure."""

STRUCTURE = (b"ctorch", b"data.pkl", b"PK\x01\x02", b"PK\x03\x04", b"\x80\x02", b"ustar", b"X\x06")
REGIONS = ("start", "start", "start", "end", "end", "structure", "structure", "anywhere")
"""Where a change strikes, as often as it stands here."""

KINDS = (
    *("flip", "flip", "flip", "set", "set", "length"),
    *("insert", "cut", "splice", "repeat", "payload", "end"),
)
"""What is done there, as often as it stands here: bytes in place, then those that move the rest."""
NUMBERS = (0, 1, 2, 0x7F, 0x80, 0xFF, 0xFFFF, *(1 << n for n in (31, 32, 40, 63)), (1 << 64) - 1)
WIDTHS = (1, 2, 4, 8)
MAX_RUN = 64
MAX_COPIES = 200
MAX_LOADED_BYTES = 1 << 24


class Change(NamedTuple):
    """One change. Every field is a number below its place in LIMITS."""

    kind: int
    region: int
    place: int

    other: int
    """Where a splice takes its bytes from."""

    run: int
    """Bytes that are cut, spliced or repeated."""

    value: int
    """Which bit, number, width or byte order."""


LIMITS = Change(len(KINDS), len(REGIONS), 1 << 20, 1 << 20, MAX_RUN, 1 << 10)


def changed(whole: bytes, changes: list[Change], payload: bytes) -> bytes:
    """The file with all the changes, one after the other."""
    data = bytearray(whole)
    for change in changes:
        if data:
            _apply(data, change, payload)
    return bytes(data)


def outcome(path: str) -> str:
    """What reading the file and then its tensors comes to: "read", or the code of the refusal."""
    try:
        loaded = 0
        for tensor in read(path).tensors.values():
            if loaded < MAX_LOADED_BYTES:
                loaded += tensor.load().nbytes
        return "read"
    except RnndiagError as error:
        return error.code.value


def _apply(data: bytearray, change: Change, payload: bytes) -> None:
    place, run = _position(data, change.region, change.place), change.run + 1
    match KINDS[change.kind]:
        case "flip":
            data[place] ^= 1 << change.value % 8
        case "set":
            data[place] = change.value % 256
        case "length":
            number = _number(change.value)
            data[place : place + len(number)] = number
        case "insert":
            data[place:place] = bytes([change.value % 256]) * run
        case "cut":
            del data[place : place + run]
        case "splice":
            other = _position(data, change.region, change.other)
            data[place : place + run] = data[other : other + run]
        case "repeat":
            data[place:place] = data[place : place + run] * (1 + change.value % MAX_COPIES)
        case "payload":
            data[place:place] = payload
        case "end":
            del data[place:]


def _position(data: bytearray, region: int, place: int) -> int:
    where = REGIONS[region]
    if where == "start":
        return place % min(EDGE, len(data))
    if where == "end":
        return len(data) - 1 - place % min(EDGE, len(data))
    if where == "anywhere":
        return place % len(data)
    found = data.find(STRUCTURE[place % len(STRUCTURE)], place % len(data))
    return min(len(data) - 1, max(0, found) + place % 40)


def _number(value: int) -> bytes:
    """A number that may be out of range, in one of the widths that formats use for a length."""
    value, is_big = divmod(value, 2)
    value, width = divmod(value, len(WIDTHS))
    number = NUMBERS[value % len(NUMBERS)] % (1 << 8 * WIDTHS[width])
    return number.to_bytes(WIDTHS[width], "big" if is_big else "little")
