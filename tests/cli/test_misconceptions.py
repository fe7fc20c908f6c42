"""What common advice gets wrong: for each, a checkpoint where our words are right and it is not.

Each network is built so that the answer is known without us.
"""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from torch import nn
from torch_oracle import unrolled_gradients


@pytest.fixture
def ask(tmp_path, in_process):
    """A command on a module: what it says in words, and its first layer in numbers."""

    def asked(module, command, *options):
        path = tmp_path / "model.pt"
        torch.save(module.state_dict(), path)
        words = in_process(command, path, *options, "--format", "table")
        numbers = in_process(command, path, *options, "--format", "json")
        assert (words.returncode, numbers.returncode) == (0, 0), words.stderr
        return " ".join(words.stdout.split()), json.loads(numbers.stdout)["files"][0]

    return asked


def network(kind, input_size, hidden_size, **weights):
    """A torch module in float64, all zero but for the given parameters."""
    module = kind(input_size, hidden_size).double()
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            parameter.zero_().add_(torch.as_tensor(weights.get(name, 0.0), dtype=torch.float64))
    return module


def gated(hidden, recurrent, bias):
    """An LSTM whose blocks of W_hh are multiples of I and whose biases are constant, by gate."""
    weight = np.concatenate([recurrent.get(gate, 0.0) * np.eye(hidden) for gate in "ifgo"])
    biases = np.repeat([bias.get(gate, 0.0) for gate in "ifgo"], hidden)
    return network(nn.LSTM, 1, hidden, weight_hh_l0=weight, bias_hh_l0=biases)


def test_eigenvalues_below_one_do_not_mean_vanishing(ask):
    """W = [[B, B], [-B, -B]] has W² = 0; its second half saturated, h' = tanh(B h) is chaos."""
    half = 100
    b = np.random.default_rng(0).standard_normal((half, half)) * 3.0 / math.sqrt(2 * half)
    weight = np.block([[b, b], [-b, -b]])
    np.testing.assert_allclose(weight @ weight, 0.0, atol=1e-12)  # rounding of sums of 200
    # The saturated half is 1: its drive into the first half is taken away again by the bias.
    bias = np.concatenate([-b.sum(axis=1), np.full(half, 60.0)])
    module = network(nn.RNN, 1, 2 * half, weight_hh_l0=weight, bias_hh_l0=bias)
    words, file = ask(module, "spectrum")
    assert file["layers"][0]["spectrum"]["blocks"][0]["spectral_radius"] < 1e-5
    assert "That alone is no proof that gradients vanish" in words
    words, file = ask(module, "bptt-trace", "--input", "zero", "--seq-len", "200")
    (drive,) = file["layers"][0]["trace"]["drives"]
    assert drive["lyapunov"][0] > 0.1
    assert drive["growth_log10"] > 10
    assert "Exploding" in words


def test_a_spectral_radius_above_one_does_not_mean_explosion(ask):
    """Scalar tanh with w = 5: at its fixed point one step multiplies by 9.1e-4."""
    module = network(nn.RNN, 1, 1, weight_hh_l0=5.0, weight_ih_l0=1.0)
    words, file = ask(module, "spectrum")
    assert "5 of W_hh is above 1. That alone is no explosion" in words
    state = 1.0
    for _ in range(100):
        state = math.tanh(5.0 * state)
    step = 5.0 * (1.0 - state**2)
    reached = file["layers"][0]["spectrum"]["after_perturbation"]["spectral_radius"]
    assert reached == pytest.approx(step, rel=1e-9)
    tanh = ("--as", "weight_hh_l0=rnn:tanh")
    words, _ = ask(module, "bptt-trace", "--seq-len", "50", *tanh)
    assert "Vanishing" in words


@pytest.mark.parametrize(
    ("recurrent", "forget", "radius"), [({"i": 30.0}, 4.0, 0.982), ({"g": 1.0}, 2.5, 1.174)]
)
def test_eigenvalues_of_gate_blocks_say_nothing(ask, recurrent, forget, radius):
    """30·I in the input gate contracts; blocks of at most I in the candidate expand."""
    words, file = ask(gated(8, recurrent, {"f": forget}), "spectrum")
    assert "its eigenvalues say nothing about memory" in words
    spectrum = file["layers"][0]["spectrum"]
    assert all(block["eigenvalues"] is None for block in spectrum["blocks"])
    assert spectrum["jacobian"]["spectral_radius"] == pytest.approx(radius, abs=5e-4)


def test_the_trace_is_no_retained_gradient_of_the_output(ask, tmp_path):
    """output.retain_grad() is 0 before the loss step; the gradient of the state is not."""
    torch.manual_seed(0)
    module = nn.GRU(3, 6).double()
    inputs, seed = torch.randn(12, 1, 3).double(), torch.randn(6).double()
    output = module(inputs)[0]
    output.retain_grad()
    (output[-1] @ seed).sum().backward()
    assert not output.grad[-2].any()
    np.save(tmp_path / "inputs.npy", inputs.numpy())
    np.save(tmp_path / "cotangent.npy", seed.numpy().reshape(1, 1, 6))
    _, file = ask(
        *(module, "bptt-trace", "--input", tmp_path / "inputs.npy"),
        *("--cotangent", tmp_path / "cotangent.npy", "--initial-state", "zero"),
    )
    (drive,) = file["layers"][0]["trace"]["drives"]
    at_rest = [(torch.zeros(1, 6, dtype=torch.float64),)]
    truth = unrolled_gradients(module, inputs, at_rest, seed).hidden[0, :, 0]
    found = 10.0 ** np.array(drive["log10_gradient_norm"]) * float(seed.norm())
    np.testing.assert_allclose(found, truth, rtol=1e-10)
    assert found[1] > 0.1


def test_a_flat_gradient_of_a_summed_loss_is_not_health(ask, tmp_path):
    """The loss of every step keeps ‖∂L/∂h_t‖ level, while one step's gradient is gone after 49."""
    torch.manual_seed(0)
    module = nn.RNN(4, 32).double()
    inputs = torch.randn(50, 8, 4).double()
    state, states = torch.zeros(8, 32).double(), []
    for x in inputs:
        state = torch.tanh(
            x @ module.weight_ih_l0.T
            + module.bias_ih_l0
            + state @ module.weight_hh_l0.T
            + module.bias_hh_l0
        )
        state.retain_grad()
        states.append(state)
    (torch.stack(states) * torch.randn(50, 8, 32).double()).sum().backward()
    assert float(states[0].grad.norm() / states[-1].grad.norm()) > 0.5
    np.save(tmp_path / "inputs.npy", inputs.numpy())
    words, file = ask(module, "bptt-trace", "--input", tmp_path / "inputs.npy")
    assert "Vanishing" in words
    assert file["layers"][0]["trace"]["drives"][0]["log10_gradient_norm"][49] < -9


def test_a_forget_bias_of_one_counts_twice(ask):
    """PyTorch adds two biases: f = σ(2) = 0.881, a memory of 7.9 steps and not of 3.2."""
    ones = np.repeat([0.0, 1.0, 0.0, 0.0], 8)
    module = network(nn.LSTM, 1, 8, bias_ih_l0=ones, bias_hh_l0=ones)
    words, file = ask(module, "inspect")
    constants = file["layers"][0]["weights"]["gate_time_constants"]["forget"]
    assert constants["median"] == pytest.approx(-1.0 / math.log(1.0 / (1.0 + math.exp(-2.0))))
    assert "7.88" in words


def test_a_chunk_is_no_window(ask, tmp_path):
    """At β = 0.9, 10 % bias: 22 lags are enough for a window, a chunk has to be 90 steps long."""
    module = nn.RNN(1, 1, nonlinearity="relu").double()
    with torch.no_grad():
        for name, value in zip(("hh", "ih"), (0.9, 1.0), strict=True):
            getattr(module, f"weight_{name}_l0").fill_(value)
            getattr(module, f"bias_{name}_l0").zero_()
    # From its fixed point, so that every step's parameter gradient is a power of 0.9.
    np.save(tmp_path / "ones.npy", np.ones((300, 1, 1)))
    np.save(tmp_path / "h0.npy", np.full((1, 1, 1), 10.0))
    words, file = ask(
        *(module, "suggest", "--as", "*weight_hh*=rnn:relu", "--seq-len", "300"),
        *("--input", tmp_path / "ones.npy", "--initial-state", tmp_path / "h0.npy"),
    )
    assert file["advice"]["truncation"]["lags"] == 22
    assert file["advice"]["truncation"]["chunk"] == 90
    assert "detach every 90 steps" in words


def test_computed_eigenvalues_are_not_exact(ask):
    """A rotated nilpotent matrix: every eigenvalue is 0, and none of the computed ones is near."""
    generator = np.random.default_rng(0)
    nilpotent = np.triu(generator.standard_normal((100, 100)), 1)
    rotation, _ = np.linalg.qr(generator.standard_normal((100, 100)))
    weight = rotation @ nilpotent @ rotation.T
    words, file = ask(network(nn.RNN, 1, 100, weight_hh_l0=weight), "spectrum")
    spectrum = file["layers"][0]["spectrum"]
    radius = spectrum["blocks"][0]["spectral_radius"]
    assert radius > 0.1
    assert spectrum["eigenvalue_uncertainty"] == pytest.approx(radius, rel=1e-6)
    assert "The eigenvalues are ill-conditioned" in words


def test_an_orthogonal_recurrence_does_not_keep_the_gradient(ask):
    """After tanh, under noise, 100 steps of an isometry leave less than a billionth."""
    torch.manual_seed(0)
    module = nn.RNN(128, 128).double()
    nn.init.orthogonal_(module.weight_hh_l0)
    with torch.no_grad():
        module.weight_ih_l0.copy_(torch.randn(128, 128) / math.sqrt(128))
    _, file = ask(module, "spectrum")
    assert file["layers"][0]["spectrum"]["orthogonality_error"] < 1e-5
    words, file = ask(module, "bptt-trace", "--input", "normal", "--seq-len", "100")
    assert "Vanishing" in words
    assert file["layers"][0]["trace"]["drives"][0]["log10_gradient_norm"][100] < -9
    assert abs(file["layers"][0]["trace"]["textbook_log10"][100]) < 1e-4


def test_clipping_does_nothing_for_vanishing(ask):
    """Clipping scales the whole gradient: 1e-3 beside 1e6 becomes 1e-9, and the words say so."""
    gradient = torch.tensor([1e6, 1e-3], dtype=torch.float64)
    parameter = nn.Parameter(torch.zeros(2, dtype=torch.float64))
    parameter.grad = gradient.clone()
    nn.utils.clip_grad_norm_([parameter], 1.0)
    assert float(parameter.grad[1]) == pytest.approx(1e-9)
    torch.manual_seed(0)
    words, _ = ask(nn.RNN(4, 32), "bptt-trace")
    assert "Vanishing" in words
    assert "Clipping does not help against that" in words
