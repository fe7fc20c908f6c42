"""The command line: the only code that prints or exits."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn

NO_VERDICT = 2
CLOSED_PIPE = 141


def main() -> NoReturn:
    """Run the command line and exit."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one call and return its exit code: whatever goes wrong, 1 means findings alone."""
    import typer

    from rnndiag.cli.app import app
    from rnndiag.cli.output import complain
    from rnndiag.errors import InputCode, RnndiagError

    try:
        code = app(args=list(arguments), prog_name="rnndiag", standalone_mode=False)
        return int(code or 0)
    except SystemExit:
        # Typer's own answer to a pipe that was closed while it printed help.
        return CLOSED_PIPE
    except RnndiagError as error:
        complain(error)
    except typer.TyperException as error:
        message = " ".join(str(error).split()) or "no command given"
        complain(RnndiagError(InputCode.USAGE, message.rstrip("."), "see rnndiag --help"))
    except MemoryError:
        complain(
            RnndiagError(
                InputCode.INTERNAL, "out of memory", "take a shorter --seq-len or smaller --batch"
            )
        )
    except Exception as error:  # noqa: BLE001 - uncaught it would exit 1, which means findings
        if os.environ.get("RNNDIAG_DEBUG"):
            traceback.print_exc()
        what = f"internal error: {type(error).__name__}: {error}"
        remedy = "report it with the output of RNNDIAG_DEBUG=1, it is a defect of rnndiag"
        complain(RnndiagError(InputCode.INTERNAL, what, remedy))
    return NO_VERDICT
