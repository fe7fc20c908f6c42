"""Which settings say how long training's sequences were, and which only seem to."""

from __future__ import annotations

import pytest

from rnndiag.containers.checkpoint import Checkpoint
from rnndiag.containers.configurations import Configuration
from rnndiag.recognise.lengths import (
    AMBIGUOUS,
    LIMITS,
    TRUNCATED,
    WHOLE,
    stated_beside,
    stated_in_files,
)


def stated(values, **options):
    return stated_in_files([Checkpoint("file.pt", "torch-zip", 0, {}, values)], **options)


def beside(values, name="config.yml", hidden=(16,)):
    return stated_beside([Configuration(name, values)], hidden)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, None),
        ({"cfg.seq_length": 336}, (336, "file: cfg.seq_length")),
        ({"a.seq_len": 30, "b.bptt": 30, "c.seq_len": None}, (30, "file: a.seq_len")),
        ({"a.seq_len": 30, "b.bptt": 35}, None),
        ({"seq_len": 0}, None),
        ({"seq_len": -30}, None),
        ({"seq_len": 30.0}, None),
        ({"seq_len": True}, None),
        ({"seq_len": "30"}, None),
        ({"max_seq_len_seen": 30}, None),
        # As trainers write it.
        ({"DATA.SEQ_LEN": 30}, (30, "file: DATA.SEQ_LEN")),
        ({"args.seq-len": 30}, (30, "file: args.seq-len")),
        ({"sequenceLength": 30}, (30, "file: sequenceLength")),
        ({"hyper_parameters.dataset_parameters.max_encoder_length": 60}, (60, None)),
        ({"max_encoder_length": 60, "max_prediction_length": 6}, (60, None)),
        ({"look_back": 14}, (14, None)),
        ({"context_length": 48, "prediction_length": 24}, (48, None)),
        ({"unroll_length": 80, "total_timesteps": 10000}, (80, None)),
        ({"seq_len.value": 77, "seq_len.desc": None}, (77, "file: seq_len.value")),
        # darts predicts from one length and trains on another.
        ({"m.input_chunk_length": 12}, (12, "file: m.input_chunk_length")),
        ({"m.input_chunk_length": 12, "m.training_length": 30}, (30, "file: m.training_length")),
        ({"m.input_chunk_length": 12, "training_length": 30}, (12, "file: m.input_chunk_length")),
        ({"training_length": 30}, None),
        # A limit counts where nothing says the length itself.
        ({"max_seq_len": 20}, (20, "file: max_seq_len")),
        ({"max_seq_len": 512, "seq_len": 64}, (64, "file: seq_len")),
        ({"max_seq_len": 512, "seq_len": 1}, (512, "file: max_seq_len")),
        ({"max_seq_len": 512, "max_seq_length": 128}, None),
        # Two lengths of which one is none; two of which one is not training's.
        ({"a.seq_len": 1, "b.seq_len": 64}, (64, "file: b.seq_len")),
        ({"a.seq_len": 20_000, "b.seq_len": 64}, (64, "file: b.seq_len")),
        ({"train.seq_len": 64, "val.seq_len": 256}, (64, "file: train.seq_len")),
        ({"eval.seq_len": 256}, None),
        # Other frequencies, other lengths.
        ({"seq_length.1D": 365, "seq_length.1H": 336}, None),
        ({"seq_length.1D": 365, "seq_length.1H": 365}, (365, "file: seq_length.1D")),
        # A list beside the setting itself, as a YAML reader keeps lines and columns.
        ({"r.seq_len": 8, "r._line_col.seq_len.0": 13, "r._line_col.seq_len.1": 4}, (8, None)),
        # Rows of tables, training's own steps, widths: no lengths.
        ({"n_positions": 1024, "max_position_embeddings": 2048, "max_length": 20}, None),
        ({"steps": 2000, "global_step": 50, "max_steps": 100, "num_epochs": 30}, None),
        ({"total_time_steps": 500, "num_timesteps": 900, "ms_seg_length": 15}, None),
    ],
)
def test_the_length_that_files_state(values, expected):
    found = stated(values)
    if expected is None:
        assert found.steps is None
    else:
        assert found.steps == expected[0]
        assert expected[1] in {None, found.source}
        assert isinstance(found.steps, int)


@pytest.mark.parametrize("name", sorted(AMBIGUOUS))
def test_what_may_be_something_else_is_named_and_not_used(name):
    """A rollout, a Fourier transform's window, steps of diffusion."""
    found = stated({f"args.{name}": 512})
    assert found.steps is None
    assert found.remarks == (
        f"file: args.{name} = 512 may mean something else than time steps: not used",
    )
    assert not stated({f"args.{name}": 20_000_000}).remarks
    assert stated({f"args.{name}": 512, "seq_len": 30}).steps == 30
    assert not stated({f"args.{name}": 512, "seq_len": 30}).remarks


def test_no_name_has_two_meanings():
    groups = (TRUNCATED, WHOLE, LIMITS, AMBIGUOUS)
    assert len(frozenset().union(*groups)) == sum(map(len, groups))
    assert all(name == name.lower() and name.isalnum() for group in groups for name in group)


def test_a_piece_is_no_length_of_whole_sequences():
    values = {"bptt": 35, "seq_len": 300}
    assert stated(values).steps is None
    assert stated(values, truncated=False).steps == 300
    assert stated({"bptt": 35}).steps == 35
    assert stated({"bptt": 35}, truncated=False).steps is None


@pytest.mark.parametrize(
    ("values", "remark"),
    [
        (
            {"seq_len": 1},
            "file: seq_len = 1 is not used: over one step nothing goes back through time",
        ),
        (
            {"seq_len": 100_000},
            "file: seq_len = 100,000 is not used: lengths above 10,000 are not taken from a file",
        ),
        (
            {"a.seq_len": 30, "b.seq_len": 30, "c.bptt": 35},
            "file: a.seq_len = 30, file: c.bptt = 35 disagree, so none is used",
        ),
        (
            {f"seq_len.{n}": n for n in range(2, 8)},
            "file: seq_len.2 = 2, file: seq_len.3 = 3, file: seq_len.4 = 4 and 3 more disagree, so "
            "none is used",
        ),
    ],
)
def test_why_a_length_is_not_used(values, remark):
    found = stated(values)
    assert (found.steps, found.remarks) == (None, (remark,))
    assert found.disagrees == ("disagree" in remark)


@pytest.mark.parametrize("steps", [2, 5, 19, 20, 10_000])
def test_short_ones_count(steps):
    assert stated({"seq_len": steps}).steps == steps


def test_a_file_without_settings_of_its_own_is_asked_with_its_companion():
    files = [
        Checkpoint("model.pt", "torch-zip", 0, {}, {}),
        Checkpoint("optimizer.pt", "torch-zip", 0, {}, {"args.seq_len": 30}),
    ]
    assert stated_in_files(files).steps == 30


def test_a_configuration_is_named_with_its_key():
    found = beside({"data.seq_length": 365, "hidden_size": 16})
    assert (found.steps, found.source, found.remarks) == (365, "config.yml: data.seq_length", ())


def test_a_configuration_of_another_width_speaks_of_another_network():
    found = beside({"seq_length": 365, "hidden_size": 64})
    assert found.steps is None
    assert found.remarks == (
        "config.yml is not used: it says hidden_size = 64, which no recurrent layer here has",
    )
    assert beside({"seq_length": 365, "hidden_size": 64}, hidden=(16, 64)).steps == 365
    assert beside({"seq_length": 365, "model.hidden_size": 64, "rnn_size": 16}).steps == 365
    assert not beside({"hidden_size": 64}).remarks


def test_configurations_of_one_folder_must_agree():
    args = Configuration("args.json", {"seq_len": 30})
    same = Configuration("hparams.yaml", {"bptt": 30})
    other = Configuration("config.yml", {"seq_len": 40})
    assert stated_beside([args, same], ()).source == "args.json: seq_len"
    found = stated_beside([args, same, other], ())
    assert found.steps is None
    assert found.disagrees
    (remark,) = found.remarks
    assert "config.yml: seq_len = 40 disagree" in remark


def test_one_that_was_not_read_is_named():
    found = stated_beside([Configuration("config.yml", {}, "it has more than 1 MB")], ())
    assert found.remarks == ("config.yml was not read: it has more than 1 MB",)


def test_a_long_name_is_shown_without_its_middle():
    (remark,) = stated({f"{'x' * 500}.seq_len": 1}).remarks
    assert len(remark) < 200
    assert ".seq_len = 1" in remark
