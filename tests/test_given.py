"""The user's own states and cotangents: in torch's shapes, or refused with the shape expected."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from rnndiag.containers import read
from rnndiag.errors import InputCode, RnndiagError
from rnndiag.given import GivenStates, checked_cotangent
from rnndiag.recognise import recognise

BATCH = 3


@pytest.fixture
def module_of(tmp_path):
    def recognised(module):
        torch.save(module.state_dict(), tmp_path / "model.pt")
        return recognise(read(str(tmp_path / "model.pt"))).modules[0]

    return recognised


SHAPES = {
    "rnn": (lambda: nn.RNN(2, 5, 2), (2, 5, None)),
    "gru-bidirectional": (lambda: nn.GRU(2, 5, 3, bidirectional=True), (6, 5, None)),
    "lstm": (lambda: nn.LSTM(2, 5, 2), (2, 5, 5)),
    "lstm-projected": (lambda: nn.LSTM(2, 5, 2, proj_size=3, bidirectional=True), (4, 3, 5)),
}


def arrays_for(count, width, cell_width):
    rng = np.random.default_rng(0)
    arrays = {"h_0": rng.standard_normal((count, BATCH, width))}
    if cell_width is not None:
        arrays["c_0"] = rng.standard_normal((count, BATCH, cell_width))
    return arrays


@pytest.mark.parametrize("case", SHAPES)
def test_states_stand_in_torchs_order(case, module_of):
    """Layer by layer, forward before reverse; h beside c."""
    make, sizes = SHAPES[case]
    torch_module, arrays = make().double(), arrays_for(*sizes)
    tensors = [torch.from_numpy(array) for array in arrays.values()]
    # torch takes them too: they have its shapes.
    x = torch.zeros(1, BATCH, 2, dtype=torch.float64)
    torch_module(x, tuple(tensors) if len(tensors) == 2 else tensors[0])
    states = GivenStates.from_arrays(arrays).of_module(module_of(torch_module), BATCH)
    sides = 2 if torch_module.bidirectional else 1
    assert [len(row) for row in states] == [sides] * torch_module.num_layers
    for index, side in enumerate(side for row in states for side in row):
        np.testing.assert_array_equal(
            side, np.concatenate([array[index] for array in arrays.values()], axis=-1)
        )


@pytest.mark.parametrize("case", SHAPES)
def test_zero_states_fit_any_module(case, module_of):
    make, (_, width, cell_width) = SHAPES[case]
    states = GivenStates.zero().of_module(module_of(make()), BATCH)
    for row in states:
        for side in row:
            assert side.shape == (BATCH, width + (cell_width or 0))
            assert not side.any()


@pytest.mark.parametrize("case", SHAPES)
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_another_shape_is_refused_with_the_one_expected(case, axis, module_of):
    make, sizes = SHAPES[case]
    arrays = arrays_for(*sizes)
    for name, array in arrays.items():
        wrong = arrays | {name: np.repeat(array, 2, axis=axis)}
        with pytest.raises(RnndiagError) as caught:
            GivenStates.from_arrays(wrong).of_module(module_of(make()), BATCH)
        assert caught.value.code is InputCode.USAGE
        assert name in caught.value.what
        assert str(array.shape) in caught.value.what
        assert str(wrong[name].shape) in caught.value.what


def test_an_lstm_needs_both_states(module_of):
    with pytest.raises(RnndiagError, match=r"h_0 and c_0.*npz"):
        GivenStates.from_arrays({"array": np.ones((2, BATCH, 5))}).of_module(
            module_of(nn.LSTM(2, 5, 2)), BATCH
        )


@pytest.mark.parametrize("found", [{"h_0", "x"}, {"h_0", "c_0", "y"}, {"a", "b"}])
def test_several_arrays_must_be_named(found):
    with pytest.raises(RnndiagError, match="name the arrays h_0 and c_0") as caught:
        GivenStates.from_arrays({name: np.ones((1, 1, 1)) for name in found})
    for name in found:
        assert name in caught.value.what


def test_a_cotangent_has_the_width_of_the_top_output(module_of):
    module = module_of(nn.LSTM(2, 5, 2, proj_size=3))
    cotangent = np.ones((4, BATCH, 3))
    assert checked_cotangent(cotangent, module, BATCH) is cotangent
    for wrong in ((4, BATCH, 5), (4, BATCH + 1, 3), (1, 1, 3)):
        with pytest.raises(RnndiagError, match="cotangent") as caught:
            checked_cotangent(np.ones(wrong), module, BATCH)
        assert str(wrong) in caught.value.what
        assert str((wrong[0], BATCH, 3)) in caught.value.what


def test_a_sample_without_a_seed_is_refused(module_of):
    cotangent = np.ones((2, BATCH, 5))
    cotangent[1, 2] = 0.0
    with pytest.raises(RnndiagError, match="all-zero"):
        checked_cotangent(cotangent, module_of(nn.RNN(2, 5)), BATCH)


@pytest.mark.parametrize("shape", [(0, BATCH, 5), (1, 0, 5), (0,)])
def test_an_empty_array_is_no_zero_state(shape):
    """Zeros would be traced in its place, and nobody told."""
    with pytest.raises(RnndiagError, match="h_0 is empty, shape"):
        GivenStates.from_arrays({"h_0": np.zeros(shape)})
