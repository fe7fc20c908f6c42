"""Programs of pickle opcodes that hypothesis writes: well-formed ones, and any opcodes in a row."""

from __future__ import annotations

import pickletools
import struct
from pathlib import Path

import pytest
from containers.builders import SIX_FLOATS, opcode_global, short, storage, torch_zip
from containers.mutations import NUMBERS, outcome
from containers.timing import in_time
from hypothesis import given, settings
from hypothesis import strategies as st

from rnndiag.containers.pickle_machine import PickleMachine
from rnndiag.containers.pickle_opcodes import run
from rnndiag.containers.pickle_stream import PickleStream
from rnndiag.containers.readable import Memory
from rnndiag.errors import RnndiagError

PROGRAMS = 250
LOOPS = 3_000
"""How often a piece of a program may be repeated: far deeper than Python's own stack."""

# The same examples in every run: a build must not fail by chance.
ALWAYS_THE_SAME = settings(derandomize=True, database=None, deadline=None, max_examples=PROGRAMS)

NAMES = [
    ("torch._utils", "_rebuild_tensor_v2"),
    ("torch._utils", "_rebuild_parameter"),
    ("torch._utils", "_rebuild_qtensor"),
    ("torch._tensor", "_rebuild_from_type_v2"),
    ("torch", "FloatStorage"),
    ("torch", "Size"),
    ("torch.storage", "_load_from_bytes"),
    ("collections", "OrderedDict"),
    ("numpy", "dtype"),
    ("numpy.core.multiarray", "scalar"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("_codecs", "encode"),
    ("copyreg", "_reconstructor"),
    ("builtins", "set"),
    ("os", "system"),
]
GLOBALS = st.sampled_from([opcode_global(*name) for name in NAMES])
PACKED = "_all_weight_values.0.param.0.4.0.0.0"
ATTRIBUTES = st.sampled_from(
    ["_modules", "_parameters", "weight", "lr", "", "weight_ih_l0", "0", PACKED]
)

PLAIN = st.one_of(
    st.sampled_from([b"N", b"\x88", b"\x89", b")", b"]", b"}", b"\x8f", b"I01\n", b"F1.5\n"]),
    st.integers(0, 255).map(lambda n: b"K" + bytes([n])),
    st.integers(-(1 << 31), (1 << 31) - 1).map(lambda n: b"J" + struct.pack("<i", n)),
    st.floats().map(lambda x: b"G" + struct.pack(">d", x)),
    st.binary(max_size=20).map(lambda raw: b"C" + bytes([len(raw)]) + raw),
    st.binary(max_size=20).map(lambda raw: b"U" + bytes([len(raw)]) + raw),
    ATTRIBUTES.map(short),
    st.integers(0, 3).map(lambda n: b"h" + bytes([n])),
    st.just(storage()),
)


def within(inner: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    """What may hold other records: containers, calls, states, and what enters the memo."""
    several = st.lists(inner, max_size=5).map(b"".join)
    pairs = st.lists(st.tuples(ATTRIBUTES.map(short) | inner, inner).map(b"".join), max_size=4)
    dictionary = pairs.map(lambda found: b"(" + b"".join(found) + b"d")
    called = st.builds(lambda f, given: f + b"(" + given + b"tR", GLOBALS | inner, several)
    return st.one_of(
        st.builds(lambda items, kind: b"(" + items + kind, several, st.sampled_from([b"t", b"l"])),
        dictionary,
        called,
        st.builds(lambda made, state: made + state + b"b", called, dictionary | inner),
        st.builds(lambda made, items: made + b"(" + items + b"e", called | st.just(b"]"), several),
        st.builds(lambda made, n: made + b"q" + bytes([n]), inner, st.integers(0, 3)),
        # A list in the memo, in which it may find itself.
        several.map(lambda items: b"]q\x00(" + items + b"h\x00e"),
        inner.map(lambda identifier: identifier + b"Q"),
    )


RECORDS = st.recursive(PLAIN, within, max_leaves=25)

ANY_OPCODE = st.builds(
    lambda code, number, tail: code + number + tail,
    st.sampled_from([opcode.code.encode("latin-1") for opcode in pickletools.opcodes]),
    st.sampled_from([b"", *(struct.pack("<Q", n)[:w] for n in NUMBERS for w in (1, 2, 4, 8))]),
    st.sampled_from([b"", b"1\n", b"m\nn\n", b"'text'\n", b"\xff\n"]),
)
LOOPED = st.builds(
    lambda piece, count: piece * count, RECORDS | ANY_OPCODE, st.sampled_from([1, 2, LOOPS])
)
NESTED = st.builds(
    lambda before, inner, after, count: before * count + inner + after * count,
    st.sampled_from([b"", b"]", b"(", b"}K\x01", b"cm\nn\n"]),
    RECORDS,
    st.sampled_from([b"", b"\x85", b"a", b"t", b"l", b"s", b"\x85R", b"b"]),
    st.sampled_from([1, 3, LOOPS]),
)
PROGRAMS_OF_OPCODES = st.lists(RECORDS | ANY_OPCODE | LOOPED | NESTED, min_size=1, max_size=6).map(
    lambda pieces: b"\x80\x04" + b"".join(pieces) + b"."
)


def machine_outcome(program: bytes) -> str:
    names: set[str] = set()
    machine = PickleMachine(PickleStream(Memory(program)), names, lambda identifier: identifier)
    try:
        run(machine)
    except RnndiagError as error:
        return error.code.value
    return "run"


@pytest.mark.parametrize(
    "programs", [RECORDS.map(lambda record: b"\x80\x04" + record + b"."), PROGRAMS_OF_OPCODES]
)
def test_the_machine_runs_or_refuses(programs: st.SearchStrategy[bytes]) -> None:
    found = set()

    @settings(ALWAYS_THE_SAME)
    @given(programs)
    def attempt(program: bytes) -> None:
        with in_time():
            found.add(machine_outcome(program))

    attempt()
    assert {"run", "RD003"} <= found


@pytest.mark.parametrize("payload", [b"", b"cos\nsystem\n(V%b\ntR"])
def test_a_file_around_a_program_is_read_or_refused(tmp_path: Path, payload: bytes) -> None:
    marker = tmp_path / "marker"
    trap = payload.replace(b"%b", f"touch {marker}".encode())
    found = set()

    @settings(ALWAYS_THE_SAME)
    @given(RECORDS | NESTED | LOOPED)
    def attempt(record: bytes) -> None:
        path = torch_zip(tmp_path, b"\x80\x04(" + trap + record + b"l.", {"0": SIX_FLOATS})
        with in_time():
            found.add(outcome(path))
        assert not marker.exists()

    attempt()
    assert {"read", "RD003"} <= found
