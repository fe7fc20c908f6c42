"""Which inputs a module is run on, and which of them its verdict rests on.

In this order: the user's own inputs or a probe; the network's own samples, where they exist and
hold; rows of an embedding that certainly feeds the module; else silence and noise in the units of
training, and one-hot symbols beside them where a readout scores as many, which must all agree.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from rnndiag.containers.checkpoint import Checkpoint, StoredTensor
from rnndiag.drives import Drive
from rnndiag.errors import InputCode, RnndiagError
from rnndiag.inputs.feedback import Feedback, NoFeedback, find_feedback
from rnndiag.inputs.generated import Generated, confirmed, disbelieved, generate
from rnndiag.inputs.noise import Units, noise_drives
from rnndiag.inputs.symbols import FEWEST_SYMBOLS, embedding_drive, onehot_drive
from rnndiag.measure.training_scale import TrainingScale
from rnndiag.recognise.layers import ROOT, Recognition, RecurrentModule
from rnndiag.recognise.names import model_tensors, parent
from rnndiag.rollout import Cells


@dataclass(frozen=True)
class Setting:
    """What a choice of inputs depends on."""

    module: RecurrentModule
    cells: Cells
    recognition: Recognition
    checkpoint: Checkpoint

    scale: TrainingScale | None
    """What the bottom layer saw in training."""

    seed: int
    steps: int
    batch: int

    @property
    def units(self) -> Units:
        """Of the module's inputs."""
        if self.scale is None:
            return Units.unknown(self.module.input_size)
        return Units.of_training(self.scale)


@dataclass(frozen=True)
class Chosen:
    """The inputs to run, and a word on one that is missing."""

    drives: tuple[Drive, ...]

    not_generated: str | None = None
    """Why the network does not run on its own samples; None where it does."""


def choose_drives(setting: Setting, requested: str = "auto") -> Chosen:
    """The drives for one module: every one that fits it, or the one requested by name.

    Raises RnndiagError (RD007) for a requested drive that this module cannot have.
    """
    if requested == "auto":
        return _automatic(setting)
    if requested == "generated":
        drive = _own(setting)
        if isinstance(drive, str):
            raise _cannot(setting, requested, drive)
        return Chosen((replace(drive, deciding=True),))
    for drive in _made_up(setting, requested):
        if drive.name == requested:
            return Chosen((replace(drive, deciding=True),))
    what = f"the file holds no embedding of its input width {setting.module.input_size}"
    raise _cannot(setting, requested, what)


def _cannot(setting: Setting, requested: str, why: str) -> RnndiagError:
    name = setting.module.name or ROOT
    return RnndiagError(
        InputCode.USAGE,
        f"--input {requested} is not possible for {name}: {why}",
        "give zero, weak, normal, smooth, onehot or a file",
    )


def _made_up(setting: Setting, requested: str) -> Iterator[Drive]:
    yield from noise_drives(setting.units, deciding=True)
    width = setting.module.input_size
    if requested == "onehot":
        yield onehot_drive(width, f"one of {width} symbols at random")
    if requested == "embedding":
        for name in _embeddings(setting)[:1]:
            drive = embedding_drive(name, setting.checkpoint)
            if drive is not None:
                yield drive


def _automatic(setting: Setting) -> Chosen:
    own = _own(setting)
    if isinstance(own, Drive) and own.basis == "own":
        return Chosen((own, *_rows(setting, False), *noise_drives(setting.units, False)))
    why = own if isinstance(own, str) else None
    rows = _rows(setting, True)
    if rows and _feeds_directly(setting):
        return Chosen((*rows, *noise_drives(setting.units, False)), why)
    unsure = [own] if isinstance(own, Drive) else []
    symbols = [] if rows or unsure else _symbols(setting)
    return Chosen((*unsure, *rows, *noise_drives(setting.units, True), *symbols), why)


LONGEST = 10_000
"""Steps up to which a network is run on its own samples: one by one, through its readout."""


def _own(setting: Setting) -> Drive | str:
    """The network's own samples; a text that says why there are none to believe."""
    if setting.steps > LONGEST:
        return f"over more than {LONGEST:,} steps it takes too long"
    ways = find_feedback(setting.module, setting.recognition, setting.checkpoint)
    if isinstance(ways, NoFeedback):
        return ways.why
    reason = ""
    for way in ways:
        made = generate(setting.cells, way, setting.seed, setting.steps, setting.batch)
        trouble = disbelieved(made, way, setting.scale)
        if trouble is None:
            return _drive(made, way, setting.scale)
        reason = reason or trouble
    return reason


def _drive(made: Generated, way: Feedback, scale: TrainingScale | None) -> Drive:
    certain = way.kind == "embedding" or confirmed(made, scale)
    return Drive(
        "generated",
        True,
        lambda _, t, b: made.inputs_tbi[:t, :b],
        way.source,
        "own" if certain else "synthetic",
        made.states,
        made.cotangent_bh,
    )


def _rows(setting: Setting, deciding: bool) -> list[Drive]:
    """Rows of the nearest embedding of the module's input width."""
    found = [
        embedding_drive(name, setting.checkpoint, deciding) for name in _embeddings(setting)[:1]
    ]
    return [drive for drive in found if drive is not None]


def _symbols(setting: Setting) -> list[Drive]:
    """One-hot symbols, if the model is this module and a readout that scores as many."""
    width = setting.module.input_size
    ways = find_feedback(setting.module, setting.recognition, setting.checkpoint)
    if width < FEWEST_SYMBOLS or isinstance(ways, NoFeedback):
        return []
    return [
        onehot_drive(width, f"{width} symbols at random, as {way.readout_name} scores")
        for way in ways
        if way.kind == "onehot"
    ]


def _embeddings(setting: Setting) -> list[str]:
    """Embeddings of the module's input width, the nearest by name first."""
    tensors = setting.checkpoint.tensors
    fitting = [
        name
        for name in setting.recognition.embedding_candidates
        if tensors[name].shape[1] == setting.module.input_size
    ]
    return sorted(fitting, key=lambda name: -_common_prefix(name, setting.module.name))


def _feeds_directly(setting: Setting) -> bool:
    """Whether the nearest embedding certainly feeds the module.

    Nothing of its width may lie between, and no second embedding be added to it.
    """
    nearest, *others = _embeddings(setting)
    if any(_as_near(other, nearest, setting.module.name) for other in others):
        return False
    tensors = model_tensors(setting.checkpoint)
    recurrent = {
        key for module in setting.recognition.modules for layer in module.flat for key in layer.keys
    }
    width = setting.module.input_size
    return not any(
        _may_lie_between(name, tensor, width)
        for name, tensor in tensors.items()
        if name not in recurrent and name not in (nearest, *others)
    )


AFTER = re.compile(
    r"out|fc|dec|head|class|logit|proj|score|attn|attention|linear|dense|pred|generator|critic"
    r"|actor|value|policy|mlp|final|target",
    re.IGNORECASE,
)
"""Names of what comes after a recurrence."""

NORM = re.compile(r"norm|(?:^|[._])(?:ln|bn)[0-9]*(?:$|[._])", re.IGNORECASE)


def _may_lie_between(name: str, tensor: StoredTensor, width: int) -> bool:
    """Whether a tensor could turn rows of an embedding into what the recurrence is fed."""
    if not tensor.is_floating:
        return False
    if len(tensor.shape) == 1:
        return tensor.shape == (width,) and NORM.search(name) is not None
    if len(tensor.shape) == 3:
        return tensor.shape[0] == width and not AFTER.search(name)
    return tensor.shape == (width, width) and not AFTER.search(name)


def _as_near(one: str, other: str, module: str) -> bool:
    same = _common_prefix(one, module) == _common_prefix(other, module)
    return same and parent(parent(one)) == parent(parent(other))


def _common_prefix(left: str, right: str) -> int:
    length = 0
    for a, b in zip(left.split("."), right.split("."), strict=False):
        if a != b:
            break
        length += 1
    return length
