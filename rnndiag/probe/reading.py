"""A probe file to arrays, each checked against the others before anything is computed on them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from rnndiag.cells.base import FloatArray
from rnndiag.containers import read
from rnndiag.containers.checkpoint import Checkpoint, StoredTensor
from rnndiag.containers.safetensors import METADATA
from rnndiag.errors import InputCode, RnndiagError
from rnndiag.given import GivenStates
from rnndiag.probe.keys import KIND, LOSS, NORM, NORM_OF, VERSION, VERSION_KEY
from rnndiag.probe.records import IntArray, Probe, RecordedModule
from rnndiag.probe.rows import finite_rows
from rnndiag.recognise.layers import ROOT

EPSILON = {"float64": 2.0**-52, "float32": 2.0**-23, "float16": 2.0**-10, "bfloat16": 2.0**-7}
"""By the name of a dtype; a gradient that autograd sums in it has errors of that relative size."""


def load_probe(path: str) -> Probe:
    """Read what `probe.save` wrote.

    Raises RnndiagError: RD001 to RD005 as for any file, RD003 for parts that are missing or do not
    fit together, RD007 for a file that is no probe or is of another version. Sequences with inf or
    NaN in them are left out; a module that has no other keeps them, and cannot be traced.
    """
    try:
        file = read(path)
    except RnndiagError as error:
        raise RnndiagError(error.code, f"the probe {path}: {error.what}", error.remedy) from error
    version = file.values.get(f"{METADATA}.{VERSION_KEY}")
    if version is None:
        raise RnndiagError(
            InputCode.USAGE,
            f"{path} is no probe but another {file.container} file",
            "give the file that rnndiag.capture saved",
        )
    if version != VERSION:
        what = f"the probe {path} has version {version}, {VERSION} is read"
        raise RnndiagError(InputCode.USAGE, what, "capture it again")
    modules = _Parts.by_module(path, file)
    if not modules:
        raise _damaged(path, "it records no module")
    return Probe(
        path,
        {name: parts.record() for name, parts in modules.items()},
        _series(file, NORM),
        {
            name.removesuffix(NORM_OF): _series(file, name)
            for name in file.tensors
            if name.endswith(NORM_OF)
        },
        _series(file, LOSS),
        any(parts.scaled for parts in modules.values()),
    )


def _series(file: Checkpoint, name: str) -> tuple[float, ...]:
    """One number a step; none where there is no such tensor."""
    stored = file.tensors.get(name)
    if stored is None:
        return ()
    return tuple(np.asarray(stored.load(), dtype=np.float64).ravel().tolist())


def _damaged(path: str, what: str) -> RnndiagError:
    return RnndiagError(InputCode.DAMAGED, f"the probe {path}: {what}", "capture it again")


class _Parts:
    """The tensors of one module."""

    def __init__(self, path: str, name: str, kind: object) -> None:
        self._path = path
        self._name = name
        self._kind = kind
        self._stored: dict[str, StoredTensor] = {}

    @classmethod
    def by_module(cls, path: str, file: Checkpoint) -> Mapping[str, _Parts]:
        """All that the file has."""
        found: dict[str, _Parts] = {}
        for key, stored in file.tensors.items():
            name, slash, what = key.rpartition("/")
            if slash and not key.endswith(NORM_OF):
                kind = file.values.get(f"{METADATA}.{KIND}{name}")
                found.setdefault(name, cls(path, name, kind))._stored[what] = stored
        return found

    def record(self) -> RecordedModule:
        """Everything loaded, in float64, checked."""
        lengths = self._integers("lengths")
        batch = len(lengths)
        inputs_tbi = self._numbers("inputs", None, batch, None)
        steps = len(inputs_tbi)
        if not batch or lengths.min() < 1 or lengths.max() > steps:
            raise self._broken("lengths", "are not from 1 to the number of steps")
        scale = self._numbers("loss_scale", batch)[:, None]
        if not ((scale > 0.0) & (scale < np.inf)).all():
            raise self._broken("loss_scale", "is not positive")
        initial = self._states("h_0", "c_0", batch)
        reaching_h_n = self._like("dL_dh_n", initial.h_0) / scale
        reaching_c_n = None if initial.c_0 is None else self._like("dL_dc_n", initial.c_0) / scale
        looped = "dL_dh" in self._stored
        whole = "dL_dc_beside_h" not in self._stored
        cell = "dL_dc" if whole else "dL_dc_beside_h"
        record = RecordedModule(
            name=self._name,
            kind=str(self._kind),
            inputs_tbi=inputs_tbi,
            lengths=lengths,
            calls=self._integers("call", batch),
            steps=self._integers("step", batch),
            initial=initial,
            final=self._states("h_n", "c_n", batch),
            final_gradient=GivenStates(reaching_h_n, reaching_c_n),
            output_gradient_tbp=self._output_gradient(looped, initial, steps) / scale,
            looped=looped,
            states=self._along(initial, steps) if looped else None,
            cell_gradient_tbh=None
            if initial.c_0 is None or cell not in self._stored
            else self._numbers(cell, steps, *initial.c_0.shape[1:]) / scale,
            cell_gradient_is_whole=whole,
            continues=self._continued(batch),
            rounding=self._rounding("dL_dh" if looped else "dL_dy"),
        )
        return finite_rows(record)

    @property
    def scaled(self) -> bool:
        """Whether a loss scaler's factor had to be divided out."""
        return bool((self._numbers("loss_scale", None) != 1.0).any())

    def _continued(self, batch: int) -> IntArray | None:
        """Which row each goes on from; of no two the same, and none from itself by any way."""
        if "continues" not in self._stored:
            return None
        continues = self._integers("continues", batch)
        used = continues[continues >= 0]
        if continues.min(initial=0) < -1 or continues.max(initial=-1) >= batch:
            raise self._broken("continues", "names rows that are not there")
        if len(np.unique(used)) < len(used):
            raise self._broken("continues", "names a row twice")
        following = np.full(batch, -1)
        following[used] = np.flatnonzero(continues >= 0)
        rows, reached = np.flatnonzero(continues < 0), 0
        while rows.size:
            reached += len(rows)
            rows = following[rows]
            rows = rows[rows >= 0]
        if reached < batch:
            raise self._broken("continues", "goes in a circle")
        return continues if used.size else None

    def _rounding(self, what: str) -> float:
        """Machine epsilon of a tensor's dtype."""
        return EPSILON.get(self._stored[what].dtype, EPSILON["float64"])

    def _output_gradient(self, looped: bool, initial: GivenStates, steps: int) -> FloatArray:
        """As wide as h, or twice, and with as many layers."""
        layers, batch, width = initial.h_0.shape
        name = "dL_dh" if looped else "dL_dy"
        if not looped and name not in self._stored:
            raise self._broken(name, "is missing")
        directions, rest = divmod(self._stored[name].shape[-1], width)
        if rest or directions not in {1, 2} or layers % directions:
            raise self._broken(name, f"does not fit h_0 of shape {initial.h_0.shape}")
        return self._numbers(name, steps, batch, directions * width)

    def _states(self, h: str, c: str, batch: int) -> GivenStates:
        """h and, where there is one, c."""
        hidden = self._numbers(h, None, batch, None)
        cell = self._numbers(c, *hidden.shape[:2], None) if c in self._stored else None
        return GivenStates(hidden, cell)

    def _along(self, initial: GivenStates, steps: int) -> GivenStates:
        """The states of a looped cell after every step."""
        hidden = self._numbers("h", steps, *initial.h_0.shape[1:])
        memory = initial.c_0
        return GivenStates(
            hidden, None if memory is None else self._numbers("c", steps, *memory.shape[1:])
        )

    def _like(self, what: str, state: FloatArray) -> FloatArray:
        """A gradient of the state's shape; zeros where none ever came."""
        if what not in self._stored:
            return np.zeros(state.shape)
        return self._numbers(what, *state.shape)

    def _integers(self, what: str, *shape: int) -> IntArray:
        numbers = self._numbers(what, *(shape or (None,)))
        if not np.isfinite(numbers).all():
            raise self._broken(what, "is not finite")
        return numbers.astype(np.int64)

    def _numbers(self, what: str, *shape: int | None) -> FloatArray:
        """One tensor; None in the shape stands for any size."""
        stored = self._stored.get(what)
        if stored is None:
            raise self._broken(what, "is missing")
        fits = len(stored.shape) == len(shape) and all(
            wanted in {None, size} for wanted, size in zip(shape, stored.shape, strict=True)
        )
        if not fits:
            wanted = ", ".join("any" if size is None else str(size) for size in shape)
            raise self._broken(what, f"has shape {stored.shape}, ({wanted}) is needed")
        return np.asarray(stored.load(), dtype=np.float64)

    def _broken(self, what: str, why: str) -> RnndiagError:
        return _damaged(self._path, f"{what} of {self._name or ROOT} {why}")
