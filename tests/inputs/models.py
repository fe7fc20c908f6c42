"""Files of small networks with what stands around a recurrence, and what they are run on."""

from __future__ import annotations

import torch
from torch import nn

from rnndiag.cells import build_cell
from rnndiag.containers import read
from rnndiag.inputs.choice import Setting
from rnndiag.measure.training_scale import training_scales
from rnndiag.recognise import recognise


def stored(path, modules: dict[str, nn.Module] | nn.Module, **more):
    """A state dict in a file, read back."""
    model = modules if isinstance(modules, nn.Module) else nn.ModuleDict(modules)
    torch.save({**model.state_dict(), **more}, path)
    return read(str(path))


def setting_of(checkpoint, steps=40, batch=3, seed=0) -> Setting:
    """Of the file's first recurrent module."""
    recognition = recognise(checkpoint)
    module = recognition.modules[0]
    cells = [[build_cell(layer) for layer in sides] for sides in module.layers]
    scale = training_scales(recognition.modules, checkpoint).get(module.flat[0].label)
    return Setting(module, cells, recognition, checkpoint, scale, seed, steps, batch)


def tied(vocabulary=11, width=6):
    """An embedding that scores as well; its bias stands under the readout's name."""
    model = nn.ModuleDict(
        {
            "embedding": nn.Embedding(vocabulary, width),
            "rnn": nn.GRU(width, width),
            "out": nn.Linear(width, vocabulary),
        }
    )
    model["out"].weight = model["embedding"].weight
    return model
