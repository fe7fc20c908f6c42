"""Which of a model's tensors an optimizer's numbered parameters are, by their order and shapes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

Shape = tuple[int, ...]

Group = tuple[Shape | None, ...]
"""Shapes of one parameter group; None for a parameter that has not been stepped yet."""

Way = tuple[str, ...]
"""A name for every parameter, group after group."""

DEEPEST = 8
"""Parts of a name that are tried as the root of the model; deeper ones are single layers."""

MOST_PAIRS = 500_000
"""Parameter groups times tensors: every group is compared with every tensor."""


def ways_to_fit(groups: Sequence[Group], shapes: Mapping[str, Shape]) -> list[Way]:
    """Every way that is tried and fits, or two of them where there are many.

    `shapes` are the model's tensors in the order of its file. All of them below one root are tried
    first, then a choice among them in their order.

    >>> ways_to_fit([((3,), None)], {"a": (2,), "b": (3,), "c": (5,)})
    [('b', 'c')]
    """
    search = _Search(groups, shapes)
    found = search.below_roots(shapes)
    if len(found) == 1:
        # What stands around a copy of the model has a root only without the copy.
        taken = set(found[0])
        around = search.below_roots(name for name in shapes if name not in taken)
        found = list(dict.fromkeys((*found, *around)))
    return found or search.in_some([each for group in groups for each in group], list(shapes))


@dataclass(frozen=True)
class _Search:
    groups: Sequence[Group]
    shapes: Mapping[str, Shape]

    def below_roots(self, names: Iterable[str]) -> list[Way]:
        """All that is below some prefix where it is as many tensors, in the order of the file."""
        count = sum(map(len, self.groups))
        pools = (pool for pool in _roots(names) if len(pool) == count)
        return list(dict.fromkeys(way for pool in pools for way in self.in_all(pool)))

    def in_all(self, pool: Sequence[str]) -> list[Way]:
        """Ways to take as many names as there are: group after group, or each by itself."""
        if self.first_fit([each for group in self.groups for each in group], pool) is not None:
            return [tuple(pool), *_exchanged(self.groups, pool)]
        if len(self.groups) == 1 or len(self.groups) * len(self.shapes) > MOST_PAIRS:
            return []
        # Weights with decay in one group, biases without it in another.
        apart = [self.in_some(group, pool) for group in self.groups]
        if any(len(ways) != 1 for ways in apart):
            return []
        names = tuple(name for (way,) in apart for name in way)
        return [names] if len(set(names)) == len(names) else []

    def in_some(self, wanted: Sequence[Shape | None], pool: Sequence[str]) -> list[Way]:
        """The first and the last way to pick parameters from more names, in their order.

        No other way starts earlier or ends later, so if the two are equal it is the only one.
        """
        first = self.first_fit(wanted, pool)
        last = self.first_fit(wanted[::-1], pool[::-1])
        if first is None or last is None:
            return []
        return list(dict.fromkeys((first, last[::-1])))

    def first_fit(self, wanted: Sequence[Shape | None], pool: Sequence[str]) -> Way | None:
        """The earliest name that fits each parameter after the one before it."""
        found: list[str] = []
        for name in pool:
            if len(found) < len(wanted) and wanted[len(found)] in (None, self.shapes[name]):
                found.append(name)
        return tuple(found) if len(found) == len(wanted) else None


def _roots(names: Iterable[str]) -> Iterable[list[str]]:
    """All names, and those below each prefix that could be the model's."""
    below: dict[str, list[str]] = {}
    everything = []
    for name in names:
        everything.append(name)
        parts = name.split(".", DEEPEST)
        for depth in range(1, len(parts)):
            below.setdefault(".".join(parts[:depth]), []).append(name)
    return [everything, *below.values()]


def _exchanged(groups: Sequence[Group], pool: Sequence[str]) -> list[Way]:
    """The same with two groups of equal shapes exchanged: which was given first is not known."""
    starts: dict[Group, int] = {}
    start = 0
    for group in groups:
        length = len(group)
        if group and group in starts:
            other = starts[group]
            names = list(pool)
            names[other : other + length] = pool[start : start + length]
            names[start : start + length] = pool[other : other + length]
            return [tuple(names)]
        starts[group] = start
        start += length
    return []
