"""Tasks in which a row has any number of labels."""

import numpy as np
import pytest
import sklearn.metrics
import torch
from torch import nn

import advisor
from advisor.errors import InputError
from advisor.training.metrics import auc, macro_f1

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(240, 6)).astype(np.float32)
Y = (X @ RANDOM.normal(size=(6, 4)) > 1).astype(int)


def net(outputs: int = 4, end: nn.Module | None = None) -> nn.Module:
    return nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, outputs), end or nn.Identity())


def sigmoid_net() -> nn.Module:
    return net(end=nn.Sigmoid())


def softmax_net() -> nn.Module:
    return net(end=nn.Softmax(dim=1))


def opened(build=net, y=Y, **options):
    return advisor.diagnose(advisor.Study("labels", advisor.Task(build, (X, y), **options)))


def test_metrics_of_labels_agree_with_scikit_learn():
    truth = torch.tensor(Y[:50])
    answer = torch.rand(50, 4, generator=torch.Generator().manual_seed(0))
    f1 = sklearn.metrics.f1_score(truth, answer > 0.5, average="macro")
    area = sklearn.metrics.roc_auc_score(truth, answer, average="macro")
    assert macro_f1(answer, truth.float()) == pytest.approx(f1)
    assert auc(answer, truth.float()) == pytest.approx(area)


def test_labels_that_say_nothing_do_not_count():
    # The third label is in no row, and the answer never names it.
    truth = torch.tensor([[1.0, 0, 0], [0, 1, 0], [1, 1, 0]])
    right = truth * 0.9
    assert (macro_f1(right, truth), auc(right, truth)) == (1.0, 1.0)
    assert np.isnan(auc(right[:, :2], torch.ones(3, 2)))


@pytest.mark.parametrize(
    ("build", "options", "reads"),
    [
        (net, {}, "logits"),
        (sigmoid_net, {}, "probabilities"),
        (net, {"loss": nn.BCEWithLogitsLoss()}, "logits"),
        (sigmoid_net, {"loss": nn.BCELoss()}, "probabilities"),
        (net, {"loss": nn.MSELoss()}, "probabilities"),
    ],
)
def test_an_output_of_labels_is_read_as_its_end_and_its_loss_say(build, options, reads):
    report = opened(build, **options)
    objective = report.prepared.objective
    assert (objective.kind, objective.metric.name) == ("multilabel", "macro_f1")
    assert "4 labels" in objective.sentence()
    assert not report.findings
    output, target = torch.full((2, 4), 0.3), torch.ones(2, 4)
    read = output.sigmoid() if reads == "logits" else output
    assert torch.equal(objective.answer(output, target), read)
    assert torch.isfinite(objective.loss(output, target))


def test_a_softmax_over_labels_is_told():
    assert any("exclude each other" in warning for warning in opened(softmax_net).prepared.warnings)


def test_a_model_with_another_number_of_outputs_is_told_how_many_labels_there_are():
    with pytest.raises(InputError, match=r"4 labels \(0, 1, 2, 3\)"):
        opened(lambda: net(3))


def test_a_metric_of_classes_does_not_fit_labels():
    with pytest.raises(InputError, match="macro_f1, auc, loss"):
        opened(metric="accuracy")


def test_whole_numbers_and_one_output_name_regression_as_the_way_out():
    ratings = RANDOM.integers(1, 6, 240)
    with pytest.raises(InputError, match="--task regression"):
        opened(lambda: net(1), ratings)
    assert (
        opened(lambda: net(1), ratings, kind="regression").prepared.objective.kind == "regression"
    )
    # Words cannot be taken as numbers.
    with pytest.raises(InputError) as caught:
        opened(lambda: net(1), np.array(list("abcd"))[ratings % 4])
    assert "regression" not in str(caught.value)


def test_a_study_of_labels_ends_with_an_answer_in_macro_f1(tmp_path):
    task = advisor.Task(net, (X, Y))
    only = {"activation": ["tanh"], "initializer": [], "pretraining": [], "embedding": []}
    study = advisor.Study("labels", task, trials=3, epochs=12, seeds=3, only=only)
    answer = advisor.tune(study, storage=f"sqlite:///{tmp_path}/a.db", workers=0)
    assert (answer.metric, answer.direction) == ("macro_f1", "maximize")
    assert 0.3 < answer.baseline.mean < 1
    assert answer.baseline.test is not None
