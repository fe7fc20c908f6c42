"""Pickles that would run code, alter torch or exhaust the machine. Nothing may happen.

Each payload would touch a marker file; the tests assert that it never appears, and that the same
bytes do touch it when Python's own pickle loads them.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from containers.builders import (
    SIX_FLOATS,
    STOP,
    in_dict,
    opcode_global,
    short,
    storage,
    tensor,
    torch_legacy,
    torch_zip,
)
from containers.timing import refused_in_time

from rnndiag.containers import read
from rnndiag.errors import InputCode, RnndiagError


def touch_by_system(marker: Path) -> bytes:
    return opcode_global("os", "system") + short(f"touch {marker}") + b"\x85R"


def touch_by_eval(marker: Path) -> bytes:
    return (
        opcode_global("builtins", "eval") + short(f"open({str(marker)!r}, 'w').close()") + b"\x85R"
    )


def touch_by_inst(marker: Path) -> bytes:
    return b"(" + short(f"touch {marker}") + b"ios\nsystem\n"


def touch_by_obj(marker: Path) -> bytes:
    return b"(" + opcode_global("os", "system") + short(f"touch {marker}") + b"o"


def touch_by_stack_global(marker: Path) -> bytes:
    return short("os") + short("system") + b"\x93" + short(f"touch {marker}") + b"\x85R"


def touch_by_getattr(marker: Path) -> bytes:
    """A function that is itself the result of a call: getattr(os, "system")("touch …")."""
    module = opcode_global("importlib", "import_module") + short("os") + b"\x85R"
    function = opcode_global("builtins", "getattr") + module + short("system") + b"\x86R"
    return function + short(f"touch {marker}") + b"\x85R"


def touch_in_build(marker: Path) -> bytes:
    """The payload as the state of an object."""
    empty = opcode_global("types", "SimpleNamespace") + b")R"
    return empty + b"}" + short("x") + touch_by_system(marker) + b"sb"


PAYLOADS: list[Callable[[Path], bytes]] = [
    touch_by_system,
    touch_by_eval,
    touch_by_inst,
    touch_by_obj,
    touch_by_stack_global,
    touch_by_getattr,
    touch_in_build,
]


@pytest.mark.parametrize("payload", PAYLOADS)
def test_nothing_is_run(tmp_path: Path, payload: Callable[[Path], bytes]) -> None:
    marker = tmp_path / "marker"
    trap = payload(marker)
    pickled = (
        b"\x80\x04}(" + short("trap") + trap + short("w") + tensor((2, 3), (3, 1)) + b"u" + STOP
    )
    zipped = read(torch_zip(tmp_path, pickled, {"0": SIX_FLOATS}))
    legacy_pickled = pickled.replace(storage(), storage()[:-2] + b"NtQ")
    legacy = read(torch_legacy(tmp_path, legacy_pickled, {"0": (6, SIX_FLOATS)}))
    assert not marker.exists()
    for checkpoint in (zipped, legacy):
        np.testing.assert_array_equal(checkpoint.tensors["w"].load(), np.arange(6.0).reshape(2, 3))
        assert {"os.system", "builtins.eval", "builtins.getattr"} & set(checkpoint.would_import)
    pickle.loads(b"\x80\x04" + trap + STOP)
    assert marker.exists()


def test_a_key_a_shape_and_a_storage_key_are_not_run_either(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    trap = touch_by_system(marker)
    read(torch_zip(tmp_path, b"\x80\x04}" + trap + b"Ns."))
    for pickled in (
        in_dict(tensor((2,), (1,)).replace(short("0"), trap)),
        b"\x80\x04" + opcode_global("torch._utils", "_rebuild_tensor_v2") + trap + b"\x85R.",
        b"\x80\x04(" + trap + b"tQ.",
    ):
        with pytest.raises(RnndiagError, match="RD003"):
            read(torch_zip(tmp_path, pickled, {"0": SIX_FLOATS}))
    assert not marker.exists()


def test_torch_is_not_altered_by_build(tmp_path: Path) -> None:
    pickled = b"\x80\x04" + opcode_global("torch", "Tensor") + b"}" + short("evil") + b"K\x01sb."
    with pytest.raises(RnndiagError, match=r"RD004 loading it would alter torch\.Tensor"):
        read(torch_zip(tmp_path, pickled))
    assert not hasattr(torch.Tensor, "evil")


def test_a_nested_pickle_is_not_run(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    inner = b"\x80\x04" + touch_by_system(marker) + STOP
    pickled = (
        b"\x80\x04"
        + opcode_global("torch.storage", "_load_from_bytes")
        + b"B"
        + len(inner).to_bytes(4, "little")
        + inner
        + b"\x85R."
    )
    checkpoint = read(torch_zip(tmp_path, pickled))
    assert checkpoint.would_import == ("os.system", "torch.storage._load_from_bytes")
    assert not marker.exists()


def test_hash_bomb(tmp_path: Path) -> None:
    bomb = b"\x80\x04}N" + b"2\x86" * 30 + b"Ns."
    error = refused_in_time(torch_zip(tmp_path, bomb))
    assert error is not None
    assert error.code is InputCode.REFUSED


def test_billion_laughs(tmp_path: Path) -> None:
    levels = b"".join(
        b"q" + bytes([level]) + b"0](" + (b"h" + bytes([level])) * 10 + b"e" for level in range(12)
    )
    error = refused_in_time(torch_zip(tmp_path, b"\x80\x04]" + levels + b"."))
    assert error is not None
    assert error.code is InputCode.REFUSED
    assert "unfold" in error.what


def test_self_reference_ends(tmp_path: Path) -> None:
    loops = {
        "list": b"\x80\x04]q\x00h\x00a.",
        "dictionary": b"\x80\x04}q\x00" + short("me") + b"h\x00s.",
        "object": b"\x80\x04cm\nA\n)\x81q\x00}" + short("me") + b"h\x00sb.",
        "through a tuple": b"\x80\x04]q\x00h\x00\x85\x85a.",
    }
    for pickled in loops.values():
        checkpoint = read(torch_zip(tmp_path, pickled))
        assert len(checkpoint.skipped) == 1
        assert "refers to what contains it" in checkpoint.skipped[0].reason


def test_deep_nesting_is_refused(tmp_path: Path) -> None:
    for nested in (b"N" + b"\x85" * 50_000, b"]" * 50_000 + b"a" * 49_999):
        error = refused_in_time(torch_zip(tmp_path, b"\x80\x04" + nested + b"."))
        assert error is not None
        assert error.code is InputCode.REFUSED
        assert "nested deeper" in error.what


def test_a_tensor_wrapped_many_times(tmp_path: Path) -> None:
    parameter = opcode_global("torch._utils", "_rebuild_parameter")
    for depth, is_read in ((3, True), (20_000, False)):
        wrapped = parameter * depth + tensor((2, 3), (3, 1)) + b"\x88N\x87R" * depth
        path = torch_zip(tmp_path, in_dict(wrapped), {"0": SIX_FLOATS})
        if is_read:
            assert list(read(path).tensors) == ["weight"]
        else:
            error = refused_in_time(path)
            assert error is not None
            assert error.code is InputCode.REFUSED


@pytest.mark.parametrize(
    "repeated",
    [
        opcode_global("numpy.core.multiarray", "_reconstruct")
        + b")R(K\x01K\x08\x85h\x01\x89h\x00tb",
        opcode_global("numpy.core.multiarray", "scalar") + b"h\x01h\x00\x86R",
        opcode_global("_codecs", "encode") + b"h\x00" + short("latin1") + b"\x86R",
    ],
)
def test_one_long_string_used_many_times(tmp_path: Path, repeated: bytes) -> None:
    """A megabyte of text in the memo, in ten thousand numpy arrays: never converted."""
    text = b"X" + (1_000_000).to_bytes(4, "little") + b"x" * 1_000_000
    kind = opcode_global("numpy", "dtype") + short("f8") + b"\x85R"
    pickled = b"\x80\x04" + text + b"q\x00" + kind + b"q\x01](" + repeated * 10_000 + b"e."
    refused_in_time(torch_zip(tmp_path, pickled), 3)
