"""The diagnosis of a model with what the techniques that fit it find themselves."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from advisor.diagnosis.diagnose import Diagnosis, diagnose
from advisor.diagnosis.finding import Finding
from advisor.errors import explain
from advisor.randomness import isolated
from advisor.technique import Technique
from advisor.training.run import Run


def diagnose_with(
    run: Run, techniques: Iterable[Technique], steps: int = 0
) -> tuple[Diagnosis, list[str]]:
    """The diagnosis of a model with the findings of techniques.

    A technique that raises costs its own findings only, and is one of the sentences that are
    returned beside the diagnosis.
    """
    diagnosis = diagnose(run, steps)
    findings: list[Finding] = []
    broken: list[str] = []
    for technique in techniques:
        try:
            with isolated(run.seed) as run.generator:
                findings.extend(technique.finds(run))
        except Exception as problem:  # a plugin's bug costs its findings, not the study
            name = f"{technique.slot} {technique.name}"
            broken.append(f"{name}: finds() raised {explain(problem)}")
    return replace(diagnosis, findings=(*diagnosis.findings, *findings)), broken
