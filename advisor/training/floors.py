"""Simple models on the same rows and by the same metric as the user's: is the net worth it?"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits
from torch import Tensor

from advisor.data import Part
from advisor.data.splits import DatasetPart
from advisor.errors import explain
from advisor.nested import elements, mapped
from advisor.randomness import isolated, mix
from advisor.training.features import MOST_IDS, MOST_NUMBERS, Features, Table
from advisor.training.floor import Floor, Simple
from advisor.training.noise import perturbed
from advisor.training.run import Run

MOST_ROWS = 10_000
"""Rows that a simple model is trained on; of more, so many at random."""
MOST_READ = 1_000
"""The same for rows of a Dataset that are read anew, which takes longer."""
TREE_COLUMNS = 256
"""Numbers, or ids, of a row that trees are built on."""
TREE_NUMBERS = 200_000_000
"""Rows times columns times trees: some seconds on one core."""
FEWEST_ROUNDS, MOST_ROUNDS = 30, 100
"""Rounds of boosting, of which each adds a tree for each class or column."""
FEWEST_TREE_ROWS = 500
"""Rows that trees are built on at least; where these cost too much, there are no trees."""
MOST_OUTPUTS = 200
"""Columns of the target that get a model each."""
ROUNDS_OF_FIT = 100
"""Steps of a logistic regression."""
DIGITS = 6
"""Digits of a score: with more, two machines may differ."""
LEAST_CHANCE = 1e-7
"""A probability is at least this far from 0 and 1 where its logarithm is taken."""


@dataclass(frozen=True)
class Rows:
    """Inputs of some rows, with targets `(N,)` or `(N, k)` and weights of one shape, or None."""

    inputs: Any
    target: np.ndarray[Any, Any]
    weights: np.ndarray[Any, Any] | None = None

    def first(self, count: int) -> Rows:
        """The first rows."""
        inputs = mapped(lambda part: part[:count], self.inputs)
        weights = None if self.weights is None else self.weights[:count]
        return Rows(inputs, self.target[:count], weights)


Answer = Callable[[Any], np.ndarray[Any, Any]]
"""From the inputs of a batch to probabilities or numbers."""
Fitting = Callable[[Run, Rows], Answer]
"""Trains a simple model."""


def floors(
    run: Run, scored: Part, batch: int, models: Sequence[Simple] = tuple(Simple)
) -> list[Floor]:
    """What simple models reach on the rows `scored`, in batches of `batch` rows.

    They are trained on the run's training rows, with their weights, and scored by its metric. One
    that cannot be trained or scored says why. The same run gives the same floors.
    """
    with isolated(mix(run.seed, "floors")), threadpool_limits(1), warnings.catch_warnings():
        # A regression that has not converged is a floor, too.
        warnings.simplefilter("ignore")
        try:
            rows = training_rows(run)
        except Exception as problem:  # the user's Dataset may raise anything
            return [Floor(model, None, 0, explain(problem)) for model in models]
        return [floor_of(model, run, rows, scored, batch) for model in models]


def training_rows(run: Run) -> Rows:
    """Some training rows, drawn at random where there are too many."""
    part = run.data.train
    most = MOST_READ if isinstance(part, DatasetPart) else MOST_ROWS
    index = torch.randperm(len(part))[:most]
    inputs, target = part.take(index)
    assert target is not None  # training rows are labelled
    weights = None
    if run.data.weights is not None:
        weights = run.data.weights.at(index, target).numpy()
    return Rows(inputs, target.numpy(), weights)


class TooSlow(Exception):  # noqa: N818  # it is no error: a simple model is left out
    """A simple model would take longer than it is worth."""


def floor_of(model: Simple, run: Run, rows: Rows, scored: Part, batch: int) -> Floor:
    """The score of one simple model, or why it has none."""
    used = rows
    try:
        if model is Simple.TREES:
            used = rows.first(rows_for_trees(run, rows))
        answer = FITTINGS[model](run, used)
        score = score_of(run, answer, scored, batch)
    except TooSlow as problem:
        return Floor(model, None, len(used.target), str(problem))
    except Exception as problem:  # the user's own metric and inputs may raise anything
        return Floor(model, None, len(used.target), explain(problem))
    if not np.isfinite(score):
        return Floor(model, None, len(used.target), f"its score is {score}")
    return Floor(model, float(f"{score:.{DIGITS}g}"), len(used.target))


def score_of(run: Run, answer: Answer, scored: Part, batch: int) -> float:
    """The run's metric of what a simple model answers."""
    answers, targets = [], []
    for number, index in enumerate(torch.arange(len(scored)).split(batch)):
        inputs, target = scored.take(index)
        assert target is not None  # rows that are scored are labelled
        if run.objective.noise:
            inputs = perturbed(inputs, run.objective.noise, number)
        answers.append(torch.from_numpy(answer(inputs)).float())
        targets.append(target)
    target = torch.cat(targets)
    given = torch.cat(answers)
    metric = run.objective.metric
    return metric.score(as_output(run, given) if metric.reads_raw_output else given, target)


def as_output(run: Run, answer: Tensor) -> Tensor:
    """Probabilities or numbers in the form of the model's own output, which some metrics read."""
    kind, end = run.objective.kind, run.anatomy.output
    if kind != "regression" and not end.startswith("probabilit"):
        chance = answer.clamp(LEAST_CHANCE, 1 - LEAST_CHANCE)
        answer = chance.log() if kind == "classification" else chance.logit()
    return answer.reshape(len(answer), *run.anatomy.output_shape[1:])


# --- the models ---------------------------------------------------------------------------------


def majority(run: Run, rows: Rows) -> Answer:
    """The mean of the targets, or the share of each class, for every row."""
    target = rows.target.astype(np.float64)
    if run.objective.kind == "classification":
        target = np.eye(width_of(run))[rows.target]
    # Scores count every row alike, whatever the weights in training.
    mean = target.mean(axis=0)
    return lambda inputs: np.repeat(mean[None], len(elements(inputs)[0]), axis=0)


def linear(run: Run, rows: Rows) -> Answer:
    """A logistic regression, or a ridge regression for numbers."""
    from sklearn.linear_model import Ridge  # at the end of a study: it takes more than a second

    features = Features.fitted(rows.inputs, MOST_NUMBERS, MOST_IDS)
    model = Ridge() if run.objective.kind == "regression" else None
    fit = fitted(run, rows, features.table(rows.inputs, False), model, logistic)
    return lambda inputs: fit(features.table(inputs, False))


def logistic() -> Any:
    """A logistic regression with scikit-learn's own settings."""
    from sklearn.linear_model import LogisticRegression  # as above

    return LogisticRegression(max_iter=ROUNDS_OF_FIT)


def trees(run: Run, rows: Rows) -> Answer:
    """Boosted trees, on histograms of each column."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    features = Features.fitted(rows.inputs, TREE_COLUMNS, TREE_COLUMNS)
    table = features.table(rows.inputs, True)
    cost = table.size * trees_a_round(run)
    rounds = int(np.clip(TREE_NUMBERS / cost, FEWEST_ROUNDS, MOST_ROUNDS))
    settings = {"max_iter": rounds, "early_stopping": False, "random_state": 0}
    kind = HistGradientBoostingClassifier
    if run.objective.kind == "regression":
        kind = HistGradientBoostingRegressor
    fit = fitted(run, rows, table, None, lambda: kind(**settings))
    return lambda inputs: fit(features.table(inputs, True))


FITTINGS: dict[Simple, Fitting] = {
    Simple.MAJORITY: majority,
    Simple.LINEAR: linear,
    Simple.TREES: trees,
}
"""How each simple model is trained."""


def rows_for_trees(run: Run, rows: Rows) -> int:
    """How many rows trees can be built on in time. Raises `TooSlow` where they are too few."""
    columns = 0
    for element in elements(rows.inputs):
        columns += min(TREE_COLUMNS, element[0].numel())
    affordable = TREE_NUMBERS // (FEWEST_ROUNDS * max(1, columns) * trees_a_round(run))
    count = min(len(rows.target), affordable)
    if count < min(FEWEST_TREE_ROWS, len(rows.target)):
        raise TooSlow(f"{trees_a_round(run)} trees a round take too long")
    return count


def trees_a_round(run: Run) -> int:
    """The trees of one round: one for each class of several, or for each column of the target."""
    outputs = run.data.facts.outputs
    return 1 if run.objective.kind == "binary" or outputs == 2 else outputs


def fitted(
    run: Run, rows: Rows, table: Table, whole: Any, make: Callable[[], Any]
) -> Callable[[Table], np.ndarray[Any, Any]]:
    """From a table of features to answers, by models that are trained here.

    Arguments:
        run: says what the answers are.
        rows: the targets and weights.
        table: the features of these rows.
        whole: a model that takes all columns of the target at once, or None.
        make: a new model for one column.

    Raises:
        ValueError: the target has too many columns.
    """
    target, weights, kind = rows.target, rows.weights, run.objective.kind
    if whole is not None:
        whole.fit(table, target, sample_weight=weights)
        return lambda features: np.asarray(whole.predict(features))
    if target.ndim == 1:
        model = make().fit(table, target, sample_weight=weights)
        if kind == "regression":
            return lambda features: np.asarray(model.predict(features))
        return lambda features: chances(model, features, kind, width_of(run))

    # One model for each column.
    if target.shape[1] > MOST_OUTPUTS:
        raise ValueError(f"{target.shape[1]} columns of the target need as many models")
    columns = list(fitted_columns(kind, target, weights, table, make))
    return lambda features: np.stack([column(features) for column in columns], axis=1)


def fitted_columns(
    kind: str, target: Any, weights: Any, table: Table, make: Callable[[], Any]
) -> Iterator[Callable[[Table], np.ndarray[Any, Any]]]:
    """For each column of a target, what answers for it; one that never varies is itself."""
    for number, column in enumerate(target.T):
        own = weights[:, number] if weights is not None and weights.ndim == 2 else weights
        if len(np.unique(column)) == 1:
            yield Constant(float(column[0]))
            continue
        model = make().fit(table, column, sample_weight=own)
        yield model.predict if kind == "regression" else Chance(model)


@dataclass(frozen=True)
class Constant:
    """Answers with one number."""

    value: float

    def __call__(self, table: Table) -> np.ndarray[Any, Any]:
        """The number for each row of a table."""
        return np.full(table.shape[0], self.value)


@dataclass(frozen=True)
class Chance:
    """Answers with the probability of a 1."""

    model: Any

    def __call__(self, table: Table) -> np.ndarray[Any, Any]:
        """The probability for each row of a table."""
        return np.asarray(self.model.predict_proba(table)[:, 1])


def chances(model: Any, table: Table, kind: str, width: int) -> np.ndarray[Any, Any]:
    """The probability of each class `(N, C)`, or of the second one `(N,)` in a binary task."""
    own = model.predict_proba(table)
    every = np.zeros((len(own), max(width, 2)))
    every[:, model.classes_] = own
    return every[:, 1] if kind == "binary" else every


def width_of(run: Run) -> int:
    """How many classes an answer has a number for: those of the model, where it has more."""
    outputs = run.data.facts.outputs
    if run.objective.kind != "classification":
        return outputs
    shape = run.anatomy.output_shape
    return max(outputs, shape[1]) if len(shape) > 1 else outputs
