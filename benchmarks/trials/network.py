"""The models of the benchmark, and the forms in which they are saved."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from trials.recipe import Recipe
from trials.tasks import TASKS, Task

NAMES = (
    ("emb", "rnn", "out"),
    ("embedding", "{cell}", "fc"),
    ("encoder", "rnn", "decoder"),  # those of PyTorch's own word language model
    ("tok", "core.{cell}", "head"),
)
"""What people call embedding, recurrence and readout."""

KINDS: dict[str, type[nn.RNNBase]] = {
    **{"rnn": nn.RNN, "relu": nn.RNN},
    **{"gru": nn.GRU, "lstm": nn.LSTM},
}

OPTIMIZERS: dict[str, type[torch.optim.Optimizer]] = {
    **{"adam": torch.optim.Adam, "adamw": torch.optim.AdamW},
    **{"rmsprop": torch.optim.RMSprop, "adagrad": torch.optim.Adagrad},
    **{"sgd": torch.optim.SGD},
}


class Network(nn.Module):
    """A model whose parts bear the names that a recipe's seed picks."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.task: Task = TASKS[recipe.task](**dict(recipe.options))
        self.recipe = recipe
        embedding, recurrence, readout = NAMES[recipe.seed % len(NAMES)]
        self.paths = (embedding, recurrence.format(cell=recipe.cell), readout)
        width = self.task.embedded or self.task.inputs
        if self.task.embedded:
            self._put(embedding, nn.Embedding(self.task.inputs, width))
        if recipe.front == "linear":
            self.front: nn.Module = nn.Sequential(nn.Linear(width, width), nn.ReLU())
        elif recipe.front == "norm":
            self.front = nn.BatchNorm1d(width)
        options = {"nonlinearity": "relu"} if recipe.cell == "relu" else {}
        kind: Any = KINDS[recipe.cell]
        self._put(self.paths[1], kind(width, recipe.hidden, recipe.layers, **options))
        self._put(readout, nn.Linear(recipe.hidden, self.task.outputs))
        if recipe.tied:
            self.readout.weight = self.get_submodule(embedding).weight  # type: ignore[assignment]
        start(self.recurrence, recipe)

    def _put(self, path: str, module: nn.Module) -> None:
        owner: nn.Module = self
        *outer, last = path.split(".")
        for name in outer:
            owner.add_module(name, nn.Module())
            owner = owner.get_submodule(name)
        owner.add_module(last, module)

    @property
    def recurrence(self) -> nn.RNNBase:
        """The recurrent stack."""
        return self.get_submodule(self.paths[1])  # type: ignore[return-value]

    @property
    def readout(self) -> nn.Linear:
        """From its output to the task's."""
        return self.get_submodule(self.paths[2])  # type: ignore[return-value]

    def seen(self, inputs: Tensor) -> Tensor:
        """What the recurrence sees of a batch: (T, B, I)."""
        if self.task.embedded:
            inputs = self.get_submodule(self.paths[0])(inputs)
        if self.recipe.front == "norm":
            return self.front(inputs.movedim(1, -1)).movedim(-1, 1)
        return self.front(inputs) if self.recipe.front else inputs

    def scores(self, hidden: Tensor) -> Tensor:
        """The readout of every step of (T, B, H), or of the last."""
        return self.readout(hidden if self.task.every_step else hidden[-1])

    def loss(self, inputs: Tensor, targets: Tensor) -> Tensor:
        """That of a training step."""
        return self.task.loss(self.scores(self.recurrence(self.seen(inputs))[0]), targets)


@torch.no_grad()
def start(module: nn.RNNBase, recipe: Recipe) -> None:
    """Draw every block of every W_hh as the recipe says, and scale the first W_ih."""
    module.weight_ih_l0.mul_(recipe.input_gain)
    if recipe.start == "torch":
        return
    size = recipe.hidden
    for layer in range(recipe.layers):
        for block in getattr(module, f"weight_hh_l{layer}").split(size):
            if recipe.start == "gauss":
                block.normal_(0.0, recipe.gain / size**0.5)
            elif recipe.start == "orthogonal":
                nn.init.orthogonal_(block, recipe.gain)
            else:
                block.copy_(recipe.gain * torch.eye(size))


def saved(network: Network, optimizer: torch.optim.Optimizer, loss: float) -> dict[str, Any]:
    """What is written of a training: the model, and in most forms the optimizer's state."""
    recipe, model = network.recipe, network.state_dict()
    if recipe.saved == "bare":
        return model
    state = optimizer.state_dict()
    if recipe.saved == "pair":
        return {"model": model, "optimizer": state}
    if recipe.saved == "training":
        names = ("model_state_dict", "optimizer_state_dict")
        return {"epoch": 3, names[0]: model, names[1]: state, "loss": loss}
    return {
        "epoch": 3,
        "global_step": recipe.updates,
        "pytorch-lightning_version": "2.4.0",
        "state_dict": {f"model.{name}": value for name, value in model.items()},
        "optimizer_states": [state],
        "hyper_parameters": {"hidden_size": recipe.hidden, "lr": recipe.rate},
    }
