"""Gradient norms: those of the whole accumulated gradient, before whatever the user does to it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

import rnndiag
from rnndiag.probe import load_probe


class Tagger(nn.Module):
    def __init__(self, sparse=False):
        super().__init__()
        self.embed = nn.Embedding(6, 3, sparse=sparse)
        self.rnn = nn.GRU(3, 4)
        self.unused = nn.Linear(2, 2)
        self.readout = nn.Linear(4, 1)

    def forward(self, symbols):
        return self.readout(self.rnn(self.embed(symbols))[0])


def draw():
    return torch.randint(6, (5, 2))


def whole(model):
    """‖∂L/∂θ‖ as it is now, in float64."""
    dense = [p.grad.to_dense() for p in model.parameters() if p.grad is not None]
    return math.sqrt(sum(float(g.double().square().sum()) for g in dense))


# float32 norms of some hundred numbers.
EXACT = 1e-6


def test_norms_are_those_before_clipping_and_stepping(tmp_path):
    torch.manual_seed(0)
    model = Tagger()
    optimizer, expected, of_readout = torch.optim.SGD(model.parameters(), 0.5), [], []
    with rnndiag.capture(model) as probe:
        for _ in range(4):
            optimizer.zero_grad()
            model(draw()).square().sum().backward()
            expected.append(whole(model))
            of_readout.append(float(model.readout.weight.grad.norm()))
            nn.utils.clip_grad_norm_(model.parameters(), 1e-3)
            optimizer.step()
    assert probe.gradient_norms == pytest.approx(expected, rel=EXACT)
    probe.save(str(tmp_path / "probe.safetensors"))
    loaded = load_probe(str(tmp_path / "probe.safetensors"))
    assert loaded.gradient_norms == probe.gradient_norms
    assert loaded.parameter_norms["readout.weight"] == pytest.approx(of_readout, rel=EXACT)
    assert set(loaded.parameter_norms) == {name for name, _ in model.named_parameters()}
    assert np.isnan(loaded.parameter_norms["unused.weight"]).all()


@pytest.mark.parametrize("set_to_none", [True, False])
def test_accumulated_gradients_are_one_step(set_to_none):
    torch.manual_seed(0)
    model, expected = Tagger(), []
    with rnndiag.capture(model) as probe:
        for _ in range(2):
            model.zero_grad(set_to_none)
            for _ in range(3):
                model(draw()).sum().backward()
            expected.append(whole(model))
    assert probe.gradient_norms == pytest.approx(expected, rel=EXACT)
    assert [sequence.step for sequence in probe._sequences] == [0, 0, 0, 1, 1, 1]


def test_two_losses_of_one_graph_add_up():
    torch.manual_seed(0)
    module = nn.LSTM(2, 3).double()
    x = torch.randn(4, 2, 2, dtype=torch.float64)
    with rnndiag.capture(module) as probe:
        output = module(x)[0]
        output.sum().backward(retain_graph=True)
        output.square().sum().backward()
    (sequence,) = probe._sequences
    expected = 1.0 + 2.0 * output.detach()
    torch.testing.assert_close(sequence.tensors()["dL_dy"], expected, rtol=1e-14, atol=0.0)
    assert probe.gradient_norms == pytest.approx([whole(module)], rel=1e-14)


def test_an_embeddings_sparse_gradient_counts():
    torch.manual_seed(0)
    model = Tagger(sparse=True)
    with rnndiag.capture(model) as probe:
        for _ in range(2):
            model.zero_grad()
            model(draw()).sum().backward()
    assert probe.gradient_norms[-1] == pytest.approx(whole(model), rel=EXACT)


def test_a_norm_in_half_precision_is_summed_in_a_wider_one():
    model = nn.RNN(2, 64).bfloat16()
    with rnndiag.capture(model) as probe:
        (1e15 * model(torch.ones(3, 1, 2, dtype=torch.bfloat16))[0].sum()).backward()
    # bfloat16 rounds to 8 bits; its norm's square would lose all of them.
    assert probe.gradient_norms[0] == pytest.approx(whole(model), rel=1e-2)


def test_an_optimizer_inside_the_backward_pass_is_seen_through():
    """The optimizer-in-backward recipe takes each gradient away as soon as it is there."""
    torch.manual_seed(0)
    model = nn.GRU(2, 3)
    with rnndiag.capture(model) as probe:
        optimizers = {p: torch.optim.SGD([p], 0.1) for p in model.parameters()}

        def step(parameter):
            optimizers[parameter].step()
            parameter.grad = None

        handles = [p.register_post_accumulate_grad_hook(step) for p in model.parameters()]
        for _ in range(3):
            model(torch.ones(4, 1, 2))[0].sum().backward()
    for handle in handles:
        handle.remove()
    assert len(probe.gradient_norms) == 3
    assert all(norm > 0 for norm in probe.gradient_norms)


def test_losses_are_those_that_were_noted(tmp_path):
    module = nn.RNN(1, 2)
    with rnndiag.capture(module) as probe:
        loss = module(torch.ones(2, 1, 1))[0].sum()
        assert probe.loss(loss) is loss
        loss.backward()
        probe.loss(2.5)
    probe.save(str(tmp_path / "probe.safetensors"))
    losses = load_probe(str(tmp_path / "probe.safetensors")).losses
    assert losses == pytest.approx((float(loss.detach()), 2.5))
