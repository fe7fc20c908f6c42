"""Every command that the README shows is run, and must print what stands there."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from readme_blocks import README, ROOT, real_output, shown_commands

COMMANDS = list(shown_commands())


def test_the_readme_shows_the_main_commands():
    shown = " ".join(command for command, _ in COMMANDS)
    for name in ("inspect", "spectrum", "bptt-trace --seq-len 200", "suggest", "check", "--help"):
        assert name in shown


@pytest.mark.parametrize(("command", "output"), COMMANDS, ids=[c for c, _ in COMMANDS])
def test_shown_output_is_the_real_one(command, output):
    assert output == real_output(command), "run `make readme`"


def test_python_examples_run():
    text = README.read_text(encoding="utf-8")
    examples = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert examples
    for code in examples:
        subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=ROOT, check=True)
