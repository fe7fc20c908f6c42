"""What stands beside a checkpoint: which files are looked at, what is read of them, in bounds."""

from __future__ import annotations

import json
import os
import sys
import time

import pytest
import yaml

from rnndiag.containers import configurations
from rnndiag.containers.configurations import MAX_ENTRIES, NAMES, Configurations


def beside(path):
    return Configurations().beside(str(path))


def only(folder):
    ((found,),) = beside(folder / "model.pt")
    return found


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_found_and_read(tmp_path, name):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text('{"data": {"seq_len": 50}}')  # JSON is YAML, too
    found = only(tmp_path)
    assert (found.name, found.values, found.unread) == (name, {"data.seq_len": 50}, "")


def test_other_names_and_kinds_are_nobodys(tmp_path):
    for name in ("my_config.yml", "config.toml", "tokenizer.json", "config.json.bak"):
        (tmp_path / name).write_text('{"seq_len": 50}')
    (tmp_path / "config.json").mkdir()
    assert beside(tmp_path / "model.pt") == ((),)
    assert Configurations().beside("-") == ()


@pytest.mark.parametrize(
    "folder", ["checkpoints", "checkpoint-500", "checkpoint_000010", "ckpts", "weights"]
)
def test_the_folder_of_the_run_is_around_that_of_its_checkpoints(tmp_path, folder):
    (tmp_path / folder).mkdir()
    (tmp_path / "hparams.yaml").write_text("seq_len: 50\n")
    near, far = beside(tmp_path / folder / "model.ckpt")
    assert near == ()
    assert [(one.name, one.values) for one in far] == [("../hparams.yaml", {"seq_len": 50})]


def test_no_other_folder_above_is_looked_into(tmp_path):
    (tmp_path / "models").mkdir()
    (tmp_path / "hparams.yaml").write_text("seq_len: 50\n")
    assert beside(tmp_path / "models" / "model.ckpt") == ((),)


def test_a_folder_of_shards_is_its_own(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text('{"seq_len": 50}')
    ((found,),) = beside(tmp_path / "model")
    assert found.values == {"seq_len": 50}


def test_a_relative_name_and_the_current_folder(tmp_path, monkeypatch):
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "config.yml").write_text("seq_len: 50\n")
    monkeypatch.chdir(tmp_path / "checkpoints")
    _, (found,) = beside("model.ckpt")
    assert found.name == "../config.yml"


def test_a_folder_is_read_once(tmp_path, monkeypatch):
    (tmp_path / "config.yml").write_text("seq_len: 50\n")
    read = []
    original = configurations._read
    monkeypatch.setattr(
        configurations, "_read", lambda *named: read.append(named) or original(*named)
    )
    known = Configurations()
    for number in range(5):
        assert known.beside(str(tmp_path / f"{number}.pt"))
    assert len(read) == 1


YAML = """\
defaults: &defaults {seq_len: &steps 30, lr: 1.0e-3}
run:
  <<: *defaults
  bptt: *steps
  quoted: '30'
  tagged: !!int 30
  thousand: 1_000
  octal: 010
  real: 30.0
  none: ~
  list: [7, [8, x]]
? [1, 2]
: {below: 9}
"""


@pytest.mark.parametrize("loader", ["C", "pure"])
def test_yaml_gives_whole_numbers_by_dotted_name(tmp_path, monkeypatch, loader):
    if loader == "pure":
        monkeypatch.delattr(yaml, "CSafeLoader")
    (tmp_path / "config.yml").write_text(YAML)
    found = only(tmp_path).values
    numbers = {name: value for name, value in found.items() if isinstance(value, int)}
    assert numbers == {
        **{"defaults.seq_len": 30, "run.bptt": 30, "run.thousand": 1000},
        **{"run.list.0": 7, "run.list.1.0": 8, "below": 9},
    }


HOSTILE_YAML = {
    "a call": "a: !!python/object/apply:os.system ['touch ran']\nseq_len: 50\n",
    "a new object": "a: !!python/object/new:os.system ['touch ran']\nseq_len: 50\n",
    "a module": "a: !!python/name:os.system\nseq_len: 50\n",
    "an unknown tag": "a: !mine {b: 1}\nseq_len: 50\n",
    "laughs": "a0: &a0 [x, x]\n"
    + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 40))
    + "seq_len: 50\n",
    "merged laughs": "a0: &a0 {x: 1}\n"
    + "".join(f"a{n}: &a{n}\n  <<: [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 40))
    + "seq_len: 50\n",
    "an alias of itself": "a: &a [*a]\nseq_len: 50\n",
    "depth": f"a: {'[' * 150}{']' * 150}\nseq_len: 50\n",
}


@pytest.mark.parametrize("text", HOSTILE_YAML.values(), ids=HOSTILE_YAML)
@pytest.mark.parametrize("loader", ["C", "pure"])
def test_hostile_yaml_runs_and_repeats_nothing(tmp_path, monkeypatch, text, loader):
    if loader == "pure":
        monkeypatch.delattr(yaml, "CSafeLoader")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.yml").write_text(text)
    started = time.process_time()
    assert only(tmp_path).values["seq_len"] == 50
    assert time.process_time() - started < 1
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("config.json", '{"seq_len": 50', "it is not valid JSON"),
        ("config.json", b"\xff\xfe\x00", "it is not valid JSON"),
        ("config.json", '{"a":' * 100_000, "it is not valid JSON"),
        ("config.json", f'{{"seq_len": {"9" * 5000}}}', "it is not valid JSON"),
        (
            "config.json",
            json.dumps(list(range(MAX_ENTRIES + 1))),
            "it has more than 20,000 entries",
        ),
        (
            "config.json",
            json.dumps([[n, n] for n in range(MAX_ENTRIES // 2 + 1)]),
            "it has more than 20,000 entries",
        ),
        ("config.json", " " * 2**20 + "{}", "it has more than 1 MB"),
        ("config.yml", "a: [1\nb: :\n", "it is not valid YAML"),
        ("config.yml", b"a: \xff\n", "it is not valid YAML"),
        ("config.yml", "a: \x00\n", "it is not valid YAML"),
        ("config.yml", "- 1\n" * (MAX_ENTRIES + 1), "it has more than 20,000 entries"),
    ],
)
def test_what_cannot_be_read_says_why(tmp_path, name, text, why):
    (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    started = time.process_time()
    found = only(tmp_path)
    assert (found.name, found.values, found.unread) == (name, {}, why)
    assert time.process_time() - started < 5


@pytest.mark.parametrize("loader", ["C", "pure"])
def test_a_text_of_brackets_is_given_up(tmp_path, monkeypatch, loader):
    if loader == "pure":
        monkeypatch.delattr(yaml, "CSafeLoader")
    for text in ("[" * 1_000_000, "{a: " * 200_000, "? " * 400_000, "- " * 400_000):
        (tmp_path / "config.yml").write_text(text)
        started = time.process_time()
        assert only(tmp_path).unread in {"it is nested too deeply", "it is not valid YAML"}
        assert time.process_time() - started < 2


def test_what_lies_too_deep_or_has_a_long_name_is_left_out(tmp_path):
    deep = {"seq_len": 7}
    for _ in range(100):
        deep = {"a": deep}
    text = json.dumps({"deep": deep, "x" * 500: 8, "seq_len": 50})
    for name in ("config.json", "hparams.yaml"):
        (tmp_path / name).write_text(text)
    ((one, other),) = beside(tmp_path / "model.pt")
    assert one.values == other.values == {"seq_len": 50}


def test_without_pyyaml_the_file_is_named_and_not_read(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "yaml", None)
    (tmp_path / "config.yml").write_text("seq_len: 50\n")
    found = only(tmp_path)
    assert found.values == {}
    assert found.unread == "reading YAML needs PyYAML: pip install 'rnndiag[config]'"


@pytest.mark.parametrize("target", ["outside.yml", "run/inside.yml"])
def test_links_are_not_followed(tmp_path, target):
    (tmp_path / "run").mkdir()
    (tmp_path / target).write_text("seq_len: 50\n")
    (tmp_path / "run" / "config.yml").symlink_to(tmp_path / target)
    found = only(tmp_path / "run")
    assert (found.values, found.unread) == ({}, "it is a link, which is not followed")


def test_nor_is_a_linked_folder_that_a_name_leads_through(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "config.yaml").write_text("seq_len: 50\n")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".hydra").symlink_to(tmp_path / "elsewhere")
    assert only(tmp_path / "run").unread == "it is a link, which is not followed"


def test_a_checkpoints_folder_may_be_a_link_itself(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "config.json").write_text('{"seq_len": 50}')
    (tmp_path / "run").symlink_to(tmp_path / "disk")
    assert only(tmp_path / "run").values == {"seq_len": 50}


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "config.yml")
    assert beside(tmp_path / "model.pt") == ((),)


def test_a_file_without_permission_says_so(tmp_path, monkeypatch):
    (tmp_path / "config.yml").write_text("seq_len: 50\n")

    def closed(path, flags):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(configurations, "_without_following", closed)
    assert only(tmp_path).unread == "permission denied"


def test_a_folder_whose_name_is_no_text(tmp_path):
    folder = os.fsencode(tmp_path) + b"/\xff"
    os.mkdir(folder)  # noqa: PTH102
    path = os.fsdecode(folder)
    with open(os.path.join(path, "config.json"), "w") as file:  # noqa: PTH118, PTH123
        file.write('{"seq_len": 50, "\\ud800": 1}')
    ((found,),) = Configurations().beside(os.path.join(path, "model.pt"))  # noqa: PTH118
    assert found.values == {"seq_len": 50, "\\ud800": 1}
