"""Each kind of evidence as text, as JSON and on the page."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from answers import GAIN, answer

from advisor.report.progress import TITLES
from advisor.report.study_page import study_page
from advisor.report.study_text import key_numbers, show_recommendation
from advisor.report.verdict_words import costs_of_changes
from advisor.store.database import Database
from advisor.store.query import read
from advisor.training.ended import Ended
from advisor.verdict.recommendation import Recommendation
from advisor.verdict.records import CutTrial, Evidence, SingleTechnique


@pytest.fixture
def url(tmp_path):
    Database(f"sqlite:///{tmp_path}/a.db", ()).close()
    return f"sqlite:///{tmp_path}/a.db"


@pytest.fixture
def everywhere(url, capsys):
    """What an answer is on the terminal, without line breaks, and on the page; after its JSON."""

    def everywhere(found):
        again = Recommendation.from_json(found.to_json())
        assert again.evidence == found.evidence
        show_recommendation(again, why=True)
        return " ".join(capsys.readouterr().out.split()), study_page(again, url)

    return everywhere


@pytest.mark.parametrize(
    ("evidence", "verdict", "said"),
    [
        (Evidence.BETTER, "change", "change activation → selu"),
        (
            Evidence.EQUIVALENT,
            "keep",
            "keep your model as it is (equivalent: no difference worth a change)",
        ),
        (
            Evidence.WORSE,
            "keep",
            "keep your model as it is (worse: activation=selu is worse)",
        ),
        (
            Evidence.NOT_BETTER,
            "keep",
            "keep your model as it is (not better: no gain worth a change)",
        ),
        (
            Evidence.OPEN,
            "undecided",
            "undecided between your model and activation=selu (open: it may be worth a "
            "change, or not)",
        ),
        (None, "keep", "keep your model as it is"),
    ],
)
def test_the_headline_says_which_evidence_it_is(everywhere, evidence, verdict, said):
    found = answer(evidence, verdict)
    text, page = everywhere(found)
    first, rest = said.split(" ", 1)
    assert f"digits: {first.upper()} {rest} " in text
    assert f"{first.capitalize()} {rest}</h1>" in page
    assert json.loads(found.to_json())["evidence"] == evidence


def test_a_model_that_was_alone_is_kept_for_want_of_another(everywhere):
    alone = replace(GAIN, mean=0.0, low=0.0, high=0.0, arm={}, test=None, least=None)
    text, page = everywhere(answer(Evidence.EQUIVALENT, gain=alone))
    said = "your model as it is (there was nothing to compare it with)"
    assert f"KEEP {said}" in text
    assert f"Keep {said}</h1>" in page
    assert "best other none" in text


def test_a_gain_is_told_with_the_least_that_decided_and_what_it_rests_on(everywhere):
    text, page = everywhere(answer(Evidence.BETTER, "change"))
    rests = "95 % [+0.011, +0.031], p 0.0011, 20 pairs, 900 rows"
    gain = "+0.021, at least +0.008 (99.2 %)"
    assert f"gain {gain}; {rests}; worth a change from 0.005" in text
    assert gain in page
    assert rests in page
    assert "training sets drawn as here, new rows of the same kind" in page


def test_a_change_that_breaks_less_says_no_least_gain():
    gain = replace(GAIN, mean=0.001, low=-0.01, high=0.012, least=-0.014, broken=[9, 0], left_out=9)
    numbers = dict(key_numbers(answer(Evidence.BETTER, "change", replace(gain, seeds=11))))
    assert "at least" not in numbers["gain"]
    assert numbers["broken"] == (
        "9 trainings of your model, 0 of activation=selu; 9 of 20 pairs left out"
    )


def test_what_is_open_says_what_would_tell_and_the_command_that_goes_on(everywhere):
    gain = replace(GAIN, mean=0.006, low=-0.004, high=0.016, needed=42, needed_rows=3100)
    text, page = everywhere(answer(Evidence.OPEN, "undecided", gain))
    said = (
        "about 42 pairs of seeds (the same command with --seeds 42 goes on) or about 3,100 rows "
        "that measure"
    )
    assert f"would tell {said}" in text
    assert said in page
    never = dict(key_numbers(answer(Evidence.OPEN, "undecided", GAIN)))
    assert never["would tell"] == "no number of seeds or rows that one can ask for"
    assert "would tell" not in dict(key_numbers(answer(Evidence.EQUIVALENT)))


def test_the_test_rows_stand_beside_the_others_and_a_contradiction_is_said(everywhere):
    both = "+0.024 [+0.010, +0.038] over 360 rows of the test; +0.018 over the 540 other rows"
    text, page = everywhere(answer(Evidence.BETTER, "change"))
    assert both in text
    assert both in page
    assert "contradict" not in text
    gain = replace(GAIN, rest=-0.03, conflict=0.002)
    text, page = everywhere(answer(Evidence.OPEN, "undecided", gain))
    said = "-0.030 over the 540 other rows that measured: these contradict each other (p 0.002)"
    assert said in text
    assert said in page


def test_without_rows_the_interval_is_said_to_be_of_seeds_only():
    numbers = dict(key_numbers(answer(Evidence.BETTER, "change", replace(GAIN, rows=0, test=None))))
    assert "20 pairs, for new seeds only, not for new rows" in numbers["gain"]


def test_each_class_has_its_share_of_the_rows_in_the_answer(everywhere):
    text, page = everywhere(answer(Evidence.WORSE, shares={"no": 0.93, "yes": 0.07}))
    for said in (text, page):
        assert "no 93.0 %, yes 7.0 % of the rows" in said


def test_what_leaving_out_a_change_costs_is_told_of_several_and_never_of_an_old_answer(everywhere):
    costs = {"activation": 0.0123, "initializer": -0.0004}
    text, page = everywhere(answer(Evidence.BETTER, "change", importance=costs))
    assert "What leaving a change out costs (accuracy) · activation: +0.0123" in text
    assert "· initializer: -0.0004" in text
    cost = r'>activation</td><td class="n whole" data-label="cost" title="[^"]+">\+0.0123</td>'
    assert re.search(cost, page)
    assert "all of them: your model</td>" in page
    old = answer(None, "change", importance={"activation": 0.7, "initializer": 0.3})
    assert "leaving" not in "".join(everywhere(old))
    assert costs_of_changes(answer(Evidence.BETTER, "change", importance={"a": 0.1})) == []


def technique(name, trials, alone=None):
    slot = None if name == "keep" else "activation"
    return SingleTechnique(slot, name, trials, alone, alone, name, False, {})


def test_a_technique_that_was_never_trained_to_its_end_alone_is_not_judged(everywhere):
    rows = [
        technique("keep", 3, 0.94),
        technique("elu", 3, 0.95),
        technique("mish", 3),
        technique("gelu", 0),
        technique("selu", 1),
    ]
    cut = [
        CutTrial(n, "activation=mish", "loss 9", 9.0, Ended.OUTRANKED, e)
        for n, e in ((4, 3), (5, 1))
    ]
    text, page = everywhere(answer(Evidence.WORSE, isolation=rows, pruned=cut))
    for said in (text, page):
        assert "not judged (3 trials, alone cut after 1 epoch, after 3 epochs)" in said
        assert "not judged (1 trial, none of it alone)" in said
    assert "activation elu: 0.95, +0.01 to your model, 3 trials" in text
    assert "not judged, without a trial: activation gelu" in text
    assert "not judged (0 trials)" in page
    assert "+0.01 (0.95), 3 trials" in page


def test_no_stage_is_called_a_held_out_test():
    assert "test" not in TITLES


def test_evidence_can_be_queried_beside_the_verdict_also_in_an_older_database(url):
    with Database(url, ()) as database, database.engine.begin() as connection:
        connection.exec_driver_sql("DROP VIEW advisor_studies")
        connection.exec_driver_sql("ALTER TABLE advisor_recommendations DROP COLUMN evidence")
        connection.exec_driver_sql(
            "INSERT INTO advisor_recommendations (study, created, verdict, json) VALUES ('old', '2025-01-01 00:00:00', 'keep', '{}')"
        )
    with Database(url, ()) as database:
        database.study("new").save_recommendation("keep", "{}", Evidence.NOT_BETTER)
    _, found = read(url, "SELECT study, evidence FROM advisor_recommendations ORDER BY created")
    assert found == [("old", None), ("new", "not_better")]
    columns, _ = read(url, "SELECT * FROM advisor_studies")
    assert columns[1:3] == ["verdict", "evidence"]
