"""Which checkpoint is meant when none is named."""

from __future__ import annotations

import os
from pathlib import Path

from rnndiag.cli.configuration import load
from rnndiag.cli.output import notice
from rnndiag.errors import InputCode, RnndiagError

SAMPLE = Path(__file__).parents[1] / "sample" / "delayed_recall_lstm.pt"
"""A small trained LSTM that ships with the package."""


def locate(named: str | None, quiet: bool, gate: bool) -> tuple[str, str]:
    """Find the checkpoint: its path, and the name it is shown under.

    The named one, else the environment's, the configuration's, the sample, whose place on this
    machine is nobody's business.

    Raises RnndiagError (RD007) for a gate that would fall back to the sample.
    """
    # An empty argument (an unset variable in a script) is a name, and no such file.
    chosen = (
        named if named is not None else os.environ.get("RNNDIAG_CHECKPOINT") or load().checkpoint
    )
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
