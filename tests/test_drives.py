"""What a drive is: the same inputs for the same name and seed, cut to what is traced."""

from __future__ import annotations

import numpy as np

from rnndiag.drives import Drive, given_drive, probe_drive
from rnndiag.inputs.noise import Units, noise_drives


def drives():
    return noise_drives(Units.unknown(5), deciding=True)


def test_the_same_seed_gives_the_same_inputs_and_another_others():
    _, weak, normal, _ = drives()
    np.testing.assert_array_equal(normal.inputs(3, 20, 2), normal.inputs(3, 20, 2))
    assert (normal.inputs(3, 20, 2) != normal.inputs(4, 20, 2)).all()
    # Drives draw from streams of their own: weak is no scaled copy of normal.
    correlation = np.corrcoef(weak.inputs(3, 500, 2).ravel(), normal.inputs(3, 500, 2).ravel())
    assert abs(correlation[0, 1]) < 0.07  # 5,000 pairs: five times 1/√5,000


def test_a_longer_run_begins_as_the_shorter_one():
    for drive in drives():
        np.testing.assert_array_equal(drive.inputs(0, 50, 3)[:20], drive.inputs(0, 20, 3))


def test_given_inputs_are_cut_to_the_steps_traced():
    values = np.arange(24.0).reshape(4, 3, 2)
    for drive in (given_drive(values, "file"), probe_drive(values)):
        assert isinstance(drive, Drive)
        assert (drive.deciding, drive.basis) == (True, "measured")
        np.testing.assert_array_equal(drive.inputs(5, 2, 3), values[:2])
