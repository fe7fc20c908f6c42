"""Linear recurrences: state spaces, linear attention with a decay, delta rules, RWKV, minGRU.

The names are those of the published code of each; the table they were taken from tells what the
decay is (Gu et al. 2022; Gu & Dao 2024; Yang et al. 2024; Peng et al. 2023, 2024, 2025).
"""

from __future__ import annotations

import re

from rnndiag.recognise.families.base import Family

RETENTION = re.compile(r"reten|retnet")
LIKELY = re.compile(r"rnn|gru|lstm|min")

DIAGONAL = "its recurrence is diagonal, there is no W_hh"
BY_HEADS = "its decay depends on the data, there is no W_hh"
DELTA = "its step is a rank-one correction for each head, there is no W_hh"

RWKV = {"key": "(*)", "value": "(*)", "output": "(*)", "gate": "(*)", "ln_x": "(*)"}

LINEAR: tuple[Family, ...] = (
    Family(
        "Jamba's Mamba layer",
        {"A_log": "(D, N)", "x_proj": "(R+2N, D)", "dt_proj": "(D, R)", "dt_layernorm": "(R,)"},
        {"dt_proj.bias": "(D,)", "D": "(D,)", "conv1d": "(D, 1, K)", "in_proj": "(2D, d)"},
        why=BY_HEADS,
    ),
    Family(
        "a Mamba layer (or Falcon-Mamba, which has the same tensors)",
        {"A_log | log_A": "(D, N)", "x_proj": "(R+2N, D)", "dt_proj": "(D, R)"},
        {
            **{"dt_proj.bias": "(D,)", "D": "(D,)", "conv1d": "(D, 1, K)", "in_proj": "(2D, d)"},
            **{"A_b_log": "(D, N)", "x_proj_b": "(R+2N, D)", "dt_proj_b": "(D, R)"},
        },
        why=BY_HEADS,
    ),
    Family(
        "a Mamba layer with a scan for each direction (as in vision models)",
        {"A_logs": "(KD, N)", "x_proj_weight": "(K, B, D)", "dt_projs_weight": "(K, D, R)"},
        {"dt_projs_bias": "(K, D)", "Ds": "(KD,)"},
        why=BY_HEADS,
    ),
    Family(
        "a Mamba layer by heads (as in Zamba)",
        {"A_log": "(h, P, N)", "x_proj_weight": "(h, B, P)", "dt_proj_weight": "(h, P, R)"},
        {"dt_proj_bias": "(h, P)", "D": "(h, P)"},
        why=BY_HEADS,
    ),
    Family(
        "a Kimi delta attention layer",
        {"A_log": "(H,) | (1, 1, H, 1)", "dt_bias": "(Hk,)", "f_a_proj": "(F, d)"},
        {"f_b_proj": "(Hk, F)", "b_proj": "(H, d)"},
        why=DELTA,
    ),
    Family(
        "a Kimi delta attention layer",
        {"A_log": "(H,)", "dt_bias": "(Hk,)", "f_proj.0": "(F, d)", "f_proj.1": "(Hk, F)"},
        {"b_proj": "(H, d)"},
        why=DELTA,
    ),
    Family(
        "a gated DeltaNet layer",
        {"A_log | log_A": "(H,)", "dt_bias": "(H,)", "in_proj_ba": "(2H, d)"},
        {"in_proj_qkvz": "(Z, d)", "conv1d": "(K, 1, k)"},
        why=DELTA,
    ),
    Family(
        "a gated DeltaNet layer",
        {"A_log | log_A": "(H,)", "dt_bias": "(H,)", "in_proj_a": "(H, d)", "in_proj_b": "(H, d)"},
        {"in_proj_qkv": "(Z, d)", "in_proj_z": "(Y, d)", "conv1d": "(K, 1, k)"},
        why=DELTA,
    ),
    Family(
        "a gated DeltaNet layer",
        {"A_log | log_A": "(H,)", "dt_bias": "(H,)", "a_proj": "(H, d)", "b_proj": "(B, d)"},
        {"q_proj": "(K, d)", "k_proj": "(J, d)", "v_proj": "(V, d)"},
        why=DELTA,
    ),
    Family(
        "a Mamba-2 layer",
        {"A_log | log_A": "(H,)", "dt_bias": "(H,)", "in_proj": "(Z, d)", "conv1d": "(C, 1, K)"},
        {"D": "(H,) | (Hp,) | (H, p)", "norm": "(Y,)"},
        why=BY_HEADS,
    ),
    Family(
        "a recurrence with a decay for each head (Mamba-2 or kin)",
        {"A_log | log_A": "(H,)", "dt_bias": "(H,)"},
        {"D": "(H,)"},
        why=BY_HEADS,
    ),
    Family(
        "a selective state-space layer (Mamba or kin)",
        {"A_log | log_A": "(D, N)", "D": "(D,)", "x_proj | dt_proj | in_proj | conv1d": "(*)"},
        why=BY_HEADS,
    ),
    Family(
        "a gated linear attention layer (GLA)",
        {"gk_proj.0": "(L, d)", "gk_proj.1": "(K, L)", "k_proj": "(K, d)"},
        {"gk_proj.1.bias": "(K,)", "q_proj": "(Q, d)", "v_proj": "(V, d)", "g_proj": "(V, d)"},
        why="the divisor of its decay, gate_logit_normalizer, is in no tensor",
    ),
    Family(
        "an HGRN layer",
        {"f_proj": "(D, d)", "i_proj": "(E, d)", "o_proj": "(d, O)", "g_proj | q_proj": "(F, d)"},
        why=BY_HEADS,
    ),
    Family(
        "a DeltaNet layer",
        {"b_proj": "(H, d)", "v_proj": "(Hv, d)", "q_proj": "(Hk, d)", "k_proj": "(Hk, d)"},
        {"o_proj": "(d, Hv)"},
        why=DELTA,
    ),
    Family(
        "a retention layer (RetNet)",
        {"decay": "(H,)", "angle": "(A,)"},
        why="it is a decay by heads, there is no W_hh",
        within=RETENTION,
        whole=True,
    ),
    Family(
        "a linear attention layer with a decay for each head (lightning attention)",
        {"slope_rate": "(H, 1, 1)", "qkv_proj": "(Z, d)"},
        {"output_gate": "(Y, d)", "out_proj": "(d, Y)"},
        why="it is a decay by heads, there is no W_hh",
    ),
    Family(
        "a retention layer (RetNet), or attention with a gate: its decays are in no tensor",
        {"q_proj": "(K, d)", "k_proj": "(K, d)", "v_proj": "(V, d)", "g_proj": "(V, d)"},
        {"o_proj | out_proj": "(d, V)"},
        certain=False,
        within=RETENTION,
        whole=True,
    ),
    Family(
        "an RG-LRU (Griffin)",
        {"recurrent_param": "(hb,)", "recurrent_gate_weight": "(h, b, b)"},
        {"input_gate_weight": "(h, b, b)", "recurrent_gate_bias": "(h, b)"},
        why=BY_HEADS,
    ),
    Family(
        "an RG-LRU (Griffin)",
        {"a_param": "(hb,)", "a_gate.w": "(h, b, b)", "input_gate.w": "(h, b, b)"},
        {"a_gate.b": "(h, b)", "input_gate.b": "(h, b)"},
        why=BY_HEADS,
    ),
    Family(
        "RWKV-7 time mixing",
        {"w0": "(C,) | (1, 1, C)", "w1": "(C, L)", "w2": "(L, C)", "receptance": "(C, C)"},
        {**RWKV, **{f"{a}{b}": "(*)" for a in "agv" for b in "012"}, "r_k": "(H, N)"},
        why="its step is a decay and a rank-one correction for each head, there is no W_hh",
    ),
    Family(
        "RWKV-7 time mixing",
        {"r_k": "(H, N)", "k_k": "(C,) | (1, 1, C)", "k_a": "(C,) | (1, 1, C)"},
        {"w_lora.lora.0": "(L, C)", "w_lora.lora.2": "(C, L)", **RWKV},
        why="its step is a decay and a rank-one correction for each head, there is no W_hh",
    ),
    Family(
        "RWKV-6 time mixing",
        {
            "time_decay": "(1, 1, C) | (C,) | (H, N)",
            "time_decay_w1": "(C, L)",
            "time_decay_w2": "(L, C)",
        },
        {**RWKV, "receptance": "(C, C)", "time_faaaa | time_first": "(H, N)"},
        why=BY_HEADS,
    ),
    Family(
        "RWKV-6 time mixing",
        {"bonus": "(H, N)", "w_proj.lora.0": "(L, C)", "w_proj.lora.2": "(C, L)"},
        why=BY_HEADS,
    ),
    Family(
        "RWKV-5 time mixing",
        {"time_decay": "(H, N)", "time_faaaa | time_first": "(H, N)", "receptance": "(C, c)"},
        RWKV,
        why="its decay stands in the file, there is no W_hh",
    ),
    Family(
        "RWKV time mixing",
        {"time_decay": "(H, *)", "receptance": "(Hn, c)", "key": "(D, d)", "value": "(E, e)"},
        {**RWKV, "time_first": "(H, *)"},
        why="its decay stands in the file, there is no W_hh",
    ),
    Family(
        "RWKV time mixing",
        {"w0 | time_decay": "(*)", "receptance": "(C, c)"},
        RWKV,
        certain=False,
        why="it has a decay and no W_hh",
    ),
    Family(
        "an LRU (linear recurrent unit)",
        {"nu_log": "(S,)", "theta_log": "(S,)"},
        {"gamma_log": "(S,)"},
        why=DIAGONAL,
    ),
    Family(
        "an LRU (linear recurrent unit)",
        {"nu": "(S,)", "theta": "(S,)", "gamma": "(S,)"},
        whole=True,
        why=DIAGONAL,
    ),
    Family(
        "an S4 layer, diagonal plus low rank",
        {
            "inv_A_real | inv_w_real | log_A_real | log_w_real | A_real": "(H, N)",
            "A_imag | w_imag": "(H, N)",
            "P": "(r, H, N, 2) | (r, H, N)",
        },
        {"log_dt | inv_dt": "(h, *)", "B": "(*)", "C": "(*)", "D": "(*)"},
        why="it is stored as its continuous form, there is no W_hh",
    ),
    Family(
        "a diagonal state-space layer (S4D)",
        {
            "log_A_real | inv_A_real | inv_w_real | log_w_real | A_real": "(H, N)",
            "A_imag | w_imag": "(H, N)",
        },
        {"log_dt | inv_dt": "(h, *)", "B": "(*)", "C": "(*)", "D": "(*)"},
        why=DIAGONAL,
    ),
    Family(
        "a diagonal state-space layer (DSS)",
        {"Lambda": "(N, 2)", "log_dt": "(H,)", "W": "(c, H, N, 2)"},
        whole=True,
        why=DIAGONAL,
    ),
    Family(
        "an S4 layer, diagonal plus low rank",
        {"Lambda": "(N,) | (N, 2)", "P": "(N,) | (N, 2) | (r, N)", "B": "(*)", "C": "(*)"},
        {"log_step | log_dt | step": "(*)", "D": "(*)"},
        why="it is stored as its continuous form, there is no W_hh",
    ),
    Family(
        "an S5 layer",
        {
            "Lambda_re | Lambda_real": "(P,)",
            "Lambda_im | Lambda_imag": "(P,)",
            "log_step | log_dt": "(P,) | (P, 1)",
        },
        {"B": "(*)", "C": "(*)", "C_re": "(*)", "C_im": "(*)", "D": "(*)"},
        why=DIAGONAL,
    ),
    Family(
        "an S5 layer",
        {"Lambda": "(P,)", "log_step": "(P,) | (P, 1)"},
        {"B": "(*)", "C": "(*)", "D": "(*)"},
        why=DIAGONAL,
    ),
    Family(
        "a moving average with learned decays (Mega)",
        {"delta": "(D, N, 1)", "alpha": "(D, N, 1)", "beta": "(D, N, 1)"},
        {"gamma": "(D, N)", "omega": "(D,)"},
        why=DIAGONAL,
    ),
    Family(
        "a minGRU",
        {"to_hidden_and_gate": "(2D, d)", "to_out": "(e, D)"},
        why="its gate depends on the input alone, there is no W_hh",
    ),
    Family(
        "a minLSTM",
        {"to_hidden_and_f_i_gate": "(3D, d)", "to_out": "(e, D)"},
        why="its gates depend on the input alone, there is no W_hh",
    ),
    Family("a minGRU", {"to_hidden_and_gate": "(2D, d)"}, certain=False),
    Family("a minLSTM", {"to_hidden_and_f_i_gate": "(3D, d)"}, certain=False),
    Family(
        "a minLSTM",
        {"linear_f": "(D, d)", "linear_i": "(D, d)", "linear_h": "(D, d)"},
        why="its gates depend on the input alone, there is no W_hh",
    ),
    Family(
        "a minGRU",
        {"linear_z": "(D, d)", "linear_h": "(D, d)"},
        {"linear_z.bias": "(D,)", "linear_h.bias": "(D,)"},
        certain=False,
        within=LIKELY,
    ),
    *(
        Family("a state-space layer (S4, Mamba or kin)", {name: "(*)"}, certain=False, why=DIAGONAL)
        for name in (
            *("inv_w_real", "inv_A_real", "log_w_real", "log_A_real"),
            *("Lambda_re", "A_log", "nu_log"),
        )
    ),
)
"""The first that fits is the one; what only looks like a recurrence stands after what is one."""
