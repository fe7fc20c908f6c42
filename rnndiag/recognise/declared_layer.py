"""A recurrence that names do not give away, built from tensors that a declaration names."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from rnndiag.containers.checkpoint import StoredTensor
from rnndiag.recognise.consistency import unusable
from rnndiag.recognise.declare import Declaration, usage
from rnndiag.recognise.layers import GATES, RecurrentLayer
from rnndiag.recognise.listing import listed, nearest
from rnndiag.recognise.names import Role
from rnndiag.recognise.neighbours import Neighbourhood
from rnndiag.recognise.slots import Named, Slots, cell_by_shape, is_bias
from rnndiag.recognise.stacks import assemble, assumed_tanh


def declared_slots(
    declaration: Declaration,
    name: str,
    tensors: Mapping[str, StoredTensor],
    taken: Collection[str],
) -> Slots:
    """The tensors of a declared layer, those named in it and those found beside them.

    `name` is the recurrent matrix; what is `taken` is another layer's. Raises RnndiagError (RD007)
    where a part is missing, ambiguous, or of a wrong shape.
    """
    parts = _Parts(declaration, tensors, Neighbourhood(tensors, taken))
    hidden = parts.named("weight_hh", name)
    _check_cell(declaration, hidden)
    inputs = parts.input_matrix(hidden)
    return {"weight_hh": hidden, "weight_ih": inputs, **parts.biases(hidden, inputs)}


def declared_layer(declaration: Declaration, module: str, slots: Slots) -> RecurrentLayer:
    """The layer that these tensors are, with what had to be assumed."""
    return assemble(
        module,
        (None, "forward"),
        slots,
        cell=declaration.cell,
        activation=declaration.activation or "tanh",
        assumptions=_assumptions(declaration, slots),
    )


def _check_cell(declaration: Declaration, hidden: Named) -> None:
    """Raise where the declared cell cannot have a matrix of this shape."""
    cell = cell_by_shape(hidden.tensor.shape)
    if cell == declaration.cell:
        return
    rows, columns = hidden.tensor.shape
    wanted = (GATES[declaration.cell] * columns, columns)
    raise usage(
        f"--as {declaration} contradicts the shape: {hidden} should be {wanted}",
        f"{rows} rows are those of {cell}" if cell else "rnn is (H, H), gru (3H, H), lstm (4H, H)",
    )


def _assumptions(declaration: Declaration, slots: Slots) -> tuple[str, ...]:
    """What was declared, and what had to be assumed besides."""
    used = ", ".join(f"{role} {named.key}" for role, named in slots.items())
    said = (f"declared with --as: {used}",)
    if declaration.cell == "rnn" and declaration.activation is None:
        return (*said, assumed_tanh(slots["weight_hh"].key))
    return said


@dataclass(frozen=True)
class _Parts:
    """Where the tensors of one declared layer are looked for."""

    declaration: Declaration
    tensors: Mapping[str, StoredTensor]
    near: Neighbourhood

    def named(self, role: Role, name: str) -> Named:
        """A named tensor that can play its part."""
        if name not in self.tensors:
            raise usage(
                f"--as {self.declaration}: no tensor is called {name!r}",
                nearest(name, self.tensors),
            )
        named = Named(name, self.tensors[name])
        for reason in unusable(role, named):
            raise usage(f"--as {self.declaration}: {reason}", "name a tensor of weights")
        return named

    def input_matrix(self, hidden: Named) -> Named:
        """The input matrix that was named, or the only one that fits."""
        if self.declaration.input_name is None:
            return self._only_input(hidden)
        inputs = self.named("weight_ih", self.declaration.input_name)
        if inputs.tensor.shape[0] != hidden.tensor.shape[0]:
            raise self._disagree(inputs, hidden, "an input matrix")
        return inputs

    def _only_input(self, hidden: Named) -> Named:
        fitting = self.near.input_matrices(hidden.key)
        if len(fitting) != 1:
            reason = (
                f"several fit: {listed(fitting)}" if fitting else "none beside it has as many rows"
            )
            raise usage(
                f"--as {self.declaration} needs its input matrix, and {reason}",
                f"add ,input=NAME to --as {self.declaration}",
            )
        return Named(fitting[0], self.tensors[fitting[0]])

    def biases(self, hidden: Named, inputs: Named) -> Slots:
        """Biases that were named, or else those beside the two matrices."""
        beside: dict[Role, str | None] = {
            "bias_ih": self.near.bias_of(inputs.key),
            "bias_hh": self.near.bias_of(hidden.key),
        }
        if self.declaration.bias_names:
            return self._named_biases(beside, hidden)
        rows = hidden.tensor.shape[0]
        found = {role: Named(name, self.tensors[name]) for role, name in beside.items() if name}
        return {
            role: bias
            for role, bias in found.items()
            if bias.tensor.is_floating and is_bias(bias.tensor, rows)
        }

    def _named_biases(self, beside: Mapping[Role, str | None], hidden: Named) -> Slots:
        """Each in the role of the matrix that it stands beside, else in the first that is free."""
        role_of = {name: role for role, name in beside.items()}
        found: Slots = {}
        for name in sorted(self.declaration.bias_names, key=lambda name: name not in role_of):
            free: Role = "bias_hh" if "bias_ih" in found else "bias_ih"
            role = role_of.get(name, free)
            found[role] = self.named(role, name)
            if not is_bias(found[role].tensor, hidden.tensor.shape[0]):
                raise self._disagree(found[role], hidden, "a bias")
        return found

    def _disagree(self, named: Named, hidden: Named, kind: str) -> Exception:
        return usage(
            f"--as {self.declaration}: {named} and {hidden} disagree in their rows",
            f"name {kind} with as many rows",
        )
