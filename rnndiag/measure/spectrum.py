"""One layer's spectrum: norms and eigenvalues of its recurrent weights and its step Jacobian."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rnndiag.cells import Cell
from rnndiag.cells.base import FloatArray
from rnndiag.cells.elman import ElmanCell
from rnndiag.measure.along import TrajectoryRate, measure_rates
from rnndiag.measure.eigenvalues import (
    ComplexArray,
    Eigenvalues,
    all_eigenvalues,
    leading_eigenvalues,
)
from rnndiag.measure.fixed_point import NOT_COMPUTED, Settling, measure_settling
from rnndiag.measure.norms import SpectralNorm, frobenius, largest_exponent, spectral_norm
from rnndiag.measure.state_map import (
    LARGEST_COMPLETE,
    StateMap,
    measure_judged,
    measure_state_map,
)
from rnndiag.recognise.layers import CellKind
from rnndiag.rollout import Cells

BLOCKS: dict[CellKind, tuple[str, ...]] = {
    "rnn": ("hh",),
    "gru": ("r", "z", "n"),
    "lstm": ("i", "f", "g", "o"),
}
"""Names of the blocks of weight_hh, in PyTorch's order."""

LARGEST_GATE = 256
"""Order of a gate's block up to which its radius comes from all its eigenvalues. Only JSON shows
it, and at 512 it took most of the time."""


@dataclass(frozen=True)
class BlockSpectrum:
    """One block of weight_hh, shape (hidden, hidden) or (hidden, projection)."""

    block: str
    norm: SpectralNorm

    leading: Eigenvalues | None
    """None for a block that is not square."""

    gain: float
    """‖W‖_F/√H: an i.i.d. matrix of this gain has ρ close to it (circular law)."""

    is_state_map: bool
    """Whether it maps states to states, as only a plain RNN's W_hh does."""

    @property
    def spectral_norm(self) -> float:
        """σ₁: how strongly this gate, or the next state of a plain RNN, answers to h."""
        return self.norm.value

    @property
    def spectral_radius(self) -> float | None:
        """max |λ|; None for a block that is not square."""
        return None if self.leading is None else self.leading.radius

    @property
    def eigenvalues(self) -> ComplexArray | None:
        """Of a plain RNN's W_hh only: a gate's block maps no state to a state."""
        return self.leading.values if self.leading is not None and self.is_state_map else None


@dataclass(frozen=True)
class Spectrum:
    """Everything `spectrum` says of one layer and direction."""

    blocks: tuple[BlockSpectrum, ...]

    state_map: StateMap | None
    """Of a plain RNN."""

    settling: Settling

    along: tuple[TrajectoryRate, ...]
    """Growth along trajectories, without input and under noise."""


def measure_spectra(cells: Cells, kind: CellKind) -> list[Spectrum]:
    """Measure a module, bottom to top, forward before reverse; its weights must be finite."""
    return [
        _measure_layer(cell, kind, measure_settling(cell), rates)
        for layer_cells, layer_rates in zip(cells, measure_rates(cells), strict=True)
        for cell, rates in zip(layer_cells, layer_rates, strict=True)
    ]


def measure_weights_alone(cells: Cells, kind: CellKind) -> list[Spectrum]:
    """What rules look at: no step Jacobians, no trajectories, of W_hh what is judged of it."""
    return [
        _measure_layer(cell, kind, Settling(NOT_COMPUTED), (), measure_judged)
        for layer_cells in cells
        for cell in layer_cells
    ]


def measure_spectrum(cell: Cell, kind: CellKind) -> Spectrum:
    """Measure a module of one layer.

    >>> from rnndiag.cells import CELLS, LayerWeights
    >>> weights = LayerWeights(np.eye(2), np.diag([0.9, -0.5]), np.zeros(2), np.zeros(2))
    >>> measure_spectrum(CELLS["rnn"](weights), "rnn").blocks[0].spectral_radius
    0.9
    """
    return measure_spectra([[cell]], kind)[0]


def _measure_layer(
    cell: Cell,
    kind: CellKind,
    settling: Settling,
    along: tuple[TrajectoryRate, ...],
    mapped: Callable[[FloatArray, Eigenvalues, SpectralNorm], StateMap] = measure_state_map,
) -> Spectrum:
    plain = isinstance(cell, ElmanCell)
    names = BLOCKS[kind]
    matrices = np.split(cell.weights.weight_hh, len(names))
    blocks = [_measure_block(*pair, plain) for pair in zip(names, matrices, strict=True)]
    own = blocks[0].leading
    return Spectrum(
        blocks=tuple(blocks),
        state_map=mapped(matrices[0], own, blocks[0].norm) if plain and own else None,
        settling=settling,
        along=along,
    )


def _measure_block(name: str, matrix: FloatArray, plain: bool) -> BlockSpectrum:
    rows, columns = matrix.shape
    return BlockSpectrum(
        block=name,
        norm=spectral_norm(matrix),
        leading=_eigenvalues(matrix, plain) if rows == columns else None,
        gain=frobenius(matrix) / math.sqrt(rows),
        is_state_map=plain,
    )


def _eigenvalues(matrix: FloatArray, plain: bool) -> Eigenvalues:
    """All of them, or the leading ones of a large matrix; of a gate, only the radius is used."""
    if len(matrix) > (LARGEST_COMPLETE if plain else LARGEST_GATE):
        exponent = largest_exponent(matrix)
        scaled = np.ldexp(matrix, -exponent)
        found = leading_eigenvalues(lambda v: scaled @ v, len(scaled))
        if found is not None:
            return found.times(2.0**exponent)
    return all_eigenvalues(matrix)
