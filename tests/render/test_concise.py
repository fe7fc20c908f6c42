"""The pipe's format: one line a layer or finding, whole, harmless."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from render.reports import (
    ALL,
    COMMANDS,
    HOSTILE,
    NASTY,
    baseline_report,
    fixture_file,
    fixture_report,
    measured,
    named,
)
from torch import nn

from rnndiag.escape import printable
from rnndiag.render import Screen, renderer
from rnndiag.report import FileReport, Report, SkippedFile

render = renderer("concise")


def measures_alone(file: FileReport) -> FileReport:
    return replace(file, advice=None, findings=())


@pytest.mark.parametrize(("command", "name"), ALL)
def test_every_line_begins_with_the_file(command, name):
    lines = render(fixture_report(command, name), Screen(20)).splitlines()
    if command == "check":
        assert re.fullmatch(r"clean: files 1, errors 0, warnings \d+, .*", lines.pop())
    assert all(line.startswith(f"{name}:") for line in lines)


@pytest.mark.parametrize("command", ["inspect", "spectrum", "bptt-trace"])
def test_one_line_for_each_layer(tmp_path, command):
    path = named(tmp_path / "m.pt", "x", nn.LSTM(3, 4, num_layers=3, bidirectional=True))
    lines = render(Report(command, {}, (measures_alone(measured(path)),)), Screen(20)).splitlines()
    labels = [line.split(":")[1] for line in lines]
    assert labels == [f"x/{n}/{side}" for n in range(3) for side in ("forward", "reverse")]


def test_fields_are_key_and_value_and_agree_with_the_result():
    report = Report("bptt-trace", {}, (measures_alone(fixture_file("char_rnn.pt")),))
    (item,) = report.files[0].result.layers
    _, _, rest = render(report, Screen()).partition(": ")
    fields = dict(field.split("=") for field in rest.split())
    assert fields["cell"] == "rnn-tanh"
    assert fields["verdict"] == item.trace.verdict
    assert float(fields["norm_hh"]) == pytest.approx(item.spectrum.blocks[0].spectral_norm, 1e-5)
    state_map, (zero, normal) = item.spectrum.state_map, item.spectrum.along
    for key, value in (
        ("henrici", state_map.henrici),
        ("scaled_norm", state_map.scaled_norm.value),
        ("transient_growth_scaled", state_map.scaled_powers.growth),
        ("rate_zero", zero.rate),
        ("rate_normal", normal.rate),
    ):
        assert float(fields[key]) == pytest.approx(value, rel=1e-5)
    assert fields["certified_contracting"] == "false"


def test_a_finding_is_one_line_with_code_and_severity():
    file = measured("fixtures/exploding_rnn.pt", seq_len=200)
    line, *others = render(Report("check", {}, (file,)), Screen(20)).splitlines()[:-1]
    assert len(others) == len(file.findings) - 1
    finding = file.findings[0]
    assert line == (
        f"exploding_rnn.pt:{finding.layer}: RD301 error {finding.message}; {finding.remedy}"
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_hostile_names_are_harmless(tmp_path, command):
    file = measured(named(tmp_path / "m.pt", HOSTILE), f"{HOSTILE}.pt")
    skipped = (SkippedFile(f"{HOSTILE}.txt", f"reason {HOSTILE}"),)
    text = render(Report(command, {}, (file,), skipped), Screen())
    check_harmless(text)
    assert f"{printable(HOSTILE)}.pt:" in text
    assert len(text.splitlines()) == text.count("\n")
    assert text.count("\n") <= len(file.findings) + 5


def check_harmless(text: str) -> None:
    assert all(c.isprintable() or c == "\n" for c in text)
    assert "::" not in text
    assert "##[" not in text


def test_long_names_are_never_cut(tmp_path):
    prefix = ".".join(["encoder"] * 60)
    file = measures_alone(measured(named(tmp_path / "m.pt", prefix)))
    text = render(Report("spectrum", {}, (file,)), Screen(40))
    assert prefix in text
    assert text.count("\n") == 1


def test_escaping_changes_nothing_twice():
    assert printable(printable(HOSTILE)) == printable(HOSTILE)
    assert printable("encoder.lstm/0/forward") == "encoder.lstm/0/forward"
    assert printable("Größe") == "Größe"
    assert printable("a\udcff") == "a\\udcff"


def test_what_a_baseline_accepts_is_neither_error_nor_warning():
    lines = render(baseline_report(), Screen()).splitlines()
    grades = [line.split(": ")[1].split()[:2] for line in lines[:5]]
    assert grades == [
        ["RD301", "error"],
        ["RD304", "accepted"],
        ["RD102", "warning"],
        ["RD302", "accepted"],
        ["RD402", "accepted"],
    ]
    assert ", worse than accepted: lag of growth is" in lines[0]
    assert lines[5].startswith("exploding_rnn.pt:base.json/0/forward: RD103 stale: base.json")
    assert lines[-1] == (
        "no-verdict: files 2, errors 1, warnings 1, notes 0, unreadable 1, skipped 0, "
        "accepted 3, stale 1"
    )
    assert "accepted" not in render(fixture_report("check"), Screen())


@pytest.mark.parametrize("name", NASTY)
def test_a_baselines_names_are_harmless(name):
    text = render(baseline_report(name), Screen())
    assert all(c.isprintable() or c == "\n" for c in text)
    assert len(text.splitlines()) == 9
