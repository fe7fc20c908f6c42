"""Which losses of a probe are followed back by lag: all of them, or some where that costs much."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from rnndiag import capture
from rnndiag.analysis import Request, analyse
from rnndiag.containers import read
from rnndiag.measure import probe_trace
from rnndiag.probe import load_probe
from rnndiag.tracing import TraceRequest

STEPS = 20


@pytest.fixture
def grams(tmp_path):
    """A function that measures one recorded network, and its ‖g‖² by autograd."""
    torch.manual_seed(1)
    module = nn.LSTM(2, 3, 2).double()
    with capture(module) as probe:
        module(torch.randn(STEPS, 4, 2, dtype=torch.float64))[0].square().sum().backward()
    probe.save(str(tmp_path / "probe.safetensors"))
    torch.save(module.state_dict(), tmp_path / "model.pt")
    request = Request(
        trace=TraceRequest(probe=load_probe(str(tmp_path / "probe.safetensors")), compare_lags=True)
    )

    def measure():
        (first, *_) = analyse(read(str(tmp_path / "model.pt")), request).layers
        return first.trace.drives[0].lag_gram

    return measure, float(sum(p.grad.square().sum() for p in module.parameters()))


def test_lags_of_all_losses_add_up_to_the_whole_gradient(grams):
    measure, squared_norm = grams
    gram = measure()
    assert gram.loss_steps == (STEPS, STEPS)
    # Known only up to a factor: the power of two that its largest product was scaled by.
    power = torch.log2(torch.tensor(gram.whole.sum() / squared_norm, dtype=torch.float64))
    assert float(power) == pytest.approx(round(float(power)), abs=1e-11)


def test_some_stand_for_all_where_all_cost_too_much(grams, monkeypatch):
    monkeypatch.setattr(probe_trace, "AFFORDABLE", 100)
    gram = grams[0]()
    assert gram.loss_steps == (7, STEPS)  # every third, from the last one back
    assert gram.lags == STEPS
