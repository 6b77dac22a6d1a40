"""Tensors that a loss depends on and that no optimizer gets, as they are no parameters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from advisor.diagnosis.passes import inputs_at, passing
from advisor.model import call
from advisor.model.references import own_parameters, paths
from advisor.randomness import mix
from advisor.training.run import Run

ROWS = 16
"""Rows whose loss is differentiated."""
DEPTH = 3
"""How many lists and dictionaries inside each other are searched for a tensor."""

OF_LOSS = "a tensor of the loss"
"""The name of a tensor that the model does not hold."""


@dataclass(frozen=True)
class Stranger:
    """A tensor that gets a gradient and is no parameter of the model.

    Attributes:
        name: where the model holds it, or `a tensor of the loss`.
        numbers: how many numbers it holds.
    """

    name: str
    numbers: int


def unregistered(run: Run) -> tuple[Stranger, ...]:
    """The tensors that a training would leave as they are, although the loss depends on them."""
    once = strangers(run, _loss(run))
    if not once:
        return ()
    # A tensor that each pass makes anew, such as a copy of an input, is none to be trained.
    again = {id(leaf) for leaf in strangers(run, _loss(run))}
    held = _names(run.model)
    lasting = [leaf for leaf in once if id(leaf) in again]
    # They are given as the model holds them, and not as the loss came to them.
    order = {key: place for place, key in enumerate(held)}
    lasting.sort(key=lambda leaf: order.get(id(leaf), len(order)))
    return tuple(Stranger(held.get(id(leaf), OF_LOSS), leaf.numel()) for leaf in lasting)


def _loss(run: Run) -> Tensor:
    """The loss of a few rows, in training mode."""
    generator = torch.Generator().manual_seed(mix(run.seed, "leaves"))
    index = torch.randperm(len(run.data.train), generator=generator)[:ROWS]
    _, target = run.data.train.take(index)
    assert target is not None  # training rows are labelled
    with passing(run, lambda model: model.train()), torch.enable_grad():
        output = call(run.model, inputs_at(run, index))
        return run.loss(output, target.to(run.device)).mean()


def strangers(run: Run, loss: Tensor) -> list[Tensor]:
    """The leaves of a loss that are no parameters of the model."""
    known = {id(parameter) for parameter in nn.Module.parameters(run.model)}
    return [leaf for leaf in leaves(loss) if id(leaf) not in known]


def leaves(loss: Tensor) -> Iterator[Tensor]:
    """The tensors to which a loss passes gradients, each once."""
    waiting, seen = [loss.grad_fn], set()
    while waiting:
        node: Any = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if hasattr(node, "variable"):
            yield node.variable
        waiting.extend(following for following, _ in node.next_functions)


def _names(model: nn.Module) -> dict[int, str]:
    """By the id of a tensor, where a plain attribute, list or dictionary holds it."""
    names: dict[int, str] = {}
    for path in paths(model).values():
        if not path.registered:
            for name, parameter in own_parameters(path):
                names.setdefault(id(parameter), name)
        for attribute, value in vars(path.module).items():
            if not attribute.startswith("_"):
                start = f"{path.name}.{attribute}".lstrip(".")
                for name, tensor in _tensors_in(value, start, DEPTH):
                    names.setdefault(id(tensor), name)
    return names


def _tensors_in(value: Any, name: str, depth: int) -> Iterator[tuple[str, Tensor]]:
    """The tensors in lists, tuples and dictionaries, by name."""
    if isinstance(value, Tensor):
        yield name, value
    elif depth and isinstance(value, (list, tuple, dict)):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in items:
            yield from _tensors_in(item, f"{name}[{key!r}]", depth - 1)
