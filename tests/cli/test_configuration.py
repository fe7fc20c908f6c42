"""rnndiag.toml and [tool.rnndiag]: what they may say, where they are looked for, who goes first."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from cli.command import FIXTURES, expect_error, rnndiag

from rnndiag.cli.configuration import KEYS, OPTIONS, PATH_KEYS, RULE_KEYS, load
from rnndiag.render import COMMANDS

CHAR = FIXTURES / "char_rnn.pt"
EXPLODING = FIXTURES / "exploding_rnn.pt"


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A repository's root, to work in; nothing above it counts."""
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(tmp_path)
    for name in ("CHECKPOINT", "SELECT", "IGNORE", "EXTEND_SELECT", "FAIL_ON", "SEQ_LEN", "SEED"):
        monkeypatch.delenv(f"RNNDIAG_{name}", raising=False)
    return tmp_path


def reported(in_process, *arguments):
    ran = in_process(*arguments, "--format", "json")
    assert ran.stderr == ""
    return json.loads(ran.stdout)


def codes(in_process, *arguments):
    report = reported(in_process, *arguments)
    return [finding["code"] for file in report["files"] for finding in file["findings"]]


def settings(in_process, *arguments):
    return reported(in_process, *arguments)["settings"]


# What may stand in it


WRONG = [
    ("checkpoint = 3", "checkpoint in rnndiag.toml is no string"),
    ('select = "RD1"', "select in rnndiag.toml is no list of one string"),
    ("ignore = [1]", "ignore in rnndiag.toml is no list of strings"),
    ("seq-len = 0", "seq-len in rnndiag.toml is no whole number above 0"),
    ("seq-len = 1.5", "seq-len in rnndiag.toml is no whole number above 0"),
    ("batch = true", "batch in rnndiag.toml is no whole number above 0"),
    ("seed = -1", "seed in rnndiag.toml is no whole number of 0 or more"),
    ('fail-on = "note"', "fail-on in rnndiag.toml is none of error, warning and never"),
    ("fail-on = []", "fail-on in rnndiag.toml is none of error, warning and never"),
    ("allow-unmeasured = 1", "allow-unmeasured in rnndiag.toml is neither true nor false"),
    ("rules = 1", "rules in rnndiag.toml is no table"),
    ("per-path = []", "per-path in rnndiag.toml is no table"),
    ("[rules]\nRD203 = 20", "rules.RD203 in rnndiag.toml is no table; write [rules.RD203]"),
    ("[rules.RD203]\nthreshold = '9'", "rules.RD203.threshold in rnndiag.toml is no number"),
    ("[rules.RD203]\nthreshold = true", "rules.RD203.threshold in rnndiag.toml is no number"),
    ("[rules.RD203]\nseverity = 'fatal'", "severity in rnndiag.toml is none of note, warning"),
    (
        "[rules.RD203]\ntreshold = 3",
        "unknown key rules.RD203.treshold in rnndiag.toml; the nearest that there is: threshold",
    ),
    ("selct = []", "unknown key selct in rnndiag.toml; the nearest that there is: select"),
    ("seq_len = 3", "unknown key seq_len in rnndiag.toml; the nearest that there is: seq-len"),
    ("[per-path]\n'a' = 3", 'per-path."a" in rnndiag.toml is no table'),
    (
        "[per-path.'a']\nignor = []",
        'unknown key per-path."a".ignor in rnndiag.toml; the nearest that there is: ignore',
    ),
    ("[per-path.'a'.rules.RD203]\nx = 1", 'unknown key per-path."a".rules.RD203.x'),
    ("select = ['RD9']", "select in rnndiag.toml: no rule RD9"),
    ("ignore = ['RD001']", "ignore in rnndiag.toml: RD001 is an input error's code"),
    ("[rules.RD999]\nseverity = 'note'", "rules.RD999 in rnndiag.toml: no rule RD999"),
    ("[rules.RD203]\nthreshold = -1", "rules.RD203 in rnndiag.toml: the threshold of RD203 is -1"),
    ("[rules.RD101]\nthreshold = 2", "rules.RD101 in rnndiag.toml: RD101 has no threshold"),
    ("[per-path.'a']\nignore = ['RD9']", 'per-path."a".ignore in rnndiag.toml: no rule RD9'),
    ("select = []", "select in rnndiag.toml is no list of one string or more"),
    ("ignore = ['RD']", "every rule is ignored, or none is selected"),
]


@pytest.mark.parametrize(("text", "words"), WRONG, ids=lambda value: value.replace("\n", " ")[:40])
def test_what_is_wrong_is_named_with_its_place(project, in_process, text, words):
    Path("rnndiag.toml").write_text(text)
    for command in ("check", "inspect"):
        expect_error(in_process(command, CHAR), "RD007", words)


def test_the_installed_command_says_the_same(project):
    Path("rnndiag.toml").write_text("selct = []")
    expect_error(rnndiag("check", CHAR, folder=project), "RD007", "unknown key selct")


def test_a_place_in_pyproject_has_its_table(project, in_process):
    Path("pyproject.toml").write_text("[tool.rnndiag.rules.RD203]\nx = 1")
    expect_error(in_process("check", CHAR), "RD007", "key tool.rnndiag.rules.RD203.x in pyproject")


def test_explaining_a_rule_needs_no_configuration(project, in_process):
    Path("rnndiag.toml").write_text("selct = []")
    assert in_process("explain", "RD301").returncode == 0


@pytest.mark.parametrize("text", ["selct = []", "select = ['RD9']", "[", "seq-len = 0"])
def test_help_is_there_whatever_the_configuration_says(project, in_process, monkeypatch, text):
    """Whoever has to mend it looks there."""
    Path("rnndiag.toml").write_text(text)
    monkeypatch.setenv("RNNDIAG_SEQ_LEN", "no number")
    for command in (*COMMANDS, "explain"):
        ran = in_process(command, "--help")
        assert (ran.returncode, ran.stderr) == (0, "")
        assert f"rnndiag {command}" in ran.stdout
    assert rnndiag("check", "-h", folder=project).returncode == 0
    assert in_process("--help").returncode == 0


def test_every_key_that_is_an_option_is_one():
    assert set(OPTIONS) <= set(KEYS)
    assert set(PATH_KEYS) <= set(KEYS)
    assert set(RULE_KEYS) == {"severity", "threshold"}


# Where it is looked for


def test_the_nearest_file_upwards_counts_and_its_paths_are_its_own(
    project, in_process, monkeypatch
):
    shutil.copy(CHAR, project / "model.pt")
    (project / "rnndiag.toml").write_text('checkpoint = "model.pt"\nseq-len = 30\n')
    (project / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(project / "a" / "b")
    report = reported(in_process, "check", "--select", "RD3")
    assert report["files"][0]["path"] == "../../model.pt"
    assert report["settings"]["seq_len"] == 30
    (project / "a" / "pyproject.toml").write_text("[tool.rnndiag]\nseq-len = 31\n")
    assert settings(in_process, "check", CHAR, "--select", "RD3")["seq_len"] == 31
    (project / "a" / "b" / "pyproject.toml").write_text("[tool.other]\nrnndiag = 3\n")
    assert settings(in_process, "check", CHAR, "--select", "RD3")["seq_len"] == 31


def test_a_repositorys_root_ends_the_search(project, in_process, monkeypatch):
    (project / "rnndiag.toml").write_text("seq-len = 30\n")
    (project / "inner" / ".git").mkdir(parents=True)
    monkeypatch.chdir(project / "inner")
    assert load().table == {}
    assert settings(in_process, "check", CHAR, "--select", "RD3")["seq_len"] is None


def test_rnndiag_toml_goes_before_pyproject(project):
    Path("pyproject.toml").write_text("[tool.rnndiag]\nseq-len = 31\n")
    assert load().table == {"seq-len": 31}
    Path("rnndiag.toml").write_text("batch = 2\n")
    assert load().table == {"batch": 2}


def test_a_pyproject_that_does_not_parse_is_said(project, in_process):
    Path("pyproject.toml").write_text("[tool.rnndiag\n")
    expect_error(in_process("check", CHAR), "RD007", "pyproject.toml cannot be read")


# What it does


def test_flags_go_before_the_environment_and_that_before_the_file(project, in_process, monkeypatch):
    Path("rnndiag.toml").write_text(
        'select = ["RD1"]\nseq-len = 30\nbatch = 2\nseed = 3\nfail-on = "warning"\n'
    )
    names = ("select", "seq_len", "batch", "seed", "fail_on")
    found = settings(in_process, "check", CHAR)
    assert [found[name] for name in names] == ["RD1", 30, 2, 3, "warning"]
    for name, value in (("SELECT", "RD3,RD4"), ("SEQ_LEN", "31"), ("BATCH", "1"), ("SEED", "4")):
        monkeypatch.setenv(f"RNNDIAG_{name}", value)
    monkeypatch.setenv("RNNDIAG_FAIL_ON", "never")
    found = settings(in_process, "check", CHAR)
    assert [found[name] for name in names] == ["RD3,RD4", 31, 1, 4, "never"]
    given = ("--select=RD2", "--seq-len=32", "--batch=3", "--seed=5", "--fail-on=error")
    found = settings(in_process, "check", CHAR, *given)
    assert [found[name] for name in names] == ["RD2", 32, 3, 5, "error"]


def test_what_is_set_to_fail_is_set_for_the_gate_alone(project, in_process, monkeypatch):
    Path("rnndiag.toml").write_text('fail-on = "never"\n')
    assert in_process("check", EXPLODING).returncode == 0
    assert in_process("check", EXPLODING, "--fail-on", "error").returncode == 1
    Path("rnndiag.toml").write_text('fail-on = "error"\n')
    monkeypatch.setenv("RNNDIAG_FAIL_ON", "error")
    assert in_process("bptt-trace", EXPLODING).returncode == 0


def test_a_rules_threshold_and_severity(project, in_process):
    Path("rnndiag.toml").write_text(
        "seq-len = 200\nselect = ['RD302']\n[rules.RD302]\nseverity='error'"
    )
    ran = in_process("check", CHAR)
    assert ran.returncode == 1
    assert "RD302 error vanishing: at most" in ran.stdout
    Path("rnndiag.toml").write_text("seq-len = 200\n[rules.RD302]\nthreshold = 1e-40\n")
    assert "RD302" not in codes(in_process, "check", CHAR)


def test_overrides_by_path(project, in_process):
    Path("legacy").mkdir()
    for place in ("model.pt", "legacy/model.pt"):
        shutil.copy(EXPLODING, place)
    Path("pyproject.toml").write_text(
        "[tool.rnndiag.per-path.'legacy/*']\nignore = ['RD301']\nrules.RD304.severity = 'note'\n"
    )
    ran = in_process("check", ".")
    assert ran.returncode == 1
    assert "legacy/model.pt:model_state_dict.rnn/0/forward: RD304 note" in ran.stdout
    assert ran.stdout.count("RD301 error") == 1
    assert in_process("check", "legacy").returncode == 0
    # What is ignored for a path is ignored whatever else is selected, but not by a longer code.
    assert in_process("check", "legacy", "--select", "RD3").returncode == 0


def test_a_path_may_set_one_thing_of_a_rule_and_keep_the_other(project, in_process):
    Path("rnndiag.toml").write_text(
        "select = ['RD303']\nseq-len = 200\n[rules.RD303]\nthreshold = 40\n"
        "[per-path.'*'.rules.RD303]\nseverity = 'error'\n"
    )
    assert codes(in_process, "check", CHAR) == []


def test_a_checkpoint_that_no_rule_may_judge_is_no_clean_one(project, in_process):
    """Among others it is skipped and said, alone it gives no verdict."""
    Path("old").mkdir()
    shutil.copy(EXPLODING, "old/model.pt")
    shutil.copy(FIXTURES / "delayed_recall_gru.pt", "new.pt")
    Path("rnndiag.toml").write_text("[per-path.'old/*']\nignore = ['RD']\n")
    ran = in_process("check", "old", "new.pt")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout == (
        "old/model.pt: skipped: every rule is switched off for it\n"
        "clean: files 1, errors 0, warnings 0, notes 0, unreadable 0, skipped 1\n"
    )
    for path in ("old", "old/model.pt"):
        ran = in_process("check", path)
        assert ran.returncode == 2
        assert "RD007 nothing was judged: every rule is switched off" in ran.stderr
    # A page shows a file whatever judges it.
    assert in_process("report", "old/model.pt", "-o", "page.html", "-q").returncode == 0
    assert "old/model.pt" in Path("page.html").read_text()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[tool.rnndiag]\nseq-len = 3", "leave out [tool.rnndiag], which is for pyproject.toml"),
        ("exit-zero = true", "unknown key exit-zero in rnndiag.toml; there is checkpoint, select,"),
        ("ignore = ['']", "ignore in rnndiag.toml: a code is empty"),
        ("x = " + 3000 * "[", "rnndiag.toml cannot be read: "),
        ("\n\nseq-len =\n", "(at line 3, column 10)"),
    ],
)
def test_what_is_wrong_is_said_so_that_it_can_be_mended(project, in_process, text, words):
    Path("rnndiag.toml").write_text(text)
    expect_error(in_process("check", CHAR), "RD007", words)


def test_a_configuration_that_is_no_file_is_not_as_good_as_none(project, in_process):
    Path("rnndiag.toml").symlink_to("ci/rnndiag.toml")
    expect_error(in_process("check", CHAR), "RD007", "rnndiag.toml is no file")
    Path("rnndiag.toml").unlink()
    Path("rnndiag.toml").mkdir()
    expect_error(in_process("check", CHAR), "RD007", "rnndiag.toml is no file")


def test_a_folder_above_that_is_closed(tmp_path, in_process, monkeypatch):
    """What is configured there is not known, unless the search has ended before."""
    inner = tmp_path / "closed" / "inner"
    inner.mkdir(parents=True)
    inner.chmod(0o755)
    monkeypatch.chdir(inner)
    (tmp_path / "closed").chmod(0)
    root = os.geteuid() == 0  # to whom modes mean nothing
    try:
        if root:
            os.seteuid(65534)
        ran = in_process("check", "model.pt")
    finally:
        if root:
            os.seteuid(0)
        (tmp_path / "closed").chmod(0o755)
    expect_error(ran, "RD007", "../rnndiag.toml cannot be looked for", "permission denied")


def test_a_working_directory_that_is_gone(tmp_path, in_process, monkeypatch):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    for command in ("check", "inspect"):
        expect_error(in_process(command, CHAR), "RD007", "the working directory is not there")
