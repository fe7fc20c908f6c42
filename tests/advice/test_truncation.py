"""Which length, module and status truncation advice takes from measured curves."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from cli.command import FIXTURES

from rnndiag.advice.lengths import chunk_for, lags_for
from rnndiag.advice.truncation import DEFAULT_BIAS, advise_truncation
from rnndiag.analysis import Request, analyse
from rnndiag.containers import read
from rnndiag.measure.decay import measure_decay
from rnndiag.measure.gram import Gram
from rnndiag.measure.truncation import TruncationCurves
from rnndiag.measure.verdict import drive_verdict
from rnndiag.recognise.settings import Setting
from rnndiag.tracing import TraceRequest


@pytest.mark.parametrize("beta", [0.3, 0.5, 0.8, 0.95])
@pytest.mark.parametrize("bias", [0.3, 0.1, 0.01])
def test_lengths_are_the_shortest_that_keep_to_the_laws(beta, bias):
    curves = TruncationCurves(gram(beta ** np.arange(1500.0)))
    lags = lags_for(curves.sliding.bias, bias)
    assert beta**lags <= bias * (1 + 1e-9)
    assert lags == 1 or beta ** (lags - 1) > bias
    chunk = chunk_for(curves.chunk.bias, bias)
    law = lambda c: beta * (1 - beta**c) / (c * (1 - beta))
    assert law(chunk) <= bias * (1 + 1e-9)
    assert chunk == 1 or law(chunk - 1) > bias


def test_a_chunk_beyond_the_window_follows_from_the_sum():
    """A window of 60 at β = 0.9 needs a chunk of 90, as a long one does, up to its own end."""
    curves = TruncationCurves(gram(0.9 ** np.arange(60.0)))
    assert chunk_for(curves.chunk.bias, 0.1) in range(88, 91)


def test_bias_that_returns_counts_until_its_last_crossing():
    assert lags_for(np.array([0.05, 0.3, 0.02, 0.01]), 0.1) == 3
    assert chunk_for(np.array([0.05, 0.3, 0.02, 0.01]), 0.1) == 3


def test_a_gradient_of_one_lag_needs_one():
    curves = TruncationCurves(gram(np.array([1.0, 0.0, 0.0])))
    assert lags_for(curves.sliding.bias, 0.1) == 1
    assert chunk_for(curves.chunk.bias, 0.1) == 1


def gram(sizes):
    """Of lags whose gradients all point one way."""
    return np.multiply.outer(sizes, sizes)


def item(
    label: str,
    *curves: tuple[str, np.ndarray, bool],
    direction="forward",
    halves=(),
    known=False,
    bias="some",
):
    """A layer's result with these drives: name, ln φ by lag, whether it decides.

    Parameters' gradients are in proportion to φ and all point one way; `halves` are given as rates.
    """
    drives = []
    for name, log_phi, deciding in curves:
        with np.errstate(over="ignore"):
            sizes = np.exp(log_phi[:-1] - np.maximum(log_phi.max(), -1e300))
        parts = tuple(gram(np.exp(-rate * np.arange(len(log_phi) - 1))) for rate in halves)
        drives.append(
            SimpleNamespace(
                drive=name,
                deciding=deciding,
                log10_gradient_norm=log_phi / np.log(10),
                decay=measure_decay(log_phi),
                verdict=drive_verdict(measure_decay(log_phi), None),
                lag_gram=Gram(gram(sizes), not known, parts),
            )
        )
    layer = SimpleNamespace(
        label=f"{label}/0/{direction}",
        name=label,
        direction=direction,
        bias_ih=bias,
        bias_hh=None,
    )
    return SimpleNamespace(layer=layer, trace=SimpleNamespace(drives=tuple(drives)))


def decaying(rate: float, steps: int = 200) -> np.ndarray:
    return -rate * np.arange(steps + 1.0)


def test_the_module_that_needs_most_decides():
    advice = advise_truncation(
        [
            item("short", ("zero", decaying(0.5), True)),
            item("long", ("zero", decaying(0.1), True), ("normal", decaying(0.2), True)),
        ]
    )
    assert (advice.status, advice.layer, advice.drive) == ("heuristic", "long", "zero")
    # exp(-0.1 K) ≤ 0.1 from K = 23.03 on.
    assert advice.lags == 24
    assert advice.window == (24, 47)
    assert advice.bias == DEFAULT_BIAS


def test_only_deciding_inputs_count():
    advice = advise_truncation(
        [item("a", ("embedding", decaying(0.5), True), ("zero", decaying(0.1), False))]
    )
    assert advice.drive == "embedding"


def test_a_window_too_short_gives_no_number():
    advice = advise_truncation(
        [item("a", ("zero", decaying(0.5), True)), item("b", ("zero", decaying(0.01), True))]
    )
    assert (advice.status, advice.layer) == ("longer-than-tested", "b")
    assert advice.lags is advice.window is advice.chunk is None


@pytest.mark.parametrize(("left", "status"), [(0.012, "longer-than-tested"), (0.008, "heuristic")])
def test_a_tenth_of_the_bias_may_be_left_at_the_last_lag(left, status):
    rate = -np.log(left) / 200
    advice = advise_truncation([item("a", ("zero", decaying(rate), True))])
    assert advice.status == status


def test_a_growing_gradient_is_capped_at_ln_2_over_the_rate():
    advice = advise_truncation(
        [
            item("a", ("zero", decaying(0.5), True)),
            item("b", ("zero", -decaying(0.1), True)),
            item("c", ("zero", -decaying(0.2), True)),
        ]
    )
    # ln 2 / 0.2 = 3.47.
    assert (advice.status, advice.layer, advice.lags) == ("chaotic", "c/0/forward", 3)
    assert advice.chunk == 3


def test_a_network_that_nothing_drives_is_no_measure_of_length():
    """Without biases and input h = 0.5ᵗ h_0, so every lag has the same part in the gradient."""
    driven = ("normal", decaying(1.0), True)
    flat = ("zero", decaying(1e-9), True)
    assert advise_truncation([item("rnn", flat, driven, bias=None)]).lags == 3
    assert advise_truncation([item("rnn", flat, driven)]).status == "longer-than-tested"
    alone = advise_truncation([item("rnn", flat, bias=None)])  # asked for by --input zero
    assert alone.status == "longer-than-tested"


def test_one_drive_alone_makes_no_chaos():
    """A random tanh network grows undriven and contracts under noise: that is measured."""
    advice = advise_truncation(
        [item("a", ("zero", -decaying(0.1), True), ("normal", decaying(0.1), True))]
    )
    assert (advice.status, advice.drive, advice.lags) == ("heuristic", "normal", 24)


def test_a_cap_beyond_the_window_is_no_number():
    advice = advise_truncation([item("a", ("zero", -decaying(1e-4), True))])
    assert (advice.status, advice.lags) == ("longer-than-tested", None)


def test_a_reverse_direction_leaves_nothing_to_truncate():
    layers = [
        item("a", ("zero", decaying(0.5), True)),
        item("a", ("zero", decaying(0.5), True), direction="reverse"),
    ]
    assert advise_truncation(layers).status == "bidirectional"


def test_a_stack_is_judged_as_a_whole():
    """Layers of one module share their gradient, so that one that lasts keeps all from a number."""
    fast, slow = item("a", ("zero", decaying(0.5), True)), item("a", ("zero", decaying(0.01), True))
    assert advise_truncation([fast, slow]).status == "longer-than-tested"
    growing = item("a", ("zero", -decaying(0.1), True))
    advice = advise_truncation([fast, growing])
    assert (advice.status, advice.lags) == ("chaotic", 6)


def test_parameters_gradients_that_last_keep_from_a_number():
    """∂L/∂h may be gone while an LSTM's cell still carries gradients to its parameters."""
    one = item("a", ("zero", decaying(0.5), True))
    one.trace.drives[0].lag_gram = Gram(gram(np.exp(decaying(0.01)[:-1])), True)
    assert advise_truncation([one]).status == "longer-than-tested"


def test_what_the_length_costs():
    advice = advise_truncation([item("a", ("zero", decaying(0.1), True), halves=(0.09, 0.12))])
    assert advice.bias_at == pytest.approx(np.exp(-2.4), rel=1e-6)
    assert advice.cosine_at == pytest.approx(1.0, rel=1e-12)
    # exp(-0.09 K) and exp(-0.12 K) ≤ 0.1 from K = 25.6 and 19.2 on.
    assert advice.evidence.half_lags == (20, 26)
    assert advice.evidence.half_bias == pytest.approx(np.exp([-2.88, -2.16]), rel=1e-6)
    assert advice.evidence.half_cosine == pytest.approx((1.0, 1.0), rel=1e-12)
    alone = advise_truncation([item("a", ("zero", decaying(0.1), True))])
    assert alone.evidence.half_lags is None


@pytest.mark.parametrize(
    ("drive", "known", "status", "unknown"),
    [
        ("given", True, "measured", ()),
        ("given", False, "heuristic", ("loss",)),
        ("normal", True, "heuristic", ("inputs",)),
        ("normal", False, "heuristic", ("loss", "inputs")),
    ],
)
def test_what_was_made_up_is_said(drive, known, status, unknown):
    advice = advise_truncation([item("a", (drive, decaying(0.1), True), known=known)])
    assert (advice.status, advice.unknown) == (status, unknown)


def test_no_setting_is_judged_where_none_is_known_or_nothing_can_be():
    assert advise_truncation([item("a", ("zero", decaying(0.1), True))]).present is None
    reverse = item("a", ("zero", decaying(0.1), True), direction="reverse")
    assert advise_truncation([reverse], setting=Setting("given", 3)).present is None


def test_a_module_whose_gradient_is_zero_everywhere_does_not_decide():
    dead = item("dead", ("zero", np.full(201, -np.inf), True))
    alive = item("alive", ("zero", decaying(0.1), True))
    assert advise_truncation([dead, alive]).layer == "alive"
    assert advise_truncation([dead]).status == "zero-gradient"


def test_a_curve_far_below_the_smallest_float_is_measured_by_its_shape():
    curve = decaying(0.1) - 1000.0
    assert advise_truncation([item("a", ("zero", curve, True))]).lags == 24


def test_nothing_traced():
    assert advise_truncation([]).status == "nothing-traced"
    untraced = replace_trace(item("a"), None)
    assert advise_truncation([untraced]).status == "nothing-traced"


def replace_trace(one: SimpleNamespace, trace: None) -> SimpleNamespace:
    one.trace = trace
    return one


def test_a_gradient_that_is_zero_throughout_gives_one_lag():
    curve = np.full(50, -np.inf)
    curve[0] = 0.0
    assert advise_truncation([item("a", ("zero", curve, True))]).lags == 1


def test_an_underflow_is_no_reason_to_fail():
    advice = advise_truncation([item("a", ("zero", decaying(5.0, 2000), True))])
    assert (advice.status, advice.lags) == ("heuristic", 1)


@pytest.mark.parametrize("name", ["delayed_recall_lstm.pt", "delayed_recall_gru.pt"])
def test_a_network_that_recalls_12_steps_gets_more_than_12(name):
    trace = TraceRequest(seq_len=200, compare_lags=True)
    result = analyse(read(str(FIXTURES / name)), Request(trace=trace))
    advice = advise_truncation(result.layers)
    assert advice.status == "heuristic"
    assert advice.lags is not None
    assert advice.lags > 12
    assert advice.chunk is not None
    assert advice.chunk > advice.lags


def test_the_chaotic_fixture_is_capped():
    result = analyse(
        read(str(FIXTURES / "exploding_rnn.pt")), Request(trace=TraceRequest(compare_lags=True))
    )
    advice = advise_truncation(result.layers)
    # Its rates are 0.13 … 0.19 nats a step.
    assert advice.status == "chaotic"
    assert advice.lags in range(3, 6)
    short = advise_truncation([replace(one, trace=None) for one in result.layers])
    assert short.status == "nothing-traced"


def test_modules_that_read_both_ways_leave_the_others_their_advice():
    both = [
        item("both", ("zero", decaying(0.01), True)),
        item("both", ("zero", decaying(0.5), True), direction="reverse"),
    ]
    one_way = item("a", ("zero", decaying(0.1), True))
    advice = advise_truncation([*both, one_way], setting=Setting("given", 3))
    assert (advice.status, advice.layer, advice.lags) == ("heuristic", "a", 24)
    assert advice.both_ways == ("both",)
    assert advice.present is not None
    assert advise_truncation([one_way]).both_ways == ()
    assert advise_truncation(both).both_ways == ("both",)
