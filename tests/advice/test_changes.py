"""Changes are proposed for what was measured, and none to a healthy network; their code does it."""

from __future__ import annotations

import math

import pytest
import torch
from cli.command import FIXTURES
from torch import nn

import rnndiag
from rnndiag.advice import AdviceRequest
from rnndiag.advice.changes import (
    CHANGES,
    epsilon,
    gated_cell,
    propose,
    starved_recurrence,
    untrained_recurrence,
)
from rnndiag.analysis import Request, analyse
from rnndiag.containers import read
from rnndiag.report import report_file
from rnndiag.rules import DEFAULT_LIMITS, Choice, Judging, RuleSetting
from rnndiag.tracing import TraceRequest


def proposals(path, seq_len=None):
    """What of each file proposed something, and the result."""
    trace = TraceRequest(seq_len=seq_len, batch=2)
    result = analyse(read(str(path)), Request(trace=trace))
    return {of_kind.__module__.rpartition(".")[2]: list(of_kind(result)) for of_kind in CHANGES}


def proposed(path, seq_len=None):
    return {name for name, changes in proposals(path, seq_len).items() if changes}


def saved(tmp_path, module, optimizer=None, **more):
    contents = {"model": {f"rnn.{name}": value for name, value in module.state_dict().items()}}
    if optimizer is not None:
        contents["optimizer"] = optimizer.state_dict()
    torch.save({**contents, **more}, tmp_path / "f.pt")
    return tmp_path / "f.pt"


def plain(scale, nonlinearity="tanh", size=8):
    """W_hh a multiple of a rotation, W_ih moved out of the box."""
    torch.manual_seed(0)
    module = nn.RNN(3, size, nonlinearity=nonlinearity)
    with torch.no_grad():
        nn.init.orthogonal_(module.weight_hh_l0).mul_(scale)
        module.weight_ih_l0[0, 0] = 2.0
    return module


@pytest.mark.parametrize("name", ["delayed_recall_lstm.pt", "delayed_recall_gru.pt"])
def test_networks_that_do_their_task_are_left_alone(name):
    assert proposed(FIXTURES / name) == set()


@pytest.mark.parametrize("module", [nn.RNN(3, 8), nn.GRU(3, 8), nn.LSTM(3, 8)])
def test_vanishing_alone_is_no_fault(tmp_path, module):
    """200 steps are only where nobody said how far the task reaches."""
    path = saved(tmp_path, module)
    assert proposed(path) == set()
    assert proposed(path, 200) != set()


def test_the_files_own_length_is_a_need(tmp_path):
    assert proposed(saved(tmp_path, nn.LSTM(3, 8), config={"seq_len": 150})) == {"gate_bias"}


@pytest.mark.parametrize(("kind", "word"), [(nn.LSTM, "forget"), (nn.GRU, "update")])
def test_a_gate_that_lets_go_gets_the_bias_of_the_length(tmp_path, kind, word):
    torch.manual_seed(0)
    path = saved(tmp_path, kind(3, 8, num_layers=2))
    (change,) = proposals(path, 100)["gate_bias"]
    assert change.layers == ("model.rnn/0/forward", "model.rnn/1/forward")
    assert f"{word}-gate biases of up to ln(100 - 1) = 4.6 in total" in change.what
    assert change.evidence["bias"] == pytest.approx(math.log(99))
    # σ(ln(T − 1)) = 1 − 1/T: the gate lets go of 1/T a step.
    assert torch.sigmoid(torch.tensor(change.evidence["bias"])) == pytest.approx(1 - 1 / 100)
    assert change.evidence["longest_gate_steps"] < 100
    assert "Tallec" in change.source


def test_a_gate_that_keeps_long_enough_gets_none(tmp_path):
    torch.manual_seed(0)
    module = nn.LSTM(3, 8)
    with torch.no_grad():
        module.bias_hh_l0[8:16] = math.log(199.0)
        module.bias_ih_l0[8:16] = 0.0
        module.weight_hh_l0.mul_(20.0)
    assert "gate_bias" not in proposed(saved(tmp_path, module), 100)


@pytest.mark.parametrize(("kind", "name"), [(nn.LSTM, "lstm"), (nn.GRU, "gru")])
def test_the_gate_biases_code_gives_the_memory(tmp_path, kind, name):
    torch.manual_seed(0)
    model = nn.Module()
    setattr(model, name, kind(3, 64, num_layers=2, bidirectional=True))
    (change,) = proposals(saved(tmp_path, kind(3, 8)), 100)["gate_bias"]
    run(change.code, model)
    module = getattr(model, name)
    for layer in ("l0", "l1", "l0_reverse", "l1_reverse"):
        bias = getattr(module, f"bias_ih_{layer}") + getattr(module, f"bias_hh_{layer}")
        kept = torch.sigmoid(bias[64:128].double())
        steps = 1.0 / (1.0 - kept)
        # ln of 1 … T − 1 keeps 1 + that many steps (chrono), in float32.
        assert steps.min() >= 2.0 * (1 - 1e-5)
        assert steps.max() <= 100.0 * (1 + 1e-4)
        assert steps.max() > 50.0
        if name == "lstm":
            assert torch.equal(bias[:64], -bias[64:128])


def run(code, model):
    exec(compile(code, "change", "exec"), {"torch": torch, "model": model})


def test_what_two_biases_of_one_give():
    """The sentence that warns of them: σ(2) = 0.881 keeps 7.9 steps."""
    kept = torch.sigmoid(torch.tensor(2.0, dtype=torch.float64)).item()
    assert round(kept, 3) == 0.881
    assert round(-1 / math.log(kept), 1) == 7.9


def test_a_plain_layer_whose_matrix_forgets_gets_both(tmp_path):
    changes = proposals(saved(tmp_path, plain(0.5)), 100)
    (gated,), (start,) = changes["gated_cell"], changes["recurrent_start"]
    assert "LSTM or a GRU" in gated.what
    assert "clipping cannot help" in gated.what
    assert gated.evidence["log10_gradient_at_last_lag"] < -3
    assert "orthogonal" in start.what
    # A rotation times a half: exactly 0.5^100.
    assert start.evidence["log10_left_by_weights"] == pytest.approx(100 * math.log10(0.5))
    assert start.layers == gated.layers == ("model.rnn/0/forward",)


def test_where_the_activation_forgets_another_start_would_not_help(tmp_path):
    """Orthogonal already, and tanh's slopes lose the gradient."""
    module = plain(1.0)
    with torch.no_grad():
        module.weight_ih_l0.mul_(20.0)
    assert proposed(saved(tmp_path, module), 100) == {"gated_cell"}


def test_relu_starts_from_the_identity(tmp_path):
    whole = plain(0.5, "relu")
    torch.save(whole, tmp_path / "f.pt")
    (change,) = proposals(tmp_path / "f.pt", 100)["recurrent_start"]
    assert "identity" in change.what
    assert "Le, Jaitly & Hinton 2015" in change.source
    model = nn.Module()
    model.rnn = nn.RNN(3, 8, num_layers=2, nonlinearity="relu")
    run(change.code, model)
    assert torch.equal(model.rnn.weight_hh_l1, torch.eye(8))
    assert not model.rnn.bias_ih_l0.any()
    assert model.rnn.weight_ih_l0.any()


def test_the_orthogonal_code_is_orthogonal(tmp_path):
    (change,) = proposals(saved(tmp_path, plain(0.5)), 100)["recurrent_start"]
    model = nn.Module()
    model.rnn = nn.RNN(3, 8, num_layers=2)
    run(change.code, model)
    for weight in (model.rnn.weight_hh_l0, model.rnn.weight_hh_l1):
        assert torch.allclose(weight @ weight.T, torch.eye(8), atol=1e-6)


def test_exploding_gets_none_of_them(tmp_path):
    assert proposed(FIXTURES / "exploding_rnn.pt", 200) == set()


def test_a_recurrence_that_was_never_trained(tmp_path):
    (change,) = proposals(FIXTURES / "length_one_rnn.pt")["untrained_recurrence"]
    assert "sequences longer than 1" in change.what
    assert change.layers == ("model_state_dict.rnn/0/forward",)
    # Nothing is said of the memory of weights that are still random.
    assert proposed(FIXTURES / "length_one_rnn.pt", 200) == {"untrained_recurrence"}


def test_a_reverse_direction_that_only_saw_one_step(tmp_path):
    """The usual mistake: output[-1] of a bidirectional layer; its W_hh gets no gradient."""
    torch.manual_seed(0)
    module = nn.LSTM(3, 6, bidirectional=True)
    optimizer = torch.optim.Adam(module.parameters(), lr=0.05)
    for _ in range(60):
        optimizer.zero_grad()
        (module(torch.randn(9, 4, 3))[0][-1] - 1.0).pow(2).sum().backward()
        assert not module.weight_hh_l0_reverse.grad.any()
        optimizer.step()
    (change,) = proposals(saved(tmp_path, module, optimizer))["untrained_recurrence"]
    assert change.layers == ("model.rnn/0/reverse",)
    assert "not at the last" in change.what


def adam_state(module, sizes, eps=1e-8):
    """Adam after one step of gradients of these sizes, others of size 1."""
    optimizer = torch.optim.Adam(module.parameters(), lr=0.0, eps=eps, betas=(0.9, 0.0))
    for name, parameter in module.named_parameters():
        parameter.grad = torch.full_like(parameter, sizes.get(name, 1.0))
    optimizer.step()
    return optimizer


@pytest.mark.parametrize(("size", "fires"), [(9e-4, True), (1.1e-3, False), (0.3, False)])
def test_a_starved_recurrence(tmp_path, size, fires):
    module = nn.GRU(3, 8)
    path = saved(tmp_path, module, adam_state(module, {"weight_hh_l0": size}))
    changes = proposals(path)["starved_recurrence"]
    assert bool(changes) == fires
    if fires:
        assert changes[0].evidence["gradient_ratio"] == pytest.approx(size, rel=1e-4)
        assert changes[0].layers == ("model.rnn/0/forward",)


@pytest.mark.parametrize(("size", "fires"), [(8e-8, True), (1e-7, False), (0.0, False)])
def test_gradients_no_larger_than_eps(tmp_path, size, fires):
    module = nn.GRU(3, 8)
    sizes = dict.fromkeys(dict(module.named_parameters()), size)
    path = saved(tmp_path, module, adam_state(module, sizes))
    changes = proposals(path)["epsilon"]
    assert bool(changes) == fires
    if fires:
        # What torch's own step is short of the full one.
        start = torch.zeros(3, dtype=torch.float64, requires_grad=True)
        optimizer = torch.optim.Adam([start], lr=1.0, eps=1e-8)
        start.grad = torch.full_like(start, size)
        optimizer.step()
        assert changes[0].evidence["step_left"] == pytest.approx(-start[0].item(), rel=1e-5)


def test_a_starved_layers_eps_is_not_its_trouble(tmp_path):
    module = nn.GRU(3, 8)
    path = saved(tmp_path, module, adam_state(module, {"weight_hh_l0": 1e-9}))
    result = analyse(read(str(path)), Request())
    assert list(epsilon.propose(result)) == []
    (starved,) = starved_recurrence.starved_layers(result).values()
    assert starved.ratio == pytest.approx(1e-9, rel=1e-4)


def test_other_optimizers_eps_means_something_else(tmp_path):
    module = nn.GRU(3, 8)
    optimizer = torch.optim.Adagrad(module.parameters(), eps=1.0)
    for parameter in module.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    assert proposals(saved(tmp_path, module, optimizer))["epsilon"] == []


@pytest.mark.parametrize("seq_len", [1, 2, 3])
def test_the_shortest_sequences(tmp_path, seq_len):
    for module in (nn.LSTM(3, 8), nn.GRU(3, 8), nn.RNN(3, 8)):
        proposed(saved(tmp_path, module), seq_len)


def test_every_change_is_tied_to_a_measurement_and_a_source(tmp_path):
    torch.manual_seed(0)
    paths = {saved(tmp_path, plain(0.5)): 100, FIXTURES / "length_one_rnn.pt": None}
    for path, seq_len in paths.items():
        advice = rnndiag.suggest(str(path), TraceRequest(seq_len=seq_len))
        assert advice.changes
        for change in advice.changes:
            assert change.what
            assert change.because
            assert change.source
            assert change.layers


def test_no_name_of_the_file_reaches_the_code(tmp_path):
    module = plain(0.5)
    hostile = 'x\n__import__("os")'
    contents = {f"{hostile}.rnn.{name}": value for name, value in module.state_dict().items()}
    torch.save(contents, tmp_path / "f.pt")
    result = analyse(read(str(tmp_path / "f.pt")), Request(trace=TraceRequest(seq_len=100)))
    changes = propose(result)
    assert any(hostile in label for change in changes for label in change.layers)
    assert not any("__import__" in change.code for change in changes)


def test_changes_are_proposed_at_the_thresholds_in_force(tmp_path):
    """A configured threshold moves the advice with the rule: RD402's, RD102's and RD302's."""
    module = nn.GRU(3, 8)
    path = saved(tmp_path, module, adam_state(module, {"weight_hh_l0": 1.1e-3}))
    result = analyse(read(str(path)), Request())
    assert list(starved_recurrence.propose(result)) == []
    assert list(starved_recurrence.propose(result, {**DEFAULT_LIMITS, "RD402": 0.01}))
    module = nn.RNN(3, 3)
    with torch.no_grad():
        module.weight_ih_l0[0, :2] = 0.65
    result = analyse(read(str(saved(tmp_path, module))), Request())
    assert list(untrained_recurrence.propose(result)) == []
    assert list(untrained_recurrence.propose(result, {**DEFAULT_LIMITS, "RD102": 0.5}))
    trace = TraceRequest(seq_len=100, batch=2)
    result = analyse(read(str(saved(tmp_path, plain(0.5)))), Request(trace=trace))
    assert list(gated_cell.propose(result))
    assert list(gated_cell.propose(result, {**DEFAULT_LIMITS, "RD302": 1e-200})) == []


def test_the_configured_threshold_reaches_the_advice(tmp_path):
    module = nn.GRU(3, 8)
    path = saved(tmp_path, module, adam_state(module, {"weight_hh_l0": 1.1e-3}))
    judging = Judging(Choice(ignore=("RD402",), settings={"RD402": RuleSetting(threshold=0.01)}))
    request = Request(trace=TraceRequest(seq_len=5, batch=1))
    file = report_file(str(path), request, AdviceRequest(), judging=judging)
    assert file.limits["RD402"] == 0.01
    assert any("RD402" in change.source for change in file.advice.changes)
