"""torch 0.1's tar: three tables, read in place; nothing is extracted, and no pipe is opened."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest
import torch
from containers.builders import torch_tar

from rnndiag.containers import read
from rnndiag.errors import InputCode, RnndiagError

VECTORS = {"a": [1.0, 2.0, 3.0], "b": [4.0]}


def failure(path: str) -> RnndiagError:
    with pytest.raises(RnndiagError) as caught:
        read(path)
    return caught.value


@pytest.mark.filterwarnings("ignore")
def test_the_builder_writes_what_torch_reads(tmp_path: Path) -> None:
    path = torch_tar(tmp_path, VECTORS)
    checkpoint = read(path)
    assert checkpoint.container == "torch-tar"
    expected = torch.load(path, weights_only=False)
    assert {name: t.load().tolist() for name, t in checkpoint.tensors.items()} == VECTORS
    assert {name: t.tolist() for name, t in expected.items()} == VECTORS


@pytest.mark.filterwarnings("ignore")
def test_views_of_storages(tmp_path: Path) -> None:
    """(number, root, offset, count): here number 1 becomes a view of number 0."""
    path = torch_tar(tmp_path, VECTORS, views=[(1, 0, 2, 1)])
    assert read(path).tensors["b"].load().tolist() == [3.0]
    assert torch.load(path, weights_only=False)["b"].tolist() == [3.0]
    for views in ([(1, 0, 3, 1)], [(1, 7, 0, 1)], [(1, 0)], [(1, 0, -1, 1)]):
        assert failure(torch_tar(tmp_path, VECTORS, views=views)).code is InputCode.DAMAGED


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("modified", [0, 0.5])
def test_tables_that_name_storages_by_texts(tmp_path: Path, modified: float) -> None:
    path = torch_tar(
        tmp_path, VECTORS, views=[("s1", "s0", 2, 1)], text_keys=True, modified=modified
    )
    assert (b"PaxHeader" in Path(path).read_bytes()) == bool(modified)
    expected = torch.load(path, weights_only=False)
    found = read(path).tensors
    assert {name: t.load().tolist() for name, t in found.items()} == VECTORS | {"b": [3.0]}
    assert {name: t.tolist() for name, t in expected.items()} == VECTORS | {"b": [3.0]}


@pytest.mark.parametrize("member", ["sys_info", "pickle", "tensors", "storages"])
@pytest.mark.parametrize(
    "kind", [tarfile.FIFOTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE]
)
def test_links_pipes_and_devices_are_refused(tmp_path: Path, member: str, kind: bytes) -> None:
    error = failure(torch_tar(tmp_path, VECTORS, {member: kind}))
    assert error.code is InputCode.REFUSED
    assert "link, a pipe or a device" in error.what


def test_every_cut(tmp_path: Path) -> None:
    path = Path(torch_tar(tmp_path, VECTORS))
    with tarfile.open(path) as archive:
        end = max(member.offset_data + member.size for member in archive)
    whole = path.read_bytes()
    for length in range(600, end, 7):
        path.write_bytes(whole[:length])
        assert failure(str(path)).code is InputCode.DAMAGED, length


def test_tables_that_lie(tmp_path: Path) -> None:
    path = Path(torch_tar(tmp_path, VECTORS))
    whole = path.read_bytes()
    changes = {
        b"FloatStorage": b"FlautStorage",
        b"\x80\x02K\x02.": b"\x80\x02K\xff.",
        b"\x01\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0": b"\xff\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0",
        b"\x8c\x03100": b"\x8c\x03999",
        b"\x03\0\0\0\0\0\0\0\0\0\x80\x3f": b"\x03\0\0\0\0\0\0\xff\0\0\x80\x3f",
    }
    for old, new in changes.items():
        assert old in whole, old
        path.write_bytes(whole.replace(old, new))
        assert failure(str(path)).code is InputCode.DAMAGED, old
