"""A captured probe through the command gives autograd's ‖∂L/∂h_t‖, on unrolled torch cells."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from capturing.unrolled import gradient_norms, unroll_sample
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from torch_oracle import CASES, make_module

import rnndiag
from rnndiag.cli import run

STEPS, BATCH = 9, 4
LENGTHS = [5, 9, 1, 7]

# Relative error of a norm: both sides run the same recursion in float64 over 9 steps; the JSON's
# twelve digits of a logarithm below 10 leave 1e-11.
EXACT = 1e-10


def draw(*shape):
    return torch.randn(*shape, dtype=torch.float64)


def loss_of(output, finals, weights):
    """Every step of every sample counts, nonlinearly, and so do the final states."""
    loss = (weights["y"] * output).tanh().sum()
    for part, weight in zip(finals, weights["finals"], strict=True):
        loss = loss + (weight * part).sin().sum()
    return loss


def initial_states(module):
    count = module.num_layers * (2 if module.bidirectional else 1)
    states = [draw(count, BATCH, module.proj_size or module.hidden_size)]
    if isinstance(module, torch.nn.LSTM):
        states.append(draw(count, BATCH, module.hidden_size))
    return states


def case_of(case, layers, bidirectional):
    module = make_module(case, num_layers=layers, bidirectional=bidirectional, seed=layers)
    torch.manual_seed(7)
    states = initial_states(module)
    width = (2 if bidirectional else 1) * (module.proj_size or module.hidden_size)
    weights = {"y": draw(STEPS, BATCH, width), "finals": [draw(*s.shape) for s in states]}
    return module, draw(STEPS, BATCH, 4), states, weights


def as_given(states):
    return tuple(states) if len(states) == 2 else states[0]


def captured(module, inputs, states, weights, packed, path):
    x = pack_padded_sequence(inputs, LENGTHS, enforce_sorted=False) if packed else inputs
    with rnndiag.capture(module) as probe:
        output, finals = module(x, as_given(states))
        output = pad_packed_sequence(output)[0] if packed else output
        finals = finals if isinstance(finals, tuple) else (finals,)
        probe.loss(loss_of(output, finals, weights)).backward()
    probe.save(path)


def by_autograd(module, inputs, states, weights, lengths):
    """Whole batch: by layer and direction (initial, by position) of h and of c."""
    unrolled = [
        unroll_sample(
            module,
            inputs[:length, b],
            [tuple(s[i, b][None] for s in states) for i in range(len(states[0]))],
        )
        for b, length in enumerate(lengths)
    ]
    for b, (histories, output) in enumerate(unrolled):
        finals = [torch.stack([h[-1][p][0] for h in histories]) for p in range(len(states))]
        of_sample = {
            "y": weights["y"][: lengths[b], b],
            "finals": [w[:, b] for w in weights["finals"]],
        }
        loss_of(output, finals, of_sample).backward()
    sides = 2 if module.bidirectional else 1
    return [
        [
            [gradient_norms(h[index], part, max(lengths), index % sides == 1) for h, _ in unrolled]
            for part in range(len(states))
        ]
        for index in range(len(states[0]))
    ]


def joined(samples):
    """log10 of the Frobenius norms over the batch: (initial, by position)."""
    with np.errstate(divide="ignore"):
        return [
            np.log10(np.sqrt(np.square(np.array(v)).sum(0))) for v in zip(*samples, strict=True)
        ]


def traced(capsys, folder, module):
    torch.save(module.state_dict(), folder / "model.pt")
    relu = getattr(module, "nonlinearity", "") == "relu"
    declared = ["--as", "*weight_hh*=rnn:relu"] if relu else []
    probe = str(folder / "probe.safetensors")
    assert (
        run(
            [
                "bptt-trace",
                str(folder / "model.pt"),
                "--probe",
                probe,
                "--format",
                "json",
                *declared,
            ]
        )
        == 0
    )
    return json.loads(capsys.readouterr().out)["files"][0]["layers"]


@pytest.mark.parametrize("packed", [False, True], ids=["padded", "packed"])
@pytest.mark.parametrize("bidirectional", [False, True], ids=["one-way", "both-ways"])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("case", CASES)
def test_equals_autograd_on_unrolled_cells(case, layers, bidirectional, packed, tmp_path, capsys):
    module, *rest = case_of(case, layers, bidirectional)
    captured(module, *rest, packed, str(tmp_path / "probe.safetensors"))
    expected = by_autograd(module, *rest, LENGTHS if packed else [STEPS] * BATCH)
    found = traced(capsys, tmp_path, module)
    assert len(found) == len(expected)
    for layer, parts in zip(found, expected, strict=True):
        (drive,) = layer["trace"]["drives"]
        ours = drive["loss_gradient"]
        assert ours["state_difference"] < EXACT
        for name, samples in zip(("hidden", "cell"), parts, strict=False):
            initial, by_position = joined(samples)
            np.testing.assert_allclose(
                10.0 ** ours[f"log10_initial_{name}"], 10.0**initial, rtol=EXACT
            )
            np.testing.assert_allclose(
                10.0 ** np.array(ours[f"log10_{name}"], dtype=float), 10.0**by_position, rtol=EXACT
            )
