"""--readout: the loss sees the module through a linear layer of the file."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torch import nn

from rnndiag.cli import run

QUICK = ("--seq-len", "20", "--batch", "3", "--input", "normal", "--format", "json")


class Model(nn.Module):
    def __init__(self, sides):
        super().__init__()
        self.rnn = nn.GRU(4, 5, bidirectional=sides == 2).double()
        self.head = nn.Linear(5 * sides, 7).double()


def curves(capsys, *arguments):
    assert run(["bptt-trace", *map(str, arguments), *QUICK]) == 0
    layers = json.loads(capsys.readouterr().out)["files"][0]["layers"]
    return [layer["trace"]["drives"][0]["log10_gradient_norm"] for layer in layers]


@pytest.mark.parametrize("name", ["head", "head.weight"])
@pytest.mark.parametrize("sides", [1, 2])
def test_the_seed_is_the_outputs_gradient_through_the_layer(tmp_path, capsys, sides, name):
    """∂L/∂h = Wᵀ ∂L/∂y, half of W for each direction; the given-cotangent path meets autograd."""
    torch.manual_seed(0)
    model = Model(sides)
    torch.save(model.state_dict(), tmp_path / "m.pt")
    errors = np.random.default_rng([0, 2]).standard_normal((1, 3, 7))
    found = curves(capsys, tmp_path / "m.pt", "--readout", name)
    assert len(found) == sides
    for side, curve in enumerate(found):
        half = model.head.weight.detach().numpy()[:, 5 * side : 5 * side + 5]
        np.save(tmp_path / "seed.npy", errors @ half)
        expected = curves(capsys, tmp_path / "m.pt", "--cotangent", tmp_path / "seed.npy")[side]
        np.testing.assert_allclose(curve, expected, rtol=1e-9)  # twelve digits are written


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("haed", "of width 5 it has head.weight"),
        ("head.bias", "has shape (7,), rnn needs (outputs, 5)"),
    ],
)
def test_what_is_no_readout_is_refused_by_name(tmp_path, capsys, name, word):
    torch.save(Model(1).state_dict(), tmp_path / "m.pt")
    assert run(["bptt-trace", str(tmp_path / "m.pt"), "--readout", name]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "RD007" in said.err
    assert word in said.err
