"""Verdicts as on a network's own data: its own units, its own length, its own activation."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from cli.command import rnndiag, save
from torch import nn

from rnndiag import capture


def judged(folder, *arguments, select="RD301,RD303,RD304"):
    """Exit code and codes of a gate."""
    ran = rnndiag("check", *arguments, "--select", select, "--format", "json", folder=folder)
    assert ran.returncode in {0, 1}, ran.stderr
    findings = json.loads(ran.stdout)["files"][0]["findings"]
    return ran.returncode, [found["code"] for found in findings]


def traced(folder, *arguments):
    ran = rnndiag("bptt-trace", *arguments, "--format", "json", folder=folder)
    assert ran.returncode == 0, ran.stderr
    return [layer["trace"] for layer in json.loads(ran.stdout)["files"][0]["layers"]]


def zeroed(module):
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()
    return module


def trained(scale: float, gain: float, steps: int = 30):
    """A tanh network on inputs of some mean square, after a few steps of Adam."""
    torch.manual_seed(0)
    model = nn.ModuleDict({"rnn": nn.RNN(2, 32), "out": nn.Linear(32, 1)})
    with torch.no_grad():
        model["rnn"].weight_hh_l0.normal_(std=gain / 32**0.5)
        model["rnn"].weight_ih_l0.div_(scale)
    optimizer = torch.optim.Adam(
        [
            {"params": model["rnn"].weight_ih_l0, "lr": 1e-3 / scale},
            {"params": [*[*model["rnn"].parameters()][1:], *model["out"].parameters()]},
        ]
    )
    for _ in range(steps):
        x = torch.randn(20, 8, 2)
        loss = (model["out"](model["rnn"](x * scale)[0])[-1] - x[-5, :, :1]).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model, optimizer


@pytest.mark.parametrize("gain", [1.0, 3.5])
@pytest.mark.parametrize("unit", [2.0**-10, 2.0**8])
def test_the_same_function_in_other_units_has_the_same_curves(tmp_path, gain, unit):
    """x · unit with W_ih / unit, and what Adam keeps of it accordingly: powers of two are exact."""
    model, optimizer = trained(1.0, gain)
    whole = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
    torch.save(whole, tmp_path / "one.pt")
    with torch.no_grad():
        weight = model["rnn"].weight_ih_l0
        weight.div_(unit)
        optimizer.state[weight]["exp_avg"].mul_(unit)
        optimizer.state[weight]["exp_avg_sq"].mul_(unit**2)
    whole = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
    torch.save(whole, tmp_path / "other.pt")
    found = [traced(tmp_path, name, "--as", "*hh*=rnn:tanh")[0] for name in ("one.pt", "other.pt")]
    # 1 / unit² and its roots are exact, and so is every product that undoes them.
    for one, other in zip(found[0]["drives"], found[1]["drives"], strict=True):
        assert one["deciding"] == other["deciding"]
        np.testing.assert_allclose(
            one["log10_gradient_norm"], other["log10_gradient_norm"], rtol=1e-9, atol=1e-9
        )
    assert found[0]["verdict"] == found[1]["verdict"]
    assert judged(tmp_path, "one.pt") == judged(tmp_path, "other.pt")


def test_raw_inputs_are_taken_from_the_optimizer_and_said(tmp_path):
    model, optimizer = trained(200.0, 1.0)
    whole = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
    torch.save(whole, tmp_path / "m.pt")
    shown = rnndiag("inspect", "m.pt", "--format", "json", folder=tmp_path)
    scale = json.loads(shown.stdout)["files"][0]["layers"][0]["in_training"]
    # 92 % of 175 trainings are within a factor of 3.
    assert (np.abs(np.log(np.array(scale["input_rms"]) / 200.0)) < math.log(3.0)).all()
    drives = traced(tmp_path, "m.pt")[0]["drives"]
    source = next(drive["source"] for drive in drives if drive["drive"] == "normal")
    assert "from Adam's state" in source


def transient(path, hidden=12):
    """At rest J = 0.9 I + 0.4 N exactly, all eigenvalues 0.9: ‖J^k‖_F/√H is 160,000 at k = 108."""
    module = zeroed(nn.GRU(1, hidden))
    with torch.no_grad():
        module.bias_ih_l0[hidden : 2 * hidden] = math.log(9)
        module.weight_hh_l0[2 * hidden :] = 8 * torch.diag(torch.ones(hidden - 1), 1)
        module.weight_ih_l0.fill_(1e-6)
    return save(path, module)


@pytest.mark.parametrize("steps", [60, 100, 150, 200, 400])
def test_growth_is_explosion_at_every_length_and_chaos_at_none(tmp_path, steps):
    transient(tmp_path / "m.pt")
    found = judged(tmp_path, "m.pt", "--seq-len", steps, "--initial-state", "zero")
    assert found == (1, ["RD301"])


def test_a_gradient_that_was_large_is_not_said_to_vanish(tmp_path):
    transient(tmp_path / "m.pt")
    options = ("--seq-len", 600, "--initial-state", "zero")
    ran = rnndiag("bptt-trace", "m.pt", *options, "--format", "table", folder=tmp_path)
    assert "Vanishing" not in ran.stdout
    assert "Clipping does not help" not in ran.stdout
    assert judged(tmp_path, "m.pt", *options, select="RD302") == (0, [])


def two_layers(path, lower, upper, between, nonlinearity="tanh", bias=0.0):
    module = zeroed(nn.RNN(1, 4, num_layers=2, nonlinearity=nonlinearity))
    with torch.no_grad():
        module.weight_hh_l0.copy_(lower * torch.eye(4))
        module.weight_hh_l1.copy_(upper * torch.eye(4))
        module.weight_ih_l1.copy_(between * torch.eye(4))
        module.weight_ih_l0.fill_(1.0 if bias == 0.0 else 0.0)
        module.bias_ih_l0.fill_(bias)
        module.bias_ih_l1.fill_(bias)
    return save(path, module)


def test_the_weights_between_two_layers_are_no_growth_through_time(tmp_path):
    """1.003^200 = 1.82; the 800 of W_ih_l1 multiply every lag alike."""
    two_layers(tmp_path / "m.pt", 1.003, 0.2, 800.0, "relu", bias=1.0)
    relu = ("--as", "*hh*=rnn:relu")
    assert judged(tmp_path, "m.pt", *relu) == (0, [])
    lower = traced(tmp_path, "m.pt", *relu, "--input", "zero")[0]["drives"][0]
    # The lower layer's sum over both ways back settles at 1/(1 − 0.2/1.003) = 1.25 times as much.
    assert lower["growth_log10"] == pytest.approx(math.log10(1.003**200 * 1.2491), abs=0.01)


def test_a_certificate_is_given_to_a_layer_with_nothing_above_it(tmp_path):
    two_layers(tmp_path / "m.pt", 0.5, 0.999, 1.0)
    ran = rnndiag("check", "m.pt", "--select", "RD201", "--format", "json", folder=tmp_path)
    (found,) = json.loads(ran.stdout)["files"][0]["findings"]
    assert found["layer"] == "(root)/1/forward"


def test_a_probe_settles_what_the_file_does_not_say(tmp_path):
    torch.manual_seed(0)
    module = nn.RNN(2, 16, nonlinearity="relu")
    with torch.no_grad():
        module.weight_hh_l0.copy_(1.6 * torch.eye(16))
    with capture(module) as probe:
        module(torch.randn(40, 3, 2))[0][-1].sum().backward()
    probe.save(str(tmp_path / "p.safetensors"))
    save(tmp_path / "m.pt", module)
    assert judged(tmp_path, "m.pt") == (0, ["RD303"])
    assert judged(tmp_path, "m.pt", "--as", "*hh*=rnn:relu") == (1, ["RD301"])
    assert judged(tmp_path, "m.pt", "--probe", "p.safetensors") == (1, ["RD301"])
    declared = ("--probe", "p.safetensors", "--as", "*hh*=rnn:tanh")
    assert rnndiag("check", "m.pt", *declared, folder=tmp_path).returncode == 2


def test_an_assumed_length_is_called_assumed_in_every_format(tmp_path):
    torch.manual_seed(0)
    module = nn.RNN(6, 64)
    nn.init.normal_(module.weight_hh_l0, std=2.5 / 8)
    nn.init.normal_(module.weight_ih_l0, std=0.05)
    save(tmp_path / "m.pt", module)
    for form in ("concise", "table", "github", "markdown", "json", "sarif", "junit"):
        ran = rnndiag("check", "m.pt", "--select", "RD301", "--format", form, folder=tmp_path)
        assert ran.returncode == 1
        assert "200 steps (assumed)" in " ".join(ran.stdout.split()), form
        assert "synthetic" in ran.stdout
        given = ("--seq-len", 10)
        ran = rnndiag(
            "check", "m.pt", "--select", "RD301", *given, "--format", form, folder=tmp_path
        )
        assert ran.returncode == 0


def test_a_latch_keeps_its_bits_and_not_its_gradient(tmp_path):
    """Two stable states a unit: a bit stays for ever, its gradient for three steps."""
    module = zeroed(nn.RNN(3, 3))
    with torch.no_grad():
        module.weight_hh_l0.copy_(2 * torch.eye(3))
        module.weight_ih_l0.copy_(6 * torch.eye(3))
    save(tmp_path / "m.pt", module)
    tanh = ("--as", "*hh*=rnn:tanh")
    ran = rnndiag("bptt-trace", "m.pt", *tanh, "--format", "table", folder=tmp_path)
    assert "a state that has settled somewhere may keep a value for longer" in " ".join(
        ran.stdout.split()
    )


def test_csv_says_what_each_row_stands_on(tmp_path):
    save(tmp_path / "m.pt", nn.GRU(3, 4))
    ran = rnndiag("bptt-trace", "m.pt", "--seq-len", 30, "--format", "csv", folder=tmp_path)
    header, first, *_ = ran.stdout.splitlines()
    found = dict(zip(header.split(","), first.split(","), strict=True))
    assert (found["basis"], found["length_basis"]) == ("synthetic", "given")
