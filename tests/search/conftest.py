"""A small study for the search, and trials that never ran."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from models.small import Net
from torch import nn

import advisor
from advisor.search.plan import make_plan
from advisor.work.prepare import prepare
from advisor.work.study_ref import StudyRef


@pytest.fixture
def net() -> type[nn.Module]:
    return Net


@pytest.fixture
def study(blobs) -> Callable[..., advisor.Study]:
    """A study of `Net` on two clouds of points; every option of `Study` may be given."""

    def study(name="blobs", build=Net, **options):
        options = {"trials": 14, "epochs": 3, **options}
        return advisor.Study(name, advisor.Task(build=build, data=blobs), **options)

    return study


@pytest.fixture
def prepared(study):
    return prepare(StudyRef.of(study()))


@pytest.fixture
def plan(prepared):
    return make_plan(prepared)
