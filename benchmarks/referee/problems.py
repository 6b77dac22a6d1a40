"""The problems that tuners are asked: measured known answers, and worlds by formula."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import known_answers
import null_rate
import numpy as np
import torch
from known_problems import NULLS, measured_cases, problem_of
from protocol import KEEP, Params, Problem
from scipy.stats import norm

from advisor.randomness import mix
from advisor.search.arm import arm_label

TRUTHS = Path(__file__).parents[1] / "known_truths.json"
"""What paired trainings said, written by `known_truths.py`."""
RATES = {"rate": (1e-4, 1e-1)}
"""The learning rates that a tuner may try, those of advisor's search."""
GAINS = (0, 0, 1, 2, 4)
"""How much better one arm is in worlds that follow each other, in deviations between seeds."""
BROKEN = 0.3
"""What a broken training loses of its score, in a world by formula."""


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
    """A world of `benchmarks/null_rate.py`, or one of `worlds.py` where that is there."""
    gain = float(GAINS[number % len(GAINS)])
    specs = _specs()
    if not specs:
        world: null_rate.World = null_rate.World(number, (3, 8, 17)[number % 3], gain)
        return _problem(f"world {number}", world, world_gains(world))
    spec = specs[number % len(specs)]
    drawn = SpecWorld(number, spec.arms, gain, spec=spec)
    return _problem(f"{spec.name} ({number})", drawn, drawn.gains)


def world_gains(world: null_rate.World) -> dict[str, float]:
    """The true gain of each arm of a world, at its best rate."""
    better = world.gain * null_rate.SD
    gains = {f"t{i}": 0.0 for i in range(world.arms)}
    return {KEEP: 0.0, **gains, arm_of(null_rate.BETTER): better}


def _problem(name: str, world: null_rate.World, gains: Mapping[str, float]) -> Problem:
    """A world as a problem for tuners: all their trainings are scored on the same rows."""

    def score(choice: str, params: Params, seed: int) -> float:
        return world.score(arm_label({"activation": choice}), params["rate"], seed, 0)

    worth = 0.005
    right = {arm for arm, gain in gains.items() if gain >= worth} if world.gain else set()
    return Problem(
        name=name,
        choices=tuple(gains),
        params=RATES,
        score=score,
        gains=gains,
        min_gain=worth,
        right=frozenset(right or {KEEP}),
        source=world,
    )


def arm_of(label: str) -> str:
    """The name of a choice from the label of an arm."""
    return label.rpartition("=")[2]


def _specs() -> list[Any]:
    """The worlds of `worlds.py` whose scores are shares of right rows; none without that file."""
    try:
        worlds = importlib.import_module("benchmarks.referee.worlds")
    except ModuleNotFoundError:
        return []
    return [spec for spec in worlds.WORLDS if not spec.number and spec.test]


@dataclass(frozen=True)
class SpecWorld(null_rate.World):
    """One study drawn from a world of `worlds.py`, with a best learning rate for each arm.

    Attributes:
        spec: the world: its fields are read, and its scores are drawn by its own functions.
    """

    spec: Any = field(default=None, kw_only=True)

    @cached_property
    def _drawn(self) -> tuple[Any, Any, np.ndarray]:
        """The functions of the worlds, the arms of this study, and what choosing rows give them."""
        worlds = importlib.import_module("benchmarks.referee.worlds")
        rng = np.random.default_rng(mix(self.number, "study"))
        studies = worlds.draw_studies(self.spec, self.gain, 1, rng)
        return worlds, studies, worlds.choosing_rows(studies, rng)

    @property
    def gains(self) -> dict[str, float]:
        """The true gain of each choice."""
        truth = self._drawn[1].truth[0]
        names = [KEEP, *(f"t{i}" for i in range(self.arms))]
        return {name: float(value - truth[0]) for name, value in zip(names, truth, strict=True)}

    def mean_score(self, arm: str, rate: float) -> float:
        return float(self._drawn[1].truth[0, self._place(arm)]) - self._loss(arm, rate)

    def score(self, arm: str, rate: float, seed: int, split: int) -> float:
        # All arms of a seed are drawn together, so that they share what a seed gives to all.
        worlds, studies, rows = self._drawn
        rng = np.random.default_rng(mix(self.number, "training", seed))
        arms = np.arange(self.arms + 1)[None]
        drawn = worlds.choosing_scores(studies, arms, 1, rows, rng)[0, self._place(arm), 0]
        score = -BROKEN if np.isnan(drawn) else float(drawn)
        return self.spec.level + score - self._loss(arm, rate)

    def row_effect(self, arm: str) -> float:
        return float(self._drawn[2][0, self._place(arm)])

    def right_answers(self, arm: str, rate: float, seed: int) -> torch.Tensor:
        spec = self.spec
        rows = min(spec.test, null_rate.TEST_ROWS)

        def normal(*causes: object) -> np.ndarray:
            rng = np.random.default_rng(mix(self.number, "test", *causes))
            return rng.standard_normal(rows)

        value = np.sqrt(1 - spec.own_rows - spec.noise) * normal()
        value = value + np.sqrt(spec.own_rows) * normal(arm)
        value = value + np.sqrt(spec.noise) * normal(arm, seed)
        level = min(0.999, spec.level + self.mean_score(arm, rate))
        return torch.from_numpy((value < norm.ppf(level)).astype("int64"))

    def _place(self, arm: str) -> int:
        name = arm_of(arm)
        return int(name[1:]) + 1 if name[1:].isdigit() else 0

    def _loss(self, arm: str, rate: float) -> float:
        """What a rate that is not the arm's best costs."""
        best = -3 + self._normal("rate", arm) / 2
        return 0.01 * float(np.log10(rate) - best) ** 2


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
