"""Code to paste: the advised clip value and window in a PyTorch training loop."""

from __future__ import annotations

from rnndiag.advice.clipping import ClippingAdvice
from rnndiag.advice.truncation import TruncationAdvice


def torch_snippet(clipping: ClippingAdvice, truncation: TruncationAdvice) -> str:
    """A truncated back-propagation loop for PyTorch; model, criterion and batches are the reader's.

    The chunk stands in it because detaching is what most code does; without one the whole sequence
    is propagated.
    """
    step = [
        "optimizer.zero_grad()",
        "loss.backward()",
        "norm = torch.nn.utils.clip_grad_norm_("
        f"model.parameters(), max_norm={clipping.max_norm:g})",
        "optimizer.step()  # log norm: it is the one before clipping",
    ]
    if truncation.chunk is None:
        return "\n".join(
            ["for x, y in batches:", *_indented(["loss = criterion(model(x)[0], y)", *step])]
        )
    body = [
        "output, state = model(x_chunk, state)",
        "loss = criterion(output, y_chunk)",
        *step,
        "state = tuple(s.detach() for s in state) if isinstance(state, tuple) else state.detach()",
    ]
    return "\n".join(
        [
            "for x, y in batches:  # x: (steps, batch, features)",
            "    state = None",
            f"    chunks = zip(x.split({truncation.chunk}), y.split({truncation.chunk}))",
            "    for x_chunk, y_chunk in chunks:",
            *_indented(body, 8),
        ]
    )


def _indented(lines: list[str], width: int = 4) -> list[str]:
    return [" " * width + line for line in lines]
