"""The machine's format: every measured number, twelve significant digits, keys as promised."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rnndiag._version import __version__
from rnndiag.advice import Advice
from rnndiag.analysis import LayerResult
from rnndiag.measure.drive_trace import DriveTrace
from rnndiag.measure.fixed_point import StepJacobian
from rnndiag.measure.spectrum import BlockSpectrum, Spectrum
from rnndiag.measure.trace import LayerTrace
from rnndiag.measure.training_state import TrainingState
from rnndiag.measure.weights import WeightHealth
from rnndiag.render.base import Screen
from rnndiag.report import FileReport, Report
from rnndiag.rules import Finding

SCHEMA_VERSION = "1.0"
"""Promised keys whose measures do not exist yet are there and null."""

Object = dict[str, Any]


def render(report: Report, _: Screen) -> str:
    """The whole report as one JSON object, the same bytes for the same report."""
    skipped = [{"path": s.name, "reason": s.reason} for s in report.skipped_files]
    whole = {
        "schema_version": SCHEMA_VERSION,
        "tool": {"name": "rnndiag", "version": __version__},
        "command": report.command,
        "settings": report.settings,
        "files": [_file(file) for file in report.files],
        "skipped_files": skipped,
        "verdict": {"status": report.status, "exit_code": int(report.exit_code)},
    }
    return json.dumps(_plain(whole), indent=1, ensure_ascii=True, allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    """Numbers as JSON has them: a non-finite one is null beside "non_finite", or text in a list."""
    if isinstance(value, Mapping):
        return _plain_object(value)
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_non_finite(v) if _is_non_finite(v) else _plain(v) for v in value]
    if isinstance(value, float):
        return float(f"{value:.12g}")
    return value


def _plain_object(value: Mapping[str, Any]) -> Object:
    plain: Object = {}
    for key, item in value.items():
        if _is_non_finite(item):
            plain[key] = None
            plain["non_finite"] = _non_finite(item)
        else:
            plain[key] = _plain(item)
    return plain


def _is_non_finite(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


def _non_finite(value: float) -> str:
    return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"


def _file(file: FileReport) -> Object:
    shared: Object = {
        "path": file.path,
        "error": None,
        "findings": [_finding(f) for f in file.findings],
    }
    if file.error is not None:
        error = {
            "code": file.error.code.value,
            "what": file.error.what,
            "remedy": file.error.remedy,
        }
        return {**shared, "error": error}
    result = file.result
    if result is None:
        return shared
    checkpoint = result.checkpoint
    return {
        **shared,
        "container": checkpoint.container,
        "size_bytes": checkpoint.size_bytes,
        "sha256": checkpoint.sha256,
        "layers": [_layer(item) for item in result.layers],
        "training_state": _training_state(result.training_state),
        "advice": _advice(file.advice),
        "unrecognised": [
            {"name": u.name, "shape": u.shape, "reason": u.reason}
            for u in result.recognition.unrecognised
        ],
        "skipped": [{"name": s.name, "reason": s.reason} for s in checkpoint.skipped],
        "would_import": checkpoint.would_import,
    }


def _layer(item: LayerResult) -> Object:
    layer = item.layer
    return {
        "name": layer.name,
        "layer": layer.layer,
        "direction": layer.direction,
        "cell": layer.cell,
        "activation": layer.activation,
        "input_size": layer.input_size,
        "hidden_size": layer.hidden_size,
        "projection_size": layer.projection_size,
        "bias": layer.bias_hh is not None or layer.bias_ih is not None,
        "dtype": layer.weight_hh.dtype,
        "assumptions": layer.assumptions,
        "not_measured": item.not_measured,
        "weights": _weights(item.weights),
        "spectrum": None if item.spectrum is None else _spectrum(item.spectrum),
        "trace": None if item.trace is None else _trace(item.trace),
    }


def _weights(health: WeightHealth) -> Object:
    return {
        "non_finite": health.non_finite,
        "zero_rows": health.zero_rows,
        "moved_from_init": health.moved_from_init,
        "gate_time_constants": {
            t.gate: {"median": t.median, "shortest": t.shortest, "longest": t.longest}
            for t in health.gate_time_constants
        },
    }


def _spectrum(spectrum: Spectrum) -> Object:
    state_map = spectrum.state_map
    push = spectrum.settling.after_push
    return {
        "blocks": [_block(block) for block in spectrum.blocks],
        "jacobian": _jacobian(spectrum.settling.jacobian),
        "after_perturbation": None if push is None else _jacobian(push),
        "henrici": state_map and state_map.henrici,
        "orthogonality_error": state_map and state_map.orthogonality_error,
        "transient_growth": state_map and state_map.transient_growth,
        "transient_growth_step": state_map and state_map.transient_growth_step,
        "transient_growth_scaled": None,
        "transient_growth_scaled_capped": None,
        "scaled_norm": None,
        "certified_contracting": state_map and state_map.certified_contracting,
        "eigenvalue_uncertainty": state_map and state_map.eigenvalue_uncertainty,
    }


def _block(block: BlockSpectrum) -> Object:
    return {
        "block": block.block,
        "spectral_norm": block.spectral_norm,
        "spectral_radius": block.spectral_radius,
        "gain": block.gain,
        "eigenvalues": None if block.eigenvalues is None else _pairs(block.eigenvalues),
    }


def _jacobian(jacobian: StepJacobian) -> Object:
    return {
        "at": jacobian.at,
        "stable": jacobian.stable,
        "spectral_radius": jacobian.spectral_radius,
        "spectral_norm": jacobian.spectral_norm,
        "eigenvalues": _pairs(jacobian.eigenvalues) if jacobian.at != "none" else None,
        "time_constant": jacobian.time_constant,
        "period": jacobian.period,
        "largest_state": jacobian.largest_state,
    }


def _pairs(values: np.ndarray) -> list[list[float]]:
    return [[float(value.real), float(value.imag)] for value in values]


def _trace(trace: LayerTrace) -> Object:
    return {
        "seq_len": trace.seq_len,
        "verdict": trace.verdict,
        "drives": [_drive(drive) for drive in trace.drives],
        "textbook_log10": trace.textbook_log10,
    }


def _drive(drive: DriveTrace) -> Object:
    decay, growth = drive.decay, drive.growth
    return {
        "drive": drive.drive,
        "source": drive.source,
        "deciding": drive.deciding,
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
        "worst_case_growth_log10": growth and growth.worst_case_log10,
        "lyapunov": growth and growth.lyapunov.exponents,
        "lyapunov_standard_error": growth and growth.lyapunov.standard_error,
        "overflow_step": drive.overflow_step,
        "dead_cells": drive.dead_cells,
        "saturated_gates": drive.saturated_gates,
        "parameter_gradient_share": drive.parameter_gradient_share,
    }


def _training_state(state: TrainingState | None) -> Object | None:
    if state is None:
        return None
    return {
        "optimizer": state.optimizer,
        "step": state.step,
        "epoch": state.epoch,
        "learning_rate": state.learning_rate,
        "loss_scale": state.loss_scale,
        "parameters": state.parameters,
        "gradient_rms_norm": state.gradient_rms_norm,
        "absent": state.absent,
        "non_finite_values": state.non_finite,
        "mapped": state.mapped,
        "not_mapped": state.not_mapped,
        "per_parameter": {p.name: p.rms for p in state.per_parameter},
        "caveats": state.caveats,
    }


def _advice(advice: Advice | None) -> Object | None:
    if advice is None:
        return None
    clipping, truncation = advice.clipping, advice.truncation
    setting = clipping.setting
    return {
        "clipping": {
            "max_norm": clipping.max_norm,
            "basis": clipping.basis,
            "range": clipping.reasonable_range,
            "reason": clipping.reason,
            "caveats": clipping.caveats,
            "setting": None if setting is None else {"name": setting[0], "value": setting[1]},
        },
        "truncation": {
            "status": truncation.status,
            "bias": truncation.bias,
            "lags": truncation.lags,
            "window": truncation.window,
            "chunk": truncation.chunk,
            "layer": truncation.layer,
            "drive": truncation.drive,
        },
        "changes": [],
        "snippets": advice.snippets,
    }


def _finding(finding: Finding) -> Object:
    return {
        "code": finding.code,
        "severity": finding.severity,
        "layer": finding.layer,
        "message": finding.message,
        "remedy": finding.remedy,
        "evidence": finding.evidence,
    }
