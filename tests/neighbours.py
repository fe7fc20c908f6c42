"""What lies beside trained networks, made here: by name, and what a gate is to say of each."""

from __future__ import annotations

import gzip
import io
import pickle
import struct
import tarfile
import zipfile
from typing import Any

import numpy as np
import torch

DICE = np.random.default_rng(0)


def noise(count: int) -> bytes:
    return DICE.bytes(count)


class Scaler:
    """As scikit-learn's: an object with arrays in it."""

    def __init__(self) -> None:
        self.scale_, self.min_ = np.ones(4), np.zeros(4)


def npy(array: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def npz(**arrays: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def saved(content: Any, **options: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, **options)
    return buffer.getvalue()


def zip_of(**members: bytes) -> bytes:
    """A member's name has a double underscore for each slash."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members.items():
            archive.writestr(name.replace("__", "/"), data)
    return buffer.getvalue()


def zip_named(*names: str) -> bytes:
    return zip_of(**dict.fromkeys(names, b"{}" * 100))


def tar_of(mode: Any = "w", **members: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def varint(number: int) -> bytes:
    return bytes([number]) if number < 128 else bytes([number & 127 | 128]) + varint(number >> 7)


def field(number: int, value: int | bytes) -> bytes:
    """One field of a protocol buffer."""
    if isinstance(value, int):
        return varint(number * 8) + varint(value)
    return varint(number * 8 + 2) + varint(len(value)) + value


def record(data: bytes) -> bytes:
    """As TensorFlow frames it."""
    return struct.pack("<QI", len(data), checksum(struct.pack("<Q", len(data)))) + data + bytes(4)


def checksum(data: bytes) -> int:
    """CRC-32C by its definition, as a division of polynomials, then TensorFlow's mask."""
    bits = [byte >> place & 1 for byte in data for place in range(8)] + [0] * 32
    for place in range(32):
        bits[place] ^= 1
    for place in range(len(bits) - 32):
        if bits[place]:
            for power in (0, *(32 - at for at in range(32) if 0x1EDC6F41 >> at & 1)):
                bits[place + power] ^= 1
    crc = sum((bit ^ 1) << at for at, bit in enumerate(bits[-32:]))
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + noise(300)
LSTM = torch.nn.LSTM(4, 8).state_dict()
GOOD = saved(LSTM)
MLP = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 2)).state_dict()
ONNX = field(1, 8) + field(2, b"pytorch") + field(7, field(1, field(4, b"LSTM")))
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"ab" * 32 + b"\nsize 8\n"
PAGE = b"<!DOCTYPE html><html><head><title>Quota exceeded</title></head><body></body></html>"
OPERATIONS = field(2, field(1, field(1, b"Const")))
SAVED_MODEL = field(1, 1) + field(2, field(1, OPERATIONS + field(4, b"serve")) + bytes(9000))
CORE_ML = field(1, 4) + field(2, field(1, field(1, b"image") + field(3, b"\x2a\0"))) + noise(90)
GRAPH = field(1, field(1, b"input") + field(2, b"Placeholder")) * 2
PIECES = field(1, field(1, b"<unk>") + b"\x15\0\0\0\0" + field(3, 2)) * 2
TORCH7 = b"\4\0\0\0\1\0\0\0\3\0\0\0V 1\x0d\0\0\0nn.Sequential" + bytes(60)
FLAX = b"\x81\xa6params\x81\xa5Dense\x81\xa6kernel\xc7\x05\x01abcde"
EVENTS = record(b"\x09\0\0\0\0\x80\x1c\xd8A\x1a\x0dbrain.Event:2")
NOTHING_RECURRENT = "no recurrent weights found"

PASSED = {
    # Arrays, scalers, vocabularies
    "x_train.npy": (npy(np.zeros((5, 3))), "a single numpy array"),
    "labels.npy": (npy(np.array(["a", "b"])), "a single numpy array"),
    "objects.npy": (npy(np.array({"a": 1}, dtype=object)), "a single numpy array"),
    "cut.npy": (npy(np.zeros(50))[:90], "a single numpy array"),
    "data.npz": (npz(x=np.zeros((5, 3)), y=np.zeros(5)), f"{NOTHING_RECURRENT}; keys are x, y"),
    "scaler.pkl": (pickle.dumps(Scaler()), "keys are scale_, min_"),
    "scaler.pickle": (pickle.dumps(Scaler(), 0), "keys are scale_, min_"),
    "vocabulary.pkl": (pickle.dumps({"a": "b"}), "the file holds no tensors"),
    "words.pkl": (pickle.dumps(["a"] * 9, 0), "the file holds no tensors"),
    "X.pkl": (pickle.dumps(np.ones((5, 3))), "the file is one tensor of shape (5, 3)"),
    # Texts and sources, of which some begin as other formats do
    "app.ts": (b"let a = {\n  b: 1\n};\n", "a text file"),
    "types.ts": (b"declare { x } from 'y';\n", "a text file"),
    "film.ts": (b"G\x40\0\x10" + noise(500), "unknown bytes"),
    "words": (b"cat\ndog\nmouse\n", "a text file"),
    "column.csv": (b"count\nvalue\n1\n", "a text file"),
    "README.md": (b"# A network\n", "a text file"),
    "_SUCCESS": (b"", "the file is empty"),
    "checkpoint": (b'model_checkpoint_path: "m"\n', "a text file"),
    "best.pt.tmp": (GOOD[:200], "the file is truncated"),
    "images.tar": (tar_of(a=b"\xff\xd8\xff" + bytes(90)), "a tar archive holding a"),
    "arrays.tgz": (
        tar_of("w:gz", a=npz(x=np.zeros(3)), b=npz(x=np.zeros(3))),
        "a tar archive holding a, b",
    ),
    "table.dat": (b"500 300\n4 5\n", "a text file"),
    "index.html": (PAGE, "a web page"),
    "logo.svg": (b"<?xml version='1.0'?><svg/>", "an XML text"),
    "picture.png": (LFS, "a git-lfs pointer"),
    # Models of other programs
    "m.onnx": (ONNX, "an ONNX model"),
    "anonymous.onnx": (field(1, 8) + field(7, field(1, b"node")), "an ONNX model"),
    "saved_model.pb": (SAVED_MODEL, "a TensorFlow SavedModel"),
    "frozen.pb": (GRAPH, "a TensorFlow graph"),
    "m.mlmodel": (CORE_ML, "a CoreML model"),
    "m.tflite": (b"\x1c\0\0\0TFL3" + bytes(99), "a TensorFlow Lite model"),
    "m.t7": (TORCH7, "a Lua Torch7 file"),
    "table.t7": (b"\3\0\0\0\1\0\0\0\2\0\0\0\2\0\0\0\5\0\0\0model" + TORCH7, "a Lua Torch7 file"),
    "ascii.t7": (b"4\n1\n3\nV 1\n13\nnn.Sequential\n3\n", "a Lua Torch7 file"),
    "m.caffemodel": (field(1, b"net") + field(100, b"layer"), "a Caffe model"),
    "m.msgpack": (FLAX, "a msgpack file"),
    "m.gguf": (b"GGUF\x03\0\0\0", "a GGUF file"),
    "m.keras": (zip_named("metadata.json", "config.json", "model.weights.h5"), "a Keras model"),
    "m.ckpt.index": (noise(9) + b"\x57\xfb\x80\x8b\x24\x75\x47\xdb", "a TensorFlow checkpoint"),
    "m.data-00000-of-00001": (noise(9) + b"_CHECKPOINTABLE_OBJECT_GRAPH", "a TensorFlow checkp"),
    "spm.model": (PIECES, "a sentencepiece model"),
    "boosted.model": (b'{"learner":{}}', "a JSON text"),
    "vectors.bin": (b"3 4\nthe " + noise(16), "word vectors"),
    # Records, pictures, sounds, documents, archives
    "events.out.tfevents.1600000000.host.1.0": (EVENTS, "a TensorBoard event file"),
    "data.tfrecord": (record(b"abc"), "a TFRecord file"),
    "run.wandb": (b":W&B\0\0\0" + noise(40), "a Weights & Biases log"),
    "table.parquet": (b"PAR1" + noise(90), "a Parquet table"),
    "a.png": (PNG, "a PNG picture"),
    "a.jpg": (b"\xff\xd8\xff\xe0" + noise(90), "a JPEG picture"),
    "a.wav": (b"RIFF\x24\0\0\0WAVEfmt ", "a WAV sound"),
    "a.pdf": (b"%PDF-1.5\n%\xe2\xe3\xcf", "a PDF document"),
    "DS_Store": (b"\0\0\0\1Bud1" + noise(40), "a Finder folder file"),
    "a.docx": (zip_named("[Content_Types].xml"), "an Office document"),
    "cut.docx": (zip_named("[Content_Types].xml")[:90], "truncated"),
    "a.whl": (zip_named("a/__init__.py", "a-1.dist-info/WHEEL"), "a Python wheel"),
    "pictures.zip": (zip_of(a=PNG, b=PNG), "a plain zip archive holding a, b"),
    "data.tar": (tar_of(a=PNG), "a tar archive"),
    "data.tar.gz": (tar_of("w:gz", a=PNG), "archive"),
    "corpus.txt.gz": (gzip.compress(b"words " * 99, mtime=0), "gzip"),
    "cut.csv.gz": (gzip.compress(noise(900), mtime=0)[:300], ""),
    "any.bin": (noise(5000), "unknown bytes"),
    "zeros_first.bin": (bytes(6000) + noise(90), "unknown bytes"),
    "small_number_first.bin": (struct.pack("<Q", 16) + b'{"' + noise(90), "unknown bytes"),
    "any.dat": (noise(5000), "unknown bytes"),
    # Checkpoints without a recurrence
    "mlp.pt": (saved(MLP), f"{NOTHING_RECURRENT}; keys are 0.weight"),
    "mlp.bin": (saved(MLP), f"{NOTHING_RECURRENT}; keys are 0.weight"),
    "mlp.ckpt": (saved({"state_dict": MLP}), f"{NOTHING_RECURRENT}; keys are state_dict.0.weight"),
    "words.pt": (saved({"a": 1}), "the file holds no tensors"),
    "bare.pt": (saved(torch.ones(3, 4)), "the file is one tensor of shape (3, 4), without a name"),
    "picture.pt": (PNG, "a PNG picture"),
}
"""What passes in a folder: its bytes, and words of what is said of it."""

IN_ITS_PLACE = {
    "a git-lfs pointer": LFS,
    "a git-annex pointer": b"/annex/objects/SHA256E-s8--ab.pt\n",
    "a web page": PAGE,
    "a JSON error reply": b'{"message": "Not Found", "status": "404"}',
    "an XML error reply": b'<?xml version="1.0"?><Error><Code>AccessDenied',
    "an error reply": b"Entry not found",
    "a file of zeros": bytes(65536),
    "the file is empty": b"",
}

CLAIMING = (".pt", ".pth", ".ckpt", ".safetensors", ".th", ".checkpoint", ".nn", ".PT")
SHARED = (
    *(".pkl", ".pickle", ".npz", ".bin", ".dat", ".tar", ".zip", ".model", ".h5", ".hdf5"),
    *(".keras", ".msgpack", ".joblib", ".nemo", ".gz", ".tgz"),
)

STOPPED = {
    **{
        f"{ending}/{what}": (f"model{ending}", data, what)
        for ending in (*CLAIMING, *SHARED)
        for what, data in IN_ITS_PLACE.items()
    },
    **{
        f"{ending}/{what}": (f"model{ending}", data, what)
        for ending in (".pt", ".ckpt", ".th", ".safetensors")
        for what, data in {
            "a text file": b"just words\n",
            "unknown bytes": noise(4000),
            "an ONNX model": ONNX,
        }.items()
    },
    "half": ("half.pt", GOOD[: len(GOOD) // 2], "truncated"),
    "half pickle": ("half.pkl", pickle.dumps(Scaler())[:60], "truncated"),
    "half without an ending": ("half", GOOD[: len(GOOD) // 2], "truncated"),
    "half legacy": (
        "half.th",
        saved(LSTM, _use_new_zipfile_serialization=False)[:900],
        "truncated",
    ),
    "half npz": ("half.npz", npz(x=np.zeros(99))[:300], "truncated"),
    "half zip": ("half.zip", zip_of(a=PNG)[:100], "truncated"),
    "half safetensors": ("half.safetensors", b"\x40\0\0\0\0\0\0\0" + b'{"a": {', "truncated"),
    "torch.package": ("m.pt", zip_named("m/.data/version", "m/m.pkl"), "a torch.package archive"),
    "exported": ("m.pt", zip_named("m/archive_format"), "a .pt2 exported program"),
}
"""What gives no verdict, in a folder and by name: its name, bytes, and words of what is said."""
