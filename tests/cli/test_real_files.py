"""Trained checkpoints of other people, end to end: layers, norms, a verdict and advice."""

from __future__ import annotations

import json

import pytest
from cli.command import ROOT

from rnndiag.advice import AdviceRequest
from rnndiag.analysis import Request
from rnndiag.errors import InputCode
from rnndiag.render import FORMATS, Screen, renderer
from rnndiag.report import Report, report_file
from rnndiag.tracing import TraceRequest

FOLDER = ROOT.parent / "shared" / "checkpoints"
VERDICTS = {"exploding", "growing", "stable", "vanishing", "mixed"}
AT_FULL_LENGTH = {"rescue-xbt__rnn.pt", "crowdnav-gst__epoch_100.pt"}


def entries():
    path = FOLDER / "MANIFEST.json"
    manifest = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
    missing = pytest.mark.skip("../shared/checkpoints with real files is not here")
    return [pytest.param(e, id=e["file"]) for e in manifest] or [pytest.param(None, marks=missing)]


def own_layers(entry):
    return [layer for layer in entry["recurrent"] if layer.get("kind") in {"layer", "cell"}]


def reasons(entry):
    """The only error that this file may give: every format among them is read."""
    return set() if own_layers(entry) else {InputCode.NO_RECURRENT_WEIGHTS}


@pytest.mark.parametrize("entry", entries())
def test_every_real_file(entry):
    full = entry["file"] in AT_FULL_LENGTH
    trace = TraceRequest() if full else TraceRequest(seq_len=50, batch=2)
    request = Request(spectrum=True, trace=trace)
    file = report_file(
        str(FOLDER / entry["file"]), request, AdviceRequest(), shown_as=entry["file"]
    )
    if file.error is not None:
        assert file.error.code in reasons(entry)
        assert file.result is None
    else:
        check_layers(file, own_layers(entry))
        assert file.advice.clipping.max_norm > 0
        assert file.advice.truncation.status != "nothing-traced"
    check_texts(file)


def check_layers(file, listed):
    assert listed
    found = {item.layer.keys[0]: item for item in file.result.layers}
    assert set(found) == {layer["name"] for layer in listed}
    for layer in listed:
        item = found[layer["name"]]
        blocks = item.spectrum.blocks
        assert item.layer.cell == layer["cell"].lower()
        # The manifest has four digits.
        assert [b.spectral_norm for b in blocks] == pytest.approx(layer["norm2"], rel=1e-3)
        assert [b.spectral_radius for b in blocks] == pytest.approx(layer["radius"], rel=1e-3)
        assert item.trace.verdict in VERDICTS
        assert item.not_measured is None


def check_texts(file):
    """Every command and format shows it, without this machine's folders."""
    for command in ("suggest", "spectrum", "bptt-trace", "check", "inspect"):
        report = Report(command, {}, (file,))
        for name in FORMATS if command == "suggest" else ("table", "concise", "markdown"):
            text = renderer(name)(report, Screen(80))
            assert str(FOLDER) not in text
            if name == "json":
                assert json.loads(text)["files"][0]["path"] == file.path
