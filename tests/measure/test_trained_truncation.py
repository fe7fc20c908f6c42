"""On networks that learnt to recall the symbol of 12 steps ago: lags advised against brute force.

Brute force is torch's own modules, trained here, on fresh sequences: the loss of the last step and
one truncated backward pass for every number of lags.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from measure.from_torch import cells_of
from torch import nn
from torch.nn import functional

from rnndiag.advice.lengths import lags_for
from rnndiag.measure.lag_gradients import Losses, measure_lag_gradients
from rnndiag.measure.truncation import TruncationCurves
from rnndiag.rollout import run_stack

DELAY, HIDDEN, STEPS = 12, 24, 80
BIAS = 0.1


class Recall(nn.Module):
    """One of two symbols comes in, and the one of 12 steps ago is to go out."""

    def __init__(self, kind):
        super().__init__()
        self.rnn = kind(2, HIDDEN)
        self.readout = nn.Linear(HIDDEN, 2)
        with torch.no_grad():
            if kind is nn.RNN:  # from the default's weights it takes far more steps
                nn.init.orthogonal_(self.rnn.weight_hh_l0)
            if kind is nn.LSTM:
                self.rnn.bias_ih_l0[HIDDEN : 2 * HIDDEN] = math.log(DELAY)

    def losses(self, symbols_tb):
        inputs = functional.one_hot(symbols_tb, 2).to(self.readout.weight)
        output = self.readout(self.rnn(inputs)[0])
        return functional.cross_entropy(
            output[DELAY:].flatten(0, 1), symbols_tb[:-DELAY].flatten(), reduction="none"
        )


KINDS = [nn.RNN, pytest.param(nn.GRU, marks=pytest.mark.exhaustive), nn.LSTM]
"""One without gates and one with; the third takes as long again."""


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: kind.__name__)
def trained(request):
    """A network that recalls, in float64, and the lags it needs on sequences of its own."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # for matrices this small more are slower, on a busy machine a lot
    model = train(request.param)
    yield model, brute_force(model, symbols(2, 256))
    torch.set_num_threads(threads)


def train(kind):
    """Until hardly anything is left to learn, within some seconds."""
    torch.manual_seed(0)
    model = Recall(kind)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    loss = torch.tensor(math.inf)
    for _ in range(2000):
        if loss.item() < 0.02:
            return model.double()
        loss = model.losses(torch.randint(2, (40, 32))).mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    raise AssertionError(f"not learnt in 2000 steps: {loss.item()}")


def symbols(seed, batch):
    return torch.randint(2, (STEPS, batch), generator=torch.Generator().manual_seed(seed))


def brute_force(model, symbols_tb):
    """K(0.1) of the mean loss at the last step: one run per K."""
    inputs = functional.one_hot(symbols_tb, 2).double()
    gradients = []
    for lags in range(1, STEPS + 1):
        state = None
        if lags < STEPS:
            with torch.no_grad():
                state = model.rnn(inputs[:-lags])[1]
        output = model.readout(model.rnn(inputs[-lags:], state)[0][-1])
        loss = functional.cross_entropy(output, symbols_tb[-1 - DELAY])
        parts = torch.autograd.grad(loss, list(model.rnn.parameters()))
        gradients.append(torch.cat([part.flatten() for part in parts]).numpy())
    whole = gradients[-1]
    bias = np.linalg.norm(np.array(gradients) - whole, axis=1) / np.linalg.norm(whole)
    return lags_for(bias, BIAS)


def measured(model, symbols_tb, cotangent_nbh, independent):
    inputs = functional.one_hot(symbols_tb, 2).double().numpy()
    cells = cells_of(model.rnn)
    states = [[np.zeros((inputs.shape[1], cells[0][0].state_size))]]
    runs = [run for (run,) in run_stack(cells, inputs, states)]
    losses = Losses.at_the_end(STEPS, cotangent_nbh, independent)
    return lags_for(TruncationCurves(measure_lag_gradients(runs, losses).whole).sliding.bias, BIAS)


def loss_gradient(model, symbols_tb):
    """∂L/∂h at the last step, of the mean loss, (1, batch, hidden)."""
    inputs = functional.one_hot(symbols_tb, 2).double()
    last = model.rnn(inputs)[0][-1].detach().requires_grad_()
    functional.cross_entropy(model.readout(last), symbols_tb[-1 - DELAY]).backward()
    return last.grad.numpy()[None]


def test_lags_on_known_losses_are_those_of_brute_force(trained):
    """On one batch they are the same numbers; on another, within a factor of 1.5."""
    model, elsewhere = trained
    batch = symbols(1, 256)
    lags = measured(model, batch, loss_gradient(model, batch), independent=False)
    assert lags == brute_force(model, batch)
    assert DELAY < lags < STEPS
    assert 1 / 1.5 <= lags / elsewhere <= 1.5


def test_lags_on_random_loss_gradients_are_near_brute_force(trained):
    """The heuristic, where the loss is not known but the inputs are."""
    model, elsewhere = trained
    seed = np.random.default_rng(3).standard_normal((1, 64, HIDDEN))
    lags = measured(model, symbols(1, 64), seed, independent=True)
    assert 1 / 1.5 <= lags / elsewhere <= 1.5
