"""joblib's pickles: arrays between the opcodes, read as data; compressed ones unpacked first."""

from __future__ import annotations

import io
import os
import pickle
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import torch
from containers.timing import in_time
from sklearn.preprocessing import MinMaxScaler

from rnndiag.containers import read
from rnndiag.errors import InputCode, RnndiagError

COMPRESSIONS = {
    "zlib": "zlib",
    "gzip": "gzip",
    "bz2": "bzip2",
    "lzma": "lzma",
    "xz": "xz",
}
"""joblib's name → what the container is called."""

DTYPES = (
    "<f8",
    "<f4",
    "<f2",
    ">f8",
    ">f4",
    "<i8",
    ">i4",
    "|i1",
    "|u1",
    "|b1",
    "<u2",
    "<c16",
    "<c8",
)


def arrays() -> dict[str, np.ndarray]:
    dice = np.random.default_rng(0)
    found = {code: dice.integers(0, 2, (3, 5)).astype(code) for code in DTYPES}
    found |= {"fortran": np.asfortranarray(dice.standard_normal((4, 6)))}
    found |= {"scalar": np.array(2.5), "nothing": np.zeros((0, 3)), "cube": np.ones((2, 3, 4))}
    return found | {"strided": dice.standard_normal((6, 6))[::2, 1::2]}


def same(path: str, expected: dict[str, np.ndarray]) -> None:
    found = read(path).tensors
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        loaded = found[name].load()
        assert loaded.shape == values.shape, name
        assert loaded.dtype == values.dtype.newbyteorder("="), name
        assert np.array_equal(loaded, values), name


@pytest.mark.parametrize("protocol", range(6))
def test_arrays_of_every_kind_equal_what_joblib_loads(tmp_path: Path, protocol: int) -> None:
    path = str(tmp_path / "a.joblib")
    joblib.dump(arrays(), path, protocol=protocol)
    same(path, joblib.load(path))
    same(path, arrays())


@pytest.mark.parametrize("method", COMPRESSIONS)
def test_compressed_ones_are_unpacked(tmp_path: Path, method: str) -> None:
    path = str(tmp_path / "a.joblib")
    joblib.dump(arrays(), path, compress=(method, 3))
    same(path, arrays())
    assert read(path).container == f"pickle in {COMPRESSIONS[method]}"


def test_the_array_itself_is_the_file(tmp_path: Path) -> None:
    path = str(tmp_path / "a.joblib")
    joblib.dump(np.arange(6.0).reshape(2, 3), path)
    (tensor,) = read(path).tensors.values()
    assert tensor.load().tolist() == [[0, 1, 2], [3, 4, 5]]


def test_files_of_older_releases(tmp_path: Path) -> None:
    """joblib ships what its own releases wrote, some of it in Python 2, which it refuses itself."""
    folder = Path(joblib.__file__).parent / "test" / "data"
    paths = [path for path in sorted(folder.glob("joblib_*")) if "npy" not in path.name]
    assert len(paths) >= 30
    kinds = set()
    for path in paths:
        checkpoint = read(str(path))
        kinds.add(checkpoint.container)
        apart = [item for item in checkpoint.skipped if "a file of its own" in item.reason]
        found = [tensor.load().ravel().tolist() for tensor in checkpoint.tensors.values()]
        assert found == ([] if apart else [[0, 1, 2, 3, 4], [0, 1, 2, 3, 4], [0, 1, 2]]), path
        assert len(apart) in (0, 3, 4)
    assert kinds == {"pickle"} | {
        f"pickle in {kind}" for kind in ("joblib-zfile", *COMPRESSIONS.values())
    }


def test_what_is_no_number_is_named(tmp_path: Path) -> None:
    record = np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")])
    holder = np.array([(None,)], dtype=[("a", "O")])
    odd = {"text": np.array(["ab", "cde"]), "bytes": np.array([b"ab"]), "record": record}
    odd |= {"when": np.array(["2020-01-01"], "M8[D]"), "objects": np.array([None, "x"], object)}
    odd |= {"wide": np.ones(2, np.longdouble), "holder": holder, "after": np.ones(3)}
    path = str(tmp_path / "a.joblib")
    joblib.dump(odd, path)
    checkpoint = read(path)
    assert list(checkpoint.tensors) == ["after"]
    assert checkpoint.tensors["after"].load().tolist() == [1, 1, 1]
    assert {item.name for item in checkpoint.skipped} == odd.keys() - {"after"}


def test_weights_are_read_under_their_names(tmp_path: Path) -> None:
    state = torch.nn.LSTM(3, 4).state_dict()
    path = str(tmp_path / "weights.joblib")
    for kept in ({name: tensor.numpy() for name, tensor in state.items()}, state):
        joblib.dump(kept, path)
        found = read(path).tensors
        assert found.keys() == state.keys()
        assert all(np.array_equal(found[name].load(), state[name].numpy()) for name in state)


def test_a_scaler_is_called_by_its_class(tmp_path: Path) -> None:
    path = str(tmp_path / "scaler.pkl")
    scaler = MinMaxScaler().fit(np.arange(12.0).reshape(4, 3))
    for dump in (joblib.dump, lambda thing, name: Path(name).write_bytes(pickle.dumps(thing))):
        dump(scaler, path)
        checkpoint = read(path)
        assert checkpoint.made_of == "sklearn.preprocessing.MinMaxScaler"
        assert checkpoint.tensors["data_min_"].load().tolist() == [0, 1, 2]


class Trap:
    """Touches a marker when a trusting load makes it."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.marker),)


def test_nothing_is_run(tmp_path: Path) -> None:
    """Not beside an array, not inside of an array of objects; the same file does run in joblib."""
    path, marker = str(tmp_path / "a.joblib"), tmp_path / "marker"
    for thing in (
        {"a": np.ones(3), "b": Trap(marker)},
        {"a": np.array([Trap(marker)], object), "c": np.ones(2)},
    ):
        joblib.dump(thing, path)
        assert "posix.mkdir" in read(path).would_import
        assert not marker.exists()
        joblib.load(path)
        marker.rmdir()


def written(thing: Any) -> bytes:
    buffer = io.BytesIO()
    joblib.dump(thing, buffer)
    return buffer.getvalue()


def failure(path: Path, data: bytes) -> RnndiagError:
    path.write_bytes(data)
    with in_time(), pytest.raises(RnndiagError) as caught:
        read(str(path))
    return caught.value


@pytest.mark.parametrize("count", [256, 1 << 20, 1 << 40, 1 << 47, 1 << 63, (1 << 64) + 3, -1])
def test_an_array_that_claims_more_than_there_is(tmp_path: Path, count: int) -> None:
    whole = written(np.ones(255, np.uint8))
    assert whole.count(b"K\xff\x85") == 1
    raw = count.to_bytes(count.bit_length() // 8 + 1, "little", signed=True)
    data = whole.replace(b"K\xff\x85", b"\x8a" + bytes([len(raw)]) + raw + b"\x85")
    assert failure(tmp_path / "a", data).code in (InputCode.DAMAGED, InputCode.REFUSED)


def test_descriptions_that_make_no_sense(tmp_path: Path) -> None:
    whole = written(np.ones(255, np.float32))
    for old, new in (
        (b"\x8c\x05shape", b"\x8c\x05shame"),
        (b"K\xff\x85", b"\x8c\x01a\x85"),
        (b"K\xff\x85", b"]"),
        (b"\x8c\x02f4", b"\x8c\x02f9"),
        (b"\x8c\x02f4", b"\x8c\x02fx"),
    ):
        assert old in whole, old
        error = failure(tmp_path / "a", whole.replace(old, new))
        assert error.code is InputCode.DAMAGED, new


def test_cut_anywhere(tmp_path: Path) -> None:
    whole = written({"a": np.ones(300), "b": np.array([None], object), "c": np.ones(5)})
    for length in range(20, len(whole), 100):
        error = failure(tmp_path / "a", whole[:length])
        assert error.code is InputCode.DAMAGED
        assert "\n" not in str(error)


def test_nothing_of_an_array_is_read_before_it_is_asked_for(tmp_path: Path) -> None:
    """A file with a hole of 4 GB in place of the numbers."""
    whole = written(np.ones(255, np.uint8))
    place = whole.index(bytes([1]) * 255)
    count = (1 << 32).to_bytes(6, "little")
    path = tmp_path / "a"
    with path.open("wb") as file:
        start = whole[:place].replace(b"K\xff\x85", b"\x8a\x06" + count + b"\x85")
        file.write(start)
        file.seek(len(start) + (1 << 32))
        file.write(whole[place + 255 :])
    with in_time():
        (tensor,) = read(str(path)).tensors.values()
    assert tensor.shape == (1 << 32,)
