"""The page: well-formed, nothing from elsewhere, hostile names are text, in the promised order."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace

import pytest
import torch
from render.html.parsed import data_of, parsed, table_of
from render.reports import (
    HOSTILE,
    NASTY,
    fixture_file,
    gate_report,
    measured,
    named,
    nasty_report,
)
from torch import nn

from rnndiag.errors import InputCode, RnndiagError
from rnndiag.escape import printable
from rnndiag.render import Screen, renderer
from rnndiag.render.base import number
from rnndiag.report import FileReport, Report

FIXTURES = (
    "char_rnn.pt",
    "delayed_recall_gru.pt",
    "delayed_recall_lstm.pt",
    "exploding_rnn.pt",
    "length_one_rnn.pt",
)
PARTS = ["Verdict", "Findings", "Layers", "Spectrum and gradient", "Advice", "Not checked"]


def page(*files):
    text = renderer("html")(Report("report", {}, files), Screen())
    return text, parsed(text.removeprefix("<!DOCTYPE html>\n"))


@pytest.fixture(scope="module", params=FIXTURES)
def shown(request):
    """A fixture's page, parsed, and its whole JSON."""
    file = fixture_file(request.param)
    whole = json.loads(renderer("json")(Report("report", {}, (file,)), Screen()))
    return (*page(file), whole, file)


def test_the_order_of_the_parts(shown):
    _, root, _, _ = shown
    assert [heading.text for heading in root.all("h3")] == PARTS


def test_it_loads_nothing_and_is_small(shown):
    text, root, _, _ = shown
    assert text.isascii()
    assert len(text) < 200_000
    assert not re.search(
        r"https?:|//[a-z]|@import|url\(", text.replace("http://www.w3.org/2000/svg", "")
    )
    for node in (
        tag for name in ("script", "link", "img", "a", "iframe", "object") for tag in root.all(name)
    ):
        assert "src" not in node.attributes
        assert node.attributes.get("href", "#").startswith(("#", "data:,"))
    for node in all_nodes(root):
        assert not any(name.startswith("on") or name == "style" for name in node.attributes)


def all_nodes(node):
    for child in node.children:
        if not isinstance(child, str):
            yield child
            yield from all_nodes(child)


def test_the_policy_allows_its_own_style_and_script_alone(shown):
    _, root, _, _ = shown
    policy = root.one("meta", **{"http-equiv": "Content-Security-Policy"}).attributes["content"]
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    (script,) = [s for s in root.all("script") if "type" not in s.attributes]
    for what in (root.one("style").text, script.text):
        assert base64.b64encode(hashlib.sha256(what.encode()).digest()).decode() in policy


def test_every_picture_has_a_name_and_its_numbers_in_tables(shown):
    _, root, _, _ = shown
    for svg in root.all("svg", role="img"):
        assert svg.attributes["aria-label"]
        assert svg.attributes["tabindex"] == "0"
        assert svg.one("title").text
    for svg in root.all("svg", **{"class": "sample"}):
        assert svg.attributes["aria-hidden"] == "true"
    ids = [n.attributes["id"] for n in all_nodes(root) if "id" in n.attributes]
    assert len(ids) == len(set(ids))


def test_the_numbers_in_the_page_are_those_of_the_json(shown):
    _, root, whole, file = shown
    data = data_of(root)
    assert data["verdict"] == whole["verdict"]
    (found,), (wanted,) = data["files"], whole["files"]
    for layer, full in zip(found["layers"], wanted["layers"], strict=True):
        assert layer["spectrum"] == full["spectrum"]
        for drive, entire in zip(layer["trace"]["drives"], full["trace"]["drives"], strict=True):
            # 30 steps are few enough for all of them to stay.
            for key in (
                "log10_gradient_norm",
                "log10_cell_gradient_norm",
                "log10_p05",
                "log10_p95",
            ):
                assert drive[key] == entire[key]
            assert drive.keys() | {"parameter_gradient_share", "loss_gradient"} == entire.keys()
    assert found["findings"] == wanted["findings"]
    assert file.advice is not None


def test_the_tables_say_what_the_json_says(shown):
    _, root, whole, _ = shown
    (layer,) = whole["files"][0]["layers"]
    rows = table_of(root, "Gradient by input")[1:]
    for row, drive in zip(rows, layer["trace"]["drives"], strict=True):
        assert row[0].split()[0] == drive["drive"]
        assert row[1] == drive["verdict"]
        assert row[2] == number(drive["rate_per_step"])
        assert row[4] == number(drive["half_life"])
    blocks = table_of(root, "Blocks of W_hh")[1:]
    for row, block in zip(blocks, layer["spectrum"]["blocks"], strict=True):
        assert row[:3] == [block["block"], number(block["spectral_norm"]), number(block["gain"])]
    jacobian = layer["spectrum"]["jacobian"]
    row = table_of(root, "Step Jacobian, without input")[1]
    assert row[1] == number(jacobian["spectral_radius"])
    assert row[2] == number(jacobian["spectral_norm"])


def test_findings_and_remedies_are_the_rules_own(shown):
    _, root, whole, _ = shown
    said = " ".join(item.text for item in root.all("ul", **{"class": "findings"}))
    for finding in whole["files"][0]["findings"]:
        assert finding["code"] in said
        assert finding["message"].replace("`", "") in said
        assert finding["remedy"].replace("`", "") in said


def test_code_can_be_copied_whole(shown):
    _, root, whole, _ = shown
    codes = [block.one("code").text for block in root.all("div", **{"class": "code"})]
    assert codes[0] == whole["files"][0]["advice"]["snippets"]["torch"]
    assert all(block.one("button") for block in root.all("div", **{"class": "code"}))


@pytest.mark.parametrize("name", NASTY)
def test_a_hostile_name_is_text_everywhere(name):
    text = renderer("html")(replace(nasty_report(name), command="report"), Screen())
    root = parsed(text.removeprefix("<!DOCTYPE html>\n"))
    assert [node.attributes.get("type") for node in root.all("script")] == [
        "application/json",
        None,
    ]
    file, unread = data_of(root)["files"]
    assert file["path"] == f"{name}.pt"
    assert unread["error"]["what"] == f"what {name}"
    said = printable(name)
    headings = [heading.text for heading in root.all("h2")]
    assert any(f"{said}.pt" in heading for heading in headings)
    assert any(f"unread {said}" in heading for heading in headings)
    for control in ("\x1b", "\u202e", "\u2028", "\x00"):
        assert control not in root.text


def test_a_hostile_layer_is_text_in_attributes_too(tmp_path):
    name = f'"><script>alert(1)</script> onload="x" </script><!-- \u2028{HOSTILE}'
    file = measured(named(tmp_path / "m.pt", name))
    text, root = page(file)
    assert "<script>alert" not in text
    assert data_of(root)["files"][0]["layers"][0]["name"] == name
    assert len(root.all("script")) == 2
    assert not any("onload" in node.attributes for node in all_nodes(root))


def test_several_files_have_an_overview_and_a_section_each():
    files = (fixture_file("char_rnn.pt"), *gate_report().files)
    _, root = page(*files)
    rows = table_of(root, "All checkpoints")[1:]
    assert [row[0] for row in rows] == [file.path for file in files]
    assert [row[1] for row in rows] == ["vanishing", "exploding", "vanishing", "no verdict"]
    for link in root.all("a"):
        assert root.all("section", id=link.attributes["href"].removeprefix("#"))
    assert "RD003" in root.one("section", id="file-3").text


def test_the_picture_of_all_files_has_each_ones_longest_gradient():
    files = gate_report().files
    _, root = page(*files)
    figure = root.one("figure", **{"class": "beside"})
    keys = [key.text for key in figure.all("li")]
    svg = figure.one("svg", role="img")
    paths = [g.one("path").attributes["d"] for g in svg.all("g") if "drive" in str(g.attributes)]
    traced = [file for file in files if file.result is not None]
    assert len(keys) == len(paths) == len(traced)
    for key, path, file in zip(keys, paths, traced, strict=True):
        drives = [item.trace.headline for item in file.result.layers]
        assert key.strip().startswith(f"{file.path}: ")
        assert any(key.endswith(f"{drive.drive} input") for drive in drives)
        last = max(float(drive.log10_gradient_norm[-1]) for drive in drives)
        bottom, top = map(float, svg.attributes["data-range"].split()[2:])
        height = float(svg.attributes["data-frame"].split()[3])
        end = float(path.rpartition(",")[2])
        assert end == pytest.approx((top - last) / (top - bottom) * height, abs=0.06)


def test_one_file_needs_no_overview():
    _, root = page(fixture_file("char_rnn.pt"))
    assert not root.all("figure", **{"class": "beside"})
    assert not root.all("table", **{"class": "overview"})
    assert root.all("h2")[0].text.startswith("char_rnn.pt")


def test_a_file_without_a_verdict_is_a_section_with_its_error():
    error = RnndiagError(InputCode.DAMAGED, "the file is cut", "download it again")
    text, root = page(FileReport("cut.pt", error=error))
    assert "RD003 the file is cut" in root.one("section", id="file-0").text
    assert "download it again" in text


def test_what_was_not_checked_is_said(tmp_path):
    state = {f"rnn.{key}": value for key, value in nn.GRU(3, 4).state_dict().items()}
    state["odd.weight_hh_l0"] = torch.zeros(7, 3)
    state["dead.weight_ih_l0"] = torch.full((8, 3), float("nan"))
    state["dead.weight_hh_l0"] = torch.full((8, 8), float("nan"))
    torch.save(state, tmp_path / "m.pt")
    file = measured(tmp_path / "m.pt")
    _, root = page(file)
    said = root.all("section", **{"class": "part"})[-1].text
    assert "synthetic input" in said
    assert "odd.weight_hh_l0 (7 x 3)" in said
    assert "dead/0/forward: not measured: its weights are not finite" in said
    first = root.one("ul", **{"class": "verdicts"}).all("li")[0].text
    assert first == "no verdict 1 layer: dead/0/forwardNot measured: its weights are not finite."
    chosen = [o.text for o in root.all("option") if "selected" in o.attributes]
    assert chosen == ["rnn/0/forward (vanishing)"]
    assert "1 error" in [chip.text for chip in root.one("p", **{"class": "chips"}).all("span")]
    assert "RD401" in said


def test_layers_are_chosen_where_there_are_several(tmp_path):
    path = tmp_path / "m.pt"
    torch.save(nn.LSTM(3, 4, 3, bidirectional=True).state_dict(), path)
    _, root = page(measured(path))
    choices = [option.text for option in root.one("select").all("option")]
    assert len(choices) == 7
    assert choices[-1] == "all 6 layers"
    assert len(root.all("section", **{"class": "layer"})) == 6


def test_many_layers_and_long_sequences_stay_below_a_megabyte(tmp_path):
    path = tmp_path / "m.pt"
    torch.save(nn.LSTM(8, 32, 8, bidirectional=True).state_dict(), path)
    text, root = page(measured(path, seq_len=1000))
    assert len(text) < 1_000_000
    drive = data_of(root)["files"][0]["layers"][0]["trace"]["drives"][0]
    assert drive["lags"][-1] == 1000
    assert {0, 1, 2, 5, 10, 100, 500} <= set(drive["lags"])


def test_thinned_curves_keep_the_jsons_values(tmp_path):
    path = tmp_path / "m.pt"
    torch.save(nn.GRU(3, 8, 2).state_dict(), path)
    file = measured(path, seq_len=900)
    _, root = page(file)
    whole = json.loads(renderer("json")(Report("report", {}, (file,)), Screen()))
    for thin, full in zip(
        data_of(root)["files"][0]["layers"], whole["files"][0]["layers"], strict=True
    ):
        for drive, entire in zip(thin["trace"]["drives"], full["trace"]["drives"], strict=True):
            assert len(drive["lags"]) < len(entire["lags"])
            wanted = [entire["log10_gradient_norm"][lag] for lag in drive["lags"]]
            assert drive["log10_gradient_norm"] == wanted


def test_the_same_report_gives_the_same_bytes():
    assert page(fixture_file("char_rnn.pt"))[0] == page(fixture_file("char_rnn.pt"))[0]


def test_a_report_without_files_says_so():
    _, root = page()
    assert "nothing was checked" in root.one("p", role="alert").text
