"""Which parameters a norm comes from, against gradients that torch gave the optimizer."""

from __future__ import annotations

import pytest
import torch
from advice.training import state
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from rnndiag.advice.norm_shares import norm_shares
from rnndiag.analysis import Request, analyse
from rnndiag.containers import read


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.LSTM(3, 5, num_layers=2, bidirectional=True)
        self.head = nn.Linear(10, 2)

    def forward(self, x):
        return self.head(self.rnn(x)[0])


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A result, and the mean squared gradient of every parameter."""
    torch.manual_seed(0)
    model = Tagger()
    optimizer = torch.optim.Adagrad(model.parameters(), lr=1e-3)
    squares = dict.fromkeys(dict(model.named_parameters()), 0.0)
    for _ in range(7):
        optimizer.zero_grad()
        model(torch.randn(6, 4, 3)).pow(2).sum().backward()
        for name, parameter in model.named_parameters():
            squares[name] += parameter.grad.double().pow(2).sum().item() / 7
        optimizer.step()
    path = tmp_path_factory.mktemp("shares") / "f.pt"
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, path)
    return analyse(read(str(path)), Request()), squares


def test_every_parameters_share(trained):
    result, squares = trained
    total = sum(squares.values())
    shares = norm_shares(result.training_state, result.recognition.modules)
    # float32 moments.
    assert dict(shares.parameters) == pytest.approx(
        {f"model.{name}": square / total for name, square in squares.items()}, rel=1e-5
    )
    assert sum(one.share for one in shares.parameters) == pytest.approx(1.0)
    sizes = [one.share for one in shares.parameters]
    assert sizes == sorted(sizes, reverse=True)


def test_the_recurrences_own_norm(trained):
    result, squares = trained
    own = sum(square for name, square in squares.items() if name.startswith("rnn."))
    shares = norm_shares(result.training_state, result.recognition.modules)
    assert shares.recurrent == pytest.approx(own / sum(squares.values()), rel=1e-5)
    assert shares.recurrent_norm == pytest.approx(own**0.5, rel=1e-5)


def test_shares_do_not_change_with_the_losss_scale():
    parts = {"rnn.weight_hh_l0": 3.0, "head.weight": 1.0}
    scaled = {name: 1e-12 * part for name, part in parts.items()}
    one, other = norm_shares(state(parts), ()), norm_shares(state(scaled), ())
    assert dict(one.parameters) == pytest.approx({"rnn.weight_hh_l0": 0.75, "head.weight": 0.25})
    assert dict(one.parameters) == pytest.approx(dict(other.parameters))


@pytest.mark.parametrize(
    "known",
    [
        None,
        state(gradient_rms_norm=None, per_parameter=()),
        state({"a": 0.0}),
        state(not_mapped="it fits in several ways"),
    ],
)
def test_nothing_is_said_where_nothing_is_known(known):
    assert norm_shares(known, ()) is None


def test_the_parts_of_a_rebuilt_weight_are_the_recurrences(tmp_path):
    torch.manual_seed(0)
    model = Tagger()
    weight_norm(model.rnn, "weight_hh_l0")
    optimizer = torch.optim.Adam(model.parameters(), betas=(0.9, 0.0))
    model(torch.randn(6, 4, 3)).pow(2).sum().backward()
    optimizer.step()
    contents = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
    torch.save(contents, tmp_path / "f.pt")
    result = analyse(read(str(tmp_path / "f.pt")), Request())
    own = sum(p.grad.pow(2).sum().item() for p in model.rnn.parameters())
    shares = norm_shares(result.training_state, result.recognition.modules)
    assert "model.rnn.parametrizations.weight_hh_l0.original1" in dict(shares.parameters)
    assert shares.recurrent_norm == pytest.approx(own**0.5, rel=1e-5)
