"""A side by what the user calls it: a study, its file, or an arm of a study in the database."""

from __future__ import annotations

import json
from pathlib import Path

from advisor.comparing.sides import Side
from advisor.content.study_content import Content
from advisor.errors import InputError, listing, near
from advisor.loading.references import Reference
from advisor.search.arm import arm_label
from advisor.store.query import read
from advisor.store.read_back import read_back, version_in
from advisor.store.recommendations import last_recommendation
from advisor.study import Study
from advisor.verdict.recommendation import Recommendation
from advisor.work.study_ref import StudyRef
from advisor.work.trust import Trust

BASELINE, RECOMMENDED = "baseline", "recommended"
"""What the two arms of every recommendation are called."""
QUESTION = "SELECT question, plan, metric FROM advisor_plans WHERE study = ?"
"""The query for what a study asks."""


def side_of(
    study: Study | StudyRef | str | Path, url: str, trust: Trust, plugins: tuple[str, ...] = ()
) -> Side:
    """The side that a study, its file or a text such as `digits:recommended` names.

    Arguments:
        study: what names it.
        url: of the database that has the study of an arm.
        trust: what a study of the database may run.
        plugins: plugin files that are loaded besides the installed plugins.

    Raises:
        InputError: there is no such file, study or arm, or it would run what is not trusted.
    """
    if isinstance(study, Study):
        return Side(study.name, StudyRef.of(study, plugins))
    if isinstance(study, StudyRef):
        return Side(label_of(study), study)
    if is_arm(str(study)):
        return arm_of_study(str(study), url, trust)
    ref = StudyRef.of(study, plugins)
    return Side(label_of(ref), ref)


def label_of(ref: StudyRef) -> str:
    """What a side is called that is a study file, or a model by the options of the command line."""
    if ref.script is not None:
        return Path(ref.script.path).name
    if ref.file is not None:
        reference = Reference.parse(ref.file)
    else:
        reference = Reference.parse(json.loads(ref.flags or "{}").get("model", ""))
    place = Path(reference.place).name
    return f"{place}:{reference.name}" if reference.name else place


def is_arm(text: str) -> bool:
    """Whether a text names an arm of a study, and no file."""
    name, colon, arm = text.partition(":")
    return bool(colon and name and arm) and not Reference.parse(text).place.endswith(".py")


def arm_of_study(text: str, url: str, trust: Trust) -> Side:
    """An arm of a study in the database at `url`, as a side. Raises `InputError` where it is not
    there.
    """
    name, _, arm = text.partition(":")
    answered = Recommendation.from_json(last_recommendation(url, name))
    _, rows = read(url, QUESTION, (name,))
    question, plan, metric = rows[0]
    if question is None:
        raise InputError(
            f"Study {name!r} was made in a notebook or script, so that it cannot be opened from "
            "the database; put it in a study file and tune it there."
        )
    with read_back(name, "reference", version_in(plan)):
        ref = StudyRef.from_json(question)
        begun = json.loads(plan)
        batch, content = int(begun["batch"]), Content.from_json(begun.get("content"))
    # Who asks to train a study from the folder of its files means these files.
    trust.with_folder_of(ref).check(ref, name)

    # Each arm that was confirmed is one that can be compared.
    arms = {
        BASELINE: ({}, answered.baseline.params),
        RECOMMENDED: (answered.changed, answered.params),
    }
    for other in answered.alternatives:
        arms.setdefault(arm_label(other.choices), (other.choices, other.params))
    if arm not in arms:
        raise InputError(
            f"{text}: study {name!r} has no arm {arm!r}.{near(arm, arms)} It has: {listing(arms)}."
        )
    choices, params = arms[arm]
    return Side(text, ref, dict(choices), dict(params), answered.epochs, batch, content, metric)
