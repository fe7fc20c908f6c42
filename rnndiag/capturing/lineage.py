"""Which call of a module a state comes from: calls that hand their state on are one sequence.

Two things have to hold. The gradient flows: back from the state that a call is given, through the
autograd graph, lies what an earlier call of the same module returned. And the state is that one,
sample by sample: the values are the same, bit for bit. A reset (`h * (1 - done)`, `torch.where`)
leaves those of some samples and replaces those of others, whose sequences begin there; indexing and
reshaping move them. A state that was detached begins a sequence, since no gradient comes back
through it; so does one that was changed, by dropout or a gate, as it is no longer the module's own.
"""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from rnndiag.capturing.sequences import Recorded

Origin = weakref.ref["Recorded"]
"""A recorded call; only its own graph keeps it, until a gradient comes."""

MARK = "rnndiag"
"""In the metadata of a graph's node, which torch keeps for whoever wants to note something there:
the call that made it."""

NODES = 64
"""Nodes of the graph that are looked at for one state: a reset takes five, a state that comes from
an encoder may have thousands behind it, and all of a sequence's calls of it would be walked."""


def mark(output: Tensor, call: Origin, step: int) -> None:
    """Note on an output of a call, or of one step of a loop, whose it is."""
    node: Any = output.grad_fn  # whose metadata torch declares a method, and it is none
    if node is not None:
        node.metadata[MARK] = call, step, output._version


def continues(states: Sequence[Tensor | None]) -> tuple[Recorded | None, int]:
    """The call whose own outputs these states are, untouched, and the step that returned them."""
    call, step = None, 0
    for number, state in enumerate(states):
        node: Any = None if state is None else state.grad_fn
        if state is None or node is None:
            return None, 0
        found = node.metadata.get(MARK)
        # Without gradients a state may be written to and stay the output of the same node.
        if found is None or found[2] != state._version:
            return None, 0
        if number == 0:
            call, step = found[0], found[1]
        elif found[0] is not call or found[1] != step:
            return None, 0
    return None if call is None else call(), step


def origins(module: str, states: Sequence[Tensor | None]) -> list[Origin]:
    """The calls of `module` that all of these states are computed from, nearest first."""
    reached = [list(_reached(module, state)) for state in states]
    return [call for call in reached[0] if all(call in others for others in reached[1:])]


def _reached(module: str, state: Tensor | None) -> Iterator[Origin]:
    """Back from one state to what recorded calls returned, and not further back than them."""
    waiting: deque[Any] = deque([] if state is None else [state.grad_fn])
    for _ in range(NODES):
        node = waiting.popleft() if waiting else None
        if node is None:
            return
        made, *_ = node.metadata.get(MARK, (None,))
        call = None if made is None else made()
        if call is None:
            waiting.extend(before for before, _ in node.next_functions if before is not None)
        elif call.module == module:
            yield made


def continued_rows(
    origins: Sequence[Sequence[int]], parts: Sequence[Mapping[str, Tensor]]
) -> Tensor:
    """Of every row of several calls side by side the row whose last state it starts from, or -1.

    `origins`: of every call, the numbers of the calls that it may go on from. A row that no
    gradient reached goes on from none: a decoder's steps behind the end of its sentence. No row is
    gone on from twice: of several that do, such as the branches of a search, the last one does.
    """
    sizes = [len(part["lengths"]) for part in parts]
    first = [sum(sizes[:number]) for number in range(len(sizes))]
    next_row: dict[int, int] = {}
    for number, befores in enumerate(origins):
        reached = _reached_rows(parts[number]) if befores else []
        found: dict[int, int] = {}
        for before in befores:
            for row, source in _same_states(parts[before], parts[number]):
                if reached[row]:
                    found.setdefault(row, first[before] + source)
        next_row.update({source: first[number] + row for row, source in found.items()})
    continues = torch.full((sum(sizes),), -1)
    for source, row in next_row.items():
        continues[row] = source
    return continues


def _reached_rows(part: Mapping[str, Tensor]) -> list[bool]:
    """Which rows of a call a gradient reached."""
    gradients = [tensor for name, tensor in part.items() if name.startswith("dL_")]
    rows: list[bool] = torch.stack([g.ne(0).any(-1).any(0) for g in gradients]).any(0).tolist()
    return rows


def _same_states(before: Mapping[str, Tensor], after: Mapping[str, Tensor]) -> Iterator[Any]:
    """(row, source) where `after` starts, bit for bit, from what `before` ended in."""
    starts, ends = [], []
    for letter in "hc":
        if f"{letter}_0" in after:
            start = after[f"{letter}_0"]
            starts.append(_by_row(start))
            ends.append(_by_row(before[f"{letter}_n"].to(start.dtype)))
    start, end = torch.cat(starts, dim=1), torch.cat(ends, dim=1)
    if start.shape[1] != end.shape[1]:
        return
    same = (start == end).all(dim=1) if start.shape == end.shape else torch.zeros(len(start)) > 0
    yield from ((row, row) for row in torch.nonzero(same).ravel().tolist())
    if same.all():
        return
    # The others may have moved within the batch; zeros are no sign of that, but of a reset.
    rows = {values: row for row, values in enumerate(_bytes(end))}
    there = (~same & start.any(dim=1)).tolist()
    for row, values in enumerate(_bytes(start)):
        if there[row] and values in rows:
            yield row, rows[values]


def _by_row(states: Tensor) -> Tensor:
    """(batch, layers * width)."""
    return states.transpose(0, 1).flatten(1)


def _bytes(rows: Tensor) -> list[bytes]:
    """The values of every row as one key; a sum with zero makes -0.0 and 0.0 one."""
    return [row.tobytes() for row in (rows.double() + 0.0).numpy()]
