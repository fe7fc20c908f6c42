"""Files of other programs, by their first bytes: what each is, and what to do about it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from rnndiag.containers import protobuf
from rnndiag.errors import Content

MADE_FROM = "name the checkpoint that it was made from"
WITH_TORCH = "save its weights by name with torch.save, safetensors or numpy.savez"
NAME_A_CHECKPOINT = "name a file that torch.save or safetensors wrote"

Test = Callable[[bytes], bool]
"""Of a file's first bytes."""


@dataclass(frozen=True)
class Format:
    """A kind of file that is known, and not read."""

    what: str
    is_it: Test
    remedy: str = NAME_A_CHECKPOINT

    content: Content = Content.NO_RECURRENCE
    """FOREIGN where a model may lie in it."""


def starts(*magics: bytes) -> Test:
    """With any of these bytes."""
    return lambda head: head.startswith(magics)


def _at(place: int, *magics: bytes) -> Test:
    return lambda head: head[place:].startswith(magics)


def _riff(*kinds: bytes) -> Test:
    return lambda head: head.startswith(b"RIFF") and head[8:12] in kinds


def _is_bitmap(head: bytes) -> bool:
    """Two letters alone say little: the reserved words behind the size are zero."""
    return head.startswith(b"BM") and len(head) > 14 and head[6:10] == bytes(4)


_TORCH7_OBJECT = b"\x03\0\0\0V 1"
_TORCH7_TABLE = rb"(?s)\x03\0\0\0.{8}[\1-\4]\0\0\0"
_TORCH7_TEXT = rb"4\n\d+\n\d+\nV 1\n|3\n\d+\n\d+\n[1-4]\n"


def _is_torch7(head: bytes) -> bool:
    """A type (4: an object, 3: a table) and a number; an object then says "V 1" and its class."""
    if head.startswith(b"\x04\0\0\0") and head[8:].startswith(_TORCH7_OBJECT):
        return True
    is_table = re.match(_TORCH7_TABLE, head) is not None and b"V 1" in head
    return is_table or re.match(_TORCH7_TEXT, head) is not None


def _is_msgpack(head: bytes) -> bool:
    """A map whose first key is a name, as Flax and other writers of parameters begin."""
    at = 1 if 0x81 <= head[0] <= 0x8F else {0xDE: 3, 0xDF: 5}.get(head[0], 0)
    if not at or len(head) < at + 2:
        return False
    length = head[at] - 0xA0
    at += 1
    if head[at - 1] == 0xD9:
        length, at = head[at], at + 1
    name = head[at : at + length]
    return 0 < length == len(name) and name.isascii() and name.decode().isprintable()


def _is_record(head: bytes) -> bool:
    """A TFRecord: the length of the first record, and that length's masked CRC-32C."""
    if len(head) < 12:
        return False
    checksum = 0xFFFFFFFF
    for byte in head[:8]:
        checksum ^= byte
        for _ in range(8):
            checksum = checksum >> 1 ^ (0x82F63B78 if checksum & 1 else 0)
    checksum ^= 0xFFFFFFFF
    masked = ((checksum >> 15 | checksum << 17) + 0xA282EAD8) & 0xFFFFFFFF
    return masked == int.from_bytes(head[8:12], "little")


def _is_events(head: bytes) -> bool:
    return b"brain.Event:" in head[:64]


_WORD_VECTORS = rb"[0-9]+ [0-9]+\n[^\n ]{1,200} "


def _is_tensorflow(head: bytes) -> bool:
    return b"tensorflow" in head.lower() or b"_CHECKPOINTABLE_OBJECT_GRAPH" in head


def _model(what: str, is_it: Test, remedy: str = MADE_FROM) -> Format:
    return Format(what, is_it, remedy, Content.FOREIGN)


MODELS: tuple[Format, ...] = (
    _model("a GGUF file", starts(b"GGUF")),
    _model("a GGML file", starts(b"lmgg", b"fmgg", b"tjgg")),
    _model("a TensorFlow Lite model", _at(4, b"TFL3")),
    _model("a Lua Torch7 file", _is_torch7, "load it with torchfile, and " + WITH_TORCH),
    _model("an ONNX model", protobuf.is_onnx),
    _model("a CoreML model", protobuf.is_core_ml),
    _model("a TensorFlow SavedModel", protobuf.is_saved_model, WITH_TORCH),
    _model("a TensorFlow graph", protobuf.is_graph, WITH_TORCH),
    _model("a Caffe model", protobuf.is_caffe, WITH_TORCH),
    _model("an MXNet parameter file", starts(b"\x12\x01\0\0\0\0\0\0"), WITH_TORCH),
    _model("a Kaldi model", starts(b"\0B<"), WITH_TORCH),
    _model("a TensorRT engine", starts(b"ftrt", b"ptrt")),
    _model("an R data file", starts(b"RDX2\n", b"RDX3\n", b"RDA2\n", b"RDA3\n"), WITH_TORCH),
    _model("a MATLAB file", starts(b"MATLAB 5.0", b"MATLAB 7.3"), WITH_TORCH),
    _model("a msgpack file, as Flax writes them", _is_msgpack, WITH_TORCH),
)
"""Files in which a recurrence may lie. In order: the first that fits is named."""

OTHERS: tuple[Format, ...] = (
    Format("a PNG picture", starts(b"\x89PNG\r\n\x1a\n")),
    Format("a JPEG picture", starts(b"\xff\xd8\xff")),
    Format("a GIF picture", starts(b"GIF87a", b"GIF89a")),
    Format("a BMP picture", _is_bitmap),
    Format("a TIFF picture", starts(b"II*\0", b"MM\0*")),
    Format("a WebP picture", _riff(b"WEBP")),
    Format("an icon", starts(b"\0\0\1\0\1\0", b"icns")),
    Format("a WAV sound", _riff(b"WAVE")),
    Format("a sound file", starts(b"fLaC", b"OggS", b"ID3", b"MThd", b"\xff\xfb", b"\xff\xf3")),
    Format("a film", lambda head: _at(4, b"ftyp")(head) or _riff(b"AVI ")(head)),
    Format("a Matroska film", starts(b"\x1aE\xdf\xa3")),
    Format("a PDF document", starts(b"%PDF-")),
    Format("an Office document", starts(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")),
    Format("a font", starts(b"\0\1\0\0\0", b"OTTO", b"wOFF", b"wOF2")),
    Format("an SQLite database", starts(b"SQLite format 3\0")),
    Format("an LMDB database", _at(16, b"\xde\xc0\xef\xbe")),
    Format("a Parquet table", starts(b"PAR1")),
    Format("an Arrow table", starts(b"ARROW1", b"FEA1")),
    Format("an ORC table", starts(b"ORC")),
    Format("an Avro file", starts(b"Obj\x01")),
    Format("a TensorBoard event file", _is_events),
    Format("a TFRecord file", _is_record),
    Format("a Weights & Biases log", starts(b":W&B")),
    Format("a Finder folder file", _at(4, b"Bud1")),
    Format("a sentencepiece model", protobuf.is_sentencepiece),
    Format("fastText vectors", starts(b"\xba\x16\x4f\x2f")),
    Format("word vectors", lambda head: re.match(_WORD_VECTORS, head) is not None),
    Format("a KenLM language model", starts(b"mmap lm http://kheafield.com/code")),
    Format("a CatBoost model", starts(b"CBM1")),
    Format("an XGBoost model", starts(b"binf", b"{L\0\0")),
    Format("a program", starts(b"\x7fELF", b"MZ\x90", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe")),
    Format("compiled Python", _at(2, b"\r\n")),
)
"""Files without a recurrence. In order: the first that fits is named."""

TENSORFLOW = _model("a TensorFlow checkpoint", _is_tensorflow, WITH_TORCH)
"""Known by a word, so asked after whatever is known by its first bytes, and after texts."""

IN_TEXT: tuple[Format, ...] = (
    next(kind for kind in MODELS if kind.is_it is _is_torch7),
    next(kind for kind in OTHERS if kind.what == "a PDF document"),
)
"""Those that may begin as a text does."""


@dataclass(frozen=True)
class Packed:
    """What a zip archive is, by a member that no other has."""

    what: str
    member: str
    """A pattern of its name."""

    remedy: str = NAME_A_CHECKPOINT
    content: Content = Content.NO_RECURRENCE


def _packed(what: str, member: str, remedy: str = MADE_FROM) -> Packed:
    return Packed(what, member, remedy, Content.FOREIGN)


PACKED: tuple[Packed, ...] = (
    _packed(
        "a torch.package archive",
        r"[^/]*/?\.data/(?:version|extern_modules)",
        "load it with torch.package, and save the model's state_dict with torch.save",
    ),
    _packed("a .pt2 exported program", r"(?:.*/)?archive_format", WITH_TORCH),
    _packed("a Keras model", r"model\.weights\.h5", WITH_TORCH),
    _packed("a CoreML package", r"(?:.*/)?Data/com\.apple\.CoreML/.*"),
    _packed("a TensorFlow SavedModel", r"(?:.*/)?saved_model\.pb", WITH_TORCH),
    Packed("an Office document", r"\[Content_Types\]\.xml"),
    Packed("a Java archive", r"META-INF/MANIFEST\.MF"),
    Packed("a Python wheel", r"[^/]+\.dist-info/WHEEL"),
)
"""In order; the first that has its member is named."""
