"""From what one batch showed to findings: one generator per thing that can be wrong."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import groupby

import torch

from advisor.diagnosis.finding import BOUNDS, Finding, found
from advisor.diagnosis.measure import Measured, Signal, Units

Rule = Callable[[Measured], Iterator[Finding]]

FAINT = 3e-3
"""With almost equal rows (cosine above `ALIKE`), a deviation below this is a collapse too."""
ALIKE = 0.99
SHRUNK = 1e-2
"""Share of the first layer's deviation: a signal that was small from the beginning did not
collapse.
"""
TAIL = 3
"""Hidden layers before the output that must be faint too: a small branch or token alone may begin
alike in all rows.
"""
NORMED = 100
"""How much more a gradient may grow through normalizations, which take the scale out of the weights
before them.
"""
GROWN = 10
"""Growth of the gradient inside the hidden layers, without which a large ratio is the output
layer's doing.
"""
MANY = 0.5
"""Share of dead units from which a layer fails (SageMaker Debugger)."""
GONE = 1e-7
"""A gradient norm of the first layer below which nothing reaches it (SageMaker Debugger,
VanishingGradient).
"""


def not_finite(seen: Measured) -> Iterator[Finding]:
    """NaN or infinity in a layer, the loss or a gradient."""
    if math.isfinite(seen.loss) or seen.failure:
        return
    where = next(
        (s.layer.name for s in seen.signals if s.std is not None and not math.isfinite(s.std)),
        "the loss",
    )
    yield found(
        "not_finite",
        where,
        seen.loss,
        f"The loss at the start is {seen.loss}; the first number that is not finite is in {where}.",
    )


def collapsed(seen: Measured) -> Iterator[Finding]:
    """All rows look the same to the last layer, and to the layers before it."""
    bound, last = BOUNDS["collapsed"].value, seen.features
    stds = [s.std for s in seen.weighted if s.std is not None and not s.layer.is_output]
    if (
        last is None
        or seen.cosine is None
        or not stds
        or not max(last, *stds[-max(1, min(TAIL, len(stds) // 2)) :]) < SHRUNK * stds[0]
    ):
        return
    if not (last < bound or (last < FAINT and seen.cosine > ALIKE)):
        return
    layer = next(
        (s.layer.name for s in seen.weighted if s.std is not None and s.std < bound),
        seen.weighted[-1].layer.name,
    )
    sentence = (
        f"The signal collapses: the deviation across rows is {stds[0]:.2g} after {seen.weighted[0].layer.name} and {last:.1g} "
        f"before the output (below {bound:g} from {layer} on), so that all rows look alike (mean cosine {seen.cosine:.3f})."
    )
    yield found("collapsed", layer, last, sentence)


def gradients(seen: Measured) -> Iterator[Finding]:
    """Gradients that fade or grow on their way to the first layer."""
    trained = [s for s in seen.weighted if s.gradient is not None]
    hidden = [s for s in trained if not s.layer.is_output and not s.layer.mixes]
    if (
        len(hidden) < 2
        or not all(math.isfinite(s.gradient or 0.0) for s in trained)
        or _head_is_zero(seen)
    ):
        return
    first, last = _first(hidden), trained[-1]
    one, other, deepest = (s.gradient or 0.0 for s in (first, last, hidden[-1]))
    where = f"its norm is {one:.1g} in {first.layer.name} and {other:.1g} in {last.layer.name}"
    if one < BOUNDS["vanishing"].value:
        yield found(
            "vanishing",
            first.layer.name,
            one,
            f"The gradient vanishes on its way to the first layers: {where}.",
        )
    normed = any(layer.kind == "norm" for layer in seen.run.anatomy.layers)
    bound = BOUNDS["exploding"].value * (NORMED if normed else 1)
    if one > bound * other > 0 and one > GROWN * deepest:
        sentence = f"The gradient explodes on its way to the first layers: {where}, {one / other:.0f} times as much."
        yield found("exploding", first.layer.name, one / other, sentence)


def _first(hidden: list[Signal]) -> Signal:
    """Of the first quarter of the layers that with the largest gradient: one of them alone may be a
    branch that gets little.

    Where a branch begins with zero weights, nothing reaches its beginning yet; then the first layer
    that gets something.
    """
    if any(
        not bool(p.detach().any())
        for s in hidden
        for p in s.layer.module.parameters()
        if p.ndim > 1
    ):
        return next((s for s in hidden if s.gradient), hidden[0])
    return max(hidden[: max(1, len(hidden) // 4)], key=lambda s: s.gradient or 0.0)


def _head_is_zero(seen: Measured) -> bool:
    """Whether the author begins with a zero output layer, which passes no gradient in the first
    step.
    """
    heads = [s.layer.module for s in seen.weighted if s.layer.is_output]
    weights = [p for head in heads for p in head.parameters() if p.ndim > 1]
    return bool(weights) and all(not bool(weight.detach().any()) for weight in weights)


def units(seen: Measured) -> Iterator[Finding]:
    """Units that no row of the batch wakes, and units on the flat ends of their activation."""
    why = {
        "dead_units": "no row of the batch gives them a slope",
        "saturated_units": "it is flat where their inputs lie",
    }
    for kind, share_of in (("dead_units", _dead), ("saturated_units", _saturated)):
        shares = [
            (share_of(s.units), s.units, s.layer.name)
            for s in seen.signals
            if s.units and s.units.count
        ]
        bad = [entry for entry in shares if entry[0] > BOUNDS[kind].value]
        if bad:
            share, worst, layer = max(bad, key=lambda entry: entry[0])
            more = f" (and of {len(bad) - 1} more layers)" if len(bad) > 1 else ""
            word = kind.partition("_")[0]
            sentence = (
                f"{share:.0%} of the {worst.count} units of {worst.site.id} ({worst.site.kind}) after {layer}{more} are {word}: "
                f"{why[kind]}."
            )
            yield found(kind, layer, round(share, 4), sentence)


def _dead(seen: Units) -> float:
    """Share of dead units, counted where it is more than equal rows would put to sleep by chance:
    half, and three deviations.

    Fewer count where their inputs lie far below those of the others. Where biases outweigh the
    signal rows are alike, and many units sleep on a batch and wake as soon as weights move.
    """
    dead = seen.dead / seen.count
    if dead > MANY + 3 * math.sqrt(MANY * (1 - MANY) / seen.count):
        return dead
    return seen.lost / seen.count if seen.lost > 1 else 0.0


def _saturated(seen: Units) -> float:
    return seen.saturated / seen.count


def logits(seen: Measured) -> Iterator[Finding]:
    """An output that is far larger than what the loss asks for, also where it happens to be right."""
    guess, blind = guessing(seen), _loss_of(seen, seen.output, _shuffled(seen.target))
    times = max(seen.loss, blind or seen.loss) / guess if guess else 0.0
    if seen.run.objective.kind != "regression" and times >= BOUNDS["large_logits"].value:
        sentence = (
            f"The loss at the start is {times:.1f} times that of a guess ({guess:.3g}): the output's deviation is "
            f"{seen.output_std:.2g}, and the first steps only shrink it."
        )
        yield found("large_logits", _head(seen), round(times, 4), sentence)
    elif seen.output_std > BOUNDS["large_output"].value:
        yield found(
            "large_output",
            _head(seen),
            seen.output_std,
            f"The output's deviation at the start is {seen.output_std:.3g}.",
        )


def large_head(seen: Measured) -> Iterator[Finding]:
    """Weights of the last layer that blow its input up."""
    for signal in seen.weighted:
        weight = getattr(signal.layer.module, "weight", None)
        if (
            not signal.layer.is_output
            or not isinstance(weight, torch.Tensor)
            or weight.ndim < 2
            or signal.layer.tied
        ):
            continue
        times = float(weight.detach().double().square().mean().sqrt()) * math.sqrt(
            weight[0].numel()
        )
        if times > BOUNDS["large_head"].value:
            sentence = f"The weights of {signal.layer.name}, the last layer, are {times:.0f} times as large as keeps a signal's size."
            yield found("large_head", signal.layer.name, round(times, 4), sentence)


def _shuffled(target: torch.Tensor) -> torch.Tensor:
    return target[
        torch.randperm(len(target), generator=torch.Generator().manual_seed(0)).to(target.device)
    ]


def _head(seen: Measured) -> str:
    return next((s.layer.name for s in reversed(seen.weighted) if s.layer.is_output), "output")


def guessing(seen: Measured) -> float | None:
    """The loss of a model that knows nothing: all classes alike, or the mean of the targets; None
    where it cannot be told.
    """
    out = seen.output
    if seen.run.objective.kind == "regression":
        return _loss_of(seen, seen.target.float().mean(0).expand_as(seen.target).reshape(out.shape))
    if seen.run.objective.kind == "binary":
        return _loss_of(
            seen,
            torch.full_like(out, 0.5 if seen.run.anatomy.output.startswith("probabilit") else 0.0),
        )
    if out.ndim != 2:
        return None
    even = {
        "log_probabilities": -math.log(out.shape[1]),
        "probabilities": 1 / out.shape[1],
        "probability": 0.5,
    }
    return _loss_of(seen, torch.full_like(out, even.get(seen.run.anatomy.output, 0.0)))


SURE = 30.0
"""A logit that leaves no doubt."""


def misfit(seen: Measured) -> Iterator[Finding]:
    """An output whose kind keeps the loss from going where it should: its lowest possible loss is
    not low.
    """
    kind, bound = seen.run.anatomy.output, BOUNDS["output_misfit"].value
    what = f"The output ({kind.replace('_', ' ')})", f"the loss {seen.run.objective.loss_name}"
    if seen.failure:
        yield found(
            "output_misfit",
            "output",
            math.nan,
            f"{what[0]} makes {what[1]} fail: {seen.failure}. {_MEND[kind]}",
        )
        return
    best, guess = _best(seen), guessing(seen)
    if best is None or guess is None:
        return
    share = best / (guess if guess > 0 else math.log(max(2, seen.run.data.facts.outputs)))
    if share > bound:
        why = (
            f"a model that is always right still has the loss {best:.2g} (a guess has {guess:.2g})"
        )
        yield found(
            "output_misfit",
            "output",
            share,
            f"{what[0]} does not fit {what[1]}: {why}. {_MEND[kind]}",
        )
    elif share < -bound:
        why = f"a sure output has the loss {best:.2g}, and it can fall without end"
        yield found(
            "output_misfit",
            "output",
            share,
            f"{what[0]} does not fit {what[1]}: {why}. {_MEND[kind]}",
        )
    elif (
        kind == "log_probabilities"
        and (change := _shift(seen)) is not None
        and change < BOUNDS["normalized_twice"].value
    ):
        why = "harmless, one of the two can go"
        yield found(
            "normalized_twice",
            "output",
            change,
            f"{what[0]} is normalized already, and {what[1]} does it again: {why}.",
        )


_MEND = {
    "raw": "End the model in log_softmax (or sigmoid), or use the loss that takes logits.",
    "log_probabilities": "Return logits, or use nn.NLLLoss.",
    "probabilities": "Return logits: leave the softmax to the loss.",
    "probability": "Return logits: leave the sigmoid to the loss; for numbers, end in a linear layer.",
    "bounded": "Leave out the bounded function at the end.",
}


def _best(seen: Measured) -> float | None:
    """The loss of an output of the model's kind that is as right and as sure as this kind can be."""
    kind, out, target = seen.run.anatomy.output, seen.output, seen.target
    low, high = {
        "probabilities": (0.0, 1.0),
        "probability": (0.0, 1.0),
        "bounded": (-1.0, 1.0),
    }.get(kind, (-SURE, SURE))
    if seen.run.objective.kind == "regression":
        return (
            None
            if kind == "raw"
            else _loss_of(seen, target.float().reshape(out.shape).clamp(low, high))
        )
    if seen.run.objective.kind == "binary":
        return _loss_of(seen, torch.where(target.reshape(out.shape) > 0, high, low).to(out))
    if target.ndim != 1 or out.ndim != 2 or int(target.max()) >= out.shape[1]:
        return None
    right = torch.full_like(out, low).scatter(1, target[:, None], high)
    return _loss_of(seen, right.log_softmax(1) if kind == "log_probabilities" else right)


def _shift(seen: Measured) -> float | None:
    """By how much the loss changes when all numbers of a row grow alike: not at all where it
    normalizes them itself.
    """
    one, other = _loss_of(seen, seen.output), _loss_of(seen, seen.output + 1)
    return None if one is None or other is None else abs(other - one)


def _loss_of(
    seen: Measured, output: torch.Tensor, target: torch.Tensor | None = None
) -> float | None:
    try:
        with torch.no_grad():
            loss = seen.run.loss(output, seen.target if target is None else target).mean()
    except Exception:  # the user's loss may want the model's own output, or refuse these numbers
        return None
    return float(loss) if math.isfinite(float(loss)) else None


def symmetric(seen: Measured) -> Iterator[Finding]:
    """Layers all of whose units begin equal and are pushed equally."""
    weights = {
        f"{s.layer.name}.{name}".lstrip(".")
        for s in seen.weighted
        for name, _ in s.layer.module.named_parameters()
    }
    hidden = {f"{s.layer.name}.weight".lstrip(".") for s in seen.weighted if not s.layer.is_output}
    still = hidden <= set(seen.equal_rows)  # nothing moves, because everything is equal
    for name in (name for name in seen.equal_rows if name in weights and "bias" not in name):
        if not seen.gradients[name] and not still:
            continue  # a zero layer behind another: it begins to move when that one does
        count = len(seen.run.model.get_parameter(name))
        sentence = (
            f"All {count} units of {name} are equal and get equal gradients: no optimizer that looks at one number at a time can "
            "ever make them differ. Any random start can."
        )
        yield found("symmetric_units", name, 1, sentence)


def no_gradient(seen: Measured) -> Iterator[Finding]:
    """Parameters of layers that ran and that the loss does not reach."""
    if not any(norm is not None for norm in seen.gradients.values()) and math.isfinite(seen.loss):
        what = (
            f"none of {len(seen.gradients)} trainable tensors"
            if seen.gradients
            else "nothing: the model has no trainable parameters"
        )
        yield found(
            "no_gradient",
            "the loss",
            len(seen.gradients),
            f"The gradient of the loss reaches {what}. Nothing can be trained.",
        )
        return
    idle = set(seen.run.anatomy.unused)
    raw = set(seen.run.anatomy.raw)
    names = [
        n
        for n, norm in seen.gradients.items()
        if norm is None and n not in raw and n.rpartition(".")[0] not in idle
    ]
    for place, group in groupby(sorted(names), key=lambda name: name.rpartition(".")[0]):
        tensors = len(list(group))
        what = f"{place or 'the model'} ran, and no gradient of the loss reaches its {tensors} parameter tensors"
        yield found("no_gradient", place or "model", tensors, f"{what}: they stay as they are.")


RULES: tuple[Rule, ...] = (
    not_finite,
    collapsed,
    gradients,
    units,
    logits,
    large_head,
    misfit,
    symmetric,
    no_gradient,
)
