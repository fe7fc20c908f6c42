"""What is published: a source archive, and a wheel built from it that works on its own."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from email.parser import HeaderParser
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from plugs.checkout import ROOT, check_out, clean_environment, git

import rnndiag
from rnndiag.rules import RULES

# One process: what is installed or built once is not made again in another.
pytestmark = pytest.mark.xdist_group("packaging")

NEEDED = ["numpy", "rich", "typer"]

SHOW_SCHEMA = """
from importlib.resources import files
print(files("rnndiag.render.json").joinpath("schema.json").read_text())
"""

EXPLAIN = """
import sys
from rnndiag.cli import run
sys.exit(max(run(["explain", code]) for code in sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """A folder with both archives, built from the files as they are now."""
    source, target = check_out(tmp_path_factory.mktemp("source")), tmp_path_factory.mktemp("dist")
    # Without isolation nothing is downloaded; the build requirements are among the tests'.
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", target, source]
    ran = subprocess.run(
        build, env=clean_environment(), capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    return target


@pytest.fixture(scope="module")
def wheel(built) -> Path:
    (found,) = built.glob("*.whl")
    assert found.name == f"rnndiag-{rnndiag.__version__}-py3-none-any.whl"
    return found


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory) -> Path:
    """Commands of a new environment with the wheel in it; numpy, typer and rich are the tests'."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    (commands,) = [path for path in folder.iterdir() if path.name in {"bin", "Scripts"}]
    pip = [sys.executable, "-m", "pip", "--python", commands / "python", "install", "--quiet"]
    subprocess.run([*pip, "--no-index", "--no-deps", wheel], env=clean_environment(), check=True)
    (site,) = folder.glob("[lL]ib/**/site-packages")
    # A folder that is named so comes after the environment's own, and its .pth files are not read:
    # the editable installation in it is not found.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    return commands


def run(commands: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The installed command, in a folder that is no checkout."""
    return subprocess.run(
        [commands / arguments[0], *arguments[1:]],
        cwd=folder,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_wheel_has_every_file_of_the_package_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
        (metadata,) = [name for name in archive.namelist() if name.endswith("/METADATA")]
        described = HeaderParser().parsestr(archive.read(metadata).decode())
        assert any(name.endswith("/licenses/LICENSE") for name in archive.namelist())
    listed = git(ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "rnndiag")
    assert packed == {name for name in listed.split("\0") if name and (ROOT / name).exists()}
    always = [one for one in described.get_all("Requires-Dist") if "extra ==" not in one]
    assert sorted(one.split(">")[0] for one in always) == NEEDED
    assert described["Requires-Python"] == ">=3.11"


def test_the_source_archive_has_what_a_build_needs(built):
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        names = {name.partition("/")[2] for name in tar.getnames()}
    assert {"pyproject.toml", "README.md", "LICENSE", "rnndiag/py.typed"} <= names


def test_the_installed_command_works_outside_the_checkout(environment, tmp_path):
    where = run(environment, tmp_path, "python", "-c", "import rnndiag; print(rnndiag.__file__)")
    assert Path(where.stdout.strip()).is_relative_to(environment.parent)
    version = run(environment, tmp_path, "rnndiag", "--version")
    assert version.stdout == f"rnndiag {rnndiag.__version__}\n"
    sample = run(environment, tmp_path, "rnndiag", "inspect")
    assert (sample.returncode, sample.stdout[:23]) == (0, "delayed_recall_lstm.pt:")
    (tmp_path / "model.pt").write_bytes((ROOT / "fixtures" / "exploding_rnn.pt").read_bytes())
    gate = run(environment, tmp_path, "rnndiag", "check", "model.pt", "--format", "json")
    assert (gate.returncode, gate.stderr) == (1, "")
    schema = run(environment, tmp_path, "python", "-c", SHOW_SCHEMA)
    Draft202012Validator(json.loads(schema.stdout)).validate(json.loads(gate.stdout))


def test_every_rule_is_explained_from_the_wheel(environment, tmp_path):
    """Their documentation are docstrings, which an optimised or stripped build would lose."""
    codes = [rule.code for rule in RULES]
    ran = run(environment, tmp_path, "python", "-c", EXPLAIN, *codes)
    assert (ran.returncode, ran.stderr) == (0, "")
    for rule in RULES:
        assert f"{rule.code}: {rule.title}" in ran.stdout
    assert ran.stdout.count("Remedy:") == len(RULES)
