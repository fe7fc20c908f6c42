"""Weights that a wrapper stores as parts: whose parts they are, and how to compute the weight."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from rnndiag.containers.checkpoint import StoredTensor
from rnndiag.recognise.names import join, parse

Array = npt.NDArray[np.float64]
Formula = Literal["weight_norm", "pruning", "raw", "log_scale"]

PART = re.compile(r"(?P<name>[^.]+)_(?P<part>g|v|u|orig|mask|raw|scale)")
"""How torch.nn.utils.weight_norm, spectral_norm and prune, and AWD-LSTM, rename a weight, and what
icefall's scaled layers keep beside it."""

ITSELF = ""
"""The part that has the weight's own name."""

PARAMETRIZATION = re.compile(
    r"parametrizations\.(?P<name>[^.]+)\.(?P<part>original[0-9]*|[0-9]+\..*)", re.DOTALL
)
"""How torch.nn.utils.parametrize does."""


class Recipe(NamedTuple):
    """What to compute from which parts, in the order that the formula takes them."""

    formula: Formula
    parts: tuple[str, ...]


RECIPES: tuple[Recipe, ...] = (
    Recipe("weight_norm", ("g", "v")),
    Recipe("weight_norm", ("original0", "original1")),
    Recipe("pruning", ("orig", "mask")),
    Recipe("raw", ("raw",)),
    Recipe("log_scale", (ITSELF, "scale")),
)
"""Every set of parts that says by itself what the weight is."""

CANNOT = "cannot be rebuilt from the file alone"

SENTENCES: Mapping[Formula, str] = {
    "weight_norm": "rebuilt from weight_norm, g * v / |v|",
    "pruning": "rebuilt from pruning, the original times its mask",
    "raw": "AWD-LSTM weight drop: the raw weight, that without dropout, is taken",
    "log_scale": "rebuilt from its logarithmic scale, weight * exp(scale)",
}


@dataclass(frozen=True)
class Refused:
    """A weight whose parts do not give it."""

    parts: tuple[str, ...]
    """Full names, in the order of the file."""

    reason: str


@dataclass(frozen=True)
class Unwrapped:
    """A model's tensors with every wrapped weight rebuilt that can be."""

    tensors: Mapping[str, StoredTensor]
    """Rebuilt weights stand under their standard names, in the place of their first part."""

    rebuilt: Mapping[str, str] = field(default_factory=dict)
    """Standard name to a sentence that says what it was rebuilt from."""

    refused: Mapping[str, Refused] = field(default_factory=dict)
    """Standard name to why it is not among the tensors; its parts are."""


def unwrap(tensors: Mapping[str, StoredTensor]) -> Unwrapped:
    """Replace the parts of wrapped recurrent weights and biases by what they stand for.

    A plain copy beside the parts is what the wrapper last computed, with dropout in it: the parts
    are preferred. Nothing is read before the rebuilt tensor is.
    """
    wrapped = _wrapped(tensors)
    made: dict[str, StoredTensor] = {}
    rebuilt: dict[str, str] = {}
    refused: dict[str, Refused] = {}
    for plain, parts in wrapped.items():
        outcome = _rebuild(plain, parts, tensors)
        if isinstance(outcome, str):
            refused[plain] = Refused(tuple(parts.values()), outcome)
        else:
            made[plain], rebuilt[plain] = outcome
    owner = {name: plain for plain in made for name in wrapped[plain].values()}
    kept: dict[str, StoredTensor] = {}
    for name, tensor in tensors.items():
        plain = owner.get(name, name)
        kept.setdefault(plain, made.get(plain, tensor))
    return Unwrapped(kept, rebuilt, refused)


def _wrapped(tensors: Mapping[str, StoredTensor]) -> dict[str, dict[str, str]]:
    """Standard name to part to the part's full name."""
    found: dict[str, dict[str, str]] = {}
    for name in tensors:
        split = _split(name)
        if split is None or (parse(split.weight) is None and not _is_scale(split, tensors)):
            continue
        whole = join(split.module, split.weight)
        if split.part == "scale":
            if whole not in tensors:
                continue
            found.setdefault(whole, {})[ITSELF] = whole
        inner = join(split.module, "module")
        if split.part == "raw" and join(inner, _input_weight(split.weight)) in tensors:
            # WeightDrop keeps the raw weight outside the module that it wraps.
            split = split._replace(module=inner)
        found.setdefault(join(split.module, split.weight), {})[split.part] = name
    return found


def _is_scale(split: _Part, tensors: Mapping[str, StoredTensor]) -> bool:
    """Whether a part is icefall's for any linear layer: one number beside `weight` or `bias`."""
    own, scale = (
        tensors.get(join(split.module, name)) for name in (split.weight, f"{split.weight}_scale")
    )
    return (
        split.part == "scale"
        and split.weight in {"weight", "bias"}
        and (own is not None and own.is_floating)
        and (scale is not None and scale.is_floating and scale.shape == ())
    )


class _Part(NamedTuple):
    module: str
    weight: str
    part: str


def _split(name: str) -> _Part | None:
    """Module, weight and part; the `parametrizations` container is inside the module."""
    module, dot, rest = f".{name}".rpartition(".parametrizations.")
    if dot:
        found = PARAMETRIZATION.fullmatch(f"parametrizations.{rest}")
        return None if found is None else _Part(module[1:], found["name"], found["part"])
    module, _, local = name.rpartition(".")
    found = PART.fullmatch(local)
    return None if found is None else _Part(module, found["name"], found["part"])


def _input_weight(name: str) -> str:
    """weight_ih_l0 for weight_hh_l0."""
    return name.replace("_hh", "_ih", 1)


def _rebuild(
    plain: str, parts: Mapping[str, str], tensors: Mapping[str, StoredTensor]
) -> tuple[StoredTensor, str] | str:
    """The weight and the sentence that goes with it, or why there is none."""
    stored = f"{plain} is stored as {', '.join(parts.values())}"
    recipe = next((each for each in RECIPES if set(each.parts) == set(parts)), None)
    if recipe is None:
        return f"{_kind(parts)}: {CANNOT} ({stored})"
    names = [parts[part] for part in recipe.parts]
    pieces = [tensors[name] for name in names]
    if not _fits(recipe.formula, pieces):
        shapes = ", ".join(f"{name} {tensors[name].shape}" for name in names)
        return f"{recipe.formula}: the parts do not fit together ({shapes})"
    sentence = f"{plain}: {SENTENCES[recipe.formula]} ({', '.join(names)})"
    copy = tensors.get(plain)
    if copy is not None and copy.identity not in {piece.identity for piece in pieces}:
        sentence += f"; another tensor stored as {plain} is left out"
    return _composed(recipe.formula, pieces), sentence


def _kind(parts: Mapping[str, str]) -> str:
    """The wrapper that leaves such parts, for a message."""
    names = set(parts)
    inner = {part.rpartition(".")[2] for part in names if part[0].isdigit()}
    if names & {"g", "v"} and not names & {"u", "orig"}:
        return "weight_norm, of which a part is missing"
    if "scale" in names:
        return "a scale"
    if "u" in names or inner & {"_u", "_v"}:
        return "spectral_norm"
    if names & {"orig", "mask"}:
        return "pruning, of which a part is missing"
    return "orthogonal parametrization" if "base" in inner else "parametrization"


def _fits(formula: Formula, pieces: list[StoredTensor]) -> bool:
    """Whether the parts have the types and shapes that the formula needs."""
    if formula == "raw":
        return True
    first, second = pieces
    if formula == "pruning":
        real = not second.dtype.startswith("complex")
        return first.is_floating and real and first.shape == second.shape
    if not (first.is_floating and second.is_floating):
        return False
    if formula == "log_scale":
        return second.size == 1
    pairs = list(zip(first.shape, second.shape, strict=False))
    varies = len(first.shape) == len(second.shape) and all(own in {1, full} for own, full in pairs)
    return first.size == 1 or varies


def _composed(formula: Formula, pieces: list[StoredTensor]) -> StoredTensor:
    """A tensor that is computed in float64 when it is loaded."""
    whole = pieces[-1] if formula == "weight_norm" else pieces[0]
    if formula == "raw":
        return whole

    def load() -> npt.NDArray[np.generic]:
        values = [np.asarray(piece.load(), dtype=np.float64) for piece in pieces]
        if formula == "log_scale":
            return values[0] * np.exp(values[1].reshape(()))
        return values[0] * values[1] if formula == "pruning" else weight_norm(*values)

    identity = ("rebuilt", formula, *(piece.identity for piece in pieces))
    return StoredTensor(whole.dtype, whole.shape, identity, load)


def weight_norm(magnitude: Array, direction: Array) -> Array:
    """w = g v / |v|; the norm runs over the axes along which g does not vary.

    So g of shape (rows, 1) is torch's `dim=0`, (1, columns) is `dim=1`, one number is `dim=None`. A
    zero direction gives NaN, as in torch. Salimans & Kingma 2016, equation 2.

    >>> weight_norm(np.array([[10.0]]), np.array([[3.0, 4.0]]))
    array([[6., 8.]])
    """
    shape = (1,) * direction.ndim if magnitude.size == 1 else magnitude.shape
    axes = tuple(axis for axis, length in enumerate(shape) if length == 1)
    with np.errstate(all="ignore"):
        norm = np.sqrt(np.sum(direction * direction, axis=axes, keepdims=True))
        return np.asarray(magnitude.reshape(shape) * direction / norm)
