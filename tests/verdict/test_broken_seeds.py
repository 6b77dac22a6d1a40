"""A training that the model or a technique breaks on a fresh seed: told, and never a score."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch import nn

import advisor
from advisor.api.tune import tune
from advisor.errors import SearchError
from advisor.randomness import mix
from advisor.report.study_page import study_page
from advisor.report.study_text import show_recommendation
from advisor.store.query import read
from advisor.training.criterion import Criterion
from advisor.training.metrics import METRICS
from advisor.verdict.candidates import Candidate, Candidates, FreshScore, choose
from advisor.verdict.choosing import choose_arm
from advisor.verdict.recommendation import Recommendation

PLUGIN = """
import advisor, torch

class Mend(advisor.Technique):
    name, slot, cite = "mend", "initializer", "unpublished"
    def apply(self, run):
        if run.seed in {seeds!r}:
            raise ArithmeticError("no luck with this seed")
        first, last = run.model.first, run.model.last
        with torch.no_grad():
            first.weight.fill_(1), first.bias.fill_(0)
            last.weight.copy_(torch.tensor([[-1.0], [1.0]]).expand(2, 8))
            last.bias.copy_(torch.tensor([24.0, -24.0]))
        run.model.scale = 1.0
        return "set the weights to what they should be"

@advisor.hookimpl
def techniques():
    return [Mend()]
"""
MEASURE = [mix(0, "measure", seed) for seed in range(20)]
"""The random seeds on which a gain is measured."""
CHOOSE = [mix(0, "choose", seed) for seed in range(3)]
"""The random seeds that choose an arm."""


class Dim(nn.Module):
    """Learns nothing but a bias, until its scale is another one."""

    unlucky: tuple[int, ...] = ()

    def __init__(self):
        super().__init__()
        self.breaks = torch.initial_seed() in [mix(seed, "model") for seed in self.unlucky]
        self.first, self.last, self.scale = nn.Linear(4, 8), nn.Linear(8, 2), 1e-6

    def forward(self, x):
        if self.breaks and self.scale < 1:
            raise ArithmeticError("no luck with this seed")
        return self.last(self.first(x).relu() * self.scale)


@pytest.fixture
def answered(blobs, write, tmp_path):
    """The answer about a model and a technique that break on some seeds, and its database."""

    def answered(model=(), technique=(), seeds=5, name="a.db"):
        broken = type("Dim", (Dim,), {"unlucky": tuple(model)})
        only = {"initializer": ["mend"], "activation": [], "pretraining": [], "embedding": []}
        task = advisor.Task(build=lambda: broken(), data=blobs)
        study = advisor.Study("dim", task, trials=4, epochs=3, seeds=seeds, only=only)
        plugin = write("mend.py", PLUGIN.format(seeds=set(technique)))
        return tune(study, storage=str(tmp_path / name), plugins=[plugin], workers=0)

    return answered


def confirmations(folder, what):
    return read(f"sqlite:///{folder}/a.db", f"SELECT {what} FROM advisor_confirmations")[1]


def test_without_a_break_the_technique_is_the_answer(answered):
    found = answered()
    assert (found.verdict, found.gain.broken, found.gain.left_out) == ("change", [0, 0], 0)
    assert found.gain.seeds == 5
    assert not any("left out" in warning for warning in found.warnings)


def test_a_seed_on_which_the_model_broke_is_left_out_and_told(answered, tmp_path, capsys):
    whole, found = answered(), None
    (tmp_path / "a.db").unlink()
    found = answered(model=MEASURE[1:2])
    assert (found.gain.broken, found.gain.left_out, found.gain.seeds) == ([1, 0], 1, 4)
    scores = whole.baseline.scores
    assert found.baseline.scores == [scores[0], *scores[2:]]
    others = whole.recommended.scores
    assert found.recommended.scores == [others[0], *others[2:]]
    assert found.gain.mean == pytest.approx(whole.gain.mean, abs=0.05), "it is not averaged"
    assert found.verdict == "change"

    told = (
        "1 of 5 pairs of trainings is left out: your model as it is broke on 1 of 5 fresh seeds "
        "(ArithmeticError: no luck with this seed (test_broken_seeds.py:"
    )
    assert any(warning.startswith(told) for warning in found.warnings)
    again = Recommendation.from_json(found.to_json())
    assert again.gain.broken == [1, 0]
    show_recommendation(found, why=True)
    words = " ".join(capsys.readouterr().out.split())
    assert "broken 1 training of your model, 0 of initializer=mend; 1 of 5 pairs left out" in words
    assert told.split("(")[0].strip() in words
    page = study_page(found, f"sqlite:///{tmp_path}/a.db")
    assert "1 of 5 pairs left out" in page
    assert page.count("fresh seed: ") >= 4

    (score, why) = next(row for row in confirmations(tmp_path, "score, why") if row[1])
    assert score is None
    assert "no luck" in why


def test_what_broke_is_not_trained_again_on_a_resume(answered, tmp_path, monkeypatch):
    first = answered(model=MEASURE[1:2])
    before = confirmations(tmp_path, "*")
    monkeypatch.setattr(advisor.api.tuning, "still_answers", lambda *_: False)
    again = answered(model=MEASURE[1:2])
    assert confirmations(tmp_path, "*") == before, "seconds would differ"
    assert vars(again.gain) == vars(first.gain)
    monkeypatch.undo()
    last = answered(model=MEASURE[1:2])
    assert last.to_json() == again.to_json(), "it answers at once: its seeds are met"


def test_breaking_too_rarely_to_tell_is_told_and_neither_vetoes_nor_recommends(answered):
    found = answered(technique=MEASURE[:1])
    assert found.gain.mean > 0.2
    assert (found.verdict, found.gain.broken, found.gain.left_out) == ("change", [0, 1], 1)
    told = "your model as it is broke on 0 of 5 fresh seeds, initializer=mend on 1 of 5"
    assert any(told in warning for warning in found.warnings)
    found = answered(model=MEASURE[1:2], technique=MEASURE[:1], name="both.db")
    assert (found.verdict, found.gain.broken, found.gain.left_out) == ("change", [1, 1], 2)


def test_an_arm_that_is_shown_to_break_more_often_is_not_recommended(answered):
    found = answered(technique=MEASURE[2:11], seeds=13)
    assert found.gain.low > 0.2, "what it gains elsewhere"
    assert (found.verdict, found.evidence) == ("keep", "worse")
    assert (found.gain.broken, found.gain.left_out, found.gain.seeds) == ([0, 9], 9, 4)
    assert found.reasons[0].startswith("initializer=mend, the best other arm, broke on 9 of 13")
    (other,) = found.alternatives
    assert other.why_not.startswith("broke on 9 of 13 fresh seeds (ArithmeticError: no luck")


def test_an_arm_that_is_shown_to_break_less_often_is_recommended(answered):
    found = answered(model=MEASURE[2:11], seeds=13)
    assert (found.verdict, found.evidence) == ("change", "better")
    assert (found.gain.broken, found.gain.seeds) == ([9, 0], 4)
    assert "exact McNemar test" in found.reasons[0]
    assert found.gain.level == pytest.approx(0.9984), "breaking has the rest of the level"


def test_an_arm_that_breaks_in_some_trainings_is_compared_on_the_others(answered):
    found = answered(technique=[MEASURE[i] for i in (3, 9, 17)], seeds=20)
    assert (found.gain.broken, found.gain.left_out, found.gain.seeds) == ([0, 3], 3, 17)
    assert found.verdict == "change"
    own, other = found.baseline.scores, found.recommended.scores
    assert len(own) == len(other) == 17


def test_an_arm_that_breaks_on_all_seeds_that_measure_is_not_compared(answered, tmp_path, capsys):
    found = answered(technique=MEASURE)
    assert (found.verdict, found.gain.broken) == ("undecided", [0, 5])
    assert found.choices["initializer"] == "keep"
    assert "initializer=mend, the best other arm, broke on 5 of 5" in found.reasons[0]
    assert found.alternatives[0].why_not.startswith("broke on 5 of 5")
    show_recommendation(Recommendation.from_json(found.to_json()))
    assert "UNDECIDED; keep your model for now" in capsys.readouterr().out
    study_page(found, f"sqlite:///{tmp_path}/a.db")


def test_an_arm_that_breaks_on_all_seeds_that_choose_is_told(answered, tmp_path):
    found = answered(technique=CHOOSE)
    assert found.verdict == "keep"
    assert "initializer=mend broke on 3 of 3 fresh seeds" in found.reasons[0]
    (other,) = found.alternatives
    assert (other.mean, other.gain) == (None, None)
    again = Recommendation.from_json(found.to_json())
    assert again.to_json() == found.to_json()
    assert "broke on 3 of 3 fresh seeds" in study_page(again, f"sqlite:///{tmp_path}/a.db")


def test_an_arm_that_broke_while_choosing_is_measured_with_the_most_pairs(answered):
    found = answered(technique=CHOOSE[:1], seeds=None)
    assert found.gain.seeds == 20
    assert found.verdict == "change"


@pytest.mark.parametrize("seeds", [CHOOSE, MEASURE[1:5], MEASURE])
def test_a_model_that_breaks_on_nearly_all_seeds_ends_with_its_reason_each_time(
    answered, seeds, tmp_path
):
    for _ in range(2):
        with pytest.raises(SearchError, match=r"as it is broke on \d+ of \d+ fresh seeds \(Arith"):
            answered(model=seeds)
    assert all(score is None for score, why in confirmations(tmp_path, "score, why") if why)


# --- the choice ----------------------------------------------------------------------------------


def candidate(**choices):
    arm = {"activation": "keep", "initializer": "keep", **choices}
    return Candidate(arm, {"training.lr": 0.001, "training.weight_decay": 0.0}, 0.9)


def results(*scores):
    return [
        FreshScore(score, 1.0, why="" if score is not None else "the loss became nan")
        for score in scores
    ]


def test_an_arm_that_broke_while_choosing_ranks_behind_one_that_did_not():
    one, other = candidate(initializer="he"), candidate(activation="elu")
    scores = {one.label: results(0.99, 0.99, None), other.label: results(0.7, 0.7, 0.7)}
    assert choose([one, other], scores, 1.0, 0.005) is other
    scores[other.label] = results(0.7, None, None)
    assert choose([one, other], scores, 1.0, 0.005) is one


def test_the_model_is_taken_at_the_rates_at_which_it_broke_least():
    start, tuned, elu = (
        replace(arm, searched=None)
        for arm in (candidate(), candidate(), candidate(activation="elu"))
    )
    given = {id(start): (0.8, 0.8, 0.8), id(tuned): (0.9, None, 0.9), id(elu): (0.85, 0.85, 0.85)}

    def score(phase, arms, seeds, of, later=None):
        assert (phase, of) == ("choose", 3)
        return [[results(*given[id(arm)])[seed] for seed in seeds] for arm in arms]

    candidates = Candidates(start, tuned, [elu], [])
    criterion = Criterion(METRICS["accuracy"])
    runs = SimpleNamespace(score=score, are_together=lambda arms, seeds: False)
    chosen = choose_arm(runs, candidates, criterion, None, "any")
    assert (chosen.baseline, chosen.best) == (start, elu)
    assert (chosen.pairs, chosen.min_gain) == (5, 0.005)
