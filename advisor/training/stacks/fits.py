"""Which runs are trained together: decided from what they are, and never from who trains them."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from torch import Tensor, fx, nn

from advisor.data.splits import TensorPart
from advisor.training.hooks import hooks_set
from advisor.training.run import Run
from advisor.training.stacks.elementwise import layer_by_numbers
from advisor.training.stacks.member import Member
from advisor.training.stacks.program import ONE_BY_ONE_LAYERS
from advisor.training.stacks.sizes import sizes_of
from advisor.training.stacks.traced import NotStackable, graph_of, layers_in

FEWEST = 2
"""Copies from which on a stack is faster where each is small."""
MOST_PRODUCTS = 1.2e6
"""Multiplications of a mini-batch in a linear layer, on average, above which a stack is no faster:
the time of a step is then that of its products, and not that of calling them. Measured: 1.5 times
as fast at 5.5e5, 0.9 to 1.7 times, by the machine, at 1.8e6, 0.6 to 1.0 times at 5.8e6
(`benchmarks/stacked.py`).
"""
MOST_NUMBERS = 40_000
"""Numbers that a usual operation makes of a mini-batch above which a stack is no faster: its
tensors leave the cache. Measured: 1.2 to 1.4 times as fast at 32,000, 0.7 to 1.0 times at 60,000,
and 0.4 to 0.7 times at 250,000, such as the vectors of all words of a text.
"""
MIXED_NUMBERS = 3000
"""Those above which only models with the same activations are computed together: to take tensors
apart and put them together again costs a fifth of a step.
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


def why_not_faster(run: Run, copies: int, batch: int, graph: fx.Graph | None = None) -> str | None:
    """Why a stack of so many copies of a run is no faster than one after the other, or None.

    `batch` is the number of rows in a mini-batch, `graph` the operations of the model, where they
    were read already. Raises `NotStackable` where the forward pass cannot be read, and what it
    raises.
    """
    if copies < FEWEST:
        return f"too few trainings: {copies}"
    graph = graph or graph_of(run.model)
    layers = layers_in(graph, run.model)
    other = next((each for each in layers if not is_known(each)), None)
    if other is not None:
        return f"no batched computation of {type(other).__name__} pays"
    if not any(isinstance(each, nn.Linear) for each in layers):
        return "it has no linear layers"
    sizes = sizes_of(run, batch, graph)
    products = statistics.fmean(sizes.products)
    if products > MOST_PRODUCTS:
        return f"{products:.2g} products in a layer take longer than calling them"
    if sizes.usual > MOST_NUMBERS:
        return f"{sizes.usual:.2g} numbers in an operation take longer than calling it"
    return None


def parts_of(members: Sequence[Member]) -> list[list[Member]]:
    """The runs of a group in parts, each of which is trained together.

    Where operations are small, all are one part; else those that do the same to single numbers, and
    what is left over. Raises what a forward pass raises.
    """
    by_form: list[list[Member]] = []
    for each in members:
        same = (part for part in by_form if forms_of(part[0]) == forms_of(each))
        part = next(same, None)
        if part is None:
            by_form.append([each])
        else:
            part.append(each)
    first = members[0]
    if len(by_form) == 1 or first.reading is None:
        return [list(members)]
    if sizes_of(first.run, first.settings.batch, first.reading.graph).usual < MIXED_NUMBERS:
        return [list(members)]
    left = [each for part in by_form if len(part) < FEWEST for each in part]
    return [part for part in [*(each for each in by_form if len(each) >= FEWEST), left] if part]


def forms_of(member: Member) -> list[Any]:
    """What a run does to single numbers, to be compared."""
    return [] if member.reading is None else member.reading.forms


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
