"""Kinds whose step is their own: normalised and transposed cells, SRU, LMU, liquid, low rank."""

from __future__ import annotations

import re

from rnndiag.recognise.families.base import ELSEWHERE, TRANSPOSED, Family

OWN: tuple[Family, ...] = (
    Family(
        "a layer-normalised LSTM",
        {
            "weight_hh": "(4H, H)",
            "weight_ih": "(4H, I)",
            "layernorm_h | ln_h | norm_h | ln_hh | norm_hh | layer_norm_hh": "(4H,)",
        },
        {
            "layernorm_i | ln_i | norm_i | ln_ih | norm_ih | layer_norm_ih": "(4H,)",
            "layernorm_c | ln_c | norm_c | ln_ho | layer_norm_c": "(H,)",
            "bias_hh | bias": "(4H,)",
            "bias_ih": "(4H,)",
        },
        why="its norms take part in the step",
    ),
    Family(
        "an EA-LSTM",
        {
            "weight_hh": "(H, 3H) | (3H, H)",
            "weight_ih": "(I, 3H) | (3H, I)",
            "weight_sh": "(S, H) | (H, S)",
        },
        {"bias": "(3H,)", "bias_s": "(H,)"},
        why="its input gate is fed once for all steps",
    ),
    Family(
        "an EA-LSTM",
        {
            "dynamic_gates.weight_hh": "(H, 3H) | (3H, H)",
            "dynamic_gates.weight_ih": "(I, 3H) | (3H, I)",
            "input_gate | input_gate.0 | input_gate.input_gate": "(H, S)",
        },
        {"dynamic_gates.bias": "(3H,)", "input_gate.bias": "(H,)"},
        why="its input gate is fed once for all steps",
    ),
    *(
        Family(
            kind,
            {"weight_hh": hidden, "weight_ih": inputs},
            {"bias": bias, "bias_hh": bias, "bias_ih": bias, "bias_s": "(H,)"},
            why=TRANSPOSED,
        )
        for kind, hidden, inputs, bias in (
            ("an LSTM with transposed matrices", "(H, 4H)", "(I, 4H)", "(4H,)"),
            ("a GRU or an EA-LSTM with transposed matrices", "(H, 3H)", "(I, 3H)", "(3H,)"),
            ("a plain RNN with a transposed input matrix", "(H, H)", "(I, H)", "(H,)"),
        )
    ),
    Family(
        "an IndRNN",
        {
            "weight_hh | recurrent_kernel | weight_rec": "(H,)",
            "weight_ih | kernel": "(H, I) | (I, H)",
        },
        {"bias_ih | bias": "(H,)"},
        why="its recurrence is one number for each unit",
    ),
    Family(
        "a projected LSTM in AllenNLP's layout",
        {
            "state_linearity": "(4C, P)",
            "state_projection": "(P, C)",
            "input_linearity": "(4C, I)",
        },
        {"state_linearity.bias": "(4C,)"},
        why="a projection cannot be declared",
    ),
    Family(
        "a projected LSTM in AllenNLP's layout",
        {"state_linearity": "(4C, P)", "state_projection": "(P, C)"},
        {"state_linearity.bias": "(4C,)"},
        why="a projection cannot be declared",
    ),
    Family(
        "an LSTM with highway connections in AllenNLP's layout",
        {"state_linearity": "(5H, H)", "input_linearity": "(6H, I)"},
        {"state_linearity.bias": "(5H,)"},
    ),
    Family(
        "an LSTM in AllenNLP's layout",
        {"state_linearity": "(4H, H)", "input_linearity": "(4H, I)"},
        {"state_linearity.bias": "(4H,)"},
        cell="lstm",
    ),
    Family(
        "an LMU (Legendre memory unit)",
        {"W_m": "(H, M)", "W_h": "(H, H)", "e_h": "(1, H) | (H,)", "e_m": "(1, M) | (M,)"},
        {"W_x": "(H, I)", "e_x": "(1, I) | (I,)", "A": "(M, M)", "B": "(M, 1)"},
    ),
    Family(
        "an LTC (liquid time constants)",
        {"gleak": "(H,)", "vleak": "(H,)", "cm": "(H,)", "sigma": "(H, H)", "mu": "(H, H)"},
        {
            **{"w": "(H, H)", "erev": "(H, H)", "sparsity_mask": "(H, H)"},
            **{f"sensory_{name}": "(I, H)" for name in ("w", "mu", "sigma", "erev")},
        },
        why="each step is several implicit ones",
    ),
    Family(
        "a CfC (closed-form continuous-time network)",
        {"ff1": "(H, B)", "ff2": "(H, B)", "time_a": "(H, B)", "time_b": "(H, B)"},
        {"backbone.0": "(B, A)"},
    ),
    Family(
        "a CfC (closed-form continuous-time network)",
        {"w_tau": "(1, H) | (H,)", "A": "(1, H) | (H,)", "ff1": "(H, B)"},
        {"backbone.0": "(B, A)"},
    ),
    Family(
        "an SRU",
        {"weight_c": "(2H,)", "weight": "(I, 3H) | (I, 4H)"},
        {"bias": "(2H,)", "weight_proj": "(I, P)"},
        why="it has no W_hh",
        whole=True,
    ),
    Family("an SRU", {"weight_c": "(2H,)", "bias": "(2H,)"}, why="it has no W_hh", whole=True),
    Family(
        "a light GRU (LiGRU)",
        {"u": "(2H, H)", "w": "(2H, I)", "norm": "(2H,)"},
        {"norm.bias": "(2H,)"},
        outside=ELSEWHERE,
        why="its norms take part in the step",
        whole=True,
    ),
    Family(
        "a QRNN",
        {"linear": "(3H, I)", "linear.bias": "(3H,)"},
        within=re.compile(r"qrnn|quasi"),
        why="its gates depend on the input alone, there is no W_hh",
        whole=True,
    ),
    Family(
        "a QRNN",
        {"linear": "(3H, I)", "linear.bias": "(3H,)"},
        certain=False,
        within=re.compile(r"rnns?\.[0-9]+\.layers\.[0-9]+\.$"),
        whole=True,
    ),
    Family(
        "an sLSTM (xLSTM)",
        {"_recurrent_kernel_": "(h, 4d, d) | (h, d, 4d)", "_bias_": "(4hd,) | (h, 4d)"},
        why="its gates are exponential",
    ),
    Family(
        "an sLSTM (xLSTM)",
        {
            "R_i | r_i": "(H, H)",
            "R_f | r_f": "(H, H)",
            "R_z | r_z": "(H, H)",
            "R_o | r_o": "(H, H)",
        },
        {"W_i": "(H, I)", "W_f": "(H, I)", "W_z": "(H, I)", "W_o": "(H, I)"},
        why="its gates are exponential",
    ),
    Family(
        "an mLSTM (xLSTM)",
        {
            "fgate | fgate_preact": "(h, X)",
            "igate | igate_preact": "(h, X)",
            "fgate.bias | fgate_preact.bias": "(h,)",
        },
        {"igate.bias | igate_preact.bias": "(h,)", "ogate | ogate_preact": "(Y, X)"},
        why="its state is a matrix that a gate for each head decays",
    ),
    Family(
        "a FastGRNN",
        {"zeta": "(1, 1)", "nu": "(1, 1)", "bias_gate": "(1, H)", "bias_update": "(1, H)"},
        {"W": "(I, H)", "U": "(H, H)", "W1": "(I, R)", "W2": "(R, H)", "U1": "(H, S)"},
    ),
    Family(
        "a phased LSTM",
        {"tau": "(H,) | (1, H)", "phase": "(H,) | (1, H)"},
        {"weight_hh": "(4H, H)", "weight_ih": "(4H, I)", "bias_hh": "(4H,)", "bias_ih": "(4H,)"},
        within=re.compile(r"phase|plstm|lstm|rnn|cell"),
        why="its time gate takes part in the step",
        whole=True,
    ),
    Family(
        "a low-rank recurrence",
        {"m": "(N, R)", "n": "(N, R) | (R, N)"},
        {"w_inp | wi": "(*)", "w_out | wo": "(*)"},
        why="W_hh is the product of the two and is not stored",
        smaller=("R", "N"),
        whole=True,
    ),
    Family(
        "a low-rank recurrence",
        {"m": "(R, N)", "n": "(N, R)"},
        why="W_hh is the product of the two and is not stored",
        smaller=("R", "N"),
        whole=True,
    ),
    Family(
        "a low-rank recurrence",
        {"U": "(N, R)", "V": "(N, R) | (R, N)"},
        certain=False,
        within=re.compile(r"rnn[^.]*\.$"),
        whole=True,
        smaller=("R", "N"),
    ),
    Family(
        "an echo-state network",
        {
            "W_res | reservoir | W_reservoir | Wr | W": "(N, N)",
            "W_in | Win": "(N, I)",
            "W_out | Wout": "(O, R) | (R, O)",
        },
        whole=True,
        why="a leak would be in the code and not in the file",
    ),
    Family(
        "an echo-state network",
        {"W_res | reservoir | W_reservoir": "(N, N)", "W_in | Win": "(N, I) | (I, N)"},
        why="a leak would be in the code and not in the file",
    ),
    Family(
        "an echo-state network",
        {"W": "(N, N)", "W_in | Win": "(N, I) | (I, N)"},
        whole=True,
        within=re.compile(r"(?:reservoir|esn)[^.]*\.$"),
        why="a leak would be in the code and not in the file",
    ),
)
"""Kinds with tensors of their own."""
