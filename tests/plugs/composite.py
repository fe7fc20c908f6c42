"""A runner for composite actions, as far as action.yml needs one: env, bash steps, outputs."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from plugs.checkout import ROOT, clean_environment

ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
EXPRESSION = re.compile(r"\$\{\{\s*(.+?)\s*\}\}")
TERM = re.compile(r"inputs\.(?P<input>[\w-]+)|steps\.(?P<step>[\w-]+)\.outputs\.(?P<output>[\w-]+)")


@dataclass
class Run:
    """One use of the action in a job."""

    inputs: dict[str, str]
    steps: dict[str, dict[str, str]] = field(default_factory=dict)
    code: int = 0
    log: str = ""

    def value(self, text: str) -> str:
        """The text with its expressions evaluated: alternatives of inputs and steps' outputs."""
        return EXPRESSION.sub(lambda found: self._first(found[1]), text)

    def _first(self, expression: str) -> str:
        return next(filter(None, map(self._term, expression.split("||"))), "")

    def _term(self, text: str) -> str:
        found = TERM.fullmatch(text.strip())
        assert found, f"an expression that this runner does not know: {text}"
        if found["input"]:
            return self.inputs[found["input"]]
        return self.steps.get(found["step"], {}).get(found["output"], "")

    @property
    def outputs(self) -> dict[str, str]:
        """The action's own."""
        return {name: self.value(made["value"]) for name, made in ACTION["outputs"].items()}


def start(**inputs: str) -> Run:
    """With the defaults of action.yml for what is not given."""
    defaults = {name: described["default"] for name, described in ACTION["inputs"].items()}
    given = {name.replace("_", "-"): value for name, value in inputs.items()}
    assert given.keys() <= defaults.keys()
    return Run({**defaults, **given})


def take(run: Run, step: dict, action: Path, workspace: Path, temporary: Path, **more: str) -> None:
    """One step, as the runner takes it: a script file for bash, outputs in a file of lines."""
    script, output = temporary / "script.sh", temporary / "output"
    script.write_text(run.value(step["run"]), encoding="utf-8")
    output.write_text("")
    given = {name: run.value(value) for name, value in step["env"].items()}
    places = {"GITHUB_OUTPUT": output, "GITHUB_ACTION_PATH": action, "RUNNER_TEMP": temporary}
    ran = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", script],
        cwd=workspace,
        env=clean_environment(**{**{k: str(v) for k, v in places.items()}, **more, **given}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    lines = output.read_text(encoding="utf-8").splitlines()
    run.steps[step["id"]] = dict(line.split("=", 1) for line in lines)
    run.log += ran.stdout.decode()
    run.code = ran.returncode
