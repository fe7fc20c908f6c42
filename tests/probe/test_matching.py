"""Names in a probe and in a checkpoint: the same module under different prefixes, or a refusal."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import rnndiag
from rnndiag.containers import read
from rnndiag.errors import InputCode, RnndiagError
from rnndiag.probe import fitted, load_probe
from rnndiag.recognise import recognise


class Pair(nn.Module):
    """Two modules, of one shape or of two."""

    def __init__(self, other=3):
        super().__init__()
        self.encoder = nn.ModuleDict({"rnn": nn.GRU(2, 3)})
        self.decoder = nn.ModuleDict({"rnn": nn.GRU(2, other)})

    def forward(self, x):
        return self.encoder["rnn"](x)[0].sum() + self.decoder["rnn"](x)[0].sum()


def total(module, x):
    output = module(x)
    return output[0].sum() if isinstance(output, tuple) else output


@pytest.fixture
def match(tmp_path):
    """Names of the checkpoint to names of the probe."""

    def matched(captured, state_dict, call=None):
        with rnndiag.capture(captured) as probe:
            total(call or captured, torch.ones(2, 1, 2)).backward()
        probe.save(str(tmp_path / "probe.safetensors"))
        torch.save(state_dict, tmp_path / "model.pt")
        modules = recognise(read(str(tmp_path / "model.pt"))).modules
        found = fitted(load_probe(str(tmp_path / "probe.safetensors")), modules)
        return {name: record.name for name, record in found.modules.items()}

    return matched


def refused(match, *arguments):
    with pytest.raises(RnndiagError) as caught:
        match(*arguments)
    assert caught.value.code is InputCode.USAGE
    return caught.value.what


BOTH = {"encoder.rnn": "encoder.rnn", "decoder.rnn": "decoder.rnn"}


@pytest.mark.parametrize(
    "prefix", ["", "model_state_dict.", "module.", "_orig_mod.", "state_dict.net."]
)
def test_prefixes_of_a_checkpoint(match, prefix):
    model = Pair()
    state = {f"{prefix}{name}": value for name, value in model.state_dict().items()}
    assert match(model, state) == {f"{prefix}{name}": record for name, record in BOTH.items()}


def test_a_container_around_the_state_dict(match):
    model = Pair()
    found = match(model, {"model": model.state_dict(), "epoch": 3})
    assert found == {f"model.{name}": record for name, record in BOTH.items()}


def test_a_wrapper_around_the_captured_model(match):
    model = Pair()
    wrapped = nn.ModuleDict({"module": model})
    found = match(wrapped, model.state_dict(), model)
    assert found == {name: f"module.{record}" for name, record in BOTH.items()}


def test_a_part_of_the_model_is_found_by_its_place(match):
    """Captured by itself `rnn` may be either by name; its shape says which."""
    model = Pair(other=4)
    assert match(model.encoder["rnn"], model.state_dict()) == {"encoder.rnn": ""}


def test_a_part_that_may_be_two_modules_is_refused(match):
    model = Pair()
    what = refused(match, model.encoder["rnn"], model.state_dict())
    assert "decoder.rnn, encoder.rnn" in what


def test_a_checkpoint_of_a_part_is_found_by_its_shape(match):
    model = Pair(other=4)
    assert match(model, model.decoder.state_dict()) == {"rnn": "decoder.rnn"}


def test_a_checkpoint_of_a_part_that_may_be_two_is_refused(match):
    model = Pair()
    assert "decoder.rnn, encoder.rnn" in refused(match, model, model.decoder.state_dict())


def test_the_nearest_name_wins(match):
    """`rnn` itself, not `other.rnn`, although both end so."""
    state = {
        f"{prefix}rnn.{name}": value
        for prefix in ("", "other.")
        for name, value in nn.GRU(2, 3).state_dict().items()
    }
    model = nn.ModuleDict({"rnn": nn.GRU(2, 3)})
    assert match(model, state, model["rnn"]) == {"rnn": "rnn"}


def test_a_module_that_was_not_captured_is_left_out(match):
    model = Pair()
    model.encoder.requires_grad_(False)
    assert match(model, model.state_dict()) == {"decoder.rnn": "decoder.rnn"}


def test_other_names_are_both_listed(match):
    model = nn.ModuleDict({"lstm": nn.GRU(2, 3)})
    what = refused(match, model, Pair().state_dict(), model["lstm"])
    assert "records lstm" in what
    assert "has decoder.rnn, encoder.rnn" in what


SHAPES = {
    "hidden": (nn.GRU(2, 4), "h_0 (1, B, 4)"),
    "input": (nn.GRU(5, 3), "x (T, B, 5)"),
    "layers": (nn.GRU(2, 3, 2), "h_0 (2, B, 3)"),
    "cell": (nn.LSTM(2, 3), "c_0 (1, B, 3)"),
    "kind": (nn.RNN(2, 3), "rnn_tanh with"),
}


@pytest.mark.parametrize("name", SHAPES)
def test_another_models_shapes_are_both_named(match, name):
    other, described = SHAPES[name]
    what = refused(match, nn.GRU(2, 3), other.state_dict())
    assert "gru with x (T, B, 2), h_0 (1, B, 3)" in what
    assert described in what


def test_the_recorded_activation_settles_an_assumed_one(tmp_path, match):
    found = match(nn.RNN(2, 3, nonlinearity="relu"), nn.RNN(2, 3).state_dict())
    assert found == {"": ""}
