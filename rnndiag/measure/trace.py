"""bptt-trace: one module under one or more drives, from inputs to curves and verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rnndiag.cells import Cell
from rnndiag.cells.base import FloatArray
from rnndiag.drives import Drive
from rnndiag.measure.decay import LN10, Decay, measure_decay
from rnndiag.measure.gradient import GradientNorms, ScaledVectors, log_rms, trace_gradients
from rnndiag.measure.jacobian_product import worst_case_log_growth
from rnndiag.measure.lyapunov import LyapunovSpectrum, measure_lyapunov
from rnndiag.measure.textbook import textbook_curve
from rnndiag.measure.verdict import Verdict, drive_verdict, layer_verdict
from rnndiag.rollout import LayerRun, States, run_stack

DEAD_CELL_EXPOSURE = 1e-6
"""A memory cell whose mean o(1 − tanh² c) is below this is out of reach of any loss."""


@dataclass(frozen=True)
class StateGrowth:
    """How perturbations of one layer's whole state grow along the trajectory, given its inputs."""

    lyapunov: LyapunovSpectrum

    worst_case_log10: float | None
    """log10 of σ₁(J_T … J_1), the largest of any sample: no gradient can grow more. None where one
    exponent is asked for: it costs as much as many traces."""


@dataclass(frozen=True)
class DriveTrace:
    """One layer in one direction under one drive."""

    drive: str
    source: str
    deciding: bool
    verdict: Verdict

    log10_gradient_norm: FloatArray
    """log10 φ_k by lag, (steps + 1,): root mean square over samples, relative to the seed's."""

    log10_cell_gradient_norm: FloatArray | None
    """The same of ∂L/∂c, relative to the seed on h; of an LSTM only."""

    log10_p05: FloatArray
    log10_p95: FloatArray
    """5th and 95th percentile of single samples' φ_k."""

    decay: Decay

    overflow_step: int | None
    """The step, from 1, at which the forward pass stopped being finite."""

    dead_cells: int | None
    """Cells of an LSTM with mean o(1 − tanh² c) below 1e-6."""

    growth: StateGrowth | None = None
    """How perturbations of the whole state grow; None where it was not asked for."""


@dataclass(frozen=True)
class LayerTrace:
    """One layer in one direction under every drive."""

    seq_len: int
    verdict: Verdict
    drives: tuple[DriveTrace, ...]

    textbook_log10: FloatArray | None
    """log10 of the same seeds carried through W_hhᵀ alone; of a plain RNN only."""

    @property
    def headline(self) -> DriveTrace:
        """The deciding drive under which the gradient lasts longest: the one that is quoted."""
        deciding = [drive for drive in self.drives if drive.deciding]
        return max(deciding, key=lambda drive: float(drive.log10_gradient_norm[-1]))


@dataclass(frozen=True)
class TraceSetup:
    """Everything of a trace but the module and its drives."""

    seq_len: int
    batch: int
    seed: int

    cotangents: int = 1
    """Random seeds of the loss per sample."""

    initial: States | None = None
    """States to start from, [depth][direction] of shape (batch, state); None: N(0, 0.1²)."""

    cotangent_nbh: FloatArray | None = None
    """∂L/∂h at the top layer's last step, (cotangents, batch, output); None: Gaussian."""

    exponents: int | None = 0
    """Leading Lyapunov exponents to measure, None for all; 0 leaves out all of StateGrowth, 1 the
    worst case."""


INITIAL_DEVIATION = 0.1
"""Standard deviation of random initial states: a zero state may sit on an unstable origin."""


def trace_module(
    cells: Sequence[Sequence[Cell]], drives: Sequence[Drive], setup: TraceSetup
) -> list[list[LayerTrace]]:
    """Trace a module under every drive; traces[depth][direction].

    A stack of one direction is traced as a whole from its top. A bidirectional one has no joint map
    through time: each layer and direction is seeded at its own last step, given its inputs.
    """
    initial = setup.initial or _random_states(cells, setup)
    by_drive = []
    for drive in drives:
        inputs = drive.inputs(setup.seed, setup.seq_len, setup.batch)
        by_drive.append(_trace_drive(cells, inputs, initial, drive, setup))
    return [
        [
            _layer_trace(cell, [traces[depth][direction] for traces in by_drive], setup)
            for direction, cell in enumerate(layer_cells)
        ]
        for depth, layer_cells in enumerate(cells)
    ]


def _random_states(cells: Sequence[Sequence[Cell]], setup: TraceSetup) -> States:
    generator = np.random.default_rng([setup.seed, 1])
    return [
        [
            INITIAL_DEVIATION * generator.standard_normal((setup.batch, cell.state_size))
            for cell in layer_cells
        ]
        for layer_cells in cells
    ]


def _seed(width: int, batch: int, setup: TraceSetup) -> FloatArray:
    if setup.cotangent_nbh is not None:
        return setup.cotangent_nbh
    generator = np.random.default_rng([setup.seed, 2])
    return generator.standard_normal((setup.cotangents, batch, width))


def _trace_drive(
    cells: Sequence[Sequence[Cell]],
    inputs_tbi: FloatArray,
    initial: States,
    drive: Drive,
    setup: TraceSetup,
) -> list[list[DriveTrace]]:
    """One drive through the whole module."""
    runs = run_stack(cells, inputs_tbi, initial)
    batch = inputs_tbi.shape[1]
    if len(cells[0]) == 1:
        stack = [run for (run,) in runs]
        seed = _seed(stack[-1].cell.output_size, batch, setup)
        norms = trace_gradients(stack, seed)
        return [
            [_drive_trace(run, of_layer, seed, drive, setup)]
            for run, of_layer in zip(stack, norms, strict=True)
        ]
    seed = _seed(runs[0][0].cell.output_size, batch, setup)
    return [
        [
            _drive_trace(run, trace_gradients([run], seed)[0], seed, drive, setup)
            for run in layer_runs
        ]
        for layer_runs in runs
    ]


def _drive_trace(
    run: LayerRun, norms: GradientNorms, seed_nbh: FloatArray, drive: Drive, setup: TraceSetup
) -> DriveTrace:
    log_seed = ScaledVectors.of(seed_nbh).log_norm()
    log_phi = log_rms(norms.hidden) - log_rms(log_seed)
    samples = (norms.hidden - log_seed).reshape(len(log_phi), -1)
    # Inverted CDF picks a sample: interpolating between -inf and -inf would give nan.
    p05, p95 = np.percentile(samples, [5, 95], axis=1, method="inverted_cdf")
    cell_state = norms.cell_state
    decay = measure_decay(log_phi)
    return DriveTrace(
        drive=drive.name,
        source=drive.source,
        deciding=drive.deciding,
        verdict=drive_verdict(decay, log_phi[-1] / LN10, run.overflow_step),
        log10_gradient_norm=log_phi / LN10,
        log10_cell_gradient_norm=None
        if cell_state is None
        else (log_rms(cell_state) - log_rms(log_seed)) / LN10,
        log10_p05=p05 / LN10,
        log10_p95=p95 / LN10,
        decay=decay,
        overflow_step=run.overflow_step,
        dead_cells=None
        if norms.exposure is None
        else int((norms.exposure < DEAD_CELL_EXPOSURE).sum()),
        growth=_state_growth(run, setup),
    )


def _state_growth(run: LayerRun, setup: TraceSetup) -> StateGrowth | None:
    if setup.exponents == 0 or run.steps == 0:
        return None
    return StateGrowth(
        lyapunov=measure_lyapunov(run, setup.exponents, setup.seed),
        worst_case_log10=None
        if setup.exponents == 1
        else float(worst_case_log_growth(run, setup.seed).max()) / LN10,
    )


def _layer_trace(cell: Cell, drives: Sequence[DriveTrace], setup: TraceSetup) -> LayerTrace:
    seed = _seed(cell.output_size, setup.batch, setup)
    return LayerTrace(
        seq_len=setup.seq_len,
        verdict=layer_verdict([drive.verdict for drive in drives if drive.deciding]),
        drives=tuple(drives),
        textbook_log10=textbook_curve(cell, seed, setup.seq_len),
    )
