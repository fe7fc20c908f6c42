"""Cells that look like PyTorch's by names and shapes, and compute something else."""

from __future__ import annotations

import pytest
import torch
from recognise.wrapping import checkpoint, state

from rnndiag.recognise import parse_declaration, recognise


def lstm_cell(**others: torch.nn.Module | torch.nn.Parameter) -> torch.nn.Module:
    """An LSTM cell without biases, with more in it."""
    cell = torch.nn.LSTMCell(5, 6, bias=False)
    for name, other in others.items():
        setattr(cell, name, other)
    return cell


def vector(length: int) -> torch.nn.Parameter:
    return torch.nn.Parameter(torch.ones(length))


CUSTOM = {
    "layer norm of the gates": lstm_cell(layernorm_i=torch.nn.LayerNorm(24)),
    "layer norm of the cell state": lstm_cell(layernorm_c=torch.nn.LayerNorm(6)),
    "batch norm": lstm_cell(bn_hh=torch.nn.BatchNorm1d(24)),
    "peepholes": lstm_cell(weight_ci=vector(6), weight_cf=vector(6), weight_co=vector(6)),
    "a gain": lstm_cell(gamma=vector(24)),
    "a leak": lstm_cell(alpha=vector(1)),
    "time constants": lstm_cell(tau=vector(6)),
    "a mask": lstm_cell(rec_mask=torch.nn.Parameter(torch.ones(24, 6))),
    "two biases that are not PyTorch's": lstm_cell(bias=vector(24), bias_n=vector(6)),
}


@pytest.mark.parametrize("prefix", ["", "net.cells.0."])
@pytest.mark.parametrize("cell", CUSTOM.values(), ids=CUSTOM)
def test_a_cell_with_more_parameters_is_not_measured_unasked(cell, prefix):
    described = checkpoint(state(cell, prefix))
    found = recognise(described)
    assert not found.modules
    (entry,) = found.unrecognised
    assert entry.name == f"{prefix}weight_hh"
    assert entry.certain
    # Declared as an LSTM it would be measured without what makes it another one.
    assert "--as" not in entry.reason


@pytest.mark.parametrize("prefix", ["", "net.cells.0."])
def test_one_bias_for_both_matrices_can_be_declared_with_it(prefix):
    described = checkpoint(state(lstm_cell(bias=vector(24)), prefix))
    (entry,) = recognise(described).unrecognised
    declaration = entry.reason.partition("--as ")[2]
    (module,) = recognise(described, [parse_declaration(declaration)]).modules
    assert (module.cell, module.input_size, module.output_size) == ("lstm", 5, 6)
    assert module.flat[0].keys[2:] == (f"{prefix}bias",)


HARMLESS = {
    "a learned initial state": {"h0": vector(6), "c0": vector(6)},
    "a readout": {"fc": torch.nn.Linear(6, 24)},
    "an embedding": {"embedding": torch.nn.Embedding(24, 5)},
    "a mask of another size": {"mask": torch.nn.Parameter(torch.ones(7, 7))},
    "a temperature of another size": {"log_alpha": vector(3)},
    "a convolution": {"conv": torch.nn.Conv1d(6, 24, 3)},
}


@pytest.mark.parametrize("others", HARMLESS.values(), ids=HARMLESS)
def test_what_takes_no_part_in_the_step_is_let_be(others):
    assert recognise(checkpoint(state(lstm_cell(**others), "net."))).modules


def test_a_norm_of_a_stack_s_output():
    module = torch.nn.GRU(5, 6, 2)
    module.norm = torch.nn.LayerNorm(6)
    assert recognise(checkpoint(state(module))).modules
    module.norm = torch.nn.LayerNorm(18)
    assert not recognise(checkpoint(state(module))).modules


def test_modules_that_share_matrices_and_not_biases_are_two():
    first, second = torch.nn.GRU(3, 3), torch.nn.GRU(3, 3)
    second.weight_hh_l0, second.weight_ih_l0 = first.weight_hh_l0, first.weight_ih_l0
    described = checkpoint(state(first, "a.") | state(second, "b."))
    assert [module.name for module in recognise(described).modules] == ["a", "b"]
    second.bias_hh_l0, second.bias_ih_l0 = first.bias_hh_l0, first.bias_ih_l0
    described = checkpoint(state(first, "a.") | state(second, "b."))
    assert [module.name for module in recognise(described).modules] == ["a"]
