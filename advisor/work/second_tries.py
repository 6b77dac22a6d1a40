"""Jobs that are done again: how, and what is trained in place of one that cannot be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from enum import Enum, auto
from typing import Any

from advisor.work.job import Job


class Again(Enum):
    """How a job is run again that has no outcome."""

    BESIDE_OTHERS = auto()
    """At once: its worker ended by its own doing, or the machine refused something."""
    BY_ITSELF = auto()
    """After the others: its worker was killed, or it lacked memory, which others may have had."""


def as_it_is(job: Job, baseline: Mapping[str, Any]) -> Job:
    """A training of the model as it is, `baseline`, that lasts as long as a job."""
    return replace(
        job,
        params=baseline,
        name="the model as it is",
        from_epoch=0,
        to_epoch=max(1, job.to_epoch - job.from_epoch),
        load=None,
        save=None,
        measures=False,
        precheck=False,
    )
