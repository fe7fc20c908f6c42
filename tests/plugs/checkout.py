"""This repository as somebody else gets it, and whether pip can install what it needs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def clean_environment(**more: str) -> dict[str, str]:
    """Without what a commit hook, pytest or a configuration of rnndiag puts in the environment."""
    dropped = ("GIT_", "GITHUB_", "PYTHON", "PYTEST", "RNNDIAG_", "INPUT_", "VIRTUAL_ENV")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    return {**kept, "OPENBLAS_NUM_THREADS": "1", **more}


def git(folder: Path, *arguments: object) -> str:
    """Run git there as somebody; its output."""
    someone = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "core.autocrlf=false")
    ran = subprocess.run(
        ["git", *someone, *map(str, arguments)],
        cwd=folder,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    return ran.stdout


def check_out(folder: Path) -> Path:
    """A repository with one commit: the files as they are now, whatever has been committed."""
    listed = git(ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    for name in filter(None, listed):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", "all")
    return folder


def require_index(folder: Path) -> None:
    """After a failed installation: skip where pip reaches no index to install from.

    Not in CI, where `make test` has just done so.
    """
    pip = (sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder)
    ran = subprocess.run([*pip, "setuptools>=77"], capture_output=True, text=True, check=False)
    if ran.returncode and "CI" not in os.environ:
        pytest.skip("pip reaches no package index to install from")
    assert ran.returncode == 0, ran.stderr
