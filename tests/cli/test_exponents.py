"""--exponents, from a checkpoint to the JSON."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch

import rnndiag.cli


def traced(capsys, *arguments):
    """The first drive of the first layer."""
    assert rnndiag.cli.run(["bptt-trace", *arguments, "--format", "json"]) == 0
    return json.loads(capsys.readouterr().out)["files"][0]["layers"][0]["trace"]["drives"][0]


@pytest.fixture
def forget_gates(tmp_path):
    """An LSTM of which only the forget gates live: c decays by σ(b), h is lost in one step."""
    module = torch.nn.LSTM(1, 3).double()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()
        module.bias_hh_l0[3:6] = torch.tensor([1.0, 2.0, 3.0])
    torch.save(module.state_dict(), tmp_path / "model.pt")
    return str(tmp_path / "model.pt")


def test_every_exponent_of_forget_gates(forget_gates, capsys):
    drive = traced(capsys, forget_gates, "--exponents", "all", "--input", "zero")
    expected = [-math.log1p(math.exp(-b)) for b in (3.0, 2.0, 1.0)]
    # Random tangents turn into the slow cells as e^(-gap·t): after the 20 discarded steps of a gap
    # of 0.08 an angle of e^-1.6 is left, spread over 180 steps. Their volume turns less: only the
    # share of h in it, which follows c, still moves.
    np.testing.assert_allclose(drive["lyapunov"][:3], expected, atol=2e-3)
    assert sum(drive["lyapunov"][:3]) == pytest.approx(sum(expected), abs=2e-5)
    assert len(drive["lyapunov"]) == 6
    assert drive["lyapunov_standard_error"] < 1e-3
    # σ₁ of the whole product: the longest-lived cell, σ(3)^T, times √(1 + the h it shows).
    assert drive["worst_case_growth_log10"] == pytest.approx(
        200 * expected[0] / math.log(10), abs=0.1
    )


def test_one_is_the_default_and_none_can_be_asked_for(forget_gates, capsys):
    one = traced(capsys, forget_gates)
    assert len(one["lyapunov"]) == 1
    assert one["worst_case_growth_log10"] is None
    drive = traced(capsys, forget_gates, "--exponents", "0")
    assert drive["lyapunov"] is None
    assert drive["worst_case_growth_log10"] is None


@pytest.mark.parametrize("text", ["-1", "two", "1.5", "", "²", "9999999999"])
def test_no_count(forget_gates, text, capsys):
    assert rnndiag.cli.run(["bptt-trace", forget_gates, f"--exponents={text}"]) == 2
    assert "RD007 --exponents" in capsys.readouterr().err


def test_exponents_words_and_verdict_agree_where_some_samples_are_dead(tmp_path, capsys):
    """ReLU, W_hh = 1.6: about half of the random states are negative, and dead from then on."""
    path = str(tmp_path / "relu.pt")
    torch.save({"rnn.weight_ih_l0": torch.ones(1, 1), "rnn.weight_hh_l0": 1.6 * torch.eye(1)}, path)
    options = [path, "--as", "rnn.weight_hh_l0=rnn:relu", "--input", "zero"]
    drive = traced(capsys, *options)
    starts = np.random.default_rng([0, 1]).standard_normal((8, 1))
    assert drive["verdict"] == "exploding"
    assert drive["lyapunov_samples"] == (starts > 0).sum() not in (0, 8)
    assert drive["lyapunov"] == [pytest.approx(math.log(1.6))]
    assert rnndiag.cli.run(["bptt-trace", *options, "--format", "table"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "by 0.47" in shown
    assert f"the mean over {drive['lyapunov_samples']} of 8 samples" in shown
    assert "inf" not in shown
