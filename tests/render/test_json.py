"""JSON: the promised keys, non-finite numbers, determinism, nothing of this machine."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from cli.command import FIXTURES, save, scaled_rnn
from render.reports import ALL, HOSTILE, baseline_report, fixture_report, measured, named

from rnndiag.render import Screen, renderer
from rnndiag.render.json.plain import plain
from rnndiag.report import Report

render = renderer("json")

TOP = {"schema_version", "tool", "command", "settings", "files", "skipped_files", "verdict"}
FILE = {"path", "container", "size_bytes", "sha256", "layers", "training_state", "advice"}
FILE |= {"unrecognised", "skipped", "would_import", "findings"}
LAYER = {"name", "layer", "direction", "cell", "activation", "input_size", "hidden_size"}
LAYER |= {"projection_size", "bias", "dtype", "assumptions", "weights"}
WEIGHTS = {"non_finite", "zero_rows", "moved_from_init", "gate_time_constants"}
SPECTRUM = {"blocks", "jacobian", "henrici", "orthogonality_error", "transient_growth"}
SPECTRUM |= {"transient_growth_step", "transient_growth_scaled", "transient_growth_scaled_capped"}
SPECTRUM |= {"scaled_norm", "certified_contracting", "eigenvalue_uncertainty"}
BLOCK = {"block", "spectral_norm", "spectral_radius", "gain", "eigenvalues"}
JACOBIAN = {"at", "stable", "spectral_radius", "spectral_norm", "eigenvalues", "time_constant"}
JACOBIAN |= {"period"}
TRACE = {"seq_len", "verdict", "drives", "textbook_log10"}
DRIVE = {"drive", "verdict", "lags", "log10_gradient_norm", "log10_cell_gradient_norm"}
DRIVE |= {"log10_p05", "log10_p95", "rate_per_step", "rate_ci95", "half_life", "horizon_1e1"}
DRIVE |= {"horizon_1e2", "horizon_1e3", "growth_log10", "growth_lag", "worst_case_growth_log10"}
DRIVE |= {"lyapunov_samples"}
DRIVE |= {"lyapunov", "lyapunov_standard_error", "overflow_step", "dead_cells", "saturated_gates"}
DRIVE |= {"parameter_gradient_share", "loss_gradient"}
FINDING = {"code", "severity", "layer", "message", "remedy", "evidence", "baseline"}
TRAINING = {"optimizer", "step", "gradient_rms_norm", "per_parameter"}
ADVICE = {"clipping", "truncation", "changes", "snippets"}


def parsed(report: Report):
    return json.loads(render(report, Screen()), parse_constant=pytest.fail)


@pytest.mark.parametrize(("command", "name"), ALL)
def test_every_promised_key_is_there(command, name):
    whole = parsed(fixture_report(command, name))
    assert set(whole) >= TOP
    assert whole["schema_version"] == "1.0"
    assert whole["tool"]["name"] == "rnndiag"
    assert whole["command"] == command
    assert whole["verdict"] == {"status": "clean", "exit_code": 0}
    (file,) = whole["files"]
    assert set(file) >= FILE
    assert set(file["training_state"]) >= TRAINING
    assert set(file["advice"]) >= ADVICE
    for layer in file["layers"]:
        assert set(layer) >= LAYER
        assert set(layer["weights"]) >= WEIGHTS
        assert set(layer["spectrum"]) >= SPECTRUM
        assert set(layer["spectrum"]["jacobian"]) >= JACOBIAN
        assert all(set(block) >= BLOCK for block in layer["spectrum"]["blocks"])
        assert set(layer["trace"]) >= TRACE
        assert all(set(drive) >= DRIVE for drive in layer["trace"]["drives"])


def test_a_finding_has_its_keys():
    whole = parsed(fixture_report("check", "exploding_rnn.pt"))
    findings = whole["files"][0]["findings"]
    # 30 steps are too few for three decades, so the given length of 200 is measured, too.
    longer = parsed(Report("check", {}, (measured(FIXTURES / "exploding_rnn.pt", seq_len=200),)))
    findings += longer["files"][0]["findings"]
    assert findings
    assert all(set(finding) == FINDING for finding in findings)


def test_values_agree_with_the_result():
    report = fixture_report("bptt-trace")
    (item,) = report.files[0].result.layers
    (layer,) = parsed(report)["files"][0]["layers"]
    drive, shown = item.trace.drives[0], layer["trace"]["drives"][0]
    assert shown["lags"] == list(range(31))
    assert shown["log10_gradient_norm"] == pytest.approx(drive.log10_gradient_norm, rel=1e-11)
    block = layer["spectrum"]["blocks"][0]
    assert len(block["eigenvalues"]) == 48
    real, imaginary = block["eigenvalues"][0]
    assert math.hypot(real, imaginary) == pytest.approx(block["spectral_radius"], rel=1e-11)


def test_the_spectrum_says_how_it_was_found():
    layer = parsed(fixture_report("spectrum"))["files"][0]["layers"][0]
    found = layer["spectrum"]
    block, jacobian = found["blocks"][0], found["jacobian"]
    assert (block["norm_method"], block["norm_tolerance"]) == ("svd", 0.0)
    assert (block["radius_method"], block["radius_residual"]) == ("qr", None)
    assert (jacobian["method"], jacobian["residual"]) == ("qr", None)
    assert jacobian["spectral_radius"] == pytest.approx(
        math.hypot(*jacobian["modes"][0]["eigenvalue"]), rel=1e-11
    )
    assert [rate["drive"] for rate in found["along_trajectory"]] == ["zero", "normal"]
    assert block["spectral_radius"] <= found["scaled_norm"] <= block["spectral_norm"]
    assert found["scaled_norm_condition"] >= 1.0
    assert found["transient_growth_scaled"] >= 1.0
    assert found["transient_growth_scaled_capped"] is False
    assert found["transient_growth"] is None  # the radius is above 1


def test_gates_have_no_eigenvalues():
    layer = parsed(fixture_report("spectrum", "delayed_recall_lstm.pt"))["files"][0]["layers"][0]
    assert [b["block"] for b in layer["spectrum"]["blocks"]] == ["i", "f", "g", "o"]
    assert all(b["eigenvalues"] is None for b in layer["spectrum"]["blocks"])
    for key in ("henrici", "orthogonality_error", "transient_growth", "certified_contracting"):
        assert layer["spectrum"][key] is None
    assert layer["spectrum"]["scaled_norm"] is None


def test_non_finite_numbers_are_spelled():
    assert plain({"a": math.inf}) == {"a": None, "non_finite": "inf"}
    assert plain({"a": -math.inf}) == {"a": None, "non_finite": "-inf"}
    assert plain({"a": math.nan, "b": 1}) == {"a": None, "non_finite": "nan", "b": 1}
    assert plain([1.0, math.inf, -math.inf, math.nan]) == [1.0, "inf", "-inf", "nan"]
    assert plain(np.array([[0.1, -np.inf]])) == [[0.1, "-inf"]]
    assert plain((1 / 3,)) == [0.333333333333]
    assert plain(np.float64("inf") * np.ones(1)) == ["inf"]


def test_a_gradient_that_is_zero_is_minus_infinity(tmp_path):
    path = save(tmp_path / "m.pt", scaled_rnn(0.0))
    (layer,) = parsed(Report("bptt-trace", {}, (measured(path),)))["files"][0]["layers"]
    drive = layer["trace"]["drives"][0]
    assert drive["log10_gradient_norm"] == [0.0] + 30 * ["-inf"]
    assert (drive["rate_per_step"], drive["non_finite"]) == (None, "-inf")


@pytest.mark.parametrize("name", ["char_rnn.pt", "delayed_recall_gru.pt"])
def test_the_same_bytes_for_the_same_input(name):
    texts = {
        render(Report("suggest", {}, (measured(FIXTURES / name, name),)), Screen())
        for _ in range(2)
    }
    assert len(texts) == 1


def test_nothing_of_this_machine():
    for command, name in ALL:
        text = render(fixture_report(command, name), Screen())
        assert str(FIXTURES) not in text
        assert text.isascii()
        assert text.endswith("}\n")


def test_hostile_names_survive_as_data_and_do_no_harm(tmp_path):
    report = Report("check", {}, (measured(named(tmp_path / "m.pt", HOSTILE), f"{HOSTILE}.pt"),))
    text = render(report, Screen())
    assert "\x1b" not in text
    assert "\u202e" not in text
    file = json.loads(text)["files"][0]
    assert file["path"] == f"{HOSTILE}.pt"
    assert file["layers"][0]["name"] == HOSTILE


def test_an_undecodable_path(tmp_path):
    report = Report("check", {}, (measured(tmp_path / "missing", "a\udcff.pt"),))
    assert '"path": "a\\udcff.pt"' in render(report, Screen())


def test_an_error_is_part_of_it(tmp_path):
    whole = parsed(Report("check", {}, (measured(tmp_path / "missing.pt"),)))
    assert whole["files"][0]["error"]["code"] == "RD001"
    assert whole["verdict"] == {"status": "no-verdict", "exit_code": 2}


def test_weights_that_are_not_finite(tmp_path):
    module = scaled_rnn(0.5)
    with torch.no_grad():
        module.weight_hh_l0[0, 0] = float("nan")
    whole = parsed(Report("check", {}, (measured(save(tmp_path / "m.pt", module)),)))
    (layer,) = whole["files"][0]["layers"]
    assert layer["weights"]["non_finite"] == 1
    assert layer["spectrum"] is None
    assert layer["trace"] is None


def test_findings_say_how_they_stand_to_a_baseline():
    whole = parsed(baseline_report())
    found = {f["code"]: f["baseline"] for file in whole["files"] for f in file["findings"]}
    assert {code: one["state"] for code, one in found.items()} == {
        "RD301": "worse",
        "RD304": "accepted",
        "RD102": "new",
        "RD302": "accepted",
        "RD402": "accepted",
    }
    assert found["RD301"] == {
        "state": "worse",
        "measure": "lag_of_growth",
        "accepted_value": 1000.0,
    }
    assert found["RD402"]["non_finite"] == "-inf"
    assert found["RD102"]["accepted_value"] is None
    (stale,) = whole["baseline"].pop("stale")
    assert stale == {"path": "exploding_rnn.pt", "layer": "base.json/0/forward", "code": "RD103"}
    assert whole["baseline"] == {"path": "base.json", "tolerance": 0.1, "not_checked": 1}
    without = parsed(fixture_report("check", "exploding_rnn.pt"))
    assert without["baseline"] is None
    assert all(f["baseline"] is None for file in without["files"] for f in file["findings"])
