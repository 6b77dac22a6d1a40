"""All that is wrong with a model: what a diagnosis finds, and what the techniques that fit find
themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from advisor.diagnosis import Diagnosis, Finding, diagnose
from advisor.errors import explain
from advisor.host.host import Host
from advisor.randomness import isolated
from advisor.search.plan import Plan
from advisor.technique import KEEP, Technique
from advisor.training.run import Run


def look(run: Run, plan: Plan, host: Host, steps: int = 0) -> Diagnosis:
    """The diagnosis of a model with the findings of the plan's techniques. One that raises is a
    line in `host.broken`.
    """
    found = diagnose(run, steps)
    names = [
        (slot, name) for slot, options in plan.options.items() for name in options if name != KEEP
    ]
    techniques = [
        technique for slot, name in names if (technique := host.find(slot, name)) is not None
    ]
    return replace(
        found,
        findings=(
            *found.findings,
            *(one for each in techniques for one in _brought(each, run, host)),
        ),
    )


def _brought(technique: Technique, run: Run, host: Host) -> Iterator[Finding]:
    try:
        with isolated(run.seed) as run.generator:
            yield from technique.finds(run)
    except Exception as problem:  # a plugin's bug costs its finding, not the study
        host.broken.append(f"{technique.slot} {technique.name}: finds() raised {explain(problem)}")
