"""All that is wrong with a model: what a diagnosis finds, and what techniques find themselves."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from advisor.diagnosis.diagnose import Diagnosis, diagnose
from advisor.diagnosis.finding import Finding
from advisor.errors import explain
from advisor.randomness import isolated
from advisor.technique import Technique
from advisor.training.run import Run
from advisor.user_code import user_faults


def diagnose_with(run: Run, techniques: Iterable[Technique], steps: int = 0) -> Diagnosis:
    """The diagnosis of a model with the findings that techniques add by `Technique.finds`.

    Arguments:
        run: the user's model as it starts, with its data and loss.
        techniques: those that fit the run, in the order in which their findings are given.
        steps: also train a copy for so many steps.

    Raises: `InputError` when the model or the loss fails on a batch. A technique that raises costs
        its own findings only, and is a sentence in `Diagnosis.broken`.
    """
    diagnosis = diagnose(run, steps)
    findings, broken = found_by(techniques, run)
    # Techniques of one slot may find the same.
    every = tuple(dict.fromkeys((*diagnosis.findings, *findings)))
    return replace(diagnosis, findings=every, broken=(*diagnosis.broken, *broken))


def found_by(techniques: Iterable[Technique], run: Run) -> tuple[list[Finding], list[str]]:
    """What techniques find wrong with a model, and a sentence for each that raised."""
    findings: list[Finding] = []
    broken: list[str] = []
    for technique in techniques:
        try:
            with isolated(run.seed) as run.generator:
                findings.extend(technique.finds(run))
        except user_faults() as problem:  # a plugin's bug costs its findings, not the study
            name = f"{technique.slot} {technique.name}"
            broken.append(f"{name}: finds() raised {explain(problem)}")
    return findings, broken
