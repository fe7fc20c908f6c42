"""The model that is captured is the model that is not: same numbers, no hook left, errors said."""

from __future__ import annotations

import copy
import subprocess
import sys

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import rnndiag
from rnndiag.errors import InputCode, RnndiagError


class Model(nn.Module):
    """Embedding, a recurrent stack with dropout, a cell in a loop, a readout."""

    def __init__(self, kind=nn.LSTM):
        super().__init__()
        self.embed = nn.Embedding(7, 5)
        self.rnn = kind(5, 6, 2, dropout=0.3, bidirectional=True, batch_first=True)
        self.cell = nn.LSTMCell(12, 4)
        self.readout = nn.Linear(4, 3)

    def forward(self, symbols):
        output, _ = self.rnn(self.embed(symbols))
        state, scores = None, []
        for step in output.unbind(1):
            state = self.cell(step, state)
            scores.append(self.readout(state[0]))
        return torch.stack(scores, 1)


def fresh(kind=nn.LSTM):
    torch.manual_seed(0)
    model = Model(kind)
    return model, torch.optim.Adam(model.parameters(), lr=0.1)


def training_step(model, optimizer, set_to_none=True):
    """One step as people write it; what it computed, bit for bit."""
    symbols = torch.randint(7, (3, 8))
    optimizer.zero_grad(set_to_none=set_to_none)
    output = model(symbols)
    loss = nn.functional.cross_entropy(output.flatten(0, 1), symbols.flatten() % 3)
    loss.backward()
    gradients = [p.grad.clone() for p in model.parameters()]
    norm = nn.utils.clip_grad_norm_(model.parameters(), 0.01)
    optimizer.step()
    return [output.detach(), loss.detach(), norm, *gradients, *map(torch.clone, model.parameters())]


def hooks_of(model):
    """Every hook that any module, parameter or the library holds, by torch's own dictionaries."""
    found = [h for m in model.modules() for h in (*m._forward_hooks, *m._forward_pre_hooks)]
    found += [h for m in model.modules() for h in (*m._backward_hooks, *m._backward_pre_hooks)]
    for parameter in model.parameters():
        found += list(parameter._backward_hooks or ())
        found += list(getattr(parameter, "_post_accumulate_grad_hooks", None) or ())
    return found


@pytest.mark.parametrize("set_to_none", [True, False])
@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_every_number_is_the_same_bit_for_bit(kind, set_to_none):
    plain, captured = fresh(kind), fresh(kind)
    torch.manual_seed(1)
    expected = [training_step(*plain, set_to_none) for _ in range(3)]
    torch.manual_seed(1)
    with rnndiag.capture(captured[0]) as probe:
        found = [training_step(*captured, set_to_none) for _ in range(3)]
    for ours, theirs in zip(found, expected, strict=True):
        for one, other in zip(ours, theirs, strict=True):
            assert torch.equal(one, other)
    # What clip_grad_norm_ returned: it adds float32 in another order than we do.
    norms = [float(step[2]) for step in expected]
    assert probe.gradient_norms == pytest.approx(norms, rel=1e-6)


def test_no_hook_is_left():
    model, optimizer = fresh()
    with rnndiag.capture(model):
        assert hooks_of(model)
        training_step(model, optimizer)
    assert not hooks_of(model)


def test_no_hook_is_left_after_an_exception_and_it_passes_through():
    model, optimizer = fresh()

    def interrupted():
        with rnndiag.capture(model):
            training_step(model, optimizer)
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        interrupted()
    assert not hooks_of(model)


def test_hooks_on_an_output_that_outlives_the_block_are_gone():
    module = nn.GRU(2, 3)
    with rnndiag.capture(module) as probe:
        output, _ = module(torch.randn(4, 1, 2))
        output.sum().backward(retain_graph=True)
    before = probe._sequences[0].tensors()["dL_dy"].clone()
    output.sum().backward()
    assert torch.equal(probe._sequences[0].tensors()["dL_dy"], before)


def test_the_users_own_hooks_stay():
    model, optimizer = fresh()
    seen = []
    model.rnn.register_forward_hook(lambda *_: seen.append("forward"))
    model.readout.weight.register_hook(lambda _: seen.append("backward"))
    with rnndiag.capture(model):
        training_step(model, optimizer)
    training_step(model, optimizer)
    assert seen == ["forward", "backward"] * 2


def test_a_copy_made_inside_is_another_model():
    model, optimizer = fresh()
    with rnndiag.capture(model) as probe:
        training_step(model, optimizer)
        twin = copy.deepcopy(model)
        twin(torch.zeros(1, 4, dtype=torch.long)).sum().backward()
    assert len(probe._sequences) == 2
    assert len(probe.gradient_norms) == 1


def test_evaluation_inside_leaves_nothing(tmp_path):
    model, optimizer = fresh()
    with rnndiag.capture(model) as probe:
        training_step(model, optimizer)
        model.eval()
        with torch.no_grad():
            model(torch.zeros(5, 3, dtype=torch.long))
        with torch.inference_mode():
            model(torch.zeros(5, 3, dtype=torch.long))
        model(torch.zeros(5, 3, dtype=torch.long))  # with gradients, but no backward
    assert [len(sequence.tensors()["lengths"]) for sequence in probe._sequences] == [3, 3]


def test_a_forward_pass_without_backward_holds_no_memory():
    module = nn.GRU(2, 3)
    with rnndiag.capture(module) as probe:
        module(torch.randn(4, 1, 2))
        assert not probe._sequences
        module(torch.randn(4, 1, 2))[0].sum().backward()
    assert len(probe._sequences) == 1


def test_only_the_first_steps_keep_their_sequences():
    model, optimizer = fresh()
    with rnndiag.capture(model, steps=2) as probe:
        for _ in range(5):
            training_step(model, optimizer)
    assert len(probe.gradient_norms) == 5
    assert [s.step for s in probe._sequences if s.module == "rnn"] == [0, 1]


def test_a_buffer_that_is_used_again_is_not_what_was_recorded():
    module, buffer = nn.RNN(1, 2), torch.ones(3, 1, 1)
    with rnndiag.capture(module) as probe:
        module(buffer)[0].sum().backward()
        buffer.zero_()
        module(buffer)[0].sum().backward()
    first, second = (sequence.tensors()["inputs"] for sequence in probe._sequences)
    assert torch.equal(first, torch.ones(3, 1, 1))
    assert not second.any()


def test_an_output_that_is_changed_in_place_keeps_its_gradient():
    """relu_ comes after the hook: the gradient is with respect to what the module returned."""
    module = nn.GRU(2, 3)
    x = torch.randn(4, 2, 2)
    with rnndiag.capture(module) as probe:
        module(x)[0].relu_().sum().backward()
    output = module(x)[0].detach()
    assert torch.equal(probe._sequences[0].tensors()["dL_dy"], (output > 0).float())


class Scaler:
    """What is used of torch.amp.GradScaler, which itself needs a GPU."""

    def get_scale(self):
        return 1024.0


def test_a_loss_scale_is_divided_out(tmp_path):
    from rnndiag.probe import load_probe

    module = nn.LSTM(2, 3).double()
    x = torch.randn(4, 2, 2, dtype=torch.float64)
    probes = []
    for factor, scaler in ((1.0, None), (1024.0, Scaler())):
        module.zero_grad()
        with rnndiag.capture(module, scaler=scaler) as probe:
            (factor * module(x)[0].square().sum()).backward()
        path = str(tmp_path / f"{factor}.safetensors")
        probe.save(path)
        probes.append(load_probe(path))
    plain, scaled = probes
    assert scaled.gradient_norms == pytest.approx(plain.gradient_norms, rel=1e-15)
    one, other = plain.modules[""], scaled.modules[""]
    # A power of two divides exactly.
    assert (one.output_gradient_tbp == other.output_gradient_tbp).all()


@pytest.mark.parametrize("model", [nn.Linear(2, 2), nn.Sequential()])
def test_a_model_without_recurrence_is_refused(model):
    refused = pytest.raises(RnndiagError, match=r"no nn.RNN, nn.GRU, nn.LSTM")
    with refused as caught, rnndiag.capture(model):
        pass
    assert caught.value.code is InputCode.NO_RECURRENT_WEIGHTS


@pytest.mark.parametrize("model", [None, {"rnn.weight_hh_l0": torch.zeros(2, 2)}, nn.LSTM])
def test_what_is_no_module_is_refused(model):
    with pytest.raises(TypeError, match=r"torch.nn.Module"), rnndiag.capture(model):
        pass


def without_gradients(module):
    with torch.no_grad():
        module(torch.zeros(1, 1, 2))


@pytest.mark.parametrize(
    "body", [lambda _: None, without_gradients, lambda m: m(torch.zeros(1, 1, 2))]
)
def test_a_block_without_backward_is_refused(body):
    module = nn.RNN(2, 2)
    refused = pytest.raises(RnndiagError, match="no loss gradient reached")
    with refused as caught, rnndiag.capture(module):
        body(module)
    assert caught.value.code is InputCode.USAGE
    assert not hooks_of(module)


def test_a_path_that_cannot_be_written_says_so(tmp_path):
    module = nn.RNN(2, 2)
    with rnndiag.capture(module) as probe:
        module(torch.zeros(1, 1, 2))[0].sum().backward()
    with pytest.raises(RnndiagError) as caught:
        probe.save(str(tmp_path / "missing" / "probe.safetensors"))
    assert caught.value.code is InputCode.CANNOT_WRITE


NO_TORCH = """
import sys
sys.modules["torch"] = None
import rnndiag
try:
    with rnndiag.capture(object()):
        pass
except rnndiag.errors.RnndiagError as error:
    print(error)
"""


def test_without_torch_the_error_says_what_to_install():
    done = subprocess.run(
        [sys.executable, "-c", NO_TORCH], capture_output=True, text=True, check=True
    )
    assert 'capture needs torch; pip install "rnndiag[torch]"' in done.stdout


def test_naming_the_function_does_not_import_torch():
    code = "import sys, rnndiag; rnndiag.capture; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_packed_sequences_are_the_same_with_and_without():
    module = nn.LSTM(3, 4, 2, bidirectional=True)
    x = pack_padded_sequence(torch.randn(6, 3, 3), [2, 6, 4], enforce_sorted=False)

    def gradients():
        module.zero_grad()
        output, (h, c) = module(x)
        (pad_packed_sequence(output)[0].square().sum() + h.sum() * c.sum()).backward()
        return [p.grad.clone() for p in module.parameters()]

    expected = gradients()
    with rnndiag.capture(module):
        found = gradients()
    assert all(torch.equal(*pair) for pair in zip(found, expected, strict=True))
