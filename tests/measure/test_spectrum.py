"""Norms and eigenvalues against known matrices, mpmath and the invariances of each measure."""

from __future__ import annotations

import json
import math
import warnings
from itertools import pairwise

import mpmath
import numpy as np
import pytest
from measure.from_torch import cells_of
from measure.plain_rnn import rnn
from torch_oracle import make_module

from rnndiag.measure.eigenvalues import sorted_eigenvalues
from rnndiag.measure.nonnormality import henrici, radius_uncertainty
from rnndiag.measure.powers import transient_growth
from rnndiag.measure.spectrum import measure_spectrum

# A norm or a well-conditioned eigenvalue of a matrix of order 10: some ulps.
EXACT = 1e-12


def measured(matrix):
    """(the only block, the state map)."""
    spectrum = measure_spectrum(rnn(matrix), "rnn")
    return spectrum.blocks[0], spectrum.state_map


def orthogonal(size, seed=0):
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((size, size)))[0]


@pytest.fixture(scope="module")
def truth(shared):
    cases = json.loads((shared / "ground_truth.json").read_text())
    return {case["id"]: case for case in cases}


def test_grcar(truth):
    case = truth["grcar32"]
    matrix = sum((np.diag(np.ones(32 - k), k) for k in range(4)), -np.diag(np.ones(31), -1))
    block, state_map = measured(matrix)
    for key, found in (
        ("rho", block.spectral_radius),
        ("rho_mp", block.spectral_radius),
        ("sigma1_mp", block.spectral_norm),
        ("henrici", state_map.henrici),
    ):
        assert found == pytest.approx(case["value"][key], rel=case["tol"])
    assert state_map.transient_growth is None
    growth, step, _ = transient_growth(matrix / block.spectral_radius)
    assert growth == pytest.approx(case["value"]["peak_scaled"], rel=case["tol"])
    assert step == case["value"]["k_star"]
    # First order: the condition number of the eigenvalue, 3,460, times δ = n ε σ₁.
    condition = case["value"]["dominant_eigenvalue_condition_mp"]
    delta = 32 * 2.0**-52 * case["value"]["sigma1"]
    # A shift of 1e-6 relative to ρ stands for an infinitesimal one: a per cent of curvature.
    assert state_map.eigenvalue_uncertainty == pytest.approx(condition * delta, rel=0.01)


def test_girko(truth):
    case = truth["girko_1000_g1.5"]
    matrix = np.random.default_rng(7).standard_normal((1000, 1000)) * 1.5 / math.sqrt(1000)
    # The parts, not measure_spectrum: the fixed point of a chaotic network of 1,000 takes longer.
    eigenvalues = sorted_eigenvalues(matrix)
    moduli = np.abs(eigenvalues)
    found = {
        "rho": moduli[0],
        "henrici": henrici(matrix, eigenvalues),
        "frac_half": (moduli < 0.75).mean(),
    }
    for key, value in found.items():
        assert value == pytest.approx(case["value"][key], rel=case["tol"])
        theory = case["value"]["theory"][key]
        assert value == pytest.approx(theory, rel=0.04)  # 0.259 against 0.25: 1,000 eigenvalues
    assert (np.diff(moduli) <= 1e-11).all()


def test_jordan_block(truth):
    case = truth["jordan8_0.9"]
    matrix = 0.9 * np.eye(8) + np.diag(np.ones(7), 1)
    block, state_map = measured(matrix)
    assert block.spectral_radius == pytest.approx(case["value"]["rho"], rel=case["tol"])
    assert state_map.transient_growth == pytest.approx(case["value"]["peak"], rel=case["tol"])
    assert state_map.transient_growth_step == case["value"]["k_star"]
    # Defective: a perturbation δ = 8 ε σ₁ moves it by δ^(1/8) = 0.0152, the corner 0.9 I + N raised
    # to det((0.9 − z) I + N) = (0.9 − z)^8 = δ; Trefethen & Embree, §3: up to a factor near 1.
    expected = (8 * 2.0**-52 * case["value"]["norms"]["1"]) ** (1 / 8)
    assert state_map.eigenvalue_uncertainty == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize("turn", [None, 0, 1, 2])
def test_delay_line(truth, turn):
    """Nilpotent: exactly seen as it stands, and called uncertain once it is rotated."""
    case = truth["delay_line_1.2"]
    matrix = 1.2 * np.diag(np.ones(19), 1)
    if turn is not None:
        matrix = orthogonal(20, turn) @ matrix @ orthogonal(20, turn).T
    block, state_map = measured(matrix)
    assert state_map.transient_growth == pytest.approx(case["value"]["norm_k19"], rel=1e-9)
    assert state_map.transient_growth_step == 19
    assert block.spectral_norm == pytest.approx(1.2, rel=EXACT)
    assert block.gain == pytest.approx(1.2 * math.sqrt(19 / 20), rel=EXACT)
    assert state_map.orthogonality_error == pytest.approx(1.0, rel=EXACT)  # σ = 0
    if turn is None:
        assert block.spectral_radius == 0.0
        assert state_map.henrici == case["value"]["henrici"]
        assert state_map.eigenvalue_uncertainty == 0.0
    else:
        # 20 ε^(1/20): the true radius, 0, lies within the uncertainty of the computed one.
        assert block.spectral_radius > 0.1
        assert state_map.eigenvalue_uncertainty >= 0.99 * block.spectral_radius


@pytest.mark.parametrize("seed", range(3))
def test_rotated_nilpotent_of_a_hundred(seed):
    """The radius is 0; W and Wᵀ agree on 0.70 to three digits."""
    turn = orthogonal(100, seed)
    block, state_map = measured(turn @ np.diag(np.ones(99), 1) @ turn.T)
    assert 0.6 < block.spectral_radius < 0.8
    assert state_map.eigenvalue_uncertainty == pytest.approx(block.spectral_radius, rel=0.01)


@pytest.mark.parametrize("size", [1, 2, 7, 60])
def test_a_normal_matrix_is_certain(size):
    turn = orthogonal(size)
    values = np.linspace(0.3, 0.9, size)[::-1]
    block, state_map = measured(turn @ np.diag(values) @ turn.T)
    assert block.eigenvalues.real == pytest.approx(values, rel=EXACT)
    assert state_map.henrici < 1e-7  # √(1 − Σ|λ|²/‖W‖²) of numbers with an ulp of error
    # Condition number 1: δ = n ε σ₁ itself; a hundredth for the shift of 1e-6 and rounding.
    delta = size * 2.0**-52 * values[0]
    assert state_map.eigenvalue_uncertainty == pytest.approx(delta, rel=0.01)
    assert state_map.transient_growth == 1.0
    assert state_map.certified_contracting


@pytest.mark.parametrize("seed", range(6))
def test_an_orthogonal_matrix_is_never_certified_by_a_last_bit(seed):
    block, state_map = measured(orthogonal(5, seed))
    assert block.spectral_radius == pytest.approx(1.0, rel=EXACT)
    assert not state_map.certified_contracting
    assert state_map.transient_growth is None
    assert state_map.orthogonality_error < EXACT
    assert block.gain == pytest.approx(1.0, rel=EXACT)


def test_permutation(truth):
    case = truth["permutation7_relu"]
    block, state_map = measured(np.roll(np.eye(7), 1, axis=0))
    assert state_map.orthogonality_error == case["value"]["orth_error"]
    assert np.abs(block.eigenvalues) == pytest.approx(np.ones(7), rel=case["tol"])
    assert block.eigenvalues[0] == pytest.approx(1.0)  # ties: by real part


def naive_growth(matrix):
    norms = [1.0]
    power = np.eye(len(matrix))
    for _ in range(1000):
        power = power @ matrix
        norms.append(np.linalg.norm(power, 2))
    return max(norms), int(np.argmax(norms))


@pytest.mark.parametrize("seed", range(8))
def test_transient_growth_equals_every_norm_up_to_a_thousand(seed):
    """Also of powers that fall below 1 and of those that stop only at the window's end."""
    rng = np.random.default_rng(seed)
    matrix = np.triu(rng.standard_normal((6, 6))) * rng.uniform(0.3, 3)
    matrix *= rng.choice([0.5, 0.95, 0.9999]) / np.abs(np.diag(matrix)).max()
    growth, step, _ = transient_growth(matrix)
    expected, expected_step = naive_growth(matrix)
    assert growth == pytest.approx(expected, rel=1e-10)
    assert step == expected_step


def test_transient_growth_of_a_cycle_of_gains():
    """Powers that dip to norm 10 and come back to 1000: a dip is no end."""
    gains = [10.0, 0.01, 10000.0, 1e-7]
    matrix = np.diag(gains[:-1], 1)
    matrix[3, 0] = gains[-1]
    assert transient_growth(matrix)[0] == pytest.approx(naive_growth(matrix)[0], rel=EXACT)


def test_growth_beyond_the_range_of_floats_is_infinite():
    assert transient_growth(1e10 * np.diag(np.ones(59), 1)) == (math.inf, 31, 1000)


@pytest.mark.parametrize("seed", range(3))
def test_orthogonal_similarity_and_transposition_change_nothing(seed):
    rng = np.random.default_rng(seed)
    matrix, turn = rng.standard_normal((8, 8)) * 0.25, orthogonal(8, seed + 10)
    block, state_map = measured(matrix)
    for other in (turn @ matrix @ turn.T, matrix.T):
        other_block, other_map = measured(other)
        for name in ("spectral_norm", "spectral_radius", "gain"):
            assert getattr(other_block, name) == pytest.approx(getattr(block, name), rel=1e-10)
        for name in ("henrici", "orthogonality_error", "transient_growth"):
            assert getattr(other_map, name) == pytest.approx(getattr(state_map, name), rel=1e-10)
        assert other_map.transient_growth_step == state_map.transient_growth_step
        # An ulp-sized quantity from a shift of 1e-6: nine digits of it are lost to rounding.
        assert other_map.eigenvalue_uncertainty == pytest.approx(
            state_map.eigenvalue_uncertainty, rel=1e-3
        )


@pytest.mark.parametrize("scale", [1e-310, 1e-200, 1e-14, 1e14, 1e200, 1e300])
def test_scaling_scales(scale):
    """Homogeneous to the ends of float64's range; Henrici's number does not change at all."""
    rng = np.random.default_rng(4)
    matrix = rng.standard_normal((5, 5))
    block, state_map = measured(matrix)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scaled_block, scaled_map = measured(scale * matrix)
    # 1e-310 is subnormal: 1e-310 / 5e-324 leaves thirteen digits, and some for the sums.
    close = lambda value: pytest.approx(scale * value, rel=1e-9)
    assert scaled_block.spectral_norm == close(block.spectral_norm)
    assert scaled_block.spectral_radius == close(block.spectral_radius)
    assert scaled_block.gain == close(block.gain)
    assert scaled_map.henrici == pytest.approx(state_map.henrici, rel=1e-9)


def test_tiny_eigenvalues_are_ordered_by_modulus():
    """As in a saturated Jacobian; rounded to twelve decimals they would all be 0."""
    found = sorted_eigenvalues(np.diag([1e-14, -5e-14, 3e-14]))
    assert found.tolist() == [-5e-14, 3e-14, 1e-14]


def test_eigenvalues_equal_mpmath():
    matrix = np.random.default_rng(6).standard_normal((6, 6))
    with mpmath.workdps(40):
        exact = np.array([complex(e) for e in mpmath.eig(mpmath.matrix(matrix.tolist()))[0]])
    found = sorted_eigenvalues(matrix)
    assert np.abs(found) == pytest.approx(np.sort(np.abs(exact))[::-1], rel=EXACT)
    for value in found:
        assert np.abs(exact - value).min() < EXACT
    # Conjugates stand side by side, the positive imaginary part first.
    for one, other in pairwise(found):
        if one.imag > 0:
            assert other == one.conjugate()


def test_henrici_of_two_by_two():
    """[[a, x], [0, b]]: 1 − (a² + b²)/(a² + b² + x²)."""
    assert henrici(np.array([[3.0, 12.0], [0.0, 4.0]])) == pytest.approx(12 / 13, rel=EXACT)
    assert henrici(np.zeros((3, 3))) == 0.0


def test_the_uncertainty_of_two_by_two():
    """[[1, x], [0, 0]]: condition number √(1 + x²) of the eigenvalue 1."""
    matrix = np.array([[1.0, 1e4], [0.0, 0.0]])
    norm = float(np.linalg.norm(matrix, 2))
    expected = 2 * 2.0**-52 * norm * math.sqrt(1 + 1e8)
    # First order in the shift of 1e-6, whose second-order part is as large relative to it.
    assert radius_uncertainty(matrix, 1.0, norm) == pytest.approx(expected, rel=1e-3)
    assert radius_uncertainty(np.zeros((2, 2)), 0.0, 0.0) == 0.0


@pytest.mark.parametrize("sigma", [0.5, 0.9999994, 0.9999996, 1.0, 1.5])
def test_the_certificate_is_judged_as_shown(sigma):
    _, state_map = measured(np.diag([sigma, 0.1]))
    assert state_map.certified_contracting == (float(f"{sigma:.6g}") < 1)


@pytest.mark.parametrize(
    ("case", "names"), [("gru", "rzn"), ("lstm", "ifgo"), ("lstm-projected", "ifgo")]
)
def test_gate_blocks_stand_in_torchs_order(case, names):
    module = make_module(case)
    spectrum = measure_spectrum(cells_of(module)[0][0], case.split("-")[0])
    assert [block.block for block in spectrum.blocks] == list(names)
    assert spectrum.state_map is None
    for index, block in enumerate(spectrum.blocks):
        own = module.weight_hh_l0.detach().numpy()[5 * index : 5 * index + 5]
        singular = np.linalg.svd(own, compute_uv=False)
        assert block.spectral_norm == pytest.approx(singular[0], rel=EXACT)
        assert block.gain == pytest.approx(math.sqrt((singular**2).sum() / 5), rel=EXACT)
        assert block.eigenvalues is None
        if case == "lstm-projected":
            assert block.spectral_radius is None
        else:
            radius = np.abs(np.linalg.eigvals(own)).max()
            assert block.spectral_radius == pytest.approx(radius, rel=EXACT)
