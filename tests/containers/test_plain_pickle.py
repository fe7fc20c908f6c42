"""Plain pickles: torch files nested in their bytes, arrays, every protocol, and nothing run."""

from __future__ import annotations

import io
import pickle
import random
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from containers.builders import opcode_global, short, tensor
from containers.timing import in_time

from rnndiag.containers import read, torch_pickles
from rnndiag.containers.budget import Budget
from rnndiag.errors import InputCode, RnndiagError


def written(folder: Path, data: bytes) -> str:
    path = folder / "plain.pkl"
    path.write_bytes(data)
    return str(path)


def nested(raw: bytes) -> bytes:
    loader = opcode_global("torch.storage", "_load_from_bytes")
    return loader + b"B" + len(raw).to_bytes(4, "little") + raw + b"\x85R"


def failure(path: str) -> RnndiagError:
    with pytest.raises(RnndiagError) as caught:
        read(path)
    return caught.value


@pytest.mark.parametrize("protocol", range(6))
def test_state_and_arrays_in_every_protocol(tmp_path: Path, protocol: int) -> None:
    torch.manual_seed(0)
    module = torch.nn.GRU(3, 4)
    thing = (dict(module.state_dict()), {"steps": 7, "a": np.arange(6.0).reshape(2, 3)})
    checkpoint = read(written(tmp_path, pickle.dumps(thing, protocol)))
    assert checkpoint.container == "pickle"
    assert checkpoint.values["1.steps"] == 7
    np.testing.assert_array_equal(checkpoint.tensors["1.a"].load(), thing[1]["a"])
    for name, expected in module.state_dict().items():
        np.testing.assert_array_equal(checkpoint.tensors[f"0.{name}"].load(), expected.numpy())
    assert len({stored.identity for stored in checkpoint.tensors.values()}) == 5


def test_views_of_one_nested_storage(tmp_path: Path) -> None:
    base = torch.arange(12.0).reshape(3, 4)
    thing = {"base": base, "t": base.t(), "row": base[1], "module": torch.nn.Linear(2, 2)}
    found = read(written(tmp_path, pickle.dumps(thing))).tensors
    for name in ("base", "t", "row"):
        np.testing.assert_array_equal(found[name].load(), thing[name].numpy())
    assert "module.weight" in found


def test_a_zip_and_a_whole_dictionary_nested(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    torch.save({"w": torch.ones(3), "deeper": [2.5]}, buffer)
    data = b"\x80\x04}" + short("inner") + nested(buffer.getvalue()) + b"s."
    checkpoint = read(written(tmp_path, data))
    assert checkpoint.tensors["inner.w"].load().sum() == 3
    assert checkpoint.values == {"inner.deeper.0": 2.5}


def test_depth_is_capped(tmp_path: Path) -> None:
    data = b"\x80\x04N."
    for depth in range(1, 8):
        data = b"\x80\x04" + nested(data) + b"."
        if depth <= 4:
            read(written(tmp_path, data))
        else:
            error = failure(written(tmp_path, data))
            assert error.code is InputCode.REFUSED
            assert "nested in it deeper" in error.what


def test_the_same_bytes_are_opened_once(tmp_path: Path) -> None:
    """Thousands of calls on one memo entry: a second reading of each would take minutes."""
    inner = pickle.dumps(list(range(20_000)))
    raw = b"B" + len(inner).to_bytes(4, "little") + inner + b"q\x01"
    loader = opcode_global("torch.storage", "_load_from_bytes") + b"q\x00"
    data = b"\x80\x04](" + loader + raw + b"00" + b"h\x00h\x01\x85R" * 20_000 + b"e."
    with in_time():
        assert failure(written(tmp_path, data)).code is InputCode.REFUSED


def test_nested_pickles_share_the_budget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = b"\x80\x04" + b"N0" * 100 + b"N."
    data = b"\x80\x04](" + nested(inner) * 20 + b"e."
    read(written(tmp_path, data))
    small = partial(torch_pickles.TorchPickle, budget=Budget(2000))
    monkeypatch.setattr(torch_pickles, "TorchPickle", small)
    assert "more operations" in failure(written(tmp_path, data)).what


def test_nothing_is_run(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    trap = opcode_global("os", "system") + short(f"touch {marker}") + b"\x85R"
    for data in (
        b"\x80\x04" + trap + b".",
        b"\x80\x04" + nested(b"\x80\x04" + trap + b".") + b".",
        trap.replace(b"\x8c" + trap[12:13], b"V").replace(b"\x85R", b"\n\x85R") + b".",
    ):
        checkpoint = read(written(tmp_path, data))
        assert "os.system" in checkpoint.would_import
    assert not marker.exists()
    pickle.loads(b"\x80\x04" + trap + b".")
    assert marker.exists()


@pytest.mark.parametrize(
    "data",
    [
        b"\x80\x04" + tensor((2, 3), (3, 1)) + b".",
        b"\x80\x04" + tensor((2, 3), (3, 1), stored=b"N") + b".",
        b"\x80\x04" + tensor((2, 3), (3, 1), stored=nested(b"junk")) + b".",
        b"\x80\x04" + tensor((2, 3), (3, 1), stored=nested(b"\x80\x04N.")) + b".",
        b"\x80\x04}",
        b"(dp0\nS'a'\n",
    ],
)
def test_damaged(tmp_path: Path, data: bytes) -> None:
    assert failure(written(tmp_path, data)).code is InputCode.DAMAGED


def test_textual_protocols_are_not_mistaken_for_text(tmp_path: Path) -> None:
    things: list[Any] = [{"a": 1}, [1, 2], (1, {"b": 2}), torch.nn.Linear(1, 1)]
    for thing in things:
        for protocol in (0, 1):
            data = pickle.dumps(thing, protocol)
            assert read(written(tmp_path, data)).container == "pickle"
    for text in (b"cats\nand dogs\n", b"(draft)\n", b"class A:\n    pass\n"):
        error = failure(written(tmp_path, text))
        assert error.code is InputCode.NOT_A_CHECKPOINT, text


def test_every_cut(tmp_path: Path) -> None:
    whole = pickle.dumps({"w": torch.ones(2), "a": np.ones(2)})
    dice = random.Random(0)
    for length in [2, *dice.sample(range(3, len(whole)), 150)]:
        assert failure(written(tmp_path, whole[:length])).code in (
            InputCode.DAMAGED,
            InputCode.NOT_A_CHECKPOINT,
        )
