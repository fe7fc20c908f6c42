"""How W_hh stands to its start: probabilities against scipy's, and the rate at which draws pass."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from rnndiag.measure.sampling import Sample, Sampler
from rnndiag.measure.start import is_draw, is_orthogonal, kolmogorov


def sample(matrix: torch.Tensor, tmp_path) -> Sample:
    """Through a file, as a layer's is taken."""
    from rnndiag.containers import read

    torch.save({"w": matrix}, tmp_path / "m.pt")
    tensor = read(str(tmp_path / "m.pt")).tensors["w"]
    sampler = Sampler(tensor, 2.0**-24)
    for block in tensor.blocks():
        sampler.take(block, float(np.abs(block).max()))
    return sampler.sample()


@pytest.mark.parametrize("size", [64, 1000, 16384])
@pytest.mark.parametrize("bound", [1.0, 1.05, 1.3])
def test_kolmogorovs_probability_is_scipys(size, bound):
    """Stephens' formula for finite n, against the exact distribution: 1 % at these sizes."""
    stats = pytest.importorskip("scipy.stats")
    entries = np.random.default_rng(size).uniform(-1.0, 1.0, size)
    exact = stats.kstest(entries, "uniform", args=(-bound, 2 * bound)).pvalue
    assert kolmogorov(entries, bound) == pytest.approx(exact, rel=0.03, abs=1e-4)


def test_of_a_thousand_draws_two_are_missed(tmp_path):
    """Each of both tests misses one; 8 of 1,000 would be beyond chance (p < 0.001)."""
    torch.manual_seed(0)
    kept = sum(
        is_draw(Sample.of(torch.empty(256).uniform_(-0.25, 0.25).double().numpy()), 0.25)
        for _ in range(1000)
    )
    assert kept >= 992


def test_a_large_matrix_is_told_from_a_sample_of_all_of_it(tmp_path):
    torch.manual_seed(0)
    matrix = torch.empty(2048, 512).uniform_(-(512**-0.5), 512**-0.5)
    found = sample(matrix, tmp_path)
    assert found.size == matrix.numel()
    assert 1 << 13 < len(found.entries) <= 1 << 15
    assert found.largest == matrix.abs().max().item()
    np.testing.assert_allclose(found.gram, (matrix[:, :8].T @ matrix[:, :8]), rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(found.diagonal, matrix.diagonal())
    assert is_draw(found, 512**-0.5)
    # One entry of a million outside, or none near the edge, is enough.
    matrix[7, 7] = 1.001 * 512**-0.5
    assert not is_draw(sample(matrix, tmp_path), 512**-0.5)
    assert not is_draw(sample(matrix.clamp(-0.99 * 512**-0.5, 0.99 * 512**-0.5), tmp_path), 0.0442)


@pytest.mark.parametrize("gates", [1, 3, 4])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_one_small_step_ends_orthogonality(tmp_path, gates, dtype):
    torch.manual_seed(0)
    blocks = [torch.nn.init.orthogonal_(torch.empty(64, 64, dtype=dtype)) for _ in range(gates)]
    matrix = torch.cat(blocks)
    assert is_orthogonal(sample(matrix, tmp_path), 64)
    step = 1e-4 * torch.sign(torch.randn_like(matrix))
    assert not is_orthogonal(sample(matrix + step, tmp_path), 64)


@pytest.mark.parametrize("scale", [0.0, 1e-5, 1e-3, 1.0])
def test_the_largest_row_is_exact_where_it_is_small(tmp_path, scale):
    torch.manual_seed(0)
    matrix = scale * torch.randn(128, 32)
    exact = matrix.abs().sum(1).max().item()
    found = sample(matrix, tmp_path).largest_row
    assert found == pytest.approx(exact, rel=1e-6) if exact < 0.2 else 0.2 < found <= exact
    assert math.isfinite(found)
