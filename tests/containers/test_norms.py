"""Logged norms out of every kind of log, the columns to choose from, and the line that is none."""

from __future__ import annotations

import io
import json
import math
import os
import zipfile

import numpy as np
import pytest

from rnndiag.containers import plain_text
from rnndiag.containers.norms import LoggedNorms, read_norms
from rnndiag.errors import InputCode, RnndiagError

TRAINER_STATE = {
    "global_step": 3,
    "log_history": [
        {"loss": 2.0, "grad_norm": 0.5, "step": 1},
        {"eval_loss": 1.9, "step": 1},
        {"loss": 1.5, "grad_norm": 1.25, "step": 2},
    ],
}

WANDB = (
    '"Step","run, 3 - grad_norm","run, 3 - grad_norm__MIN","run, 3 - grad_norm__MAX"\n'
    '"1","0.5","0.4","0.6"\n"2","1.25","1","2"\n'
)

NESTED = [{"info": {"learner": {"default": {"stats": {"grad_gnorm": n}}}}} for n in (0.5, 1.25)]


def written(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


@pytest.mark.parametrize(
    "text",
    [
        "0.5\n1.25\n",
        "\ufeff0.5\r\n\r\n1.25",
        "# norms\n5e-1\n1.25\n",
        "grad_norm\n0.5\n1.25\n",
        "grad_norm\n0,5\n1,25\n",
        "Grad Norm\n0.5\n1.25\n",
        "step,grad_norm,loss\n1,0.5,9\n2,1.25,8\n",
        "step;norm\n1;0.5\n2;1.25\n",
        "norm\tstep\n0.5\t1\n1.25\t2\n",
        '"Step","run, 3 - train/grad_norm"\n"1","0.5"\n"2","1.25"\n',
        "norm,grad_norm\n7,0.5\n7,1.25\n",
        # A logger leaves out what a step did not write.
        "step,grad_norm\n1,0.5\n2,\n3\n4,1.25\n",
        "step,grad_norm\n1,0.5\n2,None\n4,1.25\n",
        '{"grad_norm": 0.5}\n{"eval_loss": 1}\n\n{"grad_norm": 1.25}\n',
        '{"Train/Grad_Norm": 0.5}\n{"Train/Grad_Norm": "1.25"}\n',
        "[0.5, 1.25]",
        '[{"norm": 0.5}, {"norm": null}, {"norm": 1.25}]',
        json.dumps(TRAINER_STATE, indent=2),
        # TensorBoard, by its button, its API and as frames of pandas.
        "Wall time,Step,Value\n1.7e9,0,0.5\n1.7e9,1,1.25\n",
        "[[1.7e9, 0, 0.5], [1.7e9, 1, 1.25]]",
        "step,tag,value\n0,loss,7\n0,grad_norm,0.5\n1,loss,6\n1,grad_norm,1.25\n",
        '{"tag": "loss", "value": 7}\n{"tag": "gnorm", "value": 0.5}\n'
        '{"tag": "gnorm", "value": 1.25}\n',
        # MLflow, Weights & Biases, Lightning, RLlib, pandas, Keras.
        "1700000000000 0.5 0\n1700000000001 1.25 1\n",
        WANDB,
        "step,grad_2.0_norm/rnn.weight_hh_l0,grad_2.0_norm_total\n0,9,0.5\n1,9,1.25\n",
        "grad_2.0_norm_total,grad_inf_norm_total\n0.5,9\n1.25,9\n",
        json.dumps(NESTED),
        '{"step": {"0": 1, "1": 2}, "grad_norm": {"0": 0.5, "1": 1.25}}',
        '{"loss": [3, 2], "grad_norm": [0.5, 1.25]}',
        '{"history": [{"grad_norm": 0.5}, {"grad_norm": 1.25}]}',
        # Names of the same thing.
        *(
            f"step,{name}\n1,0.5\n2,1.25\n"
            for name in (
                *("gnorm", "total_grad_norm", "train/grad_norm", "gradient norm", "GradNorm"),
                *("grad_norm/total", "gradients/global_norm", "global_norm", "optim:grad_norm"),
                *("train.grad-norm", "l2_grad_norm", "grad_norm_total"),
            )
        ),
        # A total beside its parts; twice the same; a setting.
        "encoder_grad_norm,total_grad_norm,decoder_grad_norm\n9,0.5,8\n9,1.25,8\n",
        "grad_norm,train/grad_norm\n0.5,0.5\n1.25,1.25\n",
        "max_grad_norm,grad_norm\n1,0.5\n1,1.25\n",
        # csv as spreadsheets write it.
        "Schritt;grad_norm\n1;0,5\n2;1,25\n",
        'step,grad_norm\n1,"0,5"\n2,"1,25"\n',
        "sep=;\nstep;grad_norm\n1;0.5\n2;1.25\n",
        'step,note,grad_norm\n1,"two\nlines",0.5\n2,"a ""b""",1.25\n',
        "step,grad_norm\n1,tensor(0.5)\n2,\"tensor(1.25, device='cuda:0')\"\n",
        ",grad_norm\n0,0.5\n1,1.25\n",
        "step grad_norm\n1 0.5\n2 1.25\n",
        "# step grad_norm\n1.0e+00 5.0e-01\n2.0e+00 1.25e+00\n",
        # What programs print.
        "1 Train loss 0.51 Grad Norm 0.5 1.52s/it\n2 Train loss 0.4 Grad Norm 1.25 1.4s/it\n",
        "| epoch 001 | loss 7.1 | gnorm 0.5 | clip 0\n| epoch 002 | loss 6 | gnorm 1.25 | clip 0\n",
        "epoch 1, loss=5, gnorm=0.5, clip=0\nepoch 1, loss=4, gnorm=1.25, clip=0\n",
        "INFO gnorm logging, rank 0\nstep 1 gnorm: 0.5\nstep 2 gnorm: 1.25\n",
        "{'loss': 2.3, 'grad_norm': 0.5}\n{'loss': 2.1, 'grad_norm': '1.25'}\n",
        '2024-01-01 | INFO | {"gnorm": "0.5"}\n2024-01-01 | INFO | {"gnorm": "1.25"}\n',
        "[2024-01-01 10:00:00] grad norm: 0.5 |\n[2024-01-01 10:00:01] grad norm: 1.25 |\n",
        "loss 3 gnorm 0.5\rloss 2 gnorm 1.25\r",
        "\x1b[32mgrad_norm\x1b[0m=\x1b[1m0.5\x1b[0m\ngrad_norm=1.25\n",
        "Namespace(max_grad_norm=1.0)\ngrad norm is tensor(0.5)\ngrad norm is tensor(1.25)\n",
        "|  grad_norm    | 0.5    |\n|  loss         | 3      |\n|  grad_norm    | 1.25   |\n",
        "Gradient norm before clipping: 0.5\nGradient norm before clipping: 1.25\n",
        "Norm of gradients: 0.5\nNorm of gradients: 1.25\n",
    ],
)
def test_every_kind_of_log(tmp_path, text):
    assert read_norms(written(tmp_path / "log", text)).norms == (0.5, 1.25)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_every_encoding_that_spreadsheets_write(tmp_path, encoding):
    text = "Schrittgröße;grad_norm\r\n1;0,5\r\n2;1,25\r\n"
    assert read_norms(written(tmp_path / "log", text.encode(encoding))).norms == (0.5, 1.25)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0\n", (0.0,)),
        ('{"grad_2.0_norm_total": 0.5}', (0.5,)),
        ("grad_norm\n1.234,5\n0,5\n", (1234.5, 0.5)),
        ("gnorm 1,234.5\ngnorm 0.5\n", (1234.5, 0.5)),
        ("gnorm 12,345,678\n", (12345678.0,)),
        ("gnorm=1e-3 lr=1e-4\ngnorm=.5\n", (1e-3, 0.5)),
    ],
)
def test_numbers_as_they_are_written(tmp_path, text, expected):
    assert read_norms(written(tmp_path / "log", text)).norms == expected


@pytest.mark.parametrize(
    "text",
    [
        "inf\nnan\n0.5\nInfinity\nNaN\n1.25\n",
        "step,grad_norm\n1,inf\n2,nan\n3,0.5\n4,Inf\n5,NaN\n6,1.25\n",
        '{"grad_norm": Infinity}\n{"grad_norm": NaN}\n{"grad_norm": 0.5}\n{"grad_norm": "inf"}\n'
        '{"grad_norm": "NaN"}\n{"grad_norm": 1.25}\n',
        "gnorm inf\ngnorm nan\ngnorm 0.5\ngnorm Inf\ngnorm NaN\ngnorm 1.25\n",
    ],
)
def test_steps_that_a_loss_scaler_skipped_stay_in_their_place(tmp_path, text):
    norms = read_norms(written(tmp_path / "log", text)).norms
    assert [norm for norm in norms if math.isfinite(norm)] == [0.5, 1.25]
    assert [math.isfinite(norm) for norm in norms] == [False, False, True, False, False, True]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("grad_norm,grad_norm_clipped\n3,1\n2,1.5\n", ("grad_norm", "grad_norm_clipped")),
        ("grad_norm_pre,grad_norm_post\n3,1\n2,1.5\n", ("grad_norm_pre", "grad_norm_post")),
        ("grad_norm/pre_clip,grad_norm/post_clip\n3,1\n2,1\n", ("pre_clip", "post_clip")),
        ("grad_norm,grad_norm_ema\n3,1\n2,1.5\n", ("grad_norm", "grad_norm_ema")),
        ("total_grad_norm,grad_norm\n3,1\n2,1.5\n", ("total_grad_norm", "grad_norm")),
        ("actor/grad_norm,critic/grad_norm\n3,1\n2,1.5\n", ("actor/grad_norm", "critic/grad_norm")),
        ("a - grad_norm,b - grad_norm\n3,1\n2,1.5\n", ("a - grad_norm", "b - grad_norm")),
        ('{"grad_norm": 3, "grad_norm_clipped": 1}\n', ("grad_norm", "grad_norm_clipped")),
        ("grad_norm=3 grad_norm_clipped=1\n", ("grad_norm", "grad_norm_clipped")),
        ("actor gnorm 3, critic gnorm 1\n", ("actor gnorm", "critic gnorm")),
        ("grad norm before clipping 3, grad norm after clipping 1\n", ("before", "after")),
        ("step,tag,value\n0,d/grad_norm,3\n0,g/grad_norm,1\n", ("d/grad_norm", "g/grad_norm")),
        ("grad_norm,grad_norm\n3,1\n2,1.5\n", ("1, 2",)),
    ],
)
def test_one_of_several_is_asked_for(tmp_path, text, names):
    path = written(tmp_path / "log", text)
    with pytest.raises(RnndiagError, match="holds 2 norms: ") as caught:
        read_norms(path)
    for name in names:
        assert name in caught.value.what
    _, _, first = caught.value.remedy.partition(f"--norms {path}:")
    assert read_norms(f"{path}:{first}").norms[0] == 3.0


TABLE = "step,train/Grad Norm,loss,my:norm\n1,0.5,9,4\n2,1.25,8,5\n"


@pytest.mark.parametrize(
    ("text", "column", "expected"),
    [
        (TABLE, "loss", (9.0, 8.0)),
        (TABLE, "LOSS", (9.0, 8.0)),
        (TABLE, "train/Grad Norm", (0.5, 1.25)),
        (TABLE, "grad_norm", (0.5, 1.25)),
        (TABLE, "my:norm", (4.0, 5.0)),
        (TABLE, "3", (9.0, 8.0)),
        ("1,0.5\n2,1.25\n", "2", (0.5, 1.25)),
        (",0\n0,0.5\n1,1.25\n", "0", (0.5, 1.25)),
        (WANDB, "grad_norm__MAX", (0.6, 2.0)),
        (WANDB, "grad_norm", (0.5, 1.25)),
        ('{"a": {"b": 1}, "grad_norm": 2}\n', "a/b", (1.0,)),
        ("gnorm=2 clip=3 gn=4\n", "gn", (4.0,)),
        ("max_grad_norm: 5\ngrad norm 2\n", "max_grad_norm", (5.0,)),
    ],
)
def test_a_column_is_taken_by_name_or_place(tmp_path, text, column, expected):
    path = written(tmp_path / "log", text)
    assert read_norms(f"{path}:{column}").norms == expected


@pytest.mark.parametrize(
    ("text", "column", "words"),
    [
        (TABLE, "gnorm", ("no column 'gnorm'", "step, train/Grad Norm, loss, my:norm")),
        (TABLE, "9", ("no column '9'", "loss")),
        ("0.5\n1\n", "gnorm", ("no column 'gnorm'", "no names")),
        ('{"a": {"b": 1}, "grad_norm": 2}\n', "c", ("no column 'c'", "a/b, grad_norm")),
        ("once upon\na time gnorm 2\n", "gn", ("'gn'",)),
    ],
)
def test_an_unknown_column_names_those_there_are(tmp_path, text, column, words):
    path = written(tmp_path / "log", text)
    with pytest.raises(RnndiagError) as caught:
        read_norms(f"{path}:{column}")
    for word in words:
        assert word in caught.value.what


@pytest.mark.parametrize("name", [r"C:\runs\x.csv", "run:1.csv", "a:b:c", "x.csv:grad_norm"])
def test_a_file_whose_name_has_colons(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RnndiagError, match="no such file"):
        read_norms(name)
    written(tmp_path / name, "grad_norm,loss\n0.5,7\n")
    assert read_norms(name).norms == (0.5,)
    assert read_norms(f"{name}:loss").norms == (7.0,)
    (tmp_path / "C").mkdir()
    assert read_norms(name).norms == (0.5,)


def test_a_name_that_says_too_little_is_kept(tmp_path):
    for text, column in (
        ("Wall time,Step,Value\n1.7e9,0,0.5\n", "Value"),
        ("step,actor_grad_norm\n0,0.5\n", "actor_grad_norm"),
        ("step,train/total_grad_norm\n0,0.5\n", ""),
        ("0.5\n", ""),
    ):
        assert read_norms(written(tmp_path / "log", text)) == LoggedNorms((0.5,), column)


def test_what_numpy_writes(tmp_path):
    values = np.random.default_rng(0).lognormal(size=50)
    values[3] = np.inf
    np.savetxt(tmp_path / "norms.txt", values, header="grad_norm")
    np.save(tmp_path / "norms.npy", values)
    np.save(tmp_path / "column.npy", values[:, None].astype(">f4"))
    np.savez(tmp_path / "one.npz", whatever=values)
    np.savez_compressed(tmp_path / "named.npz", step=np.arange(50), grad_norm=values)
    for name in ("norms.txt", "norms.npy", "column.npy", "one.npz", "named.npz"):
        assert read_norms(str(tmp_path / name)).norms == pytest.approx(values, rel=1e-6)
    np.savez(tmp_path / "two.npz", a=values, b=-values)
    assert read_norms(f"{tmp_path}/two.npz:a").norms == pytest.approx(values, rel=1e-15)
    with pytest.raises(RnndiagError, match="a, b"):
        read_norms(str(tmp_path / "two.npz"))


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def zipped(**members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, raw in members.items():
            archive.writestr(name.replace("__", "/").replace("_npy", ".npy"), raw)
    return file.getvalue()


HUGE = npy(np.zeros(3)).replace(b"(3,), }" + b" " * 12, b"(3333333333333,), }")


@pytest.mark.parametrize(
    ("raw", "word"),
    [
        (npy(np.array([], float)), "holds no norm"),
        (npy(np.array([-1.0])), "entry 1 holds no norm"),
        (npy(np.array([np.nan, np.inf])), "all 2 norms are inf or NaN"),
        (npy(np.ones((3, 2))), r"shape \(3, 2\)"),
        (npy(np.array(["a"])), "numbers are needed"),
        (npy(np.array([True])), "numbers are needed"),
        (npy(np.array([1j])), "numbers are needed"),
        (npy(np.zeros(300))[:-8], "claims more than it holds"),
        (HUGE, "claims more than it holds"),
        (npy(np.zeros(3))[:20], "damaged"),
        (zipped(a_npy=npy(np.zeros(3)))[:-30], "damaged"),
        (zipped(a_npy=b"\x93NUMPY" + b"\0" * 2**27), "damaged"),
        (zipped(model__data__pkl=b"x"), "zip archive, not numpy's"),
        (zipped(xl__workbook=b"x"), "spreadsheet"),
        (b"\x1f\x8b\x08", "gzip"),
        (b"PAR1", "Parquet"),
        (b"\x80\x02}", "not text"),
        (b"grad_norm\n0.5\n\0\0\0\0\n", "not text"),
        (b"", "holds no norm"),
    ],
)
def test_bytes_that_are_no_norms(tmp_path, raw, word):
    with pytest.raises(RnndiagError, match=word) as caught:
        read_norms(written(tmp_path / "log", raw))
    assert caught.value.code is InputCode.USAGE


def test_an_object_array_runs_nothing(tmp_path):
    class Payload:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "ran"),)

    np.save(tmp_path / "norms.npy", np.array([Payload()], object), allow_pickle=True)
    with pytest.raises(RnndiagError, match="numbers are needed"):
        read_norms(str(tmp_path / "norms.npy"))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("\n \n", ["holds no norm"]),
        ("grad_norm\n", ["none named", "grad_norm"]),
        ('{"loss": 1}\n{"loss": 2}', ["none named", "loss"]),
        ("step,loss,lr\n1,2,3\n", ["3 columns, none named as a gradient norm: step, loss, lr"]),
        ("loss\n1\n", ["one column", "loss"]),
        (",loss\n0,1\n", ["one column", "loss"]),
        (",0\n0,0.5\n1,1.25\n", ["one column", ": 0"]),
        ("none,1,2\n3,4,5\n", ["3 columns"]),
        ('"a,b\n' + "1,2\n" * 100_000, ["none named"]),
        ("0.5\nonce upon a time\n", ["line 2", "'once upon a time'"]),
        ("0.5\n1.25 0.7\n", ["line 2"]),
        ("grad_norm,step\n0.5,1\nhigh,2\n", ["line 3", "'high'"]),
        ("step,grad_norm\n1,0,5\n2,1,25\n", ["line 2", "3 fields, the first line 2"]),
        ("1,0.5\n2,1.25\n", ["2 columns", "named"]),
        ("0.5\n\n-1\n", ["line 3", "'-1'"]),
        ("-inf\n", ["line 1"]),
        ("gnorm 0.5\ngnorm -3\n", ["line 2", "'-3'"]),
        ("grad_norm\n1.5\n1,234\n", ["line 3", "'1,234'"]),
        ('{"norm": 0.5}\n{"norm": true}\n', ["line 2", "'True'"]),
        ('{"norm": 0.5}\n{"norm": [1]}\n', ["line 2"]),
        ('{"norm": 0.5}\nnorm: 3\n', ["line 2", "not JSON"]),
        ('{"norm": 0.5}\n{"norm"', ["line 2", "not JSON"]),
        ("[" * 100_000, ["not JSON"]),
        ('{"norm": 1' + "0" * 400 + "}", ["no norm"]),
        ('[0.5, "x"]', ["entry 2"]),
        ("0.5\n" + "9" * 200_000 + "x\n", ["line 2"]),
        ("step,grad_norm\n1," + "9" * 200_000 + "x\n", ["line 2"]),
        ("x" * 2_000_000, ["none named"]),
        ("once upon\na time\n", ["none named"]),
        ("grad_norm\nnan\ninf\n", ["all 2 norms are inf or NaN"]),
        ("nan\n", ["the one norm is inf or NaN"]),
    ],
)
def test_what_is_no_norm_is_named(tmp_path, text, words):
    path = written(tmp_path / "log", text)
    with pytest.raises(RnndiagError) as caught:
        read_norms(path)
    assert caught.value.code is InputCode.USAGE
    for word in ("--norms", *words):
        assert word in caught.value.what
    assert len(caught.value.what) < len(path) + 140


def test_no_loss_is_taken_for_a_norm(tmp_path):
    """A number elsewhere on the line, of another thing, or cut out of a longer one."""
    for text in (
        "grad norm clipping is on, loss 0.5\n",
        "weight_norm 0.5\nparam norm: 2\n",
        "gnorm 1.52s\n",
        "clip_grad_norm_(parameters, 1.0)\n",
        "grad_norm_ratio=0.5 log_grad_norm=-1\n",
        "max_grad_norm: 1.0\nstep 1 loss 3\n",
    ):
        with pytest.raises(RnndiagError):
            read_norms(written(tmp_path / "log", text))


def test_long_logs_take_moments(tmp_path):
    values = np.random.default_rng(0).lognormal(size=100_000)
    rows = "".join(f"{step},{norm!r}\n" for step, norm in enumerate(values.tolist()))
    lines = "".join(f"step 1 | loss 3 | gnorm {norm!r} | lr 1\n" for norm in values.tolist())
    for text in ("step,grad_norm\n" + rows, lines, "a" * 3_000_000 + "\n" + lines):
        assert read_norms(written(tmp_path / "log", text)).norms == tuple(values.tolist())


def test_what_is_no_file(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe")
    written(tmp_path / "events.out.tfevents.17", b"\x18\0\0\0")
    for path, word in (
        ("missing", "no such file"),
        (".", "directory"),
        ("pipe", "is a named pipe"),
        ("pipe:grad_norm", "is a named pipe"),
        ("/dev/zero", "is a device"),
        ("nul\0", "null byte"),
        ("events.out.tfevents.17", "TensorBoard's own file"),
    ):
        with pytest.raises(RnndiagError, match=word) as caught:
            read_norms(str(tmp_path / path))
        assert caught.value.code is InputCode.USAGE
    monkeypatch.setattr(plain_text, "LARGEST", 2**20)
    (tmp_path / "long").write_text("0.5\n" * 300_000)
    with pytest.raises(RnndiagError, match="more than 1 MB"):
        read_norms(str(tmp_path / "long"))
