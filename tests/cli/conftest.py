"""What the tests of the command line share."""

from __future__ import annotations

import subprocess

import pytest
from cli.known_answers import Runner, public_cases

from rnndiag.cli import run


@pytest.fixture
def in_process(capsys):
    """The command without a new process, for the many cases that need none."""

    def call(*arguments: object):
        code = run([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return subprocess.CompletedProcess(arguments, code, said.out, said.err)

    return call


@pytest.fixture(scope="session")
def truth(shared):
    """The known answers of ground_truth.json, by case."""
    return public_cases(shared)


@pytest.fixture
def save(tmp_path):
    """A torch module as a file, on which commands are run."""
    return lambda module: Runner(tmp_path, module)
