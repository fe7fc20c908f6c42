"""What comes first: the verdict of every layer in one sentence, and what a gate would say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rnndiag.analysis import FileResult, LayerResult
from rnndiag.escape import printable
from rnndiag.readings.basis import basis
from rnndiag.readings.length import read_length
from rnndiag.readings.trace import read_trace
from rnndiag.readings.words import counted
from rnndiag.render.html.element import Child, Element, element
from rnndiag.render.html.parts import SHOWN, chip, prose
from rnndiag.render.shared.trace import setting
from rnndiag.report import FileReport, Report
from rnndiag.rules.base import SEVERITIES

ORDER = ("exploding", "unsure", "growing", "mixed", "vanishing", "stable")
"""From what needs attention to what needs none."""

SPELLED_OUT = 4
"""Layers that get a sentence each; more of them are named under their common verdict."""


def worst(file: FileReport) -> Element:
    """The verdict that stands for a file: that of the layer that needs most attention."""
    layers = file.result.layers if file.result is not None else ()
    found = {item.trace.verdict for item in layers if item.trace is not None}
    word = next((word for word in ORDER if word in found), None)
    return chip("no verdict", "none") if word is None else chip(word)


def counts(file: FileReport) -> list[Element]:
    """How many findings of each severity, the serious ones first."""
    numbers = [(s, sum(f.severity == s for f in file.findings)) for s in reversed(SEVERITIES)]
    return [chip(counted(number, severity), severity) for severity, number in numbers if number]


def show(report: Report, file: FileReport, result: FileResult) -> Iterator[Child]:
    """Layers by verdict, what was traced, and the findings in one line."""
    traced = [item for item in result.layers if item.trace is not None]
    said = map(_layer, traced) if len(traced) <= SPELLED_OUT else _grouped(traced)
    yield element("ul", _untraced(result), said, class_="verdicts")
    steps = [f"Traced: the {setting(result)}.", *map(printable, read_length(result))]
    traced_steps = f"{' '.join(steps)} " if traced else ""
    yield element("p", f"{traced_steps}{_gate(report, file, result)}", class_="quiet")


def _layer(item: LayerResult) -> Element | None:
    if item.trace is None:
        return None
    first, *others = read_trace(item.trace)
    under = next((one for one in others if one.startswith("Under ")), "")
    name = element("code", item.layer.label)
    stands = element("small", basis(item.trace))
    said = element("p", *prose(first), " ", under)
    return element("li", chip(item.trace.verdict), " ", name, " ", stands, said)


def _untraced(result: FileResult) -> Iterator[Element]:
    """Layers without a verdict come first: no news of them is no good news."""
    layers: dict[str, list[str]] = {}
    for item in result.layers:
        if item.trace is None:
            layers.setdefault(item.not_measured or "it was not traced", []).append(item.layer.label)
    for reason, names in layers.items():
        words = f"Not measured: {reason}."
        yield element("li", chip("no verdict", "none"), _named(names), element("p", words))


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f" {counted(len(names), 'layer')}: {', '.join(names[:SHOWN])}{more}"


def _grouped(traced: Sequence[LayerResult]) -> Iterator[Element]:
    """One entry a sentence, with the layers that it is true of."""
    layers: dict[tuple[str, str], list[str]] = {}
    for item in traced:
        if item.trace is not None:
            key = (item.trace.verdict, read_trace(item.trace)[0])
            layers.setdefault(key, []).append(item.layer.label)
    for word, sentence in sorted(layers, key=lambda key: ORDER.index(key[0])):
        named = _named(layers[word, sentence])
        yield element("li", chip(word), named, element("p", sentence))


def _gate(report: Report, file: FileReport, result: FileResult) -> str:
    """Whether what was found stops a build: with --fail-on as it was given, else with either."""
    if not result.layers:
        return "rnndiag check gives no verdict on this file: nothing recurrent in it was measured."
    known = report.baseline is not None
    these = f"On these findings{' and what the baseline accepts' if known else ''}, rnndiag check"
    unless = "" if known else ", unless a baseline accepts them"
    given = report.fail_on
    stops = {
        limit: any(report.counts(finding, limit) for finding in file.findings)
        for limit in ("error", "warning")
    }
    if given == "never" and stops["error"] != stops["warning"]:
        return (
            f"{these} would pass with --fail-on error, its default, and fail with warning{unless}."
        )
    fails = stops["error" if given == "never" else given]
    limits = "error or warning" if given == "never" else given
    ends = f"fail with --fail-on {limits}{unless}" if fails else f"pass with --fail-on {limits}"
    return f"{these} would {ends}."
