"""What `bptt-trace` says of one layer, as JSON."""

from __future__ import annotations

from rnndiag.measure.drive_trace import DriveTrace
from rnndiag.measure.loss_gradient import LossGradient
from rnndiag.measure.trace import LayerTrace
from rnndiag.measure.verdict import EXPLODING_DECADES, lag_of_growth
from rnndiag.recognise.lengths import SequenceLength
from rnndiag.render.json.plain import Object


def show(trace: LayerTrace, length: SequenceLength | None) -> Object:
    """The keys of a layer's `trace`."""
    return {
        "seq_len": trace.seq_len,
        "length_source": (length and length.source) or None,
        "length_remarks": length.remarks if length else (),
        "verdict": trace.verdict,
        "basis": trace.basis,
        "length_basis": trace.length_basis,
        "not_generated": trace.not_generated,
        "explodes_as_relu": bool(trace.only_as_relu(EXPLODING_DECADES)) if trace.as_relu else None,
        "drives": [_drive(drive) for drive in trace.drives],
        "textbook_log10": trace.textbook_log10,
    }


def _drive(drive: DriveTrace) -> Object:
    decay, growth = drive.decay, drive.growth
    return {
        "drive": drive.drive,
        "source": drive.source,
        "deciding": drive.deciding,
        "basis": drive.basis,
        "unlike_training": drive.unlike_training,
        "verdict": drive.verdict,
        "lags": list(range(len(drive.log10_gradient_norm))),
        "log10_gradient_norm": drive.log10_gradient_norm,
        "log10_cell_gradient_norm": drive.log10_cell_gradient_norm,
        "log10_p05": drive.log10_p05,
        "log10_p95": drive.log10_p95,
        "rate_per_step": decay.rate_per_step,
        "rate_ci95": decay.rate_ci95,
        "half_life": decay.half_life,
        "horizon_1e1": decay.horizons[0],
        "horizon_1e2": decay.horizons[1],
        "horizon_1e3": decay.horizons[2],
        "horizon_float16": decay.float16_horizon,
        "growth_log10": decay.growth_log10,
        "growth_lag": decay.growth_lag,
        "growth_reaches_1e3": lag_of_growth(drive.log10_gradient_norm),
        "left_log10": drive.left_log10,
        "hidden_rms": drive.hidden_rms,
        "worst_case_growth_log10": growth and growth.worst_case_log10,
        "sustained_rate": growth and growth.sustained_rate,
        "lyapunov": growth and growth.lyapunov.exponents,
        "lyapunov_standard_error": growth and growth.lyapunov.standard_error,
        "lyapunov_samples": growth and growth.lyapunov.living,
        "overflow_step": drive.overflow_step,
        "dead_cells": drive.dead_cells,
        "saturated_gates": drive.saturated_gates,
        "parameter_gradient_share": drive.parameter_gradient_share,
        "loss_gradient": drive.loss_gradient and _loss_gradient(drive.loss_gradient),
    }


def _loss_gradient(loss: LossGradient) -> Object:
    return {
        "log10_hidden": loss.log10_hidden,
        "log10_cell": loss.log10_cell,
        "log10_initial_hidden": loss.log10_initial_hidden,
        "log10_initial_cell": loss.log10_initial_cell,
        "state_difference": loss.state_difference,
    }
