"""What the page of a study needs from the database, read-only."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from advisor.search.plan import RATE, Plan
from advisor.search.search import arm_label
from advisor.store.query import read
from advisor.verdict.recommendation import Recommendation


@dataclass(frozen=True)
class Trial:
    """One trial of the search; `score` is None where it has none that is a number, `why` says why
    it was cut.
    """

    number: int
    arm: str
    state: str
    score: float | None
    rate: float | None
    why: str

    @property
    def full(self) -> bool:
        """Whether it was trained to its end, with a score."""
        return self.state == "COMPLETE" and self.score is not None

    @property
    def told(self) -> str:
        """The trial in words."""
        score = "no score" if self.score is None else f"{self.score:.4g}"
        rate = "" if self.rate is None else f", lr {self.rate:.3g}"
        return f"trial {self.number}, {self.arm}: {score}{rate}{'; ' if self.why else ''}{self.why}"


def trials(url: str, found: Recommendation) -> list[Trial]:
    """The ended trials of the search, in their order."""
    choices: dict[int, dict[str, str]] = defaultdict(dict)
    for number, slot, technique in _rows(
        url, "SELECT number, slot, technique FROM advisor_choices WHERE study = ?", found.study
    ):
        choices[number][slot] = technique
    rates = {
        number: float(value)
        for number, value in _rows(
            url,
            "SELECT number, value FROM advisor_params WHERE study = ? AND name = ?",
            found.study,
            RATE,
        )
    }
    rows = _rows(
        url,
        "SELECT number, state, score, why FROM advisor_trials WHERE study = ? ORDER BY number",
        found.study,
    )
    return [
        Trial(
            number,
            label(found, choices[number]),
            state,
            _number(score),
            rates.get(number),
            why or "",
        )
        for number, state, score, why in rows
        if state in ("COMPLETE", "PRUNED", "FAIL")
    ]


def curves(url: str, study: str) -> dict[int, list[tuple[float, float]]]:
    """Epoch and score of each trial; without epochs whose score is no number."""
    found: dict[int, list[tuple[float, float]]] = defaultdict(list)
    for number, epoch, score in _rows(
        url,
        "SELECT number, epoch, score FROM advisor_curves WHERE study = ? ORDER BY number, epoch",
        study,
    ):
        if _number(score) is not None:
            found[number].append((epoch, score))
    return dict(found)


def searched_rates(url: str, study: str) -> tuple[float, float] | None:
    """The widest range from which the search drew learning rates."""
    sql = (
        "SELECT DISTINCT p.distribution_json FROM trial_params p JOIN trials t ON t.trial_id = p.trial_id"
        " JOIN studies s ON s.study_id = t.study_id WHERE s.study_name = ? AND p.param_name = ?"
    )
    ends = [json.loads(text)["attributes"] for (text,) in _rows(url, sql, study, RATE)]
    return (min(e["low"] for e in ends), max(e["high"] for e in ends)) if ends else None


def seed(url: str, study: str) -> int | None:
    """The seed of the study; the same one gives the same study."""
    rows = _rows(url, 'SELECT "plan" FROM advisor_plans WHERE study = ?', study)
    found = Plan.from_json(json.loads(rows[0][0])).identity.get("seed") if rows else None
    return None if found is None else int(found)


def pairs(url: str, found: Recommendation) -> list[tuple[float, float]]:
    """The scores of the model and of the arm that it was compared with, by fresh seed; empty where
    there is no such arm.
    """
    if found.verdict == "change":
        return list(zip(found.baseline["scores"], found.recommended["scores"], strict=True))
    sql = "SELECT seed, score, params FROM advisor_confirmations WHERE study = ? AND phase = 'estimate' AND arm = ?"
    sql += " AND score IS NOT NULL ORDER BY seed"
    by_params: dict[str, dict[int, float]] = defaultdict(dict)
    for seed, score, params in _rows(url, sql, found.study, label(found, found.gain["arm"])):
        by_params[params][seed] = float(score)
    own = {
        seed: score
        for seed, score, params in _rows(url, sql, found.study, arm_label({}))
        if json.loads(params) == found.baseline["params"]
    }
    sets = [
        [(own[seed], score) for seed, score in each.items() if seed in own]
        for each in by_params.values()
    ]
    return next((each for each in sets if found.gain["arm"] and _is_gain(found, each)), [])


def _is_gain(found: Recommendation, scores: list[tuple[float, float]]) -> bool:
    """Whether these are the pairs that the recommendation speaks of, and not those of a search that
    went on later.
    """
    mean = sum(found.sign * (other - own) for own, other in scores) / max(1, len(scores))
    return len(scores) == found.gain["seeds"] and math.isclose(
        mean, found.gain["mean"], rel_tol=1e-6, abs_tol=1e-9
    )


def label(found: Recommendation, choices: Mapping[str, str]) -> str:
    """An arm in words, its slots in the order of the study."""
    ordered = [slot for slot in found.choices if slot in choices]
    return arm_label(
        {slot: choices[slot] for slot in [*ordered, *sorted(set(choices) - set(ordered))]}
    )


def _rows(url: str, sql: str, *params: str) -> list[tuple[Any, ...]]:
    return read(url, sql, params)[1]


def _number(value: Any) -> float | None:
    return float(value) if value is not None and math.isfinite(float(value)) else None
