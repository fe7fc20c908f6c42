"""Trained checkpoints of other people: exactly the layers that their manifest lists."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rnndiag.containers import read
from rnndiag.errors import RnndiagError
from rnndiag.recognise import explain_absence, recognise
from rnndiag.recognise.lookalikes import NUMBERED

FOLDER = Path(__file__).parents[3] / "shared" / "checkpoints"


def manifest():
    if not (FOLDER / "MANIFEST.json").is_file():
        return []
    return json.loads((FOLDER / "MANIFEST.json").read_text())


ENTRIES = manifest()
MISSING = pytest.param(
    None, marks=pytest.mark.skip("../shared/checkpoints with real files is not here")
)
FILES = [pytest.param(entry, id=entry["file"]) for entry in ENTRIES] or [MISSING]


def listed(entry):
    """The recurrent layers of the manifest that PyTorch's own names give away."""
    return [layer for layer in entry["recurrent"] if layer.get("kind") in {"layer", "cell"}]


@pytest.mark.parametrize("entry", FILES)
def test_exactly_the_layers_of_the_manifest(entry):
    found = recognise(read(str(FOLDER / entry["file"])))
    layers = [layer for module in found.modules for layer in module.flat]
    assert {
        (
            layer.keys[0],
            layer.weight_hh.shape,
            layer.cell,
            layer.layer,
            layer.direction == "reverse",
            layer.hidden_size,
            layer.input_size,
            layer.bias_ih is not None,
        )
        for layer in layers
    } == {
        (
            layer["name"],
            tuple(layer["shape"]),
            layer["cell"].lower(),
            layer["layer"],
            layer["reverse"],
            layer["hidden"],
            layer["input"],
            layer["bias"],
        )
        for layer in listed(entry)
    }
    assert len(layers) == len(listed(entry))


@pytest.mark.parametrize("entry", FILES)
def test_other_recurrences_are_unrecognised_and_nothing_else_is(entry):
    found = recognise(read(str(FOLDER / entry["file"])))
    others = [layer for layer in entry["recurrent"] if layer not in listed(entry)]
    # Layers of one network are one entry, and their names differ in numbers and directions.
    assert bool(found.unrecognised) == bool(others)
    assert len(found.unrecognised) <= len(others)
    assert all(each.certain for each in found.unrecognised)
    for layer in others:
        # The manifest writes "rnn.m,rnn.n (…)" and "transition.{n,m,AW}: …" for factors.
        module = NUMBERED.sub("", layer["name"].split(",")[0].split("{")[0].rsplit(".", 1)[0])
        assert any(module in f"{NUMBERED.sub('', each.name)}." for each in found.unrecognised)


WORDS = {
    "projected LSTM": "a projected LSTM in AllenNLP's layout",
    "low-rank": "a low-rank recurrence",
    "Linear on cat": "the input and the hidden state side by side",
    "RWKV": "RWKV-7 time mixing",
    "S4": "an S4 layer",
}
"""What the manifest calls a recurrence, and what the reason has to call it."""


def test_other_recurrences_are_called_what_they_are(shared):
    seen = set()
    for entry in ENTRIES:
        for layer in entry["recurrent"]:
            for kind, words in WORDS.items():
                if layer not in listed(entry) and kind in layer["cell"]:
                    found = recognise(read(str(shared / "checkpoints" / entry["file"])))
                    assert all(words in each.reason for each in found.unrecognised)
                    seen.add(kind)
    assert seen == set(WORDS)


@pytest.mark.parametrize("entry", FILES)
def test_a_file_without_layers_says_what_it_holds(entry):
    described = read(str(FOLDER / entry["file"]))
    found = recognise(described)
    if found.modules:
        return
    error = explain_absence(described, found)
    assert isinstance(error, RnndiagError)
    assert "\n" not in str(error)
    assert len(str(error)) < 1000


@pytest.mark.parametrize("entry", FILES)
def test_candidates_are_tensors_of_the_file_and_no_recurrent_weights(entry):
    described = read(str(FOLDER / entry["file"]))
    found = recognise(described)
    own = {key for module in found.modules for layer in module.flat for key in layer.keys}
    candidates = {*found.embedding_candidates, *found.readout_candidates}
    assert candidates <= set(described.tensors)
    assert candidates.isdisjoint(own)
    assert not any("exp_avg" in name for name in candidates)
