"""Whole traces against plain autograd on unrolled torch cells, closed forms and invariants."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from measure.from_torch import cells_of, random_states
from torch_oracle import CASES, make_module, unroll, unrolled_gradients

from rnndiag.cells import CELLS, LayerWeights
from rnndiag.drives import Drive, given_drive
from rnndiag.measure.trace import TraceSetup, trace_module

# Both sides run the same recursion in float64; 30 steps of it leave some 1e-14 between them.
EXACT = 1e-10

STEPS, BATCH, COTANGENTS = 30, 6, 4


def given(seed=0, steps=STEPS, batch=BATCH, width=4):
    return np.random.default_rng(seed).standard_normal((steps, batch, width))


def setup_for(module, inputs, cotangents=COTANGENTS, **changes):
    width = module.proj_size or module.hidden_size
    batch = inputs.shape[1]
    rng = np.random.default_rng(9)
    setup = TraceSetup(
        seq_len=len(inputs),
        batch=batch,
        seed=0,
        initial=random_states(module, batch),
        # Samples of very different sizes: a mean of norms would not be their root mean square.
        cotangent_nbh=rng.standard_normal((cotangents, batch, width))
        * 10.0 ** rng.uniform(-2, 2, (cotangents, batch, 1)),
    )
    return replace(setup, **changes)


def trace_one(cells, inputs, setup):
    """[depth][direction] of the traces under the given inputs alone."""
    traces = trace_module(cells, [given_drive(inputs, "test")], setup)
    return [[layer.drives[0] for layer in sides] for sides in traces]


def torch_parts(module, states_bs):
    """One layer's joined states as torch's (h,) or (h, c)."""
    width = module.proj_size or module.hidden_size
    joined = torch.from_numpy(states_bs)
    return (joined[:, :width], joined[:, width:])[: 1 + isinstance(module, torch.nn.LSTM)]


def autograd_norms(module, inputs, initial, cotangents):
    """(hidden, cell): norms of every single sample, (layers, lags, cotangents, batch)."""
    states = [torch_parts(module, side) for (side,) in initial]
    passes = [
        unrolled_gradients(module, torch.from_numpy(inputs), states, torch.from_numpy(seed))
        for seed in cotangents
    ]
    hidden = np.stack([one.hidden for one in passes], axis=2)
    cell = None if passes[0].cell is None else np.stack([one.cell for one in passes], axis=2)
    return hidden, cell


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("case", CASES)
def test_curves_and_percentiles_equal_autograd(case, layers):
    module = make_module(case, num_layers=layers)
    inputs = given()
    setup = setup_for(module, inputs)
    hidden, cell = autograd_norms(module, inputs, setup.initial, setup.cotangent_nbh)
    seeds = np.linalg.norm(setup.cotangent_nbh, axis=-1)
    seed_rms = math.sqrt((seeds**2).mean())
    for depth, (drive,) in enumerate(trace_one(cells_of(module), inputs, setup)):
        rms = np.sqrt((hidden[depth] ** 2).mean(axis=(1, 2))) / seed_rms
        np.testing.assert_allclose(10**drive.log10_gradient_norm, rms, rtol=EXACT)
        singles = np.sort((hidden[depth] / seeds).reshape(STEPS + 1, -1), axis=1)
        # Of 24 samples the inverted distribution takes the ⌈0.05 · 24⌉ = 2nd, ⌈0.95 · 24⌉ = 23rd.
        np.testing.assert_allclose(10**drive.log10_p05, singles[:, 1], rtol=EXACT)
        np.testing.assert_allclose(10**drive.log10_p95, singles[:, 22], rtol=EXACT)
        if cell is None:
            assert drive.log10_cell_gradient_norm is None
            assert drive.dead_cells is None
        else:
            rms = np.sqrt((cell[depth] ** 2).mean(axis=(1, 2))) / seed_rms
            np.testing.assert_allclose(10**drive.log10_cell_gradient_norm, rms, rtol=EXACT)


def torch_direction(module, depth, side, inputs, initial, cotangents):
    """One layer in one direction, given its inputs in its own order of time: (norms, outputs)."""
    suffix = "_reverse" if side else ""
    projected = {"proj_size": module.proj_size} if module.proj_size else {}
    one = type(module)(inputs.shape[2], module.hidden_size, **projected).double()
    if isinstance(module, torch.nn.RNN):
        one.nonlinearity = module.nonlinearity
    with torch.no_grad():
        for name, parameter in one.named_parameters():
            source = name.replace("_l0", f"_l{depth}{suffix}")
            parameter.copy_(getattr(module, source))
    norms = autograd_norms(one, inputs, [[initial]], cotangents)
    states = unroll(one, torch.from_numpy(inputs), [torch_parts(one, initial)])
    return norms, np.stack([state[0].detach().numpy() for state in states[0][1:]])


@pytest.mark.parametrize("case", CASES)
def test_each_direction_of_a_bidirectional_stack_equals_autograd(case):
    """Given its inputs: those of the second layer are both directions' outputs, side by side."""
    module = make_module(case, num_layers=2, bidirectional=True)
    below = given()
    setup = setup_for(module, below)
    seed_rms = math.sqrt((np.linalg.norm(setup.cotangent_nbh, axis=-1) ** 2).mean())
    traced = trace_one(cells_of(module), below, setup)
    for depth in range(2):
        outputs = []
        for side in range(2):
            own_order = below[::-1].copy() if side else below
            (hidden, cell), out = torch_direction(
                *(module, depth, side, own_order),
                *(setup.initial[depth][side], setup.cotangent_nbh),
            )
            outputs.append(out[::-1] if side else out)
            drive = traced[depth][side]
            rms = np.sqrt((hidden[0] ** 2).mean(axis=(1, 2))) / seed_rms
            np.testing.assert_allclose(10**drive.log10_gradient_norm, rms, rtol=EXACT)
            if cell is not None:
                rms = np.sqrt((cell[0] ** 2).mean(axis=(1, 2))) / seed_rms
                np.testing.assert_allclose(10**drive.log10_cell_gradient_norm, rms, rtol=EXACT)
        below = np.concatenate(outputs, axis=-1)


@pytest.mark.parametrize("case", CASES)
def test_the_order_of_the_batch_does_not_matter(case):
    module = make_module(case, num_layers=2)
    inputs, order = given(), np.random.default_rng(3).permutation(BATCH)
    setup = setup_for(module, inputs)
    shuffled = replace(
        setup,
        initial=[[side[order] for side in sides] for sides in setup.initial],
        cotangent_nbh=setup.cotangent_nbh[::-1, order],
    )
    pairs = zip(
        trace_one(cells_of(module), inputs, setup),
        trace_one(cells_of(module), inputs[:, order], shuffled),
        strict=True,
    )
    for (one,), (other,) in pairs:
        for name in ("log10_gradient_norm", "log10_p05", "log10_p95"):
            np.testing.assert_allclose(getattr(one, name), getattr(other, name), atol=1e-12)


@pytest.mark.parametrize("scale", [1e-300, 0.37, 1e300])
@pytest.mark.parametrize("case", CASES)
def test_the_size_of_the_seed_cancels(case, scale):
    module = make_module(case, num_layers=2)
    inputs = given()
    setup = setup_for(module, inputs)
    scaled = replace(setup, cotangent_nbh=scale * setup.cotangent_nbh)
    pairs = zip(
        trace_one(cells_of(module), inputs, setup),
        trace_one(cells_of(module), inputs, scaled),
        strict=True,
    )
    for (one,), (other,) in pairs:
        # Logarithms of 1e300 have an absolute error of 1e-13; some of them are subtracted.
        np.testing.assert_allclose(one.log10_gradient_norm, other.log10_gradient_norm, atol=1e-11)
        assert one.verdict == other.verdict


def relu_rnn(matrix, input_weights=None):
    size = len(matrix)
    given_or_zero = np.zeros((size, 1)) if input_weights is None else input_weights
    zeros = np.zeros(size)
    return CELLS["rnn"](LayerWeights(given_or_zero, matrix, zeros, zeros, None, "relu"))


def zero_inputs(steps, width=1, batch=1):
    return np.zeros((steps, batch, width))


def one_seed(steps, width, h_0=1.0):
    return TraceSetup(steps, 1, 0, 1, [[np.full((1, width), h_0)]], np.ones((1, 1, width)))


@pytest.mark.parametrize(
    ("w", "h_0", "steps", "overflow"),
    # w^t · h_0 passes 1.797e308 at t = 1511 for 1.6, and in the first step for 1e200 · 1e200.
    [(1.6, 1.0, 2000, 1511), (1e200, 1.0, 10, 2), (1e200, 1e200, 10, 1), (1e308, 1.7, 5, 2)],
)
def test_an_overflow_is_exploding_never_vanishing(w, h_0, steps, overflow):
    setup = one_seed(steps, 1, h_0)
    ((drive,),) = trace_one([[relu_rnn(np.array([[w]]))]], zero_inputs(steps), setup)
    assert drive.overflow_step == overflow
    assert drive.verdict == "exploding"
    # The steps before it are traced: φ_k = w^k.
    expected = np.arange(overflow) * math.log10(w)
    np.testing.assert_allclose(drive.log10_gradient_norm, expected, rtol=1e-12)


def test_an_overflow_in_an_upper_layer_cuts_the_whole_stack():
    below = relu_rnn(np.array([[0.5]]))
    above = relu_rnn(np.array([[1e100]]), np.ones((1, 1)))
    setup = replace(one_seed(50, 1), initial=[[np.ones((1, 1))], [np.ones((1, 1))]])
    traced = trace_one([[below], [above]], zero_inputs(50), setup)
    for (drive,) in traced:
        assert drive.overflow_step == 4  # 1e100, 1e200, 1e300, inf
        assert drive.verdict == "exploding"
        assert len(drive.log10_gradient_norm) == 4
    # k steps back, a path descends after j of them: Σ 1e100^j 0.5^(k−j) = 1e100^k but for 1e-100;
    # at the last lag, h_0 of the layer below feeds no unit above.
    np.testing.assert_allclose(
        traced[0][0].log10_gradient_norm, [0.0, 100.0, 200.0, 200.0 + math.log10(0.5)], rtol=1e-12
    )


def test_an_overflow_in_one_direction_leaves_the_other_its_own_steps():
    """The layer above, which has both below, gets none; nothing is not-a-number."""
    explodes, calm = relu_rnn(np.array([[1e60]])), relu_rnn(np.array([[0.5]]))
    above = relu_rnn(np.array([[0.5]]), np.ones((1, 2)))
    ones = [np.ones((1, 1)), np.ones((1, 1))]
    setup = replace(one_seed(40, 1), initial=[ones, ones])
    (first, second), upper = trace_one([[explodes, calm], [above, above]], zero_inputs(40), setup)
    assert (first.overflow_step, first.verdict) == (6, "exploding")
    assert second.overflow_step is None
    assert second.verdict == "vanishing"
    np.testing.assert_allclose(second.log10_gradient_norm, np.arange(41) * math.log10(0.5))
    for drive in upper:
        assert (drive.overflow_step, drive.verdict) == (6, "exploding")
        assert drive.log10_gradient_norm.tolist() == [0.0]


def lstm(hidden, **gates):
    """An LSTM of zeros but for the biases of its gates, one value or one for each unit."""
    bias = np.concatenate([np.broadcast_to(gates.get(gate, 0.0), hidden) for gate in "ifgo"])
    zeros = np.zeros(4 * hidden)
    return CELLS["lstm"](
        LayerWeights(np.zeros((4 * hidden, 1)), np.zeros((4 * hidden, hidden)), bias + 0.0, zeros)
    )


def test_dead_cells_of_a_saturated_lstm():
    """i g = f = 1: the cell counts the steps, and shows o (1 − tanh² t) = o sech² t of them.

    Over the second half of 200 steps that is at most sech² 96 = 2e-83 for an open output gate, 1
    for a cell that does not count, at most σ(−20) = 2e-9 behind a shut one.
    """
    cell = lstm(3, i=1000.0, f=1000.0, g=[1000.0, 0.0, 0.001], o=[1000.0, 1000.0, -20.0])
    setup = TraceSetup(200, 1, 0, 1, [[np.zeros((1, 6))]], np.ones((1, 1, 3)))
    ((drive,),) = trace_one([[cell]], zero_inputs(200), setup)
    assert drive.dead_cells == 2
    # In 10 steps, of one chunk, it has not run away yet: the mean is Σ sech² t / 10 = 0.05.
    ((drive,),) = trace_one([[cell]], zero_inputs(10), replace(setup, seq_len=10))
    assert drive.dead_cells == 1


@pytest.mark.parametrize("b", [-5.0, 0.0, 3.0, 30.0])
def test_the_cell_gradient_of_an_lstm_without_recurrence(b):
    """∂L/∂c_{T-k} = o (1 − tanh² c_T) · f^k, and ∂L/∂h is gone after the seed."""
    cell = lstm(2, f=b, o=1.0)
    setup = TraceSetup(60, 1, 0, 1, [[np.full((1, 4), 0.4)]], np.ones((1, 1, 2)))
    ((drive,),) = trace_one([[cell]], zero_inputs(60), setup)
    f = 1 / (1 + math.exp(-b))
    shown = (1 - math.tanh(0.4 * f**60) ** 2) / (1 + math.exp(-1.0))
    expected = math.log10(shown) + np.arange(61) * math.log10(f)
    np.testing.assert_allclose(drive.log10_cell_gradient_norm, expected, rtol=1e-12, atol=1e-13)
    assert drive.log10_gradient_norm.tolist() == [0.0] + [-np.inf] * 60
    assert drive.verdict == ("vanishing" if f**60 < 1e-3 else "stable")
    assert not np.isnan([drive.log10_p05, drive.log10_p95]).any()


def gru(bias_z, weight=0.0, scale_n=1.0):
    weights = np.concatenate([np.full((4, 2), weight), np.full((2, 2), scale_n)])
    bias = np.repeat([0.0, bias_z, 0.0], 2)
    return CELLS["gru"](LayerWeights(np.zeros((6, 1)), weights, bias, np.zeros(6)))


def test_a_gru_that_keeps_everything_is_an_isometry():
    """z = 1 to the last bit: whatever the other weights are, J = I."""
    setup = TraceSetup(500, 1, 0, 1, [[np.array([[0.3, -0.7]])]], np.array([[[0.6, 0.8]]]))
    ((drive,),) = trace_one([[gru(1000.0, 2.0, -3.0)]], zero_inputs(500), setup)
    np.testing.assert_allclose(drive.log10_gradient_norm, np.zeros(501), atol=1e-13)
    assert drive.verdict == "stable"


def test_a_dead_relu_ends_the_gradient_at_once():
    cell = CELLS["rnn"](
        LayerWeights(
            np.zeros((1, 1)), np.array([[5.0]]), np.array([-1e3]), np.zeros(1), None, "relu"
        )
    )
    ((drive,),) = trace_one([[cell]], zero_inputs(9), one_seed(9, 1))
    assert drive.log10_gradient_norm.tolist() == [0.0] + [-np.inf] * 9
    assert drive.verdict == "vanishing"


@pytest.mark.parametrize("w", [1e-310, 1e-200])
def test_tiny_weights_are_followed_to_the_end(w):
    ((drive,),) = trace_one(
        [[relu_rnn(np.array([[w]]))]], np.ones((50, 1, 1)), one_seed(50, 1, 0.0)
    )
    assert drive.log10_gradient_norm.tolist() == [0.0] + [-np.inf] * 50  # nothing drives it
    cell = relu_rnn(np.array([[w]]), np.ones((1, 1)))
    ((drive,),) = trace_one([[cell]], np.ones((50, 1, 1)), one_seed(50, 1))
    expected = np.arange(51) * math.log10(w)
    np.testing.assert_allclose(drive.log10_gradient_norm, expected, rtol=1e-12)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (1, 2, 1, 3), (3, 1, 5, 1), (1, 4, 7, 2)])
def test_the_smallest_sizes_equal_autograd(case, shape):
    """(input, hidden, steps, batch) down to one of each."""
    width, hidden, steps, batch = shape
    if case == "lstm-projected":
        hidden += 3
    module = make_module(case, input_size=width, hidden_size=hidden)
    inputs = given(5, steps, batch, width)
    setup = setup_for(module, inputs, cotangents=1)
    norms, _ = autograd_norms(module, inputs, setup.initial, setup.cotangent_nbh)
    seed_rms = math.sqrt((np.linalg.norm(setup.cotangent_nbh, axis=-1) ** 2).mean())
    ((drive,),) = trace_one(cells_of(module), inputs, setup)
    rms = np.sqrt((norms[0] ** 2).mean(axis=(1, 2))) / seed_rms
    np.testing.assert_allclose(10**drive.log10_gradient_norm, rms, rtol=EXACT)


def test_drives_stand_in_order_and_the_deciding_ones_decide():
    module = make_module("rnn-relu")
    cells = cells_of(module)
    zero = Drive("zero", False, lambda _, t, b: np.zeros((t, b, 4)))
    loud = Drive("loud", True, lambda g, t, b: g.standard_normal((t, b, 4)))
    ((layer,),) = trace_module(cells, [zero, loud], TraceSetup(40, 3, seed=5))
    assert [drive.drive for drive in layer.drives] == ["zero", "loud"]
    assert layer.verdict == layer.drives[1].verdict
    ((again,),) = trace_module(cells, [loud, zero], TraceSetup(40, 3, seed=5))
    np.testing.assert_array_equal(
        layer.drives[1].log10_gradient_norm, again.drives[0].log10_gradient_norm
    )
    ((other,),) = trace_module(cells, [loud], TraceSetup(40, 3, seed=6))
    assert (other.drives[0].log10_gradient_norm != again.drives[0].log10_gradient_norm).any()


def test_the_textbook_curve_starts_from_the_same_seeds():
    """Of a linear network that is always active, it is the gradient itself."""
    matrix = np.abs(np.random.default_rng(1).standard_normal((4, 4))) / 4
    inputs = np.ones((30, 2, 1))
    setup = TraceSetup(30, 2, seed=3, cotangents=5, initial=[[np.ones((2, 4))]])
    cell = relu_rnn(matrix, np.ones((4, 1)))
    ((layer,),) = trace_module([[cell]], [given_drive(inputs, "")], setup)
    np.testing.assert_allclose(
        layer.drives[0].log10_gradient_norm, layer.textbook_log10, atol=1e-12
    )


def test_random_initial_states_have_their_deviation_and_follow_the_seed():
    """One step of h′ = tanh(h) has φ_1 = 1 − tanh² h_0: the size of h_0 can be read from it."""
    one, zero = np.ones((1, 1)), np.zeros(1)
    cell = CELLS["rnn"](LayerWeights(one, one, zero, zero))
    found = []
    for seed in range(400):
        ((drive,),) = trace_one([[cell]], zero_inputs(1), TraceSetup(1, 1, seed))
        found.append(math.acosh(10 ** (-drive.log10_gradient_norm[1] / 2)))
    # Root mean square of 400 values of deviation 0.1: ± 3.5 %, four of them. Below 1e-8, acosh has
    # lost its digits, which does not count here.
    assert math.sqrt(np.square(found).mean()) == pytest.approx(0.1, rel=0.14)
    assert len({round(value, 6) for value in found}) > 390


def test_the_share_of_the_weight_gradient_is_that_of_the_lags_norms():
    """w = 0.5 in a linear range: a step's part shrinks by 0.5 a lag but for h, which is constant.

    h = 1 is the fixed point of relu(0.5 h + 0.5), so lag k adds 0.5^k: 1 − 0.5^(k+1) of them all.
    """
    cell = relu_rnn(np.array([[0.5]]), np.array([[0.5]]))
    ((drive,),) = trace_one([[cell]], np.ones((40, 1, 1)), one_seed(40, 1, 1.0))
    expected = (1.0 - 0.5 ** np.arange(1, 41)) / (1.0 - 0.5**40)
    np.testing.assert_allclose(drive.parameter_gradient_share, expected, rtol=1e-12)
    assert (drive.lag_of_share(0.9), drive.lag_of_share(0.99)) == (3, 6)
