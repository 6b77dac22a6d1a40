"""The diagnosis of a model with the findings of the techniques that fit it."""

from __future__ import annotations

from advisor.diagnosis import Diagnosis, diagnose_with
from advisor.host.host import Host
from advisor.search.plan import Plan
from advisor.technique import KEEP, Technique
from advisor.training.run import Run


def look(run: Run, plan: Plan, host: Host, steps: int = 0) -> Diagnosis:
    """The diagnosis of a model with the findings of the plan's techniques. One that raises is a
    sentence in `Diagnosis.broken`.
    """
    techniques: list[Technique] = []
    for slot, options in plan.options.items():
        for name in options:
            technique = host.find(slot, name) if name != KEEP else None
            if technique is not None:
                techniques.append(technique)
    return diagnose_with(run, techniques, steps)
