"""HDF5 files, written by h5py: whose they are, and whether they are all there."""

from __future__ import annotations

import numpy as np
import pytest

from rnndiag.containers import read
from rnndiag.errors import InputCode, RnndiagError

h5py = pytest.importorskip("h5py")


def keras(file):
    """As Keras 2 writes a model."""
    file.attrs["keras_version"] = "2.15"
    weights = file.create_group("model_weights")
    weights.attrs["layer_names"] = np.array([b"lstm"])
    weights.create_dataset("lstm/kernel:0", data=np.ones((4, 32)))


def keras_3(file):
    """As Keras 3 writes .weights.h5."""
    file.create_dataset("_layer_checkpoint_dependencies/lstm/vars/0", data=np.ones((4, 32)))


def arrays(file):
    file.create_dataset("RNN_0/weight", data=np.ones((30, 30)))


def net_cdf(file):
    file.attrs["_NCProperties"] = "version=2"


WRITTEN = [
    (keras, "Keras weights"),
    (keras_3, "Keras weights"),
    (arrays, "an HDF5 file, not Keras's"),
    (net_cdf, "a netCDF-4 file"),
]


@pytest.mark.parametrize("layout", ["earliest", "latest", "v108"])
@pytest.mark.parametrize(("write", "words"), WRITTEN)
def test_a_file_is_named_and_one_that_is_cut_is_truncated(tmp_path, write, words, layout):
    path = tmp_path / "weights.h5"
    with h5py.File(path, "w", libver=(layout, "latest")) as file:
        write(file)
    with pytest.raises(RnndiagError, match=words) as caught:
        read(str(path))
    assert caught.value.code is InputCode.UNSUPPORTED
    whole = path.read_bytes()
    for length in (len(whole) - 1, len(whole) // 2, 60, 8):
        path.write_bytes(whole[:length])
        with pytest.raises(RnndiagError) as caught:
            read(str(path))
        assert caught.value.code is InputCode.DAMAGED, length
