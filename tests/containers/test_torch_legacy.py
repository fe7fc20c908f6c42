"""The container before torch 1.6: storages behind their sizes, views, Python 2, failures."""

from __future__ import annotations

import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from containers.builders import (
    MAGIC,
    SIX_FLOATS,
    in_dict,
    number,
    opcode_global,
    short,
    storage,
    tensor,
    torch_legacy,
)

from rnndiag.containers import read
from rnndiag.errors import InputCode, RnndiagError

STORED = storage()[:-2] + b"NtQ"
WEIGHT = in_dict(tensor((2, 3), (3, 1), stored=STORED))


def failure(path: str) -> RnndiagError:
    with pytest.raises(RnndiagError) as caught:
        read(path)
    return caught.value


def test_the_builder_writes_what_torch_reads(tmp_path: Path) -> None:
    path = torch_legacy(tmp_path, WEIGHT, {"0": (6, SIX_FLOATS)})
    weight = torch.load(path, weights_only=False)["weight"]
    np.testing.assert_array_equal(weight.numpy(), read(path).tensors["weight"].load())


def test_views_of_a_storage(tmp_path: Path) -> None:
    """(key, offset, count) inside the storage's own reference, as torch 0.x wrote shared memory."""
    view = storage()[:-2] + b"(" + short("view") + number(2) + number(3) + b"ttQ"
    path = torch_legacy(tmp_path, in_dict(tensor((3,), (1,), stored=view)), {"0": (6, SIX_FLOATS)})
    assert read(path).tensors["weight"].load().tolist() == [2, 3, 4]
    path = torch_legacy(tmp_path, in_dict(tensor((4,), (1,), stored=view)), {"0": (6, SIX_FLOATS)})
    assert failure(path).code is InputCode.DAMAGED


def test_textual_protocols(tmp_path: Path) -> None:
    """Protocol 0 and 1 write the magic number in digits."""
    for protocol in (0, 1):
        path = tmp_path / "text.pt"
        head = b"".join(pickle.dumps(part, protocol) for part in (MAGIC, 1001, {}))
        tail = pickle.dumps(["0"], protocol) + struct.pack("<q", 6) + SIX_FLOATS
        path.write_bytes(head + WEIGHT + tail)
        assert read(str(path)).tensors["weight"].load().sum() == 15


def test_python2_ordered_dictionary_and_module(tmp_path: Path) -> None:
    """OrderedDict([[key, value], …]) in byte strings, and a module with its source code."""
    entry = b"]U\x01wa" + tensor((2, 3), (3, 1), stored=STORED) + b"a"
    ordered = opcode_global("collections", "OrderedDict") + b"]" + entry + b"a\x85R"
    module = (
        b"("
        + short("module")
        + opcode_global("m", "Net")
        + short("net.py")
        + short("class")
        + b"tQ"
    )
    pickled = (
        b"\x80\x02"
        + module
        + b")\x81}(U\x0b_parameters"
        + ordered
        + b"U\x08_modules}U\x01nK\x07ub."
    )
    checkpoint = read(torch_legacy(tmp_path, pickled, {"0": (6, SIX_FLOATS)}))
    assert list(checkpoint.tensors) == ["w"]
    assert checkpoint.values == {"n": 7}
    assert "m.Net" in checkpoint.would_import


def test_old_tensor_objects(tmp_path: Path) -> None:
    """torch.FloatTensor() with its state, and Parameter(tensor, True), as torch 0.1 wrote them."""
    state = b"(" + STORED + number(0) + b"(K\x02K\x03t(K\x03K\x01tt"
    old = opcode_global("torch", "FloatTensor") + b")R" + state + b"b"
    parameter = opcode_global("torch.nn.parameter", "Parameter") + old + b"\x88\x86R"
    for record in (old, parameter):
        checkpoint = read(torch_legacy(tmp_path, in_dict(record), {"0": (6, SIX_FLOATS)}))
        np.testing.assert_array_equal(
            checkpoint.tensors["weight"].load(), np.arange(6.0).reshape(2, 3)
        )


def test_every_cut(tmp_path: Path) -> None:
    path = Path(torch_legacy(tmp_path, WEIGHT, {"0": (6, SIX_FLOATS)}))
    whole = path.read_bytes()
    for length in range(1, len(whole)):
        path.write_bytes(whole[:length])
        error = failure(str(path))
        assert error.code is InputCode.DAMAGED, length
        assert "truncated" in error.what


@pytest.mark.parametrize(
    ("keys", "count"),
    [([], 6), (["0", "0"], 6), ([0], 6), ("0", 6), (["0"], 5), (["0"], -1), (["0"], 1 << 60)],
)
def test_storages_that_disagree(tmp_path: Path, keys: object, count: int) -> None:
    path = tmp_path / "bad.pt"
    head = b"".join(pickle.dumps(part, 2) for part in (MAGIC, 1001, {}))
    path.write_bytes(head + WEIGHT + pickle.dumps(keys, 2) + struct.pack("<q", count) + SIX_FLOATS)
    assert failure(str(path)).code is InputCode.DAMAGED


def test_a_storage_listed_twice(tmp_path: Path) -> None:
    """Two sets of numbers for one key: readers would differ in which they take."""
    path = tmp_path / "twice.pt"
    head = b"".join(pickle.dumps(part, 2) for part in (MAGIC, 1001, {}))
    stored = struct.pack("<q", 6) + SIX_FLOATS
    path.write_bytes(head + WEIGHT + pickle.dumps(["0", "0"], 2) + stored + stored)
    assert "names one twice" in failure(str(path)).what


def test_unknown_protocol_and_storage_type(tmp_path: Path) -> None:
    path = tmp_path / "bad.pt"
    path.write_bytes(b"".join(pickle.dumps(part, 2) for part in (MAGIC, 1002, {})))
    assert failure(str(path)).code is InputCode.UNSUPPORTED
    odd = in_dict(tensor((2,), (1,), stored=STORED.replace(b"FloatStorage", b"OddStorage")))
    path2 = torch_legacy(tmp_path, odd, {"0": (6, SIX_FLOATS)})
    assert failure(path2).code is InputCode.UNSUPPORTED
