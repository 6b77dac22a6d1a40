"""What arms are compared by: the score near the end, the epochs to a score, a score under noise."""

from typing import NamedTuple

import numpy as np
import pytest
import torch
from sklearn.datasets import load_wine
from torch import nn

import advisor
from advisor.errors import InputError
from advisor.training.criterion import Criterion
from advisor.training.epoch import Epoch
from advisor.training.metrics import METRICS
from advisor.training.noise import perturbed

ACCURACY, RMSE = METRICS["accuracy"], METRICS["rmse"]


def curve(*scores):
    return [Epoch(i, score, loss=0.0, seconds=0.0) for i, score in enumerate(scores, start=1)]


def test_a_score_is_the_mean_of_the_last_third_of_the_epochs_and_of_three_at_most():
    criterion = Criterion(ACCURACY)
    assert criterion.score(
        curve(*[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.6, 0.5]), 9
    ) == pytest.approx(0.6)
    assert criterion.score(curve(0.1, 0.15, 0.2, 0.9), 3) == pytest.approx(0.2)


REACHED = {
    "between two epochs": ((0.2, 0.6, 0.9), 0.8, ACCURACY, 2 + 2 / 3),
    "in the first epoch": ((0.9, 0.95), 0.8, ACCURACY, 1.0),
    "downwards": ((9.0, 5.0, 3.0), 4.0, RMSE, 2.5),
}


@pytest.mark.parametrize("case", REACHED)
def test_the_epochs_to_a_score_are_read_off_the_curve(case):
    scores, reach, metric, epochs = REACHED[case]
    criterion = Criterion(metric, reach)
    assert criterion.score(curve(*scores), len(scores)) == pytest.approx(epochs)
    assert (criterion.direction, criterion.sign) == ("minimize", -1.0)
    assert criterion.worth(20.0) == pytest.approx(2.0)


def test_who_does_not_reach_the_score_is_ranked_by_what_is_missing_behind_all_who_do():
    criterion = Criterion(ACCURACY, 0.9)
    late, near, far = (
        criterion.score(curve(*scores), 3)
        for scores in ((0.1, 0.2, 0.9), (0.1, 0.2, 0.89), (0.1, 0.1, 0.1))
    )
    assert late == 3.0 < near < far < 6.0


def wine():
    x, y = load_wine(return_X_y=True)
    return ((x - x.mean(0)) / x.std(0)).astype("float32"), y


def net():
    return nn.Sequential(nn.Linear(13, 16), nn.Sigmoid(), nn.Linear(16, 3))


ONLY = {"activation": ["tanh"], "initializer": [], "pretraining": []}


def test_a_study_of_speed_prefers_what_reaches_the_score_sooner(tmp_path):
    study = advisor.Study(
        "fast", advisor.Task(build=net, data=wine), trials=9, epochs=40, reach=0.9, only=ONLY
    )
    found = advisor.tune(study, storage=str(tmp_path / "a.db"), workers=0)
    assert (found.metric, found.direction) == ("epochs to accuracy 0.9", "minimize")
    assert found.baseline["mean"] < 80
    assert len(found.baseline["scores"]) == found.gain["seeds"]
    assert 0.5 < found.baseline["test"] <= 1.0  # the accuracy itself


def test_noise_is_the_same_for_every_arm_and_leaves_ids_alone():
    x, ids = torch.randn(50, 3, generator=torch.Generator().manual_seed(0)), torch.arange(50)
    one, other = (perturbed({"x": x, "ids": ids}, 0.5, 7) for _ in range(2))
    assert torch.equal(one["x"], other["x"])
    assert torch.equal(one["ids"], ids)
    assert float((one["x"] - x).std(0).mean()) == pytest.approx(
        0.5 * float(x.std(0).mean()), rel=0.2
    )
    assert not torch.equal(perturbed(x, 0.5, 8), perturbed(x, 0.5, 7))


class Signal(NamedTuple):
    x: torch.Tensor
    ids: torch.Tensor


def test_noise_reaches_numbers_in_a_tuple_with_named_fields():
    signal = Signal(torch.randn(8, 3), torch.arange(8))
    noisy = perturbed(signal, 0.5, 7)
    assert isinstance(noisy, Signal)
    assert torch.equal(noisy.x, perturbed(signal.x, 0.5, 7))
    assert not torch.equal(noisy.x, signal.x)
    assert torch.equal(noisy.ids, signal.ids)


def test_a_study_under_noise_says_so_and_refuses_inputs_that_are_ids(tmp_path):
    study = advisor.Study(
        "noisy", advisor.Task(build=net, data=wine), trials=3, epochs=2, noise=0.5, only=ONLY
    )
    assert (
        advisor.tune(study, storage=str(tmp_path / "a.db"), workers=0).metric
        == "accuracy at noise 0.5"
    )
    words = advisor.Task(
        build=lambda: nn.Sequential(nn.Embedding(9, 4), nn.Flatten(), nn.Linear(8, 2)),
        data=(np.ones((40, 2), int), [0, 1] * 20),
    )
    with pytest.raises(InputError, match="noise is added to numbers"):
        advisor.tune(
            advisor.Study("ids", words, noise=0.1), storage=str(tmp_path / "b.db"), workers=0
        )
    with pytest.raises(InputError, match="noise must be 0 or more"):
        advisor.Study("less", advisor.Task(build=net, data=wine), noise=-1.0)
