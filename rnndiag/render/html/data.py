"""The numbers in the page: the JSON of the same report, its longest lists thinned out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from rnndiag.render.base import Screen
from rnndiag.render.html.sampling import Sampling
from rnndiag.render.json import render as whole_json
from rnndiag.render.json.plain import Object
from rnndiag.report import Report

CURVES = ("lags", "log10_gradient_norm", "log10_cell_gradient_norm", "log10_p05", "log10_p95")
UNSHOWN = ("parameter_gradient_share", "loss_gradient")
"""Of a drive: long, and said in a sentence."""


def page_data(report: Report, sampling: Sampling) -> Object:
    """What `--format json` says, without what the page does not show of curves and spectra."""
    whole: Object = json.loads(whole_json(report, Screen()))
    for file, shown in zip(report.files, whole["files"], strict=True):
        items = file.result.layers if file.result is not None else ()
        for item, layer in zip(items, shown.get("layers", ()), strict=True):
            if layer["trace"] is not None:
                _thin_trace(layer["trace"], sampling.lags(item))
            if layer["spectrum"] is not None:
                _thin_spectrum(layer["spectrum"], sampling.points)
        if shown.get("advice"):
            del shown["advice"]["truncation"]["curve"]
    return whole


def _thin_trace(trace: Object, lags: Sequence[int]) -> None:
    for drive in trace["drives"]:
        for key in CURVES:
            drive[key] = _at(drive[key], lags)
        for key in UNSHOWN:
            del drive[key]
    trace["textbook_log10"] = _at(trace["textbook_log10"], lags)


def _thin_spectrum(spectrum: Object, points: int) -> None:
    for matrix in (*spectrum["blocks"], spectrum["jacobian"], spectrum["after_perturbation"]):
        if matrix is not None and matrix["eigenvalues"] is not None:
            matrix["eigenvalues"] = matrix["eigenvalues"][:points]


def _at(curve: list[Any] | None, lags: Sequence[int]) -> list[Any] | None:
    return None if curve is None else [curve[lag] for lag in lags if lag < len(curve)]


def script_safe(value: Object) -> str:
    r"""JSON in which no character means anything to an HTML or JavaScript parser.

    >>> script_safe({"name": "</script><!--"})
    '{"name":"\\u003c/script\\u003e\\u003c!--"}'
    """
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text
