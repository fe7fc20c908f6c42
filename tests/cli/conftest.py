"""What the tests of the command line share."""

from __future__ import annotations

import subprocess

import pytest

from rnndiag.cli import run


@pytest.fixture
def in_process(capsys):
    """The command without a new process, for the many cases that need none."""

    def call(*arguments: object):
        code = run([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return subprocess.CompletedProcess(arguments, code, said.out, said.err)

    return call
