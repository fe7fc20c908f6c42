"""When a declaration is proposed: only where it would measure what is in the file."""

from __future__ import annotations

import pytest
import torch
from recognise.wrapping import checkpoint, shaped

from rnndiag.recognise import parse_declaration, recognise

PLAIN = shaped(r__h2h__weight=(6, 6), r__x2h__weight=(6, 3), r__h2h__bias=(6,))


def only(tensors, values=None):
    (entry,) = recognise(checkpoint(tensors, values)).unrecognised
    return entry


def proposed(tensors, values=None) -> str:
    """The text after --as; "" where there is none."""
    return only(tensors, values).reason.partition("--as ")[2]


@pytest.mark.parametrize(
    ("tensors", "line"),
    [
        (PLAIN, "r.h2h.weight=rnn:tanh,input=r.x2h.weight,bias=r.h2h.bias"),
        (
            shaped(W_rec=(6, 6), W_in=(6, 2), b_rec=(6,), b_out=(2,)),
            "W_rec=rnn:tanh,input=W_in,bias=b_rec",
        ),
        (shaped(c__Wh=(24, 6), c__Wx=(24, 3), c__bias=(24,)), "c.Wh=lstm,input=c.Wx,bias=c.bias"),
        (shaped(Wh_0=(18, 6), Wx_0=(18, 3), b_0=(18,), b_1=(18,)), "Wh_0=gru,input=Wx_0,bias=b_0"),
        (shaped(hh__weight=(6, 6), ih__weight=(6, 6)), "hh.weight=rnn:tanh,input=ih.weight"),
        (shaped(rec__hh=(6, 6), rec__ih=(6, 4), rec__head=(6, 6)), "rec.hh=rnn:tanh,input=rec.ih"),
    ],
)
def test_a_line_names_what_is_fed_the_input_and_the_biases(tensors, line):
    assert proposed(tensors) == line
    (module,) = recognise(checkpoint(tensors), [parse_declaration(line)]).modules
    assert set(module.flat[0].keys) == {
        name
        for part in line.split(",")
        for name in [part.partition("=")[2], part.split("=")[0]]
        if name in tensors
    }


@pytest.mark.parametrize(
    "name",
    [
        *("r.alpha", "r.tau", "r.W_tau.weight", "r.leak", "r.log_dt.tau", "r.rec_mask"),
        *("r.Dale_rec", "r.rec_connectivity", "r.sparsity", "r.scale", "r.h2h.mask"),
        "r.time_constant",
    ],
)
def test_a_leak_a_mask_or_a_scale_beside_it_stops_the_line_and_is_named(name):
    entry = only(PLAIN | {name: torch.ones(6, 6)})
    assert "--as" not in entry.reason
    assert name in entry.reason
    assert entry.certain


@pytest.mark.parametrize("size", [6, 24])
def test_a_norm_beside_it_stops_the_line(size):
    tensors = shaped(c__hh__weight=(24, 6), c__ih__weight=(24, 3))
    tensors["c.ln_hh.weight"] = torch.ones(size)
    assert "c.ln_hh.weight" in only(tensors).reason
    assert proposed(tensors) == ""


@pytest.mark.parametrize("name", ["other.alpha", "r.h0", "r.drop.p", "embed.scale"])
def test_what_is_elsewhere_or_no_part_of_the_step_stops_nothing(name):
    assert proposed(PLAIN | {name: torch.ones(6)})
    assert proposed(PLAIN | {"r.mask": torch.ones(9, 9)})


@pytest.mark.parametrize("name", ["alpha", "tau", "leak_rate", "dt"])
def test_a_number_that_a_pickled_module_keeps_stops_the_line(name):
    assert f"r.{name} = 0.2" in only(PLAIN, {f"r.{name}": 0.2}).reason
    assert proposed(PLAIN, {f"r.{name}": 0.2}) == ""
    assert proposed(PLAIN, {f"r.{name}": None, "other.tau": 0.1})


@pytest.mark.parametrize(
    "tensors",
    [
        shaped(wi=(4, 6), wrec=(6, 6), wo=(6, 2)),
        shaped(c__U=(6, 6), c__W=(6, 6), c__h2h=(6, 6)),
        shaped(c__W_hh=(6, 6), c__W_xh=(6, 6)),
        shaped(c__U=(18, 6), c__W=(18, 6)),
        shaped(c__recurrent=(6, 6), c__out__weight=(6, 3)),
        shaped(c__recurrent=(6, 6), c__W_f=(6, 6)),
        shaped(c__h2h=(6, 6), c__x2h=(6, 3), c__i2h=(6, 4), c__tau=(6,)),
    ],
)
def test_where_the_roles_are_not_sure_there_is_no_line(tensors):
    found = recognise(checkpoint(tensors)).unrecognised
    assert found
    assert not any("--as" in entry.reason for entry in found)


def test_biases_that_cannot_be_given_are_said_to_be_left_out():
    tensors = shaped(Whh=(6, 6), Wxh=(6, 3), bh=(6, 1))
    assert "(bh left out)" in only(tensors).reason
    assert proposed(tensors) == "Whh=rnn:tanh,input=Wxh"
    tensors = PLAIN | shaped(r__b=(6,), r__b_h=(6,))
    assert "(r.h2h.bias, r.b, r.b_h left out)" in only(tensors).reason
    assert proposed(tensors).endswith("input=r.x2h.weight")


@pytest.mark.parametrize(
    ("cell", "rows", "order"), [("gru", 18, "r, z, n"), ("lstm", 24, "i, f, g, o")]
)
def test_the_order_of_the_gates_is_a_condition(cell, rows, order):
    tensors = shaped(c__Wh=(rows, 6), c__Wx=(rows, 3))
    assert order in only(tensors).reason
    assert proposed(tensors) == f"c.Wh={cell},input=c.Wx"


def test_layers_that_are_not_declared_stay_unmeasured():
    tensors = {f"{layer}.{name}": value.clone() for layer in "ab" for name, value in PLAIN.items()}
    declared = [parse_declaration("a.r.h2h.weight=rnn,input=a.r.x2h.weight")]
    (entry,) = recognise(checkpoint(tensors), declared).unrecognised
    assert entry.name == "b.r.h2h.weight"
