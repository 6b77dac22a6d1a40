"""Weights of classes and rows, classes with few rows, and simple models beside the user's."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import advisor
from advisor.data import open_source
from advisor.errors import InputError
from advisor.training.floor import Simple
from advisor.training.imbalance import imbalance, percent, shares_text
from advisor.training.loop import TrainingSettings, train
from advisor.training.weighing import weigh
from advisor.work.prepare import prepare
from advisor.work.study_ref import StudyRef

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(400, 4)).astype(np.float32)
RARE = (X[:, 0] + RANDOM.normal(size=400) > 2).astype(int)
TABLE = pd.DataFrame(X, columns=list("abcd")).assign(
    y=np.where(RARE, "yes", "no"), w=RANDOM.integers(0, 3, 400)
)


def net(outputs: int = 2) -> nn.Module:
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, outputs))


UNWEIGHTED = TABLE.drop(columns="w")


def opened(data=UNWEIGHTED, outputs: int = 2, **options):
    task = advisor.Task(lambda: net(outputs), data, **{"target": "y", **options})
    return prepare(StudyRef.of(advisor.Study("weights", task)))


def mean_answers(prepared, epochs: int = 30) -> torch.Tensor:
    """The mean probability of each class on the validation rows after a training."""
    run, valid = prepared.run(0, 0), prepared.splits(0).valid
    list(
        train(
            run,
            TrainingSettings(lr=0.01, weight_decay=0.0, batch=64, from_epoch=0, to_epoch=epochs),
            valid,
        )
    )
    with torch.no_grad():
        return run.model(valid.take(torch.arange(len(valid)))[0][0]).softmax(1).mean(0)


@pytest.mark.parametrize("weights", [torch.tensor([0.0, 1, 2]), torch.rand(3, 2)])
def test_a_weighed_gradient_is_that_of_the_weighted_loss(weights):
    output = torch.randn(3, 2, requires_grad=True)
    target = torch.tensor([[0.0, 1], [1, 1], [0, 0]])
    losses = nn.functional.binary_cross_entropy_with_logits(output, target, reduction="none")
    shaped = weights if weights.ndim == 2 else weights[:, None]
    (expected,) = torch.autograd.grad((shaped * losses).mean(), output)
    again = output.detach().clone().requires_grad_()
    # What a model gives is no leaf.
    prediction = again * 1
    weigh({"logits": prediction}, "logits", weights)
    nn.functional.binary_cross_entropy_with_logits(prediction, target).backward()
    assert torch.allclose(again.grad, expected)


def test_balanced_classes_count_alike_and_so_the_rare_one_is_answered_more_often():
    plain, balanced = opened(), opened(weights="balanced")
    by_class = balanced.source.splits(0).weights.of_classes
    shares = torch.tensor(list(balanced.facts.shares.values()))
    assert torch.allclose(by_class * shares, torch.tensor([0.5, 0.5]))
    assert mean_answers(plain)[1] < 0.15 < 0.25 < mean_answers(balanced)[1]


def test_weights_work_with_a_loss_of_the_users_own():
    own = opened(weights={"yes": 15}, loss=nn.CrossEntropyLoss(label_smoothing=0.01))
    assert mean_answers(own)[1] > 0.25


def test_a_row_of_weight_zero_is_as_if_it_were_not_there():
    # All rows of the rare class have the weight 0, so it is never learned.
    prepared = opened(TABLE.assign(w=(TABLE.y == "no") * 2.5), weights="w")
    assert mean_answers(prepared)[1] < 0.02
    assert prepared.facts.inputs == ((4,),)
    assert any("'w', no input" in note for note in prepared.notes)


@pytest.mark.parametrize(
    ("data", "weights"),
    [
        (TABLE.assign(w=np.arange(400)), "w"),
        ((X, TABLE.y), np.arange(400)),
        ({"features": X, "w": np.arange(400), "label": RARE}, "w"),
    ],
)
def test_weights_come_as_a_column_a_key_or_an_array_and_follow_their_rows(data, weights):
    target = "y" if isinstance(data, pd.DataFrame) else None
    splits = open_source(data=data, target=target, weights=weights).splits(3)
    pool = torch.cat([splits.train.rows, splits.valid.rows]).float()
    assert torch.allclose(splits.weights.of_rows, splits.train.rows / pool.mean())


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ("nose", ["weights='nose'", "a, b, c, d"]),
        ({"maybe": 2}, ["'maybe'", "no, yes"]),
        ({"yes": -1}, ["'yes'", "above 0"]),
        ({"yes": float("nan")}, ["'yes'", "above 0"]),
        (-np.ones(400), ["-1", "row 1"]),
        (np.zeros(400), ["nothing could be learned"]),
        (np.ones(7), ["7 entries", "400 rows"]),
    ],
)
def test_weights_at_fault_are_an_error_that_says_what_and_where(weights, words):
    with pytest.raises(InputError) as caught:
        open_source(data=TABLE, target="y", weights=weights)
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_numbers_have_no_classes_to_weigh():
    with pytest.raises(InputError, match="--weights COLUMN"):
        open_source(data=(X, X[:, 0]), weights="balanced")


def test_other_weights_are_another_study():
    digests = []
    for weights in ("balanced", {"yes": 3}, None):
        source = open_source(data=TABLE, target="y", weights=weights)
        digests.append(source.digests(source.splits(0)))
    changed = {name for name in digests[0] if digests[0][name] != digests[1].get(name)}
    assert changed == {"the weights of classes"}
    assert "the weights of classes" not in digests[2]


def test_unequal_classes_are_told_where_the_metric_is_accuracy():
    shares = {"no": 0.99, "yes": 0.01}
    assert "accuracy of 0.99" in imbalance(shares, "accuracy")
    assert "--weights" not in imbalance(shares, "accuracy", unweighted=False)
    assert imbalance(shares, "macro_f1") is None
    assert imbalance({"a": 0.6, "b": 0.4}, "accuracy") is None
    # One of several classes may be rare, although none has most rows.
    assert "'c'" in imbalance({"a": 0.5, "b": 0.46, "c": 0.04}, "accuracy")
    assert any("macro_f1" in warning for warning in opened().warnings)
    assert not any("macro_f1" in warning for warning in opened(metric="auc").warnings)


def test_shares_are_shown_for_each_class_or_for_the_most_frequent_and_the_rarest():
    assert shares_text({"no": 0.996, "yes": 0.004}) == "no 99.6 %, yes 0.4 %"
    assert percent(0.5) == "50 %"
    many = shares_text({str(number): number / 4950 for number in range(100)})
    assert many.startswith("99 2.0 %")
    assert many.endswith("0 0.0 % (100 in all)")


# --- simple models ------------------------------------------------------------------------------


def floors_of(data, outputs: int, **options) -> dict[Simple, float]:
    task = advisor.Task(lambda: net(outputs), data, **options)
    report = advisor.diagnose(advisor.Study("floors", task))
    assert [floor.why for floor in report.floors] == [""] * 3
    return {floor.model: floor.score for floor in report.floors}


@pytest.mark.parametrize("metric", [None, "loss"])
@pytest.mark.parametrize(
    ("target", "outputs"),
    [
        (np.digitize(X[:, 0] * X[:, 1], [-0.3, 0.3]), 3),
        ((X[:, 0] * X[:, 1] > 0).astype(int), 1),
        (X[:, 0] ** 2, 1),
        (X[:, :2] ** 2, 2),
        ((X[:, :3] ** 2 > 1).astype(int), 3),
    ],
)
def test_simple_models_are_scored_by_the_metric_of_every_kind_of_task(target, outputs, metric):
    floors = floors_of((X, target), outputs, metric=metric)
    sign = -1 if metric else 1
    # No line finds these targets, and trees do.
    assert sign * floors[Simple.TREES] > sign * floors[Simple.MAJORITY]
    assert sign * floors[Simple.TREES] > sign * floors[Simple.LINEAR]


def test_the_majority_has_the_accuracy_of_its_share_and_weights_hold_for_fitted_models():
    plain = floors_of((X, RARE), 2, metric="accuracy")
    assert plain[Simple.MAJORITY] > 0.9
    weighed = floors_of((X, RARE), 2, metric="accuracy", weights={1: 1000})
    assert weighed[Simple.MAJORITY] == plain[Simple.MAJORITY]
    assert weighed[Simple.LINEAR] < plain[Simple.LINEAR] - 0.2


class Words(nn.Module):
    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.table = nn.Embedding(vocabulary, 4)
        self.end = nn.Linear(4, 2)

    def forward(self, ids):
        return self.end(self.table(ids).mean(1))


def test_texts_are_bags_of_words_to_simple_models():
    words = RANDOM.integers(0, 30, (200, 6))
    labels = (words == 3).any(1).astype(int)
    texts = [" ".join(f"word{number}" for number in row) for row in words]
    task = advisor.Task(Words, (texts, labels))
    linear = advisor.diagnose(advisor.Study("words", task)).floors[1]
    assert linear.score > max(labels.mean(), 1 - labels.mean())


def test_a_simple_model_that_cannot_be_scored_says_why():
    def broken(output, target):
        if len(target) == 80:  # the validation rows
            raise ValueError("no such number")
        return 0.0

    task = advisor.Task(net, (X, RARE), metric=broken)
    report = advisor.diagnose(advisor.Study("broken", task))
    assert {floor.score for floor in report.floors} == {None}
    assert all("no such number" in floor.why for floor in report.floors)
    assert report.score is None


def test_an_answer_has_the_shares_and_the_simple_models_and_names_one_that_is_better(tmp_path):
    target = (X[:, 0] * X[:, 1] > 0).astype(int)
    only = {"activation": ["relu"], "initializer": [], "pretraining": [], "embedding": []}
    study = advisor.Study(
        "floors", advisor.Task(net, (X, target)), trials=2, epochs=1, seeds=3, only=only
    )
    answer = advisor.tune(study, storage=f"sqlite:///{tmp_path}/a.db", workers=0)
    read = advisor.Recommendation.from_json(answer.to_json())
    assert (read.floors, read.shares) == (answer.floors, answer.shares)
    assert sum(answer.shares.values()) == pytest.approx(1)
    assert any("boosted trees" in warning for warning in answer.warnings)
