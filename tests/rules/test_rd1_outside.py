"""NaN outside the recurrence: which tensors count, and which are nobody's business."""

from __future__ import annotations

import math

import pytest
import torch
from cli.command import rnndiag, save
from torch import nn

from rnndiag.analysis import Request, analyse
from rnndiag.containers import read
from rnndiag.rules import judge

NAN = math.nan


def found(path):
    """What RD105 says of a file, by the command's own request."""
    result = analyse(read(str(path)), Request(other_weights=True), needed="recurrence")
    return [finding for finding in judge(result).findings if finding.code == "RD105"]


def model():
    torch.manual_seed(0)
    return nn.ModuleDict(
        {
            "embedding": nn.Embedding(50, 8),
            "bn": nn.BatchNorm1d(8),
            "lstm": nn.LSTM(8, 16),
            "fc": nn.Linear(16, 50),
        }
    )


SPOTS = ["embedding.weight", "fc.weight", "fc.bias", "bn.running_var", "bn.running_mean"]


@pytest.mark.parametrize("spot", SPOTS)
@pytest.mark.parametrize("wrap", [lambda s: s, lambda s: {"state_dict": s, "epoch": 3}])
def test_rd105_fires_on_one_value_wherever_it_stands(tmp_path, spot, wrap):
    state = model().state_dict()
    state[spot].view(-1)[3] = NAN
    torch.save(wrap(state), tmp_path / "m.pt")
    (finding,) = found(tmp_path / "m.pt")
    assert finding.severity == "error"
    assert finding.layer.endswith(spot)
    assert finding.evidence == {"non_finite": 1, "tensors": 1}
    assert ("running statistics" in finding.remedy) == ("running" in spot)


def test_rd105_fires_in_any_dtype_and_counts_all_tensors(tmp_path):
    state = model().half().state_dict()
    for spot in SPOTS:
        state[spot].fill_(NAN)
    torch.save(state, tmp_path / "m.pt")
    (finding,) = found(tmp_path / "m.pt")
    assert finding.evidence == {"non_finite": 400 + 800 + 50 + 8 + 8, "tensors": 5}
    assert "and 2 more" in finding.message


@pytest.mark.parametrize("spot", ["bn.running_var", "fc.bias", "fc.weight"])
def test_rd105_fires_on_infinity_where_nobody_puts_it(tmp_path, spot):
    state = model().state_dict()
    state[spot].view(-1)[0] = math.inf
    torch.save(state, tmp_path / "m.pt")
    assert found(tmp_path / "m.pt")[0].evidence["non_finite"] == 1


def test_rd105_is_silent_on_masks_scores_and_what_training_keeps(tmp_path):
    module = model()
    state = module.state_dict()
    state["attention.mask"] = torch.full((5, 5), -math.inf)
    state["fc.bias"][0] = -math.inf
    torch.save(
        {
            "state_dict": state,
            "best_val_loss": torch.tensor(NAN),
            "history": {"loss": torch.tensor([1.0, NAN])},
            "callbacks": {"EarlyStopping": {"best_score": torch.tensor(NAN), "weight": NAN}},
            "metrics": torch.tensor([NAN, 0.5]),
            "ema": {"shadow_params": [torch.full((4, 4), NAN)]},
            "epoch": 3,
        },
        tmp_path / "m.pt",
    )
    assert found(tmp_path / "m.pt") == []


def test_rd105_is_silent_on_the_optimizers_own_copies(tmp_path):
    """Ranger's slow weights and Lookahead's are the optimizer's: RD401 has what it averages."""
    module = model()
    optimizer = torch.optim.Adam(module.parameters())
    module["fc"](module["lstm"](torch.randn(3, 2, 8))[0]).sum().backward()
    optimizer.step()
    content = {"model": module.state_dict(), "optimizer": optimizer.state_dict()}
    for state in content["optimizer"]["state"].values():
        state["slow_buffer"] = torch.full((3,), NAN)
    content["optimizer"]["slow_state"] = {0: {"slow_weight": torch.full((3,), NAN)}}
    torch.save(content, tmp_path / "m.pt")
    assert found(tmp_path / "m.pt") == []


def test_rd105_is_silent_about_the_recurrence_itself(tmp_path):
    module = model()
    with torch.no_grad():
        module["lstm"].weight_ih_l0.fill_(NAN)
    assert found(save(tmp_path / "m.pt", module)) == []


def test_a_broken_model_of_an_unknown_recurrence_is_not_skipped(tmp_path):
    """In a folder: weights of any name that are all NaN fail; data and other models do not."""
    import numpy as np

    save(tmp_path / "sound.pt", model())
    broken = {name: torch.full((3, 3), NAN) for name in ("alpha", "beta")} | {"b": torch.zeros(3)}
    torch.save(broken, tmp_path / "broken.pt")
    linear = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    with torch.no_grad():
        linear[1].weight.fill_(NAN)
    save(tmp_path / "linear.pt", linear)
    np.savez(tmp_path / "data.npz", x=np.full((4, 4), np.nan), y=np.zeros(3))
    done = rnndiag("check", str(tmp_path), "--seq-len", "5", "--format", "concise")
    assert done.returncode == 1
    assert "broken.pt:alpha: RD105 error 18 values in 2 tensors of the model are NaN" in done.stdout
    assert done.stdout.count("RD105") == 1
    assert done.stdout.count("skipped: no recurrent weights") == 2


def test_a_large_tensor_takes_little_memory_and_a_long_row_is_read(tmp_path):
    import tracemalloc

    state = model().state_dict()
    state["embedding.weight"] = torch.zeros(1 << 17, 64)
    state["embedding.weight"][-1, -1] = NAN
    state["flat_weight"] = torch.zeros(1, 1 << 10)
    torch.save(state, tmp_path / "m.pt")
    checkpoint = read(str(tmp_path / "m.pt"))
    tracemalloc.start()
    result = analyse(checkpoint, Request(other_weights=True))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [each.name for each in result.spoilt] == ["embedding.weight"]
    # 32 MiB in blocks of 2, of which one outlives its turn.
    assert peak < 9 << 20
