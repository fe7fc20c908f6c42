"""Known answers: networks built as ground_truth.json says, saved by torch, run by the command."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from cli.command import rnndiag

# The JSON has twelve significant digits: a value may be off by 5e-13 relative, and a logarithm of
# size ten by 5e-12 in its argument. Added to every case's own tolerance.
PRINTED = 5e-12


def public_cases(shared):
    """Every case whose answer is meant to be seen, by its id."""
    cases = json.loads((shared / "ground_truth.json").read_text(encoding="utf-8"))
    return {case["id"]: case for case in cases if not case["held_out"]}


def plain(kind, input_size, hidden_size, weights, **options):
    """A torch module in float64: zero but for the given parameters."""
    module = kind(input_size, hidden_size, **options).double()
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            parameter.zero_().add_(torch.as_tensor(weights.get(name, 0.0), dtype=torch.float64))
    return module


class Runner:
    """Saves a module once, and runs commands on it."""

    def __init__(self, folder, module):
        self.folder = folder
        self.relu = getattr(module, "nonlinearity", "") == "relu"
        torch.save(module.state_dict(), folder / "model.pt")

    def file(self, command, *options):
        """What a command says of the file, as JSON."""
        declared = ["--as", "*weight_hh*=rnn:relu"] if self.relu else []
        arguments = (command, "model.pt", "--format", "json", *declared, *options)
        return self.parsed(rnndiag(*arguments, folder=self.folder))

    @staticmethod
    def parsed(ran):
        """The only file of a run that went well."""
        assert (ran.returncode, ran.stderr) == (0, "")
        (file,) = json.loads(ran.stdout)["files"]
        return file

    def run(self, command, *options):
        """Its layers."""
        return self.file(command, *options)["layers"]

    def spectrum(self):
        (layer,) = self.run("spectrum")
        return layer["spectrum"]

    def trace(self, steps, inputs=None, h_0=0.0, c_0=None, cotangent=1.0, width=1):
        """The traced layers' only drives; arrays are filled up to the needed shape."""
        count = int(np.shape(h_0)[0]) if np.ndim(h_0) == 3 else 1
        states = {"h_0": np.broadcast_to(h_0, (count, 1, width)).astype(float)}
        if c_0 is not None:
            states["c_0"] = np.full((1, 1, width), c_0)
        np.savez(self.folder / "states.npz", **states)
        np.save(self.folder / "cotangent.npy", np.broadcast_to(cotangent, (1, 1, width)) + 0.0)
        np.save(self.folder / "inputs.npy", np.full((steps, 1, 1), inputs or 0.0))
        layers = self.run(
            *("bptt-trace", "--seq-len", str(steps), "--input", "inputs.npy"),
            *("--initial-state", "states.npz", "--cotangent", "cotangent.npy"),
        )
        return [layer["trace"]["drives"][0] for layer in layers]


def close(case, key, found):
    """Whether a number is within the case's tolerance, relative, of what is expected."""
    tolerance = case["tol"] + PRINTED
    expected = case["value"][key]
    assert found == pytest.approx(expected, rel=tolerance, abs=tolerance if not expected else 0.0)
