"""The metric of a task that names none: accuracy, unless it would hardly count a class."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torch import nn

import advisor
from advisor.training import objective
from advisor.training.imbalance import misleads
from advisor.work.prepare import prepare
from advisor.work.study_ref import StudyRef

ZIPF = [1 / place for place in range(1, 101)]


@pytest.mark.parametrize(
    ("counts", "hidden"),
    [
        ([99, 1], True),
        ([97, 3], True),
        ([91, 9], True),
        ([90, 10], False),
        ([50, 46, 4], True),
        ([11] * 9 + [1], True),
        (ZIPF, True),
        # a hundred classes of one per cent each are none of them rare, and one of so many is nothing
        ([1] * 100, False),
        ([100] * 99 + [1], False),
        # a class without rows cannot be measured
        ([60, 40, 0], False),
        ([], False),
    ],
)
def test_accuracy_misleads_where_it_hardly_counts_a_class_that_a_mean_over_classes_counts(
    counts, hidden
):
    total = sum(counts)
    assert misleads({str(i): count / total for i, count in enumerate(counts)}) is hidden


def test_classes_of_chance_sizes_are_not_rare():
    draw = np.random.default_rng(0)
    for _ in range(20):
        counts = np.bincount(draw.integers(0, 200, 2000), minlength=200)
        assert counts.max() > 1.5 * counts.mean()
        assert not misleads({str(i): count / 2000 for i, count in enumerate(counts)})


def net(outputs=2):
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, outputs))


def one():
    return net(1)


def with_rare(share, rows=400):
    x = torch.randn(rows, 4, generator=torch.Generator().manual_seed(0))
    return x, (torch.arange(rows) < share * rows).long()


RARE, EVEN = with_rare(0.03), with_rare(0.4)


def opened(data=RARE, build=net, **options):
    return prepare(StudyRef.of(advisor.Study("rare", advisor.Task(build, data, **options))))


@pytest.mark.parametrize("build", [net, one])
def test_the_metric_of_a_rare_class_is_told_with_the_way_back(build):
    found = opened(build=build)
    assert found.objective.metric.name == "macro_f1"
    (told,) = [each for each in found.warnings if "macro_f1" in each]
    assert "'1' has 3.1 % of the rows" in told
    assert '--metric accuracy, or Task(metric="accuracy")' in told
    assert "--weights balanced trains so, too" in told


def test_what_the_user_says_about_metric_or_weights_stands():
    said = opened(metric="accuracy")
    assert said.objective.metric.name == "accuracy"
    assert "accuracy of 0.969" in " ".join(said.warnings)
    assert "balanced" not in " ".join(opened(weights="balanced").warnings)
    even = opened(EVEN)
    assert (even.objective.metric.name, even.warnings) == ("accuracy", ())


def test_diagnose_and_compare_take_the_same_metric(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    study = advisor.Study("rare", advisor.Task(net, RARE), epochs=1)
    report = json.loads(advisor.diagnose(study).to_json())
    assert report["floors"]["metric"] == "macro_f1"
    same = advisor.Study("same", advisor.Task(net, RARE), epochs=1)
    found = advisor.compare(study, same, workers=0)
    assert found.metric == "macro_f1"
    assert "macro_f1" in " ".join(found.warnings)


STUDY = """\
import advisor, torch
from torch import nn

x = torch.randn(120, 4, generator=torch.Generator().manual_seed(0))
y = (torch.arange(120) < 8).long()


def net():
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2))


study = advisor.Study(
    "rare", advisor.Task(net, lambda: (x, y)), trials={}, epochs=1, seeds=3,
    only={{"activation": ["relu"], "initializer": [], "pretraining": [], "embedding": []}},
)
"""


def test_a_study_keeps_the_metric_that_it_began_with(write, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = write("study.py", STUDY.format(2))
    with monkeypatch.context() as before:
        before.setattr(objective, "misleads", lambda shares: False)
        begun = advisor.tune(file, storage="a.db", workers=0)
    assert begun.metric == "accuracy"

    # it goes on with more trials, in workers, too
    write("study.py", STUDY.format(3))
    more = advisor.tune(file, storage="a.db", workers=1)
    assert (more.metric, more.trials.total) == ("accuracy", 3)
    assert "macro_f1, which counts" not in " ".join(more.warnings)

    # so does a comparison of its arms, and of another file with one of them
    found = advisor.compare("rare:baseline", file, storage="a.db", workers=0, seeds=3)
    assert found.metric == "accuracy"

    # a new study of the same file has the metric of this version
    assert prepare(StudyRef.of(file)).criterion.name == "macro_f1"
