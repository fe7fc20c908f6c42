"""Protocol buffers by their first fields: each of its own kind, and noise of none."""

from __future__ import annotations

import random

import neighbours
import pytest

from rnndiag.containers import protobuf

KINDS = {
    protobuf.is_onnx: neighbours.ONNX,
    protobuf.is_core_ml: neighbours.CORE_ML,
    protobuf.is_saved_model: neighbours.SAVED_MODEL,
    protobuf.is_graph: neighbours.GRAPH,
    protobuf.is_sentencepiece: neighbours.PIECES,
    protobuf.is_caffe: neighbours.field(1, b"net") + neighbours.field(100, b"layer"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_is_of_its_own_kind_alone(kind):
    found = [other.__name__ for other in KINDS if other(KINDS[kind])]
    assert found == [kind.__name__]


@pytest.mark.parametrize("kind", KINDS)
def test_a_cut_one_and_noise_end(kind):
    dice = random.Random(0)
    for length in range(len(KINDS[kind][:60])):
        kind(KINDS[kind][:length])
    for _ in range(300):
        kind(bytes([dice.choice((8, 10, 18))]) + dice.randbytes(dice.randrange(40)))


def test_fields_are_read_as_far_as_they_are_there():
    whole = neighbours.field(1, 300) + neighbours.field(2, b"name")
    first, second = protobuf.fields(whole)
    assert (first.number, first.is_number, first.value) == (1, True, 300)
    assert (second.number, second.content, second.is_name) == (2, b"name", True)
    cut = list(protobuf.fields(whole[:-1]))[1]
    assert (cut.value, cut.content, cut.is_name) == (4, b"nam", False)
    assert list(protobuf.fields(b"\xff" * 30)) == []
    assert list(protobuf.fields(b"\x09" + bytes(8))) == []  # a fixed number: of no kind here
