"""`suggest` with logged norms and for other frameworks, as the installed command."""

from __future__ import annotations

import json

import numpy as np
import pytest
from cli.command import FIXTURES, expect_error, rnndiag

MODEL = FIXTURES / "delayed_recall_gru.pt"
NORMS = np.random.default_rng(0).lognormal(size=400)


def advice(*arguments):
    ran = rnndiag("suggest", MODEL, "--format", "json", *arguments)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)["files"][0]["advice"]


def test_logged_norms_are_believed_before_the_file(tmp_path):
    (tmp_path / "log.csv").write_text(
        "step,grad_norm\n" + "".join(f"{step},{norm}\n" for step, norm in enumerate(NORMS))
    )
    clipping = advice("--norms", tmp_path / "log.csv")["clipping"]
    assert clipping["basis"] == "logged-norms"
    assert clipping["max_norm"] == pytest.approx(np.percentile(NORMS, 95), rel=5e-3)
    assert clipping["fires"] == float(np.mean(clipping["max_norm"] < NORMS))
    assert clipping["shares"]["recurrent"] > 0.9
    without = advice()["clipping"]
    assert (without["basis"], without["fires"]) == ("optimizer-state", None)
    assert without["shares"] == clipping["shares"]
    assert sum(without["shares"]["parameters"].values()) == pytest.approx(1.0)


def test_what_a_loss_scaler_skipped_is_counted_in_every_format(tmp_path):
    history = [{"step": step, "grad_norm": norm} for step, norm in enumerate([np.inf, *NORMS])]
    (tmp_path / "trainer_state.json").write_text(json.dumps({"log_history": history}))
    clipping = advice("--norms", tmp_path / "trainer_state.json")["clipping"]
    assert clipping["norms_not_finite"] == 1
    assert clipping["max_norm"] == pytest.approx(np.percentile(NORMS, 95), rel=5e-3)
    for name, words in (
        ("table", "1 of 401 logged norms is inf or NaN and was left out"),
        ("concise", "norms_not_finite=1"),
    ):
        ran = rnndiag(
            *("suggest", MODEL, "--norms", tmp_path / "trainer_state.json", "--format", name)
        )
        assert words in " ".join(ran.stdout.split())


def test_a_column_is_named_behind_the_file(tmp_path):
    (tmp_path / "log.csv").write_text(
        "grad_norm,grad_norm_clipped\n" + "".join(f"{norm},{min(norm, 1)}\n" for norm in NORMS)
    )
    clipping = advice("--norms", f"{tmp_path / 'log.csv'}:grad_norm")["clipping"]
    assert clipping["max_norm"] == pytest.approx(np.percentile(NORMS, 95), rel=5e-3)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nan\ninf\n", ("all 2 norms are inf or NaN",)),
        ("grad_norm,grad_norm_clipped\n3,1\n", ("2 norms: grad_norm, grad_norm_clipped",)),
        ("0.5\nonce\n", ("line 2", "'once'")),
        ("0.5\n\x1b[31m\n", ("line 2",)),
        ("", ("holds no norm",)),
        (None, ("no such file",)),
    ],
)
def test_norms_that_are_none_give_no_advice(tmp_path, text, words):
    path = tmp_path / "log.txt"
    if text is not None:
        path.write_text(text)
    ran = rnndiag("suggest", MODEL, "--norms", path)
    expect_error(ran, "RD007", "--norms", *words)
    assert "\x1b" not in ran.stderr


@pytest.mark.parametrize(
    ("framework", "title", "word"),
    [
        ("torch", "PyTorch", "clip_grad_norm_("),
        ("lightning", "Lightning 2", "self.clip_gradients("),
        ("transformers", "transformers", "max_grad_norm="),
    ],
)
def test_code_for_each_framework(framework, title, word):
    snippets = advice("--for", framework, "--seq-len", "200")["snippets"]
    assert list(snippets) == [framework]
    assert word in snippets[framework]
    ran = rnndiag("suggest", MODEL, "--for", framework, "--seq-len", "200", "--format", "table")
    assert f"{title}, to paste:" in ran.stdout
    assert snippets[framework].splitlines()[-1] in ran.stdout


def test_another_framework_is_a_usage_error():
    ran = rnndiag("suggest", MODEL, "--for", "keras")
    assert ran.returncode == 2
    assert "keras" in ran.stderr


def test_changes_are_shown_in_every_format():
    arguments = ("suggest", FIXTURES / "length_one_rnn.pt", "--seq-len", "50")
    table = rnndiag(*arguments, "--format", "table").stdout
    concise = rnndiag(*arguments, "--format", "concise").stdout
    (change,) = json.loads(rnndiag(*arguments, "--format", "json").stdout)["files"][0]["advice"][
        "changes"
    ]
    assert set(change) == {"what", "because", "source", "layers", "evidence", "code"}
    flat = " ".join(table.split())
    assert "Changes worth making:" in flat
    for part in ("Are your sequences longer than 1?", change["because"], change["source"]):
        assert part in flat
    (line,) = [line for line in concise.splitlines() if ": change: " in line]
    assert change["what"] in line
    assert change["layers"][0] in line


def test_a_healthy_network_is_told_of_no_change():
    assert advice()["changes"] == []
    for name in ("table", "concise"):
        ran = rnndiag("suggest", MODEL, "--format", name)
        assert "hange" not in ran.stdout


def test_a_changes_code_is_not_broken_by_the_screen():
    ran = rnndiag("suggest", MODEL, "--seq-len", "200", "--format", "table", COLUMNS="80")
    (change,) = advice("--seq-len", "200")["changes"]
    assert change["code"]
    for line in change["code"].splitlines():
        assert f"\n    {line}\n" in ran.stdout
