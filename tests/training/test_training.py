"""Seeds, metrics, objectives, the training loop."""

import math
from dataclasses import replace

import pytest
import sklearn.metrics
import torch
from torch import nn

import advisor
from advisor.data import Facts
from advisor.errors import InputError
from advisor.model import trace
from advisor.randomness import isolated, mix
from advisor.training.ended import Ended, StoppedEarly
from advisor.training.groups import parameter_groups
from advisor.training.kept_file import KeptFile
from advisor.training.loop import TrainingSettings, predict, train
from advisor.training.metric_names import find_metric
from advisor.training.metrics import (
    METRICS,
    accuracy,
    auc,
    in_units,
    macro_f1,
    r2,
    rmse,
)
from advisor.training.objective import infer
from advisor.training.run import Run, digest
from advisor.work.prepare import prepare
from advisor.work.study_ref import StudyRef


def test_a_seed_depends_on_every_part_and_stays_below_two_to_the_31():
    seeds = {mix(0, "order", epoch) for epoch in range(100)} | {
        mix(1, "order", 0),
        mix(0, "dropout", 0),
    }
    assert len(seeds) == 102
    assert all(0 <= seed < 2**31 for seed in seeds)


def test_what_is_isolated_neither_sees_nor_advances_the_global_random_state():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    with isolated(1):
        inside = torch.rand(3)
    assert torch.equal(torch.rand(3), expected)
    with isolated(1):
        assert torch.equal(torch.rand(3), inside)


SCORES = torch.tensor([[2.0, 1.0, 0.0], [0.0, 3.0, 1.0], [1.0, 0.5, 0.0], [0.0, 0.1, 5.0]])
TRUTH = torch.tensor([0, 1, 1, 2])


def test_metrics_agree_with_scikit_learn():
    guess = SCORES.argmax(1)
    assert accuracy(SCORES, TRUTH) == pytest.approx(0.75)
    assert macro_f1(SCORES, TRUTH) == pytest.approx(
        sklearn.metrics.f1_score(TRUTH, guess, average="macro")
    )
    one = torch.tensor([0.2, 0.9, 0.6, 0.4])
    truth = torch.tensor([0, 1, 0, 1])
    assert auc(one, truth) == pytest.approx(sklearn.metrics.roc_auc_score(truth, one))
    assert accuracy(one, truth) == pytest.approx(0.5)
    x, y = torch.tensor([1.0, 2.0, 4.0]), torch.tensor([1.5, 2.0, 3.0])
    expected = sklearn.metrics.r2_score(y.numpy(), x.numpy())
    assert r2(x, y) == pytest.approx(expected, rel=1e-5)
    assert rmse(x, y) == pytest.approx(math.sqrt(((x - y) ** 2).mean()))


def test_a_metric_is_found_by_name_or_taken_from_a_function_whose_name_says_the_direction():
    loss = nn.functional.mse_loss

    def squared_error(output, target):
        return ((output - target) ** 2).mean()

    assert find_metric(None, "classification", loss) is METRICS["accuracy"]
    assert find_metric("rmse", "regression", loss).direction == "minimize"
    assert find_metric("loss", "regression", loss).direction == "minimize"
    assert not find_metric(squared_error, "regression", loss).maximize
    assert find_metric(lambda output, target: 1.0, "regression", loss).maximize
    with pytest.raises(InputError, match="no metric 'acuracy'. Did you mean 'accuracy'"):
        find_metric("acuracy", "classification", loss)
    with pytest.raises(InputError, match="does not fit a regression task"):
        find_metric("accuracy", "regression", loss)


def test_an_error_in_units_of_the_target_is_scaled_back_also_where_the_user_wrote_it():
    def rmse(output, target):
        return float(((output - target) ** 2).mean() ** 0.5)

    loss, guess, truth = nn.functional.mse_loss, torch.ones(4), torch.zeros(4)
    scores = {
        name: in_units(find_metric(metric, "regression", loss), 3.0).score(guess, truth)
        for name, metric in {"ours": "rmse", "theirs": rmse, "loss": "loss"}.items()
    }
    assert scores == {"ours": 3.0, "theirs": 3.0, "loss": 1.0}


def facts(target="classes", outputs=3):
    classes = tuple("abc"[:outputs]) if target == "classes" else None
    return Facts(30, {"train": 30}, ((4,),), ("float32",), target, classes, outputs, None)


HEADS = {
    "logits": (nn.Linear(4, 3), facts(), "classification", "cross_entropy"),
    "log-probabilities": (
        nn.Sequential(nn.Linear(4, 3), nn.LogSoftmax(1)),
        facts(),
        "classification",
        "nll",
    ),
    "probabilities": (
        nn.Sequential(nn.Linear(4, 3), nn.Softmax(1)),
        facts(),
        "classification",
        "nll_of_probabilities",
    ),
    "one logit": (nn.Linear(4, 1), facts(outputs=2), "binary", "binary_cross_entropy_with_logits"),
    "one probability": (
        nn.Sequential(nn.Linear(4, 1), nn.Sigmoid()),
        facts(outputs=2),
        "binary",
        "binary_cross_entropy",
    ),
    "two logits": (nn.Linear(4, 2), facts(outputs=2), "classification", "cross_entropy"),
    "numbers": (nn.Linear(4, 1), facts("numbers", 1), "regression", "squared_error"),
}


@pytest.mark.parametrize("head", HEADS)
def test_kind_and_loss_follow_from_the_output_and_the_target(head):
    model, known, kind, loss = HEADS[head]
    x = torch.randn(8, 4)
    found = infer(advisor.Task(build=lambda: model, data="x"), model(x), known, trace(model, (x,)))
    assert (found.kind, found.loss_name) == (kind, loss)
    target = torch.arange(8) % known.outputs if known.classes else torch.randn(8)
    assert torch.isfinite(found.loss(model(x), target))
    assert math.isfinite(found.metric.score(found.answer(model(x), target).detach(), target))


@pytest.mark.parametrize(
    ("width", "known", "words"),
    [
        (
            2,
            facts(),
            "output of shape .8, 2. for 8 rows, and the target has 3 classes .a, b, c.. "
            "Give the last layer 3 outputs",
        ),
        (4, facts("numbers", 1), "the target is 1 number"),
    ],
)
def test_an_output_that_does_not_fit_the_target_is_refused_with_both_shapes(width, known, words):
    model, x = nn.Linear(4, width), torch.randn(8, 4)
    with pytest.raises(InputError, match=words):
        infer(advisor.Task(build=lambda: model, data="x"), model(x), known, trace(model, (x,)))


class WithDropout(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(4, 16), nn.Linear(16, 2)

    def forward(self, x):
        return self.last(torch.dropout(torch.relu(self.first(x)), 0.5, self.training))


@pytest.fixture
def prepared(blobs):
    return prepare(
        StudyRef.of(advisor.Study("blobs", advisor.Task(build=WithDropout, data=blobs), epochs=4))
    )


def fresh(prepared) -> Run:
    with isolated(0):
        return prepared.run(7, 0)


def curve(run, prepared, **changes):
    fit = TrainingSettings(lr=1e-2, weight_decay=1e-4, batch=16, from_epoch=0, to_epoch=4)
    with isolated(0):
        return [
            (epoch.epoch, epoch.score, epoch.loss)
            for epoch in train(run, replace(fit, **changes), prepared.splits(0).valid)
        ]


def test_training_learns_and_the_same_seed_gives_the_same_curve(prepared):
    one, two = curve(fresh(prepared), prepared), curve(fresh(prepared), prepared)
    assert one == two
    assert one[-1][1] > 0.75
    assert one[-1][2] < one[0][2]


def test_training_that_goes_on_from_its_saved_state_gives_the_numbers_of_one_that_never_stopped(
    prepared, tmp_path
):
    whole = curve(fresh(prepared), prepared)
    file = KeptFile(tmp_path / "2.pt")
    first = curve(fresh(prepared), prepared, to_epoch=2, save=file)
    rest = curve(fresh(prepared), prepared, from_epoch=2, state=file.read())
    assert first + rest == whole


def test_a_run_is_given_up_when_its_loss_is_not_finite_or_above_what_good_ones_had(prepared):
    with pytest.raises(StoppedEarly, match="nan|inf") as stopped:
        curve(fresh(prepared), prepared, lr=1e30)
    assert stopped.value.ended is Ended.NOT_FINITE
    with pytest.raises(
        StoppedEarly, match="after 20 steps; no good trial was above 1e-06"
    ) as stopped:
        curve(fresh(prepared), prepared, loss_limit=1e-6)
    assert stopped.value.ended is Ended.EARLY_LOSS


def test_evaluation_is_in_evaluation_mode_and_covers_every_row(prepared):
    run = fresh(prepared)
    part = prepared.splits(0).valid
    one, two = predict(run, part, 7)[0], predict(run, part, len(part))[0]
    assert len(one) == len(part)
    torch.testing.assert_close(one, two)


def test_vectors_and_what_a_technique_says_get_no_weight_decay(prepared):
    run = fresh(prepared)
    run.undecayed = [run.model.last.weight]
    decayed, free = parameter_groups(run)
    assert [id(p) for p in decayed["params"]] == [id(run.model.first.weight)]
    assert free["weight_decay"] == 0.0
    assert len(free["params"]) == 3


def test_shared_work_is_done_once_and_charged_every_time(prepared, tmp_path):
    calls = []

    def make():
        calls.append(1)
        return {"x": torch.arange(3.0)}

    for _ in range(2):
        run = fresh(prepared)
        run.cache = tmp_path
        assert torch.equal(run.remember(["key", torch.ones(2)], make)["x"], torch.arange(3.0))
    assert len(calls) == 1
    assert run.costs["remembered"] > 0
    assert digest([torch.ones(2)]) != digest([torch.ones(3)])
