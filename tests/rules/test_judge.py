"""All rules together: order, what could not be judged, and the pages of `explain`."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from cli.command import FIXTURES
from rules.networks import default, findings, judgement, plain, save
from torch import nn

from rnndiag.analysis import Request, analyse
from rnndiag.cli import run
from rnndiag.containers import read
from rnndiag.errors import InputCode
from rnndiag.rules import RULES, judge
from rnndiag.tracing import TraceRequest


def test_findings_are_sorted_by_layer_then_code(tmp_path):
    state = {}
    for name in ("b", "a"):
        state |= {f"{name}.{k}": v for k, v in nn.GRU(3, 4).state_dict().items()}
    state["c.h2h.weight"] = torch.randn(6, 6)
    torch.save(state, tmp_path / "m.pt")
    found = [(f.layer, f.code) for f in judgement(tmp_path / "m.pt").findings]
    layers = [(f"{name}/0/forward", code) for name in "ab" for code in ("RD302",)]
    assert found == [*layers, ("c.h2h.weight", "RD104")]


def test_order_follows_the_layers_number_and_not_its_text(tmp_path):
    path = save(tmp_path / "m.pt", nn.GRU(2, 2, num_layers=11))
    layers = [item.layer.layer for item in analyse(read(str(path)), Request()).layers]
    assert layers == list(range(11))
    found = [f.layer for f in findings(path, "RD302", seq_len=100)]
    assert len(found) > 2
    assert found == sorted(found, key=lambda label: int(label.split("/")[1]))


def test_no_finding_has_an_empty_word_or_a_line_break():
    for path in FIXTURES.glob("*.pt"):
        for found in judgement(path, seq_len=200).findings:
            for text in (found.message, found.remedy, found.layer):
                assert text
                assert "\n" not in text


@pytest.mark.parametrize("path", sorted(FIXTURES.glob("*.pt")), ids=lambda path: path.stem)
def test_every_rule_judges_a_file_or_says_why_not(path):
    judged = judgement(path)
    told = [none.code for none in judged.not_applicable]
    assert sorted([*judged.judged, *told]) == [rule.code for rule in RULES]
    assert {finding.code for finding in judged.findings} <= set(judged.judged)
    assert all(none.reason for none in judged.not_applicable)


def test_a_rule_without_its_measurement_is_not_applicable():
    """Without a trace and a spectrum, only rules on weights and training can speak."""
    path = str(FIXTURES / "exploding_rnn.pt")
    judged = judge(analyse(read(path), Request()))
    assert judged.findings == ()
    missing = {none.code: none.reason for none in judged.not_applicable}
    assert missing == {
        **dict.fromkeys(("RD201", "RD202", "RD203", "RD204"), "no spectrum was measured"),
        **dict.fromkeys(("RD301", "RD302", "RD303", "RD304", "RD307"), "nothing was traced"),
        "RD105": "the other tensors were not read: rnndiag check does",
        "RD305": "no LSTM",
        "RD306": "no gated layer",
        "RD405": "no probe",
    }
    untrained = judge(analyse(read(path), Request(training_state=False)))
    assert "RD4" in {none.code[:3] for none in untrained.not_applicable}
    traced = analyse(read(path), Request(trace=TraceRequest()))
    assert judge(replace(traced, layers=())).findings == ()


def test_only_the_rules_that_are_asked_for_are_judged(tmp_path):
    rules = [rule for rule in RULES if rule.code in ("RD101", "RD306")]
    judged = judgement(default(tmp_path / "m.pt", "rnn"), rules=rules)
    assert judged.judged == ("RD101",)
    assert [none.code for none in judged.not_applicable] == ["RD306"]


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
        assert "\nThreshold: " in shown
        assert "\nSource: " in shown
        assert f"[tool.rnndiag.rules.{code}]" in shown


def test_explain_names_the_nearest_codes(capsys):
    family = "there are RD401, RD402, RD403, RD404, RD405\n"
    for code, there in (("RD303x", "there is RD303\n"), ("rd4", family), ("", "there are RD001, ")):
        assert run(["explain", code]) == 2
        said = capsys.readouterr()
        assert said.out == ""
        assert said.err.startswith(f"rnndiag: RD007 no rule {code!r}; {there}")


def spoilt(path):
    """Powers that grow, ill-conditioned eigenvalues: what RD203 and RD204 speak of."""
    return plain(path, 0.9 * torch.eye(12) + torch.diag(torch.ones(11), 1))


def contracting(path):
    return plain(path, 0.5 * torch.eye(4) + 0.6 * torch.diag(torch.ones(3), 1))


@pytest.mark.parametrize("make", [spoilt, contracting, lambda path: default(path, "rnn")])
def test_what_the_gate_leaves_out_no_rule_looks_at(make, tmp_path):
    """The whole spectrum and what a gate measures of it: the same judgement."""
    checkpoint = read(str(make(tmp_path / "m.pt")))
    trace = TraceRequest(seq_len=30, batch=2)
    lean, whole = (
        judge(analyse(checkpoint, Request(trace=trace, **{kind: True})))
        for kind in ("state_map", "spectrum")
    )
    assert lean == whole
    assert {"RD201", "RD202", "RD203", "RD204"} <= set(lean.judged)
