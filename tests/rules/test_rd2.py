"""Rules on the spectrum of plain RNNs: for each a file that fires it and one that does not."""

from __future__ import annotations

import math

import pytest
import torch
from cli.command import FIXTURES
from rules.networks import RELU, codes, default, findings, judgement, plain, save, scaled_rnn

from rnndiag.rules.selection import Choice, RuleSetting

SPECTRAL = ["RD201", "RD202", "RD203", "RD204"]


def rotation(size: int = 6):
    torch.manual_seed(1)
    return torch.linalg.qr(torch.randn(size, size, dtype=torch.float64))[0]


def test_rd201_fires_on_a_contraction_and_says_how_many_steps(tmp_path):
    (found,) = findings(plain(tmp_path / "m.pt", 0.5 * rotation()), "RD201")
    assert found.severity == "note"
    assert found.evidence["spectral_norm"] == found.evidence["scaled_norm"] == pytest.approx(0.5)
    # 2^-10 is the first power below a thousandth.
    assert found.evidence["steps_to_1e3"] == 10


def test_rd201_fires_on_no_recurrence_at_all(tmp_path):
    (found,) = findings(plain(tmp_path / "m.pt", torch.zeros(4, 4)), "RD201")
    assert found.evidence == {"scaled_norm": 0.0, "spectral_norm": 0.0, "steps_to_1e3": 1}


def test_rd201_fires_in_units_that_are_found_and_counts_their_factor(tmp_path):
    """D = diag(1, 4) makes [[0, 2], [1/8, 0]] half a rotation, at a factor of 4: 2^-12 · 4."""
    path = plain(tmp_path / "m.pt", [[0.0, 2.0], [0.125, 0.0]])
    (found,) = findings(path, "RD201")
    assert found.evidence["spectral_norm"] == pytest.approx(2.0)
    assert found.evidence["scaled_norm"] == pytest.approx(0.5)
    assert found.evidence["steps_to_1e3"] == 12


@pytest.mark.parametrize("scale", [1.0, 1.5])
def test_rd201_is_silent_without_the_certificate(tmp_path, scale):
    """At a norm of 1 a gradient may last for ever."""
    assert findings(plain(tmp_path / "m.pt", scale * rotation()), "RD201") == []


def test_rd202_fires_where_saturation_beats_a_large_radius(tmp_path):
    (found,) = findings(save(tmp_path / "m.pt", scaled_rnn(5.0)), "RD202")
    assert found.severity == "note"
    assert found.evidence["log_radius"] == pytest.approx(math.log(5.0))
    assert found.evidence["rate_per_step"] < 0
    assert "believe the measurement" in found.message


def test_rd202_asks_for_the_activation_that_nobody_named(tmp_path):
    """Weights of a ReLU network that explodes look like a tanh network's that does not."""
    path = save(tmp_path / "m.pt", scaled_rnn(1.6, nonlinearity="relu"))
    (found,) = findings(path, "RD202")
    assert found.remedy.endswith("may explode: declare one with --as NAME=rnn:relu")
    assert codes(path, declarations=RELU) == ["RD301"]
    torch.save(scaled_rnn(1.6), path)  # a whole module says that it is tanh
    (found,) = findings(path, "RD202")
    assert found.remedy == "none needed: do not rescale W_hh because of its radius"


def test_rd202_fires_where_relu_picks_a_growing_direction(tmp_path):
    """Unit 1 is always off, so the first one alone counts: 1.5, though the radius is 0.707."""
    matrix = [[1.5, 1.0], [-2.0, -1.0]]
    path = plain(tmp_path / "m.pt", matrix, bias=[0.1, 0.0], input_scale=0.0, nonlinearity="relu")
    (found,) = findings(path, "RD202", declarations=RELU, seq_len=60)
    assert found.evidence["spectral_radius"] == pytest.approx(math.sqrt(0.5))
    assert found.evidence["rate_per_step"] == pytest.approx(math.log(1.5), rel=1e-3)
    assert "says the gradient decays; measured it grows" in found.message


@pytest.mark.parametrize("scale", [0.9, 1.0])
def test_rd202_is_silent_where_both_say_decay_or_the_radius_says_nothing(tmp_path, scale):
    assert findings(plain(tmp_path / "m.pt", scale * rotation()), "RD202") == []


def test_rd202_is_silent_where_both_say_growth():
    assert findings(FIXTURES / "exploding_rnn.pt", "RD202", batch=8) == []


def test_rd203_fires_on_powers_that_grow_before_they_decay(tmp_path):
    path = plain(tmp_path / "m.pt", [[0.5, 40.0], [0.0, 0.5]])
    (found,) = findings(path, "RD203")
    assert found.severity == "warning"
    # W^k = 0.5^(k-1) [[0.5, 40 k], [0, 0.5]]: k = 1 and 2 have 40, and k = 1 the larger diagonal.
    assert found.evidence["transient_growth"] == pytest.approx(40.0, rel=1e-3)
    assert found.evidence["transient_growth_step"] == 1
    assert found.evidence["threshold"] == 10.0


def test_rd203_is_silent_on_the_default_initialisation(tmp_path):
    assert findings(default(tmp_path / "m.pt", "rnn"), "RD203") == []


def test_rd203_is_silent_at_a_radius_above_1(tmp_path):
    path = plain(tmp_path / "m.pt", [[1.1, 40.0], [0.0, 0.5]])
    assert findings(path, "RD203") == []


@pytest.mark.parametrize(("threshold", "count"), [(41.0, 0), (39.0, 1)])
def test_a_threshold_that_is_set_is_the_one_that_counts(tmp_path, threshold, count):
    path = plain(tmp_path / "m.pt", [[0.5, 40.0], [0.0, 0.5]])
    rules = Choice(settings={"RD203": RuleSetting("error", threshold)}).rules()
    found = findings(path, "RD203", rules=rules)
    assert len(found) == count
    for finding in found:
        assert finding.severity == "error"
        assert finding.message.endswith("(threshold set to 39)")
        assert finding.evidence["threshold"] == 39.0


def test_rd204_fires_on_a_jordan_block(tmp_path):
    jordan = 0.9 * torch.eye(64) + torch.diag(torch.ones(63), 1)
    (found,) = findings(plain(tmp_path / "m.pt", jordan), "RD204")
    assert found.severity == "note"
    # A change of 1e-14 moves the eigenvalue by its 64th root.
    assert found.evidence["eigenvalue_uncertainty"] > 0.3


@pytest.mark.parametrize("name", ["char_rnn", "exploding_rnn"])
def test_rd204_is_silent_on_trained_networks(name):
    assert findings(FIXTURES / f"{name}.pt", "RD204") == []


@pytest.mark.parametrize("kind", ["gru", "lstm"])
def test_gates_have_no_map_from_state_to_state(tmp_path, kind):
    judged = judgement(default(tmp_path / "m.pt", kind))
    assert [
        none.code for none in judged.not_applicable if none.reason == "no plain RNN"
    ] == SPECTRAL
