"""--as: how it is read, and what it does to a recognition."""

from __future__ import annotations

import time

import pytest
import torch
from recognise.wrapping import checkpoint, shaped, state

from rnndiag.errors import InputCode, RnndiagError
from rnndiag.recognise import Declaration, parse_declaration, recognise

VANILLA = shaped(
    net__i2h__weight=(6, 3),
    net__i2h__bias=(6,),
    net__h2h__weight=(6, 6),
    net__h2h__bias=(6,),
    net__h2o__weight=(2, 6),
)


def declared(tensors, *texts):
    return recognise(checkpoint(tensors), [parse_declaration(text) for text in texts])


def refusal(tensors, *texts):
    with pytest.raises(RnndiagError) as caught:
        declared(tensors, *texts)
    assert caught.value.code is InputCode.USAGE
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a.w=rnn", Declaration("a.w", "rnn")),
        ("a.w=rnn:relu", Declaration("a.w", "rnn", "relu")),
        ("*hh*=rnn:tanh", Declaration("*hh*", "rnn", "tanh")),
        ("w=lstm:tanh,input=v", Declaration("w", "lstm", "tanh", "v")),
        ("w=gru,input=v,bias=b,bias=c", Declaration("w", "gru", None, "v", ("b", "c"))),
        ("w=gru,bias=b,input=v", Declaration("w", "gru", None, "v", ("b",))),
        ("k={'a': 1, b=2}.w=rnn", Declaration("k={'a': 1, b=2}.w", "rnn")),
    ],
)
def test_the_syntax(text, expected):
    assert parse_declaration(text) == expected
    assert parse_declaration(str(expected)) == expected


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "NAME=CELL"),
        ("w", "NAME=CELL"),
        ("=rnn", "NAME=CELL"),
        ("w=", "rnn, gru or lstm"),
        ("w=elman", "rnn, gru or lstm"),
        ("w=RNN", "rnn, gru or lstm"),
        ("w=rnn:sigmoid", "rnn:tanh or rnn:relu"),
        ("w=gru:relu", "gru:tanh"),
        ("w=rnn,width=3", "only input= and bias="),
        ("w=rnn,input=", "NAME=CELL"),
        ("w=rnn,input=a,input=b", "one input="),
        ("w=rnn,bias=a,bias=b,bias=c", "up to two bias="),
    ],
)
def test_a_bad_declaration_is_answered_with_the_right_form(text, word):
    with pytest.raises(RnndiagError, match=word) as caught:
        parse_declaration(text)
    assert caught.value.code is InputCode.USAGE


@pytest.mark.parametrize("name", ["rnn.weight_hh_l0", "*weight_hh*", "rnn.*"])
def test_an_activation_is_corrected(name):
    tensors = state(torch.nn.RNN(2, 3), "rnn.") | state(torch.nn.GRU(2, 3), "rnn.gru.")
    gru, rnn = sorted(declared(tensors, f"{name}=rnn:relu").modules, key=lambda m: m.flat[0].cell)
    assert rnn.flat[0].activation == "relu"
    assert rnn.flat[0].assumptions == ("activation relu as declared with --as",)
    assert gru.flat[0].activation == "tanh"


def test_a_glob_corrects_every_layer_and_a_name_only_its_own():
    tensors = state(torch.nn.RNN(2, 3, 2), "rnn.")
    for name, expected in (("*_hh_*", ["relu", "relu"]), ("rnn.weight_hh_l1", ["tanh", "relu"])):
        (module,) = declared(tensors, f"{name}=rnn:relu").modules
        assert [layer.activation for layer in module.flat] == expected


def test_a_cell_that_contradicts_the_shape():
    tensors = state(torch.nn.GRU(2, 3), "rnn.")
    assert "rnn.weight_hh_l0 (9, 3) is gru" in refusal(tensors, "rnn.weight_hh_l0=rnn:relu")
    message = refusal(VANILLA, "net.h2h.weight=gru")
    assert "net.h2h.weight (6, 6) should be (18, 6)" in message
    assert "(2, 6) should be" in refusal(VANILLA, "net.h2o.weight=lstm")


def test_input_for_a_layer_that_is_known():
    tensors = state(torch.nn.RNN(2, 3), "rnn.")
    message = refusal(tensors, "rnn.weight_hh_l0=rnn:relu,input=rnn.weight_ih_l0")
    assert "leave out input=" in message


@pytest.mark.parametrize(
    "text", ["net.h2h.weight=rnn:relu", "*h2h.w*=rnn:relu,input=net.i2h.weight"]
)
def test_a_recurrence_is_declared_with_what_stands_beside_it(text):
    found = declared(VANILLA, text)
    assert found.unrecognised == ()
    (module,) = found.modules
    (layer,) = module.flat
    assert module.name == layer.name == "net.h2h"
    assert (layer.cell, layer.activation, layer.layer) == ("rnn", "relu", 0)
    assert (layer.input_size, layer.hidden_size) == (3, 6)
    assert layer.keys == ("net.h2h.weight", "net.i2h.weight", "net.i2h.bias", "net.h2h.bias")
    assert found.readout_candidates == ("net.h2o.weight",)
    assert not any("assumed" in text for text in layer.assumptions)


def test_without_a_declaration_it_is_unrecognised():
    found = declared(VANILLA)
    assert [entry.name for entry in found.unrecognised] == ["net.h2h.weight"]


def test_an_activation_left_open_is_an_assumption():
    (module,) = declared(VANILLA, "net.h2h.weight=rnn").modules
    assert any("activation tanh assumed" in text for text in module.flat[0].assumptions)


@pytest.mark.parametrize(("cell", "gates"), [("gru", 3), ("lstm", 4)])
def test_gated_recurrences_can_be_declared(cell, gates):
    tensors = shaped(c__U=(gates * 5, 5), c__W=(gates * 5, 2), d__b=(gates * 5,))
    (module,) = declared(tensors, f"c.U={cell},bias=d.b").modules
    (layer,) = module.flat
    assert (layer.cell, layer.input_size, layer.hidden_size) == (cell, 2, 5)
    assert layer.keys == ("c.U", "c.W", "d.b")
    assert layer.bias_hh is None


def test_named_biases_go_to_the_matrix_they_stand_beside():
    tensors = VANILLA | shaped(extra=(6,))
    for text in ("bias=net.h2h.bias,bias=extra", "bias=extra,bias=net.h2h.bias"):
        (module,) = declared(tensors, f"net.h2h.weight=rnn,{text}").modules
        assert module.flat[0].keys[2:] == ("extra", "net.h2h.bias")
    for text in ("bias=net.i2h.bias,bias=extra", "bias=extra,bias=net.i2h.bias"):
        (module,) = declared(tensors, f"net.h2h.weight=rnn,{text}").modules
        assert module.flat[0].keys[2:] == ("net.i2h.bias", "extra")
    (module,) = declared(tensors, "net.h2h.weight=rnn,bias=net.h2h.bias").modules
    assert module.flat[0].bias_ih is None
    assert module.flat[0].keys[2:] == ("net.h2h.bias",)


def test_a_module_torch_would_not_accept_can_be_declared_whole():
    tensors = state(torch.nn.LSTM(2, 3), "rnn.")
    del tensors["rnn.bias_hh_l0"]
    assert len(declared(tensors).unrecognised) == 1
    found = declared(tensors, "rnn.weight_hh_l0=lstm")
    assert found.unrecognised == ()
    assert found.modules[0].flat[0].keys[1:] == ("rnn.weight_ih_l0", "rnn.bias_ih_l0")


def test_two_declarations_make_two_modules_with_names_of_their_own():
    tensors = shaped(c__w_rec=(4, 4), c__w_in=(4, 2), c__u_rec=(5, 5), c__u_in=(5, 2))
    found = declared(tensors, "c.w_rec=rnn", "c.u_rec=rnn:relu")
    assert [module.name for module in found.modules] == ["c", "c.u_rec"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("net.h2h.wieght=rnn", ["no tensor is called 'net.h2h.wieght'", "net.h2h.weight"]),
        ("*nothing*=rnn", ["no tensor is called '*nothing*'"]),
        ("net.*=rnn", ["fits several tensors", "net.i2h.weight, net.i2h.bias, net.h2h.weight"]),
        ("net.h2h.weight=rnn,input=net.i2h.wait", ["'net.i2h.wait'", "net.i2h.weight"]),
        ("net.h2h.weight=rnn,input=net.h2o.weight", ["net.h2o.weight (2, 6)", "(6, 6)"]),
        ("net.h2h.weight=rnn,input=net.i2h.bias", ["net.i2h.bias (6,) is no matrix"]),
        ("net.h2h.weight=rnn,bias=net.b", ["'net.b'"]),
        ("net.h2h.weight=rnn,bias=net.h2o.weight", ["net.h2o.weight (2, 6) is no vector"]),
        ("net.h2h.bias=rnn", ["net.h2h.bias (6,) is no matrix"]),
    ],
)
def test_a_declaration_that_cannot_be_followed_names_the_candidates(text, words):
    message = refusal(VANILLA, text)
    assert all(word in message for word in words)


def test_an_input_matrix_must_be_the_only_one():
    tensors = shaped(c__rec=(4, 4), c__in=(4, 2), c__other=(4, 9), d__weight=(4, 1))
    assert "several fit: c.in, c.other" in refusal(tensors, "c.rec=rnn")
    assert "none beside it has as many rows" in refusal(shaped(c__rec=(4, 4)), "c.rec=rnn")
    assert len(declared(tensors, "c.rec=rnn,input=d.weight").modules) == 1


def test_a_name_with_glob_characters_is_a_name_first():
    tensors = {
        "a[0].hh": torch.zeros(4, 4),
        "a0.hh": torch.zeros(4, 4),
        "a[0].ih": torch.zeros(4, 2),
    }
    (module,) = declared(tensors, "a[0].hh=rnn").modules
    assert module.flat[0].keys == ("a[0].hh", "a[0].ih")


def test_optimizer_state_cannot_be_declared():
    tensors = VANILLA | {"state.0.exp_avg": torch.zeros(6, 6)}
    assert "no tensor is called" in refusal(tensors, "state.0.exp_avg=rnn")


def test_an_input_matrix_of_another_layer_is_not_taken():
    tensors = state(torch.nn.RNN(2, 4), "c.") | shaped(c__u_hh=(4, 4), c__u_in=(4, 2))
    (_, module) = sorted(declared(tensors, "c.u_hh=rnn").modules, key=lambda m: len(m.name))
    assert module.flat[0].keys == ("c.u_hh", "c.u_in")


@pytest.mark.parametrize(
    ("others", "said"),
    [
        (shaped(c__W_hf=(4, 4)), "none beside it"),
        (shaped(c__W_out=(4, 2)), "none beside it"),
        (shaped(c__readout__weight=(4, 2)), "none beside it"),
        (shaped(c__W_out=(4, 2), c__W_hf=(4, 4), c__W_x=(4, 2), c__V=(4, 3)), "c.W_x, c.V"),
    ],
)
def test_another_gate_or_the_readout_is_never_the_input(others, said):
    assert said in refusal(shaped(c__W_hi=(4, 4)) | others, "c.W_hi=rnn")


def test_a_square_matrix_that_is_named_as_the_input_may_be_it():
    (module,) = declared(shaped(c__h2h=(4, 4), c__x2h=(4, 4)), "c.h2h=rnn").modules
    assert module.flat[0].keys == ("c.h2h", "c.x2h")


@pytest.mark.parametrize(
    ("columns", "said"), [(4, "none beside"), (3, "several fit: h2h_0, h2h_1")]
)
def test_many_candidates_are_no_quadratic_search(columns, said):
    tensors = {f"h2h_{number}": torch.zeros(4, columns) for number in range(3000)}
    tensors["h2h"] = torch.zeros(4, 4)
    begun = time.process_time()
    assert said in refusal(tensors, "h2h=rnn")
    assert time.process_time() - begun < 5
