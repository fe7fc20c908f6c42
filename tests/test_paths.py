"""Names of files in reports: the same wherever the folder lies."""

from __future__ import annotations

from pathlib import Path

import pytest

from rnndiag.paths import shown_path


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("a.pt", "a.pt"),
        ("./a.pt", "a.pt"),
        ("x/../a.pt", "a.pt"),
        ("x//a.pt", "x/a.pt"),
        ("../a.pt", "../a.pt"),
        ("~/a.pt", "~/a.pt"),
        ("a\udcff.pt", "a\udcff.pt"),
        ("-", "-"),
        ("", ""),
    ],
)
def test_relative_paths_stay_relative(given, shown):
    assert shown_path(given) == shown


def test_absolute_paths_lose_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert shown_path(str(tmp_path / "x" / "a.pt")) == str(Path("x") / "a.pt")
    # A neighbour whose name begins alike is not below it.
    assert shown_path(f"{tmp_path}2/a.pt") == f"{tmp_path}2/a.pt"
