"""Which runs are trained together: decided from what they are, and never from who trains them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from torch import Tensor, fx, nn

from advisor.data.splits import TensorPart
from advisor.training.hooks import hooks_set
from advisor.training.run import Run
from advisor.training.stacks.elementwise import layer_by_numbers
from advisor.training.stacks.program import ONE_BY_ONE_LAYERS
from advisor.training.stacks.traced import NotStackable, graph_of, layers_in

FEWEST = 3
"""Copies from which on a stack is faster where each is small."""
MOST_PRODUCTS = 2e6
"""Multiplications of a mini-batch in a linear layer, on average, above which a stack is no faster:
the time of a step is then that of its products, and not that of calling them. Measured: 1.3 to 1.7
times as fast at 1.8e6, 0.6 to 1.0 times at 5.8e6 (`benchmarks/stacked.py`).
"""


def why_alone(run: Run) -> str | None:
    """Why a run is trained by itself, in a sentence; None where it may be one of a stack."""
    return next(reasons(run), None)


def reasons(run: Run) -> Iterator[str]:
    """Why a run is trained by itself, one sentence each."""
    hooks = hooks_set(run)
    if run.device.type != "cpu":
        yield f"a stack on {run.device.type} was never measured"
    if hooks:
        yield f"a technique has set run.{hooks[0]}"
    if run.later:
        yield "some of its parameters begin to train later"
    if run.recipe.precision or run.recipe.augment:
        yield "its recipe changes the precision or the rows"
    if run.data.weights is not None:
        yield "its rows have weights"
    yield from reasons_of_rows(run)


def reasons_of_rows(run: Run) -> Iterator[str]:
    """Why the rows of a run are not those of a stack."""
    train = run.data.train
    if not isinstance(train, TensorPart):
        yield "its rows are read one by one"
    elif not isinstance(train.inputs, tuple) or not all(
        isinstance(each, Tensor) for each in train.inputs
    ):
        yield "its inputs have names, or parts of their own"


def why_not_faster(
    model: nn.Module, copies: int, batch: int, graph: fx.Graph | None = None
) -> str | None:
    """Why a stack of so many copies of a model is no faster than one after the other, or None.

    `batch` is the number of rows in a mini-batch, `graph` the operations of the model, where they
    were read already. Raises `NotStackable` where the forward pass
    cannot be read.
    """
    if copies < FEWEST:
        return f"too few trainings: {copies}"
    layers = layers_in(graph or graph_of(model), model)
    other = next((each for each in layers if not is_known(each)), None)
    if other is not None:
        return f"no batched computation of {type(other).__name__} pays"
    weights = [each.weight.numel() for each in layers if isinstance(each, nn.Linear)]
    if not weights:
        return "it has no linear layers"
    products = batch * sum(weights) / len(weights)
    if products > MOST_PRODUCTS:
        return f"{products:.2g} products in a layer take longer than calling them"
    return None


def is_known(layer: nn.Module) -> bool:
    """Whether a layer is one that stacks compute."""
    is_known = type(layer) in (nn.Linear, nn.Dropout, *ONE_BY_ONE_LAYERS)
    return is_known or layer_by_numbers(layer) is not None


def reason_of(ask: Callable[[], Any]) -> str | None:
    """What a question of this module answers, with what it raises as the reason."""
    try:
        answer: str | None = ask()
    except NotStackable as problem:
        return str(problem)
    return answer
