"""What a tuner is asked, what it claims, and how its claim is judged."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

KEEP = "keep"
"""The choice that leaves the model as it is; it is the first of all choices."""
Params = Mapping[str, float]
"""What is tuned inside a choice, by name."""


class BudgetSpentError(Exception):
    """A tuner asked for a training more than its budget has."""


@dataclass(frozen=True)
class Claim:
    """What a tuner says.

    Attributes:
        choice: what it recommends; `KEEP` for no change.
        gain: by how much that is better than the best of `KEEP`; None where it does not say.
        interval: the 95 % interval of the gain; None where it has none.
        of: the choice of which gain and interval speak, where that is not what it recommends.
        trainings: what a tuner counted that trains by other ways than `train`.
    """

    choice: str
    gain: float | None
    interval: tuple[float, float] | None = None
    of: str | None = None
    trainings: float | None = None


@dataclass(frozen=True)
class Problem:
    """A model and its data, or a world: what can be chosen, and what is true.

    Attributes:
        name: of the problem.
        choices: what can be chosen; `KEEP` comes first.
        params: the range of each parameter, low and high; all are searched by their logarithm.
        score: `(choice, params, seed) -> score` of one training; higher is better.
        gains: the true gain of each choice over `KEEP`, each at its best parameters.
        min_gain: the smallest gain worth having.
        right: the choices that are right; `KEEP` alone where nothing helps.
        source: what a tuner that does not train by `score` can be asked with.
    """

    name: str
    choices: tuple[str, ...]
    params: Mapping[str, tuple[float, float]]
    score: Callable[[str, Params, int], float]
    gains: Mapping[str, float]
    min_gain: float
    right: frozenset[str]
    source: Any = None

    @property
    def is_null(self) -> bool:
        """Whether nothing helps."""
        return self.right == {KEEP}


@dataclass
class Train:
    """What a tuner trains by, which counts.

    Attributes:
        problem: what is trained.
        budget: how many trainings there may be.
        seed: of the tuner's own random numbers.
        count: trainings so far.
    """

    problem: Problem
    budget: int
    seed: int
    count: int = field(default=0, init=False)

    @property
    def params(self) -> Mapping[str, tuple[float, float]]:
        """The range of each parameter."""
        return self.problem.params

    def __call__(self, choice: str, params: Params, seed: int) -> float:
        """The score of one training.

        Raises:
            BudgetSpentError: the budget is spent.
        """
        if self.count >= self.budget:
            raise BudgetSpentError(f"{self.problem.name}: all {self.budget} trainings are spent")
        self.count += 1
        return self.problem.score(choice, params, seed)


Tuner = Callable[[Train, Sequence[str], int], Claim]
"""`tuner(train, choices, budget) -> Claim`."""


@dataclass(frozen=True)
class Judgement:
    """A claim beside the truth.

    Attributes:
        problem: its name.
        is_null: whether nothing helps.
        right: whether the choice is right.
        false_change: a change that truly gains less than is worth having.
        bias: claimed gain less true gain, of a recommended change; None where there is none.
        covers: whether the interval holds the true gain; None where there is none.
        trainings: how many were spent.
        seconds: that the tuner took.
        claim: what was said.
        truth: the true gain of what was recommended.
    """

    problem: str
    is_null: bool
    right: bool
    false_change: bool
    bias: float | None
    covers: bool | None
    trainings: float
    seconds: float
    claim: Claim
    truth: float


def judge(tuner: Tuner, problem: Problem, budget: int, seed: int) -> Judgement:
    """Ask a tuner about a problem, and hold its claim against the truth."""
    train = Train(problem, budget, seed)
    began = time.perf_counter()
    claim = tuner(train, problem.choices, budget)
    seconds = time.perf_counter() - began

    # A choice of which nothing is known, such as a combination, is wrong and not judged further.
    truth = problem.gains.get(claim.choice)
    spoken_of = problem.gains.get(claim.of or claim.choice)
    changes = claim.choice != KEEP
    bias = None
    if changes and claim.gain is not None and truth is not None:
        bias = claim.gain - truth
    covers = None
    if claim.interval is not None and spoken_of is not None:
        covers = claim.interval[0] <= spoken_of <= claim.interval[1]
    worth = truth is not None and truth >= problem.min_gain
    return Judgement(
        problem=problem.name,
        is_null=problem.is_null,
        right=claim.choice in problem.right,
        false_change=changes and not worth,
        bias=bias,
        covers=covers,
        trainings=train.count if claim.trainings is None else claim.trainings,
        seconds=seconds,
        claim=claim,
        truth=float("nan") if truth is None else truth,
    )
