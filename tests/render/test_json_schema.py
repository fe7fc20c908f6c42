"""The schema that ships in the package: every command's JSON fits it, and it knows every key."""

from __future__ import annotations

import json
from importlib import resources

import pytest
import torch
from cli.command import FIXTURES, save, scaled_rnn
from jsonschema import Draft202012Validator
from render.reports import (
    ALL,
    HOSTILE,
    baseline_report,
    difference,
    fixture_report,
    measured,
    named,
)
from torch import nn

from rnndiag.errors import InputCode
from rnndiag.render import COMMANDS, Screen, renderer
from rnndiag.render.json import SCHEMA_VERSION
from rnndiag.report import Report, SkippedFile

render = renderer("json")
SCHEMA = json.loads(resources.files("rnndiag.render.json").joinpath("schema.json").read_text())


def closed(schema):
    """The same schema, that takes no key which it does not describe."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {key: closed(value) for key, value in schema.items()}
    return inner | {"additionalProperties": False} if "properties" in schema else inner


def check(report: Report) -> None:
    whole = json.loads(render(report, Screen()))
    for schema in (SCHEMA, closed(SCHEMA)):
        errors = [e.message for e in Draft202012Validator(schema).iter_errors(whole)]
        assert errors == []


def test_it_is_a_schema_of_this_version():
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA_VERSION.partition(".")[0] == "1"
    assert tuple(SCHEMA["properties"]["command"]["enum"]) == COMMANDS


@pytest.mark.parametrize(("command", "name"), ALL)
def test_every_commands_json_fits(command, name):
    check(fixture_report(command, name))


@pytest.mark.parametrize("name", ["delayed_recall_gru.pt", "exploding_rnn.pt", "length_one_rnn.pt"])
def test_the_other_fixtures_fit(name):
    check(Report("check", {"seq_len": 200}, (measured(FIXTURES / name, seq_len=200),)))


def test_a_comparison_fits():
    check(difference())


def test_a_baseline_fits():
    check(baseline_report())


def test_odd_files_fit(tmp_path):
    broken = scaled_rnn(0.5)
    with torch.no_grad():
        broken.weight_hh_l0[0, 0] = float("nan")
    files = [
        measured(save(tmp_path / "broken.pt", broken)),
        measured(save(tmp_path / "zero.pt", scaled_rnn(0.0))),
        measured(save(tmp_path / "proj.pt", nn.LSTM(3, 4, proj_size=2, bidirectional=True))),
        measured(named(tmp_path / "m.pt", HOSTILE)),
        measured(tmp_path / "missing.pt"),
    ]
    skipped = SkippedFile("mlp.pt", "keys are a", InputCode.NO_RECURRENT_WEIGHTS)
    check(Report("check", {}, tuple(files), (skipped,)))


@pytest.mark.parametrize(
    ("place", "wrong"),
    [
        (("verdict", "exit_code"), 3),
        (("files", 0, "path"), None),
        (("files", 0, "layers", 0, "cell"), "transformer"),
        (("files", 0, "layers", 0, "trace", "drives", 0, "log10_p05", 0), "much"),
        (("files", 0, "layers", 0, "spectrum", "blocks", 0, "eigenvalues", 0), [1.0]),
    ],
)
def test_it_refuses_what_does_not_fit(place, wrong):
    whole = json.loads(render(fixture_report("bptt-trace"), Screen()))
    part = whole
    for key in place[:-1]:
        part = part[key]
    part[place[-1]] = wrong
    assert not Draft202012Validator(SCHEMA).is_valid(whole)
