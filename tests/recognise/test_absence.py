"""A whole file without recurrent weights: what it is, and where the weights may lie."""

from __future__ import annotations

import pickle
import sys
import types
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import torch

from rnndiag.containers import read
from rnndiag.errors import InputCode, RnndiagError
from rnndiag.recognise import explain_absence, recognise


def failure(path: Path) -> RnndiagError:
    checkpoint = read(str(path))
    return explain_absence(checkpoint, recognise(checkpoint))


class Thing:
    """An object of somebody else's class."""

    def __init__(self, **state: Any) -> None:
        self.__dict__ |= state

    @classmethod
    def revived(cls, _: object) -> Thing:
        return cls()


class Revived(Thing):
    """As Keras pickles its models: a class method, and an archive in memory."""

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self).revived, (bytearray(b"PK\x03\x04 a Keras archive"),)


ELSEWHERE = [
    ("pandas.core.frame", "DataFrame", Thing),
    ("sklearn.preprocessing._data", "StandardScaler", Thing),
    ("keras.src.models.sequential", "Sequential", Revived),
    ("xgboost.core", "Booster", Thing),
    ("__main__", "Normaliser", Thing),
]


@pytest.mark.parametrize(("module", "name", "base"), ELSEWHERE)
@pytest.mark.parametrize("protocol", range(6))
def test_an_object_is_called_by_its_class(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    module: str,
    name: str,
    base: type[Thing],
    protocol: int,
) -> None:
    made = type(name, (base,), {"__module__": module, "__qualname__": name})
    home = types.ModuleType(module)
    setattr(home, name, made)
    monkeypatch.setitem(sys.modules, module, home)
    if module != "__main__":
        for depth in range(1, module.count(".") + 1):
            package = module.rsplit(".", depth)[0]
            monkeypatch.setitem(sys.modules, package, types.ModuleType(package))
    thing = made(mean=np.ones((3, 2)), names=np.array(["a", None], object), raw=bytearray(b"123"))
    for dump in (
        joblib.dump,
        lambda o, path, protocol: path.write_bytes(pickle.dumps(o, protocol)),
    ):
        path = tmp_path / "thing.pkl"
        dump(thing, path, protocol=protocol)
        error = failure(path)
        assert error.code is InputCode.NO_RECURRENT_WEIGHTS
        assert f"a pickled {module.replace('._data', '')}.{name}" in error.what
        assert "\n" not in str(error)


def test_a_dictionary_is_called_by_its_keys(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    torch.save({"fc.weight": torch.ones(2, 3)}, path)
    error = failure(path)
    assert "pickled" not in error.what
    assert "keys are fc.weight" in error.what


@pytest.mark.parametrize("state", [{}, {"sample": np.ones((3, 2))}])
def test_the_neighbour_that_holds_the_weights_is_named(tmp_path: Path, state: Any) -> None:
    """darts writes model.pt, the forecaster without its network, and model.pt.ckpt beside it."""
    path = tmp_path / "model.pt"
    torch.save(Thing(**state), path)
    assert "model.pt.ckpt" not in failure(path).remedy
    torch.save(torch.nn.LSTM(2, 3).state_dict(), tmp_path / "model.pt.ckpt")
    assert "model.pt.ckpt" in failure(path).remedy
