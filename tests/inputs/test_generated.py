"""The network on its own output, against torch's modules run the same way, and when to doubt it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from inputs.models import setting_of, stored, tied
from torch import nn

from rnndiag.inputs.feedback import find_feedback
from rnndiag.inputs.generated import BURN_IN, confirmed, disbelieved, generate
from rnndiag.measure.training_scale import TrainingScale
from rnndiag.rollout import random_states


def made(checkpoint, steps=40, batch=3, kind=None):
    setting = setting_of(checkpoint, steps, batch)
    ways = find_feedback(setting.module, setting.recognition, setting.checkpoint)
    way = next(way for way in ways if kind in {None, way.kind})
    return generate(setting.cells, way, setting.seed, steps, batch), way, setting


def torch_states(setting):
    """The states it starts from, as torch's modules take them."""
    rows = random_states(setting.cells, setting.batch, np.random.default_rng([setting.seed, 4]))
    states = [torch.as_tensor(row[0]) for row in rows]
    width = setting.cells[0][0].output_size
    h = torch.stack([state[:, :width] for state in states])
    if states[0].shape[1] == width:
        return h
    return h, torch.stack([state[:, width:] for state in states])


def top_of(state):
    return (state[0] if isinstance(state, tuple) else state)[-1]


RECURRENCES = [nn.RNN(2, 6), nn.GRU(2, 6, num_layers=2), nn.LSTM(2, 6), nn.LSTM(2, 8, proj_size=6)]


@pytest.mark.parametrize("module", RECURRENCES, ids=["rnn", "gru-2", "lstm", "projected"])
def test_predictions_fed_back_are_torchs(tmp_path, module):
    model = nn.ModuleDict({"rnn": module.double(), "out": nn.Linear(6, 2).double()})
    found, _, setting = made(stored(tmp_path / "m.pt", model), kind="value")
    state, inputs = torch_states(setting), []
    with torch.no_grad():
        for _ in range(BURN_IN + 40):
            inputs.append(model["out"](top_of(state)))
            _, state = model["rnn"](inputs[-1][None], state)
    np.testing.assert_allclose(found.inputs_tbi, torch.stack(inputs[BURN_IN:]), rtol=0, atol=1e-12)
    # The states belong to the first of the inputs that are handed out.
    again, state = [], torch_states(setting)
    with torch.no_grad():
        for _ in range(BURN_IN):
            _, state = model["rnn"](model["out"](top_of(state))[None], state)
    again = state if isinstance(state, tuple) else (state,)
    for depth, (row,) in enumerate(found.states):
        np.testing.assert_allclose(row, torch.cat([s[depth] for s in again], 1), atol=1e-12)


def sharpened(model, scores):
    """Scores so far apart that the softmax has one choice, and it is torch's argmax."""
    with torch.no_grad():
        scores.weight.mul_(1e6)
        if scores.bias is not None:
            scores.bias.mul_(1e6)
    return model.double()


def test_the_likeliest_symbols_are_torchs(tmp_path):
    torch.manual_seed(3)
    model = nn.ModuleDict({"e": nn.Embedding(11, 5), "rnn": nn.LSTM(5, 7), "o": nn.Linear(7, 11)})
    sharpened(model, model["o"])
    found, _, setting = made(stored(tmp_path / "m.pt", model))
    state, inputs = torch_states(setting), []
    with torch.no_grad():
        for _ in range(BURN_IN + 40):
            inputs.append(model["e"](model["o"](top_of(state)).argmax(dim=1)))
            _, state = model["rnn"](inputs[-1][None], state)
    np.testing.assert_array_equal(found.inputs_tbi, torch.stack(inputs[BURN_IN:]))


def test_a_tied_readout_and_one_hot_symbols(tmp_path):
    torch.manual_seed(1)
    found, way, _ = made(stored(tmp_path / "tied.pt", tied()))
    rows = {tuple(row) for row in way.embedding.load().astype(np.float64)}
    assert {tuple(row) for row in found.inputs_tbi.reshape(-1, 6)} <= rows
    model = {"rnn": nn.RNN(9, 5), "o": nn.Linear(5, 9)}
    found, _, _ = made(stored(tmp_path / "one.pt", model), kind="onehot")
    assert (found.inputs_tbi.sum(axis=2) == 1).all()
    assert set(np.unique(found.inputs_tbi)) == {0.0, 1.0}


def test_symbols_are_drawn_as_their_scores_say(tmp_path):
    """A readout that does not look at h: every draw has the same probabilities."""
    wanted = np.array([0.5, 0.25, 0.125, 0.125])
    model = nn.ModuleDict({"rnn": nn.RNN(4, 5), "o": nn.Linear(5, 4)})
    with torch.no_grad():
        model["o"].weight.zero_()
        model["o"].bias.copy_(torch.as_tensor(np.log(wanted)))
    found, _, _ = made(stored(tmp_path / "m.pt", model), steps=500, batch=8, kind="onehot")
    # 4,000 draws: a standard error of at most 0.8 %.
    np.testing.assert_allclose(found.inputs_tbi.mean(axis=(0, 1)), wanted, atol=0.035)
    assert found.entropy == pytest.approx(1.75 / 2, rel=1e-6)  # bits; 2 of a uniform draw


def test_the_same_seed_gives_the_same_samples(tmp_path):
    checkpoint = stored(tmp_path / "m.pt", tied())
    one, other = (made(checkpoint)[0].inputs_tbi for _ in range(2))
    np.testing.assert_array_equal(one, other)


def doubt(found, way, scale=None):
    return disbelieved(found, way, scale)


def oscillator(path, gain, turn=0.5):
    """x' = gain · R x by a ReLU network with both signs: a spiral, a circle, or a runaway."""
    rotation = gain * torch.tensor([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    model = nn.ModuleDict({"rnn": nn.RNN(2, 4, nonlinearity="relu"), "out": nn.Linear(4, 2)})
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        model["rnn"].weight_ih_l0.copy_(torch.cat([rotation, -rotation]).float())
        model["out"].weight.copy_(torch.cat([torch.eye(2), -torch.eye(2)], dim=1))
    whole = {"mode": "RNN_RELU"}
    torch.save({**model.state_dict()}, path)
    return stored(path, model), whole


@pytest.fixture
def spiral(tmp_path, monkeypatch):
    """Its own predictions at a gain, by the activation ReLU, which the file cannot say."""
    from rnndiag.inputs import generated

    def run(gain):
        checkpoint, _ = oscillator(tmp_path / "m.pt", gain)
        setting = setting_of(checkpoint, 200, 3)
        cells = [
            [
                dataclasses.replace(c, weights=dataclasses.replace(c.weights, activation="relu"))
                for c in row
            ]
            for row in setting.cells
        ]
        ways = find_feedback(setting.module, setting.recognition, setting.checkpoint)
        way = next(way for way in ways if way.kind == "value")
        return generated.generate(cells, way, 0, 200, 3), way

    return run


def test_predictions_that_go_round_are_believed(spiral):
    found, way = spiral(1.0)
    assert doubt(found, way) is None
    size = float(np.sqrt(np.mean(found.inputs_tbi**2)))
    scale = TrainingScale(np.full(2, size), np.zeros(2), found.hidden, "Adam's state")
    assert doubt(found, way, scale) is None
    assert confirmed(found, scale)
    assert not confirmed(found, None)


@pytest.mark.parametrize(("gain", "why"), [(0.98, "do not settle"), (1.02, "do not settle")])
def test_predictions_that_shrink_or_grow_are_not(spiral, gain, why):
    assert why in doubt(*spiral(gain))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("decades", [160, 250, 2000])
def test_predictions_that_run_away_are_not(tmp_path, spiral, decades):
    # The squares of 10^160 and 10^250 are infinite, they themselves are not.
    assert "infinity" in doubt(*spiral(10 ** (decades / (BURN_IN + 200))))


def test_predictions_that_come_to_rest_are_not(tmp_path):
    model = nn.ModuleDict({"rnn": nn.GRU(1, 4), "out": nn.Linear(4, 1)})
    with torch.no_grad():
        model["out"].bias.fill_(2.0)
    found, way, _ = made(stored(tmp_path / "m.pt", model), steps=200)
    assert doubt(found, way) == "its own predictions come to rest"


@pytest.mark.parametrize(("inputs", "hidden"), [(2.1, 1.0), (0.45, 1.0), (1.0, 1.6), (1.0, 0.6)])
def test_what_training_did_not_see_is_not_believed(spiral, inputs, hidden):
    found, way = spiral(1.0)
    size = float(np.sqrt(np.mean(found.inputs_tbi**2)))
    seen, zeros = np.full(2, size * inputs), np.zeros(2)
    scale = TrainingScale(seen, zeros, found.hidden * hidden, "Adam's state")
    assert "by Adam's state" in doubt(found, way, scale)


def test_numbers_are_not_taken_for_scores(tmp_path):
    """Predictions of size 1, as scores, are nearly a uniform draw."""
    torch.manual_seed(0)
    model = {"rnn": nn.GRU(12, 8), "out": nn.Linear(8, 12)}
    found, way, _ = made(stored(tmp_path / "m.pt", model), kind="onehot")
    assert found.entropy > 0.9
    assert "does not score symbols" in doubt(found, way)
