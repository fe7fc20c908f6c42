"""Whatever of a module a loss reads: the gradients recorded are autograd's, and its own as without.

The reference is `retain_grad` on what the module returned, in the same model without capture.
"""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence
from torch.utils.checkpoint import checkpoint

import rnndiag

STEPS, BATCH = 6, 3

# What autograd hands over is stored as it is.
EXACT = {"rtol": 1e-12, "atol": 0.0}


def draw(*shape):
    return torch.randn(*shape, dtype=torch.float64)


def square(*tensors):
    return sum(tensor.square().sum() for tensor in tensors)


def classifier(module, x):
    _, states = module(x)
    return square(states[0][-1] if isinstance(states, tuple) else states[-1])


def last_state_of_one_layer(module, x):
    states = module(x)[1]
    return square((states[0] if isinstance(states, tuple) else states)[0])


def memory_alone(module, x):
    states = module(x)[1]
    return square(states[1] if isinstance(states, tuple) else states)


def output_alone(module, x):
    return square(module(x)[0])


def some_steps(module, x):
    output = module(x)[0]
    return square(output[1], output[4, 1:])


def two_losses(module, x):
    output, states = module(x)
    square(output[-1]).backward(retain_graph=True)
    return square(*states) if isinstance(states, tuple) else square(states)


def penalty(module, x):
    """A gradient of the input within the loss: what comes of finding it is no part of ∂L/∂y."""
    x = x.clone().requires_grad_()
    output = module(x)[0]
    (slope,) = torch.autograd.grad(square(output), x, create_graph=True)
    return square(output) + square(slope)


def second_order(module, x):
    loss = square(module(x)[0])
    loss.backward(create_graph=True)
    return square(*(p.grad for p in module.parameters()))


def recomputed(reentrant):
    def loss(module, x):
        x = x.clone().requires_grad_()  # a reentrant one is done only where an input needs it
        return square(checkpoint(lambda v: module(v)[0], x, use_reentrant=reentrant))

    return loss


def chunks(detached):
    def loss(module, x):
        output, states = module(x[:2])
        if detached:
            square(output).backward()
            states = (
                tuple(s.detach() for s in states) if isinstance(states, tuple) else states.detach()
            )
        return square(module(x[2:], states)[0][-1])

    return loss


def in_half_precision(module, x):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        return square(module(x)[0])


LOSSES = {
    "classifier": classifier,
    "one-layer": last_state_of_one_layer,
    "memory-alone": memory_alone,
    "output-alone": output_alone,
    "some-steps": some_steps,
    "two-losses": two_losses,
    "penalty": penalty,
    "second-order": second_order,
    "checkpoint": recomputed(False),
    "reentrant-checkpoint": recomputed(True),
    "chunks": chunks(False),
    "detached-chunks": chunks(True),
    "autocast": in_half_precision,
}

MODULES = {
    "rnn": lambda: nn.RNN(4, 5, 2),
    "gru": lambda: nn.GRU(4, 5, 2),
    "lstm": lambda: nn.LSTM(4, 5, 2),
    "lstm-projected": lambda: nn.LSTM(4, 5, 2, proj_size=3),
    "lstm-both-ways": lambda: nn.LSTM(4, 5, bidirectional=True),
}


class Watched:
    """What a module returned, call by call, each retaining its gradient."""

    def __init__(self, module):
        self.calls = []
        self.handle = module.register_forward_hook(self.called)

    def called(self, _, __, output):
        values, states = output
        finals = states if isinstance(states, tuple) else (states,)
        if values.requires_grad:
            for tensor in (values, *finals):
                tensor.retain_grad()
            self.calls.append((values, *finals))


def run(module, loss, x):
    torch.manual_seed(2)
    module.zero_grad()
    loss(module, x).backward()
    return [p.grad.clone() for p in module.parameters()], torch.get_rng_state()


def recorded(probe):
    """By call, in the order of the calls: what was recorded of y, h_n and c_n."""
    found = [sequence.tensors() for sequence in probe._sequences]
    found.sort(key=lambda each: each["inputs"].sum().item())
    names = [["dL_dy", "dL_dh_n", "dL_dc_n"][: 3 if "c_n" in each else 2] for each in found]
    return [[each.get(n) for n in of] for each, of in zip(found, names, strict=True)]


# torch warns that projections are slow in float32, and of the cycle that create_graph makes.
@pytest.mark.filterwarnings("ignore:LSTM with projections", "ignore:Using backward")
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("name", MODULES)
def test_equals_autograd_and_changes_nothing(name, loss):
    torch.manual_seed(0)
    dtype = torch.float32 if loss == "autocast" else torch.float64
    module, x = MODULES[name]().to(dtype), draw(STEPS, BATCH, 4).to(dtype)
    if loss.endswith("chunks"):
        x[:2] -= 9.0  # calls are told apart by their inputs
    if name == "lstm-both-ways" and loss.endswith("chunks"):
        return  # the state of a reverse direction is nothing to hand on
    expected, random = run(module, LOSSES[loss], x)
    watched = Watched(module)
    if loss != "penalty":  # autograd.grad leaves nothing in .grad, not even of what retains it
        run(module, LOSSES[loss], x)
    watched.handle.remove()
    with rnndiag.capture(module) as probe:
        found, after = run(module, LOSSES[loss], x)
    for ours, theirs in zip(found, expected, strict=True):
        assert torch.equal(ours, theirs)
    assert torch.equal(after, random)
    if loss == "penalty":
        assert_penalty(probe, module, x)
        return
    reached = [call for call in watched.calls if any(t.grad is not None for t in call)]
    calls = recorded(probe)
    assert len(calls) == len(reached)
    for ours, theirs in zip(calls, reached, strict=True):
        for gradient, tensor in zip(ours, theirs, strict=True):
            wanted = torch.zeros_like(tensor) if tensor.grad is None else tensor.grad
            got = torch.zeros_like(tensor) if gradient is None else gradient
            torch.testing.assert_close(got, wanted.to(got.dtype), **EXACT)


def assert_penalty(probe, module, x):
    """∂(L + ‖∂L/∂x‖²)/∂y, by autograd alone."""
    x = x.clone().requires_grad_()
    output = module(x)[0]
    (slope,) = torch.autograd.grad(square(output), x, create_graph=True)
    (wanted,) = torch.autograd.grad(square(output) + square(slope), output)
    (sequence,) = probe._sequences
    torch.testing.assert_close(sequence.tensors()["dL_dy"], wanted, **EXACT)


@pytest.mark.parametrize("name", ["gru", "lstm"])
def test_packed_sequences_of_which_only_the_state_is_read(name):
    module, x = MODULES[name]().double(), draw(STEPS, BATCH, 4)
    packed = pack_padded_sequence(x, [2, 6, 4], enforce_sorted=False)
    with rnndiag.capture(module) as probe:
        classifier(module, packed).backward()
    states = module(packed)[1]
    final = states[0] if isinstance(states, tuple) else states
    tensors = probe._sequences[0].tensors()
    wanted = torch.zeros_like(final)
    wanted[-1] = 2.0 * final[-1].detach()
    torch.testing.assert_close(tensors["dL_dh_n"], wanted, **EXACT)
    assert not tensors["dL_dy"].any()


def test_an_encoder_whose_output_nobody_reads():
    model = nn.ModuleDict({"encoder": nn.LSTM(4, 5), "decoder": nn.LSTM(4, 5)}).double()
    x = draw(STEPS, BATCH, 4)

    def loss():
        model.zero_grad()
        square(model["decoder"](x, model["encoder"](x)[1])[0]).backward()
        return [p.grad.clone() for p in model.parameters()]

    expected = loss()
    with rnndiag.capture(model) as probe:
        found = loss()
    assert all(torch.equal(*pair) for pair in zip(found, expected, strict=True))
    by_module = {sequence.module: sequence.tensors() for sequence in probe._sequences}
    assert set(by_module) == {"encoder", "decoder"}
    assert not by_module["encoder"]["dL_dy"].any()
    assert by_module["encoder"]["dL_dh_n"].any()
    assert by_module["encoder"]["dL_dc_n"].any()


def test_a_gradient_that_nobody_trains_with_is_left_out():
    """Saliency of another forward pass within the block."""
    module, x = nn.GRU(4, 5).double(), draw(STEPS, BATCH, 4)
    with rnndiag.capture(module) as probe:
        watched = x.clone().requires_grad_()
        torch.autograd.grad(module(watched)[0].sum(), watched)
        torch.autograd.grad(module(x)[0].sum(), list(module.parameters()))
        module(x)[0].sum().backward()
    assert len(probe._sequences) == 1
    norm = torch.cat([p.grad.ravel() for p in module.parameters()]).norm()
    assert probe.gradient_norms == pytest.approx([float(norm)], rel=1e-14)


def test_gradients_that_are_handed_back_have_no_norms_and_it_says_why():
    module, x = nn.GRU(4, 5).double(), draw(STEPS, BATCH, 4)
    weights = dict(module.named_parameters())

    def loss(weights):
        return torch.func.functional_call(module, weights, (x,))[0].square().sum()

    with pytest.warns(UserWarning, match="torch.func.grad"), rnndiag.capture(module) as probe:
        torch.func.grad(loss)(weights)
    assert probe.gradient_norms == ()
    output = module(x)[0].detach()
    (sequence,) = probe._sequences
    torch.testing.assert_close(sequence.tensors()["dL_dy"], 2.0 * output, **EXACT)
