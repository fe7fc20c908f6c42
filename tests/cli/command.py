"""The installed command as a person or a script calls it, and small networks to call it on."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO

import torch
from torch import nn

ROOT = Path(__file__).parents[2]
FIXTURES = ROOT / "fixtures"
COMMAND = str(Path(sys.executable).with_name("rnndiag"))
ERROR_LINE = re.compile(r"(?P<where>.+?): (?P<code>RD0\d\d) (?P<what>.+); (?P<remedy>[^;]+)")
NO_VERDICT = r"(?:no-verdict: files 0, errors 0, .*\n)?"
DROPPED = ("RNNDIAG_", "NO_COLOR", "FORCE_COLOR", "COLUMNS", "TERM", "PYTHONIOENCODING")


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(DROPPED)}
    # One thread: these matrices are small, and waiting threads only take time from other tests.
    return {**kept, "PYTHONIOENCODING": "utf-8", "OPENBLAS_NUM_THREADS": "1", **more}


def rnndiag(
    *arguments: object,
    folder: Path | None = None,
    stdin: bytes | None = None,
    stdout: int | IO[str] = subprocess.PIPE,
    stderr: int | IO[str] = subprocess.PIPE,
    before: Callable[[], None] | None = None,
    **more: str,
):
    """Run to the end: a CompletedProcess with text. `before` runs in the new process."""
    ran = subprocess.run(
        [COMMAND, *map(str, arguments)],
        cwd=folder,
        env=environment(**more),
        input=stdin,
        stdout=stdout,
        stderr=stderr,
        timeout=60,
        check=False,
        preexec_fn=before,
    )
    ran.stdout, ran.stderr = (ran.stdout or b"").decode(), (ran.stderr or b"").decode()
    return ran


def start(*arguments: object, folder: Path | None = None, **more: str) -> subprocess.Popen[bytes]:
    """Start it as a terminal would: Ctrl-C reaches it even where the test runner ignores it."""
    # A signal that has a handler here has its default there; one that is ignored stays ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return subprocess.Popen(
            [COMMAND, *map(str, arguments)],
            cwd=folder,
            env=environment(**more),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
    finally:
        signal.signal(signal.SIGINT, before)


def one_error(stderr: str) -> re.Match[str]:
    """The single error line, taken apart."""
    assert "Traceback" not in stderr
    lines = stderr.splitlines()
    assert len(lines) == 1, stderr
    found = ERROR_LINE.fullmatch(lines[0])
    assert found, stderr
    assert found["code"] != "RD009", stderr
    return found


def expect_error(ran, code: str, *words: str, where: str | None = None) -> None:
    """Exit 2, one error line, and nothing among the data but a gate's count of what it met."""
    assert ran.returncode == 2, ran
    found = one_error(ran.stderr)
    assert found["code"] == code, ran.stderr
    for word in words:
        assert word in ran.stderr
    if where is not None:
        assert found["where"] == where
    assert re.fullmatch(NO_VERDICT, ran.stdout), ran.stdout


def save(path: Path, module: nn.Module) -> Path:
    torch.save(module.state_dict(), path)
    return path


def scaled_rnn(
    scale: float, size: int = 8, bias: bool = True, nonlinearity: str = "tanh"
) -> nn.RNN:
    """A plain RNN whose W_hh is a multiple of the identity."""
    size = 8
    torch.manual_seed(0)
    module = nn.RNN(3, size, bias=bias, nonlinearity=nonlinearity)
    with torch.no_grad():
        module.weight_hh_l0.copy_(scale * torch.eye(size))
    return module
