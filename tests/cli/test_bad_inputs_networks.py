"""Rows 33 to 36, 56 and 58 of the table of bad inputs: networks that a file can hold."""

from __future__ import annotations

import pytest
import torch
from cli.bad_inputs import BRIEF, COMMANDS, QUICK, SINGLE, only_layer, row
from cli.command import rnndiag, save, scaled_rnn
from torch import nn

from rnndiag.measure.fixed_point import LARGEST_STATE

RELU = ("--as", "weight_hh_l0=rnn:relu")


@pytest.fixture
def two(tmp_path):
    """A GRU and an LSTM in one file."""
    torch.manual_seed(0)
    modules = nn.ModuleDict({"first": nn.GRU(3, 4), "second": nn.LSTM(3, 5)})
    return save(tmp_path / "two.pt", modules)


@row(33)
def test_several_modules_are_all_measured(two, in_process):
    ran = rnndiag("inspect", "two.pt", folder=two.parent)
    assert (ran.returncode, ran.stderr) == (0, "")
    shown = [in_process(command, two, *BRIEF[command]).stdout for command in SINGLE]
    # A gate shows findings alone: over 200 steps there is one for each.
    for text in (ran.stdout, *shown, in_process("check", two, "--batch", 1).stdout):
        assert "first/0/forward: " in text
        assert "second/0/forward: " in text
    only = in_process("spectrum", two, "--layer", "second").stdout
    assert "first" not in only
    assert "second/0/forward: cell=lstm" in only


def spoiled(path, name: str, value: float):
    state = torch.load(path)
    state[name][1, 2] = value
    torch.save(state, path)


@row(34)
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite(two, in_process, value):
    spoiled(two, "first.weight_hh_l0", value)
    found = "first/0/forward: RD101 error 1 recurrent weight is NaN or infinite"
    for command in COMMANDS:
        as_process = command == "check" and value != value
        call = rnndiag if as_process else in_process
        ran = call(command, two, "--fail-on", "error", *BRIEF[command])
        assert (ran.returncode, ran.stderr) == (1, "")
        assert found in ran.stdout
    first, second, _ = in_process("spectrum", two).stdout.splitlines()
    assert "not_measured=its_weights_are_not_finite" in first
    assert "norm" not in first
    assert "norm_i=" in second
    table = in_process("spectrum", two, "--format", "table").stdout
    assert "its weights are not finite" in table


@row(34)
def test_a_table_of_minus_infinity_is_nobodys_business(tmp_path, in_process):
    tensors = {**nn.GRU(3, 4).state_dict(), "mask": torch.full((5, 5), -torch.inf)}
    torch.save(tensors, tmp_path / "m.pt")
    for command in COMMANDS:
        ran = in_process(command, tmp_path / "m.pt", "--fail-on", "error", *BRIEF[command])
        assert (ran.returncode, ran.stderr) == (0, "")
        assert "RD101" not in ran.stdout


@row(36)
@pytest.mark.parametrize(
    ("module", "blocks"), [(nn.GRU(3, 4), "rzn"), (nn.LSTM(3, 4, proj_size=2), "ifgo")]
)
def test_gates_are_split_and_projections_known(tmp_path, in_process, module, blocks):
    path = save(tmp_path / "m.pt", module)
    call = rnndiag if blocks == "rzn" else in_process
    layer = only_layer(call("spectrum", path, "--format", "json").stdout)
    assert layer["hidden_size"] == 4
    assert layer["projection_size"] == (2 if len(blocks) == 4 else None)
    norms = {block["block"]: block["spectral_norm"] for block in layer["spectrum"]["blocks"]}
    rows = module.weight_hh_l0.detach().double().split(4)
    expected = [torch.linalg.matrix_norm(part, 2).item() for part in rows]
    assert norms == pytest.approx(dict(zip(blocks, expected, strict=True)), rel=1e-6)


@row(30, 42, 46)
def test_a_module_that_is_not_read_is_a_finding_beside_one_that_is(two, in_process):
    state = torch.load(two)
    state["first.bias_hh_l0"] = state["first.bias_hh_l0"].to("meta")
    torch.save(state, two)
    ran = in_process("check", two, *QUICK)
    assert (ran.returncode, ran.stderr) == (1, "")
    assert "first.bias_hh_l0: RD104 error" in ran.stdout
    assert "no values are stored" in ran.stdout


@row(56)
def test_a_state_too_wide_for_eigenvalues_says_so(tmp_path, in_process):
    """A projection keeps the rest of it quick: the blocks of W_hh are narrow."""
    path = save(tmp_path / "m.pt", nn.LSTM(1, LARGEST_STATE, proj_size=1))
    ran = rnndiag("spectrum", path, "--format", "table")
    assert (ran.returncode, ran.stderr) == (0, "")
    said = " ".join(ran.stdout.split())
    assert f"Jacobian was not computed: the state is wider than {LARGEST_STATE}" in said
    assert "jacobian_at=none jacobian_radius=-" in in_process("spectrum", path).stdout


@row(58)
@pytest.mark.parametrize("scale", [1e3, 1e38])
@pytest.mark.parametrize("command", ["bptt-trace", "suggest", "check"])
def test_states_that_overflow_are_exploding(tmp_path, in_process, command, scale):
    save(tmp_path / "m.pt", scaled_rnn(scale, nonlinearity="relu"))
    arguments = (command, tmp_path / "m.pt", *RELU, "--fail-on", "error", "--batch", 1)
    ran = in_process(*arguments)
    assert (ran.returncode, ran.stderr) == (1, "")
    assert "RD301 error exploding: the forward pass overflows by step " in ran.stdout
    assert "vanishing" not in ran.stdout
    layer = only_layer(in_process(*arguments, "--format", "json").stdout)
    assert layer["trace"]["verdict"] == "exploding"
    for drive in layer["trace"]["drives"]:
        assert drive["overflow_step"] == (9 if scale == 1e38 else 103)
        assert all(isinstance(value, float) for value in drive["log10_gradient_norm"])


@row(58)
def test_gradients_that_overflow_where_states_do_not(tmp_path):
    """A network at rest stays there without input, however unstable: 1e30 to the 20th is 1e600."""
    module = scaled_rnn(1e30, bias=False)
    save(tmp_path / "m.pt", module)
    at_rest = ("--input", "zero", "--initial-state", "zero", "--seq-len", 20)
    ran = rnndiag("bptt-trace", "m.pt", *at_rest, "--format", "json", folder=tmp_path)
    assert (ran.returncode, ran.stderr) == (0, "")
    layer = only_layer(ran.stdout)
    (drive,) = layer["trace"]["drives"]
    assert (drive["verdict"], drive["overflow_step"]) == ("exploding", None)
    assert drive["log10_gradient_norm"] == pytest.approx([30 * lag for lag in range(21)], rel=1e-6)
