"""Run a command as a person does: in a terminal of a given width."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path


def run_in_terminal(
    arguments: list[str], columns: int = 100, folder: Path | None = None, **environment: str
) -> tuple[int, str]:
    """Exit code and everything that `rnndiag ARGUMENTS` shows on a terminal."""
    command = [sys.executable, "-m", "rnndiag", *arguments]
    return in_terminal(command, columns, folder, **environment)


def in_terminal(
    command: list[str], columns: int = 100, folder: Path | None = None, **environment: str
) -> tuple[int, str]:
    """The same of any command; `rnndiag` in it is the one beside this Python."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    kept = {k: v for k, v in os.environ.items() if k not in {"COLUMNS", "RNNDIAG_CHECKPOINT"}}
    found = os.pathsep.join((str(Path(sys.executable).parent), kept.get("PATH", os.defpath)))
    process = subprocess.Popen(
        command,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=folder,
        env={**kept, "PATH": found, "TERM": "xterm", "PYTHONIOENCODING": "utf-8", **environment},
    )
    os.close(theirs)
    shown = bytearray()
    try:
        while part := os.read(ours, 65536):
            shown += part
    except OSError:
        pass  # Linux reports the end of a terminal's output as an error.
    os.close(ours)
    return process.wait(), shown.decode().replace("\r\n", "\n")


ERASED_BAR = re.compile(r"\x1b\[\?25l.*?\x1b\[\?25h\s*(\x1b\[1A\x1b\[2K)*", re.DOTALL)
"""From hiding the cursor to showing it again, and the line taken back."""


def plain(text: str) -> str:
    """The text without colours, bold, trailing blanks and a progress bar that was erased again."""
    without = re.sub(r"\x1b\[[0-9;]*m", "", ERASED_BAR.sub("", text))
    return "".join(f"{line.rstrip()}\n" for line in without.splitlines())
