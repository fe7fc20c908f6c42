"""Rules on the training state: for each a file that fires it and one that does not."""

from __future__ import annotations

import pytest
import torch
from cli.command import FIXTURES
from cli.command import rnndiag as rnndiag_command
from rules.networks import default, findings, judgement, trained
from torch import nn

import rnndiag
from rnndiag.advice.changes import starved_recurrence
from rnndiag.analysis import Request, analyse
from rnndiag.containers import read
from rnndiag.probe import load_probe
from rnndiag.rules import RULES, Choice, RuleSetting, judge
from rnndiag.tracing import TraceRequest


def nan_in_average(optimizer):
    state = next(iter(optimizer.state.values()))
    state["exp_avg"].view(-1)[:2] = float("nan")


def test_rd401_fires_on_averages_that_are_not_finite(tmp_path):
    (found,) = findings(trained(tmp_path / "m.pt", spoil=nan_in_average), "RD401")
    assert (found.severity, found.layer) == ("error", "(optimizer)")
    assert found.evidence == {"non_finite": 2}
    assert "2 values of the optimizer's running averages are NaN" in found.message


def test_rd401_is_silent_on_finite_averages(tmp_path):
    assert findings(trained(tmp_path / "m.pt"), "RD401") == []


def test_rd402_fires_on_the_recurrence_that_was_never_used():
    (found,) = findings(FIXTURES / "length_one_rnn.pt", "RD402")
    assert found.severity == "warning"
    assert found.evidence["rms"] == 0.0
    assert found.evidence["median_of_others"] > 0


def test_rd402_fires_three_orders_below_the_others(tmp_path):
    def starve(optimizer):
        # The second parameter is weight_hh; its root mean square gradient becomes 1e-4 of itself.
        list(optimizer.state.values())[1]["exp_avg_sq"].mul_(1e-8)

    (found,) = findings(trained(tmp_path / "m.pt", spoil=starve), "RD402")
    assert found.layer == "model.rnn/0/forward"
    assert found.evidence["rms"] < 1e-3 * found.evidence["median_of_others"]


@pytest.mark.parametrize("name", ["delayed_recall_lstm", "delayed_recall_gru", "char_rnn"])
def test_rd402_is_silent_on_trained_recurrences(name):
    assert findings(FIXTURES / f"{name}.pt", "RD402") == []


def test_rd403_fires_on_the_network_that_was_always_clipped():
    (found,) = findings(FIXTURES / "char_rnn.pt", "RD403")
    assert (found.severity, found.layer) == ("note", "(optimizer)")
    assert found.evidence["clip"] == 0.05
    assert "probably" in found.message


def test_rd403_is_sure_where_the_file_names_its_clip_value(tmp_path):
    settings = {"config": {"max_grad_norm": 0.37}}
    path = trained(tmp_path / "m.pt", settings=settings, clip=0.37)
    (found,) = findings(path, "RD403")
    assert found.evidence["clip"] == 0.37
    assert "clipping was always active" in found.message


def test_rd403_is_silent_at_a_round_number_that_is_not_the_files_clip_value(tmp_path):
    path = trained(tmp_path / "m.pt", settings={"config": {"max_grad_norm": 5.0}}, clip=1.0)
    assert findings(path, "RD403") == []


def test_rd403_is_silent_on_a_network_that_rarely_was():
    assert findings(FIXTURES / "delayed_recall_gru.pt", "RD403") == []


def test_rd404_fires_on_the_state_of_another_model(tmp_path):
    path = trained(tmp_path / "m.pt")
    content = torch.load(path, weights_only=True)
    other = nn.GRU(3, 5).state_dict()
    content["model"] = {f"rnn.{name}": value for name, value in other.items()}
    torch.save(content, path)
    (found,) = findings(path, "RD404")
    assert (found.severity, found.evidence) == ("note", {"parameters": 6})
    assert "do not fit the model's" in found.message


def test_rd404_is_silent_on_the_models_own_state(tmp_path):
    assert findings(trained(tmp_path / "m.pt"), "RD404") == []


def test_rd404_is_silent_where_several_orders_fit(tmp_path):
    """Nothing is contradicted there; that it is not known whose they are is said, however."""
    path = trained(tmp_path / "m.pt")
    content = torch.load(path, weights_only=True)
    own = content["model"].items()
    content["model"] = {f"{k}.{name}": value + n for n, k in enumerate("ab") for name, value in own}
    torch.save(content, path)
    assert findings(path, "RD404") == []
    reasons = {none.code: none.reason for none in judgement(path).not_applicable}
    assert "in several ways" in reasons["RD402"]


def test_a_file_without_an_optimizer_is_not_judged(tmp_path):
    judged = judgement(default(tmp_path / "m.pt", "gru"))
    missing = {none.code: none.reason for none in judged.not_applicable}
    assert {missing[f"RD40{n}"] for n in (1, 2, 3, 4)} == {"no optimizer's state"}


def test_an_optimizer_without_second_moments_tells_no_gradients(tmp_path):
    model = nn.ModuleDict({"rnn": nn.GRU(3, 4)})
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    model["rnn"](torch.randn(6, 5, 3))[0].sum().backward()
    optimizer.step()
    path = tmp_path / "m.pt"
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, path)
    judged = judgement(path)
    missing = {none.code: none.reason for none in judged.not_applicable}
    assert "not in this file" in missing["RD402"]
    assert missing["RD402"] == missing["RD403"]
    assert "RD401" in judged.judged


@pytest.mark.parametrize(
    ("spared", "extent", "words"),
    [
        (("weight_ih_l0", "bias_ih_l0", "bias_hh_l0"), "recurrence", "through more than one step"),
        (("bias_ih_l0", "bias_hh_l0"), "inputs", "what the layer is fed"),
        ((), "layer", "saturated"),
    ],
)
def test_rd402_fires_and_names_what_else_is_starved(tmp_path, spared, extent, words):
    """A detached state starves W_hh alone; with W_ih and the biases it is something else."""

    def starve(optimizer):
        states = list(optimizer.state.values())
        for place, name in enumerate(("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")):
            if name not in spared:
                states[place]["exp_avg_sq"].mul_(1e-12)

    path = trained(tmp_path / "m.pt", spoil=starve)
    (found,) = findings(path, "RD402")
    assert found.evidence["starved"] == extent
    assert words in found.remedy
    assert ("W_ih" in found.message) == (extent != "recurrence")
    assert ("detach" in found.remedy) is False
    (change,) = starved_recurrence.propose(analyse(read(str(path)), Request()))
    assert ("detached at every step" in change.what) == (extent == "recurrence")


def ranger(optimizer):
    """What Ranger keeps beside Adam's averages."""
    for state in optimizer.state.values():
        state["slow_buffer"] = torch.ones_like(state["exp_avg"])
    optimizer.param_groups[0].update(alpha=0.5, k=6)


def settings_of_lamb(optimizer):
    optimizer.param_groups[0].update(grad_averaging=True, trust_clip=False)


@pytest.mark.parametrize("spoil", [ranger, settings_of_lamb])
def test_an_optimizer_that_is_not_adam_tells_no_gradients(tmp_path, spoil):
    path = trained(tmp_path / "m.pt", spoil=spoil)
    state = analyse(read(str(path)), Request()).training_state
    assert (state.optimizer, state.gradient_rms_norm) == ("unknown", None)
    assert "what its second moment averages is not known" in state.absent
    # Whose they are is known nevertheless: the copies are no weights of the model.
    assert state.mapped
    missing = {none.code for none in judgement(path).not_applicable}
    assert {"RD402", "RD403"} <= missing


@pytest.mark.parametrize(
    "make", [torch.optim.Adam, torch.optim.NAdam, torch.optim.RAdam, torch.optim.AdamW]
)
def test_torchs_relatives_of_adam_tell_their_gradients(tmp_path, make):
    model = nn.ModuleDict({"rnn": nn.GRU(3, 4)})
    optimizer = make(model.parameters(), lr=1e-3)
    model["rnn"](torch.randn(6, 5, 3))[0].sum().backward()
    optimizer.step()
    torch.save({"m": model.state_dict(), "o": optimizer.state_dict()}, tmp_path / "m.pt")
    state = analyse(read(str(tmp_path / "m.pt")), Request()).training_state
    norm = torch.stack([p.grad.square().sum() for p in model.parameters()]).sum().sqrt()
    assert state.gradient_rms_norm == pytest.approx(norm.item(), rel=1e-5)


@pytest.mark.parametrize(("threshold", "count"), [(None, 0), (0.1, 1)])
def test_rd403_fires_at_the_distance_that_is_set(tmp_path, threshold, count):
    """Clipped at 1.9, which lies 5 % below 2."""
    rules = Choice(settings={"RD403": RuleSetting(threshold=threshold)}).rules()
    path = trained(tmp_path / "m.pt", clip=1.9123)
    assert len(findings(path, "RD403", rules=rules)) == count


class Scaler:
    """What is used of a GradScaler."""

    def get_scale(self):
        return 1024.0


def recorded(folder, losses=(1.0, 1.0, 1.0), factors=(1.0, 1.0, 1.0), scaler=None):
    """RD405 on three steps of a small GRU: losses as noted, and factors of what is propagated."""
    torch.manual_seed(0)
    module = nn.GRU(2, 3)
    with rnndiag.capture(module, scaler=scaler) as probe:
        for loss, factor in zip(losses, factors, strict=True):
            module.zero_grad()
            probe.loss(loss)
            (factor * module(torch.randn(25, 2, 2))[0].sum()).backward()
    probe.save(str(folder / "probe.safetensors"))
    torch.save(module.state_dict(), folder / "m.pt")
    request = TraceRequest(probe=load_probe(str(folder / "probe.safetensors")))
    result = analyse(read(str(folder / "m.pt")), Request(trace=request))
    judged = judge(result, RULES)
    return result, [finding for finding in judged.findings if finding.code == "RD405"]


NAN, INF = float("nan"), float("inf")


def test_rd405_fires_on_a_loss_that_is_nan(tmp_path):
    _, (found,) = recorded(tmp_path, losses=(1.0, NAN, INF))
    assert (found.severity, found.layer) == ("error", "(probe)")
    assert found.evidence == {"losses": 2, "gradient_norms": 0, "sequences": 0}
    assert found.message == "2 of 3 recorded losses are inf or NaN, number 2 first"


@pytest.mark.parametrize("factor", [NAN, INF])
def test_rd405_fires_on_gradients_and_the_other_steps_are_judged(factor, tmp_path):
    result, (found,) = recorded(tmp_path, factors=(1.0, 1.0, factor))
    assert found.evidence == {"losses": 0, "gradient_norms": 1, "sequences": 2}
    assert "1 of 3 recorded gradient norms is inf or NaN, number 3 first" in found.message
    assert "2 of 6 recorded sequences are inf or NaN" in found.message
    trace = result.layers[0].trace
    assert trace is not None
    assert trace.deciding[0].loss_gradient.log10_hidden.shape == (25,)


def test_rd405_fires_where_no_step_is_left_to_be_judged(tmp_path):
    result, (found,) = recorded(tmp_path, factors=(NAN, NAN, NAN))
    assert found.evidence == {"losses": 0, "gradient_norms": 3, "sequences": 6}
    assert result.layers[0].trace is None
    assert result.layers[0].not_measured == "every recorded sequence of it has inf or NaN in it"


def test_rd405_is_silent_on_finite_steps_and_on_those_a_loss_scaler_skips(tmp_path):
    assert recorded(tmp_path)[1] == []
    assert recorded(tmp_path, factors=(INF, 1.0, 1.0), scaler=Scaler())[1] == []


def test_rd405_fires_where_a_loss_scaler_never_finds_a_factor(tmp_path):
    assert recorded(tmp_path, factors=(INF, INF, INF), scaler=Scaler())[1]


def test_rd405_fails_the_gate_and_suggest_says_it(tmp_path):
    recorded(tmp_path, factors=(1.0, 1.0, NAN), losses=(1.0, 1.0, NAN))
    probe = ("--probe", tmp_path / "probe.safetensors")
    done = rnndiag_command("check", tmp_path / "m.pt", *probe)
    assert done.returncode == 1
    assert "RD405 error 1 of 3 recorded losses is inf or NaN, number 3 first and" in done.stdout
    done = rnndiag_command("suggest", tmp_path / "m.pt", *probe)
    assert done.returncode == 0
    assert "1 of 3 recorded losses is inf or NaN" in " ".join(done.stdout.split())
    done = rnndiag_command("suggest", tmp_path / "m.pt", *probe, "--fail-on", "error")
    assert done.returncode == 1
