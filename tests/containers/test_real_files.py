"""The real checkpoints beside the repository: names, shapes, settings, and values against torch."""

from __future__ import annotations

import io
import json
import pickle
import types
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rnndiag.containers import read

CONTAINERS = {
    "torch zip": "torch-zip",
    "legacy torch": "torch-legacy",
    "TorchScript zip": "torchscript",
    "plain pickle": "pickle",
    "legacy tar torch": "torch-tar",
    "sb3 zip": "sb3-zip",
}


@pytest.fixture(scope="module")
def manifest(shared: Path) -> list[dict[str, Any]]:
    return json.loads((shared / "checkpoints" / "MANIFEST.json").read_text("utf-8"))


def test_recurrent_names_shapes_and_settings(shared: Path, manifest: list[dict[str, Any]]) -> None:
    names = 0
    for entry in manifest:
        checkpoint = read(str(shared / "checkpoints" / entry["file"]), verify=True)
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
        assert checkpoint.sha256 == entry["sha256"]
    assert len(manifest) == 35
    assert names >= 48


def test_the_number_of_tensors(shared: Path, manifest: list[dict[str, Any]]) -> None:
    """Beyond the manifest's: numpy arrays, and Parameters that a pickled optimizer repeats."""
    for entry in manifest:
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


class Anything(dict):  # type: ignore[type-arg] (its items are of any kind)
    """An object of a class that is not installed."""

    dump_patches = False

    def __init__(self, *_: object) -> None:
        super().__init__()

    def __setstate__(self, state: object) -> None:
        self.__dict__.update(state if isinstance(state, dict) else {})


class Lenient(pickle.Unpickler):
    """Python's own, with an empty class for whatever is not installed. For these files only."""

    def find_class(self, module: str, name: str) -> Any:
        try:
            return super().find_class(module, name)
        except (ImportError, AttributeError):
            return Anything


def loaded_by_torch(path: str, container: str) -> dict[str, torch.Tensor]:
    """Every tensor of a file that torch can open, through torch."""
    if container == "TorchScript zip":
        return dict(torch.jit.load(path).state_dict())
    if container == "plain pickle":
        with Path(path).open("rb") as file:
            return flat("", Lenient(file).load())
    if container == "sb3 zip":
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if name.endswith(".pth")]
            return flat("", {n: torch.load(io.BytesIO(archive.read(n))) for n in names})
    if container == "legacy tar torch":
        module = types.ModuleType("lenient")
        vars(module).update(Unpickler=Lenient, load=pickle.load)
        model = torch.load(path, weights_only=False, pickle_module=module)
        layers = model.__dict__["_modules"].items()
        return {f"{n}.{k}": v.data for n, m in layers for k, v in m._parameters.items()}
    return flat("", torch.load(path, map_location="cpu", weights_only=True))


@pytest.mark.filterwarnings("ignore")
def test_every_tensor_equals_torchs(shared: Path, manifest: list[dict[str, Any]]) -> None:
    compared = 0
    for entry in manifest:
        is_torch = entry["container"] in ("torch zip", "legacy torch")
        if is_torch and entry["torch_weights_only"] != "ok":
            continue
        path = str(shared / "checkpoints" / entry["file"])
        expected = loaded_by_torch(path, entry["container"])
        tensors = read(path).tensors
        # TorchScript keeps a second list of the same tensors, which no state dict shows.
        names = {name for name in tensors if "._flat_weights." not in name}
        assert names == set(expected), entry["file"]
        for name, tensor in expected.items():
            np.testing.assert_array_equal(tensors[name].load(), tensor.detach().numpy())
            compared += 1
    assert compared >= 1130


def test_every_tensor_of_every_file_loads(shared: Path, manifest: list[dict[str, Any]]) -> None:
    for entry in manifest:
        tensors = read(str(shared / "checkpoints" / entry["file"])).tensors
        nonfinite = 0
        for stored in tensors.values():
            values = stored.load()
            assert values.shape == stored.shape
            nonfinite += int(stored.is_floating and not np.isfinite(values).all())
        assert (nonfinite > 0) == bool(entry["nonfinite"]), entry["file"]
