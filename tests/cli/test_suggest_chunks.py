"""The chunk curve against training that really detaches: every loss, every place to cut."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
import torch
from cli.command import rnndiag, save
from torch import nn

from rnndiag import capture

STEPS = 14


def chunked_gradient(model, inputs, loss, every, first_cut):
    """One pass with the state carried on and detached at first_cut and every so many steps."""
    model.zero_grad()
    cuts = [0, *range(first_cut, STEPS, every), STEPS]
    state = None
    for start, end in itertools.pairwise(cuts):
        output, new = model(inputs[start:end], state)
        sum(loss(output[t - start], t) for t in range(start, end)).backward()
        state = tuple(s.detach() for s in new) if isinstance(new, tuple) else new.detach()
    return torch.cat([p.grad.flatten() for p in model.parameters()]).numpy()


@pytest.mark.parametrize("kind", [nn.RNN, nn.GRU, nn.LSTM])
def test_a_chunks_bias_is_that_of_training_in_chunks(kind, tmp_path):
    """The mean over where the first cut falls: the law's losses see 1 … C lags equally often."""
    torch.manual_seed(5)
    model, inputs = kind(3, 4, 2).double(), torch.randn(STEPS, 2, 3, dtype=torch.float64)
    weights = torch.randn(STEPS, 4, dtype=torch.float64)
    loss = lambda output, t: (output @ weights[t]).tanh().square().mean()
    with capture(model) as probe:
        output = model(inputs)[0]
        sum(loss(output[t], t) for t in range(STEPS)).backward()
    probe.save(str(tmp_path / "probe.safetensors"))
    path = save(tmp_path / "model.pt", model)
    arguments = "--probe", tmp_path / "probe.safetensors", "--bias", "0.9", "--format", "json"
    advice = json.loads(rnndiag("suggest", path, *arguments).stdout)["files"][0]["advice"]
    assert advice["truncation"]["loss_steps"] == [STEPS, STEPS]
    whole = chunked_gradient(model, inputs, loss, STEPS, STEPS)
    for every in (1, 2, 5):
        cut = [chunked_gradient(model, inputs, loss, every, 1 + k) for k in range(every)]
        bias = np.linalg.norm(np.mean(cut, axis=0) - whole) / np.linalg.norm(whole)
        # The JSON has twelve digits; a small bias is the root of a difference.
        assert advice["truncation"]["curve"]["chunk_bias"][every - 1] == pytest.approx(
            bias, rel=1e-10
        )
