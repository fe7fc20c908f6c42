"""--probe on the commands that trace: what it shows, what it decides, what it refuses."""

from __future__ import annotations

import json
from importlib import resources

import numpy as np
import pytest
import torch
from cli.command import expect_error, rnndiag, save
from jsonschema import Draft202012Validator
from torch import nn

from rnndiag import capture

PROBED = ("bptt-trace", "suggest", "check")


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.LSTM(3, 8, 2)
        self.readout = nn.Linear(8, 2)

    def forward(self, x):
        return self.readout(self.rnn(x)[0])


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A checkpoint, a probe of it and of another model, and arrays."""
    folder = tmp_path_factory.mktemp("probes")
    torch.manual_seed(0)
    model, x = Tagger(), torch.randn(30, 4, 3)
    with capture(model) as probe:
        model(x).square().mean().backward()
    probe.save(str(folder / "probe.safetensors"))
    save(folder / "model.pt", model)
    save(folder / "other.pt", nn.ModuleDict({"rnn": nn.LSTM(5, 8, 2)}))
    save(folder / "renamed.pt", nn.ModuleDict({"encoder": nn.LSTM(3, 8, 2)}))
    np.save(folder / "array.npy", np.zeros((4, 2, 3)))
    whole = (folder / "probe.safetensors").read_bytes()
    (folder / "cut.safetensors").write_bytes(whole[: len(whole) // 2])
    return folder


def layers_of(ran):
    assert ran.returncode in {0, 1}, ran.stderr
    return json.loads(ran.stdout)["files"][0]["layers"]


@pytest.mark.parametrize("command", PROBED)
def test_the_probe_decides(files, command):
    arguments = (command, "model.pt", "--probe", "probe.safetensors", "--format", "json")
    for layer in layers_of(rnndiag(*arguments, folder=files)):
        trace = layer["trace"]
        assert trace["seq_len"] == 30
        (drive,) = trace["drives"]
        assert (drive["drive"], drive["deciding"]) == ("probe", True)
        assert len(drive["log10_gradient_norm"]) == 31
        assert len(drive["loss_gradient"]["log10_hidden"]) == 30
        # float32 against float64.
        assert drive["loss_gradient"]["state_difference"] < 1e-5


def test_the_json_fits_the_schema(files):
    schema = json.loads(resources.files("rnndiag.render.json").joinpath("schema.json").read_text())
    arguments = ("bptt-trace", "model.pt", "--probe", "probe.safetensors", "--format", "json")
    whole = json.loads(rnndiag(*arguments, folder=files).stdout)
    assert not list(Draft202012Validator(schema).iter_errors(whole))


def test_without_a_probe_there_is_no_loss_gradient(files):
    for layer in layers_of(rnndiag("bptt-trace", "model.pt", "--format", "json", folder=files)):
        assert all(drive["loss_gradient"] is None for drive in layer["trace"]["drives"])


def test_the_table_says_it_in_a_sentence(files):
    ran = rnndiag(
        *("bptt-trace", "model.pt", "--probe", "probe.safetensors", "--format", "table"),
        folder=files,
    )
    text = " ".join(ran.stdout.split())
    assert "Of the recorded loss, all steps together, the gradient of h is" in text
    assert "A flat curve is no proof of memory" in text
    assert "synthetic" not in text
    assert "other weights" not in text


def test_a_checkpoint_with_other_weights_is_noticed(files, tmp_path):
    torch.manual_seed(5)
    save(tmp_path / "model.pt", Tagger())
    probe = str(files / "probe.safetensors")
    ran = rnndiag("bptt-trace", "model.pt", "--probe", probe, "--format", "table", folder=tmp_path)
    assert "it had other weights" in " ".join(ran.stdout.split())


@pytest.mark.parametrize("command", PROBED)
@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--input", "array.npy"),
        ("--input", "normal"),
        ("--cotangent", "array.npy"),
        ("--initial-state", "zero"),
        ("--readout", "readout"),
        ("--seq-len", 10),
        ("--batch", 3),
        ("--cotangents", 2),
    ],
)
def test_options_that_say_otherwise_are_refused(files, command, option, value):
    ran = rnndiag(command, "model.pt", "--probe", "probe.safetensors", option, value, folder=files)
    expect_error(ran, "RD007", option, "--probe")


def test_a_seed_and_exponents_may_stand_beside_it(files):
    arguments = ("--probe", "probe.safetensors", "--seed", 3, "--exponents", 2, "--format", "json")
    layers = layers_of(rnndiag("bptt-trace", "model.pt", *arguments, folder=files))
    assert len(layers[0]["trace"]["drives"][0]["lyapunov"]) == 2


def probed(files, checkpoint, probe, command="bptt-trace"):
    return rnndiag(command, checkpoint, "--probe", probe, folder=files)


@pytest.mark.parametrize("command", PROBED)
def test_a_probe_of_another_model_names_both_shapes(files, command):
    ran = probed(files, "other.pt", "probe.safetensors", command)
    assert ran.returncode == 2
    for word in ("RD007", "x (T, B, 3)", "x (T, B, 5)", "h_0 (2, B, 8)"):
        assert word in ran.stderr


def test_a_probe_of_other_names_names_both(files):
    expect_error(probed(files, "renamed.pt", "probe.safetensors"), "RD007", "rnn", "encoder")


def test_a_truncated_probe(files):
    expect_error(probed(files, "model.pt", "cut.safetensors"), "RD003", "truncated", "cut.saf")


def test_a_checkpoint_given_as_a_probe(files):
    expect_error(probed(files, "model.pt", "model.pt"), "RD007", "no probe", "torch-zip")


def test_a_missing_probe(files):
    expect_error(probed(files, "model.pt", "missing.safetensors"), "RD001", "missing.safetensors")


def test_a_probe_given_as_a_checkpoint(files):
    ran = rnndiag("inspect", "probe.safetensors", folder=files)
    assert ran.returncode == 2
    assert "RD006" in ran.stderr


def test_other_modules_of_the_file_say_that_they_were_not_recorded(tmp_path):
    model = nn.ModuleDict({"used": nn.GRU(2, 3), "idle": nn.GRU(2, 3)})
    with capture(model) as probe:
        model["used"](torch.ones(4, 1, 2))[0].sum().backward()
    probe.save(str(tmp_path / "probe.safetensors"))
    save(tmp_path / "model.pt", model)
    ran = rnndiag(
        *("bptt-trace", "model.pt", "--probe", "probe.safetensors", "--format", "json"),
        folder=tmp_path,
    )
    idle, used = layers_of(ran)
    assert idle["not_measured"] == "the probe has no record of it"
    assert used["trace"] is not None
