"""Which checkpoint is meant when none is named."""

from __future__ import annotations

import difflib
import os
from pathlib import Path
from typing import Any

from rnndiag.cli.output import notice
from rnndiag.errors import InputCode, RnndiagError

SAMPLE = Path(__file__).parents[1] / "sample" / "delayed_recall_lstm.pt"
"""A small trained LSTM that ships with the package."""

TABLES: dict[str, tuple[str, ...]] = {"rnndiag.toml": (), "pyproject.toml": ("tool", "rnndiag")}
"""Configuration files, and the table in which each holds what concerns rnndiag."""

KEYS = ("checkpoint",)
"""Everything that can be configured."""


def locate(named: str | None, quiet: bool, gate: bool) -> tuple[str, str]:
    """Find the checkpoint: its path, and the name it is shown under.

    The named one, else the environment's, the configuration's, the sample, whose place on this
    machine is nobody's business.

    Raises RnndiagError (RD007) for a gate that would fall back to the sample.
    """
    # An empty argument (an unset variable in a script) is a name, and no such file.
    chosen = named if named is not None else os.environ.get("RNNDIAG_CHECKPOINT") or _configured()
    if chosen is not None:
        return chosen, chosen
    if gate:
        raise RnndiagError(
            InputCode.USAGE, "no checkpoint given", "a gate needs one: name a file or a folder"
        )
    if not quiet:
        notice(
            "no checkpoint given: showing the bundled sample "
            f"({SAMPLE.name}, an LSTM trained to recall an input 12 steps later)"
        )
    return str(SAMPLE), SAMPLE.name


def _configured() -> str | None:
    """`checkpoint` in rnndiag.toml or in [tool.rnndiag] of pyproject.toml of this folder."""
    for name in TABLES:
        path = Path(name)
        if not path.is_file():
            continue
        chosen = _settings(path).get("checkpoint")
        if chosen is not None and not isinstance(chosen, str):
            raise RnndiagError(
                InputCode.USAGE, f"checkpoint in {name} is no string", "write a path"
            )
        if chosen is not None:
            return chosen
    return None


def _settings(path: Path) -> dict[str, Any]:
    """What one file sets; raises RD007 for a file that cannot be read or a key that is none."""
    import tomllib

    try:
        found: object = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RnndiagError(InputCode.USAGE, f"{path} cannot be read: {error}", "mend it") from error
    place = ""
    for table in TABLES[path.name]:
        # A `tool` that is no table is not ours to judge; our own table is.
        found = found.get(table, {}) if isinstance(found, dict) else {}
        place += f"{table}."
    if not isinstance(found, dict):
        what = f"{place.rstrip('.')} in {path} is no table"
        raise RnndiagError(InputCode.USAGE, what, f"write {place}{KEYS[0]} = a path")
    for key in found:
        if key not in KEYS:
            nearest = difflib.get_close_matches(key, KEYS, n=1, cutoff=0.0)[0]
            what = f"unknown key {place}{key} in {path}"
            raise RnndiagError(InputCode.USAGE, what, f"the nearest that there is: {nearest}")
    return found
