"""How many time steps training's sequences had, where a name leaves little doubt.

A name counts whatever way it is written: `seq_len`, `SEQ-LEN` and `seqLen` are one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from rnndiag.containers.checkpoint import Checkpoint, Value
from rnndiag.containers.configurations import Configuration
from rnndiag.errors import shortened

LengthBasis = Literal["given", "file", "assumed"]

CREDIBLE_LENGTHS = range(2, 10_001)
"""Lengths that are taken from a file. Over one step nothing goes back through time: a model that is
run step by step says 1. Beyond 10,000, one number in a file could fill the memory, and what says so
is a context that a model may have, not sequences that it was trained on."""

TRUNCATED = frozenset(
    {"bptt", "bpttlen", "bpttlength", "bpttsteps", "tbptt", "tbpttlen", "tbpttlength"}
    | {"tbpttsteps", "truncatedbpttsteps", "unrolllength", "unrolllen", "unrollsteps"}
)
"""How far gradients are sent back in pieces of a sequence: language models, Lightning, IMPALA."""

WHOLE = frozenset(
    {"seqlen", "seqlength", "sequencelen", "sequencelength", "inputseqlen", "inputseqlength"}
    | {"inputsequencelength", "trainseqlen", "trainseqlength", "trainingsequencelength"}
    | {"encoderseqlen", "encoderlength", "maxencoderlength", "numencodersteps"}
    | {"inputchunklength", "contextlength", "contextlen", "ctxlen"}
    | {"lookback", "lookbacklen", "lookbacklength", "lookbacksteps", "lookbackwindow"}
)
"""Steps of the sequences themselves: neuralhydrology, pytorch-forecasting, the Temporal Fusion
Transformer, darts, GluonTS, RWKV, and what sliding windows over a series are called."""

LIMITS = frozenset(
    {"maxseqlen", "maxseqlength", "maxsequencelen", "maxsequencelength"}
    | {"maxhistorylength", "maximumhistorylength"}
)
"""The most steps that a sequence may have; taken where nothing says how many it has. Not a
transformer's `n_positions` and `max_position_embeddings`, which are rows of a table."""

AMBIGUOUS = frozenset(
    {"nsteps", "numsteps", "timesteps", "ntimesteps", "window", "windowsize", "windowlen"}
    | {"windowlength", "inputwindow", "blocksize", "chunklen", "chunklength", "chunksize"}
    | {"historylength", "historylen", "histlen", "obslen", "inputlength", "inputlen"}
    | {"rolloutlength", "rolloutlen", "workersteps"}
)
"""Names that are often the number of time steps and often not: a rollout (stable-baselines3's
`n_steps`), a Fourier transform's window, steps of diffusion, frames that are stacked, a block of
memory. They are named to the user and never used."""

LENGTHS = TRUNCATED | WHOLE
NAMES = LENGTHS | LIMITS | AMBIGUOUS

EVALUATION = frozenset(
    {"val", "valid", "validation", "eval", "evaluation", "test", "testing", "inference"}
    | {"predict", "prediction", "generation", "generate", "deploy", "serving"}
)
"""Parts of a name below which settings are not those of training."""

HIDDEN = frozenset({"hiddensize", "rnnsize", "rnnhiddensize", "lstmhiddensize", "gruhiddensize"})
"""What a configuration calls the width of the network that it speaks of."""

MOST_NAMED = 3
"""Settings that one remark names."""

SHOWN_NAME = 80
"""Characters of a setting's name that are shown."""


@dataclass(frozen=True)
class SequenceLength:
    """How many steps are traced, and what says so."""

    steps: int
    basis: LengthBasis

    source: str = ""
    """What says so: "--memory", "file: hparams.seq_len", "config.yml: seq_length"; may be empty."""

    remarks: tuple[str, ...] = ()
    """What else was met that speaks of lengths and was not used, and why; not escaped yet."""


@dataclass(frozen=True)
class Statement:
    """What one file, or several that count as one, say of the length."""

    steps: int | None = None
    source: str = ""
    remarks: tuple[str, ...] = ()
    disagrees: bool = False
    """Whether it says several lengths, none of which is surer than the others."""


def stated_in_files(files: Iterable[Checkpoint], truncated: bool = True) -> Statement:
    """What checkpoints say in their own hyper-parameters.

    Not `truncated`: of whole sequences only, not of the pieces that they are cut into.
    """
    return _stated([("file", file.values) for file in files], truncated)


def stated_beside(
    configurations: Iterable[Configuration], hidden_sizes: Collection[int], truncated: bool = True
) -> Statement:
    """What the configurations of one folder say.

    One that states another width than any recurrent layer has is another network's.
    """
    remarks: list[str] = []
    named = []
    for found in configurations:
        strange = _other_network(found.values, hidden_sizes)
        if found.unread:
            remarks.append(f"{found.name} was not read: {found.unread}")
        elif strange and _stated([(found.name, found.values)], truncated).steps:
            remarks.append(
                f"{found.name} is not used: it says {strange}, which no recurrent layer here has"
            )
        elif not strange:
            named.append((found.name, found.values))
    said = _stated(named, truncated)
    return Statement(said.steps, said.source, (*said.remarks, *remarks), said.disagrees)


def _stated(named: Iterable[tuple[str, Mapping[str, Value]]], truncated: bool) -> Statement:
    """The one credible length under the surest names that say any."""
    exact = LENGTHS if truncated else WHOLE
    found = [one for name, values in named for one in _lengths(name, values)]
    remarks: list[str] = []
    for names, inside in ((exact, False), (exact, True), (LIMITS, False)):
        said = [one for one in found if one.key in names and one.inside == inside]
        credible = [one for one in said if one.steps in CREDIBLE_LENGTHS]
        remarks += _incredible([one for one in said if one.steps not in CREDIBLE_LENGTHS])
        if len({one.steps for one in credible}) > 1:
            remarks.append(f"{_listed(credible)} disagree, so none is used")
            return Statement(remarks=tuple(remarks), disagrees=True)
        if credible:
            return Statement(credible[0].steps, credible[0].source, tuple(remarks))
    unsure = [one for one in found if one.key in AMBIGUOUS and one.steps in CREDIBLE_LENGTHS]
    if unsure:
        remarks.append(f"{_listed(unsure)} may mean something else than time steps: not used")
    return Statement(remarks=tuple(remarks))


@dataclass(frozen=True)
class _Length:
    """One setting that may be a length."""

    key: str
    steps: int
    source: str
    inside: bool
    """Whether it stands in a list or a table under that name: `seq_length.1D`, `seq_len.value`."""


def _lengths(name: str, values: Mapping[str, Value]) -> Iterator[_Length]:
    """Positive whole numbers under names of lengths, those of evaluation left out."""
    for full, value in values.items():
        if type(value) is int and value > 0:
            parent, _, last = full.rpartition(".")
            key, above = _squashed(last), _squashed(parent.rpartition(".")[2])
            inside = key not in NAMES and above in LENGTHS
            if (inside or key in NAMES) and EVALUATION.isdisjoint(full.lower().split(".")):
                said, steps = _trained_on(full, key, value, values)
                source = f"{name}: {shortened(said, SHOWN_NAME)}"
                yield _Length(above if inside else key, steps, source, inside)


def _squashed(name: str) -> str:
    return name.replace("_", "").replace("-", "").replace(" ", "").lower()


def _trained_on(full: str, key: str, value: int, values: Mapping[str, Value]) -> tuple[str, int]:
    """darts trains a recurrence on `training_length` steps and predicts from the chunk's."""
    if key == "inputchunklength":
        prefix, dot, _ = full.rpartition(".")
        training = f"{prefix}{dot}training_length"
        longer = values.get(training)
        if type(longer) is int and longer >= value:
            return training, longer
    return full, value


def _listed(lengths: Iterable[_Length]) -> str:
    """Each with its value; of several that say the same under one name, the first."""
    first: dict[tuple[str, int], _Length] = {}
    for one in lengths:
        first.setdefault((one.key, one.steps), one)
    said = [f"{one.source} = {one.steps:,}" for one in first.values()]
    more = f" and {len(said) - MOST_NAMED} more" if len(said) > MOST_NAMED else ""
    return f"{', '.join(said[:MOST_NAMED])}{more}"


def _incredible(lengths: Iterable[_Length]) -> Iterator[str]:
    lengths = list(lengths)
    if steps := [one for one in lengths if one.steps == 1]:
        yield f"{_listed(steps)} is not used: over one step nothing goes back through time"
    if beyond := [one for one in lengths if one.steps > 1]:
        most = CREDIBLE_LENGTHS[-1]
        yield f"{_listed(beyond)} is not used: lengths above {most:,} are not taken from a file"


def _other_network(values: Mapping[str, Value], hidden_sizes: Collection[int]) -> str:
    """Which width it states that no recurrent layer has; "" where one fits, or none is stated."""
    stated = {
        full: value
        for full, value in values.items()
        if type(value) is int and _squashed(full.rpartition(".")[2]) in HIDDEN
    }
    if not stated or not hidden_sizes or set(stated.values()) & set(hidden_sizes):
        return ""
    full, value = next(iter(stated.items()))
    return f"{shortened(full, SHOWN_NAME)} = {value}"
