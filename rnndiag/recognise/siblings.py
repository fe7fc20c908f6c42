"""Tensors that stand together as a family of recurrences has them, found by names and shapes."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from typing import NamedTuple

from rnndiag.containers.checkpoint import StoredTensor
from rnndiag.recognise.families import FAMILIES, Family
from rnndiag.recognise.families.base import alternatives, plain
from rnndiag.recognise.shapes import solve

TAIL = re.compile(
    r"(?:[._]?l?[0-9]{1,4})?(?:[._]?(?:reverse|forward|backward|fwd|bwd|fw|bw))?", re.IGNORECASE
)
"""A layer's number and direction at a name's end: `Wh_0`, `W_hi.1`, `weight_hh_l0_reverse`."""

ENDS = re.compile(rf"(?P<stem>.+?)(?P<tail>{TAIL.pattern})", re.IGNORECASE | re.DOTALL)

BIAS = ".bias"

LONGEST = 200
"""Characters of a local name that are looked at: none of a model's is as long."""


class Match(NamedTuple):
    """A family found in a file."""

    family: Family
    names: tuple[str, ...]
    """The needed tensors in the family's order, then those beside them."""

    needed: int
    """How many of these are needed."""


class Place(NamedTuple):
    """Where a family's first tensor stands, so that the others can be named."""

    name: str
    prefix: str
    tail: str


class Siblings:
    """A model's tensors by their plain names."""

    def __init__(self, tensors: Mapping[str, StoredTensor], taken: Collection[str]) -> None:
        self._tensors = tensors
        self._named: dict[str, list[str]] = {}
        for name, tensor in tensors.items():
            if name not in taken and tensor.may_be_weight:
                self._named.setdefault(plain(name), []).append(name)

    def matches(self) -> Iterator[Match]:
        """Every family that is there, each tensor in one of them, in the table's order."""
        found: set[str] = set()
        for rank, place in self._places():
            if place.name in found:
                continue
            match = next(filter(None, (self._match(each, place) for each in _families(rank))), None)
            if match is not None and found.isdisjoint(match.names[: match.needed]):
                found |= set(match.names)
                yield match

    def _places(self) -> list[tuple[int, Place]]:
        """Where it is worth looking, the first families first, then in the order of the file."""
        places = []
        looked_at: dict[str, list[tuple[int, str, str]]] = {}  # Layers repeat the same few names.
        for whole, names in self._named.items():
            for name in names:
                local = _local(name)
                if local not in looked_at:
                    looked_at[local] = _anchors(local)
                for rank, suffix, tail in looked_at[local]:
                    prefix = whole.removesuffix(tail).removesuffix(suffix)
                    places.append((rank, Place(name, prefix, tail)))
        places.sort(key=lambda item: item[0])
        return places

    def _match(self, family: Family, place: Place) -> Match | None:
        """The family at this place."""
        if family.within and not family.within.search(place.prefix):
            return None
        if family.whole and place.prefix[-1:] not in {"", "."}:
            return None
        if family.outside and family.outside.search(place.prefix):
            return None
        needed: list[tuple[str, str]] = []
        for number, (suffix, shape) in enumerate(family.tensors.items()):
            name = self._find(suffix, place) if number else place.name
            if name is None or name in [each for each, _ in needed]:
                return None
            needed.append((name, shape))
        if not self._fits(family, needed):
            return None
        beside: list[tuple[str, str]] = []
        for suffix, shape in family.beside.items():
            name = self._find(suffix, place)
            if name is not None and self._fits(family, [*needed, (name, shape)]):
                beside.append((name, shape))
        names = dict.fromkeys(name for name, _ in (*needed, *beside))
        return Match(family, tuple(names), len(needed))

    def _find(self, suffix: str, place: Place) -> str | None:
        """The tensor of that suffix beside the first."""
        for each in alternatives(suffix):
            bias = BIAS if each.endswith(BIAS) else ""
            whole = f"{place.prefix}{each.removesuffix(bias)}{place.tail}{bias}"
            names = self._named.get(whole.removesuffix(".weight"))
            if names:
                return names[0]
        return None

    def _fits(self, family: Family, wanted: list[tuple[str, str]]) -> bool:
        letters = solve([(shape, self._tensors[name].shape) for name, shape in wanted])
        if letters is None:
            return False
        return family.smaller is None or letters[family.smaller[0]] < letters[family.smaller[1]]


def _local(name: str) -> str:
    """The last two parts of a name, without what says no more than that it is a weight."""
    dotted = name.replace("/", ".").removesuffix(":0").removesuffix(".weight")
    return dotted[dotted.rfind(".", 0, max(dotted.rfind("."), 0)) + 1 :][-LONGEST:]


@cache
def _rows() -> dict[str, list[int]]:
    """Which rows of the table begin with which tensor."""
    found: dict[str, list[int]] = {}
    for rank, row in enumerate(FAMILIES):
        for anchor in row.anchors():
            found.setdefault(anchor, []).append(rank)
    return found


@cache
def _families(rank: int) -> tuple[Family, ...]:
    """Those of one row, made once."""
    return FAMILIES[rank].families()


def _anchors(local: str) -> list[tuple[int, str, str]]:
    """Rank, suffix and tail of all that a local name may be the first tensor of."""
    whole = ENDS.fullmatch(local)
    ends = [(local, "")]
    if whole is not None and whole["tail"]:
        ends.append((whole["stem"], plain(whole["tail"])))
    rows = _rows()
    return [
        (rank, suffix, tail)
        for text, tail in ends
        for suffix in _suffixes(text)
        for rank in rows.get(suffix, ())
    ]


def _suffixes(text: str) -> Iterator[str]:
    """A name from each place where a word begins, the whole first: `cell.w_hi`, `w_hi`, `hi`."""
    yield plain(text)
    for found in re.finditer(r"[._]", text):
        if suffix := plain(text[found.end() :]):
            yield suffix
