"""Configurations that training left beside a checkpoint, read as data and within bounds.

Nothing in them is built or run: JSON gives plain values, and of YAML only the parser's events are
looked at, so that tags make no objects, aliases of containers repeat nothing and no depth costs a
stack.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from io import FileIO
from typing import Any

from rnndiag.containers.checkpoint import Value
from rnndiag.containers.folders import is_folder
from rnndiag.containers.standard_input import NAME as STANDARD_INPUT
from rnndiag.containers.text import printable
from rnndiag.errors import reason

STEMS = (
    *("config", "hparams", "hyperparameters", "args", "params", "cfg", "options", "opts"),
    *("model_config", "train_config", "training_config", "training_args", "hyperparams"),
)
NAMES = (
    *(f"{stem}{ending}" for stem in STEMS for ending in (".yml", ".yaml", ".json")),
    *(".hydra/config.yaml", ".hydra/config.yml"),
)
"""Files that trainers write: neuralhydrology, Lightning, transformers, Ray, icefall, Hydra."""

CHECKPOINT_FOLDERS = ("checkpoint", "ckpt", "weights")
"""Beginnings of names of folders that hold checkpoints alone; their parent is the run's folder."""

LARGEST = 2**20
"""Bytes that are read of one file; the longest configuration of a real run has some 50,000."""

MAX_ENTRIES = 20_000
"""Values of one file. A longer one is a vocabulary or a log."""

TOO_MANY = f"it has more than {MAX_ENTRIES:,} entries"

MAX_DEPTH = 20
"""Levels of nesting that are looked into; Hydra's deepest have about eight."""

MAX_NESTING = 200
"""Levels at which a YAML text is given up: its scanner takes longer with each."""

MAX_KEY = 200
"""Characters of a dotted name; a longer one is left out."""

INTEGER = re.compile(r"-?[1-9][0-9_]{0,18}|0")
"""A whole number as YAML writes one, in decimals."""


@dataclass(frozen=True)
class Configuration:
    """One such file."""

    name: str
    """Relative to the checkpoint's folder: "config.yml", "../hparams.yaml"."""

    values: Mapping[str, Value]
    """Plain values by dotted name, in the order of the file."""

    unread: str = ""
    """Why it was not read, or no further; empty where it was."""


@dataclass(frozen=True)
class Configurations:
    """What stands beside checkpoints, looked for once a folder; as long-lived as one call."""

    known: dict[str, tuple[tuple[Configuration, ...], ...]] = field(default_factory=dict)

    def beside(self, path: str) -> tuple[tuple[Configuration, ...], ...]:
        """Those in the checkpoint's folder, then those in the folder of the run around that."""
        if path == STANDARD_INPUT:
            return ()
        folder = os.path.abspath(path if is_folder(path) else os.path.dirname(path))  # noqa: PTH100, PTH120 (a hostile path need not survive Path())
        if folder not in self.known:
            self.known[folder] = tuple(_groups(folder))
        return self.known[folder]


def _groups(folder: str) -> Iterator[tuple[Configuration, ...]]:
    yield tuple(_in(folder, ""))
    parent, name = os.path.split(folder)
    if name.lower().startswith(CHECKPOINT_FOLDERS) and parent != folder:
        yield tuple(_in(parent, "../"))


def _in(folder: str, prefix: str) -> Iterator[Configuration]:
    """The regular files of these names; what is something else is somebody else's."""
    real = os.path.realpath(folder)
    for name in NAMES:
        path = os.path.join(real, *name.split("/"))  # noqa: PTH118 (the same)
        try:
            mode = os.lstat(path).st_mode
        except (OSError, ValueError):
            continue
        if stat.S_ISLNK(mode) or os.path.realpath(path) != path:
            yield Configuration(prefix + name, {}, "it is a link, which is not followed")
        elif stat.S_ISREG(mode):
            yield _read(path, prefix + name)


def _read(path: str, name: str) -> Configuration:
    try:
        with FileIO(path, opener=_without_following) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return Configuration(name, {}, "it is not a regular file")
            raw = file.read(LARGEST + 1) or b""
    except (OSError, ValueError) as error:
        return Configuration(name, {}, reason(error))
    if len(raw) > LARGEST:
        return Configuration(name, {}, "it has more than 1 MB")
    try:
        entries = _json(raw) if name.endswith(".json") else _yaml(raw)
        return _collected(name, entries)
    except _UnreadableError as error:
        return Configuration(name, {}, str(error))


def _without_following(path: str, flags: int) -> int:
    """Neither a link nor a FIFO that replaced the file a moment ago."""
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))


class _UnreadableError(Exception):
    """Why a text gives no values."""


def _collected(name: str, entries: Iterator[tuple[str, Value]]) -> Configuration:
    values: dict[str, Value] = {}
    for count, (key, value) in enumerate(entries):
        if count >= MAX_ENTRIES:
            return Configuration(name, {}, TOO_MANY)
        if 0 < len(key) <= MAX_KEY:
            values[printable(key)] = value
    return Configuration(name, values)


def _json(raw: bytes) -> Iterator[tuple[str, Value]]:
    """Leaves by dotted name; walked with a stack of its own."""
    try:
        root = json.loads(raw.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        raise _UnreadableError("it is not valid JSON") from None
    pending: list[tuple[str, object, int]] = [("", root, 0)]
    while pending:
        key, found, depth = pending.pop()
        if not isinstance(found, dict | list):
            yield key, found if isinstance(found, bool | int | float | str) else None
        elif depth < MAX_DEPTH:
            if len(found) > MAX_ENTRIES:
                raise _UnreadableError(TOO_MANY)
            children = found.items() if isinstance(found, dict) else enumerate(found)
            below = [(_joined(key, name), child, depth + 1) for name, child in children]
            pending += reversed(below)


def _yaml(raw: bytes) -> Iterator[tuple[str, Value]]:
    """Leaves by dotted name, from the events of PyYAML's safe loader; no object is constructed."""
    try:
        import yaml
    except ImportError:
        raise _UnreadableError("reading YAML needs PyYAML: pip install 'rnndiag[config]'") from None
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        yield from _leaves(yaml.parse(raw.decode("utf-8-sig"), Loader=loader))
    except (yaml.YAMLError, ValueError, RecursionError):
        raise _UnreadableError("it is not valid YAML") from None


@dataclass
class _Open:
    """A mapping or a list whose end has not come yet."""

    name: str | None
    """None for what is itself a key, or lies in one."""

    is_mapping: bool
    key: str | None = None
    place: int = 0

    def next_name(self) -> str | None:
        """Of the value that comes now."""
        if self.is_mapping:
            key, self.key = self.key, None
        else:
            key, self.place = str(self.place), self.place + 1
        return None if self.name is None else _joined(self.name, key or "")

    @property
    def awaits_key(self) -> bool:
        """Whether what comes now is a key of a mapping."""
        return self.is_mapping and self.key is None


def _leaves(events: Iterator[Any]) -> Iterator[tuple[str, Value]]:
    """Scalars, each under the keys that lead to it; what lies too deep is passed over."""
    stack: list[_Open] = []
    anchored: dict[str, Value] = {}
    for event in events:
        kind = type(event).__name__
        if kind in {"MappingStartEvent", "SequenceStartEvent"}:
            stack.append(_Open(_begun(stack), kind == "MappingStartEvent"))
            if len(stack) > MAX_NESTING:
                raise _UnreadableError("it is nested too deeply")
        elif kind in {"MappingEndEvent", "SequenceEndEvent"}:
            stack.pop()
        elif kind in {"ScalarEvent", "AliasEvent"}:
            value = _plain(event) if kind == "ScalarEvent" else anchored.get(event.anchor)
            if kind == "ScalarEvent" and event.anchor is not None:
                anchored[event.anchor] = value
            if stack and stack[-1].awaits_key:
                stack[-1].key = str(event.value) if kind == "ScalarEvent" else ""
            else:
                name = stack[-1].next_name() if stack else ""
                if name is not None and len(stack) <= MAX_DEPTH:
                    yield name, value


def _begun(stack: list[_Open]) -> str | None:
    """The name of a container that begins; a mapping or a list may be a key, too."""
    if not stack:
        return ""
    if stack[-1].awaits_key:
        stack[-1].key = ""
        return None
    return stack[-1].next_name()


def _plain(event: Any) -> Value:
    """A whole number, where it is written without quotes or a tag; else the text."""
    if event.tag is None and event.style in {None, ""} and INTEGER.fullmatch(event.value):
        return int(event.value.replace("_", ""))
    text: str = event.value
    return text


def _joined(parent: str, name: object) -> str:
    """A dotted name, no longer than is kept."""
    return f"{parent}.{name}"[: MAX_KEY + 1] if parent else str(name)[: MAX_KEY + 1]
