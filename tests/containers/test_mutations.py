"""Mutations of every container: whatever is changed, every error is an RnndiagError."""

from __future__ import annotations

import io
import json
import pickle
import random
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from containers.builders import plain_zip, torch_tar
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from rnndiag.containers import CONTAINERS, read
from rnndiag.errors import RnndiagError

pytestmark = pytest.mark.filterwarnings("ignore")
MUTATIONS = 250
MUTATIONS_OF_REAL_FILES = 20
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
    return json.dumps({"weight_map": {"a": "one.safetensors"}}).encode()


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


def outcomes(path: Path, whole: bytes, count: int) -> set[str]:
    """What becomes of `count` mutations, each within the five seconds that any file may take."""
    found = set()

    # The same mutations in every run: a build must not fail by chance.
    @settings(max_examples=count, derandomize=True, database=None, deadline=timedelta(seconds=5))
    @given(st.randoms(use_true_random=False))
    def attempt(dice: random.Random) -> None:
        path.write_bytes(mutated(whole, dice))
        try:
            for stored in read(str(path)).tensors.values():
                stored.load()
            found.add("read")
        except RnndiagError as error:
            found.add(error.code.value)

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


EDGE = 6000


def place_in(data: bytearray, dice: random.Random) -> int:
    """Near the start or the end, where every container keeps its structure."""
    reach = dice.randrange(min(EDGE, len(data)))
    return reach if dice.random() < 0.6 else len(data) - 1 - reach


def mutated(whole: bytes, dice: random.Random) -> bytes:
    data = bytearray(whole)
    for _ in range(dice.choice((1, 1, 3))):
        place = place_in(data, dice)
        kind = dice.randrange(5)
        if kind == 0:
            data[place] ^= 1 << dice.randrange(8)
        elif kind == 1:
            data[place] = dice.randrange(256)
        elif kind == 2:
            data[place:place] = dice.randbytes(dice.randrange(1, 5))
        elif kind == 3:
            del data[place : place + dice.randrange(1, 9)]
        elif dice.random() < 0.2:
            del data[place + 1 :]
    return bytes(data)
