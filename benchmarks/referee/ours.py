"""`advisor` as a tuner: its real search and confirmation, on worlds and on real studies."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import known_answers
import null_rate
from problems import arm_of, is_study
from protocol import KEEP, Claim, Train

import advisor
from benchmarks.referee.drawn import Drawn
from benchmarks.referee.simulated import simulate

CONFIRMED = 0.5
"""The share of the budget that the confirmation gets in a world; the search has the rest."""


def advisor_tuner(train: Train, choices: Sequence[str], budget: int) -> Claim:
    """What `advisor` recommends.

    A world answers its search and confirmation by formula. A known answer is asked by its study
    file, with the trials that this names; the numbers of trainings are then not comparable.
    """
    source = train.problem.source
    if not isinstance(source, Drawn):
        return _real(train, choices)
    trials = max(len(choices) + 2, round(budget * (1 - CONFIRMED)))
    answer = simulate(source, trials)
    measured = arm_of(answer.choice)
    choice = measured if answer.verdict == "change" else KEEP
    interval = (answer.low, answer.high)
    return Claim(choice, answer.gain, interval, of=measured, trainings=answer.trainings)


def _real(train: Train, choices: Sequence[str]) -> Claim:
    """Ask a real study: the file of a known answer, or a measured problem."""
    name, seed = train.problem.name, train.seed
    with tempfile.TemporaryDirectory() as folder:
        storage = f"sqlite:///{Path(folder, 'referee.db')}"
        if is_study(name):
            answer = known_answers.ask(known_answers.case(name), seed, storage, workers=1)
            return _claim(answer["choices"], answer["verdict"], answer["gain"])
        study = null_rate.study_of(train.problem.source, name, list(choices[1:]), seed)
        found = advisor.tune(study, storage=storage, workers=1)
    return _claim(found.choices, found.verdict, vars(found.gain))


def _claim(choices: Mapping[str, str], verdict: str, gain: Mapping[str, float]) -> Claim:
    """A recommendation as a claim."""
    changed = [name for name in choices.values() if name != KEEP]
    choice = "+".join(changed) if verdict == "change" else KEEP
    # The gain of a model that is kept is that of its best rival, which the claim does not name.
    interval = (gain["low"], gain["high"]) if verdict == "change" else None
    return Claim(choice, gain["mean"], interval)
