"""How an output becomes the next input: what files show it, and what leaves it open."""

from __future__ import annotations

import pytest
import torch
from inputs.models import setting_of, stored, tied
from torch import nn

from rnndiag.inputs.feedback import NoFeedback, find_feedback


def ways(checkpoint):
    setting = setting_of(checkpoint)
    return find_feedback(setting.module, setting.recognition, setting.checkpoint)


SYMBOLS = {
    "embedding": {"emb": nn.Embedding(11, 5), "rnn": nn.LSTM(5, 7), "out": nn.Linear(7, 11)},
    "as many units as symbols": {
        **{"emb": nn.Embedding(7, 7), "rnn": nn.RNN(7, 7), "out": nn.Linear(7, 7)},
    },
    "called encoder": {
        **{"encoder": nn.Embedding(11, 7), "rnn": nn.GRU(7, 7), "decoder": nn.Linear(7, 11)},
    },
    "a stack": {
        "e": nn.Embedding(11, 5),
        "rnn": nn.LSTM(5, 7, num_layers=3),
        "out": nn.Linear(7, 11),
    },
    "a projection": {
        "e": nn.Embedding(11, 5),
        "rnn": nn.LSTM(5, 9, proj_size=4),
        "out": nn.Linear(4, 11, bias=False),
    },
}


@pytest.mark.parametrize("kind", SYMBOLS)
def test_scores_become_rows_of_the_embedding(tmp_path, kind):
    (way,) = ways(stored(tmp_path / "m.pt", SYMBOLS[kind]))
    names = list(SYMBOLS[kind])
    assert (way.kind, way.embedding_name) == ("embedding", f"{names[0]}.weight")
    assert way.readout_name == f"{names[2]}.weight"
    assert (way.bias is None) == (kind == "a projection")


def test_a_tied_embedding_scores_too(tmp_path):
    (way,) = ways(stored(tmp_path / "m.pt", tied()))
    assert (way.kind, way.embedding, way.bias.shape) == ("embedding", way.readout, (11,))


def test_a_readout_as_wide_as_the_input_may_be_symbols_or_numbers(tmp_path):
    model = {"rnn": nn.GRU(9, 7), "out": nn.Linear(7, 9)}
    assert [way.kind for way in ways(stored(tmp_path / "m.pt", model))] == ["onehot", "value"]


@pytest.mark.parametrize("width", [1, 3])
def test_three_numbers_are_not_three_symbols(tmp_path, width):
    model = {"rnn": nn.GRU(width, 7), "out": nn.Linear(7, width)}
    assert [way.kind for way in ways(stored(tmp_path / "m.pt", model))] == ["value"]


def test_a_state_to_start_from_is_not_on_the_way(tmp_path):
    model = {"rnn": nn.GRU(2, 7), "out": nn.Linear(7, 2)}
    checkpoint = stored(tmp_path / "m.pt", model, h0=torch.zeros(1, 1, 7))
    assert [way.kind for way in ways(checkpoint)] == ["value"]


CHAR = {"emb": nn.Embedding(11, 5), "rnn": nn.LSTM(5, 7), "out": nn.Linear(7, 11)}

OPEN = {
    "no readout": ({"rnn": nn.GRU(5, 7)}, "no readout"),
    "a classifier": ({"rnn": nn.GRU(5, 7), "fc": nn.Linear(7, 2)}, "scores what"),
    "another vocabulary": ({**CHAR, "out": nn.Linear(7, 12)}, "scores what"),
    "both ways": ({"rnn": nn.GRU(5, 7, bidirectional=True), "o": nn.Linear(14, 5)}, "bidirec"),
    "two modules": ({**CHAR, "decoder": nn.GRU(5, 7)}, "several recurrent modules"),
    "a norm": ({**CHAR, "norm": nn.LayerNorm(5)}, "norm.weight may lie between"),
    "a batch norm": ({"bn": nn.BatchNorm1d(2), "rnn": nn.GRU(2, 4), "o": nn.Linear(4, 2)}, "bn."),
    "a layer between": ({**CHAR, "hidden": nn.Linear(7, 7)}, "one of"),
    "a bias of nothing": ({"rnn": nn.GRU(2, 4), "o": nn.Linear(4, 2), "e": nn.PReLU(2)}, "e.w"),
}


@pytest.mark.parametrize("kind", OPEN)
def test_what_may_lie_between_is_named(tmp_path, kind):
    model, why = OPEN[kind]
    found = ways(stored(tmp_path / "m.pt", model))
    assert isinstance(found, NoFeedback)
    assert why in found.why
