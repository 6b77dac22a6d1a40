"""What the page of a study needs from the database, read-only."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from optuna.trial import TrialState

from advisor.readable import rate_text
from advisor.search.arm import arm_label
from advisor.search.plan import RATE, Plan
from advisor.store.query import read
from advisor.technique import KEEP
from advisor.verdict.recommendation import Recommendation
from advisor.verdict.records import Verdict

CHOICES = "SELECT number, slot, technique FROM advisor_choices WHERE study = ?"
"""The query for the technique in each slot of each trial."""
RATES = "SELECT number, value FROM advisor_params WHERE study = ? AND name = ?"
"""The query for the value of a parameter in each trial."""
TRIALS = "SELECT number, state, score, why FROM advisor_trials WHERE study = ? ORDER BY number"
"""The query for the trials, with how each ended."""
CURVES = "SELECT number, epoch, score FROM advisor_curves WHERE study = ? ORDER BY number, epoch"
"""The query for the score after each epoch of each trial."""
DISTRIBUTIONS = (
    "SELECT DISTINCT p.distribution_json FROM trial_params p"
    " JOIN trials t ON t.trial_id = p.trial_id JOIN studies s ON s.study_id = t.study_id"
    " WHERE s.study_name = ? AND p.param_name = ?"
)
"""The query for the ranges from which a parameter was drawn."""
PLANS = 'SELECT "plan" FROM advisor_plans WHERE study = ?'
"""The query for the plan of a study."""
FRESH_SEEDS = (
    "SELECT seed, score, params FROM advisor_confirmations"
    " WHERE study = ? AND phase IN ('measure', 'estimate') AND arm = ? AND score IS NOT NULL"
    " ORDER BY seed"
)
"""The query for the scores of an arm on the fresh seeds that measured it."""

Pairs = list[tuple[float, float]]
"""Scores of the user's model and of another arm, by fresh seed."""
Points = list[tuple[float, float]]
"""Epochs with the score after each."""


@dataclass(frozen=True)
class ShownTrial:
    """One trial of the search, as the page shows it.

    Attributes:
        number: its place in the search, from 0.
        arm: the arm in words.
        state: how it ended.
        score: None where it has none that is a number.
        rate: learning rate.
        why: why it ended before its last epoch, else empty.
    """

    number: int
    arm: str
    state: TrialState
    score: float | None
    rate: float | None
    why: str

    @property
    def is_full(self) -> bool:
        """Whether it was trained to its end, with a score."""
        return self.state == TrialState.COMPLETE and self.score is not None

    @property
    def rate_and_score(self) -> Points:
        """Both as a point; nothing where one of them is missing."""
        if not self.rate or self.score is None:
            return []
        return [(self.rate, self.score)]

    @property
    def sentence(self) -> str:
        """The trial in words."""
        score = "no score"
        if self.score is not None:
            score = f"{self.score:.4g}"
        sentence = f"trial {self.number}, {self.arm}: {score}"
        if self.rate is not None:
            sentence += f", lr {rate_text(self.rate)}"
        if self.why:
            sentence += f"; {self.why}"
        return sentence


def shown_trials(url: str, recommendation: Recommendation) -> list[ShownTrial]:
    """The ended trials of the search, in their order.

    Arguments:
        url: the database of the study.
        recommendation: the recommendation.
    """
    study = recommendation.study
    arms = arms_by_trial(url, study)
    plan = recorded_plan(url, study)
    own = [] if plan is None else plan.rates.values()
    rates = {
        name: {number: float(value) for number, value in _rows(url, RATES, study, name)}
        for name in (RATE, *own)
    }

    trials = []
    for number, name, score, why in _rows(url, TRIALS, study):
        # What is still running is left out: its numbers may change.
        state = TrialState[name]
        if not state.is_finished():
            continue
        arm = in_order(arms.get(number, {}), recommendation)
        trial = ShownTrial(
            number=number,
            arm=arm_label(arm),
            state=state,
            score=_finite(score),
            rate=rates[RATE if plan is None else plan.rate_of(arm)].get(number),
            why=why or "",
        )
        trials.append(trial)
    return trials


def arms_by_trial(url: str, study: str) -> dict[int, dict[str, str]]:
    """The technique in each slot of each trial."""
    arms: dict[int, dict[str, str]] = {}
    for number, slot, technique in _rows(url, CHOICES, study):
        arm = arms.setdefault(number, {})
        arm[slot] = technique
    return arms


def in_order(arm: Mapping[str, str], recommendation: Recommendation) -> dict[str, str]:
    """An arm with its slots in the order of the study; those of plugins that are gone come last."""
    slots = dict.fromkeys([*recommendation.choices, *sorted(arm)])
    return {slot: arm[slot] for slot in slots if slot in arm}


def learning_curves(url: str, study: str) -> dict[int, Points]:
    """Epoch and score by trial number, without epochs whose score is no number."""
    curves: dict[int, Points] = {}
    for number, epoch, score in _rows(url, CURVES, study):
        # A curve has a gap where the score was not finite.
        if _finite(score) is None:
            continue
        curve = curves.setdefault(number, [])
        curve.append((epoch, score))
    return curves


def searched_rates(url: str, study: str) -> tuple[float, float] | None:
    """The widest range from which the search drew learning rates; None where it drew none."""
    # The search may have widened its range.
    lows = []
    highs = []
    for (text,) in _rows(url, DISTRIBUTIONS, study, RATE):
        distribution = json.loads(text)["attributes"]
        lows.append(float(distribution["low"]))
        highs.append(float(distribution["high"]))
    if not lows:
        return None
    return min(lows), max(highs)


def study_seed(url: str, study: str) -> int | None:
    """The seed of the study; the same one gives the same study."""
    plan = recorded_plan(url, study)
    seed = None if plan is None else plan.identity.get("seed")
    return None if seed is None else int(seed)


def recorded_plan(url: str, study: str) -> Plan | None:
    """The plan of the study; None where the database has none."""
    rows = _rows(url, PLANS, study)
    return Plan.from_json(json.loads(rows[0][0])) if rows else None


def measured_pairs(url: str, recommendation: Recommendation) -> Pairs:
    """The pairs that the gain was measured on; empty where there are none.

    There are none without another arm, and where the search went on since.

    Arguments:
        url: the database of the study.
        recommendation: the recommendation.
    """
    if recommendation.verdict == Verdict.CHANGE:
        baseline = recommendation.baseline.scores
        return list(zip(baseline, recommendation.recommended.scores, strict=True))
    if not recommendation.gain.arm:
        return []

    # An arm may have been measured with several settings: the gain says which ones it speaks of.
    own = baseline_scores(url, recommendation)
    arm = arm_label(recommendation.gain.arm)
    others = _fresh_scores(url, recommendation.study, arm)
    for params, scores in others.items():
        pairs = [(own[seed], score) for seed, score in scores.items() if seed in own]
        if is_gain_of(recommendation, json.loads(params), pairs):
            return pairs
    return []


def baseline_scores(url: str, recommendation: Recommendation) -> dict[int, float]:
    """The scores of the user's model at the rates that it is compared at, by fresh seed."""
    own: dict[int, float] = {}
    for params, scores in _fresh_scores(url, recommendation.study, KEEP).items():
        settings = json.loads(params)
        if settings == recommendation.baseline.params:
            own.update(scores)
    return own


def _fresh_scores(url: str, study: str, arm: str) -> dict[str, dict[int, float]]:
    """Scores of an arm by its parameters, as JSON, and by fresh seed."""
    by_params: dict[str, dict[int, float]] = {}
    for seed, score, params in _rows(url, FRESH_SEEDS, study, arm):
        scores = by_params.setdefault(params, {})
        scores[seed] = float(score)
    return by_params


def is_gain_of(recommendation: Recommendation, params: Mapping[str, Any], pairs: Pairs) -> bool:
    """Whether the recommendation's gain is that of these pairs, of an arm with these parameters."""
    gain = recommendation.gain
    if len(pairs) != gain.seeds:
        return False
    if gain.params:
        own = sorted(score for score, _ in pairs)
        return gain.params == params and own == sorted(recommendation.baseline.scores)
    # Versions before 0.3 did not keep the parameters, and their gain was the mean of the pairs.
    sign = recommendation.sign
    differences = [sign * (other - own) for own, other in pairs]
    mean = sum(differences) / len(differences)
    return math.isclose(mean, gain.mean, rel_tol=1e-6, abs_tol=1e-9)


def _rows(url: str, sql: str, *params: str) -> list[tuple[Any, ...]]:
    _, rows = read(url, sql, params)
    return rows


def _finite(value: Any) -> float | None:
    """A number, or None where there is none: a database has NULL, NaN and infinities."""
    if value is None:
        return None
    finite = float(value)
    return finite if math.isfinite(finite) else None
