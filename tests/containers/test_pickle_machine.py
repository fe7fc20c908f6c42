"""The machine against Python's own pickler, and against pickles made to hurt."""

from __future__ import annotations

import collections
import pickle
import pickletools
import struct
import sys
from typing import Any

import pytest

from rnndiag.containers.budget import Budget
from rnndiag.containers.pickle_machine import PickleMachine
from rnndiag.containers.pickle_opcodes import OPERATIONS, STOP, run
from rnndiag.containers.pickle_stream import PickleStream
from rnndiag.containers.readable import Memory
from rnndiag.containers.records import CallRecord, DictRecord, GlobalRecord, SetRecord, called
from rnndiag.errors import InputCode, RnndiagError


def machine(data: bytes, work: int = 1_000_000) -> PickleMachine:
    stream = PickleStream(Memory(data))
    return PickleMachine(stream, set(), lambda identifier: ("persistent", identifier), Budget(work))


def loaded(data: bytes) -> object:
    return run(machine(data))


def failure(data: bytes, work: int = 1_000_000) -> RnndiagError:
    with pytest.raises(RnndiagError) as caught:
        run(machine(data, work))
    return caught.value


def plain(record: Any) -> Any:
    """Back to the Python object, for the few kinds these tests pickle."""
    if isinstance(record, DictRecord):
        return {plain(key): plain(value) for key, value in record.pairs}
    if isinstance(record, SetRecord):
        return {plain(item) for item in record.items}
    if isinstance(record, tuple | list):
        return type(record)(plain(item) for item in record)
    if isinstance(record, CallRecord):
        return _called(record)
    return record


def _called(record: CallRecord) -> Any:
    name, arguments = called(record), plain(record.arguments)
    if name in ("__builtin__.set", "builtins.set"):
        return set(*arguments)
    if name in ("__builtin__.frozenset", "builtins.frozenset"):
        return set(*arguments)
    if name == "_codecs.encode":
        return arguments[0].encode(arguments[1])
    if name in ("__builtin__.bytes", "builtins.bytes"):
        return b""
    if name in ("__builtin__.bytearray", "builtins.bytearray"):
        return arguments[0].encode(arguments[1]) if len(arguments) == 2 else bytes(*arguments)
    assert name == "collections.OrderedDict"
    return {plain(key): plain(value) for key, value in record.pairs}


VALUES: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    255,
    256,
    65536,
    -(1 << 31),
    1 << 31,
    1 << 200,
    -(1 << 2000),
    0.5,
    -1e300,
    "",
    "text",
    "ünï\n\\u00e9\x00☃",
    "x" * 300,
    "y" * 70000,
    b"",
    b"bytes\xff\x00\n",
    b"z" * 300,
    bytearray(b"array"),
    (),
    (1,),
    (1, 2),
    (1, 2, 3),
    (1, 2, 3, 4),
    [1, [2, [3, []]]],
    {"a": {"b": (1, None)}, 3: "x"},
    {1, 2, 3},
    frozenset((1, 2)),
    collections.OrderedDict(a=1, b=2),
    list(range(3000)),
]


@pytest.mark.parametrize("protocol", range(6))
def test_every_value_in_every_protocol(protocol: int) -> None:
    for value in VALUES:
        assert plain(loaded(pickle.dumps(value, protocol))) == value
    together = plain(loaded(pickle.dumps(VALUES, protocol)))
    assert together == VALUES


def test_every_opcode_has_an_operation() -> None:
    codes = {opcode.code.encode("latin-1") for opcode in pickletools.opcodes}
    assert set(OPERATIONS) | {STOP} == codes


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"S'it\\'s \\x41\\n\\\\'\n.", "it's A\n\\"),
        (b'S"\\xc3\\xa9"\n.', "é"),
        (b"S'\\xff'\n.", b"\xff"),
        (b"U\x02hi.", "hi"),
        (b"U\x01\xe9.", b"\xe9"),
        (b"T\x02\x00\x00\x00hi.", "hi"),
        (b"V\\u2603\n.", "☃"),
        (b"V\\ud800\n.", "\\ud800"),
        (b"I01\n.", True),
        (b"I00\n.", False),
        (b"I-12\n.", -12),
        (b"L12L\n.", 12),
        (b"F1.5\n.", 1.5),
        (b"Pname\n.", ("persistent", "name")),
        (b"(I1\nI2\nl.", [1, 2]),
        (b"I1\np7\n0g7\n.", 1),
        (b"I1\n2\x86.", (1, 1)),
        (b"(I1\n1I2\n.", 2),
    ],
)
def test_textual_and_python2_opcodes(data: bytes, value: object) -> None:
    assert loaded(data) == value


def test_objects_become_records() -> None:
    data = b"(cmod\nA\nI1\no."
    record = loaded(data)
    assert isinstance(record, CallRecord)
    assert (called(record), record.arguments) == ("mod.A", (1,))
    record = loaded(b"(I1\nimod\nA\n.")
    assert isinstance(record, CallRecord)
    assert (called(record), record.arguments) == ("mod.A", (1,))
    record = loaded(b"cmod\nA\n)}\x92(dbI1\na.")
    assert isinstance(record, CallRecord)
    assert isinstance(record.keywords, DictRecord)
    assert isinstance(record.states[0], DictRecord)
    assert record.items == [1]
    extension = loaded(b"\x82\x07.")
    assert isinstance(extension, GlobalRecord)


def test_names_are_collected() -> None:
    runner = machine(b"cos\nsystem\n0\x8c\x08builtins\x8c\x04eval\x93.")
    run(runner)
    assert runner.names == {"os.system", "builtins.eval"}


def test_several_pickles_in_a_row() -> None:
    data = pickle.dumps(1, 2) + pickle.dumps("x" * 100_000, 4) + pickle.dumps([3], 0)
    stream = PickleStream(Memory(data))
    assert [run(PickleMachine(stream, set())) for _ in range(3)] == [1, "x" * 100_000, [3]]
    assert stream.position == len(data)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "truncated"),
        (b"\x80\x02", "truncated"),
        (b".", "empty stack"),
        (b"0.", "never set"),
        (b"2.", "empty stack"),
        (b"\x85.", "empty stack"),
        (b"(\x85.", "empty stack"),
        (b"t.", "never set"),
        (b"h\x05.", "never set"),
        (b"gx\n.", "no number"),
        (b"g" + b"1" * 900 + b"\n.", "no number"),
        (b"q\x00.", "empty stack"),
        (b"(I1\nd.", "without a value"),
        (b"I1\nI2\na.", "no list"),
        (b"I1\nI2\nI3\ns.", "no dictionary"),
        (b"](I1\nI2\nu.", "no dictionary"),
        (b"(o.", "no class"),
        (b"cos\nsystem\nI1\nR.", "no arguments"),
        (b"I1\nI2\n\x93.", "no name"),
        (b"I1\nI2\nb.", "no object"),
        (b"Ione\n.", "no number"),
        (b"I\n.", "no number"),
        (b"Fone\n.", "no number"),
        (b"Snone\n.", "no quotes"),
        (b"S'\\q'\n.", "broken escape"),
        (b"S'\\'\n.", "broken escape"),
        (b"V\\u12\n.", "broken escape"),
        (b"\xff.", "no opcode 0xff"),
        (b"\x95" + b"\xff" * 8 + b".", "truncated"),
        (b"I" + b"1" * 2000 + b"\n.", "longer than"),
        (b"I" + b"1" * 100_000 + b"\n.", "longer than"),
        (b"I111", "truncated"),
    ],
)
def test_malformed_pickles(data: bytes, words: str) -> None:
    error = failure(data)
    assert error.code is InputCode.DAMAGED
    assert words in error.what


@pytest.mark.parametrize("code", [b"\x8e", b"\x96", b"\x8d"])
@pytest.mark.parametrize("exponent", [20, 40, 63])
def test_a_declared_length_is_checked_before_reading(code: bytes, exponent: int) -> None:
    error = failure(code + (1 << exponent).to_bytes(8, "little") + b"abc")
    assert error.code is InputCode.DAMAGED
    assert str(1 << exponent) in error.what


@pytest.mark.parametrize(
    "data",
    [
        b"\x8b\xff\xff\xff\x7fabc",
        b"\x8b\x01\x04\x00\x00" + b"1" * 0x401 + b".",
        b"cos\nsystem\n}b.",
        b"c" + b"a" * 999 + b"\nb\n0" + b"X\xe9\x03\x00\x00" + b"a" * 1001 + b"\x8c\x01b\x93.",
    ],
)
def test_refused_pickles(data: bytes) -> None:
    assert failure(data).code is InputCode.REFUSED


def test_unsupported_pickles() -> None:
    assert failure(b"\x80\x06N.").code is InputCode.UNSUPPORTED
    assert failure(b"\x97.").code is InputCode.UNSUPPORTED


@pytest.mark.parametrize("repeated", [b"(", b"]", b"}", b"N", b"N\x94", b"Nq\x00", b")"])
def test_the_budget_ends_every_flood(repeated: bytes) -> None:
    error = failure(repeated * 50_000, work=20_000)
    assert error.code is InputCode.REFUSED
    assert "operations" in error.what


def test_a_memo_entry_counts_more_than_an_opcode() -> None:
    run(machine(b"N" + b"2" * 999 + b".", work=1000))
    assert failure(b"N" + b"q\x00" * 999 + b".", work=1000).code is InputCode.REFUSED


def test_no_literal_budget_is_exceeded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rnndiag.containers.pickle_stream.MAX_LITERAL_BYTES", 1000)
    assert failure(pickle.dumps([b"x" * 600, b"y" * 600], 4)).code is InputCode.REFUSED


@pytest.mark.parametrize("opcode", ["binary", "line", "python 2"])
def test_wide_characters_count_as_what_they_take(
    monkeypatch: pytest.MonkeyPatch, opcode: str
) -> None:
    """One beyond the first plane makes every character of its string take four bytes."""
    monkeypatch.setattr("rnndiag.containers.pickle_stream.MAX_LITERAL_BYTES", 1000)

    def written(text: str) -> bytes:
        raw = text.encode()
        return {
            "binary": b"X" + struct.pack("<I", len(raw)) + raw,
            "line": b"V" + text.encode("raw_unicode_escape") + b"\n",
            "python 2": b"T" + struct.pack("<I", len(raw)) + raw,
        }[opcode] + b"."

    plain, wide = "x" * 300, "x" * 299 + "\U0001f600"
    assert sys.getsizeof(wide) > 3 * sys.getsizeof(plain)
    assert loaded(written(plain)) == plain
    assert failure(written(wide)).code is InputCode.REFUSED


def test_a_hash_bomb_returns_at_once() -> None:
    """Tuples nested 60 deep, each twice in the next, as a key: hashing takes 2^60 steps."""
    data = b"}I1\n" + b"2\x86" * 60 + b"Ns."
    record = loaded(data)
    assert isinstance(record, DictRecord)
    assert len(record.pairs) == 1


def test_a_hundred_thousand_levels_do_not_recurse() -> None:
    depth = 100_000
    record = loaded(b"N" + b"\x85" * depth + b".")
    for _ in range(depth):
        assert isinstance(record, tuple)
        record = record[0]
    assert record is None


def test_every_cut_is_an_rnndiag_error() -> None:
    for protocol in range(6):
        data = pickle.dumps(
            {"a": [1, 2.5, "x", (b"y", {3})], "n": collections.Counter("aab")}, protocol
        )
        for length in range(len(data)):
            assert failure(data[:length]).code is InputCode.DAMAGED


def test_the_stream_reads_in_pieces() -> None:
    """A pickle far larger than one chunk, through reads that are counted."""
    data = pickle.dumps([str(number) for number in range(50_000)], 4)
    reads = []

    class Counted(Memory):
        def read_at(self, start: int, count: int) -> bytes:
            reads.append(count)
            return super().read_at(start, count)

    record = run(PickleMachine(PickleStream(Counted(data)), set()))
    assert record == [str(number) for number in range(50_000)]
    assert max(reads) <= 1 << 16
