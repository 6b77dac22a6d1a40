"""What the probes show: mistakes in how a model is written, forgetting, and inputs of a wrong
scale.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch import Tensor

from advisor.diagnosis.finding import BOUNDS, Finding, finding_of
from advisor.diagnosis.input_probes import Unread
from advisor.diagnosis.measure import Measured
from advisor.model import Anatomy

BORDER = 0.25
"""Share of a dimension at its ends that convolutions with strides may leave out."""
SHOWN = 3
"""How many names a sentence gives."""


def mixes_rows(measured: Measured) -> Iterator[Finding]:
    """Rows of a batch that influence each other."""
    found = measured.probed.mixing if measured.probed else None
    if found is None:
        return
    mode = "in training mode, beyond batch statistics" if found.training else "in evaluation, too"
    sentence = (
        f"Rows of a batch influence each other ({mode}): with other rows beside it, the answer for "
        f"a row changes by {found.share:.2g} of the largest; they meet in {_part(found.place)}. "
        "Unless that is meant, look for a wrong dim, a missing batch_first, or a reshape across "
        "rows."
    )
    yield finding_of("mixes_rows", found.place, found.share, sentence)


def _part(place: str) -> str:
    """A module by its name, or the forward of the whole model."""
    return "the model's own forward" if place == "model" else place


def random_in_eval(measured: Measured) -> Iterator[Finding]:
    """An evaluation that is another one each time."""
    found = measured.probed.randomness if measured.probed else None
    if found is None:
        return
    sentence = (
        f"Two evaluations of the same rows differ by {found.share:.2g} of the largest answer; it "
        f"begins in {_part(found.place)}. Unless that is meant, make what is random depend on "
        "self.training."
    )
    yield finding_of("random_in_eval", found.place, found.share, sentence)


def ignores_inputs(measured: Measured) -> Iterator[Finding]:
    """Inputs that nothing reads."""
    for part in measured.probed.unread if measured.probed else ():
        where = _places(part, measured.run.anatomy)
        if not where:
            continue
        numbers = f"{int(part.mask.sum()):,} of the {part.mask.numel():,} numbers of a row"
        what = f"Nothing reads {_input(part)}{where}" + ("" if part.whole else f" ({numbers})")
        sentence = (
            f"{what}: the answers stay the same, whatever stands there. Look for a wrong slice or "
            "index, or leave these numbers out of the data."
        )
        yield finding_of("ignores_inputs", part.name, round(part.share, 4), sentence)


def _input(part: Unread) -> str:
    """An input in words, with its name in brackets."""
    return "the input" if part.is_only else f"the input {part.name}"


def _places(part: Unread, anatomy: Anatomy) -> str:
    """Which numbers of a row are unread, in words; empty where convolutions merely leave out an
    end.
    """
    if part.whole or part.mask.ndim == 0:
        return " at all"
    if part.mask.ndim == 1:
        return f" at {_numbers(part.mask)}"
    # In rows of several dimensions, only whole slices count.
    has_convolutions = any(layer.kind.startswith("conv") for layer in anatomy.layers)
    words = []
    for axis in range(part.mask.ndim):
        others = [other for other in range(part.mask.ndim) if other != axis]
        slices = part.mask.movedim(axis, 0).flatten(1).all(1) if others else part.mask
        is_border = has_convolutions and _is_border(slices)
        if bool(slices.any()) and not is_border:
            words.append(f"dimension {axis + 1} at {_numbers(slices)}")
    if not words and part.share > 0.5:
        words.append(f"{part.share:.0%} of its numbers")
    return f", {' and '.join(words)}" if words else ""


def _is_border(slices: Tensor) -> bool:
    """Whether only a few slices at the ends are left out."""
    read = (~slices).nonzero().flatten()
    if not len(read):
        return False
    inside = bool(slices[int(read[0]) : int(read[-1])].any())
    return not inside and float(slices.float().mean()) <= BORDER


def _numbers(mask: Tensor) -> str:
    """Places in words: `8 to 63`, or `0, 5, 7, …`."""
    places: list[int] = mask.nonzero().flatten().tolist()
    if len(places) > SHOWN and places[-1] - places[0] == len(places) - 1:
        return f"{places[0]} to {places[-1]}"
    return _some([str(place) for place in places])


def _some(names: Sequence[str]) -> str:
    more = f", … ({len(names)} in all)" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def unregistered(measured: Measured) -> Iterator[Finding]:
    """Tensors with a gradient that are no parameters, and layers in plain lists."""
    strangers = measured.probed.unregistered if measured.probed else ()
    if not strangers:
        return
    numbers = sum(stranger.numbers for stranger in strangers)
    names = _some([stranger.name for stranger in strangers])
    sentence = (
        f"{numbers:,} numbers get a gradient and are no parameters of the model, so that no "
        f"optimizer trains them: {names}. Hold them in nn.Parameter, nn.ModuleList or "
        "nn.ModuleDict."
    )
    yield finding_of("unregistered", strangers[0].name, numbers, sentence)


def unscaled_inputs(measured: Measured) -> Iterator[Finding]:
    """Inputs whose numbers are far larger than a layer expects."""
    raw = measured.probed.raw if measured.probed else ()
    large = [each for each in raw if each.size > BOUNDS["unscaled_inputs"].value]
    if not large:
        return
    worst = max(large, key=lambda each: each.size)
    sentence = (
        f"{worst.layer} reads the inputs as they are, and their largest feature has the size "
        f"{worst.size:.3g} (the smallest {worst.smallest:.2g}): standardize them, to mean 0 and "
        "deviation 1."
    )
    yield finding_of("unscaled_inputs", worst.layer, round(worst.size, 4), sentence)


def forgets(measured: Measured) -> Iterator[Finding]:
    """A recurrent layer through which no gradient reaches the first half of the steps."""
    for memory in measured.probed.memories if measured.probed else ():
        ratio, name = memory.ratio, memory.layer.name
        if ratio is not None and ratio < BOUNDS["forgets"].value:
            sentence = (
                f"{name} forgets: over {len(memory.norms)} steps, the gradient of the first half "
                f"is {ratio:.1g} times that of the second half. What comes early cannot be learned."
            )
            yield finding_of("forgets", name, ratio, sentence)
