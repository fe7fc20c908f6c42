"""Rules on what became of W_hh since training began: untouched, trained, shrunk, zero."""

from __future__ import annotations

import pytest
import torch
from cli.command import FIXTURES
from rules.networks import default, findings, save
from torch import nn

from rnndiag.rules import RULES, Choice, RuleSetting

CODES = ("RD102", "RD106", "RD107")


def fired(path, rules=RULES) -> list[str]:
    """Which of the three rules fire."""
    return [code for code in CODES if findings(path, code, rules=rules, seq_len=2)]


def made(kind, hidden=32, start=None):
    torch.manual_seed(1)
    module = kind(4, hidden, batch_first=True)
    if start is not None:
        with torch.no_grad():
            for name, parameter in module.named_parameters():
                if name == "weight_hh_l0":
                    start(parameter)
                elif name == "weight_ih_l0":
                    nn.init.xavier_uniform_(parameter)
                else:
                    parameter.zero_()
    return module


def train(module, steps, optimizer, length=6):
    """On the first input's sign one step ago, or the sign of a product where there is one step."""
    torch.manual_seed(2)
    readout = nn.Linear(module.hidden_size, 1)
    update = optimizer([*module.parameters(), *readout.parameters()])
    for _ in range(steps):
        x = torch.randn(16, length, 4)
        answer, wanted = readout(module(x)[0])[..., 0], x[..., 0].roll(1, 1) > 0
        if length == 1:
            wanted = x[..., 0] * x[..., 1] > 0
        loss = nn.functional.binary_cross_entropy_with_logits(
            answer[:, -max(length - 1, 1) :], wanted[:, -max(length - 1, 1) :].float()
        )
        update.zero_grad()
        loss.backward()
        update.step()
    return module


def adam(lr=1e-2, **options):
    return lambda parameters: torch.optim.Adam(parameters, lr=lr, **options)


def adamw(lr=1e-2, **options):
    return lambda parameters: torch.optim.AdamW(parameters, lr=lr, **options)


def sgd(lr=0.5, **options):
    return lambda parameters: torch.optim.SGD(parameters, lr=lr, momentum=0.9, **options)


def orthogonal_gates(weight):
    for gate in weight.split(weight.shape[1]):
        nn.init.orthogonal_(gate)


@pytest.mark.parametrize("optimizer", [adam(), adamw(), sgd()])
@pytest.mark.parametrize("kind", [nn.RNN, nn.GRU, nn.LSTM])
def test_rd102_fires_on_sequences_of_one_step_whatever_the_optimizer(tmp_path, kind, optimizer):
    """AdamW shrinks W_hh by a hundredth of a percent a step, evenly: that is no training."""
    module = train(made(kind), 60, optimizer, length=1)
    assert fired(save(tmp_path / "m.pt", module)) == ["RD102"]


@pytest.mark.parametrize("start", [nn.init.orthogonal_, orthogonal_gates, nn.init.xavier_uniform_])
def test_rd102_fires_on_other_initialisers_that_nothing_moved(tmp_path, start):
    module = train(made(nn.GRU, 64, start), 60, adam(), length=1)
    assert fired(save(tmp_path / "m.pt", module)) == ["RD102"]


@pytest.mark.parametrize("start", [nn.init.orthogonal_, orthogonal_gates, nn.init.xavier_uniform_])
@pytest.mark.parametrize("kind", [nn.RNN, nn.GRU, nn.LSTM])
def test_rd102_is_silent_on_a_whole_layer_as_it_was_initialised(tmp_path, kind, start):
    assert fired(save(tmp_path / "m.pt", made(kind, 64, start))) == []


@pytest.mark.parametrize("optimizer", [adam(1e-3), adamw(), sgd(0.2)])
@pytest.mark.parametrize("kind", [nn.RNN, nn.GRU, nn.LSTM])
def test_rd102_is_silent_after_ten_steps_of_training(tmp_path, kind, optimizer):
    module = train(made(kind), 10, optimizer)
    assert fired(save(tmp_path / "m.pt", module)) == []


def test_rd102_is_silent_inside_the_box_where_weight_decay_trained_it(tmp_path):
    """The network of 16 units remembers: nothing left the box, and nothing lies as it was drawn."""
    module = train(made(nn.RNN, 16), 300, adam(weight_decay=4e-2))
    with torch.no_grad():
        module.weight_hh_l0 *= 0.98 * 16**-0.5 / module.weight_hh_l0.abs().max()
        module.weight_ih_l0[0, 0] = 1.0
    assert findings(save(tmp_path / "m.pt", module), "RD102", seq_len=2) == []


def test_rd106_fires_where_weight_decay_left_a_few_entries(tmp_path):
    module = train(made(nn.RNN, 16), 300, adam(weight_decay=4e-2))
    (found,) = findings(save(tmp_path / "m.pt", module), "RD106", seq_len=2)
    assert (found.severity, found.layer) == ("warning", "(root)/0/forward")
    assert found.evidence["median_share"] < 0.1
    assert found.evidence["weight_decay"] is None
    assert "few entries carry" in found.message


def test_rd106_fires_where_decay_alone_was_at_work(tmp_path):
    """Evenly: no gradient came, which its remedy says first."""
    module = train(made(nn.GRU), 100, adamw(weight_decay=1.0), length=1)
    path = save(tmp_path / "m.pt", module)
    assert fired(path) == ["RD106"]
    (found,) = findings(path, "RD106", seq_len=2)
    assert found.evidence["median_share"] == pytest.approx(0.99**100, rel=0.1)
    assert found.remedy.startswith("check that sequences have more than one step")


@pytest.mark.parametrize("start", [nn.init.eye_, lambda weight: nn.init.normal_(weight, std=0.02)])
def test_rd106_is_silent_on_small_and_on_identity_starts(tmp_path, start):
    """Their medians are 0.03 and 0.2 of PyTorch's; no decay was at work."""
    module = train(made(nn.RNN, 64, start), 3, adam(1e-3))
    assert fired(save(tmp_path / "m.pt", module)) == []


def test_rd106_is_silent_where_the_file_names_no_decay(tmp_path):
    torch.manual_seed(0)
    module = made(nn.RNN, 16)
    with torch.no_grad():
        module.weight_hh_l0[1:] *= 1e-2
    shrunk = save(tmp_path / "m.pt", module)
    assert fired(shrunk) == ["RD106"]
    optimizer = torch.optim.Adam(module.parameters())
    module(torch.randn(2, 3, 4))[0].sum().backward()
    optimizer.step()
    with torch.no_grad():
        module.weight_hh_l0[1:] *= 1e-2
    torch.save({"m": module.state_dict(), "o": optimizer.state_dict()}, tmp_path / "both.pt")
    assert fired(tmp_path / "both.pt") == []


@pytest.mark.parametrize("name", ["delayed_recall_lstm", "delayed_recall_gru", "char_rnn"])
def test_rd106_is_silent_on_trained_recurrences(name):
    assert fired(FIXTURES / f"{name}.pt") == []


@pytest.mark.parametrize("kind", [nn.RNN, nn.GRU, nn.LSTM])
@pytest.mark.parametrize("scale", [0.0, 1e-4])
def test_rd107_fires_on_a_recurrence_that_is_nearly_zero(tmp_path, kind, scale):
    module = made(kind)
    with torch.no_grad():
        module.weight_hh_l0 *= scale
        module.weight_ih_l0 *= 3.0
        row = module.weight_hh_l0.abs().sum(1).max().item()
    path = save(tmp_path / "m.pt", module)
    # Nor is it called shrunk, which says less.
    assert fired(path) == ["RD107"]
    (found,) = findings(path, "RD107", seq_len=2)
    assert found.evidence["largest_row"] == pytest.approx(row, rel=1e-6)
    assert ("cell state" in found.message) == (kind is nn.LSTM)


@pytest.mark.parametrize("kind", ["rnn", "gru", "lstm"])
def test_rd107_is_silent_on_default_initialisations(tmp_path, kind):
    assert fired(default(tmp_path / "m.pt", kind)) == []


def test_rd107_is_silent_on_one_unit_that_was_drawn_small(tmp_path):
    module = nn.RNN(3, 1)
    with torch.no_grad():
        module.weight_hh_l0.fill_(0.02)
    assert fired(save(tmp_path / "m.pt", module)) == []


def test_rd106_says_it_where_rd107_is_not_asked(tmp_path):
    module = made(nn.RNN)
    with torch.no_grad():
        module.weight_hh_l0 *= 1e-4
        module.weight_ih_l0 *= 3.0
    rules = Choice(ignore=("RD107",), settings={"RD106": RuleSetting(threshold=0.4)}).rules()
    (found,) = findings(save(tmp_path / "m.pt", module), "RD106", rules=rules, seq_len=2)
    assert found.evidence["threshold"] == 0.4
