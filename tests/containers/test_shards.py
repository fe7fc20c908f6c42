"""Sharded safetensors by index or folder: missing shards are named, and no path leads outside."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from rnndiag.containers import read
from rnndiag.errors import InputCode, RnndiagError

INDEX = "model.safetensors.index.json"


def sharded(folder: Path, weight_map: Any = None) -> str:
    """Two shards of two vectors, and an index over them."""
    folder.mkdir(exist_ok=True)
    save_file({"a": torch.ones(2), "b": torch.zeros(2)}, folder / "one.safetensors", {"x": "1"})
    save_file({"c": torch.full((2,), 5.0)}, folder / "two.safetensors")
    if weight_map is None:
        weight_map = {"a": "one.safetensors", "b": "one.safetensors", "c": "two.safetensors"}
    path = folder / INDEX
    path.write_text(json.dumps({"metadata": {"total_size": 24}, "weight_map": weight_map}))
    return str(path)


def failure(path: object) -> RnndiagError:
    with pytest.raises(RnndiagError) as caught:
        read(str(path))
    return caught.value


def test_an_index_and_its_folder(tmp_path: Path) -> None:
    index = Path(sharded(tmp_path / "m"))
    index_as_weights = tmp_path / "m" / "weights.pt"
    index_as_weights.write_bytes(index.read_bytes())
    for path in (index, tmp_path / "m", index_as_weights):
        checkpoint = read(str(path))
        assert checkpoint.container == "safetensors-index"
        assert checkpoint.path == str(path)
        assert {n: t.load().tolist() for n, t in checkpoint.tensors.items()} == {
            "a": [1, 1],
            "b": [0, 0],
            "c": [5, 5],
        }
        assert checkpoint.values == {"__metadata__.x": "1"}
        assert len({stored.identity for stored in checkpoint.tensors.values()}) == 3
        assert checkpoint.size_bytes == sum(
            file.stat().st_size for file in (*(tmp_path / "m").glob("*.safetensors"), index)
        )


def test_a_folder_of_shards_without_an_index(tmp_path: Path) -> None:
    index = Path(sharded(tmp_path / "m"))
    index.unlink()
    assert sorted(read(str(index.parent)).tensors) == ["a", "b", "c"]
    (index.parent / "two.safetensors").rename(index.parent / "three.safetensors")
    save_file({"a": torch.ones(1)}, index.parent / "two.safetensors")
    error = failure(index.parent)
    assert error.code is InputCode.REFUSED
    assert "two shards hold a tensor a" in error.what


def test_equal_places_in_two_shards_are_two_tensors(tmp_path: Path) -> None:
    save_file({"a": torch.ones(2)}, tmp_path / "one.safetensors")
    save_file({"b": torch.ones(2)}, tmp_path / "two.safetensors")
    found = read(str(tmp_path)).tensors
    assert found["a"].identity != found["b"].identity


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    index = Path(sharded(tmp_path / "m"))
    (tmp_path / "m" / "two.safetensors").unlink()
    for path in (index, index.parent):
        error = failure(path)
        assert error.code is InputCode.DAMAGED
        assert "two.safetensors is missing" in error.what


def test_a_shard_that_is_damaged_or_a_pipe_is_named(tmp_path: Path) -> None:
    index = Path(sharded(tmp_path / "m"))
    shard = tmp_path / "m" / "two.safetensors"
    shard.write_bytes(shard.read_bytes()[:-1])
    assert "its shard two.safetensors: the file is truncated" in failure(index).what
    shard.unlink()
    os.mkfifo(shard)
    error = failure(index)
    assert error.code is InputCode.DAMAGED
    assert "named pipe" in error.what
    shard.unlink()
    torch.save({"c": torch.ones(2)}, shard)
    assert "no safetensors file" in failure(index).what


@pytest.mark.parametrize(
    "shard",
    [
        "../two.safetensors",
        "/etc/passwd",
        "a/../../b",
        "..",
        "C:\\x",
        "\\\\host\\share\\x",
        "..\\x",
        "a\0b",
        "",
    ],
)
def test_a_shard_outside_the_folder_is_refused(tmp_path: Path, shard: str) -> None:
    save_file({"a": torch.ones(2)}, tmp_path / "two.safetensors")
    assert failure(sharded(tmp_path / "m", {"a": shard})).code is InputCode.REFUSED


def test_tensors_the_index_does_not_know_or_misplaces(tmp_path: Path) -> None:
    path = sharded(tmp_path / "m", {"a": "one.safetensors"})
    checkpoint = read(path)
    assert list(checkpoint.tensors) == ["a"]
    assert [item.name for item in checkpoint.skipped] == ["b"]
    for weight_map in (
        {"c": "one.safetensors", "a": "two.safetensors"},
        {"nowhere": "one.safetensors"},
        {},
        {"a": 3},
        [],
    ):
        assert failure(sharded(tmp_path / "m", weight_map)).code is InputCode.DAMAGED


def test_an_index_that_is_no_json(tmp_path: Path) -> None:
    path = tmp_path / INDEX
    for text in ('{"weight_map": {', '{"weight_map": {"a": "b"}} x'):
        path.write_text(text)
        assert failure(path).code is InputCode.DAMAGED
    path.write_text('{"weight_map": {"a": "b", "a": "c"}}')
    assert failure(path).code is InputCode.REFUSED


def test_other_folders(tmp_path: Path) -> None:
    error = failure(tmp_path)
    assert error.code is InputCode.CANNOT_OPEN
    assert error.remedy == "name a file in it"
    for name in (".metadata", "__0_0.distcp"):
        (tmp_path / name).touch()
    error = failure(tmp_path)
    assert error.code is InputCode.UNSUPPORTED
    assert "DCP" in error.what
    indices = tmp_path / "several"
    sharded(indices)
    (indices / ("other" + INDEX)).touch()
    assert "several indices" in failure(indices).what
