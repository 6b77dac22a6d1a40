"""A study of a world of `kinds.py`, by the real search and confirmation: only a training is a
formula.

`simulate(drawn)` goes the whole way of a study, with its sampler, its database, its splits and the
rows that it measures.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

import advisor
from advisor.data.splits import Part, Splits
from advisor.search.arm import arm_label
from advisor.search.plan import RATE, make_plan
from advisor.search.search import Search
from advisor.search.trial import Trial
from advisor.store.database import Database
from advisor.training.criterion import count_last
from advisor.training.epoch import Epoch
from advisor.training.row_values import RowValues
from advisor.verdict.candidates import Candidate
from advisor.verdict.confirm import Measurement, confirm
from advisor.work.executors import Crew
from advisor.work.job import HELD_OUT, TEST, Job, Outcome
from advisor.work.prepare import Prepared, prepare
from advisor.work.study_ref import StudyRef
from advisor.work.threads import one_thread
from benchmarks.referee.drawn import EPOCHS, Drawn, Training, place_of
from benchmarks.referee.worlds import MIN_GAIN

PLUGIN = """import advisor
from torch import nn

@advisor.hookimpl
def techniques():
    return [advisor.Activation(f"t{{i}}", nn.Tanh) for i in range({arms})]
"""
"""A plugin with so many techniques, whose only use is that the search can choose them."""


class Simulator(Executor):
    """Answers the jobs of a study by the formula of its world."""

    def __init__(self, drawn: Drawn, prepared: Prepared) -> None:
        self.drawn, self.epochs = drawn, 0
        self._choosing = rows_in(prepared.splits(prepared.study.seed).valid)
        self._splits_of = cache(
            lambda split, measures: (prepared.measuring_splits if measures else prepared.splits)(
                split
            )
        )

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(self.outcome(*args))
        return future

    def outcome(self, job: Job) -> Outcome:
        """What became of a job: a curve that comes closer to its score by half each epoch."""
        self.epochs += job.to_epoch - job.from_epoch
        splits: Splits = self._splits_of(job.split, job.measures)
        one = Training(place_of(job.params["activation"]), job.params[RATE], job.seed)
        missed = self._missed(one, splits) if job.measures else None

        # As in a real training, its curve is that of the rows that it does not train on.
        parts = {HELD_OUT: splits.valid, TEST: splits.test}
        if not job.measures and len(splits.valid):
            del parts[TEST]
        right = {name: self._right(one, part, missed) for name, part in parts.items() if len(part)}
        scores = next(iter(right.values())).mean(1)
        curve = []
        for epoch in range(job.from_epoch, job.to_epoch):
            score = float(scores[epoch]) - 0.2 * 0.5**epoch
            curve.append(Epoch(epoch + 1, score, 1 - score, 0.001))
        outcome = Outcome(curve=curve, costs={"training": 0.001})
        if job.measures:
            last = {name: each[-count_last(EPOCHS) :] for name, each in right.items()}
            outcome.rows = {name: values_of(parts[name], each) for name, each in last.items()}
            outcome.test = float(last[TEST].mean())
        return outcome

    def _missed(self, one: Training, splits: Splits) -> float | None:
        """What the rows that this training holds out would have given its arm."""
        held = rows_in(splits.valid)
        pool = np.setdiff1d(np.concatenate([rows_in(splits.train), held]), self._choosing)
        return self.drawn.missed(one.arm, pool, held)

    def _right(self, one: Training, part: Part, missed: float | None) -> np.ndarray:
        assert part.target is not None
        return self.drawn.right(one, rows_in(part), part.target.numpy(), missed)


def values_of(part: Part, right: np.ndarray) -> RowValues:
    """What each row adds to the accuracy over the last epochs.

    `right` says which rows the training is right on `(epochs, rows)`.
    """
    rows, order = np.sort(rows_in(part)), np.argsort(rows_in(part))
    return RowValues(rows, right.mean(0)[order].astype(np.float64))


def rows_in(part: Part) -> np.ndarray:
    """The numbers of a part's rows among all."""
    return np.arange(len(part)) if part.rows is None else part.rows.numpy()


def net() -> nn.Module:
    """A model that is never trained."""
    return nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))


def task_of(drawn: Drawn) -> advisor.Task:
    """The task of a study, with what the world says that the user gave."""
    spec, y = drawn.spec, drawn.targets
    x = np.random.default_rng(0).normal(size=(drawn.rows, 4)).astype("float32")
    group = np.arange(drawn.rows) // spec.group if spec.group > 1 else None
    if not spec.gave_valid:
        return advisor.Task(build=net, data=(x, y), group=group)
    test = spec.test if spec.gave_test else 0
    ends = {"train": drawn.rows - spec.choosing - test, "valid": drawn.rows - test}
    parts = {
        "train": (x[: ends["train"]], y[: ends["train"]]),
        "valid": (x[ends["train"] : ends["valid"]], y[ends["train"] : ends["valid"]]),
    }
    if test:
        parts["test"] = (x[ends["valid"] :], y[ends["valid"] :])
    return advisor.Task(build=net, group=group, **parts)


@dataclass(frozen=True)
class Answer:
    """What a simulated study said, beside the truth and the best of the same trials.

    Attributes:
        verdict: of the study.
        choice: the arm whose gain was measured.
        trainings: how many were spent, those that were cut by their share of the epochs.
        gain, low, high: the gain of the best arm over the model as it is, with its interval.
        truth: the true gain of this arm on new rows.
        pairs: how many measured the gain.
        searched: the same gain by the scores of the search; None where one has none.
        script_changes: whether the best trial changes anything.
        script_gain: how much better its score is than the best of the model as it is.
        script_truth: how much better it is in truth.
    """

    verdict: str
    choice: str
    trainings: float
    gain: float
    low: float
    high: float
    truth: float
    pairs: int
    searched: float | None
    script_changes: bool
    script_gain: float
    script_truth: float

    @property
    def covers(self) -> bool:
        """Whether the interval holds the truth."""
        return self.low <= self.truth <= self.high


def simulate(drawn: Drawn, trials: int | None = None) -> Answer:
    """One study from its first trial to its verdict, with so many trials."""
    one_thread()
    with tempfile.TemporaryDirectory() as place:
        plugin = Path(place, "arms.py")
        plugin.write_text(PLUGIN.format(arms=drawn.spec.arms), encoding="utf-8")
        study = advisor.Study(
            "simulated",
            task_of(drawn),
            trials=trials or 16 + 3 * drawn.spec.arms,
            epochs=EPOCHS,
            min_gain=MIN_GAIN,
            seed=drawn.number,
            only={
                "activation": drawn.names,
                "initializer": [],
                "pretraining": [],
                "embedding": [],
            },
        )
        prepared = prepare(StudyRef.of(study, (str(plugin),)))
        plan = make_plan(prepared)
        with Database(f"sqlite:///{place}/study.db", prepared.host.built_in_slots) as database:
            records = database.study(study.name)
            criterion = prepared.criterion
            records.begin(criterion.name, criterion.direction, plan.to_json(), None)
            simulator = Simulator(drawn, prepared)
            crew = Crew(lambda: simulator, 1)
            search = Search(prepared, plan, records, crew, Path(place), lambda event: None)
            search.run()
            measurement = confirm(search)
            trainings = simulator.epochs / EPOCHS
            return answer_of(drawn, search.history.trials, measurement, trainings)


def answer_of(
    drawn: Drawn, trials: list[Trial], measurement: Measurement, trainings: float
) -> Answer:
    """What a study said, from its trials and its confirmation."""
    gain, baseline, best = measurement.gain, measurement.baseline, measurement.best
    searched = None
    if baseline.searched is not None and best.searched is not None:
        searched = best.searched - baseline.searched

    # What a script does: it takes the best of all trials that were trained to their end.
    full = [trial for trial in trials if trial.is_complete]
    kept = [trial for trial in full if not trial.techniques]
    top = max(full, key=lambda trial: trial.score)
    own = max(kept, key=lambda trial: trial.score)
    return Answer(
        verdict=measurement.verdict,
        choice=best.label,
        trainings=trainings,
        gain=gain.mean,
        low=gain.low,
        high=gain.high,
        truth=true_score(drawn, best) - true_score(drawn, baseline),
        pairs=gain.seeds,
        searched=searched,
        script_changes=bool(top.techniques),
        script_gain=top.score - own.score,
        script_truth=true_score(drawn, top) - true_score(drawn, own),
    )


def true_score(drawn: Drawn, trained: Candidate | Trial) -> float:
    """The score of an arm at its learning rate without noise."""
    name = arm_label(trained.arm).rpartition("=")[2]
    return drawn.mean_score(place_of(name), trained.params[RATE])
