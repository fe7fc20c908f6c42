"""What is recorded of nn.RNN, nn.GRU and nn.LSTM: the same whatever way time and batch lie."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pack_sequence

import rnndiag
from rnndiag.probe import load_probe


@pytest.fixture
def record(tmp_path):
    """Run a body under capture and read back the one module."""

    def recorded(model, body):
        with rnndiag.capture(model) as probe:
            body()
        probe.save(str(tmp_path / "probe.safetensors"))
        (module,) = load_probe(str(tmp_path / "probe.safetensors")).modules.values()
        return module

    return recorded


def draw(*shape):
    return torch.randn(*shape, dtype=torch.float64)


def test_everything_of_a_padded_call(record):
    module, x, h, c = nn.LSTM(3, 4, 2).double(), draw(5, 2, 3), draw(2, 2, 4), draw(2, 2, 4)
    weight = draw(5, 2, 4)

    def body():
        output, (h_n, _) = module(x, (h, c))
        ((weight * output).sum() + 3.0 * h_n.sum()).backward()

    found = record(module, body)
    _, (h_n, c_n) = module(x, (h, c))
    for ours, theirs in (
        (found.inputs_tbi, x),
        (found.initial.h_0, h),
        (found.initial.c_0, c),
        (found.final.h_0, h_n),
        (found.final.c_0, c_n),
        (found.output_gradient_tbp, weight),
        (found.final_gradient.h_0, torch.full((2, 2, 4), 3.0)),
        (found.final_gradient.c_0, torch.zeros(2, 2, 4)),
    ):
        np.testing.assert_array_equal(ours, theirs.detach().numpy())
    assert found.lengths.tolist() == [5, 5]
    assert found.kind == "lstm"
    assert not found.looped


@pytest.mark.parametrize("nonlinearity", ["tanh", "relu"])
def test_states_that_are_not_given_are_zero_and_the_activation_is_kept(record, nonlinearity):
    module = nn.RNN(3, 4, nonlinearity=nonlinearity)
    found = record(module, lambda: module(torch.randn(5, 2, 3))[0].sum().backward())
    assert found.initial.h_0.shape == (1, 2, 4)
    assert not found.initial.h_0.any()
    assert found.kind == f"rnn_{nonlinearity}"


def test_a_loss_on_the_final_states_alone(record):
    module = nn.GRU(3, 4, bidirectional=True)
    found = record(module, lambda: module(torch.randn(5, 2, 3))[1].sum().backward())
    assert found.output_gradient_tbp.shape == (5, 2, 8)
    assert not found.output_gradient_tbp.any()
    assert (found.final_gradient.h_0 == 1.0).all()


def variants():
    """The same two sequences of 4 steps, arranged in every way that torch takes."""
    x = torch.arange(24.0).reshape(4, 2, 3) / 10
    yield "time-first", False, x, (4, 4)
    yield "batch-first", True, x.transpose(0, 1).contiguous(), (4, 4)
    yield "packed", False, pack_padded_sequence(x, [4, 4]), (4, 4)
    yield "packed-batch-first", True, pack_padded_sequence(x.transpose(0, 1), [4, 4], True), (4, 4)
    yield "unsorted", False, pack_padded_sequence(x, [2, 4], enforce_sorted=False), (2, 4)
    yield "short-first", False, pack_sequence([x[:2, 0], x[:, 1]], enforce_sorted=False), (2, 4)


@pytest.mark.parametrize(("name", "batch_first", "x", "lengths"), list(variants()))
def test_inputs_and_gradients_lie_time_first_in_the_callers_order(
    record, name, batch_first, x, lengths
):
    module = nn.GRU(3, 4, batch_first=batch_first)

    def body():
        output = module(x)[0]
        data = output.data if isinstance(output, PackedSequence) else output
        data.square().sum().backward()

    found = record(module, body)
    plain = torch.arange(24.0).reshape(4, 2, 3) / 10
    assert found.lengths.tolist() == list(lengths)
    for b, length in enumerate(lengths):
        np.testing.assert_array_equal(found.inputs_tbi[:length, b], plain[:length, b].numpy())
        assert not found.inputs_tbi[length:, b].any()
        module.batch_first = False
        expected = 2.0 * module(plain[:length, b : b + 1])[0][:, 0]
        # float32, and another batch size may take another kernel.
        np.testing.assert_allclose(
            found.output_gradient_tbp[:length, b], expected.detach().numpy(), rtol=1e-5, atol=1e-6
        )
        assert not found.output_gradient_tbp[length:, b].any()


def test_an_unbatched_call_is_a_batch_of_one(record):
    module = nn.LSTM(3, 4, 2, batch_first=True)
    h, c = torch.randn(2, 4), torch.randn(2, 4)
    found = record(module, lambda: module(torch.randn(5, 3), (h, c))[0].sum().backward())
    assert found.inputs_tbi.shape == (5, 1, 3)
    np.testing.assert_array_equal(found.initial.h_0[:, 0], h.numpy())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_stored_as_it_is(record, tmp_path, dtype):
    module, x = nn.LSTM(3, 4).to(dtype), torch.randn(5, 2, 3).to(dtype)
    found = record(module, lambda: module(x)[0].sum().backward())
    np.testing.assert_array_equal(found.inputs_tbi, x.double().numpy())
    stored = rnndiag.read(str(tmp_path / "probe.safetensors")).tensors
    names = {"/inputs", "/h_0", "/dL_dy"}
    assert {stored[name].dtype for name in names} == {str(dtype).removeprefix("torch.")}


def test_autocast_changes_nothing_and_is_recorded(record):
    torch.manual_seed(0)
    model = nn.ModuleDict({"embed": nn.Linear(3, 3), "rnn": nn.GRU(3, 4)})
    x = torch.randn(5, 2, 3)

    def body():
        model.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = model["rnn"](model["embed"](x))[0].square().mean()
        loss.backward()

    body()
    expected = [p.grad.clone() for p in model.parameters()]
    found = record(model, body)
    assert all(torch.equal(p.grad, e) for p, e in zip(model.parameters(), expected, strict=True))
    assert found.output_gradient_tbp.any()


def test_calls_of_several_steps_and_lengths_stand_side_by_side(record):
    module = nn.GRU(2, 3)

    def body():
        for steps, batch in ((4, 2), (6, 1)):
            module.zero_grad()
            module(torch.ones(steps, batch, 2))[0].sum().backward()

    found = record(module, body)
    assert found.lengths.tolist() == [4, 4, 6]
    assert found.calls.tolist() == found.steps.tolist() == [0, 0, 1]
    assert found.inputs_tbi.shape == (6, 3, 2)
    assert not found.output_gradient_tbp[4:, :2].any()


def test_states_handed_from_chunk_to_chunk(record):
    """Truncated back-propagation, and a graph that spans two calls: ∂L/∂h_n is what comes back."""
    module = nn.RNN(2, 3).double()
    first, second = draw(4, 1, 2), draw(3, 1, 2)

    def body():
        _, h = module(first)
        module(second, h)[0].sum().backward()

    found = record(module, body)
    _, h = module(first)
    h = h.detach().requires_grad_()
    module(second, hx=h)[0].sum().backward()
    # The later call's gradients come first.
    np.testing.assert_array_equal(found.initial.h_0[0, 0], h.detach()[0, 0].numpy())
    np.testing.assert_allclose(found.final_gradient.h_0[0, 1], h.grad[0, 0].numpy(), rtol=1e-14)
