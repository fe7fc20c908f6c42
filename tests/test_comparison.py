"""Measures of several checkpoints side by side: known weights, names that change, other models."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from rnndiag.analysis import Request, analyse
from rnndiag.comparison import MEASURES, compare
from rnndiag.containers import read
from rnndiag.errors import RnndiagError
from rnndiag.tracing import TraceRequest


@pytest.fixture
def measured(tmp_path):
    """A file of a module whose W_hh is `scale` times an orthogonal matrix, measured."""

    def measure(scale, prefix="", kind=nn.RNN, size=5):
        torch.manual_seed(0)
        module = kind(3, size).double()
        with torch.no_grad():
            nn.init.orthogonal_(module.weight_hh_l0).mul_(scale)
        path = tmp_path / f"{scale}{prefix}{kind.__name__}.pt"
        torch.save({f"{prefix}{k}": v for k, v in module.state_dict().items()}, path)
        request = Request(spectrum=True, trace=TraceRequest(seq_len=20, batch=2))
        return analyse(read(str(path)), request)

    return measure


def rows_of(*files):
    (layer,) = compare(files)
    return {row.measure.key: row for row in layer.rows}


def test_known_values(measured):
    rows = rows_of(measured(0.5), measured(0.75), measured(1.5))
    norms = rows["spectral_norm"]
    np.testing.assert_allclose(norms.values, [0.5, 0.75, 1.5], rtol=1e-12)  # rounding of the SVD
    assert norms.change == pytest.approx(1.0)
    assert norms.relative_change == pytest.approx(2.0)
    # From 0.5 Q to 0.75 Q is half of what was there, from 0.75 Q to 1.5 Q all of it.
    moved = rows["weight_change"].values
    assert moved[0] is None
    np.testing.assert_allclose(moved[1:], [0.5, 1.0], rtol=1e-12)
    assert rows["seq_len"].values == (20, 20, 20)


def test_a_file_beside_itself_has_not_changed(measured):
    file = measured(0.9)
    for key, row in rows_of(file, file).items():
        assert key == "weight_change" or row.values[0] == row.values[1]
        assert row.change in {0, None}


def test_traces_are_compared_under_one_drive(measured):
    files = [measured(0.5), measured(2.0)]
    (layer,) = compare(files)
    for file, value in zip(files, rows_of(*files)["log10_last"].values, strict=True):
        (drive,) = [d for d in file.layers[0].trace.drives if d.drive == layer.drive]
        assert value == drive.log10_gradient_norm[-1]


def test_a_prefix_that_came_is_no_other_layer(measured):
    (layer,) = compare([measured(0.5), measured(0.5, "module.rnn.")])
    assert layer.labels == ("(root)/0/forward", "module.rnn/0/forward")
    assert layer.label == "module.rnn/0/forward"


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"prefix": "a.", "size": 7}, "no layer in common"),
        ({"kind": nn.GRU}, "is not the same cell: gru, rnn"),
    ],
)
def test_another_model_is_refused(measured, other, words):
    with pytest.raises(RnndiagError, match=words) as caught:
        compare([measured(0.5), measured(0.5, **other)])
    assert caught.value.code.value == "RD007"


def test_keys_are_unique():
    keys = [measure.key for measure in MEASURES]
    assert len(set(keys)) == len(keys)
