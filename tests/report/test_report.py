"""A study as a page: whole, self-contained, escaped, and true to the recommendation."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, replace
from xml.etree import ElementTree

import pytest
import torch
from torch import nn

import advisor
from advisor.readable import interval_text, rounded
from advisor.report.plot import Scale, around_good
from advisor.report.search_plots import plot_curves
from advisor.report.study_data import (
    learning_curves,
    measured_pairs,
    searched_rates,
    shown_trials,
)
from advisor.report.study_page import study_page
from advisor.report.study_text import with_metric
from advisor.report.technique_plots import plot_techniques, untrained_techniques
from advisor.verdict.recommendation import Recommendation
from advisor.verdict.records import CutTrial, SingleTechnique

NAME = "<script>alert('me')</script>"
EVIL = "<script>alert(1)</script>"
LONELY = """\
import advisor
import torch
from torch import nn


def rows():
    x = torch.randn(80, 3, generator=torch.Generator().manual_seed(0))
    return x, (x[:, 0] > 0).long()


only = {"activation": [], "initializer": [], "pretraining": [], "embedding": []}
task = advisor.Task(lambda: nn.Linear(3, 2), rows)
study = advisor.Study("lonely", task, trials=2, epochs=2, seeds=3, only=only)
"""


def net():
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A real recommendation by loss (less is better), and the database of its study."""
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(120) % 2
    x = torch.randn(120, 4, generator=generator) + 1.5 * y[:, None]
    only = {
        "activation": ["elu", "relu"],
        "initializer": ["he"],
        "pretraining": [],
        "embedding": [],
    }
    study = advisor.Study(
        NAME,
        advisor.Task(net, (x, y), metric="loss"),
        trials=10,
        epochs=3,
        seeds=3,
        only=only,
        min_gain=0.001,
    )
    path = tmp_path_factory.mktemp("report") / "studies.db"
    return advisor.tune(study, storage=str(path), workers=0), f"sqlite:///{path}"


@pytest.fixture
def lonely(write):
    return write("lonely.py", LONELY)


def drawings(page):
    """The plots of a page, parsed as XML."""
    return [
        ElementTree.fromstring(text)
        for text in re.findall(r"<svg(?! class).*?</svg>", page, re.DOTALL)
    ]


def test_every_plot_is_well_formed_and_nothing_lies_outside_of_it(made):
    plots = drawings(study_page(*made))
    assert {plot.get("aria-label") for plot in plots} >= {
        "Paired scores",
        "Gain",
        "Trials",
        "Learning curves",
    }
    for plot in plots:
        _, _, width, height = map(float, plot.get("viewBox").split())
        points = [(float(dot.get("cx")), float(dot.get("cy"))) for dot in plot.iter("circle")]
        points += [
            tuple(map(float, pair.split(",")))
            for line in plot.iter("polyline")
            for pair in line.get("points").split()
        ]
        assert points
        assert all(0 <= x <= width and 0 <= y <= height for x, y in points)


def test_a_study_keeps_the_signal_of_each_layer(made):
    found, _ = made
    assert [each.layer for each in found.signals.before] == ["0", "2"]
    assert all(each.std > 0 and each.gradient > 0 for each in found.signals.before)
    assert bool(found.signals.after) == (found.verdict == "change")


def test_the_page_needs_neither_network_nor_script(made):
    page = study_page(*made)
    assert not re.search(r"https?:|<script|<link|<img|@import|url\(|\son\w+=", page)
    assert "prefers-color-scheme: dark" in page


def test_every_trial_has_a_point_that_tells_its_number(made):
    found, url = made
    titles = {
        dot.findtext("title")
        for plot in drawings(study_page(found, url))
        for dot in plot.iter("circle")
    }
    tried = shown_trials(url, found)
    assert len(tried) == found.trials.total == 10
    assert {trial.sentence for trial in tried if trial.score is not None} <= titles


def test_the_pairs_are_those_that_the_gain_was_measured_on(made):
    found, url = made
    scores = measured_pairs(url, found)
    assert sorted(own for own, _ in scores) == pytest.approx(sorted(found.baseline.scores))
    if found.verdict == "change":
        assert [other for _, other in scores] == found.recommended.scores
    page = study_page(found, url)
    assert all(f"fresh seed: {own:.4g} → {other:.4g}" in page for own, other in scores)
    kept = replace(found, verdict="keep")
    assert sorted(measured_pairs(url, kept)) == sorted(scores), "they are read of the database"
    another = replace(kept, gain=replace(found.gain, params={"training.lr": 9.0}))
    assert measured_pairs(url, another) == [], "of another recommendation"


def test_the_pairs_of_an_answer_of_the_version_before_are_those_whose_mean_is_the_gain(made):
    found, url = made
    scores = measured_pairs(url, replace(found, verdict="keep"))
    mean = sum(own - other for own, other in scores) / len(scores)
    older = replace(found, verdict="keep", gain=replace(found.gain, params={}, mean=mean))
    assert measured_pairs(url, older) == scores
    assert measured_pairs(url, replace(older, gain=replace(older.gain, mean=9.0))) == []


@pytest.mark.parametrize(
    ("verdict", "said"),
    [
        ("change", "Change initializer → he</h1>"),
        ("keep", "Keep your model as it is</h1>"),
        ("undecided", "Undecided between your model and "),
    ],
)
def test_the_headline_is_the_verdict_and_the_numbers_follow(made, verdict, said):
    found, url = made
    arm = {"activation": "keep", "initializer": "he"}
    page = study_page(replace(found, verdict=verdict, evidence=None, choices=arm), url)
    gain = found.gain
    for words in (
        said,
        interval_text(gain.mean, gain.low, gain.high),
        f"p {gain.p:.2g}",
        rounded(gain.searched, gain.error, sign=True),
    ):
        assert words in page
    order = ["What to change", "Apply it", "The gain, seed by seed", "What it costs", "The numbers"]
    places = [page.index(f"<h2>{title}</h2>") for title in order]
    assert places == sorted(places)
    assert page.index("</h1>") < page.index('<p class="lead">') < places[0]
    assert ("reaches" in page) == (verdict != "change")


def evil(value):
    """The same, every text in it a script."""
    if isinstance(value, dict):
        return {key: evil(each) for key, each in value.items()}
    if isinstance(value, list):
        return [evil(each) for each in value]
    return EVIL if isinstance(value, str) else value


def test_what_anybody_named_is_text_and_never_html(made):
    found, url = made
    assert "&lt;script&gt;alert(&#39;me&#39;)" in study_page(found, url)
    kept = {
        key: value
        for key, value in asdict(found).items()
        if key in ("study", "direction", "verdict", "evidence")
    }
    texts = dict.fromkeys(("sentence", "kind", "place", "source", "slot"), EVIL)
    finding = {**texts, "number": 1.0, "threshold": 0.5}
    more = {
        "findings": [finding],
        "pruned": [{"number": 1, "arm": EVIL, "why": EVIL, "score": 0.5}],
        "floors": [{"model": "linear", "score": None, "rows": 9, "why": EVIL}],
    }
    names = {
        "choices": {EVIL: EVIL},
        "importance": {EVIL: 1.0},
        "shares": {EVIL: 1.0},
        "versions": {EVIL: EVIL},
        "params": {EVIL: EVIL},
    }
    plain = {**evil(asdict(found)), **kept, **more, **names, "verdict": "change"}
    page = study_page(Recommendation.from_json(json.dumps(plain)), url)
    assert "<script" not in page
    assert page.count("&lt;script&gt;alert(1)") > 20


def test_many_trials_that_were_cut_are_folded_away(made):
    found, url = made
    row = CutTrial(number=1, arm="keep", why="loss 9 after 20 steps", score=9.0)
    assert "more</summary>" not in study_page(replace(found, pruned=[row] * 20), url)
    page = study_page(replace(found, pruned=[row] * 25), url)
    assert "<summary>5 more</summary>" in page
    assert page.count("loss 9 after 20 steps") == 25


def test_techniques_alone_are_sorted_by_slot_and_score_with_zero_in_sight(made):
    found, _ = made
    rows = []
    for slot, name, loss in (("a", "fair", 5.0), ("b", "good", 2.0), ("a", "best", 1.0)):
        rows.append(replace(found.isolation[1], slot=slot, technique=name, alone=loss))
    own = replace(found.isolation[0], alone=7.0)
    plot = plot_techniques(replace(found, isolation=[own, *rows]))
    own, *others = plot.dots
    assert own.title == "your model as it is: 7"
    assert [dot.title for dot in others] == ["+6 (1)", "+2 (5)", "+5 (2)"], "less is better"
    assert len(plot.lines) == 1, "that of zero: the best of several trials has no interval"
    assert [word.text for word in plot.words if word.anchor == "end"] == [
        "your model as it is",
        "a",
        "best",
        "fair",
        "b",
        "good",
    ]
    assert plot.x.low < 0 < plot.x.high


def test_a_technique_without_a_point_says_why(made):
    found, _ = made
    slow = SingleTechnique(
        slot="start",
        technique="slow",
        trials=3,
        alone=None,
        best=None,
        arm=None,
        identical=False,
        params={},
    )
    same = replace(slow, technique="same", identical=True)
    why = "loss 2.3 after epoch 1, and 3 of 4 were better"
    cut = CutTrial(number=4, arm="start=slow", why=why, score=2.3, epochs=1)
    rows = untrained_techniques(
        replace(found, isolation=[found.isolation[0], slow, same], pruned=[cut])
    )
    assert rows == [
        (
            "start",
            "slow",
            f"not judged (3 trials, alone cut after 1 epoch): {why}",
        ),
        ("start", "same", "identical to your model"),
    ]


@pytest.mark.parametrize(
    ("metric", "test_metric", "axis"),
    [
        ("loss", "loss", "loss"),
        ("loss", "", "loss"),
        ("epochs to accuracy 0.9", "accuracy", "accuracy"),
    ],
)
def test_learning_curves_are_of_the_metric_that_was_seen_after_each_epoch(
    made, metric, test_metric, axis
):
    found, url = made
    plot = plot_curves(
        replace(found, metric=metric, test_metric=test_metric),
        shown_trials(url, found),
        learning_curves(url, found.study),
        {"keep": "base"},
    )
    assert plot.y_name == axis
    assert len(plot.lines[0].points) == found.epochs == 3


@pytest.mark.parametrize(
    ("metric", "test_metric", "text"),
    [
        ("loss", "loss", "0.5"),
        ("epochs to accuracy 0.9", "accuracy", "accuracy 0.5"),
        ("epochs to accuracy 0.9", "", "0.5"),
    ],
)
def test_a_test_score_names_its_metric_where_arms_are_compared_by_another(
    made, metric, test_metric, text
):
    found, _ = made
    assert found.test_metric == "loss"
    other = replace(found, metric=metric, test_metric=test_metric)
    assert with_metric(other, "0.5") == text


def test_the_range_of_learning_rates_holds_all_that_were_tried(made):
    found, url = made
    low, high = searched_rates(url, found.study)
    assert all(low <= trial.rate <= high for trial in shown_trials(url, found))


@pytest.mark.parametrize(
    ("scale", "value", "share"),
    [
        (Scale(0, 10), 2.5, 0.25),
        (Scale(10, 0), 2.5, 0.75),
        (Scale(0.001, 0.1, log=True), 0.01, 0.5),
        (Scale(0, 10), 99, 1.0),
        (Scale(0, 10), -99, 0.0),
    ],
)
def test_a_scale_places_values_and_holds_what_lies_outside_at_its_end(scale, value, share):
    assert scale.share(value) == pytest.approx(share)


def test_ticks_are_round_and_inside_and_whole_where_things_are_counted():
    assert Scale(0, 1).ticks(5) == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1.0])
    assert Scale(-0.5, 2.5, whole=True).ticks(8) == [0, 1, 2]
    assert Scale(1e-4, 0.1, log=True).ticks(8) == pytest.approx([1e-4, 1e-3, 1e-2, 1e-1])


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_one_score_that_is_far_worse_does_not_hide_the_others(sign):
    scale = around_good([sign * v for v in (0.9, 0.91, 0.92, -1e6)], sign, 6)
    assert scale.high - scale.low < 0.2
    assert scale.low < sign * 0.9 < scale.high


def test_the_command_writes_the_page_of_the_latest_study_or_a_named_one(advise, made):
    for words in ([], [NAME]):
        said = advise("report", *words, "--storage", made[1], "-o", "out/page.html")
        assert (said.code, said.out) == (0, "")
        with open("out/page.html", encoding="utf-8") as file:
            assert file.read() == study_page(*made)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["digits", "-o", "page.html"], "No recommendation for study 'digits'"),
        (["-o", "file/page.html"], "file/page.html"),
        ([], "--output-file"),
    ],
)
def test_a_mistake_is_one_message_and_exit_code_2(advise, made, write, words, said):
    write("file", "")
    ended = advise("report", "--storage", made[1], *words)
    assert ended.code == 2
    assert said in ended.err
    assert "Traceback" not in ended.err


def test_tune_writes_the_page_too_also_where_there_was_nothing_to_compare(advise, lonely, tmp_path):
    said = advise(
        "tune", lonely, "--storage", "a.db", "--workers", "0", "--json", "-o", "page.html"
    )
    assert said.code == 0
    assert json.loads(said.out)["gain"]["arm"] == {}
    assert "wrote page.html" in said.err
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "There was no other arm to compare your model with." in page
    assert "Trials" in {plot.get("aria-label") for plot in drawings(page)}
