"""Truncation advice from a file that torch saved to what the command prints."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torch import nn
from torch_oracle import initial_states, make_module
from truncated_autograd import bias_and_cosine, truncated_gradients

from rnndiag.cli import run

# The JSON has twelve significant digits; both sides are float64, and a bias is the root of a sum.
PRINTED = 1e-10


def suggest(capsys, *arguments):
    """The truncation part of the JSON."""
    assert run(["suggest", *map(str, arguments), "--format", "json", "-q"]) == 0
    return json.loads(capsys.readouterr().out)["files"][0]["advice"]["truncation"]


def scalar(folder, beta, steps, **extra):
    """h_t = β h_{t−1} + 1, at rest, with L = h_T: lag k adds βᵏ of what lag 0 adds."""
    module = nn.RNN(1, 1, nonlinearity="relu").double()
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            parameter.fill_({"weight_hh_l0": beta, "weight_ih_l0": 1.0}.get(name, 0.0))
    torch.save({"model": module.state_dict(), **extra}, folder / "model.pt")
    np.save(folder / "inputs.npy", np.ones((steps, 1, 1)))
    np.save(folder / "cotangent.npy", np.ones((1, 1, 1)))
    np.save(folder / "states.npy", np.full((1, 1, 1), 1 / (1 - beta)))
    return [
        *(folder / "model.pt", "--as", "*weight_hh*=rnn:relu"),
        *("--input", folder / "inputs.npy", "--cotangent", folder / "cotangent.npy"),
        *("--initial-state", folder / "states.npy"),
    ]


@pytest.mark.parametrize(
    ("case", "beta", "steps"), [("tbptt_scalar_0.9", 0.9, 400), ("tbptt_scalar_0.99", 0.99, 2900)]
)
def test_the_scalar_laws(shared, tmp_path, capsys, case, beta, steps):
    """T → ∞ is a window at whose end 1e-12 of the gradient is left."""
    cases = json.loads((shared / "ground_truth.json").read_text(encoding="utf-8"))
    (known,) = [entry for entry in cases if entry["id"] == case]
    value, tolerance = known["value"], known["tol"]
    found = suggest(capsys, *scalar(tmp_path, beta, steps), "--tbptt", value["K"])
    assert (found["status"], found["unknown"]) == ("measured", [])
    assert found["lags"] == value["K_sliding_for_0p1"]
    assert found["window"] == [found["lags"], 2 * found["lags"] - 1]
    assert found["chunk"] == value["chunk_for_0p1"]
    present = found["present"]
    assert (present["source"], present["steps"], present["lower_bound"]) == (
        *("given", value["K"]),
        False,
    )
    assert present["sliding_bias"] == pytest.approx(value["sliding"], rel=tolerance)
    assert present["chunk_bias"] == pytest.approx(value["chunked"], rel=tolerance)
    assert found["curve"]["lags"][value["K"] - 1] == value["K"]
    assert found["curve"]["sliding_bias"][value["K"] - 1] == present["sliding_bias"]
    assert found["curve"]["chunk_bias"][value["K"] - 1] == present["chunk_bias"]
    assert found["bias_at"] == found["curve"]["sliding_bias"][found["lags"] - 1]
    assert found["split_half"] is None


@pytest.mark.parametrize("case", ["rnn-tanh", "gru", "lstm", "lstm-projected"])
def test_the_curve_equals_one_autograd_run_per_length(tmp_path, capsys, case):
    module = make_module(case, num_layers=2)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.mul_(0.5)
    rng = np.random.default_rng(3)
    inputs, initial = rng.standard_normal((40, 4, 4)), initial_states(module, batch=4)
    seed = rng.standard_normal((1, 4, module.proj_size or 5))
    torch.save(module.state_dict(), tmp_path / "model.pt")
    np.save(tmp_path / "inputs.npy", inputs)
    np.save(tmp_path / "cotangent.npy", seed)
    joined = [torch.stack(parts).numpy() for parts in zip(*initial, strict=True)]
    np.savez(tmp_path / "states.npz", **dict(zip(["h_0", "c_0"], joined, strict=False)))
    found = suggest(
        capsys,
        *(tmp_path / "model.pt", "--input", tmp_path / "inputs.npy"),
        *("--cotangent", tmp_path / "cotangent.npy", "--initial-state", tmp_path / "states.npz"),
    )
    by_length = truncated_gradients(
        *(module, torch.from_numpy(inputs), initial, 40),
        *(torch.from_numpy(seed[0]), range(1, 41)),
    )
    bias, cosine = bias_and_cosine(by_length, by_length[-1])
    curve = found["curve"]
    assert curve["lags"] == list(range(1, 41))
    np.testing.assert_allclose(curve["sliding_bias"], bias, rtol=PRINTED, atol=PRINTED)
    np.testing.assert_allclose(curve["sliding_cosine"], cosine, rtol=PRINTED, atol=PRINTED)


def test_a_truncation_in_the_file_is_judged_and_does_not_shorten_the_window(tmp_path, capsys):
    arguments = scalar(tmp_path, 0.9, 400, hparams={"truncated_bptt_steps": 35})
    assert suggest(capsys, *arguments)["present"]["source"] == "hparams.truncated_bptt_steps"
    synthetic = suggest(capsys, *arguments[:3], "--input", "weak")
    assert len(synthetic["curve"]["lags"]) == 200
    assert (synthetic["status"], synthetic["unknown"]) == ("heuristic", ["loss", "inputs"])
    assert synthetic["split_half"][0] <= synthetic["lags"] <= synthetic["split_half"][1]


def test_a_length_that_was_not_reached_is_no_number(tmp_path, capsys):
    found = suggest(capsys, *scalar(tmp_path, 0.99, 100), "--tbptt", "200")
    assert (found["status"], found["lags"], found["chunk"]) == ("longer-than-tested", None, None)
    assert found["present"]["sliding_bias"] is None
    assert found["present"]["lower_bound"] is True


def shown(capsys, *arguments):
    assert run(["suggest", *map(str, arguments), "--format", "table", "-q"]) == 0
    return " ".join(capsys.readouterr().out.split())


def test_the_table_says_what_is_measured_and_what_is_not(tmp_path, capsys):
    arguments = scalar(tmp_path, 0.9, 400)
    text = shown(capsys, *arguments, "--tbptt", "22")
    assert "22 measured on your inputs and loss" in text
    assert "every k1 = 22 steps, back k2 = 43" in text
    assert "detach every 90 steps" in text
    assert "22 lags (--tbptt) bias 9.85%, cosine 1.000" in text
    assert "detach every 22 (--tbptt) bias 36.9%, cosine 1.000" in text
    made_up = shown(capsys, *arguments[:3], "--input", "normal")
    assert "heuristic: loss and inputs unknown" in made_up
    assert "loss gradients and inputs were drawn at random" in made_up


def test_one_line_each_in_a_pipe(tmp_path, capsys):
    arguments = scalar(tmp_path, 0.9, 400)
    assert run(["suggest", *map(str, arguments), "--tbptt", "22", "--format", "concise"]) == 0
    advice, present = [
        line.split(": ", 1)[1] for line in capsys.readouterr().out.splitlines() if "trunc" in line
    ]
    assert advice == (
        "truncation: status=measured lags=22 k1,k2=22,43 chunk=90 bias=0.0984771 cosine=1 "
        "layer=model"
    )
    assert present == (
        "truncation in use: steps=22 source=given sliding_bias=0.0984771 sliding_cosine=1 "
        "chunk_bias=0.368805 chunk_cosine=1 lower_bound=false"
    )


def test_a_hostile_name_of_a_setting_is_escaped(tmp_path, capsys):
    arguments = scalar(tmp_path, 0.9, 400, **{"[red]\x1b[31m": {"bptt": 22}})
    table = shown(capsys, *arguments)
    assert "\x1b" not in table
    assert "22 lags ([red]\\x1b[31m.bptt)" in table
    assert run(["suggest", *map(str, arguments), "--format", "concise"]) == 0
    assert "\x1b" not in capsys.readouterr().out


@pytest.mark.parametrize("value", ["0", "-3", "ten"])
def test_a_truncation_that_is_none_is_refused(value, capsys):
    assert run(["suggest", "--tbptt", value]) == 2
    assert "tbptt" in capsys.readouterr().err


def test_only_suggest_compares_lags(tmp_path, capsys, monkeypatch):
    def refuse(*_):
        raise AssertionError("compared")

    monkeypatch.setattr("rnndiag.measure.trace.measure_lag_gradients", refuse)
    arguments = [str(part) for part in scalar(tmp_path, 0.9, 30)]
    assert run(["bptt-trace", *arguments]) == 0
    assert run(["check", *arguments[:3]]) == 0
    assert run(["suggest", *arguments]) == 2
    assert "AssertionError: compared" in capsys.readouterr().err
