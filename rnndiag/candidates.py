"""Which files a gate looks at: names, folders and patterns, and none passed over in silence."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rnndiag.containers.failures import cannot_open, not_a_checkpoint
from rnndiag.containers.folders import closed, is_distributed, is_folder, is_there
from rnndiag.containers.safetensors_index import shards_in
from rnndiag.containers.source import no_such_file, special_kind
from rnndiag.errors import Content, RnndiagError, reason
from rnndiag.paths import identity, shown_path


@dataclass(frozen=True)
class Candidate:
    """A file to look at."""

    path: str
    named: bool

    error: RnndiagError | None = None
    """Why there is nothing to look at."""


def candidates_of(paths: Sequence[str], allow_empty: bool) -> Iterator[Candidate]:
    """Every file, sorted as it is shown; the same file once."""
    found: dict[str, Candidate] = {}
    for path in paths:
        for candidate in _meant(path, allow_empty):
            known = found.get(candidate.path)
            if known is None or candidate.named:
                found[candidate.path] = candidate
    # Named under any of its names, a file must give a verdict.
    must = {identity(path) for path, candidate in found.items() if candidate.named}
    seen: set[tuple[int, int] | None] = set()
    for path in sorted(found, key=lambda path: (shown_path(path), path)):
        file = identity(path)
        if file is None or file not in seen:
            seen.add(file)
            candidate = found[path]
            yield replace(candidate, named=candidate.named or file in must)


def in_order(paths: Sequence[str]) -> Iterator[Candidate]:
    """Every file in the order given, a folder's and a pattern's by the numbers in their names.

    A file that was named stands where it was named, as often as it was; another once.
    """
    named = {identity(path) for path in paths if not is_folder(path)} - {None}
    seen = set(named)
    for path in paths:
        for candidate in sorted(_meant(path, allow_empty=False), key=_by_numbers):
            file = identity(candidate.path)
            if candidate.path == path or file is None or file not in seen:
                seen.add(file)
                yield candidate


def _by_numbers(candidate: Candidate) -> list[str]:
    """Where a file stands among others: epoch 9 before epoch 10."""
    parts = re.split(r"([0-9]+)", shown_path(candidate.path))
    # A number by its length first: of any length, as a name may be.
    digits = [part.lstrip("0") if place % 2 else "" for place, part in enumerate(parts)]
    return [f"{len(d):03}{d}" if d else part for d, part in zip(digits, parts, strict=True)]


def _meant(path: str, allow_empty: bool) -> Iterator[Candidate]:
    """A file by itself, a folder's files, a pattern's matches."""
    matches = [path]
    if glob.has_magic(path) and not is_there(path):
        matches = sorted(glob.glob(path, recursive=True))  # noqa: PTH207 (patterns as a shell has)
        shut = [_no_folder(on, why) for on in _folders_on(path) if (why := closed(on))]
        yield from shut
        if not matches and not shut and not allow_empty:
            what = "no such file, and as a pattern it matches none"
            yield Candidate(path, named=True, error=no_such_file(path, what))
    for match in matches:
        if is_folder(match):
            yield from _below(match)
        else:
            yield Candidate(match, named=True)


def _folders_on(pattern: str) -> Iterator[str]:
    """Those that a pattern leads through: of one that is closed, glob says nothing."""
    parent, last = os.path.split(pattern)
    if not glob.has_magic(pattern):
        return
    yield from _folders_on(parent)
    deeper = os.path.join(parent, "**" if last == "**" else "", "")  # noqa: PTH118 (as glob has it)
    yield from glob.glob(deeper, recursive=True) if deeper else ["."]  # noqa: PTH207 (the same)


def _below(folder: str) -> Iterator[Candidate]:
    """Files below a folder; hidden ones are somebody else's, shards go with their index.

    A distributed checkpoint is one thing: its folder stands for it. Links to folders are not
    followed, and said. What cannot be looked at, or into, may be a checkpoint: it has an error.
    """
    failed: list[OSError] = []
    for parent, folders, names in os.walk(folder, onerror=failed.append):
        if is_distributed(names):
            folders.clear()
            yield Candidate(parent, named=False)
            continue
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (_linked(path) for name in folders if (path := Path(parent, name)).is_symlink())
        shards = shards_in(parent, names)
        for name in sorted(names):
            if not name.startswith(".") and name not in shards:
                yield _met(str(Path(parent, name)))
    for error in failed:
        yield _no_folder(str(error.filename), reason(error))


def _met(path: str) -> Candidate:
    """A file of a folder, unless a pipe or a device stands there."""
    what = special_kind(path)
    error = not_a_checkpoint(what, "", Content.NO_RECURRENCE) if what else None
    return Candidate(path, named=False, error=error)


def _linked(path: Path) -> Candidate:
    what = "a link to a folder, which is not followed"
    error = not_a_checkpoint(what, "", Content.NO_RECURRENCE)
    return Candidate(str(path), named=False, error=error)


def _no_folder(path: str, why: str) -> Candidate:
    what = f"a folder that cannot be looked into: {why}"
    error = cannot_open(what, "make it readable, or name files elsewhere")
    # As one that was named: what a folder is called claims nothing for the files in it.
    return Candidate(path, named=True, error=error)
