"""Eigenvalues and norms of the recurrent weights, and of the step Jacobian."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from rnndiag.cells import Cell
from rnndiag.cells.base import FloatArray
from rnndiag.cells.elman import ElmanCell
from rnndiag.measure.fixed_point import (
    LARGEST_STATE,
    ComplexArray,
    Settling,
    measure_settling,
    sorted_eigenvalues,
)
from rnndiag.recognise.layers import CellKind
from rnndiag.rounding import judged

BLOCKS: dict[CellKind, tuple[str, ...]] = {
    "rnn": ("hh",),
    "gru": ("r", "z", "n"),
    "lstm": ("i", "f", "g", "o"),
}
"""Names of the blocks of weight_hh, in PyTorch's order."""

LARGEST_POWER = 1000
"""Highest power of W_hh that transient growth looks at."""


@dataclass(frozen=True)
class BlockSpectrum:
    """One block of weight_hh, shape (hidden, hidden) or (hidden, projection)."""

    block: str

    spectral_norm: float
    """σ₁: how strongly this gate, or the next state of a plain RNN, answers to h."""

    spectral_radius: float | None
    """max |λ|; None for a block that is not square, or too large."""

    gain: float
    """‖W‖_F/√H: an i.i.d. matrix of this gain has ρ close to it (circular law)."""

    eigenvalues: ComplexArray | None
    """Of a plain RNN's W_hh only: a gate's block maps no state to a state."""


@dataclass(frozen=True)
class StateMap:
    """What W_hh of a plain RNN does as a map from state to state."""

    henrici: float
    """√(1 − Σ|λ|²/‖W‖_F²): 0 for a normal matrix, 0.707 for an i.i.d., 1 for a nilpotent one."""

    orthogonality_error: float
    """max |σ_i − 1|."""

    transient_growth: float | None
    """max over k ≤ 1000 of ‖Wᵏ‖₂; None unless ρ < 1."""

    transient_growth_step: int | None

    certified_contracting: bool
    """σ₁ < 1 as shown: with tanh or relu the gradient vanishes whatever the input (Pascanu et al.
    2013)."""

    eigenvalue_uncertainty: float
    """How far below the computed ρ the true one may lie: see `radius_uncertainty`."""


@dataclass(frozen=True)
class Spectrum:
    """Everything `spectrum` says of one layer and direction."""

    blocks: tuple[BlockSpectrum, ...]
    state_map: StateMap | None
    settling: Settling


def measure_spectrum(cell: Cell, kind: CellKind) -> Spectrum:
    """Measure one layer; its weights must be finite.

    >>> from rnndiag.cells import CELLS, LayerWeights
    >>> weights = LayerWeights(np.eye(2), np.diag([0.9, -0.5]), np.zeros(2), np.zeros(2))
    >>> measure_spectrum(CELLS["rnn"](weights), "rnn").blocks[0].spectral_radius
    0.9
    """
    names = BLOCKS[kind]
    plain = isinstance(cell, ElmanCell)
    matrices = np.split(cell.weights.weight_hh, len(names))
    blocks = tuple(_measure_block(*pair, plain) for pair in zip(names, matrices, strict=True))
    too_large = cell.output_size > LARGEST_STATE
    return Spectrum(
        blocks=blocks,
        state_map=_measure_state_map(matrices[0], blocks[0]) if plain and not too_large else None,
        settling=measure_settling(cell),
    )


def _measure_block(name: str, matrix: FloatArray, plain: bool) -> BlockSpectrum:
    rows, columns = matrix.shape
    eigenvalues = sorted_eigenvalues(matrix) if rows == columns and rows <= LARGEST_STATE else None
    return BlockSpectrum(
        block=name,
        spectral_norm=float(np.linalg.norm(matrix, 2)),
        spectral_radius=None if eigenvalues is None else float(np.abs(eigenvalues[0])),
        gain=_frobenius(matrix) / math.sqrt(rows),
        eigenvalues=eigenvalues if plain else None,
    )


def _measure_state_map(matrix: FloatArray, block: BlockSpectrum) -> StateMap:
    radius = block.spectral_radius or 0.0
    # Judged as shown: the radius of an orthogonal matrix is 1 but for its last bits.
    growth, step = transient_growth(matrix) if judged(radius) < 1.0 else (None, None)
    return StateMap(
        henrici=henrici(matrix, block.eigenvalues),
        orthogonality_error=float(np.abs(np.linalg.svd(matrix, compute_uv=False) - 1.0).max()),
        transient_growth=growth,
        transient_growth_step=step,
        certified_contracting=judged(block.spectral_norm) < 1.0,
        eigenvalue_uncertainty=0.0
        if block.eigenvalues is None
        else radius_uncertainty(matrix, complex(block.eigenvalues[0]), block.spectral_norm),
    )


def _frobenius(matrix: FloatArray) -> float:
    """‖W‖_F; the squares of entries such as 1e200 or 1e-200 do not leave float64's range."""
    exponent = _exponent(matrix)
    return float(np.ldexp(np.linalg.norm(np.ldexp(matrix, -exponent)), exponent))


def _exponent(matrix: FloatArray) -> int:
    """e such that the largest |entry| is in [½, 1) · 2^e."""
    return int(np.frexp(np.abs(matrix).max(initial=0.0))[1])


def henrici(matrix: FloatArray, eigenvalues: ComplexArray | None = None) -> float:
    """Henrici's departure from normality, relative to the Frobenius norm; 0 for a zero matrix.

    >>> henrici(np.array([[0.0, 1.0], [0.0, 0.0]]))
    1.0
    """
    values = sorted_eigenvalues(matrix) if eigenvalues is None else eigenvalues
    total = _frobenius(matrix)
    if total == 0.0:
        return 0.0
    return math.sqrt(max(0.0, 1.0 - float(np.square(np.abs(values) / total).sum())))


SMALLEST_SHIFT = 1e-6
"""Shift of an eigenvalue, relative to its modulus, up to which first-order theory is used."""

BISECTIONS = 12
"""Halvings, on a log scale, of the six decades above that: a factor of 1.003 is left."""


def radius_uncertainty(matrix: FloatArray, eigenvalue: complex, norm: float) -> float:
    """How far towards 0 rounding can have moved the eigenvalue of largest modulus.

    The largest d ≤ ρ for which z = λ(1 − d/ρ) is an eigenvalue of W + E for some ‖E‖₂ ≤ δ, that
    is σ_min(zI − W) ≤ δ, with δ = n·ε·‖W‖₂, the backward error of the QR algorithm: λ's own part of
    the δ-pseudospectrum (Trefethen & Embree 2005). For a small d that is δ times λ's condition
    number. The eigenvalues of Wᵀ do not show it: they are wrong by as much as those of W.

    >>> jordan = 0.9 * np.eye(8) + np.diag(np.ones(7), 1)
    >>> round(radius_uncertainty(jordan, 0.9, 1.87), 2)  # about δ^(1/8)
    0.02
    """
    radius = abs(eigenvalue)
    if radius == 0.0:
        return 0.0
    # In units of ρ, so that nothing over- or underflows.
    with np.errstate(over="ignore"):
        scaled, direction = matrix / radius, eigenvalue / radius
    if not np.isfinite(scaled).all():
        return radius
    delta = len(matrix) * float(np.finfo(np.float64).eps) * (norm / radius)

    def sigma_min(shift: float) -> float:
        shifted = direction * (1.0 - shift) * np.eye(len(matrix)) - scaled
        return float(np.linalg.svd(shifted, compute_uv=False)[-1])

    smallest = sigma_min(SMALLEST_SHIFT)
    if smallest > delta:
        return radius * delta * SMALLEST_SHIFT / smallest
    reached, beyond = math.log(SMALLEST_SHIFT), 0.0
    if sigma_min(1.0) <= delta:
        return radius
    for _ in range(BISECTIONS):
        middle = (reached + beyond) / 2.0
        reached, beyond = (
            (middle, beyond) if sigma_min(math.exp(middle)) <= delta else (reached, middle)
        )
    return radius * math.exp(reached)


def transient_growth(matrix: FloatArray) -> tuple[float, int]:
    """max over 0 ≤ k ≤ 1000 of ‖Wᵏ‖₂ and its k, for a matrix of spectral radius below 1.

    Infinite, with the step, where a power leaves float64's range.

    >>> transient_growth(np.array([[0.0, 8.0], [0.0, 0.0]]))
    (8.0, 1)
    """
    best, best_step = 1.0, 0
    power = np.eye(len(matrix))
    for step in range(1, LARGEST_POWER + 1):
        with np.errstate(over="ignore", invalid="ignore"):
            power = power @ matrix
        if not np.isfinite(power).all():
            return math.inf, step
        bound = _norm_bound(power)
        if bound <= 1.0:
            # ‖Wᵏ⁺ʲ‖ ≤ ‖Wᵏ‖ ‖Wʲ‖ ≤ ‖Wʲ‖: no later power is larger than the earlier ones.
            break
        if bound > best:
            # The costly norm is taken only where it could be a new maximum.
            norm = float(np.linalg.norm(power, 2))
            if norm > best:
                best, best_step = norm, step
    return best, best_step


def _norm_bound(matrix: FloatArray) -> float:
    """At least ‖W‖₂: the smaller of ‖W‖_F and √(‖W‖₁ ‖W‖_∞)."""
    size = np.abs(matrix)
    rows, columns = float(size.sum(axis=1).max()), float(size.sum(axis=0).max())
    return min(_frobenius(matrix), math.sqrt(rows) * math.sqrt(columns))
