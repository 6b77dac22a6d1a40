"""The problems that tuners are asked: measured known answers, and worlds by formula."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import known_answers
import numpy as np
import torch
from known_problems import NULLS, measured_cases, problem_of
from protocol import KEEP, Params, Problem

from benchmarks.referee.drawn import Drawn, Training, place_of
from benchmarks.referee.kinds import WORLDS
from benchmarks.referee.worlds import MIN_GAIN

TRUTHS = Path(__file__).parents[1] / "known_truths.json"
"""What paired trainings said, written by `known_truths.py`."""
RATES = {"rate": (1e-4, 1e-1)}
"""The learning rates that a tuner may try, those of advisor's search."""
GAINS = (0, 0, 1, 2, 4)
"""How much better one arm is in worlds that follow each other, in deviations between seeds."""
WORLDS_OF_CLASSES = [world for world in WORLDS if not world.number and world.test]
"""The worlds whose scores are shares of right rows."""


# --- known answers ------------------------------------------------------------------------------


def known() -> list[str]:
    """Names of the known answers whose truth was measured, and of the real nulls."""
    return [*measured_cases(), *NULLS]


def is_study(name: str) -> bool:
    """Whether a known answer has a study file."""
    return name not in NULLS


def known_problem(name: str) -> Problem:
    """A known answer as a problem for tuners."""
    torch.set_num_threads(1)
    problem = problem_of(name)
    measured = json.loads(TRUTHS.read_text(encoding="utf-8"))[name]
    right = {KEEP}
    if is_study(name):
        expected = known_answers.case(name).expected
        if expected["verdict"] == ["change"]:
            right = {arm for arms in expected["choices"].values() for arm in arms} - {KEEP}
    return Problem(
        name=name,
        choices=(KEEP, *problem.arms),
        params=RATES,
        score=problem.train,
        gains={KEEP: 0.0, **{arm: truth["gain"] for arm, truth in measured.items()}},
        min_gain=problem.min_gain,
        right=frozenset(right),
        source=problem,
    )


# --- worlds -------------------------------------------------------------------------------------


def world_problem(number: int) -> Problem:
    """One study of a world of `worlds.py`; all its trainings are scored on the same rows."""
    spec = WORLDS_OF_CLASSES[number % len(WORLDS_OF_CLASSES)]
    drawn = Drawn(number, float(GAINS[number % len(GAINS)]), spec)
    names = (KEEP, *drawn.names)
    truth = [drawn.mean_score(place_of(name), drawn.best_rate(place_of(name))) for name in names]
    gains = {name: score - truth[0] for name, score in zip(names, truth, strict=True)}
    rows = np.arange(spec.choosing)

    def score(choice: str, params: Params, seed: int) -> float:
        return drawn.score(Training(place_of(choice), params["rate"], seed), rows)

    right = {arm for arm, gain in gains.items() if gain >= MIN_GAIN} if drawn.gain else set()
    return Problem(
        name=f"{spec.name} ({number})",
        choices=names,
        params=RATES,
        score=score,
        gains=gains,
        min_gain=MIN_GAIN,
        right=frozenset(right or {KEEP}),
        source=drawn,
    )


def arm_of(label: str) -> str:
    """The name of a choice from the label of an arm."""
    return label.rpartition("=")[2]


def problems(worlds: int, with_known: bool) -> Iterator[tuple[str, str | int]]:
    """The problems that are asked, by kind and name or number."""
    for number in range(worlds):
        yield "world", number
    if with_known:
        for name in known():
            yield "known", name


def opened(kind: str, name: str | int) -> Problem:
    """A problem, made in the process that asks it."""
    return world_problem(int(name)) if kind == "world" else known_problem(str(name))
