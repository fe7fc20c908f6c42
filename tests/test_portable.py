"""What of a file's report goes from process to process, and what is kept of thousands."""

from __future__ import annotations

import pickle
from dataclasses import replace

import pytest
from cli.command import FIXTURES
from render.reports import HOSTILE, measured, named

from rnndiag.portable import portable
from rnndiag.render import FORMATS, Screen, renderer
from rnndiag.report import Report

FULL = FIXTURES / "char_rnn.pt"


@pytest.mark.parametrize("measures", [True, False])
def test_it_survives_pickling(tmp_path, measures):
    for path in (FULL, named(tmp_path / "m.pt", HOSTILE), tmp_path / "missing.pt"):
        file = portable(measured(path), measures)
        again = pickle.loads(pickle.dumps(file))
        assert (again.path, again.findings) == (file.path, file.findings)
        assert repr(again.error) == repr(file.error)


@pytest.mark.parametrize("name", ["table", "concise", "json", "sarif", "github", "junit"])
def test_a_gate_looks_the_same_with_what_is_kept_for_its_format(name):
    for path in (FULL, FIXTURES / "exploding_rnn.pt"):
        file = measured(path, seq_len=200)
        kept = pickle.loads(pickle.dumps(portable(file, FORMATS[name].measures)))
        shown = [
            renderer(name)(Report("check", {}, (one,), (), "error"), Screen())
            for one in (file, kept)
        ]
        assert shown[0] == shown[1]


def test_without_measures_it_is_small():
    """Some kilobytes, and no more of them for longer sequences: thousands are kept at once."""
    sizes = [
        len(
            pickle.dumps(
                portable(replace(measured(FULL, seq_len=n), findings=(), advice=None), False)
            )
        )
        for n in (30, 300)
    ]
    assert sizes[0] == pytest.approx(sizes[1], abs=20)
    assert sizes[0] < 5000


def test_values_are_gone():
    layer = portable(measured(FULL), measures=True).result.layers[0].layer
    assert layer.hidden_size == 48
    with pytest.raises(ValueError, match="left in the process"):
        layer.weight_hh.load()
