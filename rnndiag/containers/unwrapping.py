"""From a file to the checkpoint in it: through what wraps it, as long as one member is meant.

A member is meant where it is the only checkpoint among the members. Torch files and safetensors
come before pickles and arrays, which scalers and data are stored as, too; these before further
archives; and of several torch files the one under a name that a format gives to its weights.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rnndiag.containers.candidate import Candidate, Container, Contents
from rnndiag.containers.compressed import COMPRESSED
from rnndiag.containers.failures import not_a_checkpoint, refused, reworded, unsupported
from rnndiag.containers.impostors import explain
from rnndiag.containers.readable import Readable
from rnndiag.containers.tar_archive import TAR
from rnndiag.containers.wrapping import Members, Room, Wrapping, listed, shown
from rnndiag.containers.zip_members import PLAIN_ZIP
from rnndiag.errors import Content, InputCode, RnndiagError

WRAPPINGS: tuple[Wrapping, ...] = (*COMPRESSED, TAR, PLAIN_ZIP)
"""What may wrap a checkpoint, asked in this order. A new one is one file and one entry here."""

MAX_WRAPPINGS = 3
"""A packed file in a tar that is packed as a whole."""

MAX_MEMBERS = 1000
"""Of an archive that is looked into; a model and its tokenizer have some thirty, data sets more."""

_MAX_DIRECTORIES = 32
"""Zips among the members of one archive that are looked into."""

SHARED_FORMATS = frozenset(("pickle", "npz"))
"""Formats of much that is no checkpoint."""

_LOOKED_INTO = 8
"""Of many pickles or arrays in one archive: those of a data set are alike."""

_PEEK_BYTES = 1 << 20
"""Of each archive in an archive, to tell whether it may hold a checkpoint."""

_PARAMETERS = ("weight", "kernel", "bias")
"""In the names of what a network has learnt, and of nothing in a data set or a scaler."""

_WEIGHTS = frozenset(
    ("model_weights.ckpt", "weights.th", "model.safetensors", "pytorch_model.bin", "model.pth")
)
"""What NeMo, AllenNLP, transformers and TorchServe call the weights in their archives."""


@dataclass(frozen=True)
class Unwrapped:
    """A file that a container reads, and the way to it."""

    candidate: Candidate
    container: Container

    wrappings: tuple[Wrapping, ...] = ()
    """The formats around it, the outermost first."""

    members: tuple[str, ...] = ()
    """The names that led to it, the outermost first."""

    @property
    def name(self) -> str:
        """Of the format, as in "torch-zip in tar in gzip"."""
        return " in ".join((self.container.name, *(kind.name for kind in reversed(self.wrappings))))

    @property
    def notes(self) -> tuple[str, ...]:
        """The way to the member that was read."""
        way = " in ".join(map(shown, reversed(self.members)))
        return (f"read from its member {way}",) if way else ()

    def read(self) -> Contents:
        """Everything in it; raises RnndiagError, which names the member."""
        try:
            return self.container.read(self.candidate)
        except RnndiagError as error:
            raise within(self.members, self.wrappings, error) from None


@dataclass(frozen=True)
class Unwrapper:
    """The formats that are read, and those that may wrap them."""

    containers: Sequence[Container]
    wrappings: Sequence[Wrapping] = WRAPPINGS

    def unwrap(self, candidate: Candidate, verify: bool = False) -> Unwrapped:
        """The checkpoint that is in a file. `verify` checks the checksums of the zips in it.

        Raises RD002 for a file that neither is nor holds a checkpoint, RD003 and RD004 for one that
        is damaged or over a limit, or in which several members may be meant.
        """
        room = Room()
        wrappings: list[Wrapping] = []
        names: list[str] = []
        while True:
            try:
                if verify and wrappings and candidate.archive is not None:
                    candidate.archive.verify()
                found = self._next(candidate, room, len(wrappings))
                if isinstance(found, Container):
                    return Unwrapped(candidate, found, tuple(wrappings), tuple(filter(None, names)))
                wrapping, name, source = found
                wrappings.append(wrapping)
                names.append(name)
                candidate = Candidate.of(source)
            except RnndiagError as error:
                raise within(names, wrappings, error) from None

    def _next(
        self, candidate: Candidate, room: Room, depth: int
    ) -> Container | tuple[Wrapping, str, Readable]:
        """The container that reads a file, or the way to the member that is meant."""
        container = self._container(candidate)
        if container is not None:
            return container
        wrapping = self._wrapping(candidate)
        if wrapping is None:
            raise explain(candidate)
        if depth == MAX_WRAPPINGS:
            what = f"archives are nested in it deeper than {MAX_WRAPPINGS} levels"
            raise refused(what, "unpack it first")
        members = wrapping.members(candidate, room)
        name = self._meant(wrapping, members)
        if name is None:
            raise wrapping.nothing(candidate)
        wrapping.check(candidate)
        return wrapping, name, members[name]

    def _container(self, candidate: Candidate) -> Container | None:
        return next((kind for kind in self.containers if kind.recognises(candidate)), None)

    def _wrapping(self, candidate: Candidate) -> Wrapping | None:
        return next((kind for kind in self.wrappings if kind.recognises(candidate)), None)

    def _meant(self, wrapping: Wrapping, members: Members) -> str | None:
        """The name of the only member that can be meant; None where there is no checkpoint."""
        if list(members) == [""]:
            return ""
        certain, shared, archives = self._ranked(wrapping, members)
        shared = self._unless_data(shared, members, self._holds_parameters)
        archives = self._unless_data(archives, members, self._wraps_something)
        for names in (certain, shared, archives):
            conventional = [name for name in names if name.rpartition("/")[2] in _WEIGHTS]
            meant = names if len(names) == 1 else conventional
            if len(meant) == 1:
                return meant[0]
            if names:
                what = f"a {wrapping.name} file of several checkpoints: {listed(names)}"
                raise refused(what, f"{wrapping.remedy}, and name one of them")
        return None

    def _unless_data(
        self, names: list[str], members: Members, may_be_one: Callable[[Candidate], bool]
    ) -> list[str]:
        """The names; none where there are several, and the first are no checkpoints."""
        first = (_member(name, members[name]) for name in names[:_LOOKED_INTO])
        return names if len(names) < 2 or any(map(may_be_one, first)) else []

    def _wraps_something(self, member: Candidate) -> bool:
        """Whether an archive in an archive may hold a checkpoint: a packed picture does not."""
        wrapping = self._wrapping(member)
        if wrapping is None:
            return False
        try:
            inner = wrapping.members(member, Room(_PEEK_BYTES))
            if list(inner) != [""]:
                return True
            packed = Candidate.of(inner[""])
        except RnndiagError as error:
            return error.content is not Content.FOREIGN
        return self._container(packed) is not None or self._wrapping(packed) is not None

    def _holds_parameters(self, member: Candidate) -> bool:
        """Whether a pickle or a file of arrays has weights in it, or cannot be read."""
        container = self._container(member)
        try:
            contents = container.read(member) if container is not None else None
        except RnndiagError:
            return True
        return contents is not None and any(
            word in tensor.lower() for tensor in contents.tensors for word in _PARAMETERS
        )

    def _ranked(self, wrapping: Wrapping, members: Members) -> tuple[list[str], ...]:
        """Names of torch's and safetensors' files, of pickles and arrays, and of archives."""
        if len(members) > MAX_MEMBERS:
            what = f"a {wrapping.name} file of more than {MAX_MEMBERS} members, not a checkpoint"
            raise not_a_checkpoint(what, wrapping.remedy)
        certain: list[str] = []
        shared: list[str] = []
        archives: list[str] = []
        directories = 0
        for name, source in members.items():
            member = _member(name, source)
            directories += member.archive is not None
            if directories > _MAX_DIRECTORIES:
                if len(certain) > 1:
                    break
                what = f"a {wrapping.name} file of more than {_MAX_DIRECTORIES} zips"
                raise unsupported(what, f"{wrapping.remedy}, and name the checkpoint")
            container = self._container(member)
            if container is not None:
                (shared if container.name in SHARED_FORMATS else certain).append(name)
            elif self._wrapping(member) is not None:
                archives.append(name)
        return certain, shared, archives


def _member(name: str, source: Readable) -> Candidate:
    """A member as the formats are shown it; raises RnndiagError for a broken one, naming it."""
    try:
        return Candidate.of(source)
    except RnndiagError as error:
        raise reworded(error, f"{shown(name)}: {error.what}") from None


def within(
    names: Sequence[str], wrappings: Sequence[Wrapping], error: RnndiagError
) -> RnndiagError:
    """An error about a member, with its name and the command that unpacks what is around it."""
    if not wrappings:
        return error
    path = " in ".join(shown(name) for name in reversed(names) if name)
    kind = " in ".join(wrapping.name for wrapping in reversed(wrappings))
    what = f"{path} ({kind}): {error.what}" if path else f"inside {kind}: {error.what}"
    is_other = error.code is InputCode.NOT_A_CHECKPOINT
    # `tar xf` unpacks a packed tar, too.
    is_packed_tar = not path and error.remedy == TAR.remedy
    return reworded(error, what, wrappings[0].remedy if is_other and not is_packed_tar else None)
