"""Which checkpoint is meant when none is named."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

from rnndiag.cli.output import notice
from rnndiag.errors import InputCode, RnndiagError

SAMPLE = Path(__file__).parents[1] / "sample" / "delayed_recall_lstm.pt"
"""A small trained LSTM that ships with the package."""

CONFIG_FILES = ("rnndiag.toml", "pyproject.toml")


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
    for name in CONFIG_FILES:
        path = Path(name)
        if not path.is_file():
            continue
        try:
            settings = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise RnndiagError(
                InputCode.USAGE, f"{name} cannot be read: {error}", "mend it"
            ) from error
        if name == "pyproject.toml":
            settings = _table(_table(settings.get("tool")).get("rnndiag"))
        chosen = settings.get("checkpoint")
        if chosen is not None and not isinstance(chosen, str):
            raise RnndiagError(
                InputCode.USAGE, f"checkpoint in {name} is no string", "write a path"
            )
        if chosen is not None:
            return chosen
    return None


def _table(value: object) -> dict[str, Any]:
    """A TOML table; empty where there is none."""
    return value if isinstance(value, dict) else {}
