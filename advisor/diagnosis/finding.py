"""What can be wrong with a model, with the number that says so and the bound it crossed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from advisor.record import Record

INITIALIZER = "initializer"
"""The slot whose techniques can mend a model that starts badly."""


@dataclass(frozen=True)
class Bound:
    """A bound that a number should keep.

    Arguments:
        value: the bound.
        source: the paper, tool or measurement that it comes from.
        slot: the slot whose techniques can mend what crosses it, or None.
    """

    value: float
    source: str
    slot: str | None = None


# Sources that several bounds name.
_AUTOTRAINER = "AUTOTRAINER (Zhang et al., ICSE 2021)"
_MEASURED = "measured on deep plain nets (docs/diagnosis.md)"
_EXACT = "exact: equal numbers stay equal under every elementwise optimizer"

BOUNDS = {
    "not_finite": Bound(0, "SageMaker Debugger, ExplodingTensor", INITIALIZER),
    "collapsed": Bound(1e-3, f"{_MEASURED}; Schoenholz et al. 2017", INITIALIZER),
    "vanishing": Bound(1e-4, _AUTOTRAINER, INITIALIZER),
    "exploding": Bound(70, _AUTOTRAINER, INITIALIZER),
    "dead_units": Bound(0.10, "SageMaker Debugger, DeadRelu (fails from 0.5)", INITIALIZER),
    "saturated_units": Bound(0.50, "SageMaker Debugger, SaturatedActivation", INITIALIZER),
    "large_logits": Bound(3, "loss at step 0 against ln(classes)", INITIALIZER),
    "large_output": Bound(20, _MEASURED, INITIALIZER),
    "large_head": Bound(
        10, "weights of deviation 1/√fan_in keep a signal's size (LeCun et al. 1998)", INITIALIZER
    ),
    "identical_layers": Bound(1, "exact: equal bits", INITIALIZER),
    "symmetric_units": Bound(1, _EXACT, INITIALIZER),
    "default_start": Bound(
        8, "He et al. 2015; U(±1/√fan_in) shrinks a rectifier's signal √6-fold a layer", INITIALIZER
    ),
    "stacked_gates": Bound(
        0.1, "Saxe et al. 2013; Arjovsky et al. 2016: each gate is a map of its own", INITIALIZER
    ),
    "mixes_rows": Bound(1e-4, "exact, but for rounding: the same row, other rows beside it"),
    "random_in_eval": Bound(1e-4, "exact, but for rounding: the same rows twice"),
    "ignores_inputs": Bound(0, "exact: other numbers, the same answer"),
    "unregistered": Bound(0, "exact: a leaf of the loss that is no parameter"),
    "ends_in_activation": Bound(0.01, "share of what the loss asks for that lies out of range"),
    "unscaled_inputs": Bound(20, "inputs of mean 0 and deviation 1 (LeCun et al. 1998)"),
    "forgets": Bound(
        1e-6, "Hochreiter 1991; a gate of 1/2 halves the gradient in each step", INITIALIZER
    ),
    "loaded": Bound(0, "exact: the same values under two seeds"),
    "unused": Bound(0, "exact: it never ran"),
    "no_gradient": Bound(0, "exact: no path from the loss"),
    "frozen": Bound(0.5, "share of the layers' weights with requires_grad=False"),
    "output_misfit": Bound(
        0.1, "lowest loss that such an output can reach, against that of a guess"
    ),
    "normalized_twice": Bound(1e-3, "exact: log-softmax of log-probabilities changes nothing"),
    "no_update": Bound(1e-8, "SageMaker Debugger, WeightUpdateRatio"),
    "large_update": Bound(10, "SageMaker Debugger, WeightUpdateRatio"),
    "no_progress": Bound(0.0, "the loss after the first steps is not below the one before"),
}
"""Every kind of finding. A number crosses its bound upwards or downwards, as the kind says."""


HARMLESS = frozenset({"loaded", "frozen", "normalized_twice"})
"""Kinds that say how a model is made, and not that something is wrong with it."""


@dataclass(frozen=True, eq=False)
class Finding(Record):
    """Something diagnosed about a model.

    Arguments:
        kind: a key of `BOUNDS`.
        place: the layer, site or parameter.
        number: what was measured.
        threshold: the bound that it crossed.
        source: where the bound comes from.
        slot: the slot that can mend it, or None.
        sentence: all of it in words.

    Example:
        >>> import advisor
        >>> finding = advisor.Finding(
        ...     kind="few_rows", place="data", number=400, threshold=1000,
        ...     source="Wilson et al. 2017", slot="optimizer",
        ...     sentence="400 training rows: an adaptive step overfits them.",
        ... )
        >>> finding.to_json()["number"]
        400
    """

    kind: str
    place: str
    number: float
    threshold: float
    source: str
    slot: str | None
    sentence: str

    @property
    def is_harmless(self) -> bool:
        """Whether it is to be known only, and nothing is wrong."""
        return self.kind in HARMLESS

    def to_json(self) -> dict[str, Any]:
        """The documented keys."""
        return asdict(self)


def finding_of(kind: str, place: str, number: float, sentence: str) -> Finding:
    """A finding of a kind of `BOUNDS`, with the bound, source and slot of that kind."""
    bound = BOUNDS[kind]
    return Finding(kind, place, number, bound.value, bound.source, bound.slot, sentence)
