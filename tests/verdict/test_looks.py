"""Asking again with more seeds is a planned second look, and a third has no level."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace

import pytest
from torch import nn

import advisor
from advisor.store.query import read
from advisor.verdict.evidence import LOOK_LEVELS
from advisor.verdict.looks import with_look
from advisor.verdict.recommendation import Recommendation


def net():
    return nn.Sequential(nn.Linear(4, 8), nn.Sigmoid(), nn.Linear(8, 2))


@pytest.fixture
def ask(blobs, tmp_path):
    """Ask about one small study with so many seeds."""
    only = {"activation": ["elu"], "initializer": [], "pretraining": []}
    study = advisor.Study("looks", advisor.Task(net, blobs), trials=3, epochs=1, only=only)

    def ask(seeds, **more):
        asked = replace(study, seeds=seeds, **more)
        return advisor.tune(asked, storage=str(tmp_path / "a.db"), workers=0)

    return ask


def measured(folder):
    sql = "SELECT arm, params, seed, score, test FROM advisor_confirmations WHERE phase = 'measure'"
    return set(read(f"sqlite:///{folder}/a.db", sql)[1])


def test_more_seeds_are_a_second_look_with_a_level_of_its_own_and_a_third_is_refused(ask, tmp_path):
    first = ask(3)
    assert (first.gain.looks, first.gain.level) == ([3], LOOK_LEVELS[0])
    before = measured(tmp_path)
    second = ask(4)
    assert (second.gain.looks, second.gain.level, second.gain.seeds) == ([3, 4], LOOK_LEVELS[1], 4)
    assert before < measured(tmp_path), "the pairs that exist are the first of them"
    assert second.gain.needed is None, "no seeds would tell any more"
    (told,) = [reason for reason in second.reasons if "second look" in reason]
    assert "after one with 3 pairs of seeds" in told
    assert "99.8 %" in told
    assert not any("second look" in reason for reason in first.reasons)

    third = ask(6)
    assert (third.gain.looks, third.gain.mean) == ([3, 4], second.gain.mean)
    assert any("No level is left for another look" in warning for warning in third.warnings)
    assert not any("No level is left" in warning for warning in ask(4).warnings)
    assert Recommendation.from_json(second.to_json()).gain.looks == [3, 4]


def test_fewer_seeds_and_another_smallest_gain_are_no_new_look(ask):
    first = ask(4)
    assert ask(3).to_json() == first.to_json()
    again = ask(4, min_gain=0.4)
    assert (again.gain.looks, again.gain.level) == ([4], LOOK_LEVELS[0])
    fewer = ask(3, min_gain=0.3)
    assert (fewer.gain.looks, fewer.gain.seeds) == ([4], 4), "what was looked at counts"


def test_a_look_needs_new_pairs_and_a_level():
    assert with_look([], 5) == [5]
    assert with_look([5], 5) == [5]
    assert with_look([5], 3) == [5]
    assert with_look([5], 20) == [5, 20]
    assert with_look([5, 20], 40) == [5, 20]


def test_an_answer_of_the_version_before_is_answered_anew_and_its_seeds_stay(ask, tmp_path):
    first = ask(3)
    with sqlite3.connect(tmp_path / "a.db") as connection:
        plain = json.loads(first.to_json())
        del plain["evidence"]
        for key in ("looks", "level", "least", "params", "rows", "conflict"):
            del plain["gain"][key]
        connection.execute("UPDATE advisor_recommendations SET json = ?", (json.dumps(plain),))
        for new, old in (("choose", "select"), ("measure", "estimate")):
            connection.execute(
                "UPDATE advisor_confirmations SET phase = ?, score = 0.125 WHERE phase = ?",
                (old, new),
            )
    connection.close()
    sql = "SELECT arm, seed, score FROM advisor_confirmations WHERE phase IN ('select', 'estimate')"
    older = read(f"sqlite:///{tmp_path}/a.db", sql)[1]

    again = ask(3)
    assert again.evidence is first.evidence
    assert again.gain.looks == [3]
    assert again.baseline.scores == first.baseline.scores
    assert read(f"sqlite:///{tmp_path}/a.db", sql)[1] == older


def test_verdicts_on_the_same_rows_are_counted_whatever_the_name_and_the_seed(blobs, tmp_path):
    only = {"activation": ["elu"], "initializer": [], "pretraining": []}
    levels = []
    for seed in range(6):
        study = advisor.Study(
            f"count{seed}",
            advisor.Task(net, blobs),
            trials=2,
            epochs=1,
            seed=seed,
            seeds=3,
            only=only,
        )
        answer = advisor.tune(study, storage=str(tmp_path / "a.db"), workers=0)
        told = [warning for warning in answer.warnings if "on these rows" in warning]
        assert [warning.split()[3] for warning in told] == ([] if seed == 0 else [str(seed + 1)])
        assert answer.verdict != "change"
        levels.append(answer.gain.level)
    assert levels == sorted(levels)
    assert levels[0] == LOOK_LEVELS[0] < levels[-1]
