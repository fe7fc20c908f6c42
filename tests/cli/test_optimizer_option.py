"""`--optimizer FILE`: a companion file's moments under the names of the model's parameters."""

from __future__ import annotations

import json
import math

import pytest
import torch
from cli.command import one_error, rnndiag


class Tagger(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = torch.nn.GRU(3, 4)
        self.norm = torch.nn.BatchNorm1d(4)
        self.head = torch.nn.Linear(4, 2)

    def forward(self, x):
        return self.head(self.norm(self.rnn(x)[0][-1]))


@pytest.fixture
def files(tmp_path):
    """A model's file, its optimizer's, and the root mean square of each parameter's gradients."""
    torch.manual_seed(0)
    model = Tagger()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, betas=(0.9, 0.0))
    for _ in range(5):
        optimizer.zero_grad()
        model(torch.randn(6, 8, 3)).pow(2).sum().backward()
        optimizer.step()
    torch.save(model.state_dict(), tmp_path / "model.pt")
    torch.save({"epoch": 7, "opt": optimizer.state_dict()}, tmp_path / "opt.pt")
    # With beta2 = 0 the second moment is the last squared gradient.
    last = {name: p.grad.pow(2).mean().sqrt().item() for name, p in model.named_parameters()}
    norm = math.sqrt(sum(p.grad.pow(2).sum().item() for p in model.parameters()))
    return tmp_path / "model.pt", tmp_path / "opt.pt", last, norm


@pytest.mark.parametrize("command", ["inspect", "suggest", "check"])
def test_moments_come_under_the_parameters_names(files, command):
    model, optimizer, last, norm = files
    ran = rnndiag(command, model, "--optimizer", optimizer, "--format", "json")
    assert ran.returncode == 0, ran.stderr
    report = json.loads(ran.stdout)
    assert report["settings"]["optimizer"] == str(optimizer)
    state = report["files"][0]["training_state"]
    assert (state["optimizer"], state["step"], state["epoch"]) == ("adam", 5, 7)
    assert (state["mapped"], state["not_mapped"]) == (True, None)
    assert state["per_parameter"] == pytest.approx(last, rel=1e-6)
    assert list(state["per_parameter"]) == list(last)
    assert state["gradient_rms_norm"] == pytest.approx(norm, rel=1e-6)
    if command == "suggest":
        clipping = report["files"][0]["advice"]["clipping"]
        assert clipping["basis"] == "optimizer-state"
        assert clipping["max_norm"] == pytest.approx(norm, rel=0.05)


def test_the_table_says_what_was_mapped(files, tmp_path):
    model, optimizer, last, _ = files
    ran = rnndiag("inspect", model, "--optimizer", optimizer, "--format", "table")
    assert f"mapped to {len(last)} of {len(last)} parameters" in " ".join(ran.stdout.split())
    other = torch.optim.Adam([torch.nn.Parameter(torch.ones(9))])
    other.param_groups[0]["params"][0].grad = torch.ones(9)
    other.step()
    torch.save(other.state_dict(), tmp_path / "other.pt")
    ran = rnndiag("inspect", model, "--optimizer", tmp_path / "other.pt", "--format", "table")
    assert ran.returncode == 0
    assert "not mapped to parameters: its 1 parameters do not fit" in " ".join(ran.stdout.split())


def test_the_named_file_is_taken_before_the_checkpoints_own(files, tmp_path):
    model, optimizer, last, _ = files
    contents = {"model": torch.load(model), "optimizer": torch.load(optimizer)["opt"]}
    for average in contents["optimizer"]["state"].values():
        average["exp_avg_sq"].mul_(4.0)
    torch.save(contents, tmp_path / "both.pt")
    means = []
    for more in ((), ("--optimizer", optimizer)):
        ran = rnndiag("inspect", tmp_path / "both.pt", *more, "--format", "json")
        state = json.loads(ran.stdout)["files"][0]["training_state"]
        assert list(state["per_parameter"]) == [f"model.{name}" for name in last]
        means.append(state["per_parameter"]["model.rnn.weight_hh_l0"])
    assert means == pytest.approx([2 * last["rnn.weight_hh_l0"], last["rnn.weight_hh_l0"]])


@pytest.mark.parametrize("command", ["inspect", "suggest", "check"])
@pytest.mark.parametrize(
    ("companion", "code", "word"),
    [
        ("model.pt", "RD007", "holds no running averages"),
        ("missing.pt", "RD001", "no such file"),
        ("empty.pt", "RD003", "empty"),
        ("text.pt", "RD002", "text"),
    ],
)
def test_a_companion_that_is_none(files, tmp_path, command, companion, code, word):
    (tmp_path / "empty.pt").touch()
    (tmp_path / "text.pt").write_text("once upon a time\n" * 9)
    path = tmp_path / companion
    ran = rnndiag(command, files[0], "--optimizer", path)
    assert ran.returncode == 2
    found = one_error(ran.stderr)
    assert found["code"] == code
    assert str(path) in found["what"]
    assert word in found["what"]


def test_one_optimizer_is_one_checkpoints(files, tmp_path):
    model, optimizer, *_ = files
    for paths in ((model, model), (tmp_path,)):
        ran = rnndiag("check", *paths, "--optimizer", optimizer)
        assert ran.returncode == 2
        assert one_error(ran.stderr)["code"] == "RD007"


def test_settings_are_read_from_the_companion_too(files, tmp_path):
    model, optimizer, _, norm = files
    contents = torch.load(optimizer)
    contents["hparams"] = {"gradient_clip_val": 2 * norm, "bptt": 7, "seq_len": 30}
    torch.save(contents, tmp_path / "with.pt")
    ran = rnndiag("suggest", model, "--optimizer", tmp_path / "with.pt", "--format", "json")
    assert ran.returncode == 0, ran.stderr
    report = json.loads(ran.stdout)["files"][0]
    assert report["layers"][0]["trace"]["seq_len"] == 30
    setting = report["advice"]["clipping"]["setting"]
    assert setting["name"].endswith("gradient_clip_val")
    assert setting["value"] == pytest.approx(2 * norm)
    assert report["advice"]["truncation"]["present"]["steps"] == 7


def test_files_that_disagree_say_nothing(files, tmp_path):
    model, optimizer, _, norm = files
    torch.save({**torch.load(optimizer), "grad_clip": 2 * norm}, tmp_path / "one.pt")
    torch.save({"model": torch.load(model), "grad_clip": 3 * norm}, tmp_path / "two.pt")
    paths = tmp_path / "two.pt", "--optimizer", tmp_path / "one.pt"
    ran = rnndiag("suggest", *paths, "--format", "json")
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["files"][0]["advice"]["clipping"]["setting"] is None
