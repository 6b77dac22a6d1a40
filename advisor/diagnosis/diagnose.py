"""A diagnosis: one batch forward and backward, the weights, and on demand a few steps."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from advisor.diagnosis.finding import Finding
from advisor.diagnosis.measure import ENDS, LAYERS, Extent, Measured, measure
from advisor.diagnosis.rules import RULES, SIGNAL_RULES
from advisor.diagnosis.signal_rules import FAINT, collapsed, not_finite, vanishing
from advisor.diagnosis.steps import Steps, first_steps
from advisor.training.run import Run

NO_GRADIENT = 1e-7
"""A gradient norm of the first layer below which nothing reaches it (SageMaker Debugger,
VanishingGradient).
"""
NEARLY = 2
"""Times a bound within which the layers of a model are looked at, too."""


@dataclass(frozen=True)
class Diagnosis:
    """What was seen of a model, and what of it is wrong.

    Attributes:
        measured: one batch, forward and backward.
        findings: what crosses a bound, the gravest first; then what techniques found themselves.
        steps: the first steps of a training, where they were asked for.
        seconds: that it took.
        broken: a sentence for each technique whose `finds` raised.
    """

    measured: Measured
    findings: tuple[Finding, ...]
    steps: Steps | None = None
    seconds: float = field(default=0.0, compare=False)
    broken: tuple[str, ...] = ()

    def of(self, kind: str) -> Finding | None:
        """The first finding of a kind."""
        return next((finding for finding in self.findings if finding.kind == kind), None)


def diagnose(run: Run, steps: int = 0) -> Diagnosis:
    """Look for what is wrong with `run.model` before it is trained; nothing of it is changed.

    `steps` also trains a copy for so many steps. Raises `InputError` when the model or the loss
    fails on a batch.
    """
    started = time.perf_counter()
    measured = measure(run)
    findings: list[Finding] = []
    for rule in RULES:
        findings += rule(measured)
    # The first steps are the only part that trains, and then every tensor is put back.
    trained = first_steps(run, steps) if steps else None
    if trained is not None:
        findings += trained.findings()
    return Diagnosis(measured, tuple(findings), trained, time.perf_counter() - started)


def diagnose_signal(run: Run) -> tuple[Finding, ...]:
    """What is wrong with a model of which one batch is known, and neither target nor loss."""
    measured = measure(run, Extent(probes=False))
    return tuple(finding for rule in SIGNAL_RULES for finding in rule(measured))


@dataclass(frozen=True)
class Glance:
    """A changed model before it is trained.

    Attributes:
        features: across-sample deviation of what its last layer reads.
        cosine: mean cosine between the rows of what its last layer reads.
        gradient: norm in its first layer with weights.
        untrainable: why no learning rate trains it, in one sentence, or None.
    """

    features: float | None
    cosine: float | None
    gradient: float | None
    untrainable: str | None


def glance(run: Run) -> Glance:
    """Measure a model in the time of a few steps.

    Untrainable is only what no learning rate mends: numbers that are not finite, or a signal that
    is gone together with the gradient of the first layer. Weaker findings may train, slowly, and
    are left to training to judge.
    """
    measured = ends_of(run)
    if measured is None or may_be_fatal(measured):
        measured = measure(run, LAYERS)
    gradient = measured.weighted[0].gradient if measured.weighted else None
    # A vanishing gradient alone may recover, as may a collapse that still passes gradients.
    fatal = next(not_finite(measured), None)
    if fatal is None:
        collapse, vanished = next(collapsed(measured), None), next(vanishing(measured), None)
        if vanished is not None and vanished.number < NO_GRADIENT:
            fatal = collapse
    untrainable = fatal.sentence if fatal else None
    return Glance(measured.features, measured.cosine, gradient, untrainable)


def ends_of(run: Run) -> Measured | None:
    """A model without its layers; None where it cannot be computed as a training would."""
    try:
        return measure(run, ENDS)
    except Exception:  # what the user's code raises shows where it is computed as it is
        return None


def may_be_fatal(measured: Measured) -> bool:
    """Whether the layers of a model have to be seen to know that it is not untrainable."""
    if next(not_finite(measured), None) is not None:
        return True
    features, vanished = measured.features, next(vanishing(measured), None)
    if features is None or vanished is None:
        return False
    # The layers decide, and there the last digits may be others.
    return features < NEARLY * FAINT and vanished.number < NEARLY * NO_GRADIENT
