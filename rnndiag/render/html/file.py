"""The section of one file, in the order in which it is read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rnndiag.analysis import FileResult, LayerResult
from rnndiag.render.html import advising, findings, layer, layers, unchecked, verdict
from rnndiag.render.html.element import Child, Element, element
from rnndiag.render.html.sampling import Sampling
from rnndiag.report import FileReport, Report


def show(report: Report, sampling: Sampling, place: int) -> Element:
    """Verdict, findings, layers, pictures, advice, and what was not checked; or the error."""
    file = report.files[place]
    body = _error(file) if file.result is None else _body(report, file.result, sampling, place)
    return element("section", body, class_="file", id=f"file-{place}", data_file=place)


def _error(file: FileReport) -> Iterator[Child]:
    yield element("h2", file.path, " ", verdict.worst(file))
    if file.error is not None:
        yield element("p", element("strong", file.error.code.value), f" {file.error.what}")
        yield element("p", element("b", "What to do: "), file.error.remedy, class_="remedy")


def _body(report: Report, result: FileResult, sampling: Sampling, place: int) -> Iterator[Child]:
    file = report.files[place]
    checkpoint = result.checkpoint
    yield element("h2", file.path, " ", verdict.worst(file))
    about = f"{checkpoint.container}, {checkpoint.size_bytes:,} bytes"
    yield element("p", about, class_="quiet")
    if file.findings:
        yield element("p", verdict.counts(file), class_="chips")
    yield _part("Verdict", verdict.show(report, file, result))
    yield _part("Findings", findings.show(file))
    yield _part("Layers", layers.show(result))
    yield _part("Spectrum and gradient", _pictures(file, result, sampling, place))
    if file.advice is not None:
        yield _part("Advice", advising.show(file.advice))
    yield _part("Not checked", unchecked.show(file, result))


def _part(title: str, body: Iterable[Child]) -> Element:
    return element("section", element("h3", title), body, class_="part")


def _pictures(
    file: FileReport, result: FileResult, sampling: Sampling, place: int
) -> Iterator[Child]:
    """Every layer, one after the other; the script shows one at a time, first a measured one."""
    items = result.layers
    first = next((n for n, item in enumerate(items) if item.trace is not None), 0)
    if len(items) > 1:
        options = [
            element("option", _named(item), value=number, selected=number == first)
            for number, item in enumerate(items)
        ]
        everything = element("option", f"all {len(items)} layers", value="all")
        choice = element("select", options, everything, class_="layers", autocomplete="off")
        yield element("label", "Layer ", choice, class_="switch", hidden=True)
    for number, item in enumerate(items):
        yield layer.show(item, sampling, place, number, file.limits)


def _named(item: LayerResult) -> str:
    word = "no verdict" if item.trace is None else item.trace.verdict
    return f"{item.layer.label} ({word})"
