"""Which inputs decide: the network's own, its embedding's rows, else noise in its own units."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from inputs.models import setting_of, stored, tied
from torch import nn

from rnndiag.containers.checkpoint import StoredTensor
from rnndiag.drives import SYNTHETIC
from rnndiag.errors import InputCode, RnndiagError
from rnndiag.inputs.choice import choose_drives

NOISE = ["zero", "weak", "normal", "smooth"]


def chosen(path, model, requested="auto", **more):
    return choose_drives(setting_of(stored(path, model, **more)), requested)


def deciding(found):
    return [drive.name for drive in found.drives if drive.deciding]


def test_noise_decides_where_nothing_is_known(tmp_path):
    found = chosen(tmp_path / "m.pt", {"lstm": nn.LSTM(5, 7)})
    assert deciding(found) == NOISE
    assert found.not_generated == "the file holds no readout"
    assert {drive.basis for drive in found.drives} == {"synthetic"}


def test_a_language_model_is_run_on_its_own_samples(tmp_path):
    found = chosen(tmp_path / "m.pt", tied())
    assert deciding(found) == ["generated"]
    assert found.drives[0].basis == "own"
    assert found.not_generated is None
    assert [drive.name for drive in found.drives] == ["generated", "embedding", *NOISE]


def test_an_embedding_decides_where_it_feeds_the_network_and_cannot_score(tmp_path):
    model = {"e": nn.Embedding(11, 5), "embedding": nn.Embedding(11, 5)}
    del model["e"]
    model |= {"lstm": nn.LSTM(5, 7), "fc": nn.Linear(7, 3)}
    found = chosen(tmp_path / "m.pt", model)
    assert deciding(found) == ["embedding"]
    assert found.drives[0].source == "rows of embedding.weight at random"


BETWEEN = {
    "conv": {"conv": nn.Conv1d(5, 5, 3)},
    "linear": {"reduce": nn.Linear(5, 5)},
    "norm": {"norm": nn.LayerNorm(5)},
    "a second embedding": {"position_embedding": nn.Embedding(30, 5)},
}


@pytest.mark.parametrize("kind", BETWEEN)
def test_what_may_lie_between_lets_noise_decide_with_the_rows(tmp_path, kind):
    model = {"embedding": nn.Embedding(11, 5), **BETWEEN[kind], "lstm": nn.LSTM(5, 7)}
    assert deciding(chosen(tmp_path / "m.pt", model)) == ["embedding", *NOISE]


@pytest.mark.parametrize("after", ["fc", "attention", "decoder_out"])
def test_what_comes_after_is_not_between(tmp_path, after):
    model = {"embedding": nn.Embedding(11, 5), "lstm": nn.LSTM(5, 5), after: nn.Linear(5, 5)}
    assert deciding(chosen(tmp_path / "m.pt", model)) == ["embedding"]


def test_an_embedding_of_another_width_feeds_something_else(tmp_path):
    model = {"embedding": nn.Embedding(11, 6), "lstm": nn.LSTM(5, 7)}
    assert deciding(chosen(tmp_path / "m.pt", model)) == NOISE


def test_one_of_several_embeddings_is_the_nearest(tmp_path):
    inner = nn.ModuleDict({"embedding": nn.Embedding(13, 5), "lstm": nn.LSTM(5, 7)})
    model = {"aside": nn.ModuleDict({"embedding": nn.Embedding(11, 5)}), "b": inner}
    found = chosen(tmp_path / "m.pt", model)
    assert found.drives[0].source == "rows of b.embedding.weight at random"


def test_symbols_never_decide_alone_and_never_below_width_4(tmp_path):
    """Untrained scores are nearly uniform: they are not believed, and one-hot is one of several."""
    torch.manual_seed(0)
    model = {"lstm": nn.LSTM(9, 7), "fc": nn.Linear(7, 9)}
    found = chosen(tmp_path / "m.pt", model)
    assert deciding(found) == [*NOISE, "onehot"]
    assert found.not_generated is not None
    model = {"lstm": nn.LSTM(3, 7), "fc": nn.Linear(7, 3)}
    assert "onehot" not in deciding(chosen(tmp_path / "m.pt", model))


@pytest.mark.parametrize("name", [name for name in SYNTHETIC if name != "generated"])
def test_a_requested_drive_runs_alone_and_decides(tmp_path, name):
    model = {"embedding": nn.Embedding(11, 5), "lstm": nn.LSTM(5, 7)}
    assert deciding(chosen(tmp_path / "m.pt", model, name)) == [name]


def test_generated_can_be_asked_for(tmp_path):
    assert deciding(chosen(tmp_path / "m.pt", tied(), "generated")) == ["generated"]


@pytest.mark.parametrize(
    ("name", "why"), [("embedding", "no embedding"), ("generated", "no readout")]
)
def test_a_drive_that_the_file_cannot_give_is_a_usage_error(tmp_path, name, why):
    with pytest.raises(RnndiagError, match=why) as caught:
        chosen(tmp_path / "m.pt", {"lstm": nn.LSTM(5, 7)}, name)
    assert caught.value.code is InputCode.USAGE


def test_an_embedding_is_not_read_where_it_is_not_used(tmp_path):
    """It may be by far the largest tensor of the file."""

    def load():
        raise AssertionError("the embedding was read")

    model = {"embedding": nn.Embedding(11, 5), "lstm": nn.LSTM(5, 7)}
    setting = setting_of(stored(tmp_path / "m.pt", model))
    tensors = dict(setting.checkpoint.tensors)
    tensors["embedding.weight"] = StoredTensor("float32", (11, 5), (0,), load)
    file = dataclasses.replace(setting.checkpoint, tensors=tensors)
    setting = dataclasses.replace(setting, checkpoint=file)
    for name in ("zero", "weak", "normal", "smooth", "onehot"):
        assert deciding(choose_drives(setting, name)) == [name]
    with pytest.raises(AssertionError, match="was read"):
        choose_drives(setting)


def test_the_inputs_of_a_sample_go_with_its_states(tmp_path):
    found = chosen(tmp_path / "m.pt", tied())
    drive = found.drives[0]
    assert drive.initial[0][0].shape == (3, 6)
    assert drive.inputs(0, 40, 3).shape == (40, 3, 6)
    assert not np.array_equal(drive.initial[0][0], np.zeros((3, 6)))
