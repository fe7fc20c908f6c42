"""Record what a loss asks of a model's recurrent layers while it trains; torch is imported then.

Not named after its function: a submodule `rnndiag.capture` would take the place of
`rnndiag.capture()` as soon as anything imported it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rnndiag.errors import InputCode, RnndiagError

if TYPE_CHECKING:
    from torch import nn

    from rnndiag.capturing.recording import LossScaler, Recording

DEFAULT_STEPS = 32
"""Training steps of which sequences are kept; a whole epoch of them would fill the memory."""


@contextmanager
def capture(
    model: nn.Module, *, steps: int = DEFAULT_STEPS, scaler: LossScaler | None = None
) -> Iterator[Recording]:
    """Record the recurrent layers of `model` through one or more training steps.

    Inside the block every nn.RNN, nn.GRU, nn.LSTM and cell that a `backward()` reaches is recorded:
    inputs, initial states, lengths, and the loss gradients ∂L/∂y of every step, ∂L/∂h_n and
    ∂L/∂c_n. So is the norm of every parameter's gradient as it is when `backward()` ends, before
    any clipping, under DistributedDataParallel after the processes have averaged it. Calls without
    gradients (`torch.no_grad`) leave nothing. Model, outputs, gradients and random numbers are the
    same as without; all hooks are gone when the block ends.

    Calls that hand their state on, such as the steps of a decoder or of a policy, are one sequence.
    A reset parts it for the samples that it sets anew: what goes on is what has the same values and
    a graph that leads back. A detached state begins a sequence, as no gradient comes back through
    it, and so does one that was changed.

    `steps`: sequences are kept of so many training steps, gradient norms of all. A step begins with
    a `backward()` that finds gradients reset, so accumulated gradients count as one.
    `scaler`: the torch.amp.GradScaler in use, so that its factor can be divided out; without it a
    scaled loss gives scaled gradients.

        with rnndiag.capture(model) as probe:
            criterion(model(x), y).backward()
        probe.save("probe.safetensors")

    torch.func.grad and torch.autograd.grad hand gradients back instead of adding them to `.grad`,
    so sequences are recorded and no norms, of which a UserWarning tells. Beside a `backward()`
    such a pass counts as none, a gradient penalty's for instance.

    Raises TypeError for what is no torch module, and RnndiagError: RD007 without torch, or when no
    gradient reached a recurrent layer by the end of the block; RD006 for a model that has none.
    """
    try:
        from rnndiag.capturing.recording import Recording
    except ModuleNotFoundError as error:
        raise RnndiagError(
            InputCode.USAGE, f"capture needs {error.name}", 'pip install "rnndiag[torch]"'
        ) from error
    recording = Recording(model, steps, scaler)
    try:
        yield recording
    finally:
        recording.stop()
    recording.require_gradients()
    recording.warn_without_norms()
