"""A probe in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from rnndiag.cells.base import FloatArray
from rnndiag.given import GivenStates

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class RecordedModule:
    """One recurrent module's sequences, side by side and padded, with the gradients of their loss.

    Arrays are float64, with the loss scaler's factor divided out.
    """

    name: str
    """In the model that was captured."""

    kind: str
    """rnn_tanh, rnn_relu, gru or lstm."""

    inputs_tbi: FloatArray

    lengths: IntArray
    """Steps of each sequence, (batch,)."""

    calls: IntArray
    """Which call of the module a sequence belongs to, (batch,): those of one call are one batch."""

    steps: IntArray
    """Which training step it belongs to, (batch,), from 0."""

    initial: GivenStates

    final: GivenStates
    """h_n and c_n as the model computed them."""

    final_gradient: GivenStates
    """∂L/∂h_n and ∂L/∂c_n, zeros where the loss does not use the final states."""

    output_gradient_tbp: FloatArray
    """∂L/∂y, (steps, batch, directions * output): what reaches h from outside the module.

    Where `looped`, all of ∂L/∂h_t, what comes back through later steps included."""

    looped: bool = False
    """Whether it is a cell that was called step by step."""

    states: GivenStates | None = None
    """Of a looped cell: h_t and c_t after every step, (steps, batch, width)."""

    cell_gradient_tbh: FloatArray | None = None
    """Of a looped LSTM cell: all of ∂L/∂c_t."""

    cell_gradient_is_whole: bool = True
    """Whether that includes what reaches c_t through h_t."""

    continues: IntArray | None = None
    """The row that each goes on from with its state and its gradient, (batch,), -1 where it begins;
    None: all of them begin."""

    rounding: float = 0.0
    """Relative rounding of the recorded gradients: the machine epsilon of their dtype."""

    non_finite: int = 0
    """Rows with NaN or inf in them, which were left out."""

    usable: bool = True
    """Whether others are left. If not, those with NaN stand here, and nothing can be computed."""

    @property
    def chains(self) -> tuple[tuple[int, ...], ...]:
        """The rows of every sequence in the order of time: one each, but where calls continue."""
        batch = len(self.lengths)
        if self.continues is None:
            return tuple((row,) for row in range(batch))
        following = {int(before): row for row, before in enumerate(self.continues) if before >= 0}
        chains = []
        for row in np.flatnonzero(self.continues < 0):
            chain = [int(row)]
            while chain[-1] in following:
                chain.append(following[chain[-1]])
            chains.append(tuple(chain))
        return tuple(chains)

    @property
    def longest(self) -> int:
        """Steps of the longest sequence."""
        return max(int(self.lengths[list(chain)].sum()) for chain in self.chains)

    @property
    def untraceable(self) -> str | None:
        """Why no gradient through time can be followed in it; None if one can."""
        if not self.usable:
            return "every recorded sequence of it has inf or NaN in it"
        if not self.output_gradient_tbp.any() and not self.final_gradient.h_0.any():
            return "the recorded loss does not depend on it: its gradient is zero"
        if not self.has_single_steps:
            return None
        calls = len(np.unique(self.calls))
        given = (self.initial.h_0 != 0.0).any()
        passed = "the state is detached or changed between them" if given else "no state passed on"
        return f"{calls:,} call{'s' if calls > 1 else ''} of one step, {passed}"

    @property
    def has_single_steps(self) -> bool:
        """Whether all calls, or most that the loss reaches, are single steps and go nowhere.

        Dropout between the calls changes every state but that of an empty sample, which is zero:
        the one sequence that is left does not speak for the others.
        """
        if self.longest <= 1 or self.continues is None:
            return self.longest <= 1
        reached = self.output_gradient_tbp.any((0, 2)) | self.final_gradient.h_0.any((0, 2))
        is_followed = np.isin(np.arange(len(self.lengths)), self.continues)
        is_alone = (self.lengths == 1) & (self.continues < 0) & ~is_followed
        torn = is_alone & reached & self.initial.h_0.any((0, 2))
        return 2 * int(torn.sum()) > int(self.lengths[reached].sum())

    @property
    def sizes(self) -> Sizes:
        """Widths and number of layers."""
        layers, _, output = self.initial.h_0.shape
        cell = self.initial.c_0
        return self.inputs_tbi.shape[2], layers, output, None if cell is None else cell.shape[2]


Sizes = tuple[int, int, int, int | None]
"""Input width, layers times directions, widths of h and of an LSTM's c."""


@dataclass(frozen=True)
class RecordedSeries:
    """One number a training step; inf and NaN as they came."""

    gradient_norms: tuple[float, ...]
    losses: tuple[float, ...]

    sequences: tuple[int, int]
    """How many have inf or NaN in their inputs, states or gradients, and of how many."""

    scaled: bool
    """Whether a loss scaler was in use, which skips steps whose gradients are not finite."""


@dataclass(frozen=True)
class Probe:
    """A probe file."""

    path: str

    modules: Mapping[str, RecordedModule]
    """By name: the captured model's, or once fitted the checkpoint's."""

    gradient_norms: tuple[float, ...] = ()
    """Norm of the whole parameter gradient by training step, before clipping."""

    parameter_norms: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """By parameter and training step; NaN in a step in which it had none."""

    losses: tuple[float, ...] = ()
    """As noted with `probe.loss(...)`."""

    scaled: bool = False
    """Whether a loss scaler was in use."""

    @property
    def series(self) -> RecordedSeries:
        """What belongs to no module."""
        modules = self.modules.values()
        left_out = sum(module.non_finite for module in modules)
        unusable = sum(module.non_finite for module in modules if not module.usable)
        kept = sum(len(module.lengths) for module in modules)
        sequences = left_out, left_out + kept - unusable
        return RecordedSeries(self.gradient_norms, self.losses, sequences, self.scaled)

    @property
    def longest(self) -> int:
        """Steps of the longest sequence."""
        return max(module.longest for module in self.modules.values())
