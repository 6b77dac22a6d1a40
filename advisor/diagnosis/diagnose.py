"""A diagnosis: one batch forward and backward, the weights, and on demand a few steps."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from advisor.diagnosis import rules, weights
from advisor.diagnosis.finding import Finding
from advisor.diagnosis.measure import Measured, measure
from advisor.diagnosis.steps import Steps, first_steps
from advisor.training.run import Run


@dataclass(frozen=True)
class Diagnosis:
    """What was seen of a model, and what of it is wrong.

    Attributes:
        measured: one batch, forward and backward.
        findings: what crosses a bound, the gravest first.
        steps: the first steps of a training, where they were asked for.
        seconds: that it took.
    """

    measured: Measured
    findings: tuple[Finding, ...]
    steps: Steps | None = None
    seconds: float = field(default=0.0, compare=False)

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
    found = [finding for rule in (*rules.RULES, *weights.RULES) for finding in rule(measured)]
    trained = first_steps(run, steps) if steps else None
    if trained is not None:
        found += trained.findings()
    return Diagnosis(measured, tuple(found), trained, time.perf_counter() - started)


@dataclass(frozen=True)
class Glance:
    """A changed model before it is trained: what its last layer reads, and why training it is
    hopeless, or None.
    """

    features: float | None
    cosine: float | None
    gradient: float | None
    hopeless: str | None


def glance(run: Run) -> Glance:
    """Look at a model for the time of a step or two.

    Hopeless is only what no learning rate mends: numbers that are not finite, or a signal that is
    gone together with the gradient of the first layer. Weaker findings may train, slowly, and are
    left to training to judge.
    """
    measured = measure(run, sites=False)
    found = {finding.kind: finding for rule in rules.RULES[:3] for finding in rule(measured)}
    gone = "collapsed" in found and "vanishing" in found and found["vanishing"].number < rules.GONE
    fatal = found.get("not_finite") or (found["collapsed"] if gone else None)
    gradient = next((signal.gradient for signal in measured.weighted), None)
    return Glance(measured.features, measured.cosine, gradient, fatal.sentence if fatal else None)
