"""Recurrent names whose tensors cannot be measured: one entry, both keys, both shapes."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from recognise.wrapping import checkpoint, state

from rnndiag.recognise import explain_absence, recognise


def only_entry(tensors, values=None):
    found = recognise(checkpoint(tensors, values))
    assert found.modules == ()
    (entry,) = found.unrecognised
    return entry


def stack(kind=torch.nn.LSTM, depth=3, **options):
    return state(kind(5, 4, depth, **options), "rnn.")


@pytest.mark.parametrize(
    ("missing", "beside"),
    [
        ("rnn.weight_hh_l1", "rnn.weight_ih_l1 (16, 4)"),
        ("rnn.weight_ih_l1", "rnn.weight_hh_l1 (16, 4)"),
        ("rnn.bias_hh_l1", "rnn.bias_ih_l1 (16,)"),
        ("rnn.bias_ih_l2", "rnn.bias_hh_l2 (16,)"),
    ],
)
def test_a_missing_parameter_is_named_with_one_beside_it(missing, beside):
    tensors = stack()
    del tensors[missing]
    entry = only_entry(tensors)
    assert missing in entry.reason
    assert beside in entry.reason


def test_two_of_pytorch_s_names_that_agree_are_certainly_a_recurrence_s():
    tensors = stack(depth=1)
    del tensors["rnn.bias_hh_l0"]
    assert only_entry(tensors).certain
    assert not only_entry({"rnn.weight_hh_l0": torch.zeros(16, 4)}).certain
    module = torch.nn.LSTM(5, 4)
    torch.nn.utils.spectral_norm(module, "weight_hh_l0")
    assert only_entry(state(module)).certain


def test_a_missing_layer_and_a_missing_direction():
    tensors = {name: tensor for name, tensor in stack().items() if "_l1" not in name}
    entry = only_entry(tensors)
    assert "rnn.weight_hh_l1 is missing" in entry.reason
    assert "rnn.weight_hh_l2 (16, 4)" in entry.reason
    both = stack(depth=2, bidirectional=True)
    entry = only_entry({n: t for n, t in both.items() if not n.endswith("l1_reverse")})
    assert "rnn.weight_hh_l1_reverse is missing" in entry.reason
    entry = only_entry({n: t for n, t in both.items() if n.endswith("reverse")})
    assert "rnn.weight_hh_l0 is missing" in entry.reason


@pytest.mark.parametrize("layer", ["l1", "l2"])
def test_biases_in_some_layers_only(layer):
    tensors = stack()
    del tensors[f"rnn.bias_ih_{layer}"], tensors[f"rnn.bias_hh_{layer}"]
    assert f"rnn.bias_hh_{layer} is missing" in only_entry(tensors).reason


@pytest.mark.parametrize(
    ("name", "shape", "other"),
    [
        ("rnn.weight_ih_l0", (12, 5), "rnn.weight_hh_l0 (16, 4)"),
        ("rnn.weight_ih_l1", (16, 5), "rnn.weight_hh_l0 (16, 4)"),
        ("rnn.bias_ih_l1", (15,), "rnn.weight_hh_l1 (16, 4)"),
        ("rnn.bias_hh_l0", (2, 16), None),
        ("rnn.bias_hh_l0", (4, 4), None),
        ("rnn.weight_hh_l0", (16, 5), "weight_hr_l0"),
        ("rnn.weight_hh_l0", (16, 4, 1), None),
        ("rnn.weight_hh_l0", (), None),
        ("rnn.weight_hh_l0", (0, 0), None),
        ("rnn.weight_ih_l0", (16, 0), None),
    ],
)
def test_shapes_that_disagree_are_named_with_both_keys(name, shape, other):
    tensors = stack()
    tensors[name] = torch.zeros(shape)
    reason = only_entry(tensors).reason
    assert name in reason
    assert other is None or other in reason
    assert str(shape) in reason or "no dimensions" in reason


def test_every_layer_that_is_wrong_by_itself_has_its_own_entry():
    tensors = stack()
    del tensors["rnn.bias_hh_l0"], tensors["rnn.bias_hh_l2"]
    entries = recognise(checkpoint(tensors)).unrecognised
    assert [entry.name for entry in entries] == ["rnn.weight_hh_l0", "rnn.weight_hh_l2"]


def test_layers_of_two_kinds_under_one_prefix():
    tensors = stack(torch.nn.GRU, 1) | {
        name.replace("l0", "l1"): tensor
        for name, tensor in state(torch.nn.LSTM(4, 4), "rnn.").items()
    }
    reason = only_entry(tensors).reason
    assert "rnn.weight_hh_l0 (12, 4)" in reason
    assert "rnn.weight_hh_l1 (16, 4)" in reason


def test_a_cell_and_a_layer_under_one_prefix():
    tensors = stack(torch.nn.GRU, 1) | state(torch.nn.GRUCell(5, 4), "rnn.")
    assert "rnn.weight_hh_l0 (12, 4)" in only_entry(tensors).reason


def test_a_projection_that_does_not_fit():
    tensors = state(torch.nn.LSTM(5, 4, proj_size=2), "rnn.")
    tensors["rnn.weight_hr_l0"] = torch.zeros(2, 5)
    assert "rnn.weight_hr_l0 (2, 5)" in only_entry(tensors).reason
    tensors = state(torch.nn.LSTM(5, 4, 2, proj_size=2), "rnn.")
    del tensors["rnn.weight_hr_l1"]
    assert "rnn.weight_hr_l1" in only_entry(tensors).reason


@pytest.mark.parametrize("dtype", [torch.int32, torch.int64, torch.bool, torch.complex64])
@pytest.mark.parametrize("name", ["rnn.weight_hh_l0", "rnn.weight_ih_l0", "rnn.bias_ih_l0"])
def test_numbers_that_are_no_weights(dtype, name):
    tensors = stack(depth=1)
    tensors[name] = tensors[name].to(dtype)
    reason = only_entry(tensors).reason
    assert name in reason
    assert str(dtype)[6:] in reason


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_every_floating_type_is_a_weight(dtype):
    tensors = {name: tensor.to(dtype) for name, tensor in stack().items()}
    assert len(recognise(checkpoint(tensors)).modules) == 1


@pytest.mark.parametrize("number", ["9" * 5000, "07", "-1", "\N{ARABIC-INDIC DIGIT THREE}"])
def test_layer_numbers_out_of_all_bounds(number):
    found = recognise(checkpoint({f"rnn.weight_hh_l{number}": torch.zeros(4, 4)}))
    assert found.modules == ()


def test_spectral_norm_is_said_and_not_measured():
    module = torch.nn.LSTM(5, 4)
    torch.nn.utils.spectral_norm(module, "weight_hh_l0")
    entry = only_entry(state(module, "rnn."))
    assert entry.reason.startswith("spectral_norm: cannot be rebuilt from the file alone")
    assert "rnn.weight_hh_l0_orig, rnn.weight_hh_l0_u" in entry.reason


@pytest.mark.parametrize(
    ("wrap", "kind"),
    [
        (torch.nn.utils.parametrizations.spectral_norm, "spectral_norm"),
        (torch.nn.utils.parametrizations.orthogonal, "orthogonal parametrization"),
        (
            lambda module, name: torch.nn.utils.parametrize.register_parametrization(
                module, name, torch.nn.Tanh()
            ),
            "parametrization",
        ),
    ],
)
@pytest.mark.parametrize("name", ["weight_hh_l0", "weight_ih_l0"])
def test_other_parametrizations_are_said_and_not_measured(wrap, kind, name):
    module = torch.nn.LSTM(5, 4)
    wrap(module, name)
    for prefix in ("", "rnn."):
        entry = only_entry(state(module, prefix))
        assert entry.reason.startswith(f"{kind}: cannot be rebuilt from the file alone")
        assert f"{prefix}parametrizations.{name}.original" in entry.reason


@pytest.mark.parametrize(
    ("missing", "kind"), [("g", "weight_norm"), ("v", "weight_norm"), ("orig", "pruning")]
)
def test_a_missing_part_is_said(missing, kind):
    tensors = stack(depth=1)
    weight = tensors.pop("rnn.weight_hh_l0")
    other = {"g": "v", "v": "g", "orig": "mask"}[missing]
    tensors[f"rnn.weight_hh_l0_{other}"] = weight
    assert only_entry(tensors).reason.startswith(f"{kind}, of which a part is missing")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"g": (15, 1)}, {"v": (16, 4)}),
        ({"g": (16,)}, {"v": (16, 4)}),
        ({"orig": (16, 4)}, {"mask": (16, 1)}),
        ({"orig": (16, 4)}, {"mask": (4, 16)}),
    ],
)
def test_parts_that_do_not_fit_together(first, second):
    tensors = stack(depth=1)
    del tensors["rnn.weight_hh_l0"]
    for part, shape in (first | second).items():
        tensors[f"rnn.weight_hh_l0_{part}"] = torch.ones(shape)
    reason = only_entry(tensors).reason
    assert "do not fit together" in reason
    assert all(str(shape) in reason for shape in (first | second).values())


def test_one_bad_module_leaves_the_others():
    tensors = stack(depth=1) | state(torch.nn.GRU(2, 3), "good.")
    del tensors["rnn.bias_hh_l0"]
    found = recognise(checkpoint(tensors))
    assert [module.name for module in found.modules] == ["good"]
    assert [entry.name for entry in found.unrecognised] == ["rnn.weight_hh_l0"]


def test_a_file_without_recurrence_names_what_it_would_have_imported():
    """A pickle that runs code is refused for its lack of weights; its wishes are said as well."""
    harmless = checkpoint({"w": torch.ones(3, 3)})
    hostile = replace(harmless, would_import=("collections.OrderedDict", "posix.system"))
    message = explain_absence(hostile, recognise(hostile)).what
    assert message.endswith("(a trusting load would import posix.system)")
    assert "import" not in explain_absence(harmless, recognise(harmless)).what
