"""A network is trained once, the same each time, and its files tell the same story."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from trials import training, truth
from trials.checking import ask
from trials.network import Network
from trials.recipe import Recipe
from trials.recipes import RECIPES

SMALL = Recipe("test", "markov", "gru", (("states", 6),), hidden=8, steps=24, updates=4)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("networks")


@pytest.fixture
def trained(cache):
    return training.load_or_train(SMALL, cache)


def test_a_second_call_takes_it_from_the_cache(trained, cache, monkeypatch):
    monkeypatch.setattr(training, "make", None)
    again = training.load_or_train(SMALL, cache)
    assert again.facts == trained.facts


def test_another_recipe_is_another_network(trained, cache):
    for change in ({"rate": 1e-3}, {"repeat": 1}, {"options": (("states", 7),)}):
        other = dataclasses.replace(SMALL, **change)
        assert other.key != SMALL.key
        assert other.seed != SMALL.seed
        assert other.name != SMALL.name
        with pytest.raises(FileNotFoundError):
            training.load(other, cache)


def test_an_interrupted_training_is_not_taken_for_a_network(cache, monkeypatch):
    recipe = dataclasses.replace(SMALL, repeat=9)

    def interrupted(recipe, folder):
        (folder / "checkpoint.pt").write_bytes(b"half")
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(training, "make", interrupted)
        with pytest.raises(KeyboardInterrupt):
            training.load_or_train(recipe, cache)
    with pytest.raises(FileNotFoundError):
        training.load(recipe, cache)
    assert training.load_or_train(recipe, cache).facts["updates"] == 4


def test_the_same_recipe_gives_the_same_network(trained, tmp_path):
    again = training.load_or_train(SMALL, tmp_path)
    one, other = torch.load(trained.checkpoint), torch.load(again.checkpoint)
    assert all(torch.equal(one["model"][name], other["model"][name]) for name in one["model"])
    assert again.facts["curves"] == trained.facts["curves"]


def test_inputs_are_what_the_recurrence_sees(trained):
    inputs = np.load(trained.inputs)
    assert inputs.shape == (24, training.JUDGED, 8)
    network = Network(SMALL)
    network.load_state_dict(torch.load(trained.checkpoint)["model"])
    rows = network.get_submodule(network.paths[0]).weight.detach().numpy()
    assert {tuple(row) for row in inputs.reshape(-1, 8)} <= {tuple(row) for row in rows}
    assert trained.facts["input_rms"] == pytest.approx(np.sqrt((inputs**2).mean((0, 1))), rel=1e-5)


def test_the_probe_shows_the_gradients_of_the_label(trained):
    """rnndiag's exact trace of the recorded step, and autograd's of the same: float32 seeds."""
    shown = ask(trained, "probe")
    assert [drive.name for drive in shown.drives] == ["probe"]
    assert shown.deciding("at_lag") == pytest.approx(truth.counted(trained.curve)[20], abs=1e-4)
    assert shown.deciding("half_life") == pytest.approx(truth.half_life(trained.curve), rel=1e-4)


def test_a_training_that_diverges_keeps_finite_weights(tmp_path):
    recipe = Recipe(
        *("test", "adding", "relu"), hidden=8, steps=60, start="identity", gain=1e9, updates=3
    )
    made = training.load_or_train(recipe, tmp_path)
    model = torch.load(made.checkpoint)["model"]
    assert made.facts["updates"] < 3
    assert all(torch.isfinite(value).all() for value in model.values())
    assert made.exploding


def test_rows_are_enough_and_none_stands_twice():
    assert len(RECIPES) >= 150
    assert len({recipe.key for recipe in RECIPES}) == len(RECIPES)
    assert {recipe.cell for recipe in RECIPES} == {"rnn", "relu", "gru", "lstm"}
    assert {recipe.layers for recipe in RECIPES} == {1, 2}


@pytest.mark.parametrize("recipe", {recipe.task: recipe for recipe in RECIPES}.values(), ids=str)
def test_every_task_gives_finite_losses(recipe):
    network = Network(recipe)
    inputs, targets = network.task.batch(np.random.default_rng(0), recipe.steps, 3)
    assert network.seen(inputs).shape == (recipe.steps, 3, network.recurrence.input_size)
    assert torch.isfinite(network.loss(inputs, targets))
