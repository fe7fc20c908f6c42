"""Dynamically quantised layers: names as PyTorch's, values those that were quantised."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from rnndiag.containers import read
from rnndiag.containers.checkpoint import StoredTensor
from rnndiag.containers.packed_layers import unpacked
from rnndiag.recognise import recognise

pytestmark = pytest.mark.filterwarnings("ignore")


def quantised(layer: torch.nn.Module) -> torch.nn.Module:
    model = torch.nn.Sequential(layer)
    return torch.ao.quantization.quantize_dynamic(model, {type(layer)}, dtype=torch.qint8)


CASES = [
    (torch.nn.LSTM, 3, 1, False),
    (torch.nn.LSTM, 3, 2, False),
    (torch.nn.LSTM, 3, 1, True),
    (torch.nn.GRU, 3, 3, True),
    (torch.nn.GRU, 4, 3, False),
]


@pytest.mark.parametrize("form", ["state", "module", "script"])
@pytest.mark.parametrize(("kind", "inputs", "layers", "both"), CASES)
def test_names_and_values(
    tmp_path: Path, kind: type[torch.nn.RNNBase], inputs: int, layers: int, both: bool, form: str
) -> None:
    torch.manual_seed(0)
    layer = kind(inputs, 4, layers, bidirectional=both)
    model = quantised(layer)
    path = str(tmp_path / "model.pt")
    if form == "script":
        torch.jit.script(model).save(path)
    else:
        torch.save(model.state_dict() if form == "state" else model, path)
    checkpoint = read(path)
    for name, expected in layer.state_dict().items():
        stored = checkpoint.tensors[f"0.{name}"]
        assert stored.dtype == "float32"
        # A step of the quantisation is at most range / 127.
        np.testing.assert_allclose(stored.load(), expected.numpy(), atol=0.51 / 127)
    assert any("0.weight_hh_l0 is quantised" in note for note in checkpoint.notes)
    module = recognise(checkpoint).modules[0]
    assert len(module.flat) == layers * (1 + both)


def test_two_layers_that_look_like_two_directions_keep_their_names(tmp_path: Path) -> None:
    path = str(tmp_path / "model.pt")
    torch.save(quantised(torch.nn.LSTM(4, 4, 2)).state_dict(), path)
    assert all("_all_weight_values" in name for name in read(path).tensors)


def test_a_name_that_is_taken_leaves_everything_as_it_is() -> None:
    def stored(place: int) -> StoredTensor:
        return StoredTensor("float32", (12, 4), (place,), lambda: np.zeros((12, 4)))

    part = "_all_weight_values.0.param.0.4.0.0.0"
    tensors = {part: stored(0), "weight_ih_l0": stored(1)}
    assert unpacked(tensors, {}) == tensors
    assert list(unpacked({part: stored(0)}, {})) == ["weight_ih_l0"]
    assert list(unpacked({"x." + part[:-2]: stored(0)}, {})) == ["x." + part[:-2]]


@pytest.mark.parametrize("part", ["0.1.0", "0.4.0.0.0", "0.4.1.0.0"])
@pytest.mark.parametrize("shape", [(), (3,), (2, 2, 2)])
def test_parts_that_are_no_matrices_keep_their_names(part: str, shape: tuple[int, ...]) -> None:
    tensors = {
        f"x_all_weight_values.{entry}.param.{part}": StoredTensor(
            "float32", shape, (entry,), lambda: np.zeros(shape)
        )
        for entry in (0, 1)
    }
    assert unpacked(tensors, {}) == tensors
