"""How a model is called with a batch, whatever a batch is: a tensor, positional arguments, or
arguments by name.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from advisor.model.nested_values import leaves

# What a model is called with: positional arguments, and keywords.
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
    positional = as_tuple(batch)
    if len(positional) != 1 or not isinstance(positional[0], Mapping):
        return positional, {}

    # A mapping that is the only argument goes in by name, or whole.
    mapping = positional[0]
    keys = _keyword_keys(model, mapping)
    if keys is None:
        return positional, {}
    return (), {key: mapping[key] for key in keys}


def as_tuple(batch: Any) -> tuple[Any, ...]:
    """The positional arguments in a batch; tuples with named fields and packed sequences are one
    argument.
    """
    return tuple(batch) if type(batch) in (tuple, list) else (batch,)


def left_out(model: nn.Module, batch: Any) -> list[str]:
    """Keys of a batch that are no parameters of `forward`, and not passed."""
    _, keywords = arguments(model, batch)
    if not keywords:
        return []
    return [str(key) for key in as_tuple(batch)[0] if key not in keywords]


def passed_whole(model: nn.Module, batch: Any) -> list[str] | None:
    """The keys of a batch that goes into `forward` as one dictionary; None of other batches."""
    positional, _ = arguments(model, batch)
    if len(positional) != 1 or not isinstance(positional[0], Mapping):
        return None
    return list(map(str, positional[0]))


def rows_of(batch: Any) -> int | None:
    """How many rows a batch has, by its first tensor; None where no tensor has rows."""
    for leaf in leaves(batch, (PackedSequence, Tensor)):
        if isinstance(leaf, PackedSequence):
            return int(leaf.batch_sizes[0])
        if leaf.dim():
            return len(leaf)
    return None


def _keyword_keys(model: nn.Module, mapping: Mapping[Any, Any]) -> list[str] | None:
    """The keys that are passed as keywords, or None where `forward` takes the mapping itself."""
    try:
        parameters = inspect.signature(model.forward).parameters.values()
    except (TypeError, ValueError):  # TorchScript and extensions
        return None

    # What `forward` accepts by name, and what it cannot do without.
    accepted: set[str] = set()
    required: set[str] = set()
    takes_any_keyword = False
    for parameter in parameters:
        if parameter.kind is parameter.VAR_KEYWORD:
            takes_any_keyword = True
        elif parameter.kind is not parameter.VAR_POSITIONAL:
            if parameter.kind is not parameter.POSITIONAL_ONLY:
                accepted.add(parameter.name)
            if parameter.default is parameter.empty:
                required.add(parameter.name)

    keys = [key for key in mapping if isinstance(key, str)]
    accepted_keys = [key for key in keys if key in accepted]
    if len(keys) < len(mapping) or not required <= set(accepted_keys):
        return None
    if takes_any_keyword:
        return keys
    # Other keys are left out only where `forward` knows two: then no single argument is meant.
    if accepted_keys == keys or len(accepted_keys) > 1:
        return accepted_keys
    return None
