"""Cells that are called in a loop: recorded as sequences, taken apart to autograd's gradients."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torch import nn

import rnndiag
from rnndiag.cli import run
from rnndiag.probe import load_probe

STEPS, BATCH = 7, 3
CELLS = {
    "rnn-tanh": lambda: nn.RNNCell(4, 5),
    "rnn-relu": lambda: nn.RNNCell(4, 5, nonlinearity="relu"),
    "gru": lambda: nn.GRUCell(4, 5),
    "lstm": lambda: nn.LSTMCell(4, 5),
}

# Relative error of a norm: the recorded gradients are taken apart by a difference and put together
# again, in float64, over 7 steps; the JSON's twelve digits leave 1e-11.
EXACT = 1e-10


def draw(*shape):
    return torch.randn(*shape, dtype=torch.float64)


def as_state(parts):
    return tuple(parts) if len(parts) == 2 else parts[0]


def as_parts(state):
    return state if isinstance(state, tuple) else (state,)


def looped(cell, inputs, initial, weights):
    """The loss of a loop over a cell in which h counts at every step and c at some."""
    state, loss = as_state(initial), 0.0
    history = []
    for x, weight in zip(inputs, weights, strict=True):
        state = cell(x, state)
        parts = as_parts(state)
        history.append(parts)
        loss = loss + (weight * parts[0]).sin().sum()
    return loss + sum(part.square().sum() for part in history[2][1:] + history[-1][1:]), history


def case_of(name):
    torch.manual_seed(3)
    cell = CELLS[name]().double()
    parts = 2 if name == "lstm" else 1
    initial = [draw(BATCH, 5).requires_grad_() for _ in range(parts)]
    return cell, draw(STEPS, BATCH, 4), initial, draw(STEPS, BATCH, 5)


def by_autograd(cell, inputs, initial, weights):
    """log10 ‖∂L/∂·‖ of (h, c): initial and by step, from gradients that the graph retains."""
    loss, history = looped(cell, inputs, initial, weights)
    for parts in history:
        for part in parts:
            part.retain_grad()
    loss.backward()
    return [
        (start.grad.norm().log10(), torch.stack([h[p].grad.norm() for h in history]).log10())
        for p, start in enumerate(initial)
    ]


@pytest.mark.parametrize("name", CELLS)
def test_equals_autograd(name, tmp_path, capsys):
    cell, *rest = case_of(name)
    path = str(tmp_path / "probe.safetensors")
    with rnndiag.capture(cell) as probe:
        looped(cell, *rest)[0].backward()
    probe.save(path)
    rest[1] = [part.detach().clone().requires_grad_() for part in rest[1]]
    expected = by_autograd(cell, *rest)
    torch.save(cell.state_dict(), tmp_path / "model.pt")
    declared = ["--as", "weight_hh=rnn:relu"] if name == "rnn-relu" else []
    arguments = ["bptt-trace", str(tmp_path / "model.pt"), "--probe", path, "--format", "json"]
    assert run([*arguments, *declared]) == 0
    (layer,) = json.loads(capsys.readouterr().out)["files"][0]["layers"]
    found = layer["trace"]["drives"][0]["loss_gradient"]
    for what, (initial, by_step) in zip(("hidden", "cell"), expected, strict=False):
        # A difference of logarithms is a relative difference, but for ln 10.
        assert found[f"log10_initial_{what}"] == pytest.approx(float(initial), abs=EXACT)
        np.testing.assert_allclose(found[f"log10_{what}"], by_step, rtol=0.0, atol=EXACT)


def recorded(module, body, tmp_path):
    with rnndiag.capture(module) as probe:
        body()
    path = str(tmp_path / "probe.safetensors")
    probe.save(path)
    return load_probe(path).modules


def test_a_state_that_is_not_the_cells_own_begins_a_new_sequence(tmp_path):
    cell = nn.GRUCell(2, 3)

    def body():
        h = cell(torch.ones(2, 2))
        h = cell(torch.ones(2, 2), h)
        h = cell(torch.ones(2, 2), 0.5 * h)  # no longer the cell's own recurrence
        cell(torch.ones(2, 2), h).sum().backward()

    (module,) = recorded(cell, body, tmp_path).values()
    assert module.lengths.tolist() == [2, 2, 2, 2]
    assert module.calls.tolist() == [1, 1, 0, 0] or module.calls.tolist() == [0, 0, 1, 1]
    assert (module.initial.h_0[0] != 0).any(axis=-1).tolist() in (
        [True, True, False, False],
        [False, False, True, True],
    )


def test_loops_of_different_lengths_stand_side_by_side(tmp_path):
    cell = nn.LSTMCell(2, 3)

    def body():
        for steps in (4, 2):
            state = None
            for _ in range(steps):
                state = cell(torch.ones(1, 2), state)
            state[0].sum().backward()

    (module,) = recorded(cell, body, tmp_path).values()
    assert module.lengths.tolist() == [4, 2]
    assert not module.inputs_tbi[2:, 1].any()


def test_two_interleaved_loops_are_two_sequences(tmp_path):
    cell = nn.GRUCell(2, 3)

    def body():
        a = b = None
        for _ in range(3):
            a, b = cell(torch.ones(1, 2), a), cell(torch.zeros(1, 2), b)
        (a + b).sum().backward()

    (module,) = recorded(cell, body, tmp_path).values()
    assert module.lengths.tolist() == [3, 3]
    assert sorted(module.inputs_tbi.sum(axis=(0, 2)).tolist()) == [0.0, 6.0]


def test_unbatched_calls_are_batches_of_one(tmp_path):
    cell = nn.RNNCell(2, 3)
    (module,) = recorded(cell, lambda: cell(torch.ones(2)).sum().backward(), tmp_path).values()
    assert module.inputs_tbi.shape == (1, 1, 2)


def test_every_cell_of_a_stack_has_its_own_record(tmp_path):
    model = nn.ModuleDict({"low": nn.GRUCell(2, 3), "high": nn.LSTMCell(3, 4)})

    def body():
        low = high = None
        for _ in range(3):
            low = model["low"](torch.ones(1, 2), low)
            high = model["high"](low, hx=high)
        high[0].sum().backward()

    modules = recorded(model, body, tmp_path)
    assert {name: m.kind for name, m in modules.items()} == {"low": "gru", "high": "lstm"}
    assert all(module.looped and module.lengths.tolist() == [3] for module in modules.values())


def test_inputs_that_are_written_to_are_kept_or_refused(tmp_path):
    """Of frozen weights autograd saves no input, so that a buffer may be used again."""
    cell, buffer = nn.GRUCell(1, 3), torch.empty(2, 1)

    def body():
        state = None
        for number in range(3):
            state = cell(buffer.fill_(number), state)
        state.sum().backward()

    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        recorded(cell, body, tmp_path)
    cell.weight_ih.requires_grad_(False)
    (module,) = recorded(cell, body, tmp_path).values()
    assert module.inputs_tbi[:, 0, 0].tolist() == [0.0, 1.0, 2.0]


def test_inputs_may_be_written_to_after_the_backward_pass(tmp_path):
    cell, buffer = nn.LSTMCell(1, 3), torch.ones(2, 1)

    def body():
        cell(buffer, cell(buffer))[0].sum().backward()
        buffer.zero_()

    (module,) = recorded(cell, body, tmp_path).values()
    assert module.inputs_tbi.all()


def test_a_loop_that_goes_on_after_a_backward_pass_is_one_sequence(tmp_path):
    cell = nn.GRUCell(1, 3)

    def body():
        state = None
        for number in range(3):
            state = cell(torch.full((2, 1), float(number)), state)
            state.sum().backward(retain_graph=True)

    (module,) = recorded(cell, body, tmp_path).values()
    assert module.lengths.tolist() == [3, 3]
    assert module.inputs_tbi[:, 0, 0].tolist() == [0.0, 1.0, 2.0]
