"""Which rows of which weights are the queries, keys and values of each head, however the author
wrote the attention.

A probe finds them: every layer's output is replaced by the numbers of its units, and what meets in
the products of the attention then says where it came from. A second probe, of ones, says by what it
was multiplied on the way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from advisor import Initializer, Layer, Run

PRODUCTS = ("matmul", "bmm", "rmatmul")
"""Functions, by name without underscores, in which scores and values are computed."""


@dataclass(frozen=True)
class Rows:
    """Units of a layer: rows of its weight, in the order in which they are used."""

    layer: Layer
    rows: tuple[int, ...]


@dataclass(frozen=True)
class AttentionParts:
    """One self-attention.

    Attributes:
        name: of the layer that projects the result.
        queries, keys: of each head, paired one by one.
        values: of all heads, in the order of the columns of the result's weight.
        result: the layer that projects what the heads have gathered.
    """

    name: str
    queries: tuple[Rows, ...]
    keys: tuple[Rows, ...]
    values: Rows
    result: Layer


Meeting = tuple[Tensor, Tensor, Tensor]
"""What met in one attention: queries, keys and values, each (…, tokens, units)."""


class AttentionProbe(TorchFunctionMode):
    """While active, notes what meets in attention.

    Attributes:
        meetings: in order of execution.
        inputs: by the name of a layer, what reached it first.
    """

    def __init__(self) -> None:
        super().__init__()
        self.meetings: list[Meeting] = []
        self.inputs: dict[str, Tensor] = {}
        # By identity of scores, or of what was made of them: these, the queries and the keys.
        self._scores: dict[int, Meeting] = {}

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        name = str(getattr(func, "__name__", "")).strip("_")
        operands = [each for each in args if isinstance(each, Tensor)]
        if name == "scaled_dot_product_attention" and len(operands) >= 3:
            self.meetings.append((operands[0], operands[1], operands[2]))
        elif name in PRODUCTS and len(operands) == 2 and operands[1].ndim >= 3:
            self._multiplied(operands[0], operands[1], result)
        elif isinstance(result, Tensor):
            # Scaling, masks, softmax and dropout lie between the scores and the second product.
            for operand in operands:
                scores = self._found(operand)
                if scores is not None and operand.shape == result.shape:
                    self._scores[id(result)] = (result, scores[1], scores[2])
        return result

    def _multiplied(self, one: Tensor, other: Tensor, result: Tensor) -> None:
        scores = self._found(one)
        if scores is not None:
            self.meetings.append((scores[1], scores[2], other))
        else:
            self._scores[id(result)] = (result, one, other.transpose(-2, -1))

    def _found(self, tensor: Tensor) -> Meeting | None:
        held = self._scores.get(id(tensor))
        return held if held is not None and held[0] is tensor else None


def attention_parts(rule: Initializer, run: Run) -> Iterator[AttentionParts | tuple[str, str]]:
    """The self-attentions of a model that runs, in order; for one that is not understood, a name
    and why.
    """
    layers = list(rule.layers(run))
    for layer in layers:
        if layer.kind == "attention":
            yield of_torch(layer)
    linear = [each for each in layers if isinstance(each.module, nn.Linear) and each.callable]
    if any(each.mixes for each in linear):
        yield from written(rule, run, linear)


def of_torch(layer: Layer) -> AttentionParts | tuple[str, str]:
    """The parts of `nn.MultiheadAttention`, whose weights lie in one known way."""
    module: Any = layer.module
    if module.in_proj_weight is None or not module.in_proj_weight.requires_grad:
        return layer.name, "queries, keys and values have inputs of their own"
    width = module.embed_dim
    size = width // module.num_heads
    rows = [Rows(layer, tuple(range(at, at + size))) for at in range(0, 2 * width, size)]
    values = Rows(layer, tuple(range(2 * width, 3 * width)))
    queries, keys = tuple(rows[: module.num_heads]), tuple(rows[module.num_heads :])
    return AttentionParts(layer.name, queries, keys, values, layer)


def written(
    rule: Initializer, run: Run, layers: Sequence[Layer]
) -> Iterator[AttentionParts | tuple[str, str]]:
    """The self-attentions that the author wrote, from linear layers."""
    units = [(layer, row) for layer in layers for row in range(layer.module.out_features)]  # type: ignore[arg-type]  # of nn.Linear
    try:
        ones, numbered = probed(rule, run, layers, False), probed(rule, run, layers, True)
    except Exception as problem:  # whatever a model raises on numbers that it does not expect
        yield "attention", f"the model does not run on a probe ({type(problem).__name__})"
        return

    def named(tensor: Tensor, unit: Tensor) -> list[tuple[Layer, int]]:
        """The units that stand in a tensor, of which `unit` is the same for ones."""
        numbers = (tensor / unit).round()
        exact = torch.allclose(tensor, numbers * unit, rtol=1e-3, atol=1e-3)
        if not exact or not bool(((numbers >= 1) & (numbers <= len(units))).all()):
            raise ValueError("what meets in it is no plain output of a linear layer")
        return [units[int(number) - 1] for number in numbers.flatten()]

    for number, pair in enumerate(zip(ones.meetings, numbered.meetings, strict=True), 1):
        try:
            yield _understood(layers, named, (ones, numbered), pair)
        except ValueError as why:
            yield f"attention {number}", str(why)


Named = Callable[[Tensor, Tensor], list[tuple[Layer, int]]]


def _understood(
    layers: Sequence[Layer],
    named: Named,
    probes: tuple[AttentionProbe, AttentionProbe],
    pair: tuple[Meeting, Meeting],
) -> AttentionParts:
    """The parts of one meeting. Raises ValueError where they are no self-attention."""
    heads = []
    for unit, numbers in zip(*pair, strict=True):
        # One row of the data, so that what lies before the tokens are heads.
        first_tokens = [each.flatten(0, -3)[:, 0] for each in (unit, numbers)]
        per_head = zip(*first_tokens, strict=True)
        heads.append([_rows(named(number, one)) for one, number in per_head])
    queries, keys, values = heads
    _check_heads(probes[1], queries, keys)
    gathered = {(each.layer.name, row) for each in values for row in each.rows}
    for layer in layers:
        one, number = (probe.inputs.get(layer.name) for probe in probes)
        if one is None or number is None or number.shape[-1] != len(gathered):
            continue
        with suppress(ValueError):
            columns = named(number.flatten(0, -2)[0], one.flatten(0, -2)[0])
            if {(each.name, row) for each, row in columns} == gathered:
                return AttentionParts(
                    layer.name, tuple(queries), tuple(keys), _rows(columns), layer
                )
    raise ValueError("no linear layer takes what its heads gather")


def _check_heads(probe: AttentionProbe, queries: list[Rows], keys: list[Rows]) -> None:
    """Raise ValueError unless queries and keys are pairs of one input, and each is used once."""
    inputs = [probe.inputs[each.layer.name] for each in (*queries, *keys)]
    if any(each is not inputs[0] for each in inputs):
        raise ValueError("its queries and keys see different inputs")
    used = [(each.layer.name, row) for each in (*queries, *keys) for row in each.rows]
    if len(used) != len(set(used)):
        raise ValueError("several heads share queries or keys")


def _rows(units: list[tuple[Layer, int]]) -> Rows:
    """Units of one layer. Raises ValueError where they are of several."""
    if len({layer.name for layer, _ in units}) != 1:
        raise ValueError("several layers give the values of one head")
    return Rows(units[0][0], tuple(row for _, row in units))


def probed(rule: Initializer, run: Run, layers: Sequence[Layer], numbered: bool) -> AttentionProbe:
    """What meets where every unit of these layers gives its number, from 1, or else one."""
    probe, first = AttentionProbe(), 1

    def stand_in(name: str, numbers: Tensor, _: Any, args: Any, output: Tensor) -> Tensor:
        probe.inputs.setdefault(name, args[0])
        return numbers.to(output).expand_as(output).clone()

    with ExitStack() as hooks:
        for layer in layers:
            size = int(layer.module.out_features)  # type: ignore[arg-type]  # of nn.Linear
            numbers = torch.arange(first, first + size) if numbered else torch.ones(size)
            first += size
            hook = partial(stand_in, layer.name, numbers)
            hooks.callback(layer.module.register_forward_hook(hook).remove)
        forward = hooks.enter_context(rule.visiting(run, lambda *_: None))
        hooks.enter_context(probe)
        forward(run.example(1))
    return probe
