"""Mutations of every container: whatever is changed, every error is an RnndiagError."""

from __future__ import annotations

import io
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import torch
from containers.archives import PACKINGS, tar_of, zip_of
from containers.builders import plain_zip, torch_tar
from containers.mutations import LIMITS, Change, changed, outcome
from containers.timing import in_time
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from rnndiag.containers import CONTAINERS, read

pytestmark = pytest.mark.filterwarnings("ignore")
MUTATIONS = 200
MUTATIONS_OF_REAL_FILES = 25
LARGEST_REAL_FILE = 300_000


def thing() -> dict[str, Any]:
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.LSTM(2, 2), torch.nn.Linear(2, 1))
    return {
        "model": model.state_dict(),
        "lr": np.float64(0.1),
        "steps": np.arange(4),
        "quantised": torch.quantize_per_tensor(torch.randn(3), 0.1, 1, torch.qint8),
        "settings": {"names": ["a", "b"], "nested": [(1, 2.5, None, True)]},
    }


def torch_bytes(legacy: bool = False) -> bytes:
    buffer = io.BytesIO()
    torch.save(thing(), buffer, _use_new_zipfile_serialization=not legacy)
    return buffer.getvalue()


def scripted(folder: Path) -> bytes:
    torch.jit.script(torch.nn.Linear(2, 2)).save(str(folder / "script"))
    return (folder / "script").read_bytes()


def agent(folder: Path) -> bytes:
    members = {"data": b'{"n_steps": 5}', "policy.pth": torch_bytes()}
    return Path(plain_zip(folder / "agent", members)).read_bytes()


def arrays(_: Path) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, a=np.ones(5), b=np.zeros((2, 3), "f2"))
    return buffer.getvalue()


def shards(folder: Path) -> bytes:
    save_file({"a": torch.ones(3)}, folder / "one.safetensors")
    metadata = {"note": "the weights stand in another file " * 5}
    return json.dumps({"weight_map": {"a": "one.safetensors"}, "metadata": metadata}).encode()


def single(folder: Path) -> bytes:
    shards(folder)
    return (folder / "one.safetensors").read_bytes()


SEEDS: dict[str, Callable[[Path], bytes]] = {
    "torch-zip": lambda _: torch_bytes(),
    "torch-legacy": lambda _: torch_bytes(legacy=True),
    "torchscript": scripted,
    "torch-tar": lambda f: Path(torch_tar(f, {"a": [1.0, 2.0]}, views=[(1, 0, 1, 1)])).read_bytes(),
    "sb3-zip": agent,
    "pickle": lambda _: pickle.dumps(thing() | {"quantised": None}, 2),
    "npz": arrays,
    "safetensors": single,
    "safetensors-index": shards,
}


def dumped(**options: Any) -> bytes:
    buffer = io.BytesIO()
    weights = {name: np.ones(2) for name in ("a", "b")}
    joblib.dump({"w": weights, "objects": np.array([None, "a"], object)}, buffer, **options)
    return buffer.getvalue()


WRAPPED: dict[str, Callable[[], bytes]] = {
    "pickle": dumped,
    "pickle in zlib": lambda: dumped(compress=3),
    "pickle in lzma": lambda: PACKINGS["lzma"](dumped()),
    "torch-zip in gzip": lambda: PACKINGS["gzip"](torch_bytes()),
    "torch-legacy in bzip2": lambda: PACKINGS["bzip2"](torch_bytes(legacy=True)),
    "torch-zip in xz": lambda: PACKINGS["xz"](torch_bytes()),
    "torch-zip in tar": lambda: tar_of({"a.yaml": b"a: 1", "b/model.pt": torch_bytes()}),
    "torch-zip in zip": lambda: zip_of({"a.txt": b"a", "b/model.pt": torch_bytes()}),
    "torch-legacy in tar in gzip": lambda: PACKINGS["gzip"](
        tar_of({"c" * 120: b"c", "weights.th": torch_bytes(legacy=True)})
    ),
}


CHANGES = st.lists(
    st.builds(Change, *(st.integers(0, limit - 1) for limit in LIMITS)), min_size=1, max_size=4
)

# The same examples in every run: a build must not fail by chance.
ALWAYS_THE_SAME = settings(derandomize=True, database=None, deadline=None)


def outcomes(path: Path, whole: bytes, count: int) -> set[str]:
    """What becomes of `count` mutations. Nothing in them is run, and none takes five seconds."""
    marker = path.with_name("marker")
    payload = f"cos\nsystem\n(Vtouch {marker}\ntR".encode()
    found = set()

    @settings(ALWAYS_THE_SAME, max_examples=count)
    @given(CHANGES)
    def attempt(changes: list[Change]) -> None:
        path.write_bytes(changed(whole, changes, payload))
        with in_time():
            found.add(outcome(str(path)))
        assert not marker.exists()

    attempt()
    return found


def test_every_container_is_mutated() -> None:
    assert set(SEEDS) == {container.name for container in CONTAINERS}


@pytest.mark.parametrize("name", SEEDS)
def test_mutations(tmp_path: Path, name: str) -> None:
    path = tmp_path / "mutated"
    whole = SEEDS[name](tmp_path)
    path.write_bytes(whole)
    assert read(str(path)).container == name
    assert {"read", "RD003"} <= outcomes(path, whole, MUTATIONS)


@pytest.mark.parametrize("name", WRAPPED)
def test_mutations_of_what_wraps_a_checkpoint(tmp_path: Path, name: str) -> None:
    path = tmp_path / "mutated"
    whole = WRAPPED[name]()
    path.write_bytes(whole)
    assert read(str(path)).container == name
    assert "RD003" in outcomes(path, whole, MUTATIONS)


@pytest.mark.exhaustive
def test_mutations_of_real_files(shared: Path, tmp_path: Path) -> None:
    path = tmp_path / "mutated"
    files = [
        file
        for file in sorted((shared / "checkpoints").iterdir())
        if file.suffix != ".json" and file.stat().st_size < LARGEST_REAL_FILE
    ]
    assert len(files) >= 15
    found = set()
    for file in files:
        found |= outcomes(path, file.read_bytes(), MUTATIONS_OF_REAL_FILES)
    assert {"read", "RD003"} <= found
