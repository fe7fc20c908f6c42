"""Gated cells that store a matrix for each gate: textbooks, Flax, Kaldi, convolutional cells."""

from __future__ import annotations

import re
from typing import NamedTuple

from rnndiag.recognise.families.base import ELSEWHERE, Family, Row, plain


class Gates(NamedTuple):
    """The gates of a cell as names call them."""

    cell: str
    """Without an article."""

    needed: tuple[str, ...]
    candidate: str
    """What the new content is called, one of several; it belongs there and need not be found."""


SHORT_CANDIDATE = "c | g | a | n | u | j | h | hat | tilde | c_hat | c_tilde | h_hat | h_tilde | z"

GATES = (
    Gates("LSTM", ("f", "i", "o"), SHORT_CANDIDATE),
    Gates("LSTM", ("fg", "ig", "og"), "c | cg | g"),
    Gates("LSTM", ("f", "i", "og"), "c | g"),
    Gates("LSTM", ("forgetgate", "ingate", "outgate"), "cell"),
    Gates("LSTM", ("forget", "input", "output"), "cell | candidate | cand | memory | update | c"),
    Gates("GRU", ("z", "r"), "h | n | c | g | q | hat | tilde | h_hat | h_tilde"),
    Gates("GRU", ("u", "r"), "c | h | n"),
    Gates("GRU", ("updategate", "resetgate"), "hidden_update"),
    Gates("GRU", ("update", "reset"), "new | candidate | cand | hidden | out | output | h | n"),
)

PAIRS = (
    *(("W_h{}", "W_x{}"), ("W_h{}", "W_i{}"), ("W_{}h", "W_{}x"), ("W_{}h", "W_{}i")),
    *(("W_h_{}", "W_in_{}"), ("W_{}_h", "W_{}_in"), ("W_rec_{}", "W_in_{}"), ("U_h{}", "W_x{}")),
    *(("U_{}", "W_{}"), ("V_{}", "U_{}"), ("W_{}", "U_{}"), ("R_{}", "W_{}"), ("V_{}", "W_{}")),
    *(("h{}", "i{}"), ("h{}", "x{}"), ("h2{}", "x2{}"), ("h2{}", "i2{}"), ("{}_h", "{}_x")),
    *(("{}_hh", "{}_xh"), ("{}_hh", "{}_ih"), ("u{}h", "w{}x"), ("linear_h{}", "linear_x{}")),
    *(("hidden_{}", "input_{}"), ("{}_hidden", "{}_input"), ("{}_gate_h", "{}_gate_x")),
    *(("{}_gate_hidden", "{}_gate_input"), ("{}_gate_h", "{}_gate_i"), ("hidden_{}", "x_{}")),
    *(("{}_gate.h", "{}_gate.x"), ("{}_gate.U", "{}_gate.W"), ("{}_gate.W_h", "{}_gate.W_x")),
    *(("h{}.kernel", "i{}.kernel"), ("recurrent_{}", "input_{}"), ("h_{}", "x_{}")),
    *(("{}_gate.linear_h", "{}_gate.linear_x"), ("{}_gate.hh", "{}_gate.xh")),
    *(("{}_gate.h2h", "{}_gate.x2h"), ("{}_gate.h2h", "{}_gate.i2h")),
    *(("{}_gate.hidden", "{}_gate.input"), ("{}_gate.W_hh", "{}_gate.W_ih")),
    *(("{}_gate.hidden_transform", "{}_gate.input_transform"), ("U_{}.W", "W_{}.W")),
    *(("W_hid_to_{}", "W_in_to_{}"), ("{}.W_h", "{}.W_x"), ("{}.U", "{}.W"), ("{}.hh", "{}.ih")),
    *(("recurrent_{}", "{}"), ("recurrent_kernel_{}", "kernel_{}"), ("weight_h{}", "weight_i{}")),
)
"""The matrix from the hidden state and that from the input; {} is a gate."""

SINGLE = (
    *(
        "W_{}",
        "{}_gate",
        "gate_{}",
        "linear_{}",
        "fc_{}",
        "{}_linear",
        "{}_layer",
        "{}_gate.linear",
    ),
    *("W_{}g", "lin_{}", "{}gate", "conv_{}", "conv{}", "{}_conv", "W_{}_gate", "{}_gate_layer"),
    *("{}_gate.fc", "{}_gate.weight", "{}_gate.0", "{}"),
)
"""One matrix from both, side by side."""


class Form(NamedTuple):
    """The shapes of a hidden and of an input matrix, and what that makes of the cell."""

    hidden: str
    inputs: str
    said: str


TWO_MATRICES = (
    Form("(H, H)", "(H, I) | (I, H)", "{} with matrices for each gate"),
    Form("(C, C, k, *)", "(C, X, k, *)", "Conv{} with kernels for each gate"),
)

ONE_MATRIX = (
    Form("(H, H+I) | (H+I, H)", "", "{} with one matrix for each gate, over input and state"),
    Form("(C, C+X, k, *)", "", "Conv{} with a kernel for each gate, over input and state"),
)


class TwoMatrices(NamedTuple):
    """A matrix from the state and one from the input for each gate.

    Made into families on demand: there are five hundred, and a file has one or two.
    """

    gates: Gates
    hidden: str
    inputs: str

    def anchors(self) -> list[str]:
        """The first gate's matrix from the state."""
        return [plain(self.hidden.format(self.gates.needed[0]))]

    def families(self) -> tuple[Family, ...]:
        """Dense and convolutional."""
        return tuple(map(self._family, TWO_MATRICES))

    def _family(self, form: Form) -> Family:
        needed = {self.hidden.format(gate): form.hidden for gate in self.gates.needed}
        needed |= {self.inputs.format(gate): form.inputs for gate in self.gates.needed}
        further = {
            _each(self.hidden, self.gates.candidate): form.hidden,
            _each(self.inputs, self.gates.candidate): form.inputs,
        }
        return Family(_said(form, self.gates), needed, further, outside=ELSEWHERE)


class OneMatrix(NamedTuple):
    """One matrix for each gate; three of one shape at least, for two names alone say little."""

    gates: Gates
    name: str

    def anchors(self) -> list[str]:
        """The first gate's matrix."""
        return [plain(self.name.format(self.gates.needed[0]))]

    def families(self) -> tuple[Family, ...]:
        """Dense and convolutional."""
        return tuple(map(self._family, ONE_MATRIX))

    def _family(self, form: Form) -> Family:
        needed = {self.name.format(gate): form.hidden for gate in self.gates.needed}
        candidate = {_each(self.name, self.gates.candidate): form.hidden}
        if len(needed) < 3:
            needed, candidate = needed | candidate, {}
        return Family(
            _said(form, self.gates),
            needed,
            candidate,
            outside=ELSEWHERE,
            whole=self.name == "{}",
        )


def _said(form: Form, gates: Gates) -> str:
    """With the article that the name takes."""
    article = "an" if form.said.format(gates.cell).startswith("LSTM") else "a"
    return f"{article} {form.said.format(gates.cell)}"


def _each(name: str, words: str) -> str:
    """One name for each of several words."""
    return " | ".join(name.format(word.strip()) for word in words.split("|"))


LISTED = re.compile(r"rnn|lstm|gru|cell")

GATED: tuple[Row, ...] = (
    *(TwoMatrices(gates, *pair) for gates in GATES for pair in PAIRS),
    *(OneMatrix(gates, name) for gates in GATES for name in SINGLE),
    Family(
        "a minimal gated unit with matrices for each gate",
        {"U_f": "(H, H)", "W_f": "(H, I) | (I, H)", "U_h": "(H, H)", "W_h": "(H, I) | (I, H)"},
        outside=ELSEWHERE,
    ),
    Family(
        "a minimal gated unit with matrices for each gate",
        {
            **{"hf.kernel": "(H, H)", "if.kernel": "(I, H)"},
            **{"hn.kernel": "(H, H)", "in.kernel": "(I, H)"},
        },
    ),
    Family(
        "a light GRU (LiGRU) with matrices for each gate",
        {"uz": "(H, H)", "wz": "(H, I)", "uh": "(H, H)", "wh": "(H, I)"},
        outside=ELSEWHERE,
    ),
    Family(
        "a GRU unit with a network for each gate",
        {"update_gate.0": "(U, A)", "reset_gate.0": "(U, A)", "new_state_net.0": "(U, A)"},
    ),
    Family(
        "a Tree-LSTM",
        {
            **{"iouh | U_iou": "(3H, H) | (H, 3H)", "ioux | W_iou": "(3H, I) | (I, 3H)"},
            **{"fh | U_f": "(H, H)"},
        },
        {"fx | W_f": "(H, I) | (I, H)"},
        why="its state runs through a tree",
    ),
    *(
        Family(
            f"a gated cell with a list of {count} matrices, over input and state",
            {f"gates.{number}": "(H, H+I)" for number in range(count)},
            {f"gates.{number}.bias": "(H,)" for number in range(count)},
            certain=False,
            within=LISTED,
            whole=True,
        )
        for count in (4, 3)
    ),
    *(
        Family(
            f"a gated cell with lists of {count} matrices",
            {
                **{f"{hidden}.{number}": "(H, H)" for number in range(count)},
                **{f"{inputs}.{number}": "(H, I) | (I, H)" for number in range(count)},
            },
            outside=ELSEWHERE,
        )
        for hidden, inputs in (
            *(("h2h", "x2h"), ("h2h", "i2h"), ("U", "W"), ("hh", "ih"), ("W_hh", "W_xh")),
            *(("W_h", "W_x"), ("hidden_gates", "input_gates"), ("w_hh", "w_ih")),
            *(("hidden_linears", "input_linears"), ("gates_h", "gates_x"), ("R", "W")),
        )
        for count in (4, 3)
    ),
)
"""The first that fits is the one; beside it, what the same cell has further."""
