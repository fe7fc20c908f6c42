"""Which tensors outside the recurrence are the model's own, and which are only kept beside them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping

from rnndiag.containers.checkpoint import Checkpoint, StoredTensor
from rnndiag.recognise.layers import Recognition
from rnndiag.recognise.names import model_tensors, parent

WEIGHT = re.compile(
    r"(?:.*_)?(?:weights?|bias(?:es)?|kernel|embeddings?|gamma|beta)(?:_.*)?"
    r"|in_proj_.*|(?:running|moving)_(?:mean|var|variance)",
    re.IGNORECASE | re.DOTALL,
)
"""A name's last part that says weight or running statistic: PyTorch's, Keras' and wrappers' names,
`weight_g`, `bias_ih_l0`, `recurrent_kernel`."""

STATISTIC = re.compile(r"(?:running|moving)_(?:mean|var|variance)", re.IGNORECASE)

KEPT_BESIDE = frozenset(
    {"callbacks", "loops", "lr_scheduler", "lr_schedulers", "scheduler", "schedulers", "history"}
    | {"metrics", "metric", "losses", "logs", "log", "rng", "rng_state", "rng_states", "results"}
    | {"optimizer", "optimizers", "optimizer_state", "optimizer_states", "optimizer_state_dict"}
    | {"optim", "scaler_state_dict", "grad_scaler", "args", "hparams", "hyper_parameters"}
)
"""Parts of a file that do not belong to a model: what training kept for itself."""

SCORE = re.compile(
    r"(?:.*_)?(?:loss|losses|acc|accuracy|scores?|metrics?|best|perplexity|ppl|bleu|auc|auroc|f1"
    r"|rmse|mse|mae|r2|reward|rewards|return|returns|epoch|lr|step)(?:_.*)?",
    re.IGNORECASE | re.DOTALL,
)
"""A name's last part that says how well training went: NaN there is a score nobody measured."""

COPY = re.compile(
    r"(?:.*_)?ema(?:_.*)?|shadow|shadow_params|collected_params|swa(?:_.*)?", re.IGNORECASE
)
"""A part of a name that says averaged copy of the weights, beside the weights themselves."""


def weights_outside(checkpoint: Checkpoint, recognition: Recognition) -> dict[str, StoredTensor]:
    """Weights and running statistics of the model that are in no recognised layer, by name.

    A second name of one storage is left out.
    """
    tensors = model_tensors(checkpoint)
    measured = [layer for module in recognition.modules for layer in module.flat]
    seen = {tensor.identity for layer in measured for tensor in layer.tensors if tensor is not None}
    seen |= {tensors[key].identity for layer in measured for key in layer.keys if key in tensors}
    found: dict[str, StoredTensor] = {}
    for name in _of_the_model(checkpoint, tensors):
        tensor = tensors[name]
        if tensor.may_be_weight and tensor.identity not in seen:
            seen.add(tensor.identity)
            found[name] = tensor
    return found


def is_weight(name: str) -> bool:
    """Whether a name's last part says weight, bias or running statistic.

    >>> is_weight("fc.weight"), is_weight("bn.running_var"), is_weight("attention.mask")
    (True, True, False)
    """
    return WEIGHT.fullmatch(name.rpartition(".")[2]) is not None


def is_statistic(name: str) -> bool:
    """Whether a name's last part says running statistic."""
    return STATISTIC.fullmatch(name.rpartition(".")[2]) is not None


def is_copy(name: str) -> bool:
    """Whether a tensor is an averaged copy of a weight.

    >>> is_copy("model_ema.fc.weight"), is_copy("schema.weight")
    (True, False)
    """
    return any(map(COPY.fullmatch, name.split(".")))


def without_copies(tensors: Mapping[str, StoredTensor]) -> dict[str, StoredTensor]:
    """Without averaged copies, where the weights themselves are there as well."""
    own = {name: tensor for name, tensor in tensors.items() if not is_copy(name)}
    return own if any(map(is_weight, own)) else dict(tensors)


def _of_the_model(checkpoint: Checkpoint, tensors: Mapping[str, StoredTensor]) -> Iterator[str]:
    """Names of what is the model's, scores and copies left out."""
    own = [name for name in without_copies(tensors) if KEPT_BESIDE.isdisjoint(name.split(".")[:-1])]
    below = {name.partition(".")[0] for name in own if "." in name and is_weight(name)}
    wrapped = any("." not in name for name in checkpoint.values) and bool(below)
    within = below if wrapped else None
    for name in own:
        if is_weight(name) or _is_part(name, tensors[name], within):
            yield name


def _is_part(name: str, tensor: StoredTensor, below: Collection[str] | None) -> bool:
    """Whether a tensor of no telling name stands where the model's do.

    `below` are the first parts of weights' names, in a file that holds other things beside them.
    """
    if tensor.size == 1 or SCORE.fullmatch(name.rpartition(".")[2]):
        return False
    return below is None or (bool(parent(name)) and name.partition(".")[0] in below)
