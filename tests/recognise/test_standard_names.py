"""nn.RNN, nn.GRU, nn.LSTM and their cells, as torch itself names and shapes them."""

from __future__ import annotations

import itertools
import time

import pytest
import torch
from recognise.wrapping import checkpoint, state

from rnndiag.recognise import recognise
from rnndiag.recognise.optimizers import optimizers

KINDS = {"rnn": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM}
CELLS = {"rnn": torch.nn.RNNCell, "gru": torch.nn.GRUCell, "lstm": torch.nn.LSTMCell}
SIZES = [(3, 5), (5, 5), (1, 1), (4, 1), (1, 4), (12, 3), (3, 12), (16, 4)]
OPTIONS = list(itertools.product(KINDS, (1, 2, 3), (False, True), (False, True)))


@pytest.mark.parametrize(("inputs", "hidden"), SIZES)
@pytest.mark.parametrize(("kind", "depth", "both", "bias"), OPTIONS)
def test_every_stack_is_found_as_torch_built_it(kind, depth, both, bias, inputs, hidden):
    module = KINDS[kind](inputs, hidden, depth, bias=bias, bidirectional=both)
    found = recognise(checkpoint(state(module, "encoder.rnn.")))
    assert found.unrecognised == ()
    (recognised,) = found.modules
    assert recognised.name == "encoder.rnn"
    assert recognised.bidirectional == both
    assert recognised.input_size == inputs
    assert recognised.output_size == hidden
    assert [len(layers) for layers in recognised.layers] == [1 + both] * depth
    for layer in recognised.flat:
        reverse = "_reverse" if layer.direction == "reverse" else ""
        assert layer.cell == kind
        assert layer.hidden_size == layer.output_size == hidden
        assert layer.input_size == (inputs if layer.layer == 0 else hidden * (1 + both))
        assert (layer.bias_ih is not None) == (layer.bias_hh is not None) == bias
        assert layer.keys[0] == f"encoder.rnn.weight_hh_l{layer.layer}{reverse}"
        assert bool(layer.assumptions) == (kind == "rnn")
        expected = getattr(module, f"weight_ih_l{layer.layer}{reverse}")
        assert layer.weight_ih.identity[0] == expected.untyped_storage().data_ptr()


@pytest.mark.parametrize(("depth", "both", "bias"), {option[1:] for option in OPTIONS})
@pytest.mark.parametrize(("hidden", "projection"), [(6, 2), (4, 3), (8, 6), (2, 1), (9, 6)])
def test_projected_lstms(depth, both, bias, hidden, projection):
    module = torch.nn.LSTM(5, hidden, depth, bias=bias, bidirectional=both, proj_size=projection)
    found = recognise(checkpoint(state(module)))
    (recognised,) = found.modules
    assert recognised.name == ""
    assert recognised.output_size == projection
    for layer in recognised.flat:
        assert (layer.cell, layer.hidden_size) == ("lstm", hidden)
        assert layer.projection_size == layer.output_size == projection
        assert any("weight_hr" in key for key in layer.keys)


@pytest.mark.parametrize(("inputs", "hidden"), SIZES)
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("kind", CELLS)
def test_cells_are_modules_of_one_layer(kind, bias, inputs, hidden):
    module = CELLS[kind](inputs, hidden, bias=bias)
    (recognised,) = recognise(checkpoint(state(module, "cell."))).modules
    (layer,) = recognised.flat
    assert (layer.cell, layer.layer, layer.direction) == (kind, 0, "forward")
    assert (layer.input_size, layer.hidden_size) == (inputs, hidden)
    assert (layer.bias_ih is not None) == bias


@pytest.mark.parametrize(
    "prefix",
    [
        "",
        "lstm",
        "module.rnn",
        "_orig_mod.hindcast_lstm",
        "model_state_dict.lstm",
        "0.base.node.gru",
        "A/encoder",
        "A->B/encoder",
        "weight_hh_l0",
        "line\nbreak",
        "a..b",
        "[red]x[/red]",
    ],
)
def test_any_prefix_stays_as_it_is_in_the_file(prefix):
    dot = "." if prefix else ""
    found = recognise(checkpoint(state(torch.nn.LSTM(2, 3), prefix + dot)))
    assert [module.name for module in found.modules] == [prefix]


def test_modules_are_sorted_by_name_and_keep_apart():
    tensors = state(torch.nn.GRU(2, 3), "b.") | state(torch.nn.LSTMCell(2, 3), "a.")
    found = recognise(checkpoint(tensors))
    assert [(module.name, module.flat[0].cell) for module in found.modules] == [
        ("a", "lstm"),
        ("b", "gru"),
    ]


def test_shapes_decide_where_names_lie():
    found = recognise(checkpoint(state(torch.nn.GRUCell(91, 128), "decoder.lstm_cell.")))
    assert found.modules[0].flat[0].cell == "gru"


def test_eleven_layers_are_ordered_as_numbers():
    found = recognise(checkpoint(state(torch.nn.GRU(2, 2, 11))))
    assert [layer.layer for layer in found.modules[0].flat] == list(range(11))


@pytest.mark.parametrize(
    ("values", "activation"),
    [
        ({"net.mode": "RNN_RELU"}, "relu"),
        ({"net.mode": "RNN_TANH"}, "tanh"),
        ({"net.nonlinearity": "relu"}, "relu"),
        ({"net.nonlinearity": "tanh"}, "tanh"),
    ],
)
def test_the_activation_a_module_names_is_no_assumption(values, activation):
    (module,) = recognise(checkpoint(state(torch.nn.RNN(2, 3), "net."), values)).modules
    assert module.flat[0].activation == activation
    assert module.flat[0].assumptions == ()


@pytest.mark.parametrize("values", [{}, {"net.mode": "train"}, {"mode": "RNN_RELU"}])
def test_an_activation_not_named_is_assumed_and_said(values):
    (module,) = recognise(checkpoint(state(torch.nn.RNN(2, 3), "net."), values)).modules
    assert module.flat[0].activation == "tanh"
    assert module.flat[0].assumptions == (
        "activation tanh assumed: the file does not say; "
        "declare with --as net.weight_hh_l0=rnn:relu",
    )


def test_two_dimensional_biases_of_old_files():
    tensors = state(torch.nn.LSTMCell(2, 3), "layers.0.")
    for name in ("layers.0.bias_ih", "layers.0.bias_hh"):
        tensors[name] = tensors[name][None]
    found = recognise(checkpoint(tensors))
    assert found.unrecognised == ()
    assert found.modules[0].flat[0].bias_hh.shape == (1, 12)


def test_lists_of_a_pickled_module_add_nothing():
    module = torch.nn.LSTM(2, 3)
    tensors = state(module, "rnn.")
    for number, weight in enumerate(module._flat_weights):
        tensors[f"rnn._flat_weights.{number}"] = weight
        tensors[f"rnn._all_weights.0.weight_hh_l{number}"] = weight
    found = recognise(checkpoint(tensors))
    assert [module.name for module in found.modules] == ["rnn"]
    assert found.unrecognised == ()


def test_a_second_name_of_one_storage_is_the_same_layer():
    module = torch.nn.GRU(2, 3, 2)
    tensors = state(module, "first.") | state(module, "a.") | state(torch.nn.GRU(2, 3), "other.")
    found = recognise(checkpoint(tensors))
    assert [module.name for module in found.modules] == ["first", "other"]


def test_optimizer_state_is_no_layer():
    tensors = state(torch.nn.LSTM(2, 3), "model.")
    for moment in ("exp_avg", "exp_avg_sq"):
        for name, tensor in list(tensors.items()):
            if name.startswith("model."):
                tensors[f"optimizer.state.{name[6:]}.{moment}"] = tensor.clone()
                tensors[f"{moment}.{name[6:]}"] = tensor.clone()
    tensors["optimizer.param_groups.0.params.weight_hh_l0"] = torch.zeros(12, 3)
    tensors["optimizer.state.recurrent.weight.momentum_buffer"] = torch.zeros(3, 3)
    found = recognise(checkpoint(tensors))
    assert [module.name for module in found.modules] == ["model"]
    assert found.unrecognised == ()
    assert found.readout_candidates == ()


def test_embeddings_and_readouts_stand_in_file_order():
    tensors = {
        "head.weight": torch.zeros(7, 6),
        "embedding.weight": torch.zeros(11, 4),
        **state(torch.nn.LSTM(4, 3, bidirectional=True), "rnn."),
        "one_way.weight": torch.zeros(2, 3),
        "word_emb.table_weight": torch.zeros(5, 4),
        "ensemble.weight": torch.zeros(2, 5),
        "remember.weight": torch.zeros(2, 4),
        "conv.weight": torch.zeros(2, 3, 1),
        "count.weight": torch.zeros(2, 3, dtype=torch.int64),
        "optimizer.state.0.exp_avg": torch.zeros(2, 3),
        "tied.weight": torch.zeros(0),
    }
    tensors["tied.weight"] = tensors["head.weight"]
    found = recognise(checkpoint(tensors))
    assert found.embedding_candidates == ("embedding.weight", "word_emb.table_weight")
    assert found.readout_candidates == ("head.weight", "one_way.weight")


@pytest.mark.parametrize("part", ["state", "optimizer.state", "state.0", "param_groups.state"])
def test_names_made_to_be_matched_over_and_over_take_linear_time(part):
    names = [".".join([part] * 50_000) + end for end in (".", ".x", ".exp_avg_sq.")]
    described = checkpoint({name: torch.zeros(1) for name in names})
    began = time.process_time()
    assert not recognise(described).modules
    assert not [found for found in optimizers(described) if not found.states]
    assert time.process_time() - began < 5
