"""Where a report goes: a terminal, a pipe or a file; and what an input error looks like."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from rnndiag.errors import InputCode, RnndiagError
from rnndiag.escape import printable

if TYPE_CHECKING:
    from rnndiag.render import Screen
    from rnndiag.report import Report

CLOSED_PIPE = 141


def complain(error: RnndiagError, path: str | None = None) -> None:
    """One line on stderr."""
    where = f"{printable(path)}: " if path else "rnndiag: "
    print(f"{where}{printable(str(error))}", file=sys.stderr)


def show(report: Report, format_name: str | None, output: str | None) -> int:
    """Render a report, put it where it belongs, and return the exit code."""
    from rnndiag.render import renderer

    for file in report.files:
        if file.error is not None:
            complain(file.error, file.path)
    to_terminal = output is None and sys.stdout.isatty()
    text = renderer(format_name or ("table" if to_terminal else "concise"))(
        report, _screen(to_terminal)
    )
    if output is None:
        write(text)
    else:
        _write_file(Path(output), text)
    return int(report.exit_code)


def write(text: str) -> None:
    """Text to stdout; a closed pipe ends the program quietly."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        # The interpreter flushes stdout once more at exit; it must not complain then.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(CLOSED_PIPE) from None
    except OSError as error:
        raise RnndiagError(
            InputCode.CANNOT_WRITE, f"stdout cannot be written: {error.strerror}", "free the device"
        ) from error


def _write_file(path: Path, text: str) -> None:
    """All of the text or nothing: written beside the target, then renamed."""
    temporary = None
    try:
        with tempfile.NamedTemporaryFile(
            "w", dir=path.parent, prefix=f".{path.name}.", delete=False, encoding="utf-8"
        ) as file:
            temporary = Path(file.name)
            file.write(text)
        # A temporary file is private; a report has the permissions that any new file gets.
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except OSError as error:
        if temporary is not None:
            with contextlib.suppress(OSError):
                temporary.unlink()
        raise RnndiagError(
            InputCode.CANNOT_WRITE,
            f"{path} cannot be written: {error.strerror}",
            "choose another --output",
        ) from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _screen(to_terminal: bool) -> Screen:
    """Width, colours and characters of where the text is read; NO_COLOR and TERM=dumb hold."""
    from rnndiag.render import Screen

    environment = os.environ
    dumb = environment.get("TERM") == "dumb"
    forced = bool(environment.get("FORCE_COLOR"))
    colour = (to_terminal or forced) and not dumb and not environment.get("NO_COLOR")
    encoding = (sys.stdout.encoding or "").lower().replace("-", "")
    width = shutil.get_terminal_size((100, 24)).columns if to_terminal else 100
    return Screen(width=width, color=colour, unicode=encoding.startswith("utf") and not dumb)
