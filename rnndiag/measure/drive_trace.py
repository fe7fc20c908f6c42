"""One layer under one drive: from its run and its gradients' norms to curves and a verdict."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from rnndiag.cells.base import FloatArray
from rnndiag.drives import Basis, Drive
from rnndiag.measure.decay import LN10, Decay, left_curve, measure_decay
from rnndiag.measure.gradient import GradientNorms, ScaledVectors, log_rms
from rnndiag.measure.gram import Gram
from rnndiag.measure.jacobian_product import worst_case_log_growth
from rnndiag.measure.lyapunov import LyapunovSpectrum, measure_lyapunov, sustained_rate
from rnndiag.measure.verdict import Verdict, drive_verdict
from rnndiag.rollout import LayerRun

if TYPE_CHECKING:
    from rnndiag.measure.loss_gradient import LossGradient

DEAD_CELL_EXPOSURE = 1e-6
"""A memory cell whose mean o(1 − tanh² c) is below this is out of reach of any loss."""


@dataclass(frozen=True)
class StateGrowth:
    """How perturbations of one layer's whole state grow along the trajectory, given its inputs."""

    lyapunov: LyapunovSpectrum

    sustained_rate: float | None
    """Growth in nats a step if these steps were repeated for ever, see `sustained_rate`; None where
    the gradient does not grow."""

    worst_case_log10: float | None
    """log10 of σ₁(J_T … J_1), the largest of any sample: no gradient can grow more. None where one
    exponent is asked for: it costs as much as many traces."""


@dataclass(frozen=True)
class DriveTrace:
    """One layer in one direction under one drive."""

    drive: str
    source: str
    deciding: bool
    basis: Basis
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

    saturated_gates: dict[str, float]
    """By gate: the share of values below 0.1 or above 0.9; none in a plain RNN."""

    parameter_gradient_share: FloatArray
    """Cumulative share of lags 0 … k in ∂L/∂W_hh, by the sum of the lags' norms: (steps,)."""

    lag_gram: Gram | None = None
    """Inner products of the lags' parameter gradients, those of all of the module's layers
    together; None where it was not asked for, or there is no joint gradient through time."""

    growth: StateGrowth | None = None
    """How perturbations of the whole state grow; None where it was not asked for."""

    carried_log10: float | None = None
    """log10 of what an LSTM's memory cell carries back to the last lag: the smaller of what is left
    of ∂L/∂c and of the gradient of W_hh, which is what training sees."""

    hidden_rms: float | None = None
    """Root mean square of h over steps, samples and units; of a run without a probe."""

    unlike_training: bool = False
    """Whether that is far from what the optimizer's state says of training."""

    loss_gradient: LossGradient | None = None
    """The whole recorded loss's gradient by step; of a probe only."""

    @property
    def left_log10(self) -> float:
        """log10 of what is left at the last lag, by h or by what the memory cell carries."""
        carried = -math.inf if self.carried_log10 is None else self.carried_log10
        return max(self.decay.left_log10, carried)

    @property
    def lost_lag(self) -> int | None:
        """The first lag from which on the gradient is exactly zero; None if it is not at the end.

        It may have been so small that float64 has no number for a Jacobian's entries.
        """
        alive = np.flatnonzero(~np.isneginf(self.log10_gradient_norm))
        last = int(alive[-1]) if alive.size else -1
        return None if last == len(self.log10_gradient_norm) - 1 else last + 1

    def lag_of_share(self, share: float) -> int | None:
        """The first lag up to which this share of ∂L/∂W_hh is reached; None if there is none."""
        reached = np.flatnonzero(self.parameter_gradient_share >= share)
        return int(reached[0]) if reached.size else None


def measure_drive(
    run: LayerRun,
    norms: GradientNorms,
    seed_nbh: FloatArray,
    drive: Drive,
) -> DriveTrace:
    """Curves relative to the seed ∂L/∂h_T, (cotangents, batch, output), and what they say."""
    log_seed = ScaledVectors.of(seed_nbh).log_norm()
    trace = drive_trace(drive, norms, log_seed, run.overflow_step)
    with np.errstate(over="ignore"):  # of states just before they overflow
        rms = float(np.sqrt(np.mean(np.square(run.outputs_tbp)))) if run.steps else None
    return replace(trace, hidden_rms=rms)


def drive_trace(
    drive: Drive,
    norms: GradientNorms,
    log_seed_nb: FloatArray,
    overflow_step: int | None,
    loss: LossGradient | None = None,
) -> DriveTrace:
    """Curves relative to seeds of these log norms, (cotangents, batch), and what they say.

    A recorded sequence, which has a `loss`, is as long as it is: a short one is judged by how much
    the gradient grows in it, without a rate. Where a norm is NaN a sample's sequence is shorter
    than the lag: it counts on neither side.
    """
    missing = np.isnan(norms.hidden)

    def over_samples(log_norms_nb: FloatArray) -> FloatArray:
        return log_rms(np.where(missing, -np.inf, log_norms_nb))

    log_seed = over_samples(log_seed_nb)
    log_phi = over_samples(norms.hidden) - log_seed
    samples = (norms.hidden - log_seed_nb).reshape(len(log_phi), -1)
    percentile = np.nanpercentile if missing.any() else np.percentile  # the first is much slower
    # Inverted CDF picks a sample: interpolating between -inf and -inf would give nan.
    p05, p95 = percentile(samples, [5, 95], axis=1, method="inverted_cdf")
    cell_state, exposure = norms.cell_state, norms.exposure
    decay = measure_decay(log_phi)
    log_weights = log_rms(norms.recurrent_weight)
    carried = None if cell_state is None else _carried(over_samples(cell_state), log_weights)
    return DriveTrace(
        drive=drive.name,
        source=drive.source,
        deciding=drive.deciding,
        basis=drive.basis,
        verdict=drive_verdict(decay, overflow_step, carried),
        log10_gradient_norm=log_phi / LN10,
        log10_cell_gradient_norm=None
        if cell_state is None
        else (over_samples(cell_state) - log_seed) / LN10,
        log10_p05=p05 / LN10,
        log10_p95=p95 / LN10,
        decay=decay,
        overflow_step=overflow_step,
        dead_cells=None if exposure is None else int((exposure < DEAD_CELL_EXPOSURE).sum()),
        saturated_gates=norms.saturated,
        parameter_gradient_share=_cumulative_share(log_weights),
        carried_log10=carried,
        loss_gradient=loss,
    )


def _carried(log_cells: FloatArray, log_weights: FloatArray) -> float:
    """What a memory cell carries back, log10; see DriveTrace.

    Of W_hh at the last lag but one: the very last step multiplies a state that was made up.
    """
    if len(log_weights) < 3:
        return -math.inf
    return float(min(left_curve(log_cells)[-1], left_curve(log_weights)[-2])) / LN10


def _cumulative_share(log_sizes: FloatArray) -> FloatArray:
    """Σ_{j≤k} of the sizes over the sum of all; NaN where every size is zero."""
    total = np.logaddexp.accumulate(log_sizes)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.exp(total - total[-1:]))


GROWS = 1.0
"""Decades of growth from which on the question is whether the dynamics are chaotic: then one
exponent is measured, asked for or not."""


def with_growth(trace: DriveTrace, run: LayerRun, exponents: int | None, seed: int) -> DriveTrace:
    """A trace with the leading Lyapunov exponents of its run, all of them for None.

    Where the gradient grows by a decade, one is measured even if none is asked for, and whether the
    growth lasts.
    """
    grows = trace.deciding and trace.decay.growth_log10 >= GROWS
    if run.steps == 0 or (exponents == 0 and not grows):
        return trace
    growth = StateGrowth(
        lyapunov=measure_lyapunov(run, 1 if exponents == 0 else exponents, seed),
        sustained_rate=sustained_rate(run, seed) if grows else None,
        worst_case_log10=None
        if exponents in {0, 1}
        else float(worst_case_log_growth(run, seed).max()) / LN10,
    )
    return replace(trace, growth=growth)
