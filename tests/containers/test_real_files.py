"""The real checkpoints beside the repository: names, shapes, settings, and values against torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rnndiag.containers import read
from rnndiag.errors import InputCode, RnndiagError

CONTAINERS = {"torch zip": "torch-zip", "legacy torch": "torch-legacy"}


@pytest.fixture(scope="module")
def manifest(shared: Path) -> list[dict[str, Any]]:
    return json.loads((shared / "checkpoints" / "MANIFEST.json").read_text("utf-8"))


def readable(manifest: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [entry for entry in manifest if entry["container"] in CONTAINERS]


def test_recurrent_names_shapes_and_settings(shared: Path, manifest: list[dict[str, Any]]) -> None:
    names = 0
    for entry in readable(manifest):
        checkpoint = read(str(shared / "checkpoints" / entry["file"]))
        assert checkpoint.container == CONTAINERS[entry["container"]]
        assert checkpoint.size_bytes == entry["size"]
        for recurrent in entry["recurrent"]:
            if recurrent.get("kind") in ("layer", "cell"):
                stored = checkpoint.tensors[recurrent["name"]]
                assert list(stored.shape) == recurrent["shape"]
                assert stored.dtype == recurrent["dtype"]
                names += 1
        for name, value in entry["metadata"].items():
            assert checkpoint.values[name] == value, (entry["file"], name)
        assert checkpoint.skipped == ()
    assert names >= 40


def test_the_number_of_tensors(shared: Path, manifest: list[dict[str, Any]]) -> None:
    """Beyond the manifest's: numpy arrays, and Parameters that a pickled optimizer repeats."""
    for entry in readable(manifest):
        tensors = read(str(shared / "checkpoints" / entry["file"])).tensors
        counted = [
            name
            for name, stored in tensors.items()
            if stored.identity[0] != "numpy"
            and not name.rpartition(".")[2].startswith("<key ")
            and ".param_groups." not in name
        ]
        assert len(counted) == entry["tensors"], entry["file"]


def flat(prefix: str, thing: Any) -> dict[str, torch.Tensor]:
    if isinstance(thing, torch.Tensor):
        return {prefix: thing}
    entries: Any = ()
    if isinstance(thing, dict):
        entries = thing.items()
    elif isinstance(thing, list | tuple):
        entries = enumerate(thing)
    found = {}
    for key, value in entries:
        found |= flat(f"{prefix}.{key}" if prefix else str(key), value)
    return found


def test_every_tensor_equals_torchs(shared: Path, manifest: list[dict[str, Any]]) -> None:
    compared = 0
    for entry in readable(manifest):
        if entry["torch_weights_only"] != "ok":
            continue
        path = str(shared / "checkpoints" / entry["file"])
        expected = flat("", torch.load(path, map_location="cpu", weights_only=True))
        tensors = read(path).tensors
        assert set(tensors) == set(expected), entry["file"]
        for name, tensor in expected.items():
            np.testing.assert_array_equal(tensors[name].load(), tensor.detach().numpy())
            compared += 1
    assert compared >= 1000


def test_every_tensor_of_every_file_loads(shared: Path, manifest: list[dict[str, Any]]) -> None:
    for entry in readable(manifest):
        tensors = read(str(shared / "checkpoints" / entry["file"])).tensors
        nonfinite = 0
        for stored in tensors.values():
            values = stored.load()
            assert values.shape == stored.shape
            nonfinite += int(stored.is_floating and not np.isfinite(values).all())
        assert (nonfinite > 0) == bool(entry["nonfinite"]), entry["file"]


def test_other_containers_are_named(shared: Path, manifest: list[dict[str, Any]]) -> None:
    words = {
        "TorchScript zip": "TorchScript",
        "plain pickle": "plain pickle",
        "legacy tar torch": "torch 0.1 tar",
        "sb3 zip": "stable-baselines3",
    }
    for entry in manifest:
        if entry["container"] in words:
            with pytest.raises(RnndiagError, match="not read yet") as caught:
                read(str(shared / "checkpoints" / entry["file"]))
            assert caught.value.code is InputCode.UNSUPPORTED
            assert words[entry["container"]] in caught.value.what
