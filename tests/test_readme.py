"""Every command that the README shows is run, and must print what stands there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from terminal import plain, run_in_terminal

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")

CONSOLE = re.compile(r"```console\n(.*?)```", re.DOTALL)
PYTHON = re.compile(r"```python\n(.*?)```", re.DOTALL)


def shown_commands():
    """(command line, shown output) of every console block; a block may hold several."""
    for block in CONSOLE.findall(README):
        for part in re.split(r"(?m)^\$ ", block)[1:]:
            command, _, output = part.partition("\n")
            if command.startswith("rnndiag "):
                yield command, output


COMMANDS = list(shown_commands())


def matches(shown: str, real: str) -> bool:
    """Equal, where a line of `...` alone stands for any lines that were left out."""
    pattern = ".*?".join(re.escape(part) for part in re.split(r"(?m)^\.\.\.\n", shown))
    return re.fullmatch(pattern, real, re.DOTALL) is not None


def test_the_readme_shows_the_main_commands():
    shown = " ".join(command for command, _ in COMMANDS)
    for name in ("inspect", "spectrum", "bptt-trace --seq-len 200", "suggest", "check", "--help"):
        assert name in shown


@pytest.mark.parametrize(("command", "output"), COMMANDS, ids=[c for c, _ in COMMANDS])
def test_shown_output_is_the_real_one(command, output):
    real = plain(run_in_terminal(command.split()[1:], folder=ROOT)[1])
    assert matches(output, real), real


def test_a_changed_output_would_be_noticed():
    assert matches("a\n...\nc\n", "a\nb\nb\nc\n")
    assert not matches("a\n...\nc\n", "a\nb\nd\n")


def test_python_examples_run():
    for code in PYTHON.findall(README):
        subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=ROOT, check=True)
