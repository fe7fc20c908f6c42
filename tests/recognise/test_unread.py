"""Parameters that are in the file in a form that is not read: said, and never left out silently."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from recognise.wrapping import checkpoint, state

from rnndiag.containers.checkpoint import Skipped
from rnndiag.errors import InputCode
from rnndiag.recognise import explain_absence, recognise

GRU = state(torch.nn.GRU(3, 4), "rnn.")


def without(*names: str, reason: str = "a sparse tensor", tensors=None, **more: str):
    """A checkpoint that has these tensors in a form that was not read."""
    tensors = GRU if tensors is None else tensors
    kept = {name: tensor for name, tensor in tensors.items() if name not in names}
    skipped = tuple(Skipped(name, reason) for name in names)
    return replace(checkpoint(kept), skipped=skipped, **more)


@pytest.mark.parametrize("name", GRU)
def test_any_parameter_that_is_not_read_refuses_its_module(name):
    """Biases above all: without them the rest would be measured as a network that has none."""
    file = without(name)
    found = recognise(file)
    assert found.modules == ()
    (entry,) = found.unrecognised
    assert (entry.name, entry.reason) == (name, "a sparse tensor")
    assert entry.certain
    error = explain_absence(file, found)
    assert error.code is InputCode.UNSUPPORTED
    assert f"{name}: a sparse tensor" in error.what


def test_a_module_of_which_nothing_is_read_has_one_entry_under_its_recurrent_matrix():
    names = sorted(GRU)
    for order in (names, names[::-1]):
        (entry,) = recognise(without(*order, reason="a meta tensor")).unrecognised
        assert entry.name == "rnn.weight_hh_l0"


def test_one_name_that_is_not_read_and_nothing_beside_it_is_not_certain():
    (entry,) = recognise(without("a.weight_hh_l0", tensors={})).unrecognised
    assert not entry.certain


def test_other_modules_are_measured():
    both = {**GRU, **state(torch.nn.LSTM(3, 4), "good.")}
    found = recognise(without("rnn.bias_hh_l0", tensors=both))
    assert [module.name for module in found.modules] == ["good"]
    assert [entry.name for entry in found.unrecognised] == ["rnn.bias_hh_l0"]


@pytest.mark.parametrize(
    "name", ["head.weight", "rnn._flat_weights.1", "optimizer.state.0.exp_avg.weight_hh_l0"]
)
def test_what_is_no_parameter_of_a_recurrence_refuses_nothing(name):
    file = replace(checkpoint(GRU), skipped=(Skipped(name, "a sparse tensor"),))
    assert len(recognise(file).modules) == 1


def test_the_error_counts_further_modules_and_names_the_imports():
    file = without("rnn.weight_hh_l0", "b.weight_hh", "c.weight_hh", would_import=("os.system",))
    what = explain_absence(file, recognise(file)).what
    assert "(and 2 more modules)" in what
    assert what.endswith("(a trusting load would import os.system)")


def test_a_file_of_nothing_that_is_read_says_what_it_holds():
    file = replace(checkpoint({}), skipped=(Skipped("w", "its dtype float8 is not read"),) * 3)
    what = explain_absence(file, recognise(file)).what
    assert (
        "no tensors that are read (not read: w: its dtype float8 is not read, and 2 more)" in what
    )
