"""Train a recipe and keep it: checkpoint, inputs, probe, and what its gradients do."""

from __future__ import annotations

import json
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from trials import truth
from trials.network import OPTIMIZERS, Network, saved
from trials.recipe import Recipe

import rnndiag

BATCH = 24
"""Sequences of an update."""

JUDGED = 16
"""Sequences of the probe and of the label."""

FACTS = "facts.json"
"""Written last: a folder with it is whole."""

ALONE = "alone"
"""Folder of the checkpoint within that of its network."""


@dataclass(frozen=True)
class Trained:
    """A network in the cache."""

    recipe: Recipe
    folder: Path
    facts: dict[str, Any]
    """What `measure` found: curves and growth by layer, and what it saw."""

    @property
    def checkpoint(self) -> str:
        """Its file, in a folder of its own: what lies beside a file may speak for it."""
        return str(self.folder / ALONE / "checkpoint.pt")

    @property
    def inputs(self) -> str:
        """What its recurrence saw in the judged batch, (T, B, I)."""
        return str(self.folder / "x.npy")

    @property
    def probe(self) -> str:
        """A training step on the same batch, recorded."""
        return str(self.folder / "probe.safetensors")

    @property
    def exploding(self) -> bool | None:
        """By its own gradients; None: not scored."""
        return truth.label(self.growths)

    @property
    def growths(self) -> list[float]:
        """Decades by layer."""
        return [float(growth) for growth in self.facts["growth"]]

    @property
    def curve(self) -> truth.Floats:
        """log10 φ of the top layer, relative to its lag 0."""
        return np.array([float(value) for value in self.facts["curves"][-1]])


def load_or_train(recipe: Recipe, cache: Path) -> Trained:
    """From the cache, else trained now and put there."""
    folder = cache / recipe.key
    if not (folder / FACTS).exists():
        unfinished = cache / f"{recipe.key}.{os.getpid()}"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        make(recipe, unfinished)
        shutil.rmtree(folder, ignore_errors=True)
        unfinished.rename(folder)
    return load(recipe, cache)


def load(recipe: Recipe, cache: Path) -> Trained:
    """From the cache; raises FileNotFoundError for what is not in it."""
    folder = cache / recipe.key
    return Trained(recipe, folder, json.loads((folder / FACTS).read_text(encoding="utf-8")))


def make(recipe: Recipe, folder: Path) -> None:
    """Train, measure, and write all files of one network."""
    (folder / ALONE).mkdir()
    torch.manual_seed(recipe.seed)
    rng = np.random.default_rng(recipe.seed)
    begun = time.process_time()
    network = Network(recipe)
    optimizer = OPTIMIZERS[recipe.optimizer](network.parameters(), lr=recipe.rate)
    losses = train(network, optimizer, rng)
    whole = saved(network, optimizer, losses[-1] if losses else 0.0)
    torch.save(whole, folder / ALONE / "checkpoint.pt")
    inputs, targets = network.task.batch(rng, recipe.steps, JUDGED)
    network.eval()
    facts = measure(network, inputs, targets)
    network.zero_grad()
    with rnndiag.capture(network) as probe:
        network.loss(inputs, targets).backward()
    probe.save(str(folder / "probe.safetensors"))
    with torch.no_grad():
        np.save(folder / "x.npy", network.seen(inputs).numpy())
    facts |= {"name": recipe.name, "losses": losses[:: max(1, len(losses) // 20)]}
    facts |= {"updates": len(losses), "loss": float(np.mean(losses[-10:] or [np.nan]))}
    facts["seconds"] = time.process_time() - begun
    text = json.dumps(facts, indent=1, default=str)
    (folder / FACTS).write_text(text, encoding="utf-8")


def train(
    network: Network, optimizer: torch.optim.Optimizer, rng: np.random.Generator
) -> list[float]:
    """Loss by update; ends early, with the last finite weights, where a gradient is not finite."""
    recipe, losses = network.recipe, []
    for _ in range(recipe.updates):
        optimizer.zero_grad()
        loss = network.loss(*network.task.batch(rng, recipe.steps, BATCH))
        loss.backward()
        limit = float("inf") if recipe.clip is None else recipe.clip
        norm = nn.utils.clip_grad_norm_(network.parameters(), limit)
        if not bool(torch.isfinite(norm)) or not bool(torch.isfinite(loss)):
            break
        optimizer.step()
        losses.append(float(loss.detach()))
    return losses


def measure(network: Network, inputs: Tensor, targets: Tensor) -> dict[str, Any]:
    """Curves and growth by layer on the judged batch; of a ReLU network also read as tanh."""
    curves = truth.gradient_curves(network, inputs, targets)
    facts = {"curves": curves.tolist(), "growth": truth.growth(curves).tolist()}
    if network.recipe.cell == "relu":
        facts["growth_as_tanh"] = truth.growth(
            truth.gradient_curves(_as_tanh(network), inputs, targets)
        ).tolist()
    with torch.no_grad():
        seen = network.seen(inputs)
        hidden = network.recurrence(seen)[0]
        facts["loss_judged"] = float(network.loss(inputs, targets))
    facts["input_rms"] = (seen.double() ** 2).mean((0, 1)).sqrt().tolist()
    facts["hidden_rms"] = (hidden.double() ** 2).mean((0, 1)).sqrt().tolist()
    return facts


def _as_tanh(network: Network) -> Network:
    """The same weights, as a reader of the bare file takes them."""
    other = Network(network.recipe)
    other.load_state_dict(network.state_dict())
    other.eval()
    width = network.recurrence.input_size
    tanh = nn.RNN(width, network.recipe.hidden, network.recipe.layers)
    tanh.load_state_dict(network.recurrence.state_dict())
    owner, _, last = other.paths[1].rpartition(".")
    setattr(other.get_submodule(owner), last, tanh)
    return other
