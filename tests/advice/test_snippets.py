"""The code to paste: PyTorch's is run, the others' arguments are held against their libraries."""

from __future__ import annotations

import ast
import dataclasses
import importlib.util
import inspect

import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.utilities import grad_norm
from torch import nn

from rnndiag.advice.clipping import ClippingAdvice
from rnndiag.advice.snippets import FRAMEWORKS
from rnndiag.advice.snippets.torch_loop import torch_loop
from rnndiag.advice.truncation import TruncationAdvice

CLIP = ClippingAdvice(max_norm=0.25, basis="convention", reasonable_range=None, reason="")
WHOLE = TruncationAdvice("longer-than-tested", 0.1)
CHUNKED = TruncationAdvice("heuristic", 0.1, 4, 6)
STEPS = 20


class Recording(torch.optim.SGD):
    """Counts its steps and keeps the size of the gradient of each."""

    def __init__(self, parameters) -> None:
        super().__init__(parameters, lr=0.1)
        self.norms: list[float] = []

    def step(self, closure=None):
        loss = super().step(closure)
        gradients = [p.grad.flatten() for p in self.param_groups[0]["params"]]
        self.norms.append(float(torch.cat(gradients).norm()))
        return loss


def execute(truncation: TruncationAdvice, model: nn.Module):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(STEPS, 2, 3, generator=generator)
    y = 50.0 * torch.randn(STEPS, 2, 4, generator=generator)
    optimizer = Recording(model.parameters())
    names = {
        **{"torch": torch, "model": model, "optimizer": optimizer},
        **{"criterion": nn.MSELoss(), "batches": [(x, y), (x, y)]},
    }
    before = [p.clone() for p in model.parameters()]
    exec(compile(torch_loop(CLIP, truncation), "snippet", "exec"), names)
    assert any((a != b).any() for a, b in zip(before, model.parameters(), strict=True))
    return optimizer, names


@pytest.mark.parametrize("kind", [nn.RNN, nn.GRU, nn.LSTM])
@pytest.mark.parametrize(
    ("truncation", "steps"), [(WHOLE, 2), (CHUNKED, 8)], ids=["whole", "chunks"]
)
def test_it_runs_clips_and_steps(kind, truncation, steps):
    torch.manual_seed(0)
    optimizer, names = execute(truncation, kind(3, 4))
    # 20 steps in chunks of 6 are four chunks, in each of two batches.
    assert len(optimizer.norms) == steps
    assert max(optimizer.norms) == pytest.approx(0.25, rel=1e-3)
    assert float(names["norm"]) > 0.25, "the target is far away, so it had to clip"


def test_the_last_chunks_state_is_detached():
    _, names = execute(CHUNKED, nn.LSTM(3, 4))
    assert all(state.grad_fn is None for state in names["state"])


def test_it_is_code_that_shows_the_values():
    text = torch_loop(CLIP, CHUNKED)
    assert "max_norm=0.25" in text
    assert "split(6)" in text
    ast.parse(text)


DOCUMENTED = {
    # https://lightning.ai/docs/pytorch/stable/common/trainer.html
    "Trainer/lightning": {"gradient_clip_val", "gradient_clip_algorithm"},
    # https://lightning.ai/docs/pytorch/stable/common/lightning_module.html#clip-gradients
    "clip_gradients": {"optimizer", "gradient_clip_val", "gradient_clip_algorithm"},
    # https://lightning.ai/docs/pytorch/stable/api/lightning.pytorch.utilities.html
    "grad_norm": {"module", "norm_type"},
    # https://huggingface.co/docs/transformers/main_classes/trainer
    "TrainingArguments": {"output_dir", "max_grad_norm", "logging_steps"},
    "Trainer/transformers": {"model", "args", "train_dataset"},
}
"""Arguments by callable, as documented for Lightning 2.6.6 and transformers 5.24.0, with which they
were last compared; where the libraries are installed they are asked themselves."""


def keywords(framework: str, truncation: TruncationAdvice):
    """Name of a callable to the keywords it is given."""
    for node in ast.walk(ast.parse(FRAMEWORKS[framework].snippet(CLIP, truncation))):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
            key = f"{name}/{framework}" if name == "Trainer" else name
            yield key, {keyword.arg: keyword.value for keyword in node.keywords}


@pytest.mark.parametrize("truncation", [WHOLE, CHUNKED], ids=["whole", "chunks"])
@pytest.mark.parametrize(
    ("framework", "expected"),
    [
        ("lightning", {"gradient_clip_val": 0.25, "gradient_clip_algorithm": "norm"}),
        ("transformers", {"max_grad_norm": 0.25}),
    ],
)
def test_only_documented_arguments_with_the_advised_value(framework, expected, truncation):
    given = {}
    for name, arguments in keywords(framework, truncation):
        if arguments:
            assert set(arguments) <= DOCUMENTED[name], name
            literals = {k: v for k, v in arguments.items() if isinstance(v, ast.Constant)}
            given.update({key: node.value for key, node in literals.items()})
    assert {key: given[key] for key in expected} == expected


def test_the_documented_arguments_are_the_libraries_own():
    """Of Lightning; of transformers, which the tests do not install, where it is."""
    assert set(inspect.signature(Trainer).parameters) >= DOCUMENTED["Trainer/lightning"]
    clip = inspect.signature(LightningModule.clip_gradients)
    assert set(clip.parameters) >= DOCUMENTED["clip_gradients"]
    assert set(inspect.signature(grad_norm).parameters) >= DOCUMENTED["grad_norm"]
    if importlib.util.find_spec("transformers") is not None:
        import transformers

        fields = {field.name for field in dataclasses.fields(transformers.TrainingArguments)}
        assert fields >= DOCUMENTED["TrainingArguments"]
        trainer = inspect.signature(transformers.Trainer)
        assert set(trainer.parameters) >= DOCUMENTED["Trainer/transformers"]


def test_lightning_clips_by_itself_only_without_chunks():
    """Under manual optimization Trainer(gradient_clip_val=…) raises."""
    names = {name for name, _ in keywords("lightning", WHOLE)}
    assert "Trainer/lightning" in names
    assert "clip_gradients" not in names
    names = {name for name, _ in keywords("lightning", CHUNKED)}
    assert "Trainer/lightning" not in names
    assert {"clip_gradients", "manual_backward", "split", "detach"} <= names


def test_transformers_says_that_it_cannot_truncate():
    text = FRAMEWORKS["transformers"].snippet(CLIP, CHUNKED)
    assert "no truncated back-propagation" in text
    assert "every 6 steps" in text
    assert "truncated" not in FRAMEWORKS["transformers"].snippet(CLIP, WHOLE)


class Logged(LightningModule):
    """What a user's own module has beside the lines to add."""

    def __init__(self) -> None:
        super().__init__()
        self.model, self.criterion = nn.LSTM(3, 4), nn.MSELoss()
        self.recording = Recording(self.model.parameters())
        self.logged: list[float] = []

    def training_step(self, batch, _):
        return self.criterion(self.model(batch[0])[0], batch[1])

    def configure_optimizers(self):
        return self.recording

    def log(self, name, value, **options):
        assert name == "grad_norm"
        self.logged.append(float(value))


@pytest.mark.filterwarnings("ignore")  # Lightning warns of workers, loggers and its own imports
@pytest.mark.parametrize(
    ("truncation", "steps"), [(WHOLE, 1), (CHUNKED, 4)], ids=["whole", "chunks"]
)
def test_lightnings_lines_run_under_its_trainer(truncation, steps, tmp_path):
    quiet = dict.fromkeys(("logger", "enable_progress_bar", "enable_model_summary"), False)
    names = {}
    text = FRAMEWORKS["lightning"].snippet(CLIP, truncation)
    exec(compile(text, "snippet", "exec"), names)
    torch.manual_seed(0)
    clip = {} if truncation is CHUNKED else clipping_of(names["trainer"])
    module = type("Mine", (names["Recurrent"], Logged), {})()
    batch = torch.randn(STEPS, 2, 3), 50.0 * torch.randn(STEPS, 2, 4)
    trainer = Trainer(accelerator="cpu", max_epochs=1, default_root_dir=tmp_path, **quiet, **clip)
    trainer.fit(module, torch.utils.data.DataLoader([batch], batch_size=None))
    assert len(module.recording.norms) == len(module.logged) == steps
    assert max(module.recording.norms) == pytest.approx(0.25, rel=1e-3)
    assert min(module.logged) > 0.25, "what is logged is the norm before clipping"


def clipping_of(trainer: Trainer) -> dict[str, object]:
    """The settings of the Trainer that the code to paste makes."""
    return {
        "gradient_clip_val": trainer.gradient_clip_val,
        "gradient_clip_algorithm": trainer.gradient_clip_algorithm,
    }


@pytest.mark.parametrize("truncation", [WHOLE, CHUNKED], ids=["whole", "chunks"])
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_code_fits_a_screen(framework, truncation):
    text = FRAMEWORKS[framework].snippet(CLIP, truncation)
    ast.parse(text)
    assert max(map(len, text.splitlines())) <= 100
