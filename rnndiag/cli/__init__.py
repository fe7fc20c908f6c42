"""The command line: the only code that prints or exits."""

from __future__ import annotations

import contextlib
import errno
import gc
import os
import signal
import sys
import traceback
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NoReturn

from rnndiag.threads import ONE_THREAD

if TYPE_CHECKING:
    from types import FrameType

    from rnndiag.errors import RnndiagError

NO_VERDICT = 2
INTERRUPTED = 130
CLOSED_PIPE = 141


def main() -> NoReturn:
    """Run the command line and exit."""
    for variable, count in ONE_THREAD.items():
        os.environ.setdefault(variable, count)  # before a command loads numpy
    code = run(sys.argv[1:])
    # On its way out the interpreter looks for cycles among all objects, more than once, only to
    # free what ends with the process: without this, a seventh of the time of `inspect`.
    gc.freeze()
    sys.exit(code)


def run(arguments: Sequence[str]) -> int:
    """Run one call and return its exit code: whatever goes wrong, 1 means findings alone."""
    with _hearing_ctrl_c() as heard:
        try:
            code = _run(arguments, heard)
        except KeyboardInterrupt:
            # Typer answers it once a command runs; this one came while modules were loaded.
            return INTERRUPTED
        return INTERRUPTED if heard else code


@contextlib.contextmanager
def _hearing_ctrl_c() -> Iterator[list[int]]:
    """The signals of Ctrl-C that came, since not every KeyboardInterrupt arrives.

    Python drops one that is raised in a weak reference's callback, of which every import has one,
    and C code that imports a module makes an ImportError of it.
    """
    heard: list[int] = []

    def hear(number: int, _: FrameType | None) -> None:
        heard.append(number)
        raise KeyboardInterrupt

    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield heard  # whoever started this process ignores it, or hears it in another way
        return
    signal.signal(signal.SIGINT, hear)
    try:
        yield heard
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _run(arguments: Sequence[str], heard: Sequence[int] = ()) -> int:
    import typer

    from rnndiag.cli.app import app
    from rnndiag.cli.output import complain
    from rnndiag.errors import InputCode, RnndiagError, out_of_memory

    try:
        code = app(args=list(arguments), prog_name="rnndiag", standalone_mode=False)
        return int(code or 0)
    except SystemExit as ended:
        # Typer's own: 0 after shell completion, else a pipe that was closed while it printed help.
        return CLOSED_PIPE if ended.code else 0
    except RnndiagError as error:
        complain(error)
    except typer.TyperException as error:
        complain(RnndiagError(InputCode.USAGE, _usage(error), "see rnndiag --help"))
    except MemoryError as error:
        complain(out_of_memory(error))
    except Exception as error:  # noqa: BLE001 - uncaught it would exit 1, which means findings
        if heard:
            return INTERRUPTED
        if os.environ.get("RNNDIAG_DEBUG"):
            traceback.print_exc()
        complain(_unforeseen(error))
    return NO_VERDICT


EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM}
"""What a system answers that has no more files, processes or memory to give."""


def _unforeseen(error: Exception) -> RnndiagError:
    """A system at its limits; a full disk where Typer printed help or a version; else a defect."""
    from rnndiag.errors import InputCode, RnndiagError

    if isinstance(error, OSError) and error.errno in EXHAUSTED:
        what = f"the system is at a limit: {(error.strerror or str(error)).lower()}"
        return RnndiagError(InputCode.REFUSED, what, "raise the limit, or take fewer --jobs")
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return RnndiagError(
            InputCode.CANNOT_WRITE, f"stdout cannot be written: {error.strerror}", "free the device"
        )
    return RnndiagError(
        InputCode.INTERNAL,
        f"internal error: {type(error).__name__}: {error}",
        "report it with the output of RNNDIAG_DEBUG=1, it is a defect of rnndiag",
    )


def _usage(error: Exception) -> str:
    """Typer's message on one line; its long form names the option that is wrong."""
    said = error.format_message() if hasattr(error, "format_message") else str(error)
    return " ".join(said.split()).rstrip(".") or "no command given"
