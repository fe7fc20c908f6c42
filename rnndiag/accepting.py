"""From reports of files and a baseline to what is new, accepted, worse or no longer there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rnndiag.baseline import Accepted, Baseline, Comparison, Key, Stale
from rnndiag.paths import shown_path
from rnndiag.report import FileReport
from rnndiag.rules import Finding, Standing


def baseline_of(files: Sequence[FileReport], path: str) -> Baseline:
    """All findings of these files as accepted, to be written to `path`."""
    empty = Baseline(path)
    entries = {
        _key(empty, file, finding): _as_it_is(finding)
        for file in files
        for finding in file.findings
    }
    return Baseline(path, entries)


def accept(
    files: Sequence[FileReport], baseline: Baseline, tolerance: float, some_layers: bool = False
) -> tuple[tuple[FileReport, ...], Comparison]:
    """Say of every finding how it stands, and which entries are stale.

    An entry is stale only if its rule looked for it: not where its file was not checked, could not
    be read, or was not judged by that rule. `some_layers` says that only layers with results were
    looked at. What gives no verdict (RD0xx) is no finding, and never accepted.
    """
    marked = tuple(_marked(file, baseline, tolerance) for file in files)
    checked = {baseline.relative(file.path): file for file in files}
    stale: list[Stale] = []
    not_checked = 0
    for key in sorted(baseline.entries):
        file = checked.get(key.path)
        if file is None or not _looked_for(file, key, some_layers):
            not_checked += 1
        elif not any((found.layer, found.code) == key[1:] for found in file.findings):
            stale.append(Stale(file.path, key.layer, key.code))
    return marked, Comparison(shown_path(baseline.path), tolerance, tuple(stale), not_checked)


def _key(baseline: Baseline, file: FileReport, finding: Finding) -> Key:
    return Key(baseline.relative(file.path), finding.layer, finding.code)


def _as_it_is(finding: Finding) -> Accepted:
    degree = finding.degree
    return Accepted() if degree is None else Accepted(degree.key, finding.value)


def _looked_for(file: FileReport, key: Key, some_layers: bool) -> bool:
    if key.code not in file.judged:
        return False
    layers = file.result.layers if file.result is not None else ()
    return not some_layers or any(item.layer.label == key.layer for item in layers)


def _marked(file: FileReport, baseline: Baseline, tolerance: float) -> FileReport:
    findings = tuple(
        _standing(finding, baseline.entries.get(_key(baseline, file, finding)), tolerance)
        for finding in file.findings
    )
    return replace(file, findings=findings)


def _standing(finding: Finding, accepted: Accepted | None, tolerance: float) -> Finding:
    if accepted is None:
        return replace(finding, standing=Standing("new"))
    if accepted.covers(finding, tolerance):
        return replace(finding, standing=Standing("accepted", accepted.value))
    message = f"{finding.message}, worse than accepted: {_worse(finding, accepted)}"
    return replace(finding, message=message, standing=Standing("worse", accepted.value))


def _worse(finding: Finding, accepted: Accepted) -> str:
    """How much worse, in the evidence's own words."""
    degree, now = finding.degree, finding.value
    if degree is None or degree.key != accepted.measure or None in (now, accepted.value):
        return "the baseline has nothing to compare it with"
    measure = degree.key.replace("_", " ")
    return f"{measure} is {now:.4g}, was {accepted.value:.4g}"
