"""What the weights alone show: copies, starts, stacked gates, what never ran and what is frozen."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor, nn

from advisor.diagnosis.finding import BOUNDS, Finding, finding_of
from advisor.diagnosis.measure import Measured
from advisor.diagnosis.passes import WEIGHTED
from advisor.model import Layer

SAMPLES = 64
"""Fewest weights that show from which distribution they were drawn."""
GATES = {nn.LSTM: 4, nn.GRU: 3}
"""Gates that are stacked in one weight of a recurrent layer."""


def identical_layers(measured: Measured) -> Iterator[Finding]:
    """Different layers with the same bits: copies of one layer, such as `nn.TransformerEncoder`
    makes.
    """
    # The weights of one copied block are one family, and one finding.
    families: dict[tuple[str, ...], None] = {}
    for names in _layers_by_content(measured.run.anatomy.layers).values():
        if len(names) > 1:
            families[_differing_stems(names)] = None
    for stems in families:
        sentence = (
            f"{len(stems)} layers begin with the same bits: {_some(stems)}. They are copies of "
            "one layer, and begin by computing the same function; give each its own draw."
        )
        yield finding_of("identical_layers", stems[0], len(stems), sentence)


def _layers_by_content(layers: Iterable[Layer]) -> dict[tuple[object, ...], list[str]]:
    """Names of layers by the name, shape and content of a weight that trains."""
    names_by_content: dict[tuple[object, ...], list[str]] = {}
    seen: set[int] = set()  # a tied weight is one tensor, not a copy
    for layer in layers:
        if layer.kind not in WEIGHTED:
            continue
        for name, weight in layer.module.named_parameters(recurse=False):
            if weight.ndim < 2 or not weight.requires_grad or id(weight) in seen:
                continue
            values = weight.detach().flatten()
            if len(values) < 2 or not bool((values != values[0]).any()):
                continue  # a constant is no draw that was copied
            seen.add(id(weight))
            numbers = (repr(values[:8].tolist()), float(values.double().sum()))
            names_by_content.setdefault((name, weight.shape, *numbers), []).append(layer.name)
    return names_by_content


def _differing_stems(names: list[str]) -> tuple[str, ...]:
    """The part of each name up to the number in which they differ: `encoder.layers.0` of
    `encoder.layers.0.linear1`.
    """
    parts = [name.split(".") for name in names]
    if len({len(part) for part in parts}) > 1:
        return tuple(names)
    for position in range(len(parts[0])):
        words = {part[position] for part in parts}
        if len(words) == len(parts):
            stems = [".".join(part[: position + 1]) for part in parts]
            return tuple(dict.fromkeys(stems))
    return tuple(names)


def _some(names: Sequence[str], limit: int = 3) -> str:
    more = f", … ({len(names)} in all)" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more


def default_start(measured: Measured) -> Iterator[Finding]:
    """PyTorch's default start in a deep plain net whose signal shrinks."""
    hidden = [signal for signal in measured.hidden if signal.layer.kind in ("linear", "conv")]
    default = []
    for signal in hidden:
        if is_default(signal.layer) and not measured.run.is_loaded(signal.layer.module):
            default.append(signal)
    if measured.is_normalized or len(default) < BOUNDS["default_start"].value:
        return

    # The start is right for a net whose signal keeps its size.
    stds = [signal.std for signal in default if signal.std is not None]
    if len(stds) > 1 and stds[-1] < 0.1 * stds[0]:
        sentence = (
            f"{len(default)} of {len(hidden)} hidden layers have PyTorch's default start, "
            "U(±1/√fan_in), which was made for shallow nets: "
            f"the signal shrinks from {stds[0]:.2g} to {stds[-1]:.1g}."
        )
        yield finding_of("default_start", default[0].layer.name, len(default), sentence)


def is_default(layer: Layer) -> bool:
    """Whether a layer's weights look drawn from U(±1/√fan_in), as `nn.Linear` and convolutions do
    by themselves.
    """
    weight = getattr(layer.module, "weight", None)
    if not isinstance(weight, Tensor) or weight.numel() < SAMPLES or weight.ndim < 2:
        return False
    bound = 1 / math.sqrt(inputs_of_a_unit(layer, weight))
    values = weight.detach().double()
    if float(values.abs().max()) > bound * 1.0001:
        return False
    # The deviation of U(±bound) is bound / √3.
    return abs(float(values.std()) * math.sqrt(3) / bound - 1) < 0.1


def inputs_of_a_unit(layer: Layer, weight: Tensor) -> float:
    """How many numbers each unit of a layer with this weight sums up."""
    if layer.matrices:
        return layer.matrices[0].fan_in
    return len(weight) if layer.transposed else weight[0].numel()


def stacked_gates(measured: Measured) -> Iterator[Finding]:
    """Recurrent gates that were made orthogonal as one tall matrix, so that none of them is."""
    for layer in measured.run.anatomy.layers:
        counts = [count for kind, count in GATES.items() if isinstance(layer.module, kind)]
        count = max(counts, default=1)
        if count == 1:
            continue
        for name, weight in layer.module.named_parameters(recurse=False):
            if not name.startswith("weight_hh") or not _orthogonality_error(weight) < 1e-3:
                continue
            # Each gate is a map of its own, and must keep the size of the state by itself.
            worst = max(_orthogonality_error(gate) for gate in weight.detach().chunk(count))
            if worst > BOUNDS["stacked_gates"].value:
                place = f"{layer.name}.{name}"
                what = f"{place} is orthogonal as one matrix of {count} stacked gates"
                sentence = f"{what}, and no gate is (error {worst:.2g}): make each gate orthogonal."
                yield finding_of("stacked_gates", place, worst, sentence)


def _orthogonality_error(weight: Tensor) -> float:
    """How far WᵀW is from a multiple of the identity, relative to it; 0 for columns that are
    orthogonal and of one length.
    """
    matrix = weight.detach().double()
    gram = matrix.T @ matrix
    scale = float(gram.diagonal().mean())
    if not scale > 0:
        return math.inf
    identity = torch.eye(len(gram), dtype=matrix.dtype)
    return float((gram / scale - identity).abs().max())


def loaded(measured: Measured) -> Iterator[Finding]:
    """Weights that the constructor loads."""
    weights: dict[int, Tensor] = {}  # by id: tied layers share one
    names, numbers = [], 0
    for layer in measured.run.anatomy.layers:
        new = [p for p in layer.module.parameters() if p.ndim > 1 and id(p) not in weights]
        weights.update((id(weight), weight) for weight in new)
        if new and measured.run.is_loaded(layer.module):
            names.append(layer.name)
            numbers += sum(weight.numel() for weight in new)
    if not names:
        return
    share = numbers / sum(weight.numel() for weight in weights.values())
    sentence = (
        f"{share:.0%} of the layers' weights begin with the same values under two seeds: "
        f"{_some(names)}. They were loaded (or computed), and initializers, pretraining and word "
        "vectors leave them as they are."
    )
    yield finding_of("loaded", _place_of(names), round(share, 4), sentence)


def _place_of(names: Sequence[str]) -> str:
    """The part of the model that layers share, such as a backbone, or the first of them."""
    parts = {name.split(".")[0] for name in names}
    return parts.pop() if len(names) > 1 and len(parts) == 1 else names[0]


def unused(measured: Measured) -> Iterator[Finding]:
    """Modules with parameters that never ran."""
    for name in measured.run.anatomy.unused:
        module = measured.run.model.get_submodule(name)
        if type(module).__module__ == nn.modules.activation.__name__:
            continue  # one of several activations to choose from
        count = sum(p.numel() for p in module.parameters(recurse=False))
        what = f"{name or 'the model'} ({type(module).__name__}, {count:,} parameters)"
        yield finding_of("unused", name or "model", count, f"{what} never ran on the batch.")


def frozen(measured: Measured) -> Iterator[Finding]:
    """Most of the layers' weights do not train."""
    weights: dict[int, Tensor] = {}  # by id: tied layers share one
    places = []
    for signal in measured.weighted:
        weights.update((id(weight), weight) for weight in signal.weights)
        if any(not p.requires_grad for p in signal.layer.module.parameters()):
            places.append(signal.layer.name)
    total = sum(weight.numel() for weight in weights.values())
    stopped = sum(weight.numel() for weight in weights.values() if not weight.requires_grad)
    if not total or stopped / total <= BOUNDS["frozen"].value:
        return

    share = stopped / total
    sentence = (
        f"{share:.0%} of the layers' weights are frozen (requires_grad=False): "
        f"{_some(places)}. Techniques leave frozen layers alone."
    )
    yield finding_of("frozen", _place_of(places), share, sentence)
