"""Symbols at random: every row, every symbol, and no more memory than they need."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from rnndiag.containers import read
from rnndiag.inputs.symbols import embedding_drive, onehot_drive


@pytest.fixture
def stored(tmp_path):
    """An embedding in a file."""

    def save(embedding):
        torch.save(nn.ModuleDict({"embedding": embedding}).state_dict(), tmp_path / "m.pt")
        return read(str(tmp_path / "m.pt"))

    return save


def test_embedded_inputs_are_rows_of_it(stored):
    embedding = nn.Embedding(11, 5)
    drive = embedding_drive("embedding.weight", stored(embedding))
    values = drive.inputs(seed=0, steps=200, batch=3)
    assert values.shape == (200, 3, 5)
    assert values.dtype == np.float64
    rows = embedding.weight.detach().numpy().astype(np.float64)
    found = {tuple(row) for row in values.reshape(-1, 5)}
    # 600 draws of 11 rows: one is missed with probability 11 (10/11)^600 = 2e-24.
    assert found == {tuple(row) for row in rows}


def test_an_embedding_with_nan_is_no_drive(stored):
    embedding = nn.Embedding(11, 5)
    with torch.no_grad():
        embedding.weight[3, 3] = float("nan")
    assert embedding_drive("embedding.weight", stored(embedding)) is None


def test_each_symbol_is_drawn_as_often():
    values = onehot_drive(40, "").inputs(seed=1, steps=300, batch=4)
    assert values.shape == (300, 4, 40)
    assert set(np.unique(values)) == {0.0, 1.0}
    assert (values.sum(axis=2) == 1).all()
    # 1,200 draws of 40 symbols: 30 ± 5.4 each; five deviations on either side.
    counts = values.sum(axis=(0, 1))
    assert counts.min() > 3
    assert counts.max() < 57


def test_onehot_of_a_large_vocabulary_needs_no_identity_matrix():
    """np.eye(200,000) would be 320 GB."""
    values = onehot_drive(200_000, "").inputs(0, 2, 3)
    assert values.shape == (2, 3, 200_000)
    assert values.sum() == 6
