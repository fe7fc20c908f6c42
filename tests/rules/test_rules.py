"""For each rule a file that fires it and one that does not; their order; explain."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from cli.command import FIXTURES, save, scaled_rnn
from torch import nn

from rnndiag.analysis import Request, analyse
from rnndiag.cli import run
from rnndiag.containers import read
from rnndiag.errors import InputCode
from rnndiag.recognise import parse_declaration
from rnndiag.rules import RULES, find
from rnndiag.tracing import TraceRequest

RELU = (parse_declaration("weight_hh_l0=rnn:relu"),)


def findings(path, declarations=(), seq_len=None, batch=2):
    trace = TraceRequest(seq_len=seq_len, batch=batch)
    return find(analyse(read(str(path)), Request(trace=trace, declarations=declarations)))


def codes(path, **options):
    return [finding.code for finding in findings(path, **options)]


def spoiled(module: nn.Module, name: str, value: float) -> nn.Module:
    with torch.no_grad():
        module.get_parameter(name).view(-1)[0] = value
    return module


# RD101


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("name", ["weight_hh_l0", "weight_ih_l0", "bias_hh_l0"])
def test_rd101_fires_on_any_recurrent_value_that_is_not_finite(tmp_path, name, value):
    (found,) = findings(save(tmp_path / "m.pt", spoiled(nn.GRU(3, 4), name, value)))
    assert (found.code, found.severity, found.evidence) == ("RD101", "error", {"non_finite": 1})
    assert found.layer == "(root)/0/forward"


def test_rd101_counts_in_words(tmp_path):
    module = nn.GRU(3, 4)
    with torch.no_grad():
        module.weight_hh_l0[0].fill_(float("nan"))
    (found,) = findings(save(tmp_path / "m.pt", module))
    assert found.message.startswith("4 recurrent weights are NaN")


def test_rd101_is_silent_about_a_mask(tmp_path):
    state = {f"rnn.{name}": value for name, value in nn.GRU(3, 4).state_dict().items()}
    state["attention.mask"] = torch.full((5, 5), float("-inf"))
    torch.save(state, tmp_path / "m.pt")
    assert "RD101" not in codes(tmp_path / "m.pt")


def test_rd101_names_only_the_spoiled_module(tmp_path):
    state = {f"a.{name}": value for name, value in nn.GRU(3, 4).state_dict().items()}
    bad = spoiled(nn.GRU(3, 4), "weight_hh_l0", float("nan"))
    state |= {f"b.{name}": value for name, value in bad.state_dict().items()}
    torch.save(state, tmp_path / "m.pt")
    result = analyse(read(str(tmp_path / "m.pt")), Request(trace=TraceRequest(batch=1)))
    assert [f.layer for f in find(result) if f.code == "RD101"] == ["b/0/forward"]
    assert [item.trace is None for item in result.layers] == [False, True]
    assert result.layers[1].not_measured == "its weights are not finite"


# RD104


def test_rd104_fires_on_a_recurrence_that_was_not_measured(tmp_path):
    state = {f"rnn.{name}": value for name, value in nn.GRU(3, 4).state_dict().items()}
    state["cell.h2h.weight"] = torch.randn(6, 6)
    torch.save(state, tmp_path / "m.pt")
    found = [f for f in findings(tmp_path / "m.pt") if f.code == "RD104"]
    assert [(f.severity, f.layer, f.evidence) for f in found] == [
        ("warning", "cell.h2h.weight", {"shape": "6x6"})
    ]


def test_rd104_is_silent_about_linear_layers(tmp_path):
    state = {f"rnn.{name}": value for name, value in nn.GRU(3, 4).state_dict().items()}
    state |= {"head.weight": torch.randn(4, 4), "head.bias": torch.randn(4)}
    torch.save(state, tmp_path / "m.pt")
    assert "RD104" not in codes(tmp_path / "m.pt")


# RD301


@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no-bias"])
def test_rd301_fires_on_an_expanding_relu_network(tmp_path, bias):
    path = save(tmp_path / "m.pt", scaled_rnn(1.6, bias=bias, nonlinearity="relu"))
    (found,) = findings(path, declarations=RELU)
    assert (found.code, found.severity) == ("RD301", "error")
    # 1.6^200 at most, less where a unit is off in the first steps.
    assert 35 < found.evidence["growth_log10"] < 200 * np.log10(1.6) + 0.1
    assert found.evidence["rate_per_step"] == pytest.approx(np.log(1.6), rel=0.02)


def test_rd301_names_the_step_of_an_overflow(tmp_path):
    path = save(tmp_path / "m.pt", scaled_rnn(1.6, nonlinearity="relu"))
    (found,) = findings(path, declarations=RELU, seq_len=1700)
    assert found.code == "RD301"
    assert "the forward pass overflows by step 15" in found.message
    # 1.6^t passes the largest float64 after 1510 steps; the start is within a decade of 1.
    assert 1500 < found.evidence["overflow_step"] < 1525


def test_rd301_is_silent_on_a_large_radius_that_saturates(tmp_path):
    assert codes(save(tmp_path / "m.pt", scaled_rnn(5.0))) == ["RD302"]


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
    assert set(codes(save(tmp_path / "m.pt", module), declarations=declarations)) == {"RD302"}


def test_rd301_fires_on_the_trained_exploding_network():
    (found,) = findings(FIXTURES / "exploding_rnn.pt", batch=8)
    assert found.code == "RD301"
    assert "(zero, weak, normal)" in found.message


# RD302


def test_rd302_is_a_warning_only_where_the_length_was_given():
    path = FIXTURES / "delayed_recall_gru.pt"
    assert findings(path) == ()
    (given,) = findings(path, seq_len=200)
    assert (given.code, given.severity) == ("RD302", "warning")


def test_rd302_is_a_note_at_the_default_length(tmp_path):
    torch.manual_seed(0)
    (found,) = findings(save(tmp_path / "m.pt", nn.GRU(3, 4)))
    assert (found.code, found.severity) == ("RD302", "note")
    assert found.evidence["log10_last"] < -3
    assert f"for {found.evidence['horizon_1e3']} steps" in found.message


def test_rd302_is_silent_on_a_network_that_remembers(tmp_path):
    module = nn.RNN(1, 7, nonlinearity="relu", bias=False)
    with torch.no_grad():
        # A cyclic shift that no input disturbs keeps every gradient's length.
        module.weight_hh_l0.copy_(torch.roll(torch.eye(7), 1, 0))
        module.weight_ih_l0.zero_()
    assert codes(save(tmp_path / "m.pt", module), declarations=RELU, seq_len=100) == []


# All together


def test_findings_are_sorted_by_layer_then_code(tmp_path):
    state = {}
    for name in ("b", "a"):
        state |= {f"{name}.{k}": v for k, v in nn.GRU(3, 4).state_dict().items()}
    state["c.h2h.weight"] = torch.randn(6, 6)
    torch.save(state, tmp_path / "m.pt")
    found = [(f.layer, f.code) for f in findings(tmp_path / "m.pt")]
    assert found == [("a/0/forward", "RD302"), ("b/0/forward", "RD302"), ("c.h2h.weight", "RD104")]


def test_order_follows_the_layers_number_and_not_its_text(tmp_path):
    path = save(tmp_path / "m.pt", nn.GRU(2, 2, num_layers=11))
    layers = [item.layer.layer for item in analyse(read(str(path)), Request()).layers]
    assert layers == list(range(11))
    found = [f.layer for f in findings(path, seq_len=100)]
    assert len(found) > 2
    assert found == sorted(found, key=lambda label: int(label.split("/")[1]))


def test_no_finding_has_an_empty_word_or_a_line_break():
    for path in FIXTURES.glob("*.pt"):
        for found in findings(path, seq_len=200):
            for text in (found.message, found.remedy, found.layer):
                assert text
                assert "\n" not in text


@pytest.mark.parametrize("code", [r.code for r in RULES] + [c.value for c in InputCode])
def test_explain_knows_every_code_in_any_case(capsys, code):
    assert run(["explain", code]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"{code}: ")
    assert run(["explain", code.lower()]) == 0
    assert capsys.readouterr().out == shown
    if code.startswith("RD0"):
        assert "Exit code 2" in shown
    else:
        assert "Threshold: " in shown
        assert "Source: " in shown


def test_explain_names_the_nearest_codes(capsys):
    assert run(["explain", "RD303x"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("rnndiag: RD007 no rule RD303x; there are RD30")


def test_a_rule_looks_at_the_result_alone(tmp_path):
    """Without a trace, only the rules on weights and recognition can speak."""
    result = analyse(read(str(FIXTURES / "exploding_rnn.pt")), Request())
    assert find(result) == ()
    traced = analyse(read(str(FIXTURES / "exploding_rnn.pt")), Request(trace=TraceRequest()))
    assert find(replace(traced, layers=())) == ()
