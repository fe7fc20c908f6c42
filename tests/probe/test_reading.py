"""A probe file: what was saved is what is read, and what is no probe is refused in one line."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.numpy import load_file, save_file
from torch import nn

import rnndiag
from rnndiag.errors import InputCode, RnndiagError
from rnndiag.probe import load_probe


@pytest.fixture
def path(tmp_path):
    """A probe of an LSTM of 2 layers on 3 sequences of 4 steps."""
    torch.manual_seed(0)
    module = nn.LSTM(2, 3, 2)
    with rnndiag.capture(module) as probe:
        module(torch.randn(4, 3, 2))[0].sum().backward()
    probe.save(str(tmp_path / "probe.safetensors"))
    return tmp_path / "probe.safetensors"


def rewrite(path, metadata=None, **changes):
    """The same file with other tensors or metadata; None takes a tensor out."""
    with safe_open(path, "np") as file:
        kept = file.metadata()
    arrays = {**load_file(path), **{f"/{name}": value for name, value in changes.items()}}
    arrays = {name: value for name, value in arrays.items() if value is not None}
    save_file(arrays, path, metadata=kept if metadata is None else metadata)


def refusal(path):
    with pytest.raises(RnndiagError) as caught:
        load_probe(str(path))
    assert path.name in str(caught.value)
    return caught.value


def test_the_reference_library_reads_the_file(path):
    arrays = load_file(path)
    probe = load_probe(str(path))
    (module,) = probe.modules.values()
    np.testing.assert_array_equal(arrays["/inputs"], module.inputs_tbi)
    np.testing.assert_array_equal(arrays["/dL_dy"], module.output_gradient_tbp)
    assert arrays["/lengths"].dtype == np.int64
    assert arrays["gradient_norm"].tolist() == list(probe.gradient_norms)
    with safe_open(path, "np") as file:
        assert file.metadata() == {"rnndiag_probe": "1", "kind:": "lstm"}


def test_saving_replaces_a_file_as_a_whole(path):
    before = path.read_bytes()
    module = nn.GRU(1, 1)
    with rnndiag.capture(module) as probe:
        module(torch.ones(1, 1, 1))[0].sum().backward()
    probe.save(str(path))
    assert path.read_bytes() != before
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_every_cut_of_the_file_is_damage(path):
    whole = path.read_bytes()
    for size in (*range(1, 40), len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        assert refusal(path).code in {InputCode.DAMAGED, InputCode.NOT_A_CHECKPOINT}
    path.write_bytes(whole[:-1])
    error = refusal(path)
    assert error.code is InputCode.DAMAGED
    assert "truncated" in error.what


def test_a_missing_file_is_named(tmp_path):
    assert refusal(tmp_path / "missing.safetensors").code is InputCode.CANNOT_OPEN


def test_a_checkpoint_is_no_probe(path):
    torch.save(nn.GRU(2, 3).state_dict(), path)
    error = refusal(path)
    assert error.code is InputCode.USAGE
    assert "no probe but another torch-zip file" in error.what


def test_another_version_is_named(path):
    rewrite(path, {"rnndiag_probe": "2"})
    assert "version 2" in refusal(path).what


MISSHAPEN = {
    "inputs": np.zeros((4, 3)),
    "h_0": np.zeros((2, 4, 3)),
    "c_0": np.zeros((1, 3, 3)),
    "h_n": np.zeros((2, 3)),
    "dL_dy": np.zeros((4, 3, 4)),
    "lengths": np.array([4, 4, 5]),
    "loss_scale": np.zeros(3),
    "call": np.zeros(2),
    "step": np.zeros((3, 1)),
}


@pytest.mark.parametrize("name", MISSHAPEN)
def test_parts_that_do_not_fit_are_damage(path, name):
    rewrite(path, **{name: MISSHAPEN[name]})
    error = refusal(path)
    assert error.code is InputCode.DAMAGED
    assert name in error.what


@pytest.mark.parametrize("name", ["inputs", "lengths", "h_0", "h_n", "dL_dy", "call", "loss_scale"])
def test_a_missing_part_is_named(path, name):
    rewrite(path, **{name: None})
    error = refusal(path)
    assert error.code is InputCode.DAMAGED
    assert f"{name} of (root) is missing" in error.what


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("name", ["inputs", "dL_dy", "h_0"])
def test_a_sequence_that_is_not_finite_is_left_out(path, name, value):
    arrays = load_file(path)
    array = arrays[f"/{name}"].copy()
    array[-1, 1, -1] = value
    rewrite(path, **{name: array})
    (module,) = load_probe(str(path)).modules.values()
    assert (module.non_finite, module.usable, len(module.lengths)) == (1, True, 2)
    np.testing.assert_array_equal(module.inputs_tbi, arrays["/inputs"][:, [0, 2]])
    np.testing.assert_array_equal(module.final.c_0, arrays["/c_n"][:, [0, 2]])


def test_a_module_without_a_finite_sequence_cannot_be_traced(path):
    array = load_file(path)["/dL_dy"].copy()
    array[0, :, 0] = np.nan
    rewrite(path, dL_dy=array)
    (module,) = load_probe(str(path)).modules.values()
    assert (module.non_finite, module.usable) == (3, False)
    assert "inf or NaN" in module.untraceable


def test_a_probe_from_before_sequences_were_joined_is_read(path):
    rewrite(path, continues=None)
    (module,) = load_probe(str(path)).modules.values()
    assert module.chains == ((0,), (1,), (2,))


def test_a_row_that_is_left_out_parts_its_sequence(path):
    array = load_file(path)["/inputs"].copy()
    array[0, 1, 0] = np.nan
    rewrite(path, inputs=array, continues=np.array([-1, 0, 1]))
    (module,) = load_probe(str(path)).modules.values()
    assert module.chains == ((0,), (1,))


@pytest.mark.parametrize(
    ("continues", "why"),
    [
        ([-1, 0, 3], "names rows that are not there"),
        ([-1, 0, -2], "names rows that are not there"),
        ([-1, 0, 0], "names a row twice"),
        ([0, -1, 1], "goes in a circle"),
        ([-1, 2, 1], "goes in a circle"),
        ([1, 2, 0], "goes in a circle"),
    ],
)
def test_rows_that_cannot_follow_each_other_are_damage(path, continues, why):
    rewrite(path, continues=np.array(continues))
    error = refusal(path)
    assert error.code is InputCode.DAMAGED
    assert f"continues of (root) {why}" in error.what


def test_a_probe_of_nothing_is_damage(path):
    save_file({"gradient_norm": np.zeros(1)}, path, metadata={"rnndiag_probe": "1"})
    assert refusal(path).code is InputCode.DAMAGED
