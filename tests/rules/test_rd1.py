"""Rules on weights: for each a file that fires it and one that does not."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from cli.command import FIXTURES
from rules.networks import changed, codes, default, findings, judgement, save
from torch import nn

from rnndiag.analysis import Request, analyse
from rnndiag.containers import read
from rnndiag.rules import Choice, RuleSetting, judge
from rnndiag.tracing import TraceRequest


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("name", ["weight_hh_l0", "weight_ih_l0", "bias_hh_l0"])
def test_rd101_fires_on_any_recurrent_value_that_is_not_finite(tmp_path, name, value):
    module = nn.GRU(3, 4)
    with torch.no_grad():
        module.get_parameter(name).view(-1)[0] = value
    path = save(tmp_path / "m.pt", module)
    (found,) = findings(path, "RD101")
    assert (found.severity, found.evidence) == ("error", {"non_finite": 1})
    assert found.layer == "(root)/0/forward"
    # Nothing else is said of such a layer.
    assert codes(path) == ["RD101"]


def test_rd101_counts_in_words(tmp_path):
    path = changed(tmp_path / "m.pt", nn.GRU(3, 4), "weight_hh_l0", slice(1), float("nan"))
    (found,) = findings(path, "RD101")
    assert found.message.startswith("4 recurrent weights are NaN")


def test_rd101_is_silent_about_a_mask(tmp_path):
    state = {f"rnn.{name}": value for name, value in nn.GRU(3, 4).state_dict().items()}
    state["attention.mask"] = torch.full((5, 5), float("-inf"))
    torch.save(state, tmp_path / "m.pt")
    assert findings(tmp_path / "m.pt", "RD101") == []


def test_rd101_names_only_the_spoiled_module(tmp_path):
    state = {f"a.{name}": value for name, value in nn.GRU(3, 4).state_dict().items()}
    bad = nn.GRU(3, 4)
    with torch.no_grad():
        bad.weight_hh_l0[0, 0] = float("nan")
    state |= {f"b.{name}": value for name, value in bad.state_dict().items()}
    torch.save(state, tmp_path / "m.pt")
    result = analyse(read(str(tmp_path / "m.pt")), Request(trace=TraceRequest(batch=1)))
    judged = judge(result)
    assert [f.layer for f in judged.findings if f.code == "RD101"] == ["b/0/forward"]
    assert [item.trace is None for item in result.layers] == [False, True]
    # It is RD101's, and not said a second time as something unmeasured.
    assert "RD104" not in [f.code for f in judged.findings]


def test_rd102_fires_on_the_network_trained_on_sequences_of_length_one():
    (found,) = findings(FIXTURES / "length_one_rnn.pt", "RD102")
    assert found.severity == "warning"
    assert found.evidence["initialisation_bound"] == 24**-0.5
    # A tenth and more of W_ih's entries are outside, and W_hh has 2,304.
    assert found.evidence["chance_of_staying"] < 0.9**2304


def test_rd102_fires_where_only_the_input_weights_left_the_box(tmp_path):
    module = nn.LSTM(3, 9)
    with torch.no_grad():
        module.weight_ih_l0[5, :2] = -0.34
    (found,) = findings(save(tmp_path / "m.pt", module), "RD102")
    assert "±0.333" in found.message
    # 2 of 108 entries are outside; 324 stayed inside.
    assert found.evidence["chance_of_staying"] == pytest.approx((1 - 2 / 108) ** 324)


def test_rd102_is_silent_where_that_may_be_chance(tmp_path):
    """2 of 9 entries outside, and 9 inside: so it was in a real trained network of 3 units."""
    module = nn.RNN(3, 3)
    with torch.no_grad():
        module.weight_ih_l0[0, :2] = 0.65
    path = save(tmp_path / "m.pt", module)
    assert findings(path, "RD102") == []
    rules = Choice(settings={"RD102": RuleSetting(threshold=0.5)}).rules()
    (found,) = findings(path, "RD102", rules=rules)
    assert found.evidence["chance_of_staying"] == pytest.approx((7 / 9) ** 9)


@pytest.mark.parametrize("name", ["delayed_recall_lstm", "delayed_recall_gru", "char_rnn"])
def test_rd102_is_silent_on_trained_recurrences(name):
    assert findings(FIXTURES / f"{name}.pt", "RD102") == []


@pytest.mark.parametrize("name", [None, "bias_hh_l0", "weight_hh_l0"])
def test_rd102_is_silent_unless_the_input_weights_alone_moved(tmp_path, name):
    """A forget bias of 1 is set before training; an untouched layer was not trained at all."""
    module = nn.LSTM(3, 9)
    with torch.no_grad():
        if name is not None:
            module.get_parameter(name)[9:18] = 1.0
        if name == "weight_hh_l0":
            module.weight_ih_l0[0, 0] = 1.0
    assert findings(save(tmp_path / "m.pt", module), "RD102") == []


def test_rd103_fires_on_rows_of_zeros_and_counts_them(tmp_path):
    path = changed(tmp_path / "m.pt", nn.GRU(3, 4), "weight_hh_l0", slice(2, 4), 0.0)
    (found,) = findings(path, "RD103")
    assert (found.severity, found.evidence) == ("note", {"zero_rows": 2, "rows": 12})
    assert "2 of 12 rows of W_hh are zero" in found.message


@pytest.mark.parametrize("kind", ["rnn", "gru", "lstm"])
def test_rd103_is_silent_on_default_initialisations(tmp_path, kind):
    assert findings(default(tmp_path / "m.pt", kind), "RD103") == []


def test_rd104_fires_on_a_recurrence_that_was_not_recognised(tmp_path):
    state = {f"rnn.{name}": value for name, value in nn.GRU(3, 4).state_dict().items()}
    state["cell.h2h.weight"] = torch.randn(6, 6)
    torch.save(state, tmp_path / "m.pt")
    (found,) = findings(tmp_path / "m.pt", "RD104")
    assert (found.severity, found.layer) == ("warning", "cell.h2h.weight")
    # A recurrence of another kind cannot be declared.
    assert found.remedy.endswith("an LSTM, else --ignore RD104")
    assert found.evidence == {"shape": "6x6"}


def test_rd104_is_an_error_where_sibling_tensors_prove_it(tmp_path):
    state = {f"rnn.{name}": value for name, value in nn.GRU(3, 4).state_dict().items()}
    state |= {"dec.kernel": torch.randn(3, 32), "dec.recurrent_kernel": torch.randn(8, 32)}
    torch.save(state, tmp_path / "m.pt")
    (found,) = findings(tmp_path / "m.pt", "RD104")
    assert (found.severity, found.layer) == ("error", "dec.recurrent_kernel")
    assert found.message.startswith("recurrent, was not measured: an LSTM with transposed")
    assert "--as" not in found.message + found.remedy
    del state["dec.kernel"]
    torch.save(state, tmp_path / "m.pt")
    assert findings(tmp_path / "m.pt", "RD104") == []


def test_rd104_proposes_a_line_where_the_roles_are_sure(tmp_path):
    torch.save(
        {"cell.h2h.weight": torch.randn(18, 6), "cell.x2h.weight": torch.randn(18, 3)},
        tmp_path / "m.pt",
    )
    result = analyse(read(str(tmp_path / "m.pt")), Request(), needed="recurrence")
    (found,) = judge(result).findings
    assert found.severity == "error"
    assert found.message.endswith("--as cell.h2h.weight=gru,input=cell.x2h.weight")
    assert found.remedy == "declare it with that line if it is one, else --ignore RD104"


def test_rd104_says_of_an_upper_layer_that_a_lower_one_is_not_finite(tmp_path):
    module = nn.GRU(3, 4, 3)
    with torch.no_grad():
        module.weight_hh_l1[0, 0] = float("nan")
    path = save(tmp_path / "m.pt", module)
    found = findings(path, "RD104")
    assert [each.layer for each in found] == ["(root)/0/forward", "(root)/2/forward"]
    for each in found:
        assert each.message == (
            "recurrent, was not measured: it cannot be run: the weights of (root)/1/forward are "
            "not finite"
        )
    assert [each.layer for each in findings(path, "RD101")] == ["(root)/1/forward"]


def test_rd104_fires_on_a_layer_that_the_given_inputs_do_not_fit(tmp_path):
    """Traced with inputs of one module alone, the other would pass unseen."""
    state = {f"a.{name}": value for name, value in nn.GRU(3, 4).state_dict().items()}
    state |= {f"b.{name}": value for name, value in nn.GRU(5, 4).state_dict().items()}
    torch.save(state, tmp_path / "m.pt")
    trace = TraceRequest(inputs_tbi=np.zeros((30, 1, 3)))
    judged = judge(analyse(read(str(tmp_path / "m.pt")), Request(trace=trace)))
    (found,) = [f for f in judged.findings if f.code == "RD104"]
    assert found.layer == "b/0/forward"
    assert "3 features, b takes 5" in found.message
    assert found.severity == "warning"


def test_rd104_is_silent_about_linear_layers(tmp_path):
    state = {f"rnn.{name}": value for name, value in nn.GRU(3, 4).state_dict().items()}
    state |= {"head.weight": torch.randn(4, 4), "head.bias": torch.randn(4)}
    torch.save(state, tmp_path / "m.pt")
    assert findings(tmp_path / "m.pt", "RD104") == []


def test_rd104_is_all_that_judges_a_file_without_layers(tmp_path):
    torch.save({"cell.h2h.weight": torch.randn(6, 6)}, tmp_path / "m.pt")
    result = analyse(read(str(tmp_path / "m.pt")), Request(), "recurrence")
    judged = judge(result)
    assert judged.judged == ("RD104",)
    assert {none.reason for none in judged.not_applicable} == {
        "no layer was measured",
        "no optimizer's state",
        "no probe",
        "the other tensors were not read: rnndiag check does",
    }
    assert judgement(FIXTURES / "char_rnn.pt").judged[:4] == ("RD101", "RD102", "RD103", "RD104")
