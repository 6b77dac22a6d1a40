"""What the weights alone tell: copies, starts, stacked gates, what never ran and what is frozen."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from advisor.diagnosis.finding import BOUNDS, Finding, found
from advisor.diagnosis.measure import WEIGHTED, Measured
from advisor.model import Layer

SAMPLES = 64
"""Fewest weights from which their distribution can be told."""
GATES = {nn.LSTM: 4, nn.GRU: 3, nn.RNN: 1}


def identical(seen: Measured) -> Iterator[Finding]:
    """Different layers with the same bits: copies of one layer, such as `nn.TransformerEncoder`
    makes.
    """
    twins: dict[tuple[object, ...], list[str]] = {}
    known: set[int] = set()
    for layer in seen.run.anatomy.layers:
        for name, weight in layer.module.named_parameters(recurse=False):
            if (
                layer.kind in WEIGHTED
                and weight.ndim > 1
                and weight.requires_grad
                and id(weight) not in known
                and _varies(weight)
            ):
                known.add(id(weight))
                key = (
                    name,
                    tuple(weight.shape),
                    weight.detach().flatten()[:8].tolist().__repr__(),
                    float(weight.detach().double().sum()),
                )
                twins.setdefault(key, []).append(layer.name)
    families: dict[tuple[str, ...], list[str]] = {}
    for names in twins.values():
        if len(names) > 1:
            families.setdefault(_stems(names), []).append(names[0])
    for stems in families:
        sentence = (
            f"{len(stems)} layers begin with the same bits: {_some(stems)}. They are copies of one layer, and begin by computing "
            "the same function; give each its own draw."
        )
        yield found("identical_layers", stems[0], len(stems), sentence)


def _stems(names: list[str]) -> tuple[str, ...]:
    """The part of each name up to the number in which they differ: `encoder.layers.0` of
    `encoder.layers.0.linear1`.
    """
    parts = [name.split(".") for name in names]
    if len({len(part) for part in parts}) == 1:
        for i in range(len(parts[0])):
            if len({part[i] for part in parts}) == len(parts):
                return tuple(dict.fromkeys(".".join(part[: i + 1]) for part in parts))
    return tuple(names)


def _varies(weight: Tensor) -> bool:
    return weight.numel() > 1 and bool((weight != weight.flatten()[0]).any())


def _some(names: tuple[str, ...], limit: int = 3) -> str:
    return ", ".join(names[:limit]) + (f", … ({len(names)} in all)" if len(names) > limit else "")


def default_start(seen: Measured) -> Iterator[Finding]:
    """PyTorch's default start in a deep plain net whose signal shrinks."""
    hidden = [
        s for s in seen.weighted if not s.layer.is_output and s.layer.kind in ("linear", "conv")
    ]
    default = [s for s in hidden if is_default(s.layer)]
    stds = [s.std for s in default if s.std is not None]
    plain = not any(layer.kind == "norm" for layer in seen.run.anatomy.layers)
    if (
        plain
        and len(default) >= BOUNDS["default_start"].value
        and len(stds) > 1
        and stds[-1] < 0.1 * stds[0]
    ):
        sentence = (
            f"{len(default)} of {len(hidden)} hidden layers have PyTorch's default start, U(±1/√fan_in), which was made for "
            f"shallow nets: the signal shrinks from {stds[0]:.2g} to {stds[-1]:.1g}."
        )
        yield found("default_start", default[0].layer.name, len(default), sentence)


def is_default(layer: Layer) -> bool:
    """Whether a layer's weights look drawn from U(±1/√fan_in), as `nn.Linear` and convolutions do
    by themselves.
    """
    weight = getattr(layer.module, "weight", None)
    if not isinstance(weight, Tensor) or weight.numel() < SAMPLES or weight.ndim < 2:
        return False
    bound = 1 / math.sqrt(weight[0].numel())
    values = weight.detach().double()
    return (
        float(values.abs().max()) <= bound * 1.0001
        and abs(float(values.std()) * math.sqrt(3) / bound - 1) < 0.1
    )


def stacked_gates(seen: Measured) -> Iterator[Finding]:
    """Recurrent gates that were made orthogonal as one tall matrix, so that none of them is."""
    for layer in seen.run.anatomy.layers:
        count = next((gates for kind, gates in GATES.items() if isinstance(layer.module, kind)), 1)
        for name, weight in layer.module.named_parameters(recurse=False):
            if count > 1 and name.startswith("weight_hh") and _error(weight) < 1e-3:
                worst = max(_error(gate) for gate in weight.detach().chunk(count))
                if worst > BOUNDS["stacked_gates"].value:
                    sentence = (
                        f"{layer.name}.{name} is orthogonal as one matrix of {count} stacked gates, and no gate is (error "
                        f"{worst:.2g}): make each gate orthogonal."
                    )
                    yield found("stacked_gates", f"{layer.name}.{name}", worst, sentence)


def _error(weight: Tensor) -> float:
    """How far WᵀW is from a multiple of the identity, relative to it; 0 for columns that are
    orthogonal and of one length.
    """
    w = weight.detach().double()
    gram = w.T @ w
    scale = float(gram.diagonal().mean())
    return (
        float((gram / scale - torch.eye(len(gram), dtype=w.dtype)).abs().max())
        if scale > 0
        else math.inf
    )


def unused(seen: Measured) -> Iterator[Finding]:
    """Modules with parameters that never ran."""
    for name in seen.run.anatomy.unused:
        module = seen.run.model.get_submodule(name)
        if type(module).__module__ == nn.modules.activation.__name__:
            continue  # one of several activations to choose from
        count = sum(p.numel() for p in module.parameters(recurse=False))
        yield found(
            "unused",
            name or "model",
            count,
            f"{name or 'the model'} ({type(module).__name__}, {count:,} parameters) never ran on the batch.",
        )


def frozen(seen: Measured) -> Iterator[Finding]:
    """Most of the layers' weights do not train."""
    weights = {id(p): p for s in seen.weighted for p in s.layer.module.parameters() if p.ndim > 1}
    still = [p for p in weights.values() if not p.requires_grad]
    total, stopped = sum(p.numel() for p in weights.values()), sum(p.numel() for p in still)
    if total and stopped / total > BOUNDS["frozen"].value:
        places = [
            s.layer.name
            for s in seen.weighted
            if any(not p.requires_grad for p in s.layer.module.parameters())
        ]
        sentence = (
            f"{stopped / total:.0%} of the layers' weights are frozen (requires_grad=False): {_some(tuple(places))}. Techniques "
            "leave frozen layers alone."
        )
        yield found("frozen", _common(places), stopped / total, sentence)


def _common(names: list[str]) -> str:
    """What the names have in common at their beginning."""
    head = names[0].split(".")[0]
    return (
        head
        if len(names) > 1 and all(re.split(r"\.", name)[0] == head for name in names)
        else names[0]
    )


RULES = (identical, default_start, stacked_gates, unused, frozen)
