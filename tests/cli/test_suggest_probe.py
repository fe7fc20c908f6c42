"""`suggest --probe`: truncation and clip value from the losses and gradients that were recorded."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from cli.command import rnndiag, save
from torch import nn

from rnndiag import capture

STEPS = 24


@pytest.fixture(scope="module", params=[(15, 23), range(24)], ids=["two-losses", "at-every-step"])
def recorded(request, tmp_path_factory):
    """A network, its inputs and readout, and what suggest says with its probe."""
    folder = tmp_path_factory.mktemp("probe")
    torch.manual_seed(0)
    model, readout = nn.GRU(3, 6).double(), torch.randn(6, dtype=torch.float64)
    inputs = torch.randn(STEPS, 4, 3, dtype=torch.float64)
    with capture(model) as probe:
        output = model(inputs)[0]
        sum((output[t] @ readout).square().mean() for t in request.param).backward()
    norm = float(torch.sqrt(sum(p.grad.square().sum() for p in model.parameters())))
    probe.save(str(folder / "probe.safetensors"))
    path = save(folder / "model.pt", model)
    ran = rnndiag("suggest", path, "--probe", folder / "probe.safetensors", "--format", "json")
    assert (ran.returncode, ran.stderr) == (0, "")
    advice = json.loads(ran.stdout)["files"][0]["advice"]
    return model, inputs, (readout, request.param), norm, advice


def truncated_gradient(model, inputs, loss, lags):
    """Autograd where every loss sees so many lags: the states before them are constants."""
    model.zero_grad()
    readout, loss_steps = loss
    for t in loss_steps:
        start = max(0, t + 1 - lags)
        state = None
        if start:
            with torch.no_grad():
                state = model(inputs[:start])[1]
        output = model(inputs[start : t + 1], state)[0]
        (output[-1] @ readout).square().mean().backward()
    return torch.cat([p.grad.flatten() for p in model.parameters()]).numpy()


def test_the_bias_is_that_of_the_recorded_losses(recorded):
    model, inputs, loss, _, advice = recorded
    whole = truncated_gradient(model, inputs, loss, STEPS)
    expected = [
        np.linalg.norm(truncated_gradient(model, inputs, loss, lags) - whole)
        / np.linalg.norm(whole)
        for lags in range(1, STEPS + 1)
    ]
    curve = advice["truncation"]["curve"]
    # A bias is the root of a difference: rounding of 1e-16 in the squares is 1e-8 in it.
    np.testing.assert_allclose(curve["sliding_bias"], expected, rtol=1e-9, atol=3e-8)


def test_every_loss_is_followed_back_where_that_is_cheap(recorded):
    _, _, (_, loss_steps), _, advice = recorded
    found = advice["truncation"]["loss_steps"]
    assert found in (None, [len(loss_steps)] * 2)  # None where no length is advised


def test_nothing_is_made_up(recorded):
    truncation = recorded[-1]["truncation"]
    assert truncation["unknown"] == []
    assert truncation["status"] in {"measured", "longer-than-tested"}


def test_the_clip_value_rests_on_the_recorded_norm(recorded):
    *_, norm, advice = recorded
    assert advice["clipping"]["basis"] == "probe"
    assert advice["clipping"]["max_norm"] == pytest.approx(norm, rel=0.05)  # two or three digits
