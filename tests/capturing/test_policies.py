"""What steps through time call by call for good reasons: RL policies, and decoders with masks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from cli.command import rnndiag as command
from gymnasium import spaces
from sb3_contrib.common.recurrent.policies import RecurrentActorCriticPolicy
from sb3_contrib.common.recurrent.type_aliases import RNNStates
from stable_baselines3.common.torch_layers import FlattenExtractor
from torch import nn

import rnndiag
from rnndiag.analysis import Request, analyse
from rnndiag.containers import read
from rnndiag.probe import load_probe
from rnndiag.recognise import parse_declaration
from rnndiag.tracing import TraceRequest

STEPS, BATCH, WIDTH = 80, 4, 32

EXACT = 1e-10


def exploding(*modules):
    """Recurrent weights of so large a gain that gradients grow by decades; each module the same."""
    for module in modules:
        torch.manual_seed(3)
        for name, weight in module.named_parameters():
            if "weight_hh" in name:
                nn.init.normal_(weight, std=(3.5 if isinstance(module, nn.RNN) else 9) / WIDTH**0.5)
            elif "weight_ih" in name:
                nn.init.normal_(weight, std=0.05)
    return modules[0]


class Features(FlattenExtractor):
    """Observations as they are; the policy makes them float32 before."""

    def forward(self, observations):
        return super().forward(observations).double()


def policy():
    torch.manual_seed(0)
    box = spaces.Box(-1.0, 1.0, (3,), np.float32)
    sizes = {"lstm_hidden_size": WIDTH, "features_extractor_class": Features}
    found = RecurrentActorCriticPolicy(box, box, lambda _: 1e-3, **sizes).double()
    exploding(found.lstm_actor, found.lstm_critic)
    return found


def policy_loss(model, starts, first=STEPS - 1):
    """As PPO's update evaluates a batch of `BATCH` sequences; steps from `first` on count."""
    torch.manual_seed(1)
    observations = torch.randn(BATCH * STEPS, 3, dtype=torch.float64)
    actions = torch.randn(BATCH * STEPS, 3, dtype=torch.float64)
    zero = torch.zeros(1, BATCH, WIDTH, dtype=torch.float64)
    values, log_prob, entropy = model.evaluate_actions(
        observations, actions, RNNStates((zero, zero), (zero, zero)), starts.double().reshape(-1)
    )
    late = torch.zeros(BATCH, STEPS, dtype=torch.float64)
    late[:, first:] = 1.0
    return ((values.ravel() + log_prob) * late.ravel()).sum() + entropy.mean()


def probed(model, body, folder):
    with rnndiag.capture(model) as probe:
        body().backward()
    probe.save(str(folder / "probe.safetensors"))
    torch.save(model.state_dict(), folder / "model.pt")
    loaded = load_probe(str(folder / "probe.safetensors"))
    found = rnndiag.trace(str(folder / "model.pt"), TraceRequest(probe=loaded))
    return loaded, {item.layer.name: item.trace.drives[0] for item in found.layers}


def checked(folder):
    arguments = ("--probe", folder / "probe.safetensors", "--format", "concise")
    return command("check", folder / "model.pt", *arguments, "--select", "RD301")


def assert_same(found, expected):
    for name, drive in expected.items():
        for curve in ("log10_gradient_norm", "parameter_gradient_share"):
            ours, theirs = getattr(found[name], curve), getattr(drive, curve)
            np.testing.assert_allclose(ours, theirs, rtol=0.0, atol=EXACT)


def test_a_recurrent_policy_that_steps_because_episodes_may_start(tmp_path):
    """The first step of each sequence starts an episode: the policy loops over all the steps."""
    model, starts = policy(), torch.zeros(BATCH, STEPS)
    _, expected = probed(model, lambda: policy_loss(model, starts), tmp_path)
    assert checked(tmp_path).returncode == 1
    starts[:, 0] = 1.0
    loaded, found = probed(model, lambda: policy_loss(model, starts), tmp_path)
    assert {module.longest for module in loaded.modules.values()} == {STEPS}
    assert_same(found, expected)
    done = checked(tmp_path)
    assert done.returncode == 1
    assert "RD301 error exploding" in done.stdout


def test_an_episode_that_starts_amid_a_batch_parts_its_sequence_alone(tmp_path):
    model, starts = policy(), torch.zeros(BATCH, STEPS)
    starts[1, 50] = 1.0
    loaded, _ = probed(model, lambda: policy_loss(model, starts, 0), tmp_path)
    for module in loaded.modules.values():
        lengths = [int(module.lengths[list(chain)].sum()) for chain in module.chains]
        assert sorted(lengths) == [30, 50, 80, 80, 80]


class Decoder(nn.Module):
    """Attends over an encoder's outputs with its own state, and feeds the context back in."""

    def __init__(self):
        super().__init__()
        self.cell = nn.LSTMCell(3 + WIDTH, WIDTH)
        self.query = nn.Linear(WIDTH, WIDTH)

    def forward(self, x, memory, masks):
        h = c = torch.zeros(BATCH, WIDTH, dtype=torch.float64)
        for step, mask in zip(x, masks, strict=True):
            weights = torch.einsum("bh,sbh->sb", self.query(h), memory).softmax(0)
            context = torch.einsum("sb,sbh->bh", weights, memory)
            h_new, c_new = self.cell(torch.cat([step, context], -1), (h, c))
            h = mask * h_new + (1.0 - mask) * h
            c = mask * c_new + (1.0 - mask) * c
        return h


def test_a_decoder_with_attention_and_masks(tmp_path):
    torch.manual_seed(0)
    model = Decoder().double()
    exploding(model.cell)
    x, memory = torch.randn(STEPS, BATCH, 3).double(), torch.randn(7, BATCH, WIDTH).double()
    masks = torch.ones(STEPS, BATCH, 1, dtype=torch.float64)
    masks[40:, 3] = 0.0

    def loss():
        return model(x, memory, masks)[:, 0].sum()

    loaded, _ = probed(model, loss, tmp_path)
    (module,) = loaded.modules.values()
    lengths = sorted(int(module.lengths[list(chain)].sum()) for chain in module.chains)
    assert lengths[-4:] == [40, 80, 80, 80]
    assert checked(tmp_path).returncode == 1


@pytest.mark.parametrize("stepwise", [False, True], ids=["whole", "stepwise"])
def test_a_plain_network_through_the_command(stepwise, tmp_path):
    torch.manual_seed(0)
    module = exploding(nn.RNN(3, WIDTH))
    torch.manual_seed(1)
    x, weight = torch.randn(STEPS, BATCH, 3), torch.randn(BATCH, WIDTH)

    def loss():
        state = None
        for part in x.split(1) if stepwise else [x]:
            output, state = module(part, state)
        return (output[-1] * weight).sum()

    probed(module, loss, tmp_path)
    done = checked(tmp_path)
    assert done.returncode == 1
    assert "RD301 error exploding" in done.stdout


def test_calls_that_pass_no_state_on_end_in_no_verdict(tmp_path):
    module = nn.GRU(3, WIDTH)
    x = torch.randn(60, BATCH, 3)
    with rnndiag.capture(module) as probe:
        sum(module(step[None])[0].sum() for step in x).backward()
    probe.save(str(tmp_path / "probe.safetensors"))
    torch.save(module.state_dict(), tmp_path / "model.pt")
    done = checked(tmp_path)
    assert done.returncode == 2
    assert "60 calls of one step, no state passed on; hand the state on" in done.stderr


@pytest.mark.parametrize("steps", [2, 3, 8, 19, 20])
@pytest.mark.parametrize("gain", [0.1, 40.0])
def test_a_short_sequence_is_judged_at_its_length_without_a_rate(steps, gain, tmp_path):
    module = nn.RNN(3, WIDTH, nonlinearity="relu").double()
    with torch.no_grad():
        module.weight_hh_l0.copy_(gain * torch.eye(WIDTH))
        module.weight_ih_l0.fill_(0.1)
        module.bias_ih_l0.zero_()
        module.bias_hh_l0.zero_()
    x = torch.ones(steps, BATCH, 3, dtype=torch.float64)
    with rnndiag.capture(module) as probe:
        module(x)[0][-1].sum().backward()
    probe.save(str(tmp_path / "probe.safetensors"))
    torch.save(module.state_dict(), tmp_path / "model.pt")
    arguments = ("--probe", tmp_path / "probe.safetensors", "--select", "RD301")
    done = command("check", tmp_path / "model.pt", *arguments, "--as", "*weight_hh*=rnn:relu")
    # φ is gain^k exactly, here at most at k = steps.
    assert done.returncode == int(gain > 1.0 and steps * np.log10(gain) >= 3.0), done.stdout
    loaded = load_probe(str(tmp_path / "probe.safetensors"))
    declared = (parse_declaration("*weight_hh*=rnn:relu"),)
    request = Request(trace=TraceRequest(probe=loaded), declarations=declared)
    (item,) = analyse(read(str(tmp_path / "model.pt")), request).layers
    decay = item.trace.drives[0].decay
    assert (decay.rate_per_step is None) == (steps < 20)
    assert decay.growth_log10 == pytest.approx(max(0.0, steps * np.log10(gain)), abs=1e-12)
