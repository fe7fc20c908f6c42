"""Truncation advice against its closed forms, and which layer and status wins."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from cli.command import FIXTURES

from rnndiag.advice.truncation import (
    DEFAULT_BIAS,
    advise_truncation,
    chunk_for,
    lags_for,
    sliding_bias,
)
from rnndiag.analysis import Request, analyse
from rnndiag.containers import read
from rnndiag.measure.decay import measure_decay
from rnndiag.measure.verdict import drive_verdict
from rnndiag.tracing import TraceRequest


def geometric(beta: float, steps: int = 4000):
    """Sliding bias of φ_k = βᵏ in a window so long that nothing is left at its end."""
    return sliding_bias(beta ** np.arange(steps + 1.0))


@pytest.mark.parametrize(("case", "beta"), [("tbptt_scalar_0.9", 0.9), ("tbptt_scalar_0.99", 0.99)])
def test_the_scalar_laws(shared, case, beta):
    cases = json.loads((shared / "ground_truth.json").read_text(encoding="utf-8"))
    (known,) = [entry for entry in cases if entry["id"] == case]
    value, tolerance = known["value"], known["tol"]
    sliding = geometric(beta)
    length = value["K"]
    assert sliding[length] == pytest.approx(value["sliding"], rel=tolerance)
    chunked = sliding[1 : length + 1].mean()
    assert chunked == pytest.approx(value["chunked"], rel=tolerance)
    assert lags_for(sliding, 0.1) == value["K_sliding_for_0p1"]
    assert chunk_for(sliding, 0.1) == value["chunk_for_0p1"]


@pytest.mark.parametrize("beta", [0.3, 0.5, 0.8, 0.95])
@pytest.mark.parametrize("bias", [0.3, 0.1, 0.01])
def test_the_laws_at_other_rates(beta, bias):
    sliding = geometric(beta)
    lags = lags_for(sliding, bias)
    assert beta**lags <= bias * (1 + 1e-12)
    assert lags == 1 or beta ** (lags - 1) > bias
    chunk = chunk_for(sliding, bias)
    law = lambda c: beta * (1 - beta**c) / (c * (1 - beta))
    assert law(chunk) <= bias * (1 + 1e-9)
    assert chunk == 1 or law(chunk - 1) > bias


def test_a_chunk_beyond_the_window_follows_from_the_sum():
    """A window of 60 at β = 0.9 needs a chunk of 90, as a long one does, up to its own end."""
    assert chunk_for(geometric(0.9, 60), 0.1) in range(88, 91)


def test_bias_that_returns_counts_until_its_last_crossing():
    assert lags_for(np.array([1.0, 0.05, 0.3, 0.02, 0.01]), 0.1) == 3


def test_a_gradient_of_one_lag_needs_one():
    sliding = sliding_bias(np.array([1.0, 0.0, 0.0]))
    assert sliding.tolist() == [1.0, 0.0, 0.0]
    assert (lags_for(sliding, 0.1), chunk_for(sliding, 0.1)) == (1, 1)


def item(label: str, *curves: tuple[str, np.ndarray, bool], cell=None, direction="forward"):
    """A layer's result with these drives: name, ln φ by lag, whether it decides."""
    drives = tuple(
        SimpleNamespace(
            drive=name,
            deciding=deciding,
            log10_gradient_norm=log_phi / np.log(10),
            log10_cell_gradient_norm=None if cell is None else cell / np.log(10),
            decay=measure_decay(log_phi),
            verdict=drive_verdict(measure_decay(log_phi), log_phi[-1] / np.log(10), None),
        )
        for name, log_phi, deciding in curves
    )
    layer = SimpleNamespace(label=label, direction=direction)
    return SimpleNamespace(layer=layer, trace=SimpleNamespace(drives=drives))


def decaying(rate: float, steps: int = 200) -> np.ndarray:
    return -rate * np.arange(steps + 1.0)


def test_the_layer_that_needs_most_decides():
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


def test_a_growing_gradient_is_capped_at_ln_2_over_the_rate():
    advice = advise_truncation(
        [
            item("a", ("zero", decaying(0.5), True)),
            item("b", ("zero", -decaying(0.1), True)),
            item("c", ("zero", -decaying(0.2), True)),
        ]
    )
    # ln 2 / 0.2 = 3.47.
    assert (advice.status, advice.layer, advice.lags) == ("chaotic", "c", 3)
    assert advice.chunk == 3


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


def test_the_cell_state_counts_where_it_lasts_longer():
    """Parameters of an LSTM see ∂L/∂c: K from its curve, 24 at 0.1 a step, not 5 from h's 0.5."""
    fast, slow = decaying(0.5), decaying(0.1)
    assert advise_truncation([item("a", ("zero", fast, True))]).lags == 5
    assert advise_truncation([item("a", ("zero", fast, True), cell=slow - 2.0)]).lags == 24


def test_a_layer_whose_gradient_is_zero_everywhere_does_not_decide():
    dead = item("dead", ("zero", np.full(201, -np.inf), True))
    alive = item("alive", ("zero", decaying(0.1), True))
    assert advise_truncation([dead, alive]).layer == "alive"
    assert advise_truncation([dead]).status == "nothing-traced"


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
    trace = TraceRequest(seq_len=200)
    result = analyse(read(str(FIXTURES / name)), Request(trace=trace))
    advice = advise_truncation(result.layers)
    assert advice.status == "heuristic"
    assert advice.lags is not None
    assert advice.lags > 12
    assert advice.chunk is not None
    assert advice.chunk > advice.lags


def test_the_chaotic_fixture_is_capped():
    result = analyse(read(str(FIXTURES / "exploding_rnn.pt")), Request(trace=TraceRequest()))
    advice = advise_truncation(result.layers)
    # Its rates are 0.13 … 0.19 nats a step.
    assert advice.status == "chaotic"
    assert advice.lags in range(3, 6)
    short = advise_truncation([replace(one, trace=None) for one in result.layers])
    assert short.status == "nothing-traced"
