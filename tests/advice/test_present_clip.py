"""What a clip setting of the file does, against steps that are really clipped."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from advice.training import state

from rnndiag.advice import AdviceRequest, advise
from rnndiag.advice.present_clip import judge_norm, judge_value
from rnndiag.analysis import Request, analyse
from rnndiag.containers import read
from rnndiag.measure.training_state import training_state
from rnndiag.recognise.settings import Setting

SETTING = Setting("args.max_grad_norm", 2.0)


@pytest.mark.parametrize(
    ("norms", "share", "word"),
    [
        ([0.5, 1.0, 2.0], 0.0, "none of the logged norms, the largest of which is 2"),
        ([3.0, 4.0], 1.0, "all logged norms"),
        ([1.0, 1.0, 1.0, 3.0], 0.25, "25.0% of the logged norms"),
    ],
)
def test_measured_norms_tell_how_often(norms, share, word):
    present = judge_norm(SETTING, norms, "logged", state())
    assert (present.fires, present.fires_at_most) == (share, None)
    assert word in present.effect


@pytest.mark.parametrize(
    ("norm", "more", "bound", "word"),
    [
        (1.0, {}, 0.25, "at most 25% of the last steps"),
        (0.1, {}, 0.0025, "less than 1%"),
        (1.99, {"clipped_at": 2.0}, 1.0, "nearly every step"),
        (3.0, {}, None, "larger gradients, 3 on average"),
        (1.0, {"adds_weight_decay": True}, None, "cannot be told"),
        (1.0, {"loss_scale": 1024.0}, None, "cannot be told"),
        (None, {}, None, "cannot be told without norms"),
        (0.0, {}, None, "cannot be told without norms"),
    ],
)
def test_the_optimizers_norm_gives_a_bound(norm, more, bound, word):
    known = state(gradient_rms_norm=norm, **more)
    present = judge_norm(SETTING, (), "logged", known)
    assert present.fires is None
    assert present.fires_at_most == (None if bound is None else pytest.approx(bound))
    assert word in present.effect


def test_without_a_state_nothing_is_claimed():
    assert "cannot be told" in judge_norm(SETTING, (), "logged", None).effect
    assert judge_value(SETTING, None).fires_at_most is None


def train(clip, rate=1e-3, steps=80, by_value=False):
    """Norms before clipping and shares of clipped elements of a GRU that is really trained."""
    torch.manual_seed(0)
    net = torch.nn.GRU(3, 6)
    optimizer = torch.optim.Adam(net.parameters(), lr=rate)
    norms, cut = [], []
    for _ in range(steps):
        optimizer.zero_grad()
        net(torch.randn(9, 4, 3))[0].pow(2).sum().backward()
        flat = torch.cat([p.grad.flatten() for p in net.parameters()])
        norms.append(float(flat.norm()))
        cut.append(float((flat.abs() >= clip).double().mean()))
        if by_value:
            torch.nn.utils.clip_grad_value_(net.parameters(), clip)
        else:
            torch.nn.utils.clip_grad_norm_(net.parameters(), clip)
        optimizer.step()
    return net, optimizer, np.array(norms), np.array(cut)


def weights(steps, decay=0.999):
    raw = decay ** np.arange(steps)[::-1]
    return raw / raw.sum()


@pytest.mark.parametrize("clip", [1.0, 20.0, 25.0, 35.0, 100.0])
def test_the_bound_holds_while_clipping_is_on(tmp_path, clip):
    net, optimizer, norms, _ = train(clip)
    contents = {"model": net.state_dict(), "optimizer": optimizer.state_dict()}
    torch.save({**contents, "max_grad_norm": clip}, tmp_path / "f.pt")
    file = read(str(tmp_path / "f.pt"))
    fired = float(weights(len(norms)) @ (norms >= clip))
    present = judge_norm(Setting("max_grad_norm", clip), (), "", training_state(file))
    assert present.fires_at_most is not None
    # clip_grad_norm_ shortens to c·norm/(norm + 1e-6).
    assert fired <= present.fires_at_most * (1 + 1e-5)
    assert (fired > 0.9) == ("nearly every step" in present.effect)


def test_by_value_the_gradient_turns_and_elements_are_counted(tmp_path):
    net, optimizer, norms, cut = train(0.5, by_value=True)
    contents = {"model": net.state_dict(), "optimizer": optimizer.state_dict()}
    torch.save(contents, tmp_path / "f.pt")
    known = training_state(read(str(tmp_path / "f.pt")))
    present = judge_value(Setting("gradient_clip_val", 0.5), known)
    fired = float(weights(len(norms)) @ cut)
    assert 0.0 < fired <= present.fires_at_most
    elements = sum(p.numel() for p in net.parameters())
    bound = (known.gradient_rms_norm / 0.5) ** 2 / elements
    assert present.fires_at_most == pytest.approx(bound)
    assert "turns the gradient" in present.effect
    assert "by norm keeps its direction" in present.effect


def test_it_is_found_in_a_lightning_file(tmp_path):
    net, optimizer, norms, _ = train(4.0)
    contents = {
        "state_dict": {f"net.{name}": value for name, value in net.state_dict().items()},
        "optimizer_states": [optimizer.state_dict()],
        "hyper_parameters": {"gradient_clip_val": 4.0},
    }
    torch.save(contents, tmp_path / "last.ckpt")
    result = analyse(read(str(tmp_path / "last.ckpt")), Request())
    present = advise(result).clipping.present
    assert (present.name, present.value) == ("hyper_parameters.gradient_clip_val", 4.0)
    assert (present.algorithm, present.fires) == ("norm", None)
    measured = advise(result, AdviceRequest(logged_norms=norms.tolist())).clipping.present
    assert measured.fires == pytest.approx(float(np.mean(norms > 4.0)))
    contents["hyper_parameters"]["gradient_clip_algorithm"] = "value"
    torch.save(contents, tmp_path / "last.ckpt")
    present = advise(analyse(read(str(tmp_path / "last.ckpt")), Request())).clipping.present
    assert present.algorithm == "value"
    assert math.isfinite(present.fires_at_most)
