"""Calls that hand their state on are one sequence, parted per sample where a reset parts them.

The reference is torch's autograd on the user's own loop, with `retain_grad` on every state: nothing
of rnndiag runs in it.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import rnndiag
from rnndiag.errors import RnndiagError
from rnndiag.probe import load_probe
from rnndiag.tracing import TraceRequest

STEPS, BATCH, WIDTH = 30, 4, 6

# Logarithms of norms, float64, 30 steps: what is recorded is taken apart and put together again.
EXACT = 1e-10

KINDS = ("RNN", "GRU", "LSTM")


def draw(*shape):
    return torch.randn(*shape, dtype=torch.float64)


def parts(state):
    return state if isinstance(state, tuple) else (state,)


def like(state, found):
    return tuple(found) if isinstance(state, tuple) else next(iter(found))


def each(state, change):
    return like(state, [change(part) for part in parts(state)])


def layer_of(kind, layers=1):
    torch.manual_seed(0)
    module = getattr(nn, kind)(3, WIDTH, layers).double()
    for name, weight in module.named_parameters():
        if "weight_hh" in name:
            nn.init.normal_(weight, std=(1.6 if kind == "RNN" else 3.0) / WIDTH**0.5)
    return module


def cell_of(kind):
    cell = getattr(nn, f"{kind}Cell")(3, WIDTH).double()
    cell.load_state_dict({name[:-3]: w for name, w in layer_of(kind).state_dict().items()})
    return cell


def inputs():
    torch.manual_seed(1)
    return draw(STEPS, BATCH, 3), draw(BATCH, WIDTH)


def zero_state(kind, *shape):
    zero = torch.zeros(*shape, dtype=torch.float64)
    return (zero, zero) if kind == "LSTM" else zero


def traced(module, body, tmp_path):
    """The drive of a probe of `body()`'s loss, and the probe's one module."""
    with rnndiag.capture(module) as probe:
        body().backward()
    path = str(tmp_path / "probe.safetensors")
    probe.save(path)
    torch.save(module.state_dict(), tmp_path / "model.pt")
    loaded = load_probe(path)
    found = rnndiag.trace(str(tmp_path / "model.pt"), TraceRequest(probe=loaded, exponents=1))
    (recorded,) = loaded.modules.values()
    return [item.trace.drives[0] for item in found.layers], recorded


def whole_call(kind, layers=1):
    module, (x, weight) = layer_of(kind, layers), inputs()

    def body():
        return (weight * module(x)[0][-1]).sum()

    return module, body


def stepped(module, kind, change, chunk=1, read="output"):
    """The loss of a module called chunk by chunk, its state changed in between."""
    x, weight = inputs()
    state = None
    for first in range(0, STEPS, chunk):
        if state is not None:
            state = change(state)
        output, state = module(x[first : first + chunk], state)
    return (weight * (output[-1] if read == "output" else parts(state)[0][-1])).sum()


def looped(cell, kind, change):
    x, weight = inputs()
    state = zero_state(kind, BATCH, WIDTH)
    for step in x:
        state = cell(step, change(state))
    return (weight * parts(state)[0]).sum()


def keep(_):
    return torch.ones(BATCH, 1, dtype=torch.float64)


CHANGES = {
    "identity": lambda s: s,
    "mask": lambda s: each(s, lambda p: p * keep(p)),
    "where": lambda s: each(s, lambda p: torch.where(keep(p) > 0, p, torch.zeros_like(p))),
    "clone": lambda s: each(s, torch.clone),
    "view": lambda s: each(s, lambda p: p.reshape(-1).view_as(p)),
    "transposed": lambda s: each(s, lambda p: p.transpose(0, 1).contiguous().transpose(0, 1)),
    "split": lambda s: each(s, lambda p: torch.cat(p.split(1, dim=-2), dim=-2)),
    "moved-there-and-back": lambda s: each(s, lambda p: p.flip(-2).flip(-2)),
    "stacked": lambda s: each(s, lambda p: torch.stack(p.unbind(-2), dim=-2)),
}


def assert_same(found, expected):
    for one, other in zip(found, expected, strict=True):
        assert one.verdict == other.verdict
        for ours, theirs in (
            (one.log10_gradient_norm, other.log10_gradient_norm),
            (one.loss_gradient.log10_hidden, other.loss_gradient.log10_hidden),
            (one.parameter_gradient_share, other.parameter_gradient_share),
        ):
            np.testing.assert_allclose(ours, theirs, rtol=0.0, atol=EXACT)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_module_called_step_by_step_gives_what_one_call_gives(kind, change, tmp_path):
    expected, _ = traced(*whole_call(kind), tmp_path)
    module = layer_of(kind)
    found, recorded = traced(module, lambda: stepped(module, kind, CHANGES[change]), tmp_path)
    assert_same(found, expected)
    assert recorded.longest == STEPS


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_cell_gives_what_one_call_of_its_layer_gives(kind, change, tmp_path):
    expected, _ = traced(*whole_call(kind), tmp_path)
    cell = cell_of(kind)
    found, _ = traced(cell, lambda: looped(cell, kind, CHANGES[change]), tmp_path)
    assert_same(found, expected)


@pytest.mark.parametrize("chunk", [2, 7, 29])
@pytest.mark.parametrize("read", ["output", "state"])
def test_chunks_of_a_stack_read_by_output_or_state(chunk, read, tmp_path):
    expected, _ = traced(*whole_call("LSTM", 2), tmp_path)
    module = layer_of("LSTM", 2)
    body = lambda: stepped(module, "LSTM", CHANGES["identity"], chunk, read)
    found, _ = traced(module, body, tmp_path)
    assert_same(found, expected)


@pytest.mark.parametrize("kind", ["GRU", "LSTM"])
def test_a_reset_that_is_written_into_the_state(kind, tmp_path):
    """Allowed where no gradient needs the state as it was; then only its new values are left."""
    cell, dead = cell_of(kind), (11, [1, 3])

    def body(in_place):
        x, weight = inputs()
        state = zero_state(kind, BATCH, WIDTH)
        for t, step in enumerate(x):
            state = cell(step, state)
            mask = keep(None)
            mask[dead[1]] = float(t != dead[0])
            if in_place:
                for part in parts(state):
                    part.mul_(mask)
            else:
                state = each(state, lambda part, mask=mask: part * mask)
        return (weight * parts(state)[0]).sum()

    expected, other = traced(cell, lambda: body(False), tmp_path)
    found, recorded = traced(cell, lambda: body(True), tmp_path)
    assert_same(found, expected)
    assert sorted(len(chain) for chain in recorded.chains) == sorted(map(len, other.chains))
    assert recorded.longest == STEPS


RESETS = {5: [0], 6: [0], 13: [1, 2], 20: [0, 1, 2, 3]}
"""Before these steps the state of these samples is set to zero."""


def with_resets(kind, steps_of, record):
    """A loss of every step, in which some samples begin anew; `record` gets every state."""
    x, _ = inputs()
    torch.manual_seed(5)
    weights = draw(STEPS, BATCH, WIDTH)
    state, loss = None, 0.0
    for t in range(STEPS):
        mask = torch.ones(BATCH, 1, dtype=torch.float64)
        mask[RESETS.get(t, [])] = 0.0
        state = None if state is None else each(state, lambda p, m=mask: p * m)
        state = steps_of(x[t], state)
        record(parts(state)[0])
        loss = loss + (weights[t] * parts(state)[0]).sin().sum()
    return loss


def step_of(kind, as_cell):
    if as_cell:
        cell = cell_of(kind)
        return cell, lambda x, s: cell(x, zero_state(kind, BATCH, WIDTH) if s is None else s)
    layer = layer_of(kind)
    return layer, lambda x, s: layer(x[None], s)[1]


def by_autograd(kind, as_cell):
    """‖∂L/∂h_t‖² of every step and sample."""
    states = []

    def record(state):
        state.retain_grad()
        states.append(state)

    with_resets(kind, step_of(kind, as_cell)[1], record).backward()
    rows = [state.grad.reshape(BATCH, WIDTH) for state in states]
    return torch.stack(rows).square().sum(-1).numpy()


@pytest.mark.parametrize("as_cell", [False, True], ids=["module", "cell"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_reset_parts_the_sequences_of_its_samples(kind, as_cell, tmp_path):
    module, steps_of = step_of(kind, as_cell)
    body = lambda: with_resets(kind, steps_of, lambda _: None)
    (found,), recorded = traced(module, body, tmp_path)
    squares = by_autograd(kind, as_cell)
    begins = [sorted({0, *(t for t, rows in RESETS.items() if b in rows)}) for b in range(BATCH)]
    spans = [
        (b, first, last)
        for b, starts in enumerate(begins)
        for first, last in zip(starts, [*starts[1:], STEPS], strict=True)
    ]
    lengths = [int(recorded.lengths[list(chain)].sum()) for chain in recorded.chains]
    assert sorted(lengths) == sorted(last - first for _, first, last in spans)
    # The root of the sum over samples, and the mean over the calls that sequences began in.
    for position, ours in enumerate(found.loss_gradient.log10_hidden):
        there = [(b, first) for b, first, last in spans if first + position < last]
        total = sum(squares[first + position, b] for b, first in there)
        calls = len({first for _, first in there})
        assert ours == pytest.approx(0.5 * np.log10(total / calls), abs=EXACT)


def test_samples_that_leave_the_batch_and_change_places(tmp_path):
    """Finished sentences are taken out, the others sorted: rows are found by their values."""
    cell, (x, _) = cell_of("LSTM"), inputs()

    def body():
        state, loss = zero_state("LSTM", BATCH, WIDTH), 0.0
        order = torch.arange(BATCH)
        for t in range(9):
            if t in (3, 6):
                chosen = torch.tensor([2, 0]) if t == 3 else torch.tensor([1])
                order, state = order[chosen], each(state, lambda p, c=chosen: p[c])
            state = cell(x[t][order], state)
            loss = loss + state[0].square().sum()
        return loss

    _, recorded = traced(cell, body, tmp_path)
    lengths = sorted(int(recorded.lengths[list(c)].sum()) for c in recorded.chains)
    assert lengths == [3, 3, 6, 9]


def test_a_masked_update_keeps_the_old_state_of_some(tmp_path):
    """h = where(mask, new, old): a sample that has ended stays where it was, and may go on."""
    cell, (x, _) = cell_of("GRU"), inputs()
    idle = torch.zeros(10, BATCH, 1, dtype=torch.bool)
    idle[4:7, 2] = True

    def body():
        state = torch.zeros(BATCH, WIDTH, dtype=torch.float64)
        for t in range(10):
            state = torch.where(idle[t], state, cell(x[t], state))
        return state.square().sum()

    _, recorded = traced(cell, body, tmp_path)
    by_length = sorted(int(recorded.lengths[list(c)].sum()) for c in recorded.chains)
    assert by_length[-4:] == [7, 10, 10, 10]
    assert set(by_length[:-4]) <= {1}


def changed(state):
    return each(state, lambda part: 0.5 * part)


def leaf(state):
    return each(state, lambda part: part.detach().requires_grad_())


@pytest.mark.parametrize(
    ("change", "passed"),
    [
        (CHANGES["identity"], None),
        (lambda s: each(s, torch.detach), "the state is detached or changed between them"),
        (leaf, "the state is detached or changed between them"),
        (changed, "the state is detached or changed between them"),
        (lambda _: None, "no state passed on"),
    ],
    ids=["handed-on", "detached", "leaf", "changed", "none"],
)
@pytest.mark.parametrize("kind", KINDS)
def test_single_steps_give_no_verdict(kind, change, passed, tmp_path):
    module = layer_of(kind)
    x, _ = inputs()

    def body():
        state, loss = None, 0.0
        for t in range(6):
            output, state = module(x[t : t + 1], state)
            loss, state = loss + output.sum(), change(state)
        return loss

    if passed is None:
        traced(module, body, tmp_path)
        return
    with pytest.raises(RnndiagError, match=f"6 calls of one step, {passed}"):
        traced(module, body, tmp_path)


def test_a_detached_state_begins_a_sequence_within_longer_ones(tmp_path):
    module = layer_of("GRU")
    x, _ = inputs()

    def body():
        state, loss = None, 0.0
        for t in range(12):
            output, state = module(x[t : t + 1], state)
            loss = loss + output.square().sum()
            state = state.detach() if t in (3, 8) else state
        return loss

    _, recorded = traced(module, body, tmp_path)
    lengths = [int(recorded.lengths[list(chain)].sum()) for chain in recorded.chains]
    assert sorted(lengths) == sorted([4, 5, 3] * BATCH)


def test_another_modules_state_is_no_part_of_the_sequence(tmp_path):
    model = nn.ModuleDict({"encoder": layer_of("GRU"), "decoder": layer_of("GRU")})
    x, _ = inputs()
    with rnndiag.capture(model) as probe:
        _, state = model["encoder"](x[:5])
        for t in range(4):
            output, state = model["decoder"](x[t : t + 1], state)
        output.sum().backward()
    probe.save(str(tmp_path / "probe.safetensors"))
    modules = load_probe(str(tmp_path / "probe.safetensors")).modules
    assert {name: module.longest for name, module in modules.items()} == {
        "encoder": 5,
        "decoder": 4,
    }
    assert modules["decoder"].initial.h_0.any()


def test_two_loops_through_one_module_with_the_same_numbers_stay_two(tmp_path):
    """Their states cannot be told apart by value, only by the graph."""
    module = layer_of("GRU")
    x = torch.ones(1, 1, 3, dtype=torch.float64)
    with rnndiag.capture(module) as probe:
        one = two = None
        for _ in range(5):
            _, one = module(x, one)
            _, two = module(x, two)
        (one.sum() + 2.0 * two.sum()).backward()
    probe.save(str(tmp_path / "probe.safetensors"))
    (recorded,) = load_probe(str(tmp_path / "probe.safetensors")).modules.values()
    assert sorted(len(chain) for chain in recorded.chains) == [5, 5]
    ends = [recorded.final_gradient.h_0[:, list(chain)] for chain in recorded.chains]
    factors = ends[0] / ends[1]
    assert np.allclose(factors, factors.flat[0])
    assert np.isclose(factors.flat[0], 2.0) or np.isclose(factors.flat[0], 0.5)


def test_a_sample_without_a_state_does_not_stand_for_the_others(tmp_path):
    """Changed between the steps are the states of all but an empty sample, whose state is zero."""
    module = torch.nn.RNN(3, 4, bias=False)
    x = torch.randn(6, 3, 3, generator=torch.Generator().manual_seed(0))
    x[:, 0] = 0.0

    def body():
        state, loss = None, 0.0
        for t in range(6):
            output, state = module(x[t : t + 1], state)
            loss, state = loss + output.sum(), changed(state)
        return loss

    with pytest.raises(RnndiagError, match="6 calls of one step, the state is detached or changed"):
        traced(module, body, tmp_path)
