"""`--allow-unmeasured`: recurrences that are there for certain and cannot be measured."""

from __future__ import annotations

import json

import pytest
import torch
from cli.command import expect_error, rnndiag

import rnndiag as package
from rnndiag.rules import Judging

QUICK = ("--seq-len", 20, "--batch", 1)
STRICT = ("--select", "RD104", "--fail-on", "warning")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """runs/good.pt is measured; of runs/certain.pt's GRU W_hh is sparse, which is not read."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".git").mkdir()
    (tmp_path / "runs").mkdir()
    torch.save(torch.nn.GRU(3, 4).state_dict(), "runs/good.pt")
    state = torch.nn.GRU(3, 4).state_dict()
    state["weight_hh_l0"] = state["weight_hh_l0"].to_sparse()
    torch.save(state, "runs/certain.pt")
    return tmp_path


@pytest.mark.parametrize("jobs", [1, 2])
def test_in_a_folder_it_gives_no_verdict_and_is_named(folder, jobs):
    ran = rnndiag("check", "runs", *QUICK, "--jobs", jobs, folder=folder)
    assert ran.returncode == 2
    assert ran.stderr.startswith("runs/certain.pt: RD005 recurrent weights that are not read")
    assert len(ran.stderr.splitlines()) == 1
    ran = rnndiag("check", "runs", *QUICK, "--jobs", jobs, "--allow-unmeasured", folder=folder)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "runs/certain.pt:weight_hh_l0: RD104 note " in ran.stdout


def test_alone_it_is_allowed_as_well(folder, in_process):
    expect_error(in_process("check", "runs/certain.pt", *QUICK), "RD005", "not read")
    for path in ("runs/certain.pt", "runs"):
        ran = in_process("check", path, *QUICK, "--allow-unmeasured", *STRICT)
        assert (ran.returncode, ran.stderr) == (0, "")
        assert "RD104 note" in ran.stdout


def test_nothing_else_is_allowed(folder, in_process):
    torch.save({"w": torch.ones(2, 3)}, "mlp.pt")
    torch.save({"w": torch.ones(2, 3)}, "runs/mlp.pt")
    expect_error(in_process("check", "mlp.pt", "--allow-unmeasured"), "RD006", "no recurrent")
    (folder / "runs" / "empty.pt").touch()
    ran = in_process("check", "runs", *QUICK, "--allow-unmeasured")
    assert ran.returncode == 2
    assert ran.stderr.startswith("runs/empty.pt: RD003 the file is empty")


def test_what_only_looks_like_one_is_a_finding_in_a_folder(folder, in_process):
    torch.save({"rnn.hh": torch.ones(8, 8)}, "runs/certain.pt")
    ran = in_process("check", "runs", *QUICK)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "runs/certain.pt:rnn.hh: RD104 warning" in ran.stdout
    ran = in_process("check", "runs", *QUICK, "--allow-unmeasured")
    assert "runs/certain.pt:rnn.hh: RD104 note" in ran.stdout


def test_the_configuration_may_allow_it_and_the_command_line_takes_it_back(folder, in_process):
    (folder / "rnndiag.toml").write_text(
        'allow-unmeasured = true\n[rules.RD104]\nseverity = "error"\n'
    )
    ran = in_process("check", "runs", *QUICK, "--format", "json")
    assert ran.returncode == 0
    assert json.loads(ran.stdout)["settings"]["allow_unmeasured"] is True
    assert in_process("check", "runs", *QUICK, "--no-allow-unmeasured").returncode == 2
    assert rnndiag("inspect", "runs/certain.pt", folder=folder).returncode == 2


def test_the_environment_may_allow_it(folder):
    ran = rnndiag("check", "runs", *QUICK, folder=folder, RNNDIAG_ALLOW_UNMEASURED="1")
    assert (ran.returncode, ran.stderr) == (0, "")


def test_from_python(folder):
    assert package.check("runs").exit_code == 2
    assert package.check("runs", allow_unmeasured=True).exit_code == 0


def test_its_severity_goes_before_every_path_s_own():
    judging = Judging().with_severity("RD104", "note")
    (rule,) = [rule for rule in judging.rules_for("a/b.pt") if rule.code == "RD104"]
    assert (rule.severity, rule.milder) == ("note", None)
