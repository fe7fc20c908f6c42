"""What is measured of a checkpoint, for how many steps, and what is refused before any is run."""

from __future__ import annotations

import time
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from rnndiag.analysis import Request, analyse
from rnndiag.containers import read
from rnndiag.errors import InputCode, RnndiagError
from rnndiag.given import GivenStates
from rnndiag.tracing import DEFAULT_SEQ_LEN, TraceRequest


@pytest.fixture
def checkpoint(tmp_path):
    def save(content):
        torch.save(content, tmp_path / "model.pt")
        return read(str(tmp_path / "model.pt"))

    return save


@pytest.fixture
def two(checkpoint):
    """An encoder of width 3 and a decoder of width 5."""
    torch.manual_seed(0)
    model = nn.ModuleDict(
        {
            "encoder": nn.ModuleDict({"rnn": nn.LSTM(3, 4, 2)}),
            "decoder": nn.ModuleDict({"rnn": nn.GRU(5, 6, bidirectional=True)}),
        }
    )
    return checkpoint(model.state_dict())


def labels(result):
    return [item.layer.label for item in result.layers]


def trace(**options):
    return Request(trace=TraceRequest(**options))


ENCODER = ["encoder.rnn/0/forward", "encoder.rnn/1/forward"]
DECODER = ["decoder.rnn/0/forward", "decoder.rnn/0/reverse"]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (None, DECODER + ENCODER),
        ("*", DECODER + ENCODER),
        ("encoder.*", ENCODER),
        ("encoder.rnn", ENCODER),
        ("*/0/reverse", DECODER),
        # A stack's gradient runs through all of its layers: one of them brings the others.
        ("encoder.rnn/1/forward", ENCODER),
        ("[de]*coder.rnn", DECODER + ENCODER),
    ],
)
def test_a_layer_glob_takes_whole_modules(pattern, expected, two):
    assert labels(analyse(two, Request(layer=pattern))) == expected


@pytest.mark.parametrize("pattern", ["", "encoder", "ENCODER.rnn", "lstm*"])
def test_a_glob_that_matches_nothing_names_what_there_is(pattern, two):
    with pytest.raises(RnndiagError, match=r"decoder\.rnn, encoder\.rnn") as caught:
        analyse(two, Request(layer=pattern))
    assert caught.value.code is InputCode.USAGE


@pytest.mark.parametrize(
    "asked", [Request(trace=TraceRequest()), Request(spectrum=True), Request(state_map=True)]
)
def test_more_layers_than_are_measured_are_refused(asked, two, monkeypatch):
    monkeypatch.setattr("rnndiag.analysis.MAX_MEASURED_LAYERS", 3)
    with pytest.raises(RnndiagError) as failure:
        analyse(two, asked)
    assert failure.value.code is InputCode.REFUSED
    assert failure.value.what == "it holds 4 layers; 3 at most are measured at once"
    assert "--layer" in failure.value.remedy
    assert len(analyse(two, Request()).layers) == 4
    assert len(analyse(two, replace(asked, layer="decoder*")).layers) == 2


def test_a_bare_module_is_the_root(checkpoint):
    bare = checkpoint(nn.GRU(2, 3).state_dict())
    assert labels(analyse(bare, Request(layer="(root)"))) == ["(root)/0/forward"]


ASSUMED = (DEFAULT_SEQ_LEN, "assumed", "")


@pytest.mark.parametrize(
    ("values", "options", "expected"),
    [
        ({}, {}, ASSUMED),
        ({"seq_len": 33}, {}, (33, "file", "file: hyper.seq_len")),
        ({"seq_len": 33}, {"seq_len": 7}, (7, "given", "")),
        ({"seq_len": 33}, {"inputs_tbi": np.ones((9, 2, 2))}, (9, "given", "")),
        ({"seq_len": 33}, {"inputs_tbi": np.ones((9, 2, 2)), "seq_len": 4}, (4, "given", "")),
        ({"seq_len": 33, "bptt": 35}, {}, ASSUMED),  # which of them?
        (
            {"seq_len": 300, "bptt": 35},
            {"compare_lags": True},
            (300, "file", "file: hyper.seq_len"),
        ),
        ({"bptt": 35}, {"compare_lags": True}, ASSUMED),
        ({"seq_len": 33, "bptt": 33}, {}, (33, "file", "file: hyper.seq_len")),
        ({"seq_len": 33.5}, {}, ASSUMED),
        ({"seq_len": 0}, {}, ASSUMED),
        # A short one is one; with a single step, or so many that one number fills the memory, not.
        ({"seq_len": 5}, {}, (5, "file", "file: hyper.seq_len")),
        ({"seq_len": 2}, {}, (2, "file", "file: hyper.seq_len")),
        ({"seq_len": 1}, {}, ASSUMED),
        ({"seq_len": 10**9}, {}, ASSUMED),
        # A task's memory lies within its sequences, whoever says how long these are.
        ({"seq_len": 33}, {"memory": 20}, (33, "file", "file: hyper.seq_len")),
        ({"seq_len": 33}, {"memory": 40}, (40, "given", "--memory")),
        ({}, {"memory": 40}, ASSUMED),
        ({}, {"memory": 300}, (300, "given", "--memory")),
        ({}, {"memory": 300, "seq_len": 7}, (7, "given", "")),
    ],
)
def test_who_says_how_many_steps(values, options, expected, checkpoint):
    file = checkpoint({"model": nn.RNN(2, 3).state_dict(), "hyper": values})
    result = analyse(file, trace(**options))
    assert result.length is not None
    assert (result.seq_len, result.length_basis, result.length.source) == expected
    assert result.layers[0].trace.seq_len == expected[0]
    assert len(result.layers[0].trace.drives[0].log10_gradient_norm) == expected[0] + 1


def test_nothing_is_traced_unless_asked_for(two):
    result = analyse(two, Request(spectrum=True))
    assert (result.seq_len, result.length_basis, result.length) == (None, None, None)
    assert all(item.trace is None and item.spectrum is not None for item in result.layers)


def test_inputs_drive_the_modules_they_fit_and_the_others_say_why(two):
    result = analyse(two, trace(inputs_tbi=np.ones((6, 2, 3))))
    by_label = {item.layer.label: item for item in result.layers}
    for label in ENCODER:
        assert [drive.drive for drive in by_label[label].trace.drives] == ["given"]
        assert by_label[label].not_measured is None
    for label in DECODER:
        assert by_label[label].trace is None
        assert by_label[label].not_measured == (
            "the given inputs have 3 features, decoder.rnn takes 5"
        )


def test_inputs_that_fit_nothing_are_a_usage_error(two):
    with pytest.raises(RnndiagError, match="have 4 features") as caught:
        analyse(two, trace(inputs_tbi=np.ones((6, 2, 4))))
    assert caught.value.code is InputCode.USAGE
    with pytest.raises(RnndiagError, match="have 3 features"):
        analyse(two, Request(layer="decoder.*", trace=TraceRequest(inputs_tbi=np.ones((6, 2, 3)))))


def test_more_steps_than_inputs_are_refused(two):
    with pytest.raises(RnndiagError, match="longer than the given inputs, 6 steps"):
        analyse(two, trace(inputs_tbi=np.ones((6, 2, 3)), seq_len=7))


@pytest.mark.parametrize(
    "options", [{"seq_len": 10**9}, {"batch": 10**9}, {"cotangents": 10**9}, {"seq_len": 10**15}]
)
def test_a_trace_beyond_the_memory_is_refused_before_it_starts(options, two):
    started = time.monotonic()
    with pytest.raises(RnndiagError, match=r"GiB of memory") as caught:
        analyse(two, trace(**options))
    assert caught.value.code is InputCode.USAGE
    # Refused at once; a hundredth of a second is what reading two layers takes.
    assert time.monotonic() - started < 5


def test_what_is_a_little_beyond_the_memory_needs_more_than_the_limit(two, monkeypatch):
    """Not: it would need 1 GiB, the limit is 1 GiB."""
    monkeypatch.setattr("rnndiag.tracing.MEMORY_LIMIT", 1 << 30)
    with pytest.raises(RnndiagError) as far:
        analyse(two, trace(seq_len=10**9))
    needed = float(far.value.what.split()[-4].replace(",", ""))
    # Nearly all of it is held for each step, so that this takes 1.3 GiB.
    with pytest.raises(RnndiagError, match=r"would need 2 GiB of memory; the limit is 1 GiB"):
        analyse(two, trace(seq_len=int(1.3e9 / needed)))


def test_the_memory_estimate_is_near_what_is_held(checkpoint, monkeypatch):
    """A limit of half of what a trace really took refuses it, one of eight times that does not."""
    torch.manual_seed(0)
    file, request = checkpoint(nn.LSTM(8, 32, 2).state_dict()), trace(seq_len=300, drive="normal")
    tracemalloc.start()
    try:
        analyse(file, request)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    monkeypatch.setattr("rnndiag.tracing.MEMORY_LIMIT", 8 * peak)
    analyse(file, request)
    monkeypatch.setattr("rnndiag.tracing.MEMORY_LIMIT", peak // 2)
    with pytest.raises(RnndiagError, match="of memory"):
        analyse(file, request)


def test_non_finite_weights_are_reported_and_not_measured(checkpoint):
    module = nn.LSTM(2, 3, 2)
    with torch.no_grad():
        module.weight_hh_l1[0, 0] = float("inf")
    result = analyse(checkpoint(module.state_dict()), Request(spectrum=True, trace=TraceRequest()))
    assert [item.weights.non_finite for item in result.layers] == [0, 1]
    for item in result.layers:  # the whole stack: its gradient runs through both
        assert (item.trace, item.spectrum) == (None, None)
    lower, upper = (item.not_measured for item in result.layers)
    assert lower == "it cannot be run: the weights of (root)/1/forward are not finite"
    assert upper == "its weights are not finite"


def test_batch_comes_from_the_inputs(two):
    """Initial states of the inputs' batch, not of --batch."""
    states = GivenStates(np.zeros((2, 3, 4)), np.zeros((2, 3, 4)))
    result = analyse(
        two,
        Request(
            layer="encoder.*",
            trace=TraceRequest(batch=8, inputs_tbi=np.ones((5, 3, 3)), initial=states),
        ),
    )
    assert result.layers[0].trace is not None


def test_a_file_without_recurrence_gets_no_verdict(checkpoint):
    with pytest.raises(RnndiagError) as caught:
        analyse(checkpoint(nn.Linear(3, 4).state_dict()), Request())
    assert caught.value.code is InputCode.NO_RECURRENT_WEIGHTS


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_stored_precision_is_what_is_measured(dtype, checkpoint):
    """A file in half precision equals one of the same values in float64."""
    torch.manual_seed(1)
    module = nn.GRU(2, 4).to(dtype)
    curves = []
    for saved in (module, module.double()):
        result = analyse(checkpoint(saved.state_dict()), trace(seq_len=30))
        curves.append([d.log10_gradient_norm for d in result.layers[0].trace.drives])
    np.testing.assert_array_equal(curves[0], curves[1])
