"""The machine's format: every measured number, twelve significant digits, keys as promised."""

from __future__ import annotations

import io
import json

from rnndiag._version import __version__
from rnndiag.analysis import LayerResult
from rnndiag.baseline import Comparison
from rnndiag.measure.training_scale import TrainingScale
from rnndiag.measure.weights import WeightHealth
from rnndiag.recognise.lengths import SequenceLength
from rnndiag.render.base import Screen
from rnndiag.render.json import advice, comparison, spectrum, trace, training
from rnndiag.render.json.plain import Object, plain
from rnndiag.report import FileReport, Report
from rnndiag.rules import Finding, Standing

SCHEMA_VERSION = "1.0"
"""Promised keys whose measures do not exist yet are there and null."""


def render(report: Report, _: Screen) -> str:
    """The whole report as one JSON object, the same bytes for the same report."""
    skipped = [
        {"path": s.name, "reason": s.reason, "code": s.code.value} for s in report.skipped_files
    ]
    whole = {
        "schema_version": SCHEMA_VERSION,
        "tool": {"name": "rnndiag", "version": __version__},
        "command": report.command,
        "settings": report.settings,
        "files": report.files,
        "comparison": [comparison.show(layer) for layer in report.comparison],
        "skipped_files": skipped,
        "baseline": None if report.baseline is None else _baseline(report.baseline),
        "verdict": {"status": report.status, "exit_code": int(report.exit_code)},
    }
    encoder = json.JSONEncoder(indent=1, allow_nan=False, default=_shown)
    # Piece by piece, each file's numbers when their turn comes: of a thousand files, all as lists
    # and text pieces at once take several times the memory of the text.
    text = io.StringIO()
    text.writelines(encoder.iterencode(plain(whole)))
    text.write("\n")
    return text.getvalue()


def _shown(file: FileReport) -> Object:
    """What the encoder asks for what it does not know, which here are files alone."""
    made: Object = plain(_file(file))
    return made


def _file(file: FileReport) -> Object:
    shared: Object = {
        "path": file.path,
        "error": None,
        "findings": [_finding(f) for f in file.findings],
        "judged": file.judged,
        "not_applicable": [
            {"code": n.code, "reason": n.reason, "unchecked": n.unchecked}
            for n in file.not_applicable
        ],
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
        "layers": [_layer(item, result.length) for item in result.layers],
        "training_state": training.show(result.training_state),
        "advice": advice.show(file.advice),
        "unrecognised": [
            {"name": u.name, "shape": u.shape, "reason": u.reason, "certain": u.certain}
            for u in result.recognition.unrecognised
        ],
        "skipped": [{"name": s.name, "reason": s.reason} for s in checkpoint.skipped],
        "would_import": checkpoint.would_import,
        "notes": checkpoint.notes,
    }


def _layer(item: LayerResult, length: SequenceLength | None) -> Object:
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
        "in_training": item.in_training and _in_training(item.in_training),
        "spectrum": None if item.spectrum is None else spectrum.show(item.spectrum),
        "trace": None if item.trace is None else trace.show(item.trace, length),
    }


def _in_training(scale: TrainingScale) -> Object:
    return {"input_rms": scale.inputs, "hidden_rms": scale.hidden, "source": scale.said_by}


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


def _finding(finding: Finding) -> Object:
    return {
        "code": finding.code,
        "severity": finding.severity,
        "layer": finding.layer,
        "message": finding.message,
        "remedy": finding.remedy,
        "evidence": finding.evidence,
        "baseline": None if finding.standing is None else _standing(finding, finding.standing),
    }


def _standing(finding: Finding, standing: Standing) -> Object:
    return {
        "state": standing.state,
        "measure": None if finding.degree is None else finding.degree.key,
        "accepted_value": standing.accepted_value,
    }


def _baseline(comparison: Comparison) -> Object:
    return {
        "path": comparison.path,
        "tolerance": comparison.tolerance,
        "stale": [{"path": s.path, "layer": s.layer, "code": s.code} for s in comparison.stale],
        "not_checked": comparison.not_checked,
    }
