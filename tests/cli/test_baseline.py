"""--baseline and --write-baseline in the installed command: what fails, passes and is said."""

from __future__ import annotations

import json
import resource
import shutil
from pathlib import Path

import pytest
import torch
from cli.bad_inputs import row
from cli.command import FIXTURES, expect_error, one_error, rnndiag

from rnndiag.render import FORMATS

GOOD = FIXTURES / "delayed_recall_gru.pt"
EXPLODING = FIXTURES / "exploding_rnn.pt"
RULES = ("--select", "RD1,RD301,RD304")
GATE_FORMATS = [name for name, made in FORMATS.items() if "check" in made.commands]


@pytest.fixture
def project(tmp_path, monkeypatch):
    """runs/{a,b}.pt, of which a explodes, to work in; no variable of this machine counts."""
    (tmp_path / "runs").mkdir()
    (tmp_path / ".git").mkdir()
    shutil.copy(EXPLODING, tmp_path / "runs" / "a.pt")
    shutil.copy(GOOD, tmp_path / "runs" / "b.pt")
    monkeypatch.chdir(tmp_path)
    for name in ("BASELINE", "BASELINE_TOLERANCE", "CHECKPOINT", "SELECT", "FAIL_ON"):
        monkeypatch.delenv(f"RNNDIAG_{name}", raising=False)
    return tmp_path


def write(in_process, *where, target="base.json"):
    ran = in_process("check", *(where or ["runs"]), *RULES, "--write-baseline", target)
    assert (ran.returncode, ran.stderr) == (0, ""), ran
    return json.loads(Path(target).read_text())["accepted"]


def rewrite(**changes) -> None:
    """The baseline, with something else in its first entry."""
    whole = json.loads(Path("base.json").read_text())
    whole["accepted"][0] |= changes
    Path("base.json").write_text(json.dumps(whole))


# What fails and what passes


def test_what_was_written_passes_and_what_comes_after_fails(project):
    """The whole way, each step as its own process."""
    assert rnndiag("check", "runs", *RULES, folder=project).returncode == 1
    ran = rnndiag("check", "runs", *RULES, "--write-baseline", "base.json", folder=project)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "a.pt:model_state_dict.rnn/0/forward: RD301 accepted exploding" in ran.stdout
    ran = rnndiag("check", "runs", *RULES, "--baseline", "base.json", folder=project)
    assert (ran.returncode, ran.stderr) == (0, "")
    counts = "files 2, errors 0, warnings 0, notes 0, unreadable 0, skipped 0, accepted 2, stale 0"
    assert ran.stdout.splitlines()[-1] == f"clean: {counts}"
    shutil.copy(EXPLODING, project / "runs" / "c.pt")
    ran = rnndiag("check", "runs", *RULES, "--baseline", "base.json", folder=project)
    assert ran.returncode == 1
    assert "runs/c.pt:model_state_dict.rnn/0/forward: RD301 error" in ran.stdout
    assert ran.stdout.count("RD301 accepted") == 1


@pytest.mark.parametrize(
    ("share", "more", "code"),
    [
        (1.0, (), 0),
        (0.5, (), 0),
        (1.05, (), 0),
        (1.2, (), 1),
        (1.2, ("--baseline-tolerance", "0.2"), 0),
        (1.05, ("--baseline-tolerance", "0"), 1),
        (1.0, ("--baseline-tolerance", "0"), 0),
        (1.2, ("--exit-zero",), 0),
        (1.2, ("--fail-on", "never"), 0),
    ],
)
def test_worse_by_a_tolerance_fails(project, in_process, share, more, code):
    first = write(in_process)[0]
    assert (first["code"], first["measure"]) == ("RD301", "lag_of_growth")
    rewrite(value=share * first["value"])
    ran = in_process("check", "runs", *RULES, "--baseline", "base.json", *more)
    assert (ran.returncode, ran.stderr) == (code, "")
    now = first["value"]
    worse = f", worse than accepted: lag of growth is {now:.4g}, was {share * now:.4g};"
    assert (worse in ran.stdout) is (
        code == 1 or more in [("--exit-zero",), ("--fail-on", "never")]
    )


def test_stale_entries_are_named_and_fail_nothing(project, in_process):
    write(in_process)
    shutil.copy(GOOD, "runs/a.pt")
    ran = in_process("check", "runs", *RULES, "--baseline", "base.json")
    assert (ran.returncode, ran.stderr) == (0, "")
    said = "runs/a.pt:model_state_dict.rnn/0/forward: RD301 stale: base.json accepts it, and it is "
    assert said + "no longer found\n" in ran.stdout
    assert ran.stdout.splitlines()[-1].endswith(", accepted 0, stale 2")
    assert write(in_process) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "runs/b.pt", "--select", "RD1,RD3"),
        ("check", "runs", "--select", "RD1"),
        ("check", "runs", "--select", "RD1,RD3", "--ignore", "RD301,RD304"),
    ],
)
def test_what_was_not_looked_for_is_not_stale(project, in_process, arguments):
    write(in_process)
    shutil.copy(GOOD, "runs/a.pt")
    ran = in_process(*arguments, "--baseline", "base.json", "--format", "json")
    found = json.loads(ran.stdout)["baseline"]
    assert (found["stale"], found["not_checked"]) == ([], 2)


def test_a_layer_that_was_left_out_is_not_stale(project, in_process):
    write(in_process)
    arguments = ("--layer", "nothing.*", "--baseline", "base.json")
    rewrite(layer="other/0/forward")
    ran = in_process("check", "runs/a.pt", *RULES, "--layer", "model*", *arguments[2:])
    assert ran.returncode == 1
    assert "stale 0" in ran.stdout
    ran = in_process("check", "runs/a.pt", *RULES, *arguments[2:])
    assert "stale 1" in ran.stdout


# Which file is meant


@pytest.mark.parametrize(
    ("folder", "where", "baseline"),
    [
        (".", "runs", "base.json"),
        (".", "./runs/../runs/a.pt", "./base.json"),
        (".", "runs/*.pt", "base.json"),
        ("runs", ".", "../base.json"),
        ("runs", "a.pt", "../base.json"),
        ("runs/deep", "../a.pt", "../../base.json"),
    ],
)
def test_it_means_the_same_files_wherever_it_is_run(
    project, in_process, monkeypatch, folder, where, baseline
):
    assert [entry["path"] for entry in write(in_process)] == ["runs/a.pt"] * 2
    Path("runs/deep").mkdir()
    monkeypatch.chdir(folder)
    for place in (where, Path(where).resolve() if "*" not in where else where):
        for known in (baseline, Path(baseline).resolve()):
            ran = in_process("check", place, *RULES, "--baseline", known)
            assert (ran.returncode, ran.stderr) == (0, ""), (place, known)


def test_what_was_written_elsewhere_is_the_same(project, in_process, monkeypatch):
    write(in_process)
    monkeypatch.chdir("runs")
    write(in_process, ".", target="../again.json")
    write(in_process, project / "runs", target=project / "absolute.json")
    monkeypatch.chdir("..")
    texts = {Path(name).read_text() for name in ("base.json", "again.json", "absolute.json")}
    assert len(texts) == 1
    assert str(project) not in texts.pop()


@pytest.mark.parametrize("name", GATE_FORMATS)
def test_the_same_bytes_whatever_the_number_of_processes(project, name):
    outputs = []
    for jobs in (1, 2):
        arguments = ("check", "runs", *RULES, "--jobs", jobs, "--format", name)
        written = rnndiag(*arguments, "--write-baseline", f"{name}{jobs}", folder=project)
        whole = json.loads(Path(f"{name}{jobs}").read_text())
        whole["accepted"][0]["value"] = 1000
        Path("base").write_text(json.dumps(whole))
        judged = rnndiag(*arguments, "--baseline", "base", folder=project)
        assert (written.returncode, judged.returncode) == (0, 1)
        outputs.append((judged.stdout, Path(f"{name}{jobs}").read_text()))
    assert outputs[0] == outputs[1]


# Configuration


def test_configuration_environment_and_flags(project, in_process, monkeypatch):
    rewrite(value=1.15 * write(in_process)[0]["value"])
    Path("rnndiag.toml").write_text('baseline = "base.json"\nbaseline-tolerance = 0.2\n')
    assert in_process("check", "runs", *RULES).returncode == 0
    monkeypatch.chdir("runs")
    assert in_process("check", ".", *RULES).returncode == 0
    monkeypatch.setenv("RNNDIAG_BASELINE_TOLERANCE", "0.1")
    assert in_process("check", ".", *RULES).returncode == 1
    assert in_process("check", ".", *RULES, "--baseline-tolerance", "0.2").returncode == 0
    monkeypatch.setenv("RNNDIAG_BASELINE", "missing.json")
    expect_error(in_process("check", ".", *RULES), "RD007", "missing.json cannot be read")
    # A baseline is the gate's: who looks at a file has not asked for one.
    assert in_process("inspect", "a.pt").returncode == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("baseline = 3", "baseline in rnndiag.toml is no string"),
        ("baseline-tolerance = -0.1", "baseline-tolerance in rnndiag.toml is no number of 0 or"),
        ("baseline-tolerance = nan", "baseline-tolerance in rnndiag.toml is no number of 0 or"),
        ("baseline-tolerance = inf", "baseline-tolerance in rnndiag.toml is no number of 0 or"),
        ("baseline-tolerance = true", "baseline-tolerance in rnndiag.toml is no number of 0 or"),
        ("baselin = 'b'", "the nearest that there is: baseline"),
    ],
)
def test_a_configuration_that_is_wrong(project, in_process, text, words):
    Path("rnndiag.toml").write_text(text)
    expect_error(in_process("check", "runs"), "RD007", words)


def test_a_configured_baseline_can_be_written_for_the_first_time(project, in_process):
    Path("rnndiag.toml").write_text('baseline = "base.json"\n')
    expect_error(in_process("check", "runs", *RULES), "RD007", "write one with --write-baseline")
    write(in_process)
    assert in_process("check", "runs", *RULES).returncode == 0


# No verdict


@row(61)
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "--baseline base.json cannot be read: no such file"),
        (b"", "base.json is no baseline: Expecting value: line 1"),
        (b"{}", "base.json is no baseline of rnndiag"),
        (b"\xff", "--baseline base.json is no text"),
        (b'{"rnndiag_baseline": 7}', "later rnndiag: baseline version 7, not 1"),
        (
            b'{"rnndiag_baseline": 1, "accepted": [{"path": "a"}]}',
            "base.json: entry 1 does not say path, layer and code",
        ),
        (
            b'{"rnndiag_baseline": 1, "accepted": [{"path": "a", "layer": "", "code": "RD001"}]}',
            "entry 1: RD001 is no rule's code; leave it out",
        ),
    ],
)
def test_a_baseline_that_is_none(project, in_process, content, words):
    if content is not None:
        Path("base.json").write_bytes(content)
    expect_error(in_process("check", "runs", "--baseline", "base.json"), "RD007", words)
    if content == b"{}":
        ran = rnndiag("check", "runs", "--baseline", "base.json", folder=project)
        expect_error(ran, "RD007", words)


@pytest.mark.parametrize("value", ["nan", "inf", "-1", "much"])
def test_a_tolerance_that_is_none(project, in_process, value):
    """NaN would compare false with everything, and accept it."""
    ran = in_process("check", "runs", "--baseline-tolerance", value)
    expect_error(ran, "RD007", "--baseline-tolerance")


@pytest.mark.parametrize("name", ["runs/a.pt", "notes.txt", "later.json"])
def test_nothing_else_is_written_over(project, in_process, name):
    """`check --write-baseline model.pt`, where the file's name was forgotten."""
    Path("notes.txt").write_text("words")
    Path("later.json").write_text('{"rnndiag_baseline": 2}')
    before = Path(name).read_bytes()
    ran = in_process("check", "--write-baseline", name, "runs")
    expect_error(ran, "RD008", f"{name} cannot be written", "no baseline that could be replaced")
    assert Path(name).read_bytes() == before


def test_an_old_baseline_and_an_empty_file_are_replaced(project, in_process):
    Path("base.json").touch()
    assert len(write(in_process)) == 2
    assert write(in_process, "runs/b.pt") == []


@pytest.mark.parametrize("target", ["nowhere/base.json", "runs"])
def test_a_baseline_that_cannot_be_written(project, in_process, target):
    before = sorted(Path().rglob("*"))
    ran = in_process("check", "runs", *RULES, "--write-baseline", target)
    expect_error(ran, "RD008", f"{target} cannot be written")
    assert sorted(Path().rglob("*")) == before


def test_a_full_disk_leaves_the_old_one(project, in_process):
    """A limit on the size of a file fails in the midst of the writing, as a full disk does."""
    write(in_process, "runs/b.pt")
    old = Path("base.json").read_text()
    ran = rnndiag(
        *("check", "runs", *RULES, "--write-baseline", "base.json"),
        folder=project,
        before=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100)),
    )
    expect_error(ran, "RD008", "base.json cannot be written")
    assert Path("base.json").read_text() == old
    assert sorted(path.name for path in Path().iterdir()) == [".git", "base.json", "runs"]


def test_what_gives_no_verdict_is_not_accepted(project, in_process):
    Path("runs/c.pt").write_bytes(GOOD.read_bytes()[:20000])
    ran = in_process("check", "runs", *RULES, "--write-baseline", "base.json")
    assert ran.returncode == 2
    first, second = ran.stderr.splitlines()
    assert one_error(second)["code"] == "RD003"
    assert first == "rnndiag: no baseline was written: what gives no verdict cannot be accepted"
    assert not Path("base.json").exists()
    Path("runs/c.pt").unlink()
    write(in_process)
    Path("runs/a.pt").write_bytes(GOOD.read_bytes()[:20000])
    ran = in_process("check", "runs", *RULES, "--baseline", "base.json")
    assert ran.returncode == 2
    assert "stale 0" in ran.stdout


def test_what_is_not_written_is_not_called_accepted(project, in_process):
    ran = in_process("check", "runs/a.pt", "missing.pt", *RULES, "--write-baseline", "new.json")
    assert ran.returncode == 2
    assert "no baseline was written" in ran.stderr
    assert "accepted" not in ran.stdout
    assert not Path("new.json").exists()


def test_a_report_does_not_replace_a_baseline(project, in_process):
    write(in_process)
    before = Path("base.json").read_text()
    for option in ("--baseline", "--write-baseline"):
        ran = in_process("check", "runs/a.pt", *RULES, option, "base.json", "-o", "base.json")
        expect_error(ran, "RD008", "base.json")
        assert Path("base.json").read_text() == before


def test_errors_are_accepted_by_name(tmp_path, in_process):
    """A NaN model can be accepted, and never without a word."""
    module = torch.nn.GRU(3, 4)
    module.bias_hh_l0.data[0] = float("nan")
    torch.save({f"r.{k}": v for k, v in module.state_dict().items()}, tmp_path / "m.pt")
    ran = in_process("check", tmp_path / "m.pt", "--write-baseline", tmp_path / "b.json")
    assert ran.returncode == 0
    (said,) = ran.stderr.splitlines()
    assert "accepts 1 error from now on" in said
    assert "RD101 1 recurrent weight is NaN" in said


def test_notes_are_accepted_in_silence(project, in_process):
    ran = in_process("check", "runs/a.pt", *RULES, "--write-baseline", "quiet.json")
    assert (ran.returncode, ran.stderr) == (0, "")
