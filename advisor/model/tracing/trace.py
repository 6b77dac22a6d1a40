"""Run a model on one batch, record what happens, and read off the record what it is made of."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from advisor.errors import InputError
from advisor.model.anatomy import Anatomy, ModuleTarget, Site
from advisor.model.call import as_tuple, rows_of
from advisor.model.call import call as call_model
from advisor.model.preserve import untouched
from advisor.model.references import Path, paths
from advisor.model.tracing import layers
from advisor.model.tracing.failure import failure
from advisor.model.tracing.graph import Graph, Node
from advisor.model.tracing.output import Output, kind_of_output, pick
from advisor.model.tracing.parameter_owners import Owners
from advisor.model.tracing.recorder import Recorder
from advisor.model.tracing.sites import sites_of

# What torch says where a model takes gradients of something computed without.
_WANTS_GRADIENTS = "does not require grad"


def trace(model: nn.Module, batch: Any, output: Output = None, rows: int | None = None) -> Anatomy:
    """Run the model on a batch once, in training mode, and say what it is made of.

    Parameters, buffers, training flags and random states are the same afterwards.

    Arguments:
        model: any module.
        batch: at least two rows: a tensor, a tuple of positional arguments, or a dictionary.
        output: name or number of the tensor that is the prediction, where the model returns
            several.
        rows: the number of rows, where it is not that of the batch's first tensor.

    Raises:
        InputError: if the model does not accept the batch (the message names the innermost
            module), or has no such output.
    """
    inputs = as_tuple(batch)
    materialize(model, inputs)
    module_paths = paths(model)
    modules = [path.module for path in module_paths.values()]
    with untouched(model, modules, parameters=True), torch.no_grad():
        recorder, result = _recorded(model, inputs, module_paths)
        prediction = _prediction(result, output, rows_of(inputs) if rows is None else rows)
        # Where the user names the prediction, the other results are no outputs.
        graph = recorder.graph(result if output is None else prediction)
        return _anatomy(graph, module_paths, prediction, recorder.origins.of(prediction))


def materialize(model: nn.Module, inputs: tuple[Any, ...]) -> None:
    """Let lazy layers take their shape and draw their start, which they do when they are called
    first.
    """
    modules = list(nn.Module.modules(model))
    if any(is_lazy(parameter) for parameter in nn.Module.parameters(model)):
        with untouched(model, modules), torch.no_grad():
            call_model(model, inputs)


def _recorded(
    model: nn.Module, inputs: tuple[Any, ...], module_paths: dict[int, Path]
) -> tuple[Recorder, Any]:
    """A run without gradients, or with them for a model that takes gradients itself."""
    recorder = Recorder(inputs, module_paths)
    try:
        return recorder, _run(model, inputs, recorder)
    except InputError as error:
        if _WANTS_GRADIENTS not in str(error.__cause__):
            raise
    recorder = Recorder(inputs, module_paths)
    with torch.enable_grad():
        return recorder, _run(model, inputs, recorder)


def _run(model: nn.Module, inputs: tuple[Any, ...], recorder: Recorder) -> Any:
    try:
        with recorder.hooked(), recorder:
            return call_model(model, inputs)
    except Exception as error:  # whatever the user's code raises
        raise failure(model, recorder, error, inputs) from error


def _prediction(result: Any, output: Output, rows: int | None) -> Tensor:
    prediction = pick(result, rows, output)
    if not prediction.is_floating_point():
        raise InputError(
            f"The model returned a tensor of {prediction.dtype}, and no tensor of floats; return "
            "its predictions."
        )
    if isinstance(result, Tensor) and str(output) not in ("None", "0", "-1"):
        raise InputError(
            f"The model returns one tensor alone, so there is no output {output!r}; leave out "
            "--output."
        )
    return prediction


def _anatomy(
    graph: Graph, module_paths: dict[int, Path], prediction: Tensor, end: Node | None
) -> Anatomy:
    """What the graph says, `end` being the node of the prediction."""
    # First the activations, then the layers, which refer to them.
    site_of_call = sites_of(graph)
    sites = tuple(dict.fromkeys(site_of_call.values()))
    owners = Owners(module_paths)
    uses = layers.uses(graph, owners, module_paths)
    outputs = set(graph.outputs)
    branches = layers.branches_of(uses.layers, outputs)
    return Anatomy(
        sites=sites,
        layers=tuple(
            layers.layer_of(use, index, site_of_call, owners, outputs, branches)
            for index, use in enumerate(uses.layers)
        ),
        tables=tuple(
            layers.table_of(use, owners) for use in uses.layers if use.kind == "embedding"
        ),
        output=kind_of_output(end, prediction),
        output_shape=tuple(prediction.shape),
        unused=tuple(sorted(owners.names() - uses.ran - _names(sites, module_paths))),
        raw=tuple(sorted(uses.raw)),
    )


def _names(sites: tuple[Site, ...], module_paths: dict[int, Path]) -> set[str]:
    """Paths of the activation modules that ran; those with parameters are in use."""
    names = set()
    for site in sites:
        if isinstance(site.target, ModuleTarget) and id(site.target.module) in module_paths:
            names.add(module_paths[id(site.target.module)].name)
    return names
