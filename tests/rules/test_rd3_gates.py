"""Rules on gates, cells and precision: for each a file that fires it and one that does not."""

from __future__ import annotations

import math

import pytest
import torch
from cli.command import FIXTURES
from rules.networks import RELU, changed, default, findings, halving, judgement, save
from torch import nn

from rnndiag.rules.selection import Choice, RuleSetting

HIDDEN = 10


def lstm():
    torch.manual_seed(0)
    return nn.LSTM(3, HIDDEN)


def shut(count: int):
    """The output gate's bias of the first cells: σ(-40) is 4e-18, below any loss's reach."""
    return slice(3 * HIDDEN, 3 * HIDDEN + count)


def test_rd305_fires_on_cells_whose_output_gate_is_shut(tmp_path):
    path = changed(tmp_path / "m.pt", lstm(), "bias_hh_l0", shut(3), -40.0)
    (found,) = findings(path, "RD305")
    assert found.severity == "warning"
    assert found.evidence == {"dead_cells": 3, "cells": HIDDEN, "threshold": 0.01}
    assert found.message.startswith("3 of 10 memory cells are dead")


@pytest.mark.parametrize(("threshold", "count"), [(0.3, 1), (0.31, 0)])
def test_rd305_takes_a_share_of_its_own(tmp_path, threshold, count):
    path = changed(tmp_path / "m.pt", lstm(), "bias_hh_l0", shut(3), -40.0)
    rules = Choice(settings={"RD305": RuleSetting(threshold=threshold)}).rules()
    assert len(findings(path, "RD305", rules=rules)) == count


@pytest.mark.parametrize("path", [None, FIXTURES / "delayed_recall_lstm.pt"])
def test_rd305_is_silent_on_living_cells(tmp_path, path):
    assert findings(path or save(tmp_path / "m.pt", lstm()), "RD305") == []


def test_rd306_fires_on_a_gate_that_is_always_open(tmp_path):
    forget = slice(HIDDEN, 2 * HIDDEN)
    path = changed(tmp_path / "m.pt", lstm(), "bias_hh_l0", forget, 20.0)
    (found,) = findings(path, "RD306")
    assert found.severity == "note"
    assert found.evidence == {"forget": pytest.approx(1.0), "threshold": 0.9}
    assert "forget gate 100%" in found.message


@pytest.mark.parametrize("kind", ["gru", "lstm"])
def test_rd306_is_silent_on_default_initialisations(tmp_path, kind):
    assert findings(default(tmp_path / "m.pt", kind), "RD306") == []


def test_rd306_is_silent_where_one_deciding_input_moves_the_gate(tmp_path):
    """Shut without input, at work with unit Gaussian input."""
    module = lstm()
    with torch.no_grad():
        module.bias_hh_l0[:HIDDEN] = -4.0
        module.weight_ih_l0[:HIDDEN] = 4.0
    assert findings(save(tmp_path / "m.pt", module), "RD306") == []


def test_rd307_fires_at_the_smallest_normal_float16(tmp_path):
    path = halving(tmp_path / "m.pt", torch.float16)
    (found,) = findings(path, "RD307", declarations=RELU, seq_len=15)
    assert found.severity == "note"
    # 2^-14 is itself still normal.
    assert found.evidence["horizon_float16"] == 14
    assert found.evidence["log10_last"] == pytest.approx(-15 * math.log10(2))


def test_rd307_is_silent_down_to_that_number(tmp_path):
    path = halving(tmp_path / "m.pt", torch.float16)
    assert findings(path, "RD307", declarations=RELU, seq_len=14) == []


def test_rd307_is_silent_where_nothing_says_half_precision(tmp_path):
    path = halving(tmp_path / "m.pt", torch.float32)
    assert findings(path, "RD307", declarations=RELU, seq_len=100) == []


@pytest.mark.parametrize("kind", ["rnn", "gru"])
def test_what_a_network_does_not_have_is_not_judged(tmp_path, kind):
    judged = judgement(default(tmp_path / "m.pt", kind))
    missing = {none.code: none.reason for none in judged.not_applicable}
    assert missing["RD305"] == "no LSTM"
    assert missing.get("RD306") == ("no gated layer" if kind == "rnn" else None)
