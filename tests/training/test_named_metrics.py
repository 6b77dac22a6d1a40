"""Metrics by name: their values against scikit-learn, what they fit, and what a wrong name meant."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics
import torch
from torch import nn

import advisor
from advisor.errors import InputError
from advisor.training.metric_names import find_metric
from advisor.training.metrics import METRICS, in_units, row_scores
from advisor.training.row_influence import blocks_of
from advisor.work.prepare import prepare
from advisor.work.study_ref import StudyRef

RANDOM = torch.Generator().manual_seed(0)
TRUTH = torch.randint(0, 3, (90,), generator=RANDOM)
LOGITS = torch.randn(90, 3, generator=RANDOM) + 1.5 * nn.functional.one_hot(TRUTH, 3)
PAIRED = (TRUTH > 0).long()
CHANCE = ((torch.randn(90, generator=RANDOM) + PAIRED) / 2).sigmoid()


def loss(output, target):
    return ((output - target) ** 2).mean()


def added(metric, output, target):
    return row_scores(metric, output, target, blocks_of(len(target)))


def test_balanced_accuracy_is_that_of_scikit_learn_also_where_no_row_has_a_class():
    metric = METRICS["balanced_accuracy"]
    for rows in (slice(None), TRUTH != 1):
        truth, said = TRUTH[rows].numpy(), LOGITS[rows].argmax(1).numpy()
        # A class that is said and not there is a warning of scikit-learn's.
        known = np.mean([(said[truth == each] == each).mean() for each in np.unique(truth)])
        assert metric.score(LOGITS[rows], TRUTH[rows]) == pytest.approx(known)
    whole = sklearn.metrics.balanced_accuracy_score(TRUTH, LOGITS.argmax(1))
    assert metric.score(LOGITS, TRUTH) == pytest.approx(whole)


def test_log_loss_is_that_of_scikit_learn_for_logits_probabilities_and_one_number_a_row():
    metric = METRICS["log_loss"]
    known = sklearn.metrics.log_loss(TRUTH, LOGITS.double().softmax(1))
    for output in (LOGITS, LOGITS.log_softmax(1), LOGITS.softmax(1)):
        assert metric.score(output, TRUTH) == pytest.approx(known, rel=1e-5)
    binary = sklearn.metrics.log_loss(PAIRED, CHANCE)
    assert metric.score(CHANCE, PAIRED) == pytest.approx(binary, rel=1e-5)
    assert metric.score(CHANCE[:, None], PAIRED) == pytest.approx(binary, rel=1e-5)
    # What is sure and wrong costs much, and stays a number.
    sure = 1.0 - PAIRED.float()
    known = sklearn.metrics.log_loss(PAIRED, sure.numpy())
    assert metric.score(sure, PAIRED) == pytest.approx(known, rel=1e-3)
    assert metric.direction == "minimize"


@pytest.mark.parametrize("positive", ["no", "yes"])
def test_f1_is_that_of_scikit_learn_for_either_class(positive):
    metric = find_metric(f"f1:{positive}", "binary", loss, ("no", "yes"))
    at = ("no", "yes").index(positive)
    known = sklearn.metrics.f1_score(PAIRED, CHANCE > 0.5, pos_label=at)
    assert metric.score(CHANCE, PAIRED) == pytest.approx(known)
    assert float(added(metric, CHANCE, PAIRED).mean()) == pytest.approx(known)
    assert metric.sentence == f"f1:{positive} of class {positive!r}"
    if positive == "yes":
        usual = find_metric("f1", "classification", loss, ("no", "yes"))
        assert usual.sentence == "f1 of class 'yes'"
        both = torch.stack([1 - CHANCE, CHANCE], 1)
        assert usual.score(both, PAIRED) == pytest.approx(known)


def test_f1_without_any_row_of_the_class_is_zero_and_cannot_be_taken_apart():
    none, never = torch.zeros(6, dtype=torch.long), torch.zeros(6)
    assert METRICS["f1"].score(never, none) == 0
    assert added(METRICS["f1"], never, none).isnan().all()
    # With rows of the class that are never said, it is zero, and each row adds nothing.
    assert added(METRICS["f1"], never, none + 1).tolist() == [0] * 6


def test_mae_is_that_of_scikit_learn_and_in_units_of_the_target():
    truth, said = torch.randn(50, 2, generator=RANDOM), torch.randn(50, 2, generator=RANDOM)
    metric = METRICS["mae"]
    known = sklearn.metrics.mean_absolute_error(truth, said)
    assert metric.score(said, truth) == pytest.approx(known)
    scaled = in_units(metric, 10.0)
    assert scaled.score(said, truth) == pytest.approx(10 * known)
    assert float(added(scaled, said, truth).mean()) == pytest.approx(10 * known)
    assert (metric.direction, metric.worth(200.0)) == ("minimize", 2.0)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("balanced-accuracy", "balanced_accuracy"),
        ("Balanced Accuracy", "balanced_accuracy"),
        ("log loss", "log_loss"),
        ("logloss", "log_loss"),
        ("macro-f1", "macro_f1"),
        ("F1", "f1"),
        ("f1-score", "f1"),
        ("MAE", "mae"),
        ("mean absolute error", "mae"),
        ("roc-auc", "auc"),
        ("los", "loss"),
    ],
)
def test_a_name_that_is_written_otherwise_is_understood_in_the_error(written, meant):
    with pytest.raises(InputError, match=f"no metric {written!r}. Did you mean {meant!r}[?]"):
        find_metric(written, "classification", loss)


@pytest.mark.parametrize(
    ("name", "kind", "classes", "said"),
    [
        ("f1", "classification", ("a", "b", "c"), "target has 3 .a, b, c.; macro_f1 is the mean"),
        ("f1:yse", "binary", ("no", "yes"), "no class 'yse'. Did you mean 'yes'.*no, yes"),
        ("auc:yes", "binary", ("no", "yes"), "no metric 'auc:yes'"),
        ("mae", "binary", ("no", "yes"), "'mae' does not fit a binary task.*f1, balanced_accuracy"),
        ("log_loss", "regression", (), "'log_loss' does not fit a regression task.*r2, rmse, mae"),
        ("balanced_accuracy", "multilabel", ("a", "b"), "multilabel task.*macro_f1, auc, loss"),
    ],
)
def test_a_metric_that_does_not_fit_is_refused_with_those_that_do(name, kind, classes, said):
    with pytest.raises(InputError, match=said):
        find_metric(name, kind, loss, classes)


def test_a_function_called_mae_keeps_the_units_that_begun_studies_have():
    def mae(output, target):
        return float((output - target).abs().mean())

    assert not find_metric(mae, "regression", loss).in_target_units
    assert METRICS["mae"].in_target_units


def one():
    return nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 1))


@pytest.mark.parametrize(
    "name",
    [
        "f1",
        *(
            pytest.param(name, marks=pytest.mark.proof)
            for name in ("balanced_accuracy", "log_loss")
        ),
    ],
)
def test_a_study_of_a_metric_is_measured_row_by_row(name, blobs, tmp_path):
    x, y = blobs
    task = advisor.Task(one, (x, y), metric=name)
    only = {"activation": ["elu"], "initializer": [], "pretraining": [], "embedding": []}
    study = advisor.Study("named", task, trials=2, epochs=2, seeds=3, only=only)
    sentence = prepare(StudyRef.of(study)).objective.sentence()
    assert sentence.endswith("metric f1 of class '1'" if name == "f1" else f"metric {name}")
    answer = advisor.tune(study, storage=str(tmp_path / "a.db"), workers=0)
    assert (answer.metric, answer.gain.seeds, answer.gain.rows > 0) == (name, 3, True)
    assert answer.direction == ("minimize" if name == "log_loss" else "maximize")
