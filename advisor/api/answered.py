"""`advisor.recommendation`: what a study in the database recommends."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from advisor.api.arguments import check_arguments
from advisor.content.study_content import Content
from advisor.errors import InputError
from advisor.store.location import storage_url
from advisor.store.query import read
from advisor.store.questions import QUESTION
from advisor.store.read_back import read_back, study_in, version_in
from advisor.store.recommendations import last_recommendation
from advisor.verdict.recommendation import Recommendation
from advisor.work.study_ref import StudyRef
from advisor.work.trust import Trust


def recommendation(
    study: str,
    storage: str | None = None,
    *,
    files: Sequence[str | Path] = (),
    trust: bool = False,
) -> Recommendation:
    """The last recommendation of a study in the database.

    To change a model the study is opened again, and so the code that the database names is run. It
    must be in a file that is named here, or of a module of yours that this process has imported.

    Arguments:
        study: the name of the study.
        storage: as for `tune`.
        files: Python files of the study whose code may run.
        trust: whether all may run that the database names.

    Example:
        >>> import advisor, torch
        >>> from torch import nn
        >>> def net():
        ...     return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
        >>> task = advisor.Task(net, (torch.randn(60, 4), torch.arange(60) % 3))
        >>> study = advisor.Study("small", task, trials=4, epochs=1, seeds=3)
        >>> _ = advisor.tune(study, storage="small.db")
        >>> advisor.recommendation("small", storage="small.db").study
        'small'

    Raises:
        InputError: there is no recommendation for such a study, or no such file.
    """
    check_arguments("recommendation", {"name": study, "storage": storage})
    trusted = Trust.in_files(*files, everything=trust).with_loaded()
    return stored_recommendation(study, storage_url(storage), trusted)


def stored_recommendation(study: str, url: str, trust: Trust) -> Recommendation:
    """The last recommendation of a study in the database at `url`, which may run what is trusted.

    Raises `InputError` where there is none.
    """
    text = last_recommendation(url, study)
    # With its reference the recommendation can change a model; a pickled study has none.
    _, rows = read(url, "SELECT question, plan FROM advisor_plans WHERE study = ?", (study,))
    text_of_ref, plan = rows[0] if rows else (None, "{}")
    with read_back(study, "reference", version_in(text)):
        ref = StudyRef.from_json(text_of_ref) if text_of_ref else None
    with read_back(study, "plan", version_in(text)):
        content = Content.from_json(json.loads(plan).get("content"))
    return Recommendation.from_json(text, ref, content, trust, url)


def answer_as_given(text: str, url: str) -> Recommendation:
    """The recommendation of a JSON text, to be shown: it runs nothing, and trusts nothing.

    Arguments:
        text: as the database has it.
        url: of the database, which knows the study's files; without them the lines that apply the
            answer do not name them.
    """
    try:
        _, rows = read(url, QUESTION, (study_in(text),))
        ref = StudyRef.from_json(rows[0][0]) if rows and rows[0][0] else None
    except (InputError, KeyError, TypeError, ValueError):  # a damaged study has an answer, too
        ref = None
    return Recommendation.from_json(text, ref, trust=Trust.in_files(), url=url)
