"""What a model, a loss and a metric of the user's give, before anything is trained."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from advisor.errors import InputError, explain
from advisor.faults import is_out_of_memory
from advisor.model import call
from advisor.model.preserve import untouched
from advisor.nested import tensors_in
from advisor.randomness import isolated
from advisor.training.metrics import LARGEST_SCORE
from advisor.training.objective import Objective
from advisor.values import shown

BACK = "it must return one number in a tensor, through which gradients go back to the model"
"""What a loss must give."""


def check_parameters(model: nn.Module) -> None:
    """Raise `InputError` where a model has nothing that a training can change."""
    # A user's model may have an attribute that is called `parameters`, so the class is asked.
    parameters = list(nn.Module.parameters(model))
    if any(parameter.requires_grad for parameter in parameters):
        return
    name = type(model).__name__
    if parameters:
        raise InputError(
            f"{name} has no parameter that is trained: all {len(parameters)} are frozen "
            "(requires_grad=False). Leave those that are to be trained as they are."
        )
    raise InputError(
        f"{name} has no parameter, so there is nothing to train. Layers in a plain list or "
        "dictionary do not count; put them into nn.ModuleList, nn.ModuleDict or nn.Parameter."
    )


def check_loss(
    model: nn.Module, inputs: tuple[Any, ...], target: Tensor, objective: Objective
) -> None:
    """Raise `InputError` where the loss of a first batch is none that a training can go by.

    The model, and every random state, are afterwards as before. A model that fails while gradients
    are computed is told of by its training.
    """
    modules = list(nn.Module.modules(model))
    with untouched(model, modules, parameters=True), isolated(0), in_silence(), torch.enable_grad():
        try:
            output = call(model, inputs)
        except Exception:  # what the user's own forward raises is told by the training
            return
        loss = asked("loss", objective.loss_name, objective.loss, output, target)
        has_gradient = any(tensor.requires_grad for tensor in tensors_in(output))
    fault = fault_of_loss(loss)
    if fault is not None:
        raise InputError(f"The loss {objective.loss_name} returned {fault}; {BACK}.")
    if not has_gradient or not loss.requires_grad:
        raise without_gradient(type(model).__name__, objective.loss_name, has_gradient)


def without_gradient(model: str, loss: str, has_gradient: bool) -> InputError:
    """The error about a loss through which no gradient goes back; `has_gradient` has the output."""
    if not has_gradient:
        return InputError(
            f"The output of {model} has no gradient, so it cannot be trained; leave "
            "out detach(), no_grad() and the like in its forward."
        )
    return InputError(
        f"The loss {loss} returned a tensor without a gradient; {BACK}: leave out item(), "
        "detach(), argmax() and the like."
    )


def fault_of_loss(loss: object) -> str | None:
    """What a loss returned, where it is no single real number in a tensor; else None."""
    if not isinstance(loss, Tensor):
        return f"{shown(loss)} ({type(loss).__name__})"
    if loss.numel() != 1:
        return f"a tensor of shape {tuple(loss.shape)}, so take its mean"
    return None if loss.is_floating_point() else f"a tensor of {loss.dtype}"


def check_metric(objective: Objective, batches: Iterator[tuple[Any, Tensor]]) -> None:
    """Raise `InputError` where the user's own metric gives no number on any of some batches.

    Arguments:
        objective: of the task.
        batches: outputs of the model with their targets, from few rows to more: a metric may want
            rows of all classes.
    """
    metric = objective.metric
    problem: InputError | None = None
    for output, target in batches:
        try:
            with isolated(0), in_silence(), torch.no_grad():
                answer = objective.answer(output, target).float().cpu()
                score = asked("metric", metric.name, metric.score, answer, target.cpu())
        except InputError as error:
            problem = error
            continue
        if LARGEST_SCORE < abs(score) < float("inf"):
            raise InputError(
                f"The metric {metric.name} returned {score:g}, which is too large to compare; "
                f"scores may be up to {LARGEST_SCORE:g}."
            )
        return
    if problem is not None:
        raise problem


def asked(what: str, name: str, function: Callable[..., Any], output: Any, target: Tensor) -> Any:
    """What a loss or a metric returns. Raises `InputError` where it fails."""
    try:
        return function(output, target)
    except InputError:
        raise
    except Exception as problem:  # the user's own function may raise anything
        if is_out_of_memory(problem):
            raise
        raise InputError(
            f"The {what} {name} fails on a first batch of the training rows: {explain(problem)}. "
            f"It is called with the model's output and the target {tuple(target.shape)}."
        ) from problem


@contextmanager
def in_silence() -> Iterator[None]:
    """What is warned of here is warned of again by the training."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
