"""The two steps of action.yml: install rnndiag apart from everything else, then run the gate.

Inputs come in environment variables and go on as single arguments, so that no shell reads them.
Every Python is started with -I: a json.py in the repository under test is not imported.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NoReturn

RELEASE = re.compile(r"\d+(\.\d+)*((a|b|rc)\d+)?(\.post\d+)?(\.dev\d+)?")
"""A version as a package index has it: no range, no address, no option of pip's."""

NO_VERDICT = 2


def install() -> int:
    """Make an environment with the wanted version and pass its Python on to the next step."""
    version = read("VERSION")
    if version and not RELEASE.fullmatch(version):
        refuse(f"version {version!r} is none, such as 0.1.0")
    environment = fresh_folder()
    python = environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    # With what reads the configurations that lie beside checkpoints.
    source = os.environ["GITHUB_ACTION_PATH"]
    wanted = f"rnndiag[config]=={version}" if version else f"{source}[config]"
    # Compiling all of numpy would take longer than what a gate imports of it.
    pip = ("pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile", wanted)
    for command in ((sys.executable, "-I", "-m", "venv", environment), (python, "-I", "-m", *pip)):
        code = subprocess.run(command, check=False).returncode
        if code:
            refuse(f"could not be installed: {command[3]} ended with {code}, see the log")
    put_out(python=python)
    return 0


def check() -> int:
    """Run the gate, write the outputs, and fail as it did."""
    report = fresh_folder() / "report.json"
    environment = dict(os.environ)
    if not summary_wanted():
        environment.pop("GITHUB_STEP_SUMMARY", None)
    # -X utf8: on Windows a pipe has another encoding, and the log is read as UTF-8.
    gate = (sys.executable, "-I", "-X", "utf8", "-m", "rnndiag", "check", *arguments(report))
    code = subprocess.run(gate, env=environment, check=False).returncode
    code = code if code >= 0 else 128 - code  # ended by a signal: as a shell says it
    put_out(exit_code=code, **outcome(report))
    return code


def arguments(report: Path) -> list[str]:
    """What the inputs say, as arguments of `rnndiag check`; args stand first and undo none."""
    try:
        given = shlex.split(read("ARGS"))
    except ValueError as error:
        refuse(f"args: {str(error).lower()}")
    given += ["--format=github", f"--also=json={report}"]
    for option, name in (
        ("--fail-on", "FAIL_ON"),
        ("--seq-len", "SEQ_LEN"),
        ("--baseline", "BASELINE"),
        ("--also=sarif", "SARIF_FILE"),
    ):
        if value := read(name):
            given.append(f"{option}={value}")
    paths = [line.strip() for line in read("PATHS").split("\n")]
    return [*given, "--", *filter(None, paths)]


def outcome(report: Path) -> dict[str, object]:
    """Where the report is and how much was found; nothing where the gate came to none."""
    if not report.exists():
        return {"findings": "", "report": ""}
    files = json.loads(report.read_text(encoding="utf-8"))["files"]
    found = [finding for file in files for finding in file["findings"] if not accepted(finding)]
    return {"findings": len(found), "report": report}


def accepted(finding: dict[str, Any]) -> bool:
    """Whether a baseline holds it, no worse."""
    standing = finding.get("baseline")
    return standing is not None and standing["state"] == "accepted"


def summary_wanted() -> bool:
    """As the input says, which is a text: anything but the two words is a slip."""
    wanted = read("SUMMARY")
    if wanted not in {"true", "false"}:
        refuse(f"summary {wanted!r} is neither true nor false")
    return wanted == "true"


def read(name: str) -> str:
    """An input, without the line end that YAML's block texts have."""
    return os.environ[f"INPUT_{name}"].strip()


def fresh_folder() -> Path:
    """One of this call's own, which the runner removes with the job."""
    return Path(tempfile.mkdtemp(prefix="rnndiag-", dir=os.environ["RUNNER_TEMP"]))


def put_out(**values: object) -> None:
    """Outputs of the step; every value is ours and has one line."""
    with Path(os.environ["GITHUB_OUTPUT"]).open("a", encoding="utf-8") as file:
        file.writelines(f"{name.replace('_', '-')}={value}\n" for name, value in values.items())


def refuse(why: str) -> NoReturn:
    """Say it in the log and beside the run, and give no verdict."""
    shown = why.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    print(f"::error title=rnndiag action::{shown}")
    put_out(exit_code=NO_VERDICT)
    sys.exit(NO_VERDICT)


if __name__ == "__main__":
    sys.exit({"install": install, "check": check}[sys.argv[1]]())
