"""The command's numbers against plain autograd on unrolled torch cells, file to JSON.

Weights are stored in float64, so that nothing is rounded on the way; inputs, initial states and the
loss gradient come from files as a user would give them.
"""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch_oracle import CASES, initial_states, make_module, unrolled_gradients

from rnndiag.cli import run

STEPS, BATCH, COTANGENTS = 25, 3, 2

# Relative error of the gradient's norm: both sides run the same recursion in float64, 25 steps of
# it; and the JSON's twelve digits of a logarithm below 10 leave 1e-11.
EXACT = 1e-10


def write_case(folder, case, layers, bias):
    """Everything in files; returns what torch needs for the same computation."""
    module = make_module(case, bias=bias, num_layers=layers, seed=layers)
    rng = np.random.default_rng(11)
    inputs = rng.standard_normal((STEPS, BATCH, 4))
    states = initial_states(module, BATCH)
    cotangent = rng.standard_normal((COTANGENTS, BATCH, module.proj_size or module.hidden_size))
    torch.save({"model": module.state_dict(), "epoch": 3}, folder / "model.pt")
    np.save(folder / "inputs.npy", inputs)
    names = ["h_0", "c_0"][: len(states[0])]
    joined = [torch.stack(parts).numpy() for parts in zip(*states, strict=True)]
    np.savez(folder / "states.npz", **dict(zip(names, joined, strict=True)))
    np.save(folder / "cotangent.npy", cotangent)
    return module, inputs, states, cotangent


def arguments(folder, module):
    relu = getattr(module, "nonlinearity", "") == "relu"
    return [
        *("bptt-trace", str(folder / "model.pt"), "--format", "json"),
        *("--input", str(folder / "inputs.npy")),
        *("--initial-state", str(folder / "states.npz")),
        *("--cotangent", str(folder / "cotangent.npy")),
        *(["--as", "*weight_hh*=rnn:relu"] if relu else []),
    ]


def autograd(module, inputs, states, cotangent):
    """log10 φ by layer and lag, of h and of c: one backward pass for each loss gradient."""
    passes = [
        unrolled_gradients(module, torch.from_numpy(inputs), states, torch.from_numpy(seed))
        for seed in cotangent
    ]
    size = np.sqrt((cotangent**2).sum(-1).mean())

    def curve(part):
        squares = np.array([getattr(one, part) for one in passes]) ** 2
        return np.sqrt(squares.mean(axis=(0, 3))) / size

    return curve("hidden"), curve("cell") if passes[0].cell is not None else None


def assert_equal(output, module, *rest):
    hidden, cell = autograd(module, *rest)
    layers = json.loads(output)["files"][0]["layers"]
    assert len(layers) == module.num_layers
    for depth, layer in enumerate(layers):
        (drive,) = layer["trace"]["drives"]
        assert drive["lags"] == list(range(STEPS + 1))
        ours = 10 ** np.array(drive["log10_gradient_norm"], dtype=float)
        np.testing.assert_allclose(ours, hidden[depth], rtol=EXACT)
        if cell is None:
            assert drive["log10_cell_gradient_norm"] is None
        else:
            ours = 10 ** np.array(drive["log10_cell_gradient_norm"], dtype=float)
            np.testing.assert_allclose(ours, cell[depth], rtol=EXACT)


@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no-bias"])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("case", CASES)
def test_every_lag_equals_autograd(case, layers, bias, tmp_path, capsys):
    module, *rest = write_case(tmp_path, case, layers, bias)
    assert run(arguments(tmp_path, module)) == 0
    assert_equal(capsys.readouterr().out, module, *rest)


@pytest.mark.parametrize(
    "case", ["gru", pytest.param("lstm-projected", marks=pytest.mark.exhaustive)]
)
def test_every_lag_equals_autograd_in_a_process_of_its_own(case, tmp_path):
    module, *rest = write_case(tmp_path, case, layers=2, bias=True)
    done = subprocess.run(
        [sys.executable, "-m", "rnndiag", *arguments(tmp_path, module)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert_equal(done.stdout, module, *rest)


def test_a_batch_first_input_is_the_same_input(tmp_path, capsys):
    module, inputs, *_ = write_case(tmp_path, "lstm", layers=1, bias=True)
    run(arguments(tmp_path, module))
    expected = json.loads(capsys.readouterr().out)
    np.save(tmp_path / "inputs.npy", inputs.swapaxes(0, 1))
    run([*arguments(tmp_path, module), "--batch-first"])
    assert json.loads(capsys.readouterr().out)["files"] == expected["files"]


def test_float32_weights_are_taken_as_they_are_stored(tmp_path, capsys):
    """A file of float32 equals torch's own values of it, computed on in float64."""
    module, *rest = write_case(tmp_path, "gru", layers=1, bias=True)
    module = module.float()
    torch.save(module.state_dict(), tmp_path / "model.pt")
    assert run(arguments(tmp_path, module)) == 0
    assert_equal(capsys.readouterr().out, module.double(), *rest)
