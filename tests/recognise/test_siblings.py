"""Recurrences by sibling tensors: found alone and beside others, and nothing else taken for one."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch
from recognise.wrapping import checkpoint, state

from rnndiag.recognise import recognise
from rnndiag.recognise.families import FAMILIES
from rnndiag.recognise.families.base import alternatives
from rnndiag.recognise.shapes import patterns
from rnndiag.recognise.siblings import Siblings

HERE = Path(__file__).parent


def tensors(text: str) -> dict[str, torch.Tensor]:
    """`a.w 3x4; b -`: names and sizes."""
    found = {}
    for part in text.split("; "):
        name, sizes = part.rsplit(" ", 1)
        found[name] = torch.zeros([int(size) for size in sizes.strip("-").split("x") if size])
    return found


def table(name: str) -> list[list[str]]:
    lines = (HERE / name).read_text(encoding="utf-8").splitlines()
    return [line.split(" | ") for line in lines if not line.startswith("#")]


RECURRENCES = [pytest.param(row[1], tensors(row[2]), id=row[0]) for row in table("recurrences.txt")]
OTHERS = [pytest.param(tensors(row[1]), id=row[0]) for row in table("others.txt")]


@pytest.mark.parametrize(("how", "own"), RECURRENCES)
def test_a_recurrence_has_one_entry(how, own):
    found = recognise(checkpoint(own))
    assert found.modules == ()
    (entry,) = found.unrecognised
    assert entry.certain == (how == "certain")
    assert entry.name in own
    assert entry.shape == tuple(own[entry.name].shape)
    assert "disagree" not in entry.reason
    assert "missing" not in entry.reason


@pytest.mark.parametrize(("how", "own"), RECURRENCES)
def test_it_has_one_beside_a_measured_layer_and_below_another_prefix(how, own):
    lstm = state(torch.nn.LSTM(8, 32), "measured.")
    found = recognise(checkpoint(lstm | {f"module.net.{name}": own[name] for name in own}))
    assert [module.name for module in found.modules] == ["measured"]
    (entry,) = found.unrecognised
    assert entry.certain == (how == "certain")


@pytest.mark.parametrize(("how", "own"), RECURRENCES)
def test_several_layers_of_it_are_one_entry(how, own):
    deep = {f"layers.{number}.{name}": own[name].clone() for number in range(12) for name in own}
    (entry,) = recognise(checkpoint(deep)).unrecognised
    assert entry.name.startswith("layers.0.")
    assert entry.certain == (how == "certain")
    assert f"such layers, first {entry.name})" in entry.reason


@pytest.mark.parametrize("own", OTHERS)
def test_what_is_no_recurrence_is_not_taken_for_one(own):
    found = recognise(checkpoint(own))
    assert (found.modules, found.unrecognised) == ((), ())
    prefixed = {f"state_dict.model.{name}": tensor for name, tensor in own.items()}
    assert recognise(checkpoint(prefixed)).unrecognised == ()


def test_there_are_enough_of_both():
    assert len(RECURRENCES) >= 100
    assert len(OTHERS) >= 60


@pytest.mark.parametrize(("how", "own"), RECURRENCES)
def test_with_a_tensor_of_another_size_it_is_not_certain(how, own):
    """Fit is what proves it: with the first tensor one longer in every dimension nothing fits."""
    (entry,) = recognise(checkpoint(own)).unrecognised
    longer = dict(own)
    longer[entry.name] = torch.zeros([size + 1 for size in entry.shape])
    for other in recognise(checkpoint(longer)).unrecognised:
        assert not (other.certain and other.name == entry.name and other.reason == entry.reason)


SIZES = (7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43)
"""Primes, so that nothing fits by chance."""

PREFIXES = (
    "reservoir.",
    "",
    "a.",
    "lstm_cell.",
    "gru_cell.",
    "x.cell.",
    "x.gru.",
    "qrnn.",
    "retnet.",
    "rnn.",
)
PREFIXES += ("rnns.0.layers.0.", "min_gru.")


def made(family, prefix: str) -> dict[str, torch.Tensor]:
    """Tensors with the family's first names and shapes."""
    letters: dict[str, int] = {}
    if family.smaller:
        letters = {family.smaller[0]: 3}
    shapes = {}
    for suffix, text in family.tensors.items():
        pattern = patterns(text)[0]
        size = []
        for dimension in pattern.dimensions:
            total = 0
            for term in dimension:
                value = term.factor
                for letter in term.letters:
                    value *= letters.setdefault(letter, SIZES[len(letters) % len(SIZES)])
                total += value
            size.append(total)
        shapes[f"{prefix}{suffix.split('|')[0].strip()}"] = torch.zeros([*size, 2, 2][: len(size)])
        if pattern.is_open and not pattern.dimensions:
            shapes[f"{prefix}{suffix.split('|')[0].strip()}"] = torch.zeros(5, 3)
    return shapes


EVERY = [family for row in FAMILIES for family in row.families()]


def test_every_family_is_found_by_its_own_tensors():
    """None stands behind one that takes all of its tensors, none asks for what cannot be."""
    unreachable = []
    for family in EVERY:
        kinds = []
        for prefix in PREFIXES:
            described = checkpoint(made(family, prefix)).tensors
            kinds += [match.family.kind for match in Siblings(described, ()).matches()]
        if family.kind not in kinds:
            unreachable.append((family.kind, list(family.tensors), sorted(set(kinds))))
    assert unreachable == []


def test_what_is_certain_has_two_tensors():
    for family in EVERY:
        assert len(family.tensors) >= 2 or not family.certain, family
        for shapes in (*family.tensors.values(), *family.beside.values()):
            assert patterns(shapes)
        assert all(alternatives(suffix) for suffix in (*family.tensors, *family.beside))


def test_a_tensor_belongs_to_one_recurrence_only():
    own = next(row.values[1] for row in RECURRENCES if row.id == "mamba scratch")
    described = checkpoint(own).tensors
    names = [name for match in Siblings(described, ()).matches() for name in match.names]
    assert len(names) == len(set(names))


def test_what_is_taken_is_no_sibling():
    own = tensors("c.recurrent_kernel 8x32; c.kernel 3x32")
    described = checkpoint(own).tensors
    assert len(list(Siblings(described, ()).matches())) == 1
    assert list(Siblings(described, {"c.kernel"}).matches()) == []


def test_integers_and_empty_tensors_are_no_weights():
    own = tensors("c.recurrent_kernel 8x32; c.kernel 3x32")
    whole = {name: tensor.to(torch.int64) for name, tensor in own.items()}
    assert list(Siblings(checkpoint(whole).tensors, ()).matches()) == []
    own["c.kernel"] = torch.zeros(0, 32)
    assert list(Siblings(checkpoint(own).tensors, ()).matches()) == []


def test_eigenvalues_may_be_complex():
    own = {name: torch.zeros(6, dtype=torch.complex64) for name in ("s.Lambda", "s.log_step")}
    (match,) = Siblings(checkpoint(own).tensors, ()).matches()
    assert "S5" in match.family.kind


def test_names_in_any_order_and_by_the_thousand():
    """Time grows with the file and not with its square."""
    own = tensors("c.W_f 9x9; c.W_i 9x9; c.W_o 9x9")
    many = {
        name.replace("c.", f"c{number}."): own[name] for number in range(3000) for name in own
    } | {f"W_f{number}": own["c.W_f"] for number in range(9000)}
    names = list(many)
    random.Random(0).shuffle(names)
    found = recognise(checkpoint({name: many[name] for name in names}))
    assert found.unrecognised == ()
