"""Hyper-parameters that say a clip value or a truncation, and those that only seem to."""

from __future__ import annotations

import math

import pytest

from rnndiag.containers.checkpoint import Checkpoint
from rnndiag.recognise.settings import (
    clip_setting,
    truncation_setting,
    value_clip_setting,
)


def without_tensors(values):
    return Checkpoint("file.pt", "torch-zip", 0, {}, values)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, None),
        ({"args.max_grad_norm": 5}, ("args.max_grad_norm", 5.0)),
        ({"a.clip_grad_norm": 0.5, "b.max_grad_norm": 0.5}, ("a.clip_grad_norm", 0.5)),
        ({"a.clip_grad_norm": 0.5, "b.max_grad_norm": 1.0}, None),
        ({"gradient_clip_val": 0.25}, ("gradient_clip_val", 0.25)),
        ({"h.gradient_clip_val": 0.25, "h.gradient_clip_algorithm": "value"}, None),
        (
            {"gradient_clip_val": 0.25, "gradient_clip_algorithm": "norm"},
            ("gradient_clip_val", 0.25),
        ),
        ({"max_grad_norm": 0}, None),
        ({"max_grad_norm": None, "grad_clip": 2.0}, ("grad_clip", 2.0)),
        ({"max_grad_norm": True}, None),
        ({"max_grad_norm": "1.0"}, None),
        ({"max_grad_norm": math.inf}, None),
        ({"max_grad_norm": math.nan}, None),
        ({"max_grad_norm": 10**400}, None),
        ({"clip_param": 0.2, "max_grad_norm.value": 3}, None),
    ],
)
def test_the_clip_setting(values, expected):
    assert clip_setting(without_tensors(values)) == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, None),
        ({"gradient_clip_val": 0.25}, None),
        (
            {"h.gradient_clip_val": 0.25, "h.gradient_clip_algorithm": "value"},
            ("h.gradient_clip_val", 0.25),
        ),
        ({"gradient_clip_val": 0.25, "gradient_clip_algorithm": "norm"}, None),
        ({"args.clip_grad_value": 1}, ("args.clip_grad_value", 1.0)),
        ({"a.clip_grad_value": 1, "b.clip_grad_value": 2}, None),
        ({"clip_grad_value": 0}, None),
    ],
)
def test_clipping_by_value_is_another_setting(values, expected):
    assert value_clip_setting(without_tensors(values)) == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"seq_len": 300, "hparams.truncated_bptt_steps": 35}, 35),
        ({"bptt": 35}, 35),
        ({"seq_len": 300}, None),
        ({"bptt": 35, "tbptt": 70}, None),
        ({"bptt": 35.5}, None),
        ({"bptt": 0}, None),
    ],
)
def test_the_truncation_setting(values, expected):
    found = truncation_setting(without_tensors(values))
    assert (found and found.value) == expected
    assert found is None or isinstance(found.value, int)
