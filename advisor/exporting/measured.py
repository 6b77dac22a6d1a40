"""What an export is made from: a study of the database, opened again, and what its first measuring
seed gave.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from advisor.content.difference import difference, listed
from advisor.content.study_content import Content
from advisor.data.splits import Splits
from advisor.errors import InputError, SearchError
from advisor.randomness import mix
from advisor.search.arm import arm_label
from advisor.search.plan import Plan
from advisor.store.query import read
from advisor.store.read_back import read_back, version_in
from advisor.store.recommendations import last_recommendation
from advisor.technique import DECAY, RATE
from advisor.training.run import Run
from advisor.verdict.recommendation import Recommendation
from advisor.work.job import Job, Outcome, applied, built_run, train_run
from advisor.work.prepare import Prepared, prepare
from advisor.work.replay import measuring_job
from advisor.work.study_ref import StudyRef
from advisor.work.threads import one_thread
from advisor.work.trust import Trust

SEEDS_OF_ARM = (
    "SELECT seed, params, score, test FROM advisor_confirmations "
    "WHERE study = ? AND arm = ? AND phase = 'measure' AND score IS NOT NULL"
)
"""The query for what measuring seeds gave."""
MOST_SEEDS = 1000
"""Measuring seeds among which the first is looked for."""


@dataclass(frozen=True)
class MeasuredArm:
    """The recommended arm of a study, with its first measuring seed.

    Attributes:
        prepared: the study, opened.
        recommendation: the answer.
        text: its JSON as the database has it.
        params: one technique per slot, and every parameter by its full name.
        batch: rows in a mini-batch.
        epochs: of a training.
        number: the place of the first measuring seed on which the training did not break, from 1.
        seed: that seed.
        score: what it gave on the rows that it held out.
        test: what it gave on the test rows; None where no model answered.
    """

    prepared: Prepared
    recommendation: Recommendation
    text: str
    params: Mapping[str, Any]
    batch: int
    epochs: int
    number: int
    seed: int
    score: float
    test: float | None

    @property
    def lr(self) -> float:
        """The learning rate."""
        return float(self.params[RATE])

    @property
    def weight_decay(self) -> float:
        """The weight decay."""
        return float(self.params[DECAY])

    @property
    def splits(self) -> Splits:
        """The rows of the seed."""
        return self.prepared.measuring_splits(self.seed)

    def job(self) -> Job:
        """The training of the seed."""
        return measuring_job(self.prepared, self.params, self.batch, self.epochs, self.seed)

    def started(self, seed: int) -> Run:
        """A run with the techniques applied, before it is trained."""
        return started(self.prepared, replace(self.job(), seed=seed))


def started(prepared: Prepared, job: Job) -> Run:
    """The run of a job with its techniques applied."""
    one_thread()
    run = built_run(job, prepared)
    applied(run, job, prepared)
    return run


def trained(prepared: Prepared, job: Job) -> tuple[Run, Outcome]:
    """The run of a job, trained, and what became of it."""
    run = started(prepared, job)
    outcome = Outcome()
    train_run(outcome, job, prepared, run)
    return run, outcome


def measured_arm(study: str, url: str, trust: Trust) -> MeasuredArm:
    """The recommended arm of a study in the database at `url`.

    Arguments:
        study: its name.
        url: of the database.
        trust: what the database may run, besides files in the current folder.

    Raises:
        InputError: there is no such study, it cannot be exported, or it has changed.
    """
    text = last_recommendation(url, study)
    ref, plan = asked(study, url, text)
    trust.with_folder_of(ref).check(ref, study)
    answer = Recommendation.from_json(text, ref, plan.content)
    prepared = unchanged(study, ref, plan.content, answer).on_rows(plan.rows)
    params = {**answer.choices, **answer.params}
    found = first_seed(url, prepared, answer)
    if found is None:
        # Where there was nothing to compare, nothing was measured; the seed is the one that would
        # have been the first.
        job = measuring_job(prepared, params, plan.batch, answer.epochs, seed=0)
        seed = mix(prepared.study.seed, "measure", 0)
        _, outcome = trained(prepared, replace(job, seed=seed, split=seed))
        score = prepared.criterion.score(outcome.curve, answer.epochs)
        found = (1, seed, score, outcome.test)
    return MeasuredArm(prepared, answer, text, params, plan.batch, answer.epochs, *found)


def asked(study: str, url: str, text: str) -> tuple[StudyRef, Plan]:
    """Where a study comes from, and what it searched; `text` is its answer.

    Raises `InputError` where that cannot be opened again.
    """
    _, rows = read(url, "SELECT question, plan FROM advisor_plans WHERE study = ?", (study,))
    with read_back(study, "reference", version_in(text)):
        ref = StudyRef.from_json(rows[0][0]) if rows and rows[0][0] else None
    ref = exportable(study, ref)
    with read_back(study, "plan", version_in(text)):
        return ref, Plan.from_json(json.loads(rows[0][1]))


def exportable(study: str, ref: StudyRef | None) -> StudyRef:
    """A reference that can be opened again. Raises `InputError` where there is none."""
    if ref is None:
        raise InputError(
            f"Study {study!r} was made in a notebook or script, whose code the database does not "
            "have. Put the study into a file (study = advisor.Study(…)), ask it with advisor tune "
            "FILE.py, and export that."
        )
    if ref.script is not None:
        raise InputError(
            f"Study {study!r} is of the training script {ref.script.path}, which alone makes its "
            "model and reads its data, so it cannot be exported. Your script is the whole: write "
            "the lines of advisor show --apply into it, and let it save its model."
        )
    return ref


def unchanged(
    study: str, ref: StudyRef, content: Content | None, answer: Recommendation
) -> Prepared:
    """The study, opened. Raises `InputError` where it is not what was answered."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they were told when the study was asked
        prepared = prepare(ref)
        if prepared.infers_another(answer.metric):
            prepared = prepare(replace(ref, as_before=True))
    if content is not None:
        found = difference(replace(content, model={}), prepared.content)
        if found.sentences:
            raise InputError(
                f"Study {study!r} has changed since it was begun: {listed(found.sentences)}. What "
                "was measured is exported: bring it back, or ask the study anew under another name."
            )
    return prepared


def first_seed(
    url: str, prepared: Prepared, answer: Recommendation
) -> tuple[int, int, float, float | None] | None:
    """The place of the first measuring seed from 1, the seed, its score and its test score; None
    where nothing was measured.

    Raises `SearchError` where none of the seeds that measured has trained the arm.
    """
    _, rows = read(url, SEEDS_OF_ARM, (answer.study, arm_label(answer.choices)))
    if not rows and not answer.gain.seeds:
        return None
    known = {}
    for seed, text, score, test in rows:
        if json.loads(text) == answer.params:
            known[int(seed)] = (float(score), None if test is None else float(test))
    for place in range(MOST_SEEDS):
        seed = mix(prepared.study.seed, "measure", place)
        if seed in known:
            return place + 1, seed, *known[seed]
    raise SearchError(
        f"Study {prepared.study.name!r}: no measuring seed has trained what is recommended, so "
        "there is nothing to replay. Ask it again with advisor tune, which measures it."
    )
