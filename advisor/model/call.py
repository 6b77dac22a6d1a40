"""How a model is called with a batch, whatever a batch is: a tensor, positional arguments, or
arguments by name.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

Arguments = tuple[tuple[Any, ...], dict[str, Any]]


def call(model: nn.Module, batch: Any) -> Any:
    """What `model` returns for a batch.

    A plain tuple or list holds positional arguments; anything else is the only argument. A mapping
    that is the only argument goes in as keywords where its keys are what `forward` asks for, else
    as one dictionary.
    """
    positional, keywords = arguments(model, batch)
    return model(*positional, **keywords)


def arguments(model: nn.Module, batch: Any) -> Arguments:
    """The positional arguments and the keywords that a batch becomes."""
    given = as_tuple(batch)
    if len(given) != 1 or not isinstance(given[0], Mapping):
        return given, {}
    names = _asked(model, given[0])
    return (given, {}) if names is None else ((), {name: given[0][name] for name in names})


def as_tuple(batch: Any) -> tuple[Any, ...]:
    """The positional arguments in a batch; tuples with named fields and packed sequences are one
    argument.
    """
    return tuple(batch) if type(batch) in (tuple, list) else (batch,)


def left_out(model: nn.Module, batch: Any) -> list[str]:
    """Keys of a batch that are no parameters of `forward`, and not passed."""
    keywords = arguments(model, batch)[1]
    return [str(key) for key in as_tuple(batch)[0] if key not in keywords] if keywords else []


def _asked(model: nn.Module, given: Mapping[Any, Any]) -> list[str] | None:
    """The keys that are passed as keywords, or None where `forward` takes the mapping itself.

    Keys that `forward` does not know are left out where it knows two others: then no single
    argument is meant.
    """
    try:
        parameters = inspect.signature(model.forward).parameters.values()
    except (TypeError, ValueError):  # TorchScript and extensions
        return None
    named = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    required = {
        p.name
        for p in parameters
        if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    }
    keys = [key for key in given if isinstance(key, str)]
    known = [key for key in keys if key in {p.name for p in named}]
    if not required <= set(known) or len(keys) < len(given):
        return None
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return keys
    return known if known == keys or len(known) > 1 else None


def rows_of(batch: Any) -> int | None:
    """How many rows a batch has, by its first tensor; None where no tensor has rows."""
    return next(_rows(batch), None)


def _rows(value: Any) -> Iterator[int]:
    if isinstance(value, PackedSequence):
        yield int(value.batch_sizes[0])
    elif isinstance(value, Tensor) and value.dim():
        yield len(value)
    elif isinstance(value, (tuple, list, Mapping)):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from _rows(item)
