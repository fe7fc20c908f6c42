"""Which inputs a module is run on, and that they are what they say."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from rnndiag.containers import read
from rnndiag.containers.checkpoint import Checkpoint, StoredTensor
from rnndiag.drives import SYNTHETIC, Drive, _onehot, choose_drives, given_drive
from rnndiag.errors import InputCode, RnndiagError
from rnndiag.recognise import recognise
from rnndiag.recognise.layers import Recognition


@pytest.fixture
def drives_of(tmp_path):
    """The drives of the first recurrent module of a torch model, through a file."""

    def choose(model, requested="auto"):
        torch.save(model.state_dict(), tmp_path / "model.pt")
        checkpoint = read(str(tmp_path / "model.pt"))
        recognition = recognise(checkpoint)
        return choose_drives(recognition.modules[0], recognition, checkpoint, requested)

    return choose


def plain():
    return nn.ModuleDict({"lstm": nn.LSTM(5, 7)})


def with_embedding():
    return nn.ModuleDict({"embedding": nn.Embedding(11, 5), "lstm": nn.LSTM(5, 7)})


def character_model():
    """One-hot symbols in, as many scores out."""
    return nn.ModuleDict({"lstm": nn.LSTM(40, 7), "fc": nn.Linear(7, 40)})


def names(drives):
    return [(drive.name, drive.deciding) for drive in drives]


def test_noise_decides_where_nothing_is_known(drives_of):
    assert names(drives_of(plain())) == [("zero", True), ("weak", True), ("normal", True)]


def test_an_embedding_decides_where_it_fits(drives_of):
    drives = drives_of(with_embedding())
    assert names(drives)[0] == ("embedding", True)
    assert [deciding for _, deciding in names(drives)[1:]] == [False] * 3


def test_an_embedding_of_another_width_does_not(drives_of):
    model = nn.ModuleDict({"embedding": nn.Embedding(11, 6), "lstm": nn.LSTM(5, 7)})
    assert names(drives_of(model))[0] == ("zero", True)


def test_one_of_several_embeddings_is_the_nearest(drives_of):
    inner = nn.ModuleDict({"embedding": nn.Embedding(13, 5), "lstm": nn.LSTM(5, 7)})
    model = nn.ModuleDict({"aside": nn.ModuleDict({"embedding": nn.Embedding(11, 5)}), "b": inner})
    assert drives_of(model)[0].source == "rows of b.embedding.weight"


def test_embedded_inputs_are_rows_of_it(drives_of):
    model = with_embedding()
    values = drives_of(model)[0].inputs(seed=0, steps=200, batch=3)
    assert values.shape == (200, 3, 5)
    assert values.dtype == np.float64
    rows = model["embedding"].weight.detach().numpy().astype(np.float64)
    found = {tuple(row) for row in values.reshape(-1, 5)}
    # 600 draws of 11 rows: one is missed with probability 11 (10/11)^600 = 2e-24.
    assert found == {tuple(row) for row in rows}


def test_an_embedding_with_nan_is_no_drive(drives_of):
    model = with_embedding()
    with torch.no_grad():
        model["embedding"].weight[3, 3] = float("nan")
    assert "embedding" not in dict(names(drives_of(model)))


def test_symbols_decide_where_a_readout_scores_as_many(drives_of):
    drives = drives_of(character_model())
    onehot = next(drive for drive in drives if drive.name == "onehot")
    values = onehot.inputs(seed=1, steps=300, batch=4)
    assert values.shape == (300, 4, 40)
    assert set(np.unique(values)) == {0.0, 1.0}
    assert (values.sum(axis=2) == 1).all()
    # 1,200 draws of 40 symbols: 30 ± 5.4 each; five deviations on either side.
    counts = values.sum(axis=(0, 1))
    assert counts.min() > 3
    assert counts.max() < 57


def test_onehot_of_a_large_vocabulary_needs_no_identity_matrix():
    """np.eye(200,000) would be 320 GB."""
    values = _onehot(200_000)(np.random.default_rng(0), 2, 3)
    assert values.shape == (2, 3, 200_000)
    assert values.sum() == 6


@pytest.mark.parametrize(("name", "deviation"), [("weak", 5**-0.5), ("normal", 1.0)])
def test_noise_has_its_deviation(name, deviation, drives_of):
    (drive,) = drives_of(plain(), name)
    values = drive.inputs(seed=0, steps=2000, batch=8)
    assert values.shape == (2000, 8, 5)
    # 80,000 values: the deviation's own standard error is 1/√160,000 = 0.25 %, the mean's 0.35 %.
    assert values.std() == pytest.approx(deviation, rel=0.0125)
    assert abs(values.mean()) < 0.02 * deviation


def test_zero_is_zero(drives_of):
    (drive,) = drives_of(plain(), "zero")
    assert drive.inputs(0, 6, 2).shape == (6, 2, 5)
    assert not drive.inputs(0, 6, 2).any()


@pytest.mark.parametrize("name", SYNTHETIC)
def test_a_requested_drive_runs_alone_and_decides(name, drives_of):
    assert names(drives_of(with_embedding(), name)) == [(name, True)]


def test_a_drive_that_the_file_cannot_give_is_a_usage_error(drives_of):
    with pytest.raises(RnndiagError, match="no embedding drive") as caught:
        drives_of(plain(), "embedding")
    assert caught.value.code is InputCode.USAGE


def test_the_same_seed_gives_the_same_inputs_and_another_others(drives_of):
    _, weak, normal = drives_of(plain())
    np.testing.assert_array_equal(normal.inputs(3, 20, 2), normal.inputs(3, 20, 2))
    assert (normal.inputs(3, 20, 2) != normal.inputs(4, 20, 2)).all()
    # Drives draw from streams of their own: weak is no scaled copy of normal.
    correlation = np.corrcoef(weak.inputs(3, 500, 2).ravel(), normal.inputs(3, 500, 2).ravel())
    assert abs(correlation[0, 1]) < 0.07  # 5,000 pairs: five times 1/√5,000


def test_a_longer_run_begins_as_the_shorter_one(drives_of):
    for drive in drives_of(plain()):
        np.testing.assert_array_equal(drive.inputs(0, 50, 3)[:20], drive.inputs(0, 20, 3))


def test_a_drive_does_not_depend_on_the_others_beside_it(drives_of):
    alone = drives_of(plain(), "normal")[0].inputs(7, 10, 2)
    np.testing.assert_array_equal(drives_of(plain())[2].inputs(7, 10, 2), alone)


def test_given_inputs_are_cut_to_the_steps_traced():
    values = np.arange(24.0).reshape(4, 3, 2)
    drive = given_drive(values, "file")
    assert isinstance(drive, Drive)
    assert drive.deciding
    np.testing.assert_array_equal(drive.inputs(5, 2, 3), values[:2])


def test_an_embedding_is_not_read_where_it_is_not_used():
    """It may be by far the largest tensor of the file."""

    def load():
        raise AssertionError("the embedding was read")

    layer = SimpleNamespace(input_size=4, output_size=5)
    module = SimpleNamespace(name="rnn", input_size=4, layers=((layer,),))
    recognition = Recognition((), (), embedding_candidates=("embed.weight",))
    tensor = StoredTensor("float32", (9, 4), (0,), load)
    file = Checkpoint("m.pt", "torch-zip", 0, {"embed.weight": tensor}, {})
    for name in ("zero", "weak", "normal", "onehot"):
        (only,) = choose_drives(module, recognition, file, name)
        assert (only.name, only.deciding) == (name, True)
    with pytest.raises(AssertionError, match="was read"):
        choose_drives(module, recognition, file)
