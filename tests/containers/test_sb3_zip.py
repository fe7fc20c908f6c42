"""stable-baselines3 zips: torch files in an archive, settings as JSON, pickles left alone."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from containers.builders import opcode_global, plain_zip, short

from rnndiag.containers import read
from rnndiag.errors import InputCode, RnndiagError


def saved(thing: Any, **options: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(thing, buffer, **options)
    return buffer.getvalue()


def agent(marker: Path) -> dict[str, bytes]:
    torch.manual_seed(0)
    module = torch.nn.LSTM(3, 4)
    trap = opcode_global("os", "system") + short(f"touch {marker}") + b"\x85R."
    data = {
        "policy_class": {
            ":type:": "<class 'abc.ABCMeta'>",
            ":serialized:": base64.b64encode(trap).decode(),
            "__module__": "sb3_contrib.policies",
        },
        "max_grad_norm": 0.5,
        "n_steps": 128,
        "seed": None,
        "use_sde": False,
        "_last_obs": {":serialized:": base64.b64encode(trap).decode()},
        "lst": [1, 2],
    }
    return {
        "data": json.dumps(data).encode(),
        "policy.pth": saved(module.state_dict()),
        "policy.optimizer.pth": saved(
            {"state": {0: {"exp_avg_sq": torch.ones(4)}}}, _use_new_zipfile_serialization=False
        ),
        "_stable_baselines3_version": b"2.0",
    }


def failure(path: str) -> RnndiagError:
    with pytest.raises(RnndiagError) as caught:
        read(path)
    return caught.value


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_values_settings_and_nothing_run(tmp_path: Path, compression: int) -> None:
    members = agent(tmp_path / "marker")
    checkpoint = read(plain_zip(tmp_path / "agent.zip", members, compression), verify=True)
    assert checkpoint.container == "sb3-zip"
    weight = torch.load(io.BytesIO(members["policy.pth"]))["weight_hh_l0"].numpy()
    np.testing.assert_array_equal(checkpoint.tensors["policy.pth.weight_hh_l0"].load(), weight)
    assert checkpoint.tensors["policy.optimizer.pth.state.0.exp_avg_sq"].load().sum() == 4
    assert checkpoint.values == {
        "sb3.policy_class": "sb3_contrib.policies",
        "sb3.max_grad_norm": 0.5,
        "sb3.n_steps": 128,
        "sb3.seed": None,
        "sb3.use_sde": False,
    }
    identities = [stored.identity for stored in checkpoint.tensors.values()]
    assert len(set(identities)) == len(identities)
    assert not (tmp_path / "marker").exists()


def test_a_damaged_member_is_named(tmp_path: Path) -> None:
    members = agent(tmp_path / "marker")
    members["policy.pth"] = members["policy.pth"][:-100]
    error = failure(plain_zip(tmp_path / "agent.zip", members))
    assert error.code is InputCode.DAMAGED
    assert error.what.startswith("policy.pth: ")
    members["policy.pth"] = b"no torch file"
    names = read(plain_zip(tmp_path / "agent.zip", members)).tensors
    assert list(names) == ["policy.optimizer.pth.state.0.exp_avg_sq"]


def test_archives_that_multiply_are_refused(tmp_path: Path) -> None:
    members = agent(tmp_path / "marker")
    many = members | {f"{number}.pth": b"x" for number in range(40)}
    assert failure(plain_zip(tmp_path / "a.zip", many)).code is InputCode.REFUSED
    packed = plain_zip(tmp_path / "inner", {"m/data.pkl": b"N."}, zipfile.ZIP_DEFLATED)
    members["policy.pth"] = Path(packed).read_bytes()
    assert "packed archive" in failure(plain_zip(tmp_path / "a.zip", members)).what


@pytest.mark.parametrize("data", [b"{", b"[1]", b"\xff", b"[" * 100_000])
def test_settings_that_are_no_json(tmp_path: Path, data: bytes) -> None:
    members = agent(tmp_path / "marker") | {"data": data}
    assert failure(plain_zip(tmp_path / "a.zip", members)).code is InputCode.DAMAGED


def test_packed_members_have_a_cap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = plain_zip(tmp_path / "a.zip", agent(tmp_path / "marker"), zipfile.ZIP_DEFLATED)
    sizes = [len(raw) for name, raw in agent(tmp_path / "marker").items() if name.endswith(".pth")]
    monkeypatch.setattr("rnndiag.containers.sb3_zip.MAX_UNPACKED_PART_BYTES", sum(sizes))
    assert read(path).tensors
    monkeypatch.setattr("rnndiag.containers.sb3_zip.MAX_UNPACKED_PART_BYTES", sum(sizes) - 1)
    error = failure(path)
    assert error.code is InputCode.REFUSED
    assert error.what == f"its torch files unpack into {sum(sizes)} bytes"
    monkeypatch.setattr("rnndiag.containers.sb3_zip._MAX_SETTINGS_BYTES", 10)
    assert failure(path).code is InputCode.REFUSED
