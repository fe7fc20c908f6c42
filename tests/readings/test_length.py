"""Whose a sequence's length is, in words, and what to do about one that is assumed."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from rnndiag.analysis import Request, analyse
from rnndiag.containers import read
from rnndiag.readings.length import advise_lengths, length_phrase, read_length
from rnndiag.recognise.lengths import SequenceLength
from rnndiag.tracing import TraceRequest


@pytest.fixture
def result(tmp_path):
    """Of a small network with these settings, traced with these options."""

    def measure(settings=None, **options):
        torch.manual_seed(0)
        torch.save({"m": nn.RNN(2, 3).state_dict(), "hyper": settings}, tmp_path / "model.pt")
        request = Request(trace=TraceRequest(batch=1, **options))
        return analyse(read(str(tmp_path / "model.pt")), request)

    return measure


def test_the_phrase_says_the_steps_and_whose_they_are(result, tmp_path):
    assert length_phrase(result(seq_len=100)) == "100 steps (given)"
    assert length_phrase(result(seq_len=1)) == "1 step (given)"
    assert length_phrase(result({"bptt": 35})) == "35 steps (file: hyper.bptt)"
    assert length_phrase(result()) == "200 steps (assumed)"
    assert length_phrase(result(memory=300)) == "300 steps (given by --memory)"
    (tmp_path / "config.yml").write_text("seq_length: 50\n")
    assert length_phrase(result()) == "50 steps (config.yml: seq_length)"
    # What the file itself says is nearer.
    assert length_phrase(result({"bptt": 35})) == "35 steps (file: hyper.bptt)"
    # Where it contradicts itself, a neighbour does not decide.
    assert length_phrase(result({"bptt": 35, "seq_len": 40})) == "200 steps (assumed)"
    # Where what it says cannot be, one does.
    assert length_phrase(result({"seq_len": 1})) == "50 steps (config.yml: seq_length)"


def test_nothing_traced_has_no_length(tmp_path):
    torch.save(nn.RNN(2, 3).state_dict(), tmp_path / "model.pt")
    found = analyse(read(str(tmp_path / "model.pt")), Request())
    assert length_phrase(found) == ""
    assert list(read_length(found)) == []


def test_the_first_thing_said_of_an_assumed_length_is_how_to_give_it(result, tmp_path):
    first, *more = read_length(result({"n_steps": 512, "seq_len": 1}))
    assert first.endswith("give yours with --seq-len.")
    assert [sentence[:24] for sentence in more] == [
        "file: hyper.seq_len = 1 ",
        "file: hyper.n_steps = 51",
    ]
    assert list(read_length(result(seq_len=100))) == []
    assert list(read_length(result({"seq_len": 100}))) == []


@pytest.mark.parametrize(("steps", "is_short"), [(2, True), (19, True), (20, False)])
def test_a_short_length_is_said_to_be_too_short_for_a_rate(result, steps, is_short):
    for found in (result({"seq_len": steps}), result(seq_len=steps)):
        said = f"{steps} steps are too few for a growth rate: what is said here is what happens"
        assert any(sentence.startswith(said) for sentence in read_length(found)) == is_short


def test_the_nearer_configuration_goes_first(result, tmp_path):
    (tmp_path / "checkpoints").mkdir()
    path = tmp_path / "checkpoints" / "model.pt"
    result()
    (tmp_path / "model.pt").rename(path)
    (tmp_path / "config.yml").write_text("seq_length: 50\n")

    def phrase():
        return length_phrase(analyse(read(str(path)), Request(trace=TraceRequest(batch=1))))

    assert phrase() == "50 steps (../config.yml: seq_length)"
    (tmp_path / "checkpoints" / "args.json").write_text('{"n_steps": 60}')
    assert phrase() == "50 steps (../config.yml: seq_length)"
    (tmp_path / "checkpoints" / "args.json").write_text('{"seq_len": 60}')
    assert phrase() == "60 steps (args.json: seq_len)"
    (tmp_path / "checkpoints" / "config.json").write_text('{"seq_len": 70}')
    assert phrase() == "200 steps (assumed)"


def test_many_files_get_one_advice():
    given, assumed = SequenceLength(30, "given"), SequenceLength(200, "assumed")
    doubtful = SequenceLength(200, "assumed", remarks=("config.yml was not read: why",))
    assert advise_lengths({}) == advise_lengths({"a": given}) == []
    assert advise_lengths({"a": assumed}) == [
        "length: 200 steps (assumed); give yours with --seq-len"
    ]
    first, second = advise_lengths({"a": given, "b": doubtful, "c": doubtful, "d": assumed})
    assert first == (
        "length: 200 steps (assumed) for 3 of 4 files; give yours with --seq-len, or seq-len by "
        "path in the configuration"
    )
    assert second == "length: config.yml was not read: why (b, c)"


def test_short_lengths_that_files_say_are_named_once():
    short, given = SequenceLength(5, "file", "file: seq_len"), SequenceLength(5, "given")
    (said,) = advise_lengths({"a": short})
    assert said.startswith("length: 5 steps (file: seq_len) are too few for a growth rate")
    (said,) = advise_lengths({"a": short, "b": given, "c": short})
    assert said.startswith("length: fewer than 20 steps, as a, c say, are too few")
    assert advise_lengths({"b": given}) == []


def test_the_width_that_a_configuration_states_may_be_that_of_any_layer(tmp_path):
    """Also of one that --layer leaves out."""
    torch.manual_seed(0)
    model = nn.ModuleDict({"a": nn.RNN(2, 3), "b": nn.RNN(2, 5)})
    torch.save(model.state_dict(), tmp_path / "model.pt")
    (tmp_path / "config.json").write_text('{"hidden_size": 5, "seq_len": 50}')
    request = Request(layer="a", trace=TraceRequest(batch=1))
    found = analyse(read(str(tmp_path / "model.pt")), request)
    assert length_phrase(found) == "50 steps (config.json: seq_len)"
