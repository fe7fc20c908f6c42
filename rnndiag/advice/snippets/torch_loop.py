"""The advised clip value and chunk in a plain PyTorch training loop."""

from __future__ import annotations

from rnndiag.advice.clipping import ClippingAdvice
from rnndiag.advice.snippets.base import DETACH, Framework, indented
from rnndiag.advice.truncation import TruncationAdvice


def torch_loop(clipping: ClippingAdvice, truncation: TruncationAdvice) -> str:
    """A training loop; model, criterion and batches are the reader's.

    Of the two ways to truncate, the chunk stands in it and not the sliding window: it has the same
    bias, passes every step once where the window passes k2/k1 = 2 times, and detaching fits into
    any loop. Without a chunk the whole sequence is propagated.
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
            ["for x, y in batches:", *indented(["loss = criterion(model(x)[0], y)", *step])]
        )
    body = [
        "output, state = model(x_chunk, state)",
        "loss = criterion(output, y_chunk)",
        *step,
        DETACH,
    ]
    return "\n".join(
        [
            "for x, y in batches:  # x: (steps, batch, features)",
            "    state = None",
            f"    chunks = zip(x.split({truncation.chunk}), y.split({truncation.chunk}))",
            "    for x_chunk, y_chunk in chunks:",
            *indented(body, 8),
        ]
    )


FRAMEWORK = Framework("torch", "PyTorch", torch_loop)
