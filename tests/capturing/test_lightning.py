"""Under Lightning's Trainer, and under a closure such as it trains by."""

from __future__ import annotations

import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from torch import nn

import rnndiag
from rnndiag.probe import load_probe

STEPS = 3


def batches():
    generator = torch.Generator().manual_seed(0)
    return [(torch.randn(2, 5, 3, generator=generator), torch.zeros(2, 5, 4)) for _ in range(STEPS)]


def loss_of(model, batch):
    return nn.functional.mse_loss(model(batch[0])[0], batch[1])


def expected_norms():
    """The same training by hand: gradient norms before clipping."""
    torch.manual_seed(0)
    model = nn.LSTM(3, 4, batch_first=True)
    optimizer, norms = torch.optim.SGD(model.parameters(), 0.5), []
    for batch in batches():
        optimizer.zero_grad()
        loss_of(model, batch).backward()
        norms.append(float(nn.utils.clip_grad_norm_(model.parameters(), 1e-2)))
        optimizer.step()
    return norms


def assert_probe(probe, name, folder):
    # Norms of float32 numbers, added up in another order.
    assert probe.gradient_norms == pytest.approx(expected_norms(), rel=1e-6)
    probe.save(str(folder / "probe.safetensors"))
    (module,) = load_probe(str(folder / "probe.safetensors")).modules.values()
    assert module.name == name
    assert module.inputs_tbi.shape == (5, 2 * STEPS, 3)
    assert module.steps.tolist() == [0, 0, 1, 1, 2, 2]


def test_in_an_optimizers_closure(tmp_path):
    """zero_grad, backward and clipping all happen inside optimizer.step, as the Trainer does it."""
    torch.manual_seed(0)
    model = nn.LSTM(3, 4, batch_first=True)
    optimizer = torch.optim.SGD(model.parameters(), 0.5)

    def closure_of(batch):
        def closure():
            loss = loss_of(model, batch)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1e-2)
            return loss

        return closure

    with rnndiag.capture(model) as probe:
        for batch in batches():
            optimizer.step(closure_of(batch))
    assert_probe(probe, "", tmp_path)


@pytest.mark.filterwarnings("ignore")  # Lightning warns of workers, loggers and its own imports
def test_under_the_trainer(tmp_path):
    class Task(LightningModule):
        def __init__(self):
            super().__init__()
            self.net = nn.LSTM(3, 4, batch_first=True)

        def training_step(self, batch, _):
            return loss_of(self.net, batch)

        def validation_step(self, batch, _):
            self.log("val", loss_of(self.net, batch))

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), 0.5)

    torch.manual_seed(0)
    task = Task()
    trainer = Trainer(
        max_epochs=1,
        gradient_clip_val=1e-2,
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=tmp_path,
    )
    loader = torch.utils.data.DataLoader(batches(), batch_size=None)
    with rnndiag.capture(task) as probe:
        trainer.fit(task, loader, loader)
    assert_probe(probe, "net", tmp_path)
    # The names fit those in the checkpoint that Lightning wrote.
    trainer.save_checkpoint(tmp_path / "model.ckpt")
    from rnndiag.tracing import TraceRequest

    request = TraceRequest(probe=load_probe(str(tmp_path / "probe.safetensors")))
    (item,) = rnndiag.trace(str(tmp_path / "model.ckpt"), request).layers
    assert item.layer.name == "state_dict.net"
    assert item.trace.drives[0].loss_gradient is not None
