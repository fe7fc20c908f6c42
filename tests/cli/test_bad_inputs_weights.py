"""Rows 13 to 46 of the table of bad inputs: disguises that are read, tensors that are refused."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from cli.bad_inputs import BRIEF, COMMANDS, QUICK, SINGLE, Calls, cases, only_layer, row
from cli.command import rnndiag
from containers.bad_files import rezipped, saved, trap
from containers.builders import in_dict, opcode_global, plain_zip, torch_zip
from safetensors.torch import save_file
from torch import nn
from torch.nn.utils import parametrizations, weight_norm

pytestmark = pytest.mark.filterwarnings("ignore")


def gru() -> nn.GRU:
    torch.manual_seed(0)
    return nn.GRU(3, 4)


STATE = dict(gru().state_dict())
NORMS = [
    float(np.linalg.norm(block, 2)) for block in np.split(STATE["weight_hh_l0"].double().numpy(), 3)
]


# Read: the same GRU in every disguise


def packed(folder: Path) -> str:
    return rezipped(saved(STATE)(folder), compression=zipfile.ZIP_DEFLATED)


def on_device(name: str):
    """The tag that torch wrote for the processor, X and four bytes of length, as another one."""
    tag = b"X" + len(name).to_bytes(4, "little") + name.encode()
    return lambda folder: rezipped(
        saved(STATE)(folder), lambda _, data: data.replace(b"X\x03\0\0\0cpu", tag)
    )


def big_endian(folder: Path) -> str:
    def swapped(name: str, data: bytes) -> bytes:
        if name.endswith("byteorder"):
            return b"big"
        is_storage = "/data/" in name
        return np.frombuffer(data, "<f4").astype(">f4").tobytes() if is_storage else data

    return rezipped(saved(STATE)(folder), swapped)


def npz(folder: Path) -> str:
    np.savez(folder / "saved.npz", **{name: tensor.numpy() for name, tensor in STATE.items()})
    return str(folder / "saved.npz")


def agent(folder: Path) -> str:
    policy = Path(saved(STATE)(folder)).read_bytes()
    return plain_zip(folder / "agent.zip", {"data": b"{}", "policy.pth": policy})


def script(folder: Path) -> str:
    torch.jit.script(gru()).save(str(folder / "script.pt"))
    return str(folder / "script.pt")


def sharded(folder: Path) -> str:
    shards = {name: f"{name[:4]}.safetensors" for name in STATE}
    for shard in set(shards.values()):
        save_file({n: STATE[n].clone() for n in STATE if shards[n] == shard}, folder / shard)
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": shards}))
    return str(folder)


def wrapped(wrap):
    def build(folder: Path) -> str:
        module = gru()
        wrap(module, "weight_hh_l0")
        return saved(module.state_dict())(folder)

    return build


def under(prefix: str) -> dict[str, torch.Tensor]:
    return {f"{prefix}{name}": tensor for name, tensor in STATE.items()}


def as_type(dtype: torch.dtype) -> dict[str, torch.Tensor]:
    return {name: tensor.to(dtype) for name, tensor in STATE.items()}


RAW = {"weight_hh_l0_raw": STATE["weight_hh_l0"], **under("module.")}
RAW["module.weight_hh_l0"] = RAW["module.weight_hh_l0"] * 0
COPIES = {**STATE, "copy": STATE, "_flat_weights": list(STATE.values())}
ROUNDED = 0.01
"""Of a norm, where the values have the eight bits of a bfloat16."""

READ = [
    (2, 1e-6, sharded),
    (13, 1e-6, packed),
    (19, 1e-6, npz),
    (19, 1e-6, agent),
    (23, 1e-6, script),
    (38, 1e-6, saved(under("module."))),
    (38, 1e-6, saved(under("_orig_mod.module."))),
    (38, 1e-6, wrapped(weight_norm)),
    (38, 1e-6, wrapped(parametrizations.weight_norm)),
    (38, 1e-6, saved(RAW)),
    (39, ROUNDED, saved(as_type(torch.bfloat16))),
    (39, ROUNDED, saved(as_type(torch.float16))),
    (43, 1e-6, on_device("cuda:7")),
    (43, 1e-6, on_device("xpu:33")),
    (44, 1e-6, saved(COPIES)),
    (44, 1e-6, saved(gru())),
    (45, 1e-6, big_endian),
    (45, 1e-6, saved(STATE, pickle_protocol=4)),
    (45, 1e-6, saved(STATE, pickle_protocol=5)),
]


@cases(READ, elsewhere={2, 19, 23})
def test_what_is_read(tmp_path, monkeypatch, in_process, case, as_process):
    number, tolerance, build = case
    monkeypatch.chdir(tmp_path)
    calls = Calls.on(build(tmp_path), tmp_path, in_process)
    arguments = ("spectrum", calls.path, "--format", "json")
    ran = rnndiag(*arguments, folder=tmp_path) if as_process else in_process(*arguments)
    assert (ran.returncode, ran.stderr) == (0, "")
    layer = only_layer(ran.stdout)
    assert (layer["cell"], layer["input_size"], layer["hidden_size"]) == ("gru", 3, 4)
    norms = [block["spectral_norm"] for block in layer["spectrum"]["blocks"]]
    assert norms == pytest.approx(NORMS, rel=tolerance)
    others = set(SINGLE if number == 2 else COMMANDS) - {"spectrum"}
    for command in sorted(others):
        ran = in_process(command, calls.path, *BRIEF[command])
        assert (ran.returncode, ran.stderr) == (0, ""), command


@row(2)
def test_check_takes_the_shards_of_an_index_as_one_checkpoint(tmp_path, in_process):
    ran = in_process("check", sharded(tmp_path), *QUICK, "--format", "json")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert len(json.loads(ran.stdout)["files"]) == 1


@row(39)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.qint8])
def test_numbers_that_are_converted_are_noted(tmp_path, in_process, dtype):
    tensors = as_type(dtype) if dtype.is_floating_point else quantised()
    path = saved(tensors)(tmp_path)
    said = in_process("inspect", path, "--format", "table").stdout
    if dtype.is_floating_point:
        assert str(dtype)[6:] in said
        assert f"dtype={str(dtype)[6:]}" in in_process("spectrum", path).stdout
    else:
        assert "weight_hh_l0 is quantised int8: dequantised" in " ".join(said.split())
        (file,) = json.loads(in_process("inspect", path, "--format", "json").stdout)["files"]
        assert any("weight_hh_l0 is quantised int8" in note for note in file["notes"])


def quantised():
    model = nn.Sequential(nn.LSTM(3, 4))
    return torch.ao.quantization.quantize_dynamic(model, {nn.LSTM}, torch.qint8).state_dict()


@row(24)
def test_a_payload_beside_weights_is_named_and_not_run(tmp_path, monkeypatch, in_process):
    monkeypatch.chdir(tmp_path)

    def with_trap(name: str, data: bytes) -> bytes:
        entry = b"\x8c\x04trap" + trap(tmp_path) + b"s."
        return data[:-1] + entry if name.endswith("data.pkl") else data

    name = Path(rezipped(saved(STATE)(tmp_path), with_trap)).name
    ran = rnndiag("inspect", name, folder=tmp_path)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert f"{name}: nothing executed; a trusting load would import os.system\n" in ran.stdout
    for command in COMMANDS:
        assert in_process(command, name, *BRIEF[command]).returncode == 0
    assert not (tmp_path / "marker").exists()
    torch.load(name, weights_only=False)
    assert (tmp_path / "marker").exists(), "the payload is harmless, so the test shows nothing"


# Refused, with the reason


def optimizer_alone() -> dict:
    module = gru()
    optimizer = torch.optim.Adam(module.parameters())
    module(torch.ones(2, 1, 3))[0].sum().backward()
    optimizer.step()
    return optimizer.state_dict()


def changed(**tensors: torch.Tensor):
    return saved({**STATE, **tensors})


def lacking(*names: str, layers: int = 3):
    state = nn.GRU(3, 4, layers).state_dict()
    return saved({name: tensor for name, tensor in state.items() if name not in names})


def shaped(inputs: tuple[int, ...], hidden: tuple[int, ...]):
    return saved({"weight_ih_l0": torch.ones(inputs), "weight_hh_l0": torch.ones(hidden)})


def recurrent(values: torch.Tensor):
    return changed(weight_hh_l0=values)


ELMAN = {"e.h2h.weight": torch.eye(8), "e.i2h.weight": torch.ones(8, 3)}
SECOND = ("weight_ih_l1", "weight_hh_l1", "bias_ih_l1", "bias_hh_l1")
OUTSIDE = torch.sparse_coo_tensor([[99], [99]], [1.0], (12, 4), check_invariants=False)
WIDER = changed(weight_ih_l0=torch.ones(16, 3))
META = {name: tensor.to("meta") for name, tensor in STATE.items()}
SHARD = in_dict(opcode_global("torch.distributed.tensor", "DTensor") + b")\x81", "weight_hh_l0")

UNMEASURED = [
    (30, "RD005", ["weight_hh_l0: a sparse tensor"], recurrent(OUTSIDE)),
    (32, "RD006", ["keys are 0.weight, 0.bias", "--as"], saved(nn.Sequential(nn.Linear(3, 9)))),
    (32, "RD006", ["--as e.h2h.weight=rnn:tanh,input=e.i2h.weight"], saved(ELMAN)),
    (32, "RD006", ["only optimizer state"], saved(optimizer_alone())),
    (35, "RD006", ["weight_ih_l0 (0, 3) is empty"], shaped((0, 3), (0, 0))),
    (35, "RD006", ["weight_hh_l0 has no dimensions"], recurrent(torch.tensor(1.0))),
    (
        36,
        "RD006",
        ["weight_hh_l0 (20, 4)", "(3H, H)", "(4H, H)", "weight_hr_l0"],
        shaped((20, 3), (20, 4)),
    ),
    (37, "RD006", ["bias_hh_l1 is missing", "bias_ih_l1 (12,)"], lacking("bias_hh_l1")),
    (37, "RD006", ["weight_hh_l1 is missing", "weight_hh_l2 (12, 4)"], lacking(*SECOND)),
    (37, "RD006", ["weight_ih_l0 is missing", "weight_hh_l0"], lacking("weight_ih_l0", layers=1)),
    (37, "RD006", ["weight_ih_l0 (16, 3)", "weight_hh_l0 (12, 4)", "disagree"], WIDER),
    (39, "RD005", ["weight_hh_l0", "float8_e4m3fn"], saved(as_type(torch.float8_e4m3fn))),
    (40, "RD006", ["int8", "must be floating-point"], saved(as_type(torch.int8))),
    (40, "RD006", ["weight_hh_l0", "int64"], recurrent(torch.ones(12, 4).long())),
    (40, "RD006", ["weight_hh_l0", "bool"], recurrent(torch.ones(12, 4).bool())),
    (41, "RD006", ["complex64", "must be floating-point"], saved(as_type(torch.complex64))),
    (42, "RD005", ["weight_hh_l0", "no values are stored"], saved(META)),
    (46, "RD005", ["weight_hh_l0", "one shard"], lambda folder: torch_zip(folder, SHARD)),
]


@cases(UNMEASURED, elsewhere={39})
def test_what_is_not_measured(tmp_path, monkeypatch, in_process, case, as_process):
    number, code, words, build = case
    monkeypatch.chdir(tmp_path)
    calls = Calls.on(build(tmp_path), tmp_path, in_process)
    if as_process:
        calls.process(COMMANDS[number % len(COMMANDS)], code, *words)
    calls.every(COMMANDS, code, *words)
    calls.beside_another(code)
