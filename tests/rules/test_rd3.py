"""Rules on growing and vanishing gradients: for each a file that fires it and one that does not."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from cli.command import FIXTURES, save, scaled_rnn
from rules.networks import RELU, TANH, codes, default, findings, halving, judgement, plain
from torch import nn

from rnndiag.rules.selection import Choice, RuleSetting


def remembering(path):
    """A cyclic shift that no input disturbs keeps every gradient's length."""
    module = nn.RNN(1, 7, nonlinearity="relu", bias=False)
    with torch.no_grad():
        module.weight_hh_l0.copy_(torch.roll(torch.eye(7), 1, 0))
        module.weight_ih_l0.zero_()
    return save(path, module)


@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no-bias"])
def test_rd301_fires_on_an_expanding_relu_network(tmp_path, bias):
    path = save(tmp_path / "m.pt", scaled_rnn(1.6, bias=bias, nonlinearity="relu"))
    (found,) = findings(path, "RD301", declarations=RELU)
    assert found.severity == "error"
    # 1.6^200 at most, less where a unit is off in the first steps.
    assert 35 < found.evidence["growth_log10"] < 200 * np.log10(1.6) + 0.1
    assert found.evidence["rate_per_step"] == pytest.approx(np.log(1.6), rel=0.02)


def test_rd301_names_the_step_of_an_overflow(tmp_path):
    path = save(tmp_path / "m.pt", scaled_rnn(1.6, nonlinearity="relu"))
    (found,) = findings(path, "RD301", declarations=RELU, seq_len=1700)
    assert "the forward pass overflows by step 15" in found.message
    # 1.6^t passes the largest float64 after 1510 steps; the start is within a decade of 1.
    assert 1500 < found.evidence["overflow_step"] < 1525


def test_rd301_is_silent_on_a_large_radius_that_saturates(tmp_path):
    path = save(tmp_path / "m.pt", scaled_rnn(5.0))
    assert codes(path, declarations=TANH) == ["RD202", "RD302"]


UNTRAINED = {
    "rnn": (nn.RNN(8, 16), ()),
    "rnn-relu": (nn.RNN(8, 16, nonlinearity="relu"), RELU),
    "gru": (nn.GRU(8, 16), ()),
    "lstm": (nn.LSTM(8, 16), ()),
    "two-layers": (nn.LSTM(8, 16, num_layers=2, bidirectional=True), ()),
}


@pytest.mark.parametrize("kind", UNTRAINED)
def test_rd301_is_silent_on_default_initialisations(tmp_path, kind):
    module, declarations = UNTRAINED[kind]
    path = save(tmp_path / "m.pt", module)
    judged = judgement(path, declarations=declarations)
    # Some draws of a plain RNN are certified contracting.
    assert {f.code for f in judged.findings} - {"RD201"} == {"RD302"}
    assert {f.severity for f in judged.findings} == {"note"}


def test_rd301_fires_on_the_trained_exploding_network():
    (found,) = findings(FIXTURES / "exploding_rnn.pt", "RD301", batch=8)
    assert "on synthetic input: weak, normal, smooth" in found.message
    assert found.evidence["basis"] == "synthetic"


def test_rd301_takes_a_threshold_of_its_own():
    path = FIXTURES / "exploding_rnn.pt"
    grown = findings(path, "RD301")[0].evidence["growth_log10"]
    for threshold, count in ((grown - 0.1, 1), (grown + 0.1, 0)):
        rules = Choice(settings={"RD301": RuleSetting(threshold=threshold)}).rules()
        assert len(findings(path, "RD301", rules=rules)) == count


def test_rd302_fires_as_a_note_whoever_says_the_length():
    path = FIXTURES / "delayed_recall_gru.pt"
    assert findings(path, "RD302") == []
    (given,) = findings(path, "RD302", seq_len=200)
    assert given.severity == "note"
    assert "is left after 200 steps (given); it stays" in given.message
    assert given.evidence["memory"] is None


def test_rd302_is_a_note_at_an_assumed_length_and_says_so(tmp_path):
    (found,) = findings(default(tmp_path / "m.pt", "gru"), "RD302")
    assert found.severity == "note"
    assert found.evidence["log10_last"] < -3
    assert "after 200 steps (assumed); it stays" in found.message
    assert f"above a thousandth for {found.evidence['horizon']} steps" in found.message


@pytest.mark.parametrize(("memory", "severity"), [(8, "note"), (9, "note"), (10, "warning")])
def test_rd302_warns_where_less_than_the_memory_is_reached(tmp_path, memory, severity):
    """2^-k is at least a thousandth for 9 steps."""
    path = halving(tmp_path / "m.pt")
    (found,) = findings(path, "RD302", declarations=RELU, seq_len=30, memory=memory)
    assert (found.severity, found.evidence["horizon"]) == (severity, 9)
    assert f"a thousandth for 9 steps, and the task needs {memory} steps" in found.message
    assert ("gated cell" in found.remedy) == (severity == "warning")


def test_rd302_counts_the_memory_by_the_threshold_that_is_set(tmp_path):
    """2^-k is at least 0.1 for 3 steps."""
    path = halving(tmp_path / "m.pt")
    rules = Choice(settings={"RD302": RuleSetting(threshold=0.1)}).rules()
    for memory, severity in ((3, "note"), (4, "warning")):
        options = {"declarations": RELU, "seq_len": 30, "rules": rules, "memory": memory}
        assert findings(path, "RD302", **options)[0].severity == severity


def test_rd302_takes_a_trace_that_is_too_short_for_no_yes(tmp_path):
    """After 8 steps 2^-8 is left: whether 20 are reached cannot be seen, whether 8 are can."""
    path = halving(tmp_path / "m.pt")
    (found,) = findings(path, "RD302", declarations=RELU, seq_len=8, memory=20)
    assert found.severity == "warning"
    assert "traced over 8 steps" in found.message
    assert "reaches the 20 that the task needs was not seen" in found.message
    assert found.value == 8
    assert findings(path, "RD302", declarations=RELU, seq_len=8, memory=8) == []


def test_rd302_traces_as_far_as_the_memory_where_nobody_gave_the_length(tmp_path):
    path = remembering(tmp_path / "m.pt")
    assert findings(path, "RD302", declarations=RELU, memory=300) == []


def test_rd302_has_a_severity_that_is_set_in_both_cases(tmp_path):
    path = default(tmp_path / "m.pt", "gru")
    rules = Choice(settings={"RD302": RuleSetting(severity="error")}).rules()
    for length in (None, 200):
        assert findings(path, "RD302", rules=rules, seq_len=length)[0].severity == "error"


def test_rd302_counts_steps_down_to_the_threshold_that_is_set(tmp_path):
    """2^-k is at least 0.1 for 3 steps, a thousandth for 9."""
    path = halving(tmp_path / "m.pt")
    rules = Choice(settings={"RD302": RuleSetting(threshold=0.1)}).rules()
    (default_one,) = findings(path, "RD302", declarations=RELU, seq_len=30)
    (own,) = findings(path, "RD302", declarations=RELU, seq_len=30, rules=rules)
    assert (default_one.evidence["horizon"], own.evidence["horizon"]) == (9, 3)
    assert "it stays above 0.1 for 3 steps" in own.message


def test_rd302_is_silent_on_a_network_that_remembers(tmp_path):
    path = remembering(tmp_path / "m.pt")
    assert codes(path, declarations=RELU, seq_len=100) == []


def test_rd303_is_silent_where_only_inputs_explode_that_cannot_occur():
    """Its characters come from its embedding: weak noise, under which it explodes, never does."""
    assert findings(FIXTURES / "char_rnn.pt", "RD303", seq_len=200, batch=8) == []


def test_rd303_fires_where_only_some_deciding_inputs_explode(tmp_path):
    """A saturating input holds every unit where its slope is small; without one it is chaotic."""
    torch.manual_seed(1)
    gain = 3.5 * torch.randn(32, 32) / 32**0.5
    path = plain(tmp_path / "m.pt", gain, input_scale=200.0)
    (found,) = findings(path, "RD303", seq_len=200, batch=8, declarations=TANH)
    assert found.severity == "warning"
    assert found.evidence["drives"] == "zero"
    assert "not under weak, normal, smooth" in found.message


def test_rd303_says_so_if_only_relu_explodes(tmp_path):
    path = save(tmp_path / "m.pt", scaled_rnn(1.6))
    (found,) = findings(path, "RD303", seq_len=100)
    assert "with ReLU the gradient grows to" in found.message
    assert "--as weight_hh_l0=rnn:relu" in found.remedy
    assert findings(path, "RD301", seq_len=100) == []
    assert findings(path, "RD303", seq_len=100, declarations=TANH) == []


def test_at_an_assumed_length_growth_has_to_come_early(tmp_path):
    """1.1^k reaches a thousand after 73 steps, 1.2^k after 38."""
    for factor, code in ((1.1, "RD303"), (1.2, "RD301")):
        path = plain(tmp_path / "m.pt", factor * torch.eye(3), [1.0] * 3, nonlinearity="relu")
        found = [c for c in codes(path, declarations=RELU) if c in {"RD301", "RD303"}]
        assert found == [code]
        assert "RD301" in codes(path, declarations=RELU, seq_len=200)


@pytest.mark.parametrize("kind", ["rnn", "gru", "lstm"])
def test_rd303_is_silent_on_default_initialisations(tmp_path, kind):
    assert findings(default(tmp_path / "m.pt", kind), "RD303") == []


def test_rd303_is_silent_where_every_deciding_input_explodes():
    """That is RD301's."""
    assert findings(FIXTURES / "exploding_rnn.pt", "RD303", batch=8) == []


def test_rd304_fires_on_the_trained_chaotic_network():
    (found,) = findings(FIXTURES / "exploding_rnn.pt", "RD304", batch=8)
    assert found.severity == "warning"
    rate = found.evidence["lyapunov"]
    assert rate > 0
    assert found.evidence["horizon"] == pytest.approx(math.log(2) / rate)


def test_rd304_is_silent_on_growth_without_a_bound(tmp_path):
    """A ReLU network's states grow with its gradients: with no tanh there is nothing to judge."""
    path = save(tmp_path / "m.pt", scaled_rnn(1.6, nonlinearity="relu"))
    judged = judgement(path, declarations=RELU)
    assert "RD301" in [f.code for f in judged.findings]
    assert ("RD304", "no layer with tanh") in [
        (none.code, none.reason) for none in judged.not_applicable
    ]


@pytest.mark.parametrize("name", ["char_rnn", "delayed_recall_lstm", "delayed_recall_gru"])
def test_rd304_is_silent_on_trained_networks_at_any_length(name):
    for length in (None, 200):
        assert findings(FIXTURES / f"{name}.pt", "RD304", seq_len=length, batch=8) == []


def test_one_step_is_one_step(tmp_path):
    """A nilpotent matrix lets one step through, a zero matrix none."""
    module = nn.RNN(3, 4)
    with torch.no_grad():
        module.weight_hh_l0.zero_()
    (vanished,) = findings(save(tmp_path / "zero.pt", module), "RD302", seq_len=1)
    assert "left after 1 step (given); it stays above a thousandth for 0 steps" in vanished.message
    with torch.no_grad():
        module.weight_hh_l0[0, 1] = 1.0
    (vanished,) = findings(save(tmp_path / "one.pt", module), "RD302", seq_len=9)
    assert vanished.message.endswith("for 1 step, on synthetic input: zero, weak, normal, smooth")
