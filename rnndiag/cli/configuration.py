"""What `[tool.rnndiag]` of pyproject.toml, or rnndiag.toml, says; flags and RNNDIAG_* go first.

The nearest file from the current folder upwards counts, as far as the root of the repository, so
that a call means the same in every folder of a project. Paths in it are relative to its own folder.
"""

from __future__ import annotations

import difflib
import math
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from rnndiag.errors import InputCode, RnndiagError
from rnndiag.paths import is_url

TABLES: dict[str, tuple[str, ...]] = {"rnndiag.toml": (), "pyproject.toml": ("tool", "rnndiag")}
"""Configuration files, first come first, and the table in which each holds what is rnndiag's."""

Table = Mapping[str, Any]


class Kind(NamedTuple):
    """What a key may hold."""

    fits: Callable[[Any], bool]
    wrong: str
    """How a value that does not fit is called."""

    example: str


def _whole(least: int) -> Callable[[Any], bool]:
    return lambda value: type(value) is int and value >= least  # True and False are ints, too


TEXT = Kind(lambda value: isinstance(value, str), "no string", '"model.pt"')
CODES = Kind(
    lambda value: isinstance(value, list) and all(isinstance(code, str) for code in value),
    "no list of strings",
    '["RD101", "RD3"]',
)
SELECTED = Kind(
    lambda value: CODES.fits(value) and bool(value), "no list of one string or more", CODES.example
)
COUNT = Kind(_whole(1), "no whole number above 0", "200")
SEED = Kind(_whole(0), "no whole number of 0 or more", "0")
FAIL_ON = Kind(
    lambda value: value in ("error", "warning", "never"),
    "none of error, warning and never",
    '"error"',
)
SEVERITY = Kind(
    lambda value: value in ("note", "warning", "error"),
    "none of note, warning and error",
    '"warning"',
)
NUMBER = Kind(
    lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "no number",
    "10.0",
)
SHARE = Kind(
    lambda value: NUMBER.fits(value) and 0 <= value < math.inf, "no number of 0 or more", "0.1"
)
FLAG = Kind(lambda value: isinstance(value, bool), "neither true nor false", "true")
TABLE = Kind(lambda value: isinstance(value, dict), "no table", "a table")

KEYS: dict[str, Kind] = {
    "checkpoint": TEXT,
    "select": SELECTED,
    "extend-select": CODES,
    "ignore": CODES,
    "fail-on": FAIL_ON,
    "allow-unmeasured": FLAG,
    "seq-len": COUNT,
    "memory": COUNT,
    "batch": COUNT,
    "seed": SEED,
    "baseline": TEXT,
    "baseline-tolerance": SHARE,
    "rules": TABLE,
    "per-path": TABLE,
}
"""Everything that can be configured; `rules` and `per-path` hold tables of the next two."""

RULE_KEYS: dict[str, Kind] = {"severity": SEVERITY, "threshold": NUMBER}
PATH_KEYS: dict[str, Kind] = {
    "extend-select": CODES,
    "ignore": CODES,
    "rules": TABLE,
    "seq-len": COUNT,
    "memory": COUNT,
}

OPTIONS = ("select", "extend-select", "ignore", "batch", "seed")
"""Keys that are options of commands, too."""

LENGTHS = ("seq-len", "memory")
"""Options that may have another value for every path: what is typed goes before all of those."""

GATE_OPTIONS = ("fail-on", "allow-unmeasured", "baseline", "baseline-tolerance")
"""Those of the gate alone."""

PATHS = ("checkpoint", "baseline")
"""Keys that name a file, relative to the configuration's folder."""


@dataclass(frozen=True)
class Configuration:
    """One file's settings, all of which are known and of the right type."""

    file: str = ""
    """As messages name it, relative to the current folder."""

    folder: Path = field(default_factory=Path)
    """Where it lies."""

    table: Table = field(default_factory=dict)

    @property
    def checkpoint(self) -> str | None:
        """The configured checkpoint, as seen from the current folder."""
        return None if "checkpoint" not in self.table else str(self._value("checkpoint"))

    def defaults(self, command: str) -> dict[str, Any]:
        """Of a command's options, by the parameter's name."""
        keys = (*OPTIONS, *GATE_OPTIONS) if command == "check" else OPTIONS
        return {key.replace("-", "_"): self._value(key) for key in keys if key in self.table}

    def _value(self, key: str) -> Any:
        """As it is meant in the current folder."""
        value = self.table[key]
        is_relative = key in PATHS and not is_url(value)
        return os.path.relpath(self.folder / value) if is_relative else value


def load() -> Configuration:
    """Read the nearest configuration; an empty one where there is none.

    Raises RnndiagError (RD007) for a file that cannot be read, an unknown key, or a value of the
    wrong type, with its place and the nearest key that there is.
    """
    here = _working_folder()
    for folder in (here, *here.parents):
        for name, tables in TABLES.items():
            file = os.path.relpath(folder / name)
            found = _own_table(Path(file), tables)
            if found is not None:
                prefix = "".join(f"{table}." for table in tables)
                _check_all(found, prefix, file)
                return Configuration(file, folder, found)
        if Path(os.path.relpath(folder / ".git")).exists():
            break
    return Configuration()


def _working_folder() -> Path:
    try:
        return Path.cwd()
    except FileNotFoundError as error:
        what = "the working directory is not there any more"
        raise RnndiagError(InputCode.USAGE, what, "change to one that is") from error


def _text(path: Path) -> str | None:
    """What the file says; None where there is none. What stands there and is no file is not it."""
    try:
        if not path.exists() and not path.is_symlink():
            return None
        if not path.is_file():
            raise RnndiagError(InputCode.USAGE, f"{path} is no file", "remove it, or mend the link")
        return path.read_text(encoding="utf-8")
    except PermissionError as error:
        what = f"{path} cannot be looked for, or at: permission denied"
        remedy = "make it readable; an rnndiag.toml here, if an empty one, ends the search"
        raise RnndiagError(InputCode.USAGE, what, remedy) from error
    except (OSError, UnicodeDecodeError) as error:
        raise RnndiagError(InputCode.USAGE, f"{path} cannot be read: {error}", "mend it") from error


def _own_table(path: Path, tables: Iterable[str]) -> Table | None:
    """The table that is rnndiag's; None where the file says nothing of it."""
    text = _text(path)
    if text is None:
        return None
    # Loaded only where there is something to read: every command starts here.
    import tomllib

    try:
        found: Any = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise RnndiagError(InputCode.USAGE, f"{path} cannot be read: {error}", "mend it") from error
    for table in tables:
        # A `tool` that is no table is not ours to judge; our own table is.
        if not isinstance(found, dict) or table not in found:
            return None
        found = found[table]
    if not isinstance(found, dict):
        what = f"{'.'.join(tables)} in {path} is no table"
        raise RnndiagError(InputCode.USAGE, what, f"write [{'.'.join(tables)}]")
    return found


def _check_all(table: Table, prefix: str, file: str) -> None:
    """Every key at every depth."""
    _check(table, KEYS, prefix, file)
    _check_rules(table, prefix, file)
    for glob, choice in table.get("per-path", {}).items():
        place = f'{prefix}per-path."{glob}".'
        _check_table(choice, place, file)
        _check(choice, PATH_KEYS, place, file)
        _check_rules(choice, place, file)


def _check_rules(table: Table, prefix: str, file: str) -> None:
    for code, settings in table.get("rules", {}).items():
        place = f"{prefix}rules.{code}."
        _check_table(settings, place, file)
        _check(settings, RULE_KEYS, place, file)


def _check_table(value: object, place: str, file: str) -> None:
    if not isinstance(value, dict):
        what = f"{place.rstrip('.')} in {file} is no table"
        raise RnndiagError(InputCode.USAGE, what, f"write [{place.rstrip('.')}]")


def _check(table: Table, kinds: Mapping[str, Kind], prefix: str, file: str) -> None:
    """The keys of one table, and what they hold."""
    for key, value in table.items():
        place = f"{prefix}{key}"
        if key not in kinds:
            raise RnndiagError(
                InputCode.USAGE, f"unknown key {place} in {file}", _instead(key, kinds)
            )
        if not kinds[key].fits(value):
            what = f"{place} in {file} is {kinds[key].wrong}"
            raise RnndiagError(InputCode.USAGE, what, f"write {key} = {kinds[key].example}")


def _instead(key: str, kinds: Mapping[str, Kind]) -> str:
    """What may have been meant by a key; all that there is, where none is near."""
    if key == "tool":
        return "leave out [tool.rnndiag], which is for pyproject.toml"
    nearest = difflib.get_close_matches(key, kinds, n=1)
    return f"the nearest that there is: {nearest[0]}" if nearest else f"there is {', '.join(kinds)}"
