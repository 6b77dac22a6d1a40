"""Whether two sides compute the same, which no measuring could show as surely."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from advisor.comparing.comparison import Sameness
from advisor.comparing.sides import InitialModel, OpenSide
from advisor.training.epoch import Epoch
from advisor.work.executors import Crew
from advisor.work.job import Outcome

SAME_DIGITS = 1e-6
"""The relative difference up to which two numbers of a training in double precision are the same.

Rounding alone gives 1e-13 after hundreds of steps of a small net, and any other difference more
than 1e-3.
"""


def sameness(
    sides: tuple[OpenSide, OpenSide],
    starts: tuple[InitialModel, InitialModel],
    trained: tuple[Outcome, Outcome],
    crew: Crew,
) -> Sameness | None:
    """How it is known that two sides compute the same; None where they do not, as far as is known.

    Arguments:
        sides: both of them.
        starts: their models before training.
        trained: their first trainings, from one seed.
        crew: runs further trainings.
    """
    one, other = sides
    if is_same_question(one, other):
        return Sameness.CONTENT
    # Two scripts that report the same numbers may only be as bad as each other.
    if not all(start.values for start in starts):
        return None
    # What begins with other values, or is trained otherwise, is another question.
    if not may_be_same(one, other) or not have_same_values(*starts):
        return None
    if trained[0].curve and are_equal(trained[0], trained[1]):
        return Sameness.NUMBERS
    return Sameness.NUMBERS if are_same_in_double(sides, starts, crew) else None


def is_same_question(one: OpenSide, other: OpenSide) -> bool:
    """Whether two sides are made of the same and trained in the same way."""
    mine, theirs = one.prepared.content, other.prepared.content
    is_made_alike = (
        mine.code == theirs.code
        and mine.arguments == theirs.arguments
        and mine.model == theirs.model
        and not mine.digest.differs_in(theirs.digest)
    )
    return is_made_alike and may_be_same(one, other)


def may_be_same(one: OpenSide, other: OpenSide) -> bool:
    """Whether two sides are trained in the same way, as far as their settings say it."""
    return (
        dict(one.side.choices) == dict(other.side.choices)
        and dict(one.params) == dict(other.params)
        and (one.epochs, one.batch) == (other.epochs, other.batch)
    )


def have_same_values(one: InitialModel, other: InitialModel) -> bool:
    """Whether two models begin with the same values, whatever their names and their order."""
    return sorted(one.digests.values()) == sorted(other.digests.values())


def are_equal(one: Outcome, other: Outcome) -> bool:
    """Whether two trainings gave equal numbers in each epoch that both have."""
    if one.ended or other.ended:
        return False
    return all(
        (mine.loss, mine.score) == (theirs.loss, theirs.score)
        for mine, theirs in zip(one.curve, other.curve, strict=False)
    )


def are_same_in_double(
    sides: tuple[OpenSide, OpenSide], starts: tuple[InitialModel, InitialModel], crew: Crew
) -> bool:
    """Whether two sides give the same numbers in double precision, from the same values."""
    # Layers that are made in another order have their draws exchanged. So the second model begins
    # with the values of the first one, layer by layer as they are called.
    first, second = (list(start.values.items()) for start in starts)
    if [value.shape for _, value in first] != [value.shape for _, value in second]:
        return False
    begin = {name: value for (name, _), (_, value) in zip(second, first, strict=True)}
    jobs = {}
    for place, side in enumerate(sides):
        job = replace(side.job("the check in double precision"), precise=True)
        jobs[place] = replace(job, begin=begin) if place else job
    outcomes = dict(crew.run(jobs))
    if any(outcome.ended for outcome in outcomes.values()):
        return False
    return are_close(outcomes[0].curve, outcomes[1].curve)


def are_close(one: Sequence[Epoch], other: Sequence[Epoch]) -> bool:
    """Whether two curves are the same but for rounding."""
    if not one or len(one) != len(other):
        return False
    return all(
        math.isclose(mine.loss, theirs.loss, rel_tol=SAME_DIGITS)
        and math.isclose(mine.score, theirs.score, rel_tol=SAME_DIGITS, abs_tol=SAME_DIGITS)
        for mine, theirs in zip(one, other, strict=True)
    )
