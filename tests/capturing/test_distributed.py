"""Two processes that train one model: the norms are those of the gradient that both step with."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

# Bounded in time on every side: the group's own timeout, and that of the processes.
SECONDS = 60

WORKER = """
import datetime, json, sys
import torch
import torch.distributed as dist
from torch import nn
import rnndiag

rank, store, folder, view = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4] == "view"
dist.init_process_group(
    "gloo", init_method=f"file://{store}", rank=rank, world_size=2,
    timeout=datetime.timedelta(seconds=60),
)

class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn, self.readout = nn.GRU(3, 4), nn.Linear(4, 1)

    def forward(self, x):
        return self.readout(self.rnn(x)[1][-1])

torch.manual_seed(0)
# Buckets of a few parameters each, so that the first is reduced long before the last is there.
model = nn.parallel.DistributedDataParallel(
    Classifier().double(), bucket_cap_mb=1e-4, gradient_as_bucket_view=view
)
torch.manual_seed(rank + 1)
expected, of_readout = [], []
with rnndiag.capture(model) as probe:
    for step in range(3):
        model.zero_grad()
        if step == 2:
            with model.no_sync():  # accumulated: only the second pass exchanges
                model(torch.randn(5, 2, 3).double()).square().sum().backward()
        model(torch.randn(5, 2, 3).double()).square().sum().backward()
        gradient = torch.cat([p.grad.ravel() for p in model.parameters()])
        expected.append(float(gradient.norm()))
        of_readout.append(float(model.module.readout.weight.grad.norm()))
probe.save(f"{folder}/{rank}.safetensors")
from rnndiag.probe import load_probe
loaded = load_probe(f"{folder}/{rank}.safetensors")
found = [list(probe.gradient_norms), list(loaded.parameter_norms["module.readout.weight"])]
print(json.dumps([[expected, of_readout], found]), flush=True)
dist.barrier()
dist.destroy_process_group()
"""


@pytest.mark.parametrize("view", ["copy", "view"])
def test_norms_are_those_after_the_all_reduce(view, tmp_path, monkeypatch):
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "lo")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, str(rank), str(tmp_path / "store"), str(tmp_path), view],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    try:
        results = [process.communicate(timeout=2 * SECONDS) for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0, 0], results
    (one, found_one), (two, found_two) = (json.loads(out) for out, _ in results)
    assert one == two
    for found in (found_one, found_two):
        for ours, theirs in zip(found, one, strict=True):
            assert ours == pytest.approx(theirs, rel=1e-14)
