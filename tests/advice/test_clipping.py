"""Which source a clip value is taken from, what it says of itself, and what it must not say."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from advice.training import state
from torch import nn

from rnndiag.advice.clipping import BROKEN, FEWEST, ClipEvidence, advise_clipping
from rnndiag.advice.present_clip import PresentClip

LOGGED = list(np.random.default_rng(0).lognormal(size=1000))
PRESENT = PresentClip("args.max_grad_norm", 5.0, "norm", "")


def test_the_order_of_trust():
    everything = ClipEvidence(LOGGED, [0.5] * 30, state())
    for evidence, basis in (
        (everything, "logged-norms"),
        (ClipEvidence((), [0.5] * 30, state()), "probe"),
        (ClipEvidence((), (), state()), "optimizer-state"),
        (ClipEvidence((), (), state(clipped_at=1.0)), "already-clipped"),
        (ClipEvidence((), (), state(gradient_rms_norm=None, absent="no")), "convention"),
        (ClipEvidence((), (), None), "convention"),
    ):
        assert advise_clipping(evidence).basis == basis


def test_logged_norms_give_their_95th_percentile_and_how_often_it_fires():
    advice = advise_clipping(ClipEvidence(LOGGED))
    # Three digits are shown, so three are proposed.
    assert advice.max_norm == pytest.approx(np.sort(LOGGED)[949], rel=0.02)
    assert advice.fires == sum(norm > advice.max_norm for norm in LOGGED) / 1000
    assert advice.fires == pytest.approx(0.05, abs=0.005)
    assert f"would have clipped {advice.fires:.1%} of those steps" in advice.reason
    assert "1,000 logged norms" in advice.reason
    assert advice.reasonable_range is None


def test_the_share_is_what_torch_clips():
    """clip_grad_norm_ shortens exactly the gradients that are counted as fired."""
    weight = nn.Parameter(torch.zeros(3))
    generator = torch.Generator().manual_seed(0)
    gradients = [torch.randn(3, generator=generator) for _ in range(200)]
    advice = advise_clipping(ClipEvidence([float(g.norm()) for g in gradients]))
    shortened = 0
    for gradient in gradients:
        weight.grad = gradient.clone()
        torch.nn.utils.clip_grad_norm_([weight], advice.max_norm)
        shortened += bool(weight.grad.norm() < gradient.norm() * (1 - 1e-4))
    assert shortened / 200 == advice.fires


@pytest.mark.parametrize("count", [1, FEWEST - 1])
def test_a_few_norms_have_no_percentile(count):
    norms = [0.1 * (step + 1) for step in range(count)]
    advice = advise_clipping(ClipEvidence(probe=norms))
    mean = float(np.sqrt(np.mean(np.square(norms))))
    assert advice.max_norm == pytest.approx(mean, rel=5e-3)
    assert advice.reasonable_range == pytest.approx((0.5 * mean, 10 * mean))
    assert "percentile" not in advice.reason
    assert ("root mean square" in advice.reason) == (count > 1)
    assert any("percentile needs 20" in caveat for caveat in advice.caveats)
    twenty = advise_clipping(ClipEvidence(probe=[0.3] * FEWEST))
    assert "95th percentile" in twenty.reason


@pytest.mark.parametrize(("source", "word"), [("probe", "captured"), ("logged", "logged")])
def test_steps_without_a_finite_norm_are_counted_and_left_out(source, word):
    norms = [float("inf"), *[1.0] * 25, float("nan")]
    advice = advise_clipping(ClipEvidence(**{source: norms}))
    assert (advice.max_norm, advice.fires, advice.non_finite) == (1.0, 0.0, 2)
    assert advice.norms == (1.0,) * 25
    assert f"25 {word} norms" in advice.reason
    (said,) = [caveat for caveat in advice.caveats if "inf or NaN" in caveat]
    assert said.startswith(f"2 of 27 {word} norms are inf or NaN and were left out: a loss")
    (one,) = [c for c in advise_clipping(ClipEvidence(norms[:-1])).caveats if "NaN" in c]
    assert one.startswith("1 of 26 logged norms is inf or NaN")
    assert advise_clipping(ClipEvidence([1.0] * 25)).non_finite == 0


def test_a_run_that_ends_without_finite_norms_broke():
    for broken, words in ((BROKEN - 1, "loss scaler"), (BROKEN, "the last 20 in a row")):
        norms = [float("inf"), *[1.0] * 30, *[float("nan")] * broken]
        caveats = " ".join(advise_clipping(ClipEvidence(norms)).caveats)
        assert words in caveats
        assert f"{broken + 1} of {broken + 31} logged norms" in caveats


def test_without_a_finite_norm_the_state_is_asked():
    advice = advise_clipping(ClipEvidence(probe=[float("nan")], state=state()))
    assert (advice.basis, advice.non_finite) == ("optimizer-state", 1)
    assert "1 of 1 captured norms is inf or NaN" in " ".join(advice.caveats)


def test_a_name_that_says_too_little_is_said():
    advice = advise_clipping(ClipEvidence(LOGGED, logged_as="Value"))
    assert "taken from 'Value': check that" in advice.caveats[0]
    assert "taken from" not in " ".join(advise_clipping(ClipEvidence(LOGGED)).caveats)


def test_norms_that_were_logged_after_clipping_are_noticed():
    after = [min(norm, 1.0) for norm in LOGGED]
    caveats = " ".join(advise_clipping(ClipEvidence(after)).caveats)
    assert "probably logged after clipping" in caveats
    assert f"{np.mean(np.array(LOGGED) >= 1.0):.0%}" in caveats
    assert "after clipping" not in " ".join(advise_clipping(ClipEvidence(LOGGED)).caveats)


def test_zero_is_never_proposed():
    advice = advise_clipping(ClipEvidence([0.0] * 50, state=None))
    assert (advice.basis, advice.max_norm) == ("convention", 1.0)
    assert "every logged norm is zero" in advice.reason
    advice = advise_clipping(ClipEvidence(state=state({"rnn.weight_hh_l0": 0.0})))
    assert "every gradient that the Adam state has seen was zero" in advice.reason


def test_the_optimizers_norm_claims_no_more_than_a_mean_can():
    advice = advise_clipping(ClipEvidence(state=state({"a": 4.0})))
    assert advice.max_norm == 2.0
    assert advice.fires is None
    assert advice.reasonable_range == (1.0, 20.0)
    assert "about its last 2,000 steps: 2" in advice.reason
    (firing,) = [caveat for caveat in advice.caveats if "how often" in caveat]
    assert "spikes" in firing
    assert "at most 25% of steps were above 4, 4% above 10" in firing


def test_the_bound_holds_for_any_norms():
    """At most (R/c)² of steps lie above c, whatever the norms: heavy tails included."""
    generator = np.random.default_rng(1)
    for draw in (generator.lognormal, generator.exponential, lambda size: np.r_[30.0, np.ones(99)]):
        norms = draw(size=100)
        mean = np.sqrt(np.mean(norms**2))
        for multiple in (2, 5):
            assert np.mean(norms > multiple * mean) <= 1 / multiple**2


@pytest.mark.parametrize("other", [{"adds_weight_decay": True}, {"loss_scale": 65536.0}])
@pytest.mark.parametrize("present", [None, PRESENT])
def test_no_bound_follows_from_a_mean_of_something_else(other, present):
    """With weight decay in it, a mean of 0.24 was measured under a clip value of 0.05."""
    advice = advise_clipping(ClipEvidence(state=state(**other)), present)
    (firing,) = [caveat for caveat in advice.caveats if "how often" in caveat]
    assert firing == "a mean tells neither how often it fires nor spikes"


def test_where_the_file_clips_the_mean_is_a_lower_bound():
    advice = advise_clipping(ClipEvidence(state=state()), PRESENT)
    assert advice.present is PRESENT
    (firing,) = [caveat for caveat in advice.caveats if "how often" in caveat]
    assert "what was clipped at 5 was larger before" in firing
    assert "at most" not in firing


def test_a_single_step_is_called_one():
    advice = advise_clipping(ClipEvidence(state=state(effective_steps=1.0)))
    assert "over its last step" in advice.reason


@pytest.mark.parametrize(
    ("known", "words"),
    [
        (None, "the file holds no optimizer's running averages"),
        (
            state(
                optimizer="sgd-momentum",
                gradient_rms_norm=None,
                absent="no second moment of the gradients: not in this file",
            ),
            "the SGD momentum state gives no gradient norm (no second moment of the gradients: not "
            "in this file)",
        ),
    ],
)
def test_a_convention_is_called_one_and_says_what_to_supply(known, words):
    advice = advise_clipping(ClipEvidence(state=known))
    assert advice.max_norm == 1.0
    assert advice.reason.startswith("convention, not measured")
    assert words in advice.reason
    assert "--norms FILE" in advice.reason


def test_the_files_caveats_come_first():
    known = state(caveats=("includes weight decay * weights",))
    assert advise_clipping(ClipEvidence(state=known)).caveats[0] == known.caveats[0]


def test_logged_norms_that_are_all_zero_are_said_to_be_left_out():
    advice = advise_clipping(ClipEvidence(logged=[0.0, 0.0], state=state()))
    assert advice.basis == "optimizer-state"
    assert "every logged norm is zero, so they were left out" in advice.caveats


def test_of_one_norm_no_share_is_said_to_be_clipped():
    """Rounded to three digits it is a little below itself: "clips 100%" would be an accident."""
    advice = advise_clipping(ClipEvidence(probe=[4673.0]))
    assert (advice.max_norm, advice.fires) == (4670.0, None)
    assert advice.reason == "the one captured norm, 4673"
    assert "one norm is too few to show spikes; a percentile needs 20" in advice.caveats


@pytest.mark.parametrize("size", [1e-200, 1.0, 1e308])
def test_norms_whose_squares_no_float_holds(size):
    """√((0.3² + 0.4²)/2) of any size: squares would be 0 below 1e-162 and infinite above 1e154."""
    advice = advise_clipping(ClipEvidence([0.3 * size, 0.4 * size]))
    assert advice.max_norm == pytest.approx(np.sqrt(0.125) * size, rel=2e-3)  # three digits
    assert f"(median {0.35 * size:.4g}, largest" in advice.reason
    assert advise_clipping(ClipEvidence([size] * 30)).max_norm == size
