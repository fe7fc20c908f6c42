"""From an archive to the checkpoint in it: read where one member is meant, else named."""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from containers.archives import PACKINGS, Members, lstm_bytes, tar_of, zip_of
from containers.builders import torch_tar

from rnndiag.containers import CONTAINERS, read, unwrapping
from rnndiag.containers.unwrapping import MAX_MEMBERS, MAX_WRAPPINGS, SHARED_FORMATS, WRAPPINGS
from rnndiag.containers.wrapping import Room
from rnndiag.errors import Content, InputCode, RnndiagError

LSTM, LEGACY = lstm_bytes(), lstm_bytes(legacy=True)
SCALER = pickle.dumps({"mean": np.ones(3)})
WEIGHTS = pickle.dumps({"fc.weight": np.ones((3, 3))})
TGZ = PACKINGS["gzip"](tar_of({"weights.th": LEGACY, "config.json": b"{}"}))


def npz(name: str = "a") -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **{name: np.ones(3)})
    return buffer.getvalue()


def put(folder: Path, data: bytes) -> str:
    path = folder / "archive"
    path.write_bytes(data)
    return str(path)


def deflated(members: Members) -> bytes:
    return zip_of(members, zipfile.ZIP_DEFLATED)


WRAP = {"tar": tar_of, "zip": zip_of, "packed zip": deflated}

MEANT: list[tuple[Members, str, str]] = [
    ({"model_config.yaml": b"a: 1", "./model_weights.ckpt": LSTM}, "model_weights.ckpt", "zip"),
    ({"a/weights.th": LEGACY, "a/vocabulary/tokens.txt": b"a\nb"}, "weights.th", "legacy"),
    ({"model.pt": LSTM, "scaler.pkl": SCALER, "data.npz": npz()}, "model.pt", "zip"),
    ({"scaler.pkl": SCALER, "README": b"x" * 5000}, "scaler.pkl", "pickle"),
    ({"pytorch_model.bin": LSTM, "optimizer.pt": LSTM}, "pytorch_model.bin", "zip"),
    ({"model.pt": LSTM, "more.tar.gz": TGZ}, "model.pt", "zip"),
    ({"a.docx": zip_of({"word/document.xml": b"<x/>"}), "b.pt": LSTM}, "b.pt", "zip"),
]


@pytest.mark.parametrize("wrap", WRAP)
@pytest.mark.parametrize(("members", "name", "kind"), MEANT)
def test_the_member_that_is_meant(
    tmp_path: Path, wrap: str, members: Members, name: str, kind: str
) -> None:
    checkpoint = read(put(tmp_path, WRAP[wrap](members)), verify=True)
    assert name in checkpoint.notes[0]
    first, _, around = checkpoint.container.partition(" in ")
    assert kind in first
    assert around == wrap.rpartition(" ")[2]
    assert all(tensor.load() is not None for tensor in checkpoint.tensors.values())
    assert checkpoint.size_bytes == Path(checkpoint.path).stat().st_size


def test_layers_keep_their_names(tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(LSTM)
    plain = read(str(tmp_path / "plain"))
    for data in (tar_of({"deep/er/model.pt": LSTM}), TGZ, PACKINGS["gzip"](LSTM)):
        found = read(put(tmp_path, data))
        assert found.tensors.keys() == plain.tensors.keys()
        for name, tensor in found.tensors.items():
            assert np.array_equal(tensor.load(), plain.tensors[name].load())


SEVERAL: list[Members] = [
    {"a.pt": LSTM, "b.pt": LSTM},
    {"a.pkl": WEIGHTS, "b.npz": npz()},
    {"a.pkl": SCALER, "b.npz": npz(), "c.npz": npz("w/kernel")},
    {"a.pkl": SCALER[:-30], "b.npz": npz()},
    {"model.safetensors": LSTM, "pytorch_model.bin": LSTM},
    {"a.tar.gz": TGZ, "b.tar.gz": TGZ},
]


@pytest.mark.parametrize("wrap", WRAP)
@pytest.mark.parametrize("members", SEVERAL)
def test_several_that_may_be_meant(tmp_path: Path, wrap: str, members: Members) -> None:
    with pytest.raises(RnndiagError) as caught:
        read(put(tmp_path, WRAP[wrap](members)))
    assert caught.value.code is InputCode.REFUSED
    assert all(name in caught.value.what for name in members)
    assert "unpack it first" in caught.value.remedy


@pytest.mark.parametrize("wrap", WRAP)
def test_an_archive_of_anything_else(tmp_path: Path, wrap: str) -> None:
    many = {f"{number}.txt": b"x" for number in range(MAX_MEMBERS + 1)}
    for members, what in (({"a.txt": b"text", "b": b""}, "a.txt"), (many, "more than 1000")):
        with pytest.raises(RnndiagError) as caught:
            read(put(tmp_path, WRAP[wrap](members)))
        assert caught.value.code is InputCode.NOT_A_CHECKPOINT
        assert what in caught.value.what
        assert "unpack it first" in caught.value.remedy


SCAN = PACKINGS["gzip"](b"\x5c\1\0\0" + bytes(range(256)) * 40)
DATA: list[Members] = [
    {"a.pkl": SCALER, "b.npz": npz()},
    {f"{number}.npz": npz() for number in range(20)},
    {"a.nii.gz": SCAN, "b.nii.gz": SCAN, "labels.csv.gz": PACKINGS["gzip"](b"a,b\n" * 50)},
    {"0.jpg": b"\xff\xd8\xff" + bytes(50), "0.cls": b"3", "0.pyd": SCALER, "1.pyd": SCALER},
]


@pytest.mark.parametrize("wrap", WRAP)
@pytest.mark.parametrize("members", DATA)
def test_a_data_set_is_no_choice_of_checkpoints(
    tmp_path: Path, wrap: str, members: Members
) -> None:
    with pytest.raises(RnndiagError) as caught:
        read(put(tmp_path, WRAP[wrap](members)))
    assert caught.value.content is Content.FOREIGN
    assert next(iter(members)) in caught.value.what


@pytest.mark.parametrize("wrap", WRAP)
def test_more_checkpoints_than_are_looked_into(tmp_path: Path, wrap: str) -> None:
    with pytest.raises(RnndiagError) as caught:
        read(put(tmp_path, WRAP[wrap]({f"{number}.pt": LSTM for number in range(40)})))
    assert caught.value.code is InputCode.REFUSED


def test_archives_within_archives_come_to_an_end(tmp_path: Path) -> None:
    for wrap in (*WRAP.values(), lambda members: PACKINGS["gzip"](*members.values())):
        data = LSTM
        for _ in range(MAX_WRAPPINGS):
            data = wrap({"inner": data})
        assert len(read(put(tmp_path, data)).tensors) == 4
        with pytest.raises(RnndiagError) as caught:
            read(put(tmp_path, wrap({"inner": data})))
        assert caught.value.code is InputCode.REFUSED
        assert "deeper" in caught.value.what


def test_the_way_to_the_member_is_said(tmp_path: Path) -> None:
    checkpoint = read(put(tmp_path, zip_of({"x/model.tar.gz": TGZ})))
    assert checkpoint.container == "torch-legacy in tar in gzip in zip"
    assert checkpoint.notes == ("read from its member weights.th in x/model.tar.gz",)


@pytest.mark.parametrize("wrap", WRAP)
def test_what_is_wrong_with_a_member_names_it(tmp_path: Path, wrap: str) -> None:
    for data, code in (
        (LSTM[:-30], InputCode.DAMAGED),
        (LEGACY[:-30], InputCode.DAMAGED),
        (PACKINGS["gzip"](LSTM)[:-9], InputCode.DAMAGED),
        (PACKINGS["gzip"](b"text"), InputCode.NOT_A_CHECKPOINT),
    ):
        with pytest.raises(RnndiagError) as caught:
            read(put(tmp_path, WRAP[wrap]({"the one": data, "notes.txt": b"x"})))
        assert caught.value.code is code
        assert "the one" in caught.value.what


def test_what_packed_members_unpack_into_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A packed tar in a packed tar: both are in memory at once."""
    inner = PACKINGS["gzip"](tar_of({"a.pkl": SCALER, "b": bytes(5 << 20)}))
    data = PACKINGS["gzip"](tar_of({"x": inner, "y": bytes(5 << 20)}))
    monkeypatch.setattr(unwrapping, "Room", lambda: Room(8 << 20))
    with pytest.raises(RnndiagError) as caught:
        read(put(tmp_path, data))
    assert caught.value.code is InputCode.REFUSED
    assert "256 MiB" in caught.value.what
    assert "tar xf" in caught.value.remedy


@pytest.mark.filterwarnings("ignore:TypedStorage")
def test_torch_package_is_not_taken_for_a_pickle(tmp_path: Path) -> None:
    path = str(tmp_path / "package.pt")
    with torch.package.PackageExporter(path) as exporter:
        exporter.save_pickle("model", "model.pkl", {"a": torch.ones(2)})
    with pytest.raises(RnndiagError) as caught:
        read(path)
    assert caught.value.code in (InputCode.NOT_A_CHECKPOINT, InputCode.UNSUPPORTED)


def test_a_torch_tar_in_an_archive(tmp_path: Path) -> None:
    whole = Path(torch_tar(tmp_path, {"a": [1.0, 2.0]})).read_bytes()
    assert read(put(tmp_path, whole)).container == "torch-tar"
    assert read(put(tmp_path, PACKINGS["gzip"](whole))).container == "torch-tar in gzip"
    assert read(put(tmp_path, tar_of({"old": whole}))).container == "torch-tar in tar"


def test_every_wrapping_has_a_name_of_its_own() -> None:
    names = [wrapping.name for wrapping in WRAPPINGS]
    assert len(set(names)) == len(names)
    assert set(names) == {*PACKINGS, "tar", "zip"}
    assert {container.name for container in CONTAINERS} >= SHARED_FORMATS
