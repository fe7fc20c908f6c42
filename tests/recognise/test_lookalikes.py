"""What looks recurrent and is not, what is and cannot be measured, and a file with nothing."""

from __future__ import annotations

import pytest
import torch
from recognise.wrapping import checkpoint, shaped, state

from rnndiag.errors import InputCode
from rnndiag.recognise import explain_absence, parse_declaration, recognise


def entries(tensors):
    found = recognise(checkpoint(tensors))
    assert found.modules == ()
    return {entry.name: entry.reason for entry in found.unrecognised}


def test_attention_feed_forward_and_convolution_are_left_alone():
    tensors = state(torch.nn.TransformerEncoderLayer(16, 4, 64), "encoder.")
    tensors |= state(torch.nn.TransformerEncoderLayer(16, 4, 48), "rnn.self_attn.")
    tensors |= state(torch.nn.Linear(16, 16), "rnn.head.out.")
    tensors |= state(torch.nn.Conv1d(16, 16, 1), "lstm_conv.")
    tensors |= shaped(rnn__in_proj_weight=(48, 16), lstm__out_weight=(16, 16))
    assert entries(tensors) == {}


@pytest.mark.parametrize(
    ("name", "rows", "cell"),
    [
        ("net.h2h.weight", 6, "rnn:tanh"),
        ("net.w_hh", 18, "gru"),
        ("net.hidden_to_hidden.weight", 24, "lstm"),
        ("recurrent.weight", 6, "rnn:tanh"),
        ("decoder_gru.U", 18, "gru"),
        ("lstm_cell2.kernel", 24, "lstm"),
    ],
)
def test_a_named_recurrence_comes_with_a_line_that_declares_it(name, rows, cell):
    tensors = {name: torch.zeros(rows, 6), "far.far.away.weight": torch.zeros(rows, 2)}
    reason = entries(tensors)[name]
    assert "--as" not in reason
    beside = "net.x2h.weight" if name.startswith("net.") else "input.weight"
    tensors[beside] = torch.zeros(rows, 3)
    reason = entries(tensors)[name]
    line = f"{name}={cell},input={beside}"
    assert reason.endswith(f"--as {line}")
    (module,) = recognise(checkpoint(tensors), [parse_declaration(line)]).modules
    assert module.flat[0].keys[0] == name


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("rnn.norm.weight", (6, 6)),
        ("attn.in_proj_weight", (18, 6)),
        ("h2h.weight", (12, 6)),
        ("h2h.bias", (6,)),
        ("enough.weight", (6, 6)),
        ("rnn.w_out_scale", (1, 1)),
    ],
)
def test_names_and_shapes_that_say_nothing(name, shape):
    assert entries({name: torch.zeros(shape)}) == {}


def test_integers_named_as_a_recurrence():
    assert entries({"h2h.weight": torch.zeros(6, 6, dtype=torch.int64)}) == {}


@pytest.mark.parametrize(
    ("tensors", "named", "word"),
    [
        (shaped(a__m=(8, 2), a__n=(2, 8)), "a.m", "low-rank"),
        (shaped(a__m=(2, 8), a__n=(8, 2)), "a.m", "low-rank"),
        (shaped(b__inv_w_real=(4, 4), b__w_imag=(4, 4)), "b.inv_w_real", "state-space"),
        (shaped(b__A_log=(4, 4)), "b.A_log", "state-space"),
        (shaped(r__w0=(1, 1, 4), r__receptance__weight=(4, 4)), "r.w0", "RWKV"),
        (shaped(r__time_decay=(4,), r__receptance__weight=(4, 4)), "r.time_decay", "RWKV"),
        (shaped(i2h__weight=(4, 7), i2o__weight=(2, 7)), "i2h.weight", "side by side"),
        (
            shaped(f__state_linearity__weight=(16, 3), f__state_projection__weight=(3, 4)),
            "f.state_linearity.weight",
            "projected LSTM",
        ),
    ],
)
def test_other_recurrences_are_named_for_what_they_are(tensors, named, word):
    found = entries(tensors)
    assert list(found) == [named]
    assert word in found[named]


def test_factors_that_make_no_low_rank_recurrence():
    assert entries(shaped(a__m=(8, 2), a__n=(3, 8))) == {}
    assert entries(shaped(a__m=(8, 8), a__n=(8, 8))) == {}
    assert entries(shaped(a__m=(8, 2))) == {}


def test_an_absence_names_keys_with_the_nearest_first():
    tensors = {f"layer{number}.weight": torch.zeros(3, 7) for number in range(9)}
    tensors["square.weight"] = torch.zeros(7, 7)
    described = checkpoint(tensors)
    error = explain_absence(described, recognise(described))
    assert error.code is InputCode.NO_RECURRENT_WEIGHTS
    assert str(error) == (
        "RD006 no recurrent weights found; keys are square.weight, layer0.weight, layer1.weight, "
        "layer2.weight, layer3.weight, layer4.weight and 4 more; "
        "name one with --as NAME=CELL (rnn, gru or lstm)"
    )


def test_an_absence_names_what_can_be_declared_first():
    tensors = shaped(a__m=(8, 2), a__n=(2, 8), h2h__weight=(8, 8), i2h__weight=(8, 3))
    described = checkpoint(tensors)
    what = explain_absence(described, recognise(described)).what
    assert "h2h.weight (8, 8) (and 1 more)" in what
    assert what.endswith("--as h2h.weight=rnn:tanh,input=i2h.weight")


@pytest.mark.parametrize(
    ("tensors", "word"),
    [({}, "no tensors"), ({"state.0.exp_avg": torch.zeros(2)}, "only optimizer state")],
)
def test_an_absence_of_everything(tensors, word):
    described = checkpoint(tensors)
    assert word in explain_absence(described, recognise(described)).what
