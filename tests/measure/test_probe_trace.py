"""φ_k of a probe: one seed a sequence, at its own end, against autograd sample by sample."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from capturing.unrolled import unroll_sample
from torch_oracle import CASES, make_module

from rnndiag.cells import CELLS, LayerWeights
from rnndiag.drives import probe_drive
from rnndiag.given import GivenStates
from rnndiag.measure.probe_trace import trace_recorded
from rnndiag.measure.recorded_run import flipped
from rnndiag.measure.trace import TraceSetup
from rnndiag.probe import RecordedModule

STEPS = 8
LENGTHS = np.array([5, 8, 1, 6])
ENDS = np.array([5, 7, 1, 3])
"""The last step at which the loss reaches each sequence: before its end in two of them."""

BATCH = len(LENGTHS)

# Relative error of a norm: the same recursion in float64 over 8 steps on both sides.
EXACT = 1e-12


def cells_of(module):
    kind = type(module).__name__.lower()
    suffixes = ["", "_reverse"] if module.bidirectional else [""]

    def cell(layer, suffix):
        def get(name):
            return getattr(module, f"{name}_l{layer}{suffix}").detach().numpy()

        return CELLS[kind](
            LayerWeights(
                *map(get, ("weight_ih", "weight_hh", "bias_ih", "bias_hh")),
                weight_hr=get("weight_hr") if getattr(module, "proj_size", 0) else None,
                activation=getattr(module, "nonlinearity", "tanh"),
            )
        )

    return [[cell(layer, suffix) for suffix in suffixes] for layer in range(module.num_layers)]


def recorded(module, ends=ENDS):
    """Random sequences, and ∂L/∂y that ends where `ends` says."""
    rng = np.random.default_rng(5)
    sides = 2 if module.bidirectional else 1
    count, width = module.num_layers * sides, module.proj_size or module.hidden_size
    lstm = isinstance(module, torch.nn.LSTM)

    def states(scale):
        h = scale * rng.standard_normal((count, BATCH, width))
        c = scale * rng.standard_normal((count, BATCH, module.hidden_size)) if lstm else None
        return GivenStates(h, c)

    position = np.arange(STEPS)[:, None, None]
    gradient = rng.standard_normal((STEPS, BATCH, sides * width))
    inputs = rng.standard_normal((STEPS, BATCH, 4))
    return RecordedModule(
        name="",
        kind="",
        inputs_tbi=np.where(position < LENGTHS[:, None], inputs, 0.0),
        lengths=LENGTHS,
        calls=np.zeros(BATCH, dtype=int),
        steps=np.zeros(BATCH, dtype=int),
        initial=states(1.0),
        final=states(1.0),
        final_gradient=states(0.0),
        output_gradient_tbp=np.where(position < ends[:, None], gradient, 0.0),
    )


def run(module, record, **options):
    setup = TraceSetup(STEPS, BATCH, 0, **options)
    sides = 2 if module.bidirectional else 1
    parts = [record.initial.h_0]
    if record.initial.c_0 is not None:
        parts.append(record.initial.c_0)
    joined = np.concatenate(parts, axis=-1)
    initial = [[joined[d * sides + s] for s in range(sides)] for d in range(module.num_layers)]
    return trace_recorded(cells_of(module), record, initial, probe_drive(record.inputs_tbi), setup)


def as_torch(record, b):
    parts = [record.initial.h_0] + ([] if record.initial.c_0 is None else [record.initial.c_0])
    return [
        tuple(torch.from_numpy(part[index, b][None].copy()) for part in parts)
        for index in range(len(record.initial.h_0))
    ]


def unrolled(module, record, b):
    x = torch.from_numpy(record.inputs_tbi[: LENGTHS[b], b].copy())
    return unroll_sample(module, x, as_torch(record, b))[0]


def phi(norms_by_sample, seeds, lags):
    """Of the sequences that reach back so far the root mean square, over that of their seeds."""
    curve = []
    for lag in range(lags):
        there = [b for b, norms in norms_by_sample.items() if len(norms) > lag]
        size = sum(norms_by_sample[b][lag] ** 2 for b in there)
        curve.append(np.sqrt(size / sum(seeds[b] ** 2 for b in there)))
    return np.array(curve)


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("case", CASES)
def test_a_stack_is_seeded_at_the_last_step_that_the_loss_reaches(case, layers):
    module = make_module(case, num_layers=layers)
    record = recorded(module)
    traces = run(module, record)
    by_layer = [{} for _ in range(layers)]
    seeds = {}
    for b, end in enumerate(ENDS):
        seed = torch.from_numpy(record.output_gradient_tbp[end - 1, b])
        seeds[b] = float(seed.norm())
        histories = unrolled(module, record, b)
        (histories[-1][end][0][0] * seed).sum().backward()
        for layer, history in enumerate(histories):
            by_layer[layer][b] = [float(s[0].grad.norm()) for s in history[end::-1]]
    for layer, (trace,) in enumerate(traces):
        (drive,) = trace.drives
        expected = phi(by_layer[layer], seeds, ENDS.max() + 1)
        np.testing.assert_allclose(10.0**drive.log10_gradient_norm, expected, rtol=EXACT)
        assert trace.seq_len == ENDS.max()


@pytest.mark.parametrize("case", CASES)
def test_each_direction_is_seeded_at_its_own_end(case):
    """The reverse direction ends at the first position: of every sequence, however short."""
    module = make_module(case, bidirectional=True)
    record = recorded(module, LENGTHS)
    ((forward, reverse),) = run(module, record)
    width = module.proj_size or module.hidden_size
    for side, trace in enumerate((forward, reverse)):
        norms, seeds = {}, {}
        for b, length in enumerate(LENGTHS):
            position = length - 1 if side == 0 else 0
            half = record.output_gradient_tbp[position, b, side * width : (side + 1) * width]
            seeds[b] = float(np.linalg.norm(half))
            history = unrolled(module, record, b)[side]
            (history[-1][0][0] * torch.from_numpy(half.copy())).sum().backward()
            norms[b] = [float(s[0].grad.norm()) for s in reversed(history)]
        found = 10.0 ** trace.drives[0].log10_gradient_norm
        np.testing.assert_allclose(found, phi(norms, seeds, STEPS + 1), rtol=EXACT)


def scalar(case, weight_ih, weight_hh):
    """One unit without biases."""
    module = make_module(case, input_size=1, hidden_size=1)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()
        module.weight_ih_l0.fill_(weight_ih)
        module.weight_hh_l0.fill_(weight_hh)
    return module


def test_a_chain_of_scalars_in_closed_form():
    """h_t = w h_{t-1} + x_t, loss Σ h_t: φ_k = w^k, and ‖∂L/∂h_t‖ = Σ_{j ≤ T-t} w^j."""
    module = scalar("rnn-relu", 1.0, 0.5)
    ones = np.ones((6, 1, 1))
    state, zero = GivenStates(np.ones((1, 1, 1))), GivenStates(np.zeros((1, 1, 1)))
    record = RecordedModule(
        *("", "", ones, np.array([6]), np.zeros(1, int), np.zeros(1, int)),
        *(state, state, zero, ones),
    )
    ((trace,),) = run(module, record)
    (drive,) = trace.drives
    np.testing.assert_allclose(10.0**drive.log10_gradient_norm, 0.5 ** np.arange(7), rtol=1e-14)
    loss = drive.loss_gradient
    expected = [sum(0.5**j for j in range(6 - t)) for t in range(6)]
    np.testing.assert_allclose(10.0**loss.log10_hidden, expected, rtol=1e-14)
    # h_0 is no output: it has no loss of its own.
    assert 10.0**loss.log10_initial_hidden == pytest.approx(expected[0] * 0.5, rel=1e-14)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_padding_says_nothing(bidirectional):
    """Whatever stands behind a sequence's end changes no number."""
    module = make_module("lstm", num_layers=2, bidirectional=bidirectional)
    record = recorded(module)
    inputs = record.inputs_tbi.copy()
    inputs[np.arange(STEPS)[:, None] >= LENGTHS] = 7.0
    dirty = RecordedModule(**{**vars(record), "inputs_tbi": inputs})
    for clean, other in zip(run(module, record), run(module, dirty), strict=True):
        for one, two in zip(clean, other, strict=True):
            a, b = one.drives[0], two.drives[0]
            np.testing.assert_array_equal(a.log10_gradient_norm, b.log10_gradient_norm)
            np.testing.assert_array_equal(
                a.loss_gradient.log10_hidden, b.loss_gradient.log10_hidden
            )
            assert a.saturated_gates == b.saturated_gates


def test_a_sequence_without_loss_does_not_count():
    module = make_module("gru")
    ends = np.array([5, 8, 0, 6])
    record = recorded(module, ends)
    ((trace,),) = run(module, record)
    (drive,) = trace.drives
    assert drive.log10_gradient_norm[0] == pytest.approx(0.0, abs=1e-12)
    assert np.isfinite(drive.log10_p05).all()


def test_a_loss_as_small_as_1e_minus_400_is_followed():
    """The scales of float64's end are left behind, as in every trace."""
    module = scalar("rnn-tanh", 0.0, 0.1)
    steps = 500
    state = GivenStates(np.zeros((1, 1, 1)))
    gradient = np.zeros((steps, 1, 1))
    gradient[-1] = 1.0
    record = RecordedModule(
        *("", "", np.zeros((steps, 1, 1)), np.array([steps]), np.zeros(1, int), np.zeros(1, int)),
        *(state, state, state, gradient),
    )
    setup = TraceSetup(steps, 1, 0)
    ((trace,),) = trace_recorded(
        cells_of(module), record, [[np.zeros((1, 1))]], probe_drive(record.inputs_tbi), setup
    )
    found = trace.drives[0].loss_gradient.log10_hidden
    np.testing.assert_allclose(found, np.arange(steps) - 499.0, rtol=1e-12, atol=1e-12)


def test_flipping_twice_changes_nothing():
    values = np.random.default_rng(0).standard_normal((STEPS, BATCH, 3))
    assert (flipped(flipped(values, LENGTHS), LENGTHS) == values).all()


def test_growth_is_measured_on_the_longest_sequences():
    module = make_module("gru")
    record = recorded(module)
    ((trace,),) = run(module, record, exponents=1)
    longest = LENGTHS == STEPS
    alone = RecordedModule(
        **{
            **vars(record),
            **{
                name: getattr(record, name)[:, longest]
                for name in ("inputs_tbi", "output_gradient_tbp")
            },
            **{name: getattr(record, name)[longest] for name in ("lengths", "calls", "steps")},
            **{
                name: GivenStates(getattr(record, name).h_0[:, longest])
                for name in ("initial", "final", "final_gradient")
            },
        }
    )
    ((other,),) = run(module, alone, exponents=1)
    ours, theirs = (t.drives[0].growth.lyapunov.exponents for t in (trace, other))
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)
