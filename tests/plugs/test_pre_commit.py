"""The commit hook, through pre-commit: installed from a clone, run by a real `git commit`."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from plugs.checkout import ROOT, check_out, clean_environment, git, require_index

# One process: what is installed or built once is not made again in another.
pytestmark = pytest.mark.xdist_group("pre_commit")

FIXTURES = ROOT / "fixtures"
(HOOK,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
ENDINGS = ("ckpt", "npz", "pt", "pth", "pth.tar", "safetensors", "th")


@pytest.mark.parametrize(
    ("name", "taken"),
    [
        *[(f"runs/model.{ending}", True) for ending in ENDINGS],
        *[(name, True) for name in ("pytorch_model.bin", "x/model-1.bin", "my adapter_model.bin")],
        *[(name, False) for name in ("a.bin", "model/a.bin", "a.py", "pt", "a.pt.md", "a.ptx")],
    ],
)
def test_which_files_are_looked_at(name, taken):
    assert bool(re.search(HOOK["files"], name)) == taken


@pytest.fixture(scope="module")
def hooked(tmp_path_factory):
    """A repository whose hook is installed from a clone of this checkout, and how to commit."""
    source = check_out(tmp_path_factory.mktemp("rnndiag"))
    config = {
        "repos": [
            {
                "repo": str(source),
                "rev": git(source, "rev-parse", "HEAD").strip(),
                "hooks": [{"id": "rnndiag-check"}],
            }
        ]
    }
    store = str(tmp_path_factory.mktemp("store"))
    # What is installed runs a few times only: compiling all of numpy would take longer.
    environment = clean_environment(PRE_COMMIT_HOME=store, PIP_COMPILE="0")

    def commit(repository: Path) -> subprocess.CompletedProcess[str]:
        git(repository, "add", ".")
        return subprocess.run(
            ["git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-m", "a model"],
            cwd=repository,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    repository = tmp_path_factory.mktemp("user")
    git(repository, "init", "--quiet")
    (repository / ".pre-commit-config.yaml").write_text(yaml.safe_dump(config))
    command = [sys.executable, "-m", "pre_commit", "install", "--install-hooks"]
    ran = subprocess.run(
        command, cwd=repository, env=environment, capture_output=True, text=True, check=False
    )
    if ran.returncode:
        require_index(tmp_path_factory.mktemp("download"))
    assert ran.returncode == 0, ran.stdout
    return repository, commit


def commits(repository: Path) -> int:
    """How many went through."""
    return int(git(repository, "rev-list", "--all", "--count"))


def test_commits_pass_and_are_refused(hooked):
    """One repository's history: a clean model, an exploding one, one with NaN, others."""
    repository, commit = hooked
    shutil.copy(FIXTURES / "delayed_recall_gru.pt", repository / "model.pt")
    passed = commit(repository)
    assert passed.returncode == 0, passed.stderr
    assert re.search(r"rnndiag check\.+Passed", passed.stderr)
    assert commits(repository) == 1

    shutil.copy(FIXTURES / "exploding_rnn.pt", repository / "a model.pt")
    refused = commit(repository)
    assert refused.returncode != 0
    assert "a model.pt:model_state_dict.rnn/0/forward: RD301 error exploding" in refused.stderr

    broken = torch.nn.GRU(3, 8)
    with torch.no_grad():
        broken.weight_hh_l0[5, 3] = torch.nan
    torch.save(broken.state_dict(), repository / "a model.pt")
    (repository / "page.pt").write_text("<!doctype html>")
    refused = commit(repository)
    assert refused.returncode != 0
    assert "RD101 error" in refused.stderr
    assert "page.pt: RD002" in refused.stderr
    assert commits(repository) == 1

    # What has no recurrent weights, or is no checkpoint by its name, is no business of the hook.
    (repository / "a model.pt").unlink()
    (repository / "page.pt").unlink()
    torch.save({"w": torch.ones(2, 3)}, repository / "mlp.pt")
    (repository / "notes.txt").write_text("words")
    passed = commit(repository)
    assert passed.returncode == 0, passed.stderr
    assert commits(repository) == 2
