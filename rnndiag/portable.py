"""A file's report without what cannot leave its process, or is not worth keeping for thousands."""

from __future__ import annotations

from dataclasses import replace
from typing import NoReturn

from rnndiag.analysis import FileResult, LayerResult
from rnndiag.containers.checkpoint import StoredTensor
from rnndiag.recognise.layers import Recognition
from rnndiag.report import FileReport


def portable(file: FileReport, measures: bool) -> FileReport:
    """The same report; its tensors have no values, and without `measures` its layers no curves.

    What stays is what formats show of a file: a few kilobytes without the measures.
    """
    if file.result is None:
        return file
    return replace(file, result=_result(file.result, measures))


def _result(result: FileResult, measures: bool) -> FileResult:
    kept = replace(
        result,
        checkpoint=replace(result.checkpoint, tensors={}, values={}),
        recognition=Recognition((), result.recognition.unrecognised),
        layers=tuple(map(_without_values, result.layers)),
    )
    return kept if measures else _without_measures(kept)


def _without_values(item: LayerResult) -> LayerResult:
    layer = item.layer
    return replace(
        item,
        layer=replace(
            layer,
            weight_ih=_description(layer.weight_ih),
            weight_hh=_description(layer.weight_hh),
            bias_ih=_description_if(layer.bias_ih),
            bias_hh=_description_if(layer.bias_hh),
            weight_hr=_description_if(layer.weight_hr),
        ),
    )


def _without_measures(result: FileResult) -> FileResult:
    state = result.training_state
    return replace(
        result,
        checkpoint=replace(result.checkpoint, would_import=(), skipped=(), notes=()),
        recognition=Recognition((), ()),
        layers=tuple(replace(item, spectrum=None, trace=None) for item in result.layers),
        training_state=None if state is None else replace(state, per_parameter=()),
    )


def _description(tensor: StoredTensor) -> StoredTensor:
    return replace(tensor, identity=(), load=_left_behind, stream=None)


def _description_if(tensor: StoredTensor | None) -> StoredTensor | None:
    return None if tensor is None else _description(tensor)


def _left_behind() -> NoReturn:
    raise ValueError("the values were left in the process that read the file")
