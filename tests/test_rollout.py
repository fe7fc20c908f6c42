"""Trajectories against torch's own modules; where they stop when they overflow."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from measure.from_torch import cells_of, preactivations_of, random_states, states_of, torch_states
from torch_oracle import CASES, make_module

from rnndiag.cells import CELLS, LayerWeights
from rnndiag.rollout import run_stack

# The same sums in another order, fifty steps of a bounded recurrence.
EXACT = 1e-12

STEPS, BATCH = 50, 3


@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no-bias"])
@pytest.mark.parametrize("sides", [1, 2], ids=["forward", "bidirectional"])
@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("case", CASES)
def test_states_equal_torchs(case, layers, sides, bias):
    module = make_module(case, num_layers=layers, bidirectional=sides == 2, bias=bias)
    if case == "rnn-relu":
        with torch.no_grad():  # else it grows, and relative to 1e20 all is equal
            for parameter in module.parameters():
                parameter.mul_(0.3)
    inputs = np.random.default_rng(0).standard_normal((STEPS, BATCH, 4))
    states = random_states(module, BATCH)
    with torch.no_grad():
        outputs, last = module(torch.from_numpy(inputs), torch_states(module, states))
    runs = run_stack(cells_of(module), inputs, states)
    assert [len(row) for row in runs] == [sides] * layers

    # torch shows the top layer's h at every step, and every layer's and direction's last state.
    own = [runs[-1][0].outputs_tbp, *(run.outputs_tbp[::-1] for run in runs[-1][1:])]
    np.testing.assert_allclose(np.concatenate(own, axis=-1), outputs.numpy(), atol=EXACT)
    width = module.proj_size or module.hidden_size
    h_n, c_n = last if isinstance(last, tuple) else (last, None)
    for index, run in enumerate(run for row in runs for run in row):
        final = states_of(run)[-1]
        np.testing.assert_allclose(final[:, :width], h_n[index].numpy(), atol=EXACT)
        if c_n is not None:
            np.testing.assert_allclose(final[:, width:], c_n[index].numpy(), atol=EXACT)
        assert (run.steps, run.overflow_step) == (STEPS, None)
        assert states_of(run).shape == (STEPS + 1, BATCH, run.cell.state_size)


@pytest.mark.parametrize("case", CASES)
def test_the_first_state_is_the_given_one(case):
    module = make_module(case, num_layers=2)
    states = random_states(module, BATCH)
    for (run,), (state,) in zip(
        run_stack(cells_of(module), np.zeros((4, BATCH, 4)), states), states, strict=True
    ):
        np.testing.assert_array_equal(states_of(run)[0], state)


def relu(w, inputs=1):
    return CELLS["rnn"](
        LayerWeights(np.ones((1, inputs)), np.array([[w]]), np.zeros(1), np.zeros(1), None, "relu")
    )


ONE = np.ones((2, 1))


def test_a_single_exploding_sample_stops_the_run():
    """h_0 = 0 without input stays at 0; its neighbour in the batch passes 1e308 at step 4."""
    initial = [[np.array([[0.0], [1.0]])]]
    ((run,),) = run_stack([[relu(1e100)]], np.zeros((9, 2, 1)), initial)
    assert (run.overflow_step, run.steps) == (4, 3)
    assert states_of(run)[:, 1, 0] == pytest.approx([1, 1e100, 1e200, 1e300], rel=1e-15)
    assert preactivations_of(run).shape == (3, 2, 1)


@pytest.mark.parametrize("order", [(1e100, 0.5, 0.5), (0.5, 1e100, 0.5), (0.5, 0.5, 1e100)])
def test_a_stack_is_cut_where_its_first_layer_overflows(order):
    runs = run_stack([[relu(w)] for w in order], np.zeros((9, 2, 1)), [[ONE]] * 3)
    for (run,) in runs:
        assert (run.overflow_step, run.steps) == (4, 3)
        assert states_of(run).shape == (4, 2, 1)
        assert np.isfinite(states_of(run)).all()


def test_the_earliest_of_two_overflows_counts():
    """The lower layer overflows at step 7, the upper at 4."""
    runs = run_stack([[relu(1e50)], [relu(1e100)]], np.zeros((9, 2, 1)), [[ONE], [ONE]])
    assert [run.overflow_step for (run,) in runs] == [4, 4]
    assert [run.steps for (run,) in runs] == [3, 3]


def test_directions_overflow_on_their_own():
    layer = [relu(0.5), relu(1e100)]
    upper = [relu(0.5, 2), relu(0.5, 2)]
    runs = run_stack([layer, upper, upper], np.zeros((9, 2, 1)), [[ONE, ONE]] * 3)
    assert [(run.overflow_step, run.steps) for run in runs[0]] == [(None, 9), (4, 3)]
    for row in runs[1:]:
        assert [(run.overflow_step, run.steps) for run in row] == [(4, 0), (4, 0)]


def test_an_input_that_overflows_at_once_leaves_no_step():
    cell = CELLS["rnn"](
        LayerWeights(
            np.full((1, 1), 1e300), np.ones((1, 1)), np.zeros(1), np.zeros(1), None, "relu"
        )
    )
    ((run,),) = run_stack([[cell]], np.full((5, 2, 1), 1e300), [[ONE]])
    assert (run.overflow_step, run.steps) == (1, 0)


def test_tanh_saturates_instead():
    cell = CELLS["rnn"](
        LayerWeights(np.full((1, 1), 1e300), np.full((1, 1), 1e200), np.zeros(1), np.zeros(1))
    )
    ((run,),) = run_stack([[cell]], np.full((5, 2, 1), 1e300), [[ONE]])
    assert run.overflow_step is None
    assert (run.outputs_tbp == 1.0).all()


def test_a_long_run_is_cut_into_segments_and_stays_the_same(monkeypatch):
    module = make_module("lstm", num_layers=2)
    inputs = np.random.default_rng(0).standard_normal((STEPS, BATCH, 4))
    states = random_states(module, BATCH)
    with torch.no_grad():
        outputs, _ = module(torch.from_numpy(inputs), torch_states(module, states))
    monkeypatch.setattr("rnndiag.rollout.SEGMENT_BYTES", 1)
    lower, upper = (run for (run,) in run_stack(cells_of(module), inputs, states))
    assert len(lower.starts) == len(upper.starts) == 4  # of 16 steps, the last of 2
    np.testing.assert_allclose(upper.outputs_tbp, outputs.numpy(), atol=EXACT)
    np.testing.assert_allclose(
        states_of(upper)[1:, :, : upper.cell.output_size], outputs.numpy(), atol=EXACT
    )


def test_an_overflow_in_a_later_segment_is_found(monkeypatch):
    monkeypatch.setattr("rnndiag.rollout.SEGMENT_BYTES", 1)
    ((run,),) = run_stack([[relu(1e10)]], np.zeros((90, 2, 1)), [[ONE]])
    assert (run.overflow_step, run.steps, len(run.starts)) == (31, 30, 2)
    assert states_of(run)[:, 0, 0] == pytest.approx([1e10**t for t in range(31)], rel=1e-13)


def test_a_finished_segment_is_let_go(monkeypatch):
    """Only the state before each segment is kept, not the array that it was an entry of."""
    monkeypatch.setattr("rnndiag.rollout.SEGMENT_BYTES", 1)
    ((run,),) = run_stack([[relu(0.5)]], np.zeros((90, 2, 1)), [[ONE]])
    assert len(run.starts) == 6
    assert all(start.base is None for start in run.starts)
