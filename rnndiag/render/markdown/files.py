"""What a comment says of one file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rnndiag.analysis import FileResult, LayerResult
from rnndiag.readings.length import length_phrase, read_length
from rnndiag.readings.spectrum import read_spectrum
from rnndiag.readings.trace import read_trace
from rnndiag.readings.words import counted
from rnndiag.render import concise
from rnndiag.render.markdown.escape import code, fenced, text
from rnndiag.render.markdown.parts import bullets, details, table
from rnndiag.report import FileReport, Report

SIDE_BY_SIDE = 4
"""Layers that stand beside one another; more of them stand below one another."""


def show(report: Report, file: FileReport) -> str:
    """Layers, what they mean, remedies, and code to paste; open where there is one file alone."""
    result = file.result
    if result is None:
        return ""
    title = f"{code(file.path)}: {counted(len(result.layers), 'layer')}"
    if file.findings:
        title += f", {counted(len(file.findings), 'finding')}"
    if result.length is not None:
        title += f", {code(length_phrase(result))}"
    return details(title, _body(report, file, result), is_open=report.command != "check")


def _body(report: Report, file: FileReport, result: FileResult) -> Iterator[str]:
    yield _layers(result.layers, with_health=report.command == "inspect")
    if report.command != "check":
        yield bullets(read_length(result))
    yield bullets(_remedies(file))
    if report.command == "inspect":
        yield bullets(concise.training(result))
    for item in result.layers if len(result.layers) <= SIDE_BY_SIDE else ():
        readings = [*_readings(report, file, item)]
        if readings:
            yield f"**{code(item.layer.label)}**"
            yield bullets(readings)
    if file.advice is not None:
        yield bullets(concise.advice(file))
        yield fenced(file.advice.snippets["torch"], "python")


def _layers(layers: Sequence[LayerResult], with_health: bool) -> str:
    """A column for each of a few layers, a row for each of many."""
    fields = [_fields(item, with_health) for item in layers]
    keys = list(dict.fromkeys(key for of_layer in fields for key in of_layer))
    cells = [[text(of_layer.get(key, "-")) for key in keys] for of_layer in fields]
    names = [code(item.layer.label) for item in layers]
    heads = [text(key) for key in keys]
    if not layers:
        return ""
    columns = zip(*cells, strict=True)
    if len(layers) > SIDE_BY_SIDE:
        return table(["layer", *heads], [[n, *row] for n, row in zip(names, cells, strict=True)])
    return table(["", *names], [[head, *row] for head, row in zip(heads, columns, strict=True)])


def _fields(item: LayerResult, with_health: bool) -> dict[str, str]:
    """As in concise text; what is said several times stands in one cell."""
    found: dict[str, str] = {}
    for key, value in (*concise.fields(item), *(concise.health(item) if with_health else ())):
        found[key] = f"{found[key]}; {value}" if key in found else value
    return found


def _remedies(file: FileReport) -> Iterator[str]:
    for finding in (found for found in file.findings if not found.accepted):
        yield f"{finding.code} in {finding.layer}: {finding.remedy}"


def _readings(report: Report, file: FileReport, item: LayerResult) -> Iterator[str]:
    if item.spectrum is not None and report.command == "spectrum":
        yield from read_spectrum(item.layer, item.spectrum, file.limits)
    if item.trace is not None and report.command == "bptt-trace":
        yield from read_trace(item.trace)
