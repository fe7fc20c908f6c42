"""Both torch containers, value for value against torch itself."""

from __future__ import annotations

import collections
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rnndiag.containers import read
from rnndiag.containers.checkpoint import Checkpoint, StoredTensor

DTYPES = [
    torch.float64,
    torch.float32,
    torch.float16,
    torch.bfloat16,
    torch.int64,
    torch.int32,
    torch.int16,
    torch.int8,
    torch.uint8,
    torch.bool,
    torch.complex64,
    torch.complex128,
    torch.uint16,
    torch.uint32,
    torch.uint64,
]

FORMS = [(legacy, protocol) for legacy in (False, True) for protocol in (2, 3, 4, 5)]


def save(folder: Path, thing: Any, legacy: bool = False, protocol: int = 2) -> str:
    path = folder / "saved.pt"
    torch.save(thing, path, pickle_protocol=protocol, _use_new_zipfile_serialization=not legacy)
    return str(path)


def assert_same(stored: StoredTensor, tensor: torch.Tensor) -> None:
    loaded = stored.load()
    assert stored.dtype == str(tensor.dtype).removeprefix("torch.")
    assert stored.shape == loaded.shape == tuple(tensor.shape)
    assert loaded.flags.c_contiguous
    expected = tensor.detach()
    if tensor.dtype is torch.bfloat16:
        expected = expected.to(torch.float32)
    assert loaded.dtype == expected.numpy().dtype
    np.testing.assert_array_equal(loaded, expected.numpy())


def assert_all(checkpoint: Checkpoint, tensors: dict[str, torch.Tensor]) -> None:
    assert set(checkpoint.tensors) == set(tensors)
    for name, tensor in tensors.items():
        assert_same(checkpoint.tensors[name], tensor)


class Tagger(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = torch.nn.Embedding(5, 3)
        self.rnn = torch.nn.LSTM(3, 4, num_layers=2, bidirectional=True)
        self.cells = torch.nn.ModuleDict({"A/b->c": torch.nn.GRUCell(2, 3)})
        self.elman = torch.nn.RNN(2, 2, nonlinearity="relu")
        self.register_buffer("count", torch.tensor(3))
        self.threshold = 0.25
        self.parent = [self.rnn]


@pytest.mark.parametrize(("legacy", "protocol"), FORMS)
def test_views_dtypes_and_values(tmp_path: Path, legacy: bool, protocol: int) -> None:
    torch.manual_seed(0)
    base = torch.randn(6, 8)
    thing: dict[str, Any] = {
        f"dtype.{index}": (torch.randn(3, 2, dtype=torch.float64) * 50).to(dtype)
        for index, dtype in enumerate(DTYPES)
        if not (legacy and dtype in (torch.uint16, torch.uint32, torch.uint64))
    }
    thing |= {
        "base": base,
        "row": base[2],
        "slice": base[1:5:2, 2:7:3],
        "transposed": base.t(),
        "permuted": torch.randn(2, 3, 4).permute(2, 0, 1),
        "expanded": torch.randn(3, 1).expand(3, 50),
        "scalar": torch.tensor(2.5),
        "empty": torch.empty(0, 7),
        "parameter": torch.nn.Parameter(torch.randn(2, 2)),
        "nan": torch.tensor([float("nan"), float("inf"), -0.0]),
    }
    checkpoint = read(save(tmp_path, thing, legacy, protocol))
    assert checkpoint.container == ("torch-legacy" if legacy else "torch-zip")
    assert checkpoint.skipped == ()
    assert_all(checkpoint, thing)


def test_bfloat16_is_exact_for_every_bit_pattern(tmp_path: Path) -> None:
    bits = torch.arange(-(1 << 15), 1 << 15, dtype=torch.int16)
    tensor = bits.view(torch.bfloat16)
    loaded = read(save(tmp_path, {"w": tensor})).tensors["w"].load()
    expected = tensor.to(torch.float32).numpy()
    np.testing.assert_array_equal(loaded.view(np.uint32), expected.view(np.uint32))


@pytest.mark.parametrize(("legacy", "protocol"), FORMS)
def test_plain_values(tmp_path: Path, legacy: bool, protocol: int) -> None:
    thing = {
        "epoch": 7,
        "lr": 1e-3,
        "name": "gru",
        "flag": True,
        "none": None,
        "nested": [{"x": (1, 2)}, collections.OrderedDict(a=collections.OrderedDict(b=3))],
        "scalar": np.float64(0.5),
        "integer": np.int64(-3),
        "boolean": np.bool_(True),
        "array": np.arange(6, dtype=np.int32).reshape(2, 3).T,
        "size": torch.Size([3, 4]),
        "dtype": torch.float16,
        "numpy_dtype": np.dtype("<f4"),
        "counts": collections.Counter("aab"),
        "default": collections.defaultdict(list, k=[1]),
        "ids": {1, 2},
        3: {"integer key": 1},
        0.5: "float key",
        ("tuple", 1): "tuple key",
        "long": "x" * 201,
        "huge": 1 << 100,
        "bytes": b"raw",
        "class": torch.optim.Adam,
        "device": torch.device("cpu"),
    }
    checkpoint = read(save(tmp_path, thing, legacy, protocol))
    assert dict(checkpoint.values) == {
        "epoch": 7,
        "lr": 1e-3,
        "name": "gru",
        "flag": True,
        "none": None,
        "nested.0.x.0": 1,
        "nested.0.x.1": 2,
        "nested.1.a.b": 3,
        "scalar": 0.5,
        "integer": -3,
        "boolean": True,
        "size.0": 3,
        "size.1": 4,
        "dtype": "torch.float16",
        "numpy_dtype": "f4",
        "counts.a": 2,
        "counts.b": 1,
        "default.k.0": 1,
        "ids.0": 1,
        "ids.1": 2,
        "3.integer key": 1,
        "<key 17>": "float key",
        "<key 18>.0": "tuple",
        "<key 18>.1": 1,
        "<key 18>": "tuple key",
        "class": "torch.optim.adam.Adam",
        "device": "cpu",
    }
    assert list(checkpoint.values)[:3] == ["epoch", "lr", "name"]
    np.testing.assert_array_equal(checkpoint.tensors["array"].load(), thing["array"])


def flat(prefix: str, state: dict[Any, Any]) -> dict[str, torch.Tensor]:
    found = {}
    for key, value in state.items():
        name = f"{prefix}.{key}" if prefix else str(key)
        if isinstance(value, dict):
            found |= flat(name, value)
        elif isinstance(value, torch.Tensor):
            found[name] = value
    return found


@pytest.mark.parametrize(("legacy", "protocol"), FORMS)
def test_training_checkpoint(tmp_path: Path, legacy: bool, protocol: int) -> None:
    model = Tagger()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    sum(parameter.sum() for parameter in model.parameters()).backward()
    optimizer.step()
    thing = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3}
    checkpoint = read(save(tmp_path, thing, legacy, protocol))
    assert_all(checkpoint, flat("", thing))
    assert checkpoint.values["optimizer.param_groups.0.lr"] == 0.01
    assert "optimizer.state.0.exp_avg_sq" in checkpoint.tensors
    assert not any("_metadata" in name for name in checkpoint.values)


@pytest.mark.filterwarnings("ignore:.*source code:UserWarning")
@pytest.mark.parametrize(("legacy", "protocol"), FORMS)
def test_whole_module(tmp_path: Path, legacy: bool, protocol: int) -> None:
    model = Tagger().half()
    checkpoint = read(save(tmp_path, model, legacy, protocol))
    for name, tensor in model.state_dict().items():
        assert_same(checkpoint.tensors[name], tensor)
    identities = {tensor.identity for tensor in checkpoint.tensors.values()}
    assert len(identities) == len(model.state_dict())
    assert checkpoint.values["rnn.mode"] == "LSTM"
    assert checkpoint.values["rnn.hidden_size"] == 4
    assert checkpoint.values["rnn.bidirectional"] is True
    assert checkpoint.values["elman.nonlinearity"] == "relu"
    assert checkpoint.values["threshold"] == 0.25
    assert checkpoint.tensors["cells.A/b->c.weight_hh"].shape == (9, 3)
    assert "torch.nn.modules.rnn.LSTM" in checkpoint.would_import


def test_identity_tells_views_apart(tmp_path: Path) -> None:
    base = torch.arange(12.0).reshape(3, 4)
    thing = {
        "a": base,
        "b": base,
        "same view": base.view(3, 4),
        "other shape": base.view(4, 3),
        "row": base[0],
        "copy": base.clone(),
    }
    for legacy in (False, True):
        tensors = read(save(tmp_path, thing, legacy)).tensors
        identity = {name: tensor.identity for name, tensor in tensors.items()}
        assert identity["a"] == identity["b"] == identity["same view"]
        assert len(set(identity.values())) == 4
        assert len({hash(tensor) for tensor in tensors.values()}) >= 4


def test_parameter_subclass_and_attributes(tmp_path: Path) -> None:
    parameter = torch.nn.Parameter(torch.randn(2, 3))
    parameter.note = "kept"
    checkpoint = read(save(tmp_path, {"w": parameter}))
    assert_all(checkpoint, {"w": parameter})


def test_an_object_optimizer_with_parameters_as_keys(tmp_path: Path) -> None:
    """Before 0.3 the state was keyed by Parameter: the key's tensor tells which one."""
    first, second = torch.nn.Parameter(torch.randn(2)), torch.nn.Parameter(torch.randn(3))
    state = {first: {"exp_avg": torch.randn(2)}, second: {"exp_avg": torch.randn(3)}}
    tensors = read(save(tmp_path, {"params": [first, second], "state": state})).tensors
    assert tensors["state.<key 1>"].identity == tensors["params.1"].identity
    assert tensors["state.<key 1>.exp_avg"].shape == (3,)


def test_what_is_skipped_says_why(tmp_path: Path) -> None:
    thing = {
        "w": torch.ones(2),
        "sparse": torch.eye(3).to_sparse(),
        "meta": torch.empty(3, device="meta"),
        "float8": torch.ones(3).to(torch.float8_e4m3fn),
        "storage": torch.ones(2).untyped_storage(),
        "objects": np.array([{}, None], dtype=object),
    }
    checkpoint = read(save(tmp_path, thing))
    assert list(checkpoint.tensors) == ["w"]
    reasons = {item.name: item.reason for item in checkpoint.skipped}
    assert set(reasons) == set(thing) - {"w"}
    assert "sparse" in reasons["sparse"]
    assert "no values" in reasons["meta"]
    assert "float8_e4m3fn" in reasons["float8"]


def test_deflated_archive(tmp_path: Path) -> None:
    torch.manual_seed(0)
    base = torch.randn(300, 200)
    thing = {"base": base, "part": base[100:200:3, 5:9], "zeros": torch.zeros(1000, 100)}
    stored = save(tmp_path, thing)
    packed = tmp_path / "packed.pt"
    with zipfile.ZipFile(stored) as old, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as new:
        for info in old.infolist():
            new.writestr(info.filename, old.read(info))
    assert_all(read(str(packed)), thing)


def test_reading_imports_no_torch(tmp_path: Path) -> None:
    path = save(tmp_path, Tagger().state_dict())
    code = (
        "import sys; from rnndiag.containers import read;"
        f"[tensor.load() for tensor in read({path!r}).tensors.values()];"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run(
        [sys.executable, "-W", "error", "-c", code], check=True, cwd=Path(__file__).parents[2]
    )


@pytest.mark.parametrize("legacy", [False, True])
def test_only_what_is_asked_for_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, legacy: bool
) -> None:
    """40 MB of weights: reading touches less than a tenth of a megabyte of them."""
    from rnndiag.containers.source import Source

    path = save(tmp_path, {str(index): torch.zeros(1000, 1000) for index in range(10)}, legacy)
    amounts: list[int] = []
    array_at = Source.array_at

    def counted(self: Source, start: int, count: int) -> Any:
        amounts.append(count)
        return array_at(self, start, count)

    monkeypatch.setattr(Source, "array_at", counted)
    checkpoint = read(path)
    assert sum(amounts) < 200_000
    amounts.clear()
    checkpoint.tensors["3"].load()
    assert sum(amounts) < 4_000_100


@pytest.mark.parametrize("legacy", [False, True])
def test_a_file_replaced_after_reading(tmp_path: Path, legacy: bool) -> None:
    from rnndiag.errors import RnndiagError

    path = save(tmp_path, {"w": torch.ones(1000)}, legacy)
    stored = read(path).tensors["w"]
    with Path(path).open("r+b") as file:
        file.truncate(2000)
    with pytest.raises(RnndiagError, match="RD003 the file changed while being read"):
        stored.load()
