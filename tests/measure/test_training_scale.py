"""What an optimizer remembers of inputs and states: exact for independent gradients, else near."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from rnndiag.containers import read
from rnndiag.measure.training_scale import training_scales
from rnndiag.recognise import recognise

SEEN = torch.tensor([0.25, 8.0, 300.0])
KEPT = torch.tensor([0.5, 0.25, 1.0, 0.125])
"""Root mean squares of three features and four units."""


def scales_of(path):
    checkpoint = read(str(path))
    return training_scales(recognise(checkpoint).modules, checkpoint)


def saved(path, model, optimizer):
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, path)
    return path


def with_moments(path, module, optimizer_class, key, initial=0.0):
    """A file whose second moments are those of independent δ: E[δ²] x² for W_ih, E[δ²] for b_ih."""
    optimizer = optimizer_class(module.parameters())
    module(torch.randn(2, 1, 3))[0].sum().backward()
    optimizer.step()
    rows = len(module.bias_ih_l0)
    delta = torch.linspace(0.1, 2.0, rows)
    through = delta.clone()
    if isinstance(module, nn.GRU):
        through[8:] *= 0.01  # r multiplies what reaches the candidate's hidden side
    moments = {
        "weight_ih_l0": delta[:, None] * SEEN.square(),
        "weight_hh_l0": through[:, None] * KEPT.square(),
        "bias_ih_l0": delta,
        "bias_hh_l0": through,
    }
    for name, parameter in module.named_parameters():
        optimizer.state[parameter][key] = moments[name] + initial
    return saved(path, nn.ModuleDict({"rnn": module}), optimizer)


@pytest.mark.parametrize("cell", [nn.RNN, nn.GRU, nn.LSTM])
@pytest.mark.parametrize(
    ("optimizer", "key", "title"),
    [
        (torch.optim.Adam, "exp_avg_sq", "Adam's state"),
        (torch.optim.RMSprop, "square_avg", "RMSprop's state"),
        (torch.optim.Adadelta, "square_avg", "Adadelta's state"),
        (torch.optim.Adagrad, "sum", "Adagrad's state"),
    ],
)
def test_independent_gradients_are_told_exactly(tmp_path, cell, optimizer, key, title):
    path = with_moments(tmp_path / "m.pt", cell(3, 4), optimizer, key)
    (scale,) = scales_of(path).values()
    # Moments are float32: 1e-7 of each of a dozen.
    np.testing.assert_allclose(scale.inputs, SEEN, rtol=1e-6)
    assert scale.hidden == pytest.approx(float(KEPT.square().mean().sqrt()), rel=1e-6)
    assert scale.said_by == title


def test_the_mean_of_raw_inputs_is_told_by_first_moments(tmp_path):
    """m(W_ih) = m(b_ih) ⊗ μ exactly; and where rows share no such factor, no mean is said."""
    module = nn.GRU(3, 4)
    path = with_moments(tmp_path / "m.pt", module, torch.optim.Adam, "exp_avg_sq")
    whole = torch.load(path)
    state = whole["optimizer"]["state"]
    mean = torch.tensor([0.2, -8.0, 299.0])
    state[0]["exp_avg"] = state[2]["exp_avg"][:, None] * mean
    torch.save(whole, path)
    (scale,) = scales_of(path).values()
    np.testing.assert_allclose(scale.mean, mean, rtol=1e-5)
    state[0]["exp_avg"] = torch.tensor([1.0, -1.0] * 6)[:, None].expand(12, 3).clone()
    state[2]["exp_avg"] = torch.ones(12)
    torch.save(whole, path)
    (scale,) = scales_of(path).values()
    assert scale.mean.tolist() == [0.0, 0.0, 0.0]


def test_adagrads_initial_value_is_no_gradient(tmp_path):
    def adagrad(parameters):
        return torch.optim.Adagrad(parameters, initial_accumulator_value=0.5)

    path = with_moments(tmp_path / "m.pt", nn.RNN(3, 4), adagrad, "sum", initial=0.5)
    (scale,) = scales_of(path).values()
    np.testing.assert_allclose(scale.inputs, SEEN, rtol=1e-5)  # 0.1 · 0.25² + 0.5 in float32


@pytest.mark.parametrize("module", [nn.RNN(3, 4, bias=False), nn.LSTM(3, 4)], ids=["plain", "sgd"])
def test_what_is_not_told_is_not_guessed(tmp_path, module):
    momentum = torch.optim.SGD(module.parameters(), lr=0.1, momentum=0.9)
    adam = torch.optim.Adam(module.parameters())
    for optimizer in (momentum,) if module.bias else (momentum, adam):
        module(torch.randn(5, 2, 3))[0].sum().backward()
        optimizer.step()
        assert scales_of(saved(tmp_path / "m.pt", nn.ModuleDict({"a": module}), optimizer)) == {}


@pytest.mark.parametrize("scale", [0.01, 1.0, 50.0])
def test_a_trained_network_remembers_its_inputs(tmp_path, scale):
    """Within a factor of 2, as 80 % of 175 trainings; these are such."""
    torch.manual_seed(0)
    model = nn.ModuleDict({"rnn": nn.LSTM(2, 16), "out": nn.Linear(16, 1)})
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    states = []
    for _ in range(150):
        x = torch.randn(20, 16, 2) * torch.tensor([scale, 4.0 * scale])
        target = x[:-2, :, :1].sign() * x[:-2, :, 1:].sign()
        h = model["rnn"](x)[0]
        loss = (model["out"](h[2:]) - target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        states.append(h.detach().square().mean())
    (found,) = scales_of(saved(tmp_path / "m.pt", model, optimizer)).values()
    assert (np.abs(np.log2(found.inputs / (scale * np.array([1.0, 4.0])))) < 1.0).all()
    assert abs(np.log2(found.hidden / float(torch.stack(states[-50:]).mean().sqrt()))) < 1.0


def test_an_optimizer_in_a_file_of_its_own(tmp_path):
    module = nn.ModuleDict({"rnn": nn.RNN(3, 4)})
    path = with_moments(tmp_path / "m.pt", module["rnn"], torch.optim.Adam, "exp_avg_sq")
    whole = torch.load(path)
    torch.save(whole["model"], tmp_path / "model.pt")
    torch.save(whole["optimizer"], tmp_path / "optimizer.pt")
    model, optimizer = (read(str(tmp_path / f"{name}.pt")) for name in ("model", "optimizer"))
    modules = recognise(model).modules
    assert training_scales(modules, model) == {}
    (scale,) = training_scales(modules, model, optimizer).values()
    np.testing.assert_allclose(scale.inputs, SEEN, rtol=1e-6)
