"""Torch files as bytes in a pickle, which nobody says is one: skorch keeps its modules so."""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from containers.archives import lstm_bytes, zip_of
from containers.timing import in_time

from rnndiag.containers import read
from rnndiag.containers.checkpoint import Checkpoint
from rnndiag.containers.nested import MAX_NESTING
from rnndiag.errors import RnndiagError

LSTM, LEGACY, MODULE = lstm_bytes(), lstm_bytes(legacy=True), lstm_bytes(module=True)


class Net:
    """As skorch's NeuralNet leaves itself behind."""

    def __init__(self, **state: Any) -> None:
        self.__dict__ |= state


def of(folder: Path, thing: object, protocol: int = 4) -> Checkpoint:
    path = folder / "a.pkl"
    path.write_bytes(pickle.dumps(thing, protocol))
    with in_time():
        return read(str(path))


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("data", [LSTM, LEGACY, MODULE])
def test_bytes_that_torch_saved(tmp_path: Path, data: bytes, protocol: int) -> None:
    net = Net(verbose=1, __cuda_dependent_attributes__=data, criterion=None)
    checkpoint = of(tmp_path, net, protocol)
    reference = torch.load(io.BytesIO(data), weights_only=False)
    state = reference if isinstance(reference, dict) else reference.state_dict()
    found = {
        name.rpartition(".")[2]: tensor.load()
        for name, tensor in checkpoint.tensors.items()
        if name.startswith("__cuda_dependent_attributes__.")
    }
    assert state.keys() <= found.keys()
    assert all(np.array_equal(found[name], value.detach()) for name, value in state.items())
    assert checkpoint.made_of.endswith("test_nested.Net")
    assert checkpoint.values["verbose"] == 1


def test_in_a_bytearray_and_in_a_file_in_memory(tmp_path: Path) -> None:
    for thing in (bytearray(LSTM), io.BytesIO(LSTM), [LSTM, {"a": (LSTM,)}]):
        assert len(of(tmp_path, thing).tensors) in (4, 8)


def test_other_bytes_leave_no_trace(tmp_path: Path) -> None:
    document = zip_of({"word/document.xml": b"<x/>"})
    arrays = np.frombuffer(b"PK\x03\x04" * 4, np.uint8)
    checkpoint = of(tmp_path, {"a": b"PK", "b": b"", "c": b"x" * 1000, "d": document, "e": arrays})
    assert list(checkpoint.tensors) == ["e"]
    assert not checkpoint.skipped


def test_a_damaged_one_is_named_and_the_rest_is_read(tmp_path: Path) -> None:
    packed = zip_of({"a.txt": b"x" * 100}, zipfile.ZIP_DEFLATED)
    for data, what in (
        (LSTM[:-100], "truncated"),
        (LEGACY[:-20], "truncated"),
        (packed, "packed archive"),
        (b"PK\x03\x04" + bytes(100), "truncated"),
    ):
        checkpoint = of(tmp_path, {"net": data, "w": np.ones(3)})
        assert list(checkpoint.tensors) == ["w"]
        assert [item.name for item in checkpoint.skipped] == ["net"]
        assert what in checkpoint.skipped[0].reason


def test_files_in_files_in_files_come_to_an_end(tmp_path: Path) -> None:
    data = LSTM
    for level in range(1, 9):
        checkpoint = of(tmp_path, {"w": data})
        assert bool(checkpoint.tensors) == (level <= MAX_NESTING)
        assert bool(checkpoint.skipped) == (level > MAX_NESTING)
        buffer = io.BytesIO()
        torch.save({"w": data}, buffer)
        data = buffer.getvalue()


def test_the_same_bytes_over_and_over(tmp_path: Path) -> None:
    """They are opened once; walked through each time, until the budget says no."""
    assert len(of(tmp_path, dict.fromkeys(range(100), LSTM)).tensors) == 400
    with pytest.raises(RnndiagError, match="RD004"):
        of(tmp_path, dict.fromkeys(range(100_000), LSTM))


class Trap:
    """Touches a marker when a trusting load makes it."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.marker),)


def test_nothing_in_them_is_run(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    for legacy in (False, True):
        buffer = io.BytesIO()
        trap = {"a": Trap(marker), "w": torch.ones(2)}
        torch.save(trap, buffer, _use_new_zipfile_serialization=not legacy)
        checkpoint = of(tmp_path, {"net": buffer.getvalue()})
        assert "posix.mkdir" in checkpoint.would_import
        assert list(checkpoint.tensors) == ["net.w"]
        assert not marker.exists()
        torch.load(io.BytesIO(buffer.getvalue()), weights_only=False)
        marker.rmdir()
