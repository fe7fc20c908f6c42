"""Options that go together are declared once, in a dataclass; a command names those it takes."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable, Iterator
from inspect import Parameter
from typing import Any, get_args, get_type_hints


def spread(command: Callable[..., int]) -> Callable[..., int]:
    """Give Typer one parameter per option where the command takes a dataclass of options.

    The first line of the dataclass's docstring heads its options in --help.

    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Size:
    ...     width: int = 3
    ...     height: int = 4
    >>> def area(scale: int, size: Size) -> int:
    ...     return scale * size.width * size.height
    >>> str(inspect.signature(spread(area))), spread(area)(scale=2, width=5, height=1)
    ('(*, scale: int, width: int = 3, height: int = 4) -> int', 10)
    """
    hints = get_type_hints(command, include_extras=True)
    groups = {name: hint for name, hint in hints.items() if dataclasses.is_dataclass(hint)}

    @functools.wraps(command)
    def flat(**values: Any) -> int:
        gathered = {name: _gather(group, values) for name, group in groups.items()}
        return command(**values, **gathered)

    parameters: list[Parameter] = []
    for name, parameter in inspect.signature(command).parameters.items():
        if name in groups:
            parameters.extend(_options(groups[name]))
        else:
            single = parameter.replace(kind=Parameter.KEYWORD_ONLY, annotation=hints[name])
            parameters.append(single)
    # What Typer reads: inspect.signature takes the first, typing.get_type_hints the second.
    described: Any = flat
    described.__signature__ = inspect.Signature(parameters, return_annotation=int)
    described.__annotations__ = {one.name: one.annotation for one in parameters}
    return flat


def _gather(group: Any, values: dict[str, Any]) -> Any:
    """One group, of its options' values, which are taken out."""
    return group(**{field.name: values.pop(field.name) for field in dataclasses.fields(group)})


def _options(group: Any) -> Iterator[Parameter]:
    """One keyword parameter for each field, with its default."""
    hints = get_type_hints(group, include_extras=True)
    heading = (group.__doc__ or "").splitlines()[0].rstrip(".")
    for field in dataclasses.fields(group):
        annotation = hints[field.name]
        for info in get_args(annotation)[1:]:
            info.rich_help_panel = heading
        yield Parameter(
            field.name, Parameter.KEYWORD_ONLY, default=field.default, annotation=annotation
        )
