"""TorchScript against torch.jit: attributes by name, frozen weights, and code that is never run."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from containers.builders import SIX_FLOATS, in_dict, plain_zip, tensor

from rnndiag.containers import read
from rnndiag.errors import InputCode, RnndiagError

pytestmark = pytest.mark.filterwarnings("ignore")


class Net(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.memory = torch.nn.GRU(3, 4, bidirectional=True)
        self.head = torch.nn.Linear(8, 2)
        self.scale = 2.5

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.memory(x)[0]) * self.scale


def test_names_and_values_are_the_state_dictionarys(tmp_path: Path) -> None:
    path = str(tmp_path / "script.pt")
    net = Net()
    torch.jit.script(net).save(path)
    checkpoint = read(path)
    assert checkpoint.container == "torchscript"
    assert checkpoint.values["scale"] == 2.5
    for name, expected in torch.jit.load(path).state_dict().items():
        np.testing.assert_array_equal(checkpoint.tensors[name].load(), expected.numpy())
    assert not any("__torch__" in name for name in checkpoint.would_import)


def test_a_frozen_module_keeps_its_weights_among_the_constants(tmp_path: Path) -> None:
    path = str(tmp_path / "frozen.pt")
    net = Net().eval()
    torch.jit.freeze(torch.jit.script(net)).save(path)
    stored = [t.load() for name, t in read(path).tensors.items() if name.startswith("constants.")]
    weight = net.memory.weight_hh_l0.detach().numpy()
    assert any(values.shape == weight.shape and (values == weight).all() for values in stored)


def test_the_code_is_never_looked_at(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    members = {
        "m/data.pkl": in_dict(tensor((2, 3), (3, 1))),
        "m/data/0": SIX_FLOATS,
        "m/constants.pkl": b"\x80\x02).",
        "m/code/__torch__.py": f"import os\nos.system('touch {marker}')".encode() + b"\xff\0",
    }
    path = plain_zip(tmp_path / "code.pt", members)
    assert read(path).tensors["weight"].load().sum() == 15
    assert not marker.exists()
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("n/data.pkl", members["m/data.pkl"])
    with pytest.raises(RnndiagError) as caught:
        read(path)
    assert caught.value.code is InputCode.REFUSED


def test_constants_have_their_own_storages(tmp_path: Path) -> None:
    """Records of one key in both folders are two storages."""
    members = {
        "m/data.pkl": in_dict(tensor((6,), (1,))),
        "m/data/0": SIX_FLOATS,
        "m/constants.pkl": b"\x80\x04" + tensor((6,), (1,)) + b"\x85.",
        "m/constants/0": bytes(24),
    }
    found = read(plain_zip(tmp_path / "two.pt", members)).tensors
    assert found["weight"].load().sum() == 15
    assert found["constants.0"].load().sum() == 0
    assert found["weight"].identity != found["constants.0"].identity
    del members["m/constants/0"]
    with pytest.raises(RnndiagError, match="m/constants/0 is missing"):
        read(plain_zip(tmp_path / "missing.pt", members))
