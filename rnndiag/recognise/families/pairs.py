"""Cells of two matrices, by any of the usual names: gates stacked, transposed or convolutional."""

from __future__ import annotations

from typing import NamedTuple

from rnndiag.recognise.families.base import ELSEWHERE, TRANSPOSED, Family, Row, alternatives
from rnndiag.recognise.layers import CellKind

IN_CODE = "a leak, dt over tau, would be in the code and not in the file"

NAMES = (
    ("recurrent_kernel", "kernel"),
    ("h2h", "i2h | x2h | input2h | in2h"),
    ("hh", "ih | xh"),
    ("W_hh", "W_ih | W_xh | W_x | W_in"),
    ("hidden2hidden", "input2hidden | in2hidden"),
    ("hidden_to_hidden", "input_to_hidden | in_to_hidden | x_to_hidden"),
    ("W_rec", "W_in | W_inp | W_input | wi"),
    ("W_recurrent", "W_input | W_in"),
    ("Wh", "Wx"),
    ("Waa", "Wax"),
    ("recurrent | recurrent_layer", "input | input_layer"),
    ("recurrent_weight", "input_weight"),
    ("recurrent_weights", "input_weights"),
    ("weights_hh", "weights_ih"),
    ("h2h_weight", "i2h_weight"),
    ("w_hh_list", "w_ih_list"),
    ("lateral | lateral.W", "upward | upward.W"),
    ("hid_to_hid", "in_to_hid"),
    ("hidden_to_hidden_weight", "input_to_hidden_weight"),
    ("W_hidden_hidden", "W_input_hidden"),
    ("rec", "inp | in"),
    ("recurrent_linear", "input_linear"),
    ("weight_h", "weight_x | weight_i"),
    ("W_hidden", "W_input"),
    ("hidden_to_hidden.w", "input_to_hidden.w"),
    ("hh.kernel", "ih.kernel"),
    ("h2h.kernel", "i2h.kernel"),
    ("dense_h.kernel", "dense_i.kernel"),
    ("Wh.kernel", "Wx.kernel"),
    ("h.kernel", "i.kernel"),
    ("conv_h", "conv_x"),
    ("conv_hh", "conv_xh | conv_ih"),
    ("conv_h2h", "conv_x2h | conv_i2h"),
)
"""The matrix from the hidden state and that from the input, by names that say so."""

BARE_NAMES = (
    ("U", "W"),
    ("W", "U"),
    ("w_h", "w_i"),
    ("V", "U"),
    ("hidden_weight | hidden_weights", "input_weight | input_weights"),
    ("weight_hidden | weights_hidden", "weight_input | weights_input"),
    ("hidden_linear | linear_hidden", "input_linear | linear_input"),
    ("fc_h", "fc_x | fc_i"),
)
"""The same by names that other layers have, too: three or four gates have to agree."""

XLSTM_NAMES = (("R", "W"), ("R_gates", "W_gates"))
"""R for recurrent is an xLSTM's letter, whose gates are exponential."""


class Shapes(NamedTuple):
    """What a cell's two matrices are like."""

    kind: str
    hidden: str
    inputs: str

    cell: CellKind | None = None
    """What `--as` declares it as."""

    why: str = ""


GATED_SHAPES = (
    Shapes("an LSTM", "(4H, H)", "(4H, I)", "lstm"),
    Shapes("a GRU", "(3H, H)", "(3H, I)", "gru"),
    Shapes("an LSTM with transposed matrices", "(H, 4H)", "(I, 4H)", None, TRANSPOSED),
    Shapes("a GRU with transposed matrices", "(H, 3H)", "(I, 3H)", None, TRANSPOSED),
)
SHAPES = (
    *GATED_SHAPES,
    Shapes("a plain or rate RNN", "(H, H)", "(H, I)", "rnn", IN_CODE),
    Shapes(
        "a plain or rate RNN with a transposed input matrix", "(H, H)", "(I, H)", None, TRANSPOSED
    ),
    Shapes("a gated cell of two gates", "(2H, H) | (H, 2H)", "(2H, I) | (I, 2H)"),
    Shapes("a gated cell of five or more gates", "(5H, H) | (6H, H)", "(5H, I) | (6H, I)"),
    Shapes("a ConvLSTM", "(4C, C, k, *)", "(4C, X, k, *)"),
    Shapes("a ConvGRU", "(3C, C, k, *)", "(3C, X, k, *)"),
    Shapes("a convolutional RNN", "(C, C, k, *)", "(C, X, k, *)"),
    Shapes("a ConvLSTM", "(k, j, C, 4C)", "(k, j, X, 4C)", None, TRANSPOSED),
)


class Pair(NamedTuple):
    """A matrix from the state and one from the input, known by their names."""

    hidden: str
    inputs: str
    shapes: tuple[Shapes, ...]

    whole: bool = False
    """As a family has it."""

    def anchors(self) -> list[str]:
        """The matrix from the state."""
        return alternatives(self.hidden)

    def families(self) -> tuple[Family, ...]:
        """One for each cell that such a pair may be."""
        return tuple(map(self._family, self.shapes))

    def _family(self, shapes: Shapes) -> Family:
        tensors = {self.hidden: shapes.hidden, self.inputs: shapes.inputs}
        return Family(
            *(shapes.kind, tensors),
            why=shapes.why,
            outside=ELSEWHERE,
            whole=self.whole,
            cell=shapes.cell,
        )


XLSTM_SHAPES = (
    *(
        Shapes(f"{shapes.kind} (or an xLSTM)", shapes.hidden, shapes.inputs, why=shapes.why)
        for shapes in GATED_SHAPES
    ),
    Shapes("an LSTM in ONNX's layout", "(s, 4H, H)", "(s, 4H, I)", why=TRANSPOSED),
    Shapes("a GRU in ONNX's layout", "(s, 3H, H)", "(s, 3H, I)", why=TRANSPOSED),
)

PAIRED: tuple[Row, ...] = (
    *(Pair(*names, SHAPES) for names in NAMES),
    *(Pair(*names, GATED_SHAPES, whole=True) for names in BARE_NAMES),
    *(Pair(*names, XLSTM_SHAPES, whole=True) for names in XLSTM_NAMES),
)
"""Names that say recurrence first."""
