"""Weights rebuilt from what wrappers store, against torch's own wrapped modules after a forward."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from recognise.wrapping import checkpoint, state
from torch.nn.utils import parametrizations, prune

from rnndiag.api import trace
from rnndiag.containers import read
from rnndiag.containers.checkpoint import StoredTensor
from rnndiag.recognise import parse_declaration, recognise
from rnndiag.recognise.wrappers import unwrap
from rnndiag.tracing import TraceRequest

WEIGHTS = ("weight_ih_l0", "weight_hh_l0")
# torch computes in float32, the rebuilt weight is float64.
ROUNDING = 5e-7

filtered = pytest.mark.filterwarnings("ignore::FutureWarning")


def old_weight_norm(module, name, dim=0):
    torch.nn.utils.weight_norm(module, name, dim)
    with torch.no_grad():
        getattr(module, f"{name}_g").mul_(1.7)


def new_weight_norm(module, name, dim=0):
    parametrizations.weight_norm(module, name, dim)
    with torch.no_grad():
        getattr(module.parametrizations, name).original0.mul_(0.6)


def pruned(module, name):
    prune.l1_unstructured(module, name, amount=0.4)


WRAPPERS = {
    "old dim 0": old_weight_norm,
    "old dim 1": lambda module, name: old_weight_norm(module, name, 1),
    "old dim None": lambda module, name: old_weight_norm(module, name, None),
    "new dim 0": new_weight_norm,
    "new dim 1": lambda module, name: new_weight_norm(module, name, 1),
    "new dim None": lambda module, name: new_weight_norm(module, name, None),
    "pruning": pruned,
}


def layer_of(tmp_path, tensors, *declared):
    path = tmp_path / "model.pt"
    torch.save(tensors, path)
    found = recognise(read(str(path)), [parse_declaration(text) for text in declared])
    assert found.unrecognised == ()
    (module,) = found.modules
    (layer,) = module.flat
    return layer


@filtered
@pytest.mark.parametrize("prefix", ["", "net.rnn."])
@pytest.mark.parametrize("kind", [torch.nn.RNN, torch.nn.GRU, torch.nn.LSTM])
@pytest.mark.parametrize("sizes", [(5, 4), (4, 4), (1, 1), (3, 1), (1, 3)])
@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_rebuilt_weights_are_those_torch_computes(tmp_path, wrapper, sizes, kind, prefix):
    torch.manual_seed(0)
    module = kind(*sizes)
    before = {name: getattr(module, name).detach().clone() for name in WEIGHTS}
    for name in WEIGHTS:
        WRAPPERS[wrapper](module, name)
    module(torch.zeros(1, 1, sizes[0]))
    layer = layer_of(tmp_path, state(module, prefix))
    changed = 0
    for name, stored in zip(WEIGHTS, (layer.weight_ih, layer.weight_hh), strict=True):
        expected = getattr(module, name).detach()
        values = stored.load()
        assert values.dtype == np.float64
        assert stored.shape == tuple(expected.shape)
        assert stored.dtype == "float32"
        np.testing.assert_allclose(values, expected.numpy(), rtol=ROUNDING, atol=0)
        np.testing.assert_array_equal(np.concatenate(list(stored.blocks())), values)
        changed += not torch.equal(before[name], expected)
    # A wrapper that leaves the weights as they were would show nothing.
    assert changed or sizes == (1, 1)
    assert layer.keys[:2] == (f"{prefix}weight_hh_l0", f"{prefix}weight_ih_l0")
    word = "pruning" if wrapper == "pruning" else "weight_norm"
    told = [text for text in layer.assumptions if word in text]
    assert len(told) == 2
    assert f"{prefix}weight_hh_l0: rebuilt" in told[0]


@filtered
def test_all_parameters_of_a_deep_bidirectional_stack(tmp_path):
    module = torch.nn.LSTM(3, 4, 2, bidirectional=True, proj_size=2)
    names = [name for name, _ in module.named_parameters()]
    for name in names:
        old_weight_norm(module, name)
    # As a forward pass does; that of a projected LSTM itself would warn.
    for hook in module._forward_pre_hooks.values():
        hook(module, None)
    path = tmp_path / "model.pt"
    torch.save(module.state_dict(), path)
    (found,) = recognise(read(str(path))).modules
    seen = 0
    for layer in found.flat:
        suffix = f"l{layer.layer}" + ("_reverse" if layer.direction == "reverse" else "")
        for role in ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr"):
            expected = getattr(module, f"{role}_{suffix}").detach().numpy()
            values = getattr(layer, role).load()
            np.testing.assert_allclose(values, expected, rtol=ROUNDING)
            seen += 1
    assert seen == len(names) == 20


def test_a_cell_and_a_custom_mask(tmp_path):
    cell = torch.nn.GRUCell(3, 4)
    mask = torch.rand(12, 4) > 0.5
    prune.custom_from_mask(cell, "weight_hh", mask)
    tensors = cell.state_dict()
    tensors["weight_hh_mask"] = mask
    layer = layer_of(tmp_path, tensors)
    assert (layer.weight_hh.load() == cell.weight_hh.detach().numpy()).all()
    assert (layer.weight_hh.load()[~mask.numpy()] == 0).all()


@pytest.mark.parametrize("copy", ["none", "same storage", "dropped"])
@pytest.mark.parametrize("inner", ["module.", ""])
def test_the_raw_weight_of_a_weight_drop_is_taken(tmp_path, copy, inner):
    module = torch.nn.LSTM(5, 4)
    tensors = state(module, f"rnns.0.{inner}")
    plain = f"rnns.0.{inner}weight_hh_l0"
    raw = tensors.pop(plain)
    if copy != "none":
        dropped = torch.nn.functional.dropout(raw, 0.5)
        tensors[plain] = raw if copy == "same storage" else dropped
    layer = layer_of(tmp_path, {"rnns.0.weight_hh_l0_raw": raw, **tensors})
    assert layer.name == f"rnns.0.{inner}".rstrip(".")
    assert (layer.weight_hh.load() == raw.numpy()).all()
    (told,) = layer.assumptions
    assert "without dropout" in told
    assert "rnns.0.weight_hh_l0_raw" in told
    assert ("left out" in told) == (copy == "dropped")


@filtered
def test_parts_win_over_a_copy_beside_them(tmp_path):
    module = torch.nn.LSTM(5, 4)
    old_weight_norm(module, "weight_hh_l0")
    tensors = state(module, "rnn.")
    tensors["rnn.weight_hh_l0"] = torch.zeros(16, 4)
    layer = layer_of(tmp_path, tensors)
    module(torch.zeros(1, 1, 5))
    expected = module.weight_hh_l0.detach().numpy()
    np.testing.assert_allclose(layer.weight_hh.load(), expected, rtol=ROUNDING)
    assert "another tensor stored as rnn.weight_hh_l0 is left out" in layer.assumptions[0]


@filtered
def test_nothing_is_read_before_the_weight_is():
    module = torch.nn.GRU(5, 4)
    old_weight_norm(module, "weight_hh_l0")
    # The tensors of `checkpoint` fail the test when they are loaded.
    (found,) = recognise(checkpoint(state(module))).modules
    with pytest.raises(AssertionError, match="read the values"):
        found.flat[0].weight_hh.load()


@filtered
def test_two_names_of_the_same_parts_are_one_module_and_copies_are_two(tmp_path):
    module = torch.nn.GRU(5, 4)
    old_weight_norm(module, "weight_hh_l0")
    for second, count in (
        (state(module, "b."), 1),
        ({name: tensor.clone() for name, tensor in state(module, "b.").items()}, 2),
    ):
        found = recognise(checkpoint({**state(module, "a."), **second}))
        assert len(found.modules) == count


@filtered
@pytest.mark.parametrize("wrapper", ["old dim 0", "new dim 1", "pruning"])
def test_a_wrapped_checkpoint_gives_the_trace_of_the_plain_one(tmp_path, wrapper):
    torch.manual_seed(0)
    module = torch.nn.GRU(3, 4)
    for name in WEIGHTS:
        WRAPPERS[wrapper](module, name)
    module(torch.zeros(1, 1, 3))
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    torch.save(module.state_dict(), tmp_path / "wrapped.pt")
    torch.save({name: getattr(module, name).detach() for name in names}, tmp_path / "plain.pt")
    wrapped, plain = (
        trace(str(tmp_path / f"{name}.pt"), TraceRequest(seq_len=30)).layers[0].trace
        for name in ("wrapped", "plain")
    )
    found, expected = (
        [drive.log10_gradient_norm for drive in each.drives] for each in (wrapped, plain)
    )
    # float32 against float64 weights, over 30 steps.
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_a_declaration_names_the_rebuilt_weight(tmp_path):
    module = torch.nn.RNN(5, 4, nonlinearity="relu")
    pruned(module, "weight_hh_l0")
    layer = layer_of(tmp_path, state(module, "rnn."), "rnn.weight_hh_l0=rnn:relu")
    assert layer.activation == "relu"
    assert any("pruning" in text for text in layer.assumptions)


def test_a_zero_direction_gives_nan_as_in_torch():
    parts = {"weight_hh_g": np.ones((2, 1)), "weight_hh_v": np.array([[0.0, 0.0], [3.0, 4.0]])}
    stored = {
        name: StoredTensor("float64", values.shape, (name,), values.copy)
        for name, values in parts.items()
    }
    weight = unwrap(stored).tensors["weight_hh"].load()
    torch_weight = torch._weight_norm(
        *(torch.tensor(values) for values in reversed(parts.values()))
    )
    np.testing.assert_array_equal(np.isnan(weight), np.isnan(torch_weight.numpy()))
    assert np.isnan(weight[0]).all()
    assert weight[1].tolist() == [0.6, 0.8]


def test_other_names_with_such_endings_are_left_alone():
    tensors = {"conv.weight_g": torch.ones(2, 1), "conv.weight_v": torch.ones(2, 3)}
    described = checkpoint(tensors)
    unwrapped = unwrap(described.tensors)
    assert list(unwrapped.tensors) == list(tensors)
    assert unwrapped.rebuilt == unwrapped.refused == {}


@pytest.mark.parametrize("shape", [(), (1,)])
def test_a_logarithmic_scale_is_multiplied_in(tmp_path, shape):
    """As a scaled LSTM computes it: every weight and bias times the exponential of its scale."""
    module = torch.nn.LSTM(5, 4)
    tensors = state(module, "rnn.")
    scales = {name: torch.full(shape, 0.1 * n - 0.2) for n, name in enumerate(tensors)}
    stored = {**tensors, **{f"{name}_scale": scale for name, scale in scales.items()}}
    layer = layer_of(tmp_path, stored)
    for role in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
        name = f"rnn.{role}_l0"
        expected = tensors[name].double() * scales[name].double().exp()
        np.testing.assert_allclose(getattr(layer, role).load(), expected.numpy(), rtol=ROUNDING)
    assert any("weight * exp(scale)" in text for text in layer.assumptions)


def test_a_scale_of_another_shape_is_not_guessed_at(tmp_path):
    tensors = state(torch.nn.LSTM(5, 4), "rnn.")
    tensors["rnn.weight_hh_l0_scale"] = torch.ones(16)
    torch.save(tensors, tmp_path / "model.pt")
    found = recognise(read(str(tmp_path / "model.pt")))
    assert not found.modules
    assert "rnn.weight_hh_l0_scale (16,)" in found.unrecognised[0].reason


def test_a_scaled_linear_layer_is_declared_with_its_scale(tmp_path):
    weight, scale = torch.randn(6, 6), torch.tensor(-0.5)
    tensors = {"h2h.weight": weight, "h2h.weight_scale": scale, "h2h.bias": torch.randn(6)}
    tensors |= {"h2h.bias_scale": torch.tensor(0.25), "i2h.weight": torch.randn(6, 3)}
    torch.save(tensors, tmp_path / "model.pt")
    described = read(str(tmp_path / "model.pt"))
    (entry,) = recognise(described).unrecognised
    declaration = parse_declaration(entry.reason.partition("--as ")[2])
    (module,) = recognise(described, [declaration]).modules
    (layer,) = module.flat
    np.testing.assert_allclose(
        layer.weight_hh.load(), (weight.double() * scale.double().exp()).numpy(), rtol=ROUNDING
    )
    assert layer.bias_hh is not None or layer.bias_ih is not None
    assert any("h2h.weight: rebuilt from its logarithmic scale" in a for a in layer.assumptions)
