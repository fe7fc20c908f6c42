"""Help and completion load nothing heavy; nothing that rnndiag does loads torch."""

from __future__ import annotations

import subprocess
import sys

import pytest
from cli.command import FIXTURES, environment, rnndiag

import rnndiag as package

COMMANDS = ("inspect", "spectrum", "bptt-trace", "suggest", "check", "report", "explain")
HEAVY = ("numpy", "torch", "matplotlib")

SCRIPT = """
import sys
from rnndiag.cli import run
for arguments in {calls}:
    code = run(arguments)
    assert code == {code}, (arguments, code)
print("LOADED", [name for name in {names} if name in sys.modules])
"""


def loaded(calls, names, code: int = 0, **more: str) -> str:
    script = SCRIPT.format(calls=calls, names=names, code=code)
    ran = subprocess.run(
        [sys.executable, "-c", script],
        env=environment(**more),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.rpartition("LOADED ")[2].strip()


def test_help_of_every_command_loads_nothing_heavy():
    calls = [["--help"], ["--version"], *([command, "--help"] for command in COMMANDS)]
    assert loaded(calls, HEAVY) == "[]"


def test_a_usage_error_loads_nothing_heavy():
    assert loaded([["spectrum", "--nonsense"], ["check", "--fail-on", "x"]], HEAVY, 2) == "[]"


def test_completion_answers_and_loads_nothing_heavy():
    asked = {"COMP_WORDS": "rnndiag ", "COMP_CWORD": "1", "_RNNDIAG_COMPLETE": "complete_bash"}
    script = "import sys, atexit; from rnndiag.cli import run\n"
    script += f"code = run([]); print('LOADED', code, [n for n in {HEAVY} if n in sys.modules])"
    ran = subprocess.run(
        [sys.executable, "-c", script],
        env=environment(**asked),
        capture_output=True,
        text=True,
        check=True,
    )
    answer, _, rest = ran.stdout.rpartition("LOADED ")
    assert set(COMMANDS) <= set(answer.split())
    assert rest.strip() == "0 []"


def test_no_command_loads_torch():
    path = str(FIXTURES / "exploding_rnn.pt")
    calls = [[command, path] for command in ("inspect", "spectrum", "bptt-trace", "suggest")]
    calls += [["check", path, "--fail-on", "never"], ["explain", "RD301"]]
    calls += [["report", path, "-o", "-"]]
    assert loaded(calls, ("torch", "matplotlib", "numpy")) == "['numpy']"


def test_the_package_and_its_names_load_no_torch():
    script = "import sys, rnndiag\nassert 'numpy' not in sys.modules\n"
    script += "[getattr(rnndiag, name) for name in rnndiag.__all__]\n"
    script += "assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", script], check=True)


def test_version():
    ran = rnndiag("--version")
    assert (ran.returncode, ran.stdout) == (0, f"rnndiag {package.__version__}\n")


def test_help_lists_every_command(capsys):
    from rnndiag.cli import run

    assert run(["--help"]) == 0
    shown = capsys.readouterr().out
    for command in COMMANDS:
        assert f" {command} " in shown


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(capsys, command):
    from rnndiag.cli import run

    assert run([command, "-h"]) == 0
    said = capsys.readouterr()
    assert f"rnndiag {command}" in said.out
    assert said.err == ""


def test_inspecting_loads_no_measure_that_it_does_not_take():
    # Start-up is most of its time, and is promised against that of `import torch`.
    others = (
        "rnndiag.cli.check",
        "rnndiag.advice",
        "rnndiag.comparison",
        "rnndiag.measure.spectrum",
        "rich",
        "torch",
    )
    assert loaded([["inspect", str(FIXTURES / "char_rnn.pt")]], others) == "[]"
