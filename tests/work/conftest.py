"""A small study that jobs can belong to."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest
from models.small import Net

import advisor
from advisor.search.plan import make_plan
from advisor.work.job import Job
from advisor.work.prepare import prepare
from advisor.work.study_ref import StudyRef


@pytest.fixture
def ref(blobs) -> StudyRef:
    task = advisor.Task(build=Net, data=blobs)
    return StudyRef.of(advisor.Study("blobs", task, trials=14, epochs=3))


@pytest.fixture
def plan(ref):
    return make_plan(prepare(ref))


@pytest.fixture
def job(ref, plan) -> Callable[..., Job]:
    """Two epochs of the model as it is, or with what is given as parameters."""
    digests = {ref: prepare(ref).digest}
    openings: dict[StudyRef, str] = {}

    def job(ref=ref, opening_id=None, content=None, **params):
        # A process opens a study once for each name, so other studies have other names.
        opening_id = opening_id or openings.setdefault(ref, uuid.uuid4().hex)
        # As the coordinator found it, whatever becomes of the study's files.
        if content is None and ref not in digests:
            digests[ref] = prepare(ref).digest
        own = {**plan.baseline, **plan.defaults_of(plan.baseline), **params}
        return Job(
            ref,
            opening_id,
            content or digests[ref],
            own,
            seed=1,
            split=0,
            batch=16,
            from_epoch=0,
            to_epoch=2,
        )

    return job
