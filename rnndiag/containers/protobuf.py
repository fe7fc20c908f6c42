"""Protocol buffers, by their first fields: they have no magic number, each begins with its own.

A message is a run of fields, each a key (field number times 8 plus wire type) and a value; wire
type 0 is a number, 2 a length and as many bytes, which may be a message again.
Source: protobuf.dev/programming-guides/encoding, and the .proto files of each format.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

_NUMBER, _BYTES = 0, 2
_LONGEST_VARINT = 10

_MOST_FIELDS = 4
"""That are looked at."""

_LONGEST_NAME = 200


class Field(NamedTuple):
    """One field of a message; of a value that the bytes cut off, what is there."""

    number: int
    is_number: bool
    value: int
    """The number, or how many bytes there are."""

    content: bytes

    @property
    def is_name(self) -> bool:
        """Whether it is a short text in ASCII, and all there."""
        whole = 0 < self.value == len(self.content) <= _LONGEST_NAME
        return whole and self.content.isascii() and self.content.decode().isprintable()


def _varint(raw: bytes, at: int) -> tuple[int, int] | None:
    """A number, seven bits a byte, low ones first, and where it ends."""
    value = 0
    for place, byte in enumerate(raw[at : at + _LONGEST_VARINT]):
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return value, at + place + 1
    return None


def fields(raw: bytes) -> Iterator[Field]:
    """The first fields of a message, as far as its bytes are one."""
    at = 0
    for _ in range(_MOST_FIELDS):
        key = _varint(raw, at)
        value = None if key is None else _varint(raw, key[1])
        if key is None or value is None or key[0] & 7 not in (_NUMBER, _BYTES) or not key[0] >> 3:
            return
        number, end = value
        at = end if key[0] & 7 == _NUMBER else end + number
        yield Field(key[0] >> 3, key[0] & 7 == _NUMBER, number, raw[end:at])


def _first(raw: bytes) -> Field | None:
    return next(fields(raw), None)


def _versioned(head: bytes, least: int, most: int) -> Field | None:
    """The second field of a message that begins with a version in the range, as field 1."""
    found = [*fields(head)][:2]
    if len(found) < 2 or found[0].number != 1 or not found[0].is_number:
        return None
    return found[1] if least <= found[0].value <= most else None


def is_onnx(head: bytes) -> bool:
    """ModelProto: ir_version, then producer_name, graph or opset_import (onnx.proto)."""
    second = _versioned(head, 1, 100)
    if second is None or second.is_number:
        return False
    if second.number == 2:
        return second.is_name
    return second.number in (7, 8) and _first(second.content) is not None


def is_core_ml(head: bytes) -> bool:
    """Model: specificationVersion, then a description with a named input (Model.proto)."""
    second = _versioned(head, 1, 100)
    if second is None or second.number != 2 or second.is_number or second.is_name:
        return False
    described = _first(second.content)
    named = None if described is None else _first(described.content)
    return described is not None and described.number == 1 and named is not None and named.is_name


def is_saved_model(head: bytes) -> bool:
    """SavedModel: version 1, then a graph with a MetaInfoDef (saved_model.proto)."""
    second = _versioned(head, 1, 1)
    if second is None or second.number != 2 or second.is_number or second.is_name:
        return False
    info = _first(second.content)
    return info is not None and info.number == 1 and not is_core_ml(head)


def is_graph(head: bytes) -> bool:
    """GraphDef: nodes, each a name and an operation (graph.proto)."""
    node = _first(head)
    if node is None or node.number != 1 or node.is_number:
        return False
    names = [*fields(node.content)][:2]
    return [field.number for field in names] == [1, 2] and all(field.is_name for field in names)


def is_caffe(head: bytes) -> bool:
    """NetParameter: a name, then layers, field 100, in older files 2 (caffe.proto)."""
    found = [*fields(head)][:2]
    return len(found) == 2 and found[0].number == 1 and found[0].is_name and found[1].number == 100


def is_sentencepiece(head: bytes) -> bool:
    """ModelProto: pieces, the unknown one early among them (sentencepiece_model.proto)."""
    return head[:1] == b"\n" and b"<unk>" in head[:200] and _first(head) is not None
