"""One thread for linear algebra in the command, unless the user says otherwise."""

from __future__ import annotations

import subprocess
import sys

import pytest
from cli.command import environment

from rnndiag.threads import ONE_THREAD

CALL = """
import os, sys
sys.argv = ["rnndiag", "--version"]
from rnndiag.cli import main
try:
    main()
except SystemExit:
    assert "numpy" not in sys.modules  # which reads the variables when it is loaded
    print(os.environ[sys.orig_argv[-1]])
"""


@pytest.mark.parametrize("variable", ONE_THREAD)
@pytest.mark.parametrize(("given", "taken"), [(None, "1"), ("3", "3")])
def test_the_command_takes_one_thread(variable, given, taken):
    kept = {name: value for name, value in environment().items() if name not in ONE_THREAD}
    ran = subprocess.run(
        [sys.executable, "-c", CALL, variable],
        env=kept if given is None else {**kept, variable: given},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.splitlines()[-1] == taken
