"""Cells of one matrix over the input and the hidden state: world models, TensorFlow, ConvLSTM."""

from __future__ import annotations

import re

from rnndiag.recognise.families.base import TRANSPOSED, TWO_MATRICES, Family

NAMED_CELL = re.compile(r"(?:rnn|lstm|gru|cell|core)[0-9]*\.$")
CELL = re.compile(r"cell[0-9]*\.$")
LSTM = re.compile(r"lstm[^.]*\.$")
GRU = re.compile(r"gru[^.]*\.$")
CONVOLUTIONAL = re.compile(r"(?:lstm[^.]*|lstm[^.]*\.[0-9]+|celllist\.[0-9]+|(?:^|\.)cell)\.$")

FUSED: tuple[Family, ...] = (
    *(
        Family(
            f"{kind} in one matrix over input and state",
            {name: f"({gates}H, H+I)", f"{norm}": f"({gates}H,)"},
            within=within,
            whole=within is not None,
        )
        for kind, gates, within, pairs in (
            ("a GRU", 3, None, (("GRU_linear", "GRU_norm"), ("gru_linear", "gru_norm.scale"))),
            ("a GRU", 3, CELL, (("layer", "norm"), ("linear", "norm"), ("gates", "norm"))),
            ("a GRU", 3, GRU, (("gates", "gates.bias"), ("W", "b"))),
            ("an LSTM", 4, CELL, (("gates", "norm"), ("linear", "norm"), ("layer", "norm"))),
            ("an LSTM", 4, NAMED_CELL, (("gates", "gates.bias"), ("W_gates", "b_gates"))),
            ("an LSTM", 4, LSTM, (("W", "b"), ("linear_gates", "linear_gates.bias"))),
        )
        for name, norm in pairs
    ),
    *(
        Family(
            f"{kind} in one transposed matrix over input and state",
            {name: f"(H+I, {gates}H)", bias: f"({gates}H,)"},
            within=within,
            whole=within is not None,
            why=TRANSPOSED,
        )
        for kind, gates, within in (("an LSTM", 4, LSTM), ("a GRU", 3, GRU))
        for name, bias in (("kernel", "bias"), ("linear.w", "linear.b"), ("w_gates", "b_gates"))
    ),
    Family(
        "a GRU in one transposed matrix over input and state",
        {"gru.kernel": "(H+I, 3H)", "gru.norm.scale | gru_norm.scale | norm.scale": "(3H,)"},
        why=TRANSPOSED,
    ),
    *(
        Family(
            f"{kind} in one matrix over input and state",
            {name: f"({gates}H, H+I)", f"{name}.bias": f"({gates}H,)"},
            whole=True,
        )
        for kind, gates, names in (
            ("an LSTM", 4, ("lstm", "lstm_cell", "lstm_linear", "linear_lstm")),
            ("a GRU", 3, ("gru", "gru_cell", "gru_linear", "linear_gru")),
        )
        for name in names
    ),
    Family(
        "a GRU in one matrix over input and state",
        {"linear": "(3H, H+I)", "layer_norm | norm": "(3H,)"},
        certain=False,
        within=re.compile(r"(?:^|\.)(?:rnn|gru)[0-9]*\.$"),
        whole=True,
    ),
    Family(
        "a GRU in TensorFlow's layout",
        {"w_ru": "(A, 2H)", "w_c": "(A, H)"},
        {"b_ru": "(2H,)", "b_c": "(H,)"},
        why=TRANSPOSED,
    ),
    Family(
        "a GRU in Theano's layout",
        {
            "state_to_gates | state_to_gates.W": "(H, 2H)",
            "state_to_state | state_to_state.W": "(H, H)",
        },
        why=TRANSPOSED,
    ),
    Family(
        "a GRU in TensorFlow's layout",
        {"gates.kernel": "(A, 2H)", "candidate.kernel": "(A, H)"},
        {"gates.bias": "(2H,)", "candidate.bias": "(H,)"},
        why=TRANSPOSED,
    ),
    Family(
        "a ConvGRU",
        {
            "conv_gates": "(2C, C+X, k, *)",
            "conv_can | conv_candidate | conv_cand": "(C, C+X, k, *)",
        },
        {"conv_gates.bias": "(2C,)"},
    ),
    Family(
        "a ConvLSTM",
        {"conv | Gates | gates | conv2d": "(4C, C+X, k, *)", "conv.bias | Gates.bias": "(4C,)"},
        within=CONVOLUTIONAL,
        whole=True,
    ),
    Family(
        "a ConvLSTM",
        {"conv | Gates | gates | conv2d": "(4C, C+X, k, *)"},
        certain=False,
        within=CONVOLUTIONAL,
        whole=True,
    ),
    Family(
        "a spatio-temporal LSTM (PredRNN)",
        {"conv_h.0 | conv_h": "(4C, C, k, *)", "conv_x.0 | conv_x": "(7C, X, k, *)"},
        {"conv_m.0 | conv_m": "(3C, C, k, *)"},
    ),
    Family(
        "a plain RNN in one matrix over the input and the hidden state side by side",
        {"i2h": "(H, H+I)", "i2o": "(O, H+I)"},
        why=TWO_MATRICES,
    ),
    Family(
        "a plain or rate RNN in one matrix over the input and the hidden state side by side",
        {"affine": "(H, H+I)", "affine.bias": "(H,)"},
        certain=False,
        within=NAMED_CELL,
        whole=True,
        why=TWO_MATRICES,
    ),
)
"""One matrix for the input and the hidden state."""
