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
    """σ₁ < 1: with tanh or relu the gradient vanishes whatever the input (Pascanu et al. 2013)."""

    eigenvalue_uncertainty: float
    """Difference of the spectral radii computed from W and from Wᵀ: exact arithmetic gives 0."""


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
        gain=float(np.linalg.norm(matrix) / math.sqrt(rows)),
        eigenvalues=eigenvalues if plain else None,
    )


def _measure_state_map(matrix: FloatArray, block: BlockSpectrum) -> StateMap:
    radius = block.spectral_radius or 0.0
    growth, step = transient_growth(matrix) if radius < 1.0 else (None, None)
    return StateMap(
        henrici=henrici(matrix, block.eigenvalues),
        orthogonality_error=float(np.abs(np.linalg.svd(matrix, compute_uv=False) - 1.0).max()),
        transient_growth=growth,
        transient_growth_step=step,
        certified_contracting=block.spectral_norm < 1.0,
        eigenvalue_uncertainty=abs(radius - float(np.abs(sorted_eigenvalues(matrix.T)[0]))),
    )


def henrici(matrix: FloatArray, eigenvalues: ComplexArray | None = None) -> float:
    """Henrici's departure from normality, relative to the Frobenius norm; 0 for a zero matrix.

    >>> henrici(np.array([[0.0, 1.0], [0.0, 0.0]]))
    1.0
    """
    values = sorted_eigenvalues(matrix) if eigenvalues is None else eigenvalues
    total = float(np.square(matrix).sum())
    if total == 0.0:
        return 0.0
    return math.sqrt(max(0.0, 1.0 - float(np.square(np.abs(values)).sum()) / total))


def transient_growth(matrix: FloatArray) -> tuple[float, int]:
    """max over 0 ≤ k ≤ 1000 of ‖Wᵏ‖₂ and its k, for a matrix of spectral radius below 1.

    >>> transient_growth(np.array([[0.0, 8.0], [0.0, 0.0]]))
    (8.0, 1)
    """
    best, best_step = 1.0, 0
    power = np.eye(len(matrix))
    for step in range(1, LARGEST_POWER + 1):
        power = power @ matrix
        # ‖·‖_F bounds ‖·‖₂: the costly norm is taken only where it could be a new maximum.
        frobenius = float(np.linalg.norm(power))
        if frobenius > best:
            norm = float(np.linalg.norm(power, 2))
            if norm > best:
                best, best_step = norm, step
        elif _cannot_grow_again(frobenius, best, matrix):
            break
    return best, best_step


def _cannot_grow_again(frobenius: float, best: float, matrix: FloatArray) -> bool:
    """Whether ‖Wᵏ‖ is so small that even σ₁ growth over the whole window stays below `best`."""
    sigma = max(1.0, float(np.linalg.norm(matrix, 2)))
    return frobenius == 0.0 or math.log(frobenius) + LARGEST_POWER * math.log(sigma) < math.log(
        best
    )
