"""Studies that search slots which they name, from the question to the lines that apply the answer."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import nn

import advisor
from advisor.errors import InputError
from advisor.host.host import load
from advisor.store.query import read
from advisor.verdict.recommend import fights_in

NONE = {slot: [] for slot in ("activation", "initializer", "embedding", "pretraining")}


def net():
    return nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))


def rows():
    x = torch.randn(240, 4, generator=torch.Generator().manual_seed(0))
    return x, (x[:, 0] * x[:, 1] > 0).long()


SLOW = partial(torch.optim.SGD, lr=1e-5)
"""A recipe whose rates are too small, so that another optimizer is better."""


def asked(name="slow", **given):
    settings = {"trials": 6, "epochs": 6, "seeds": 3, "only": NONE, **given}
    task = advisor.Task(net, rows(), optimizer=SLOW, batch=16)
    return advisor.Study(name, task, **settings)


@pytest.fixture(scope="module")
def storage(tmp_path_factory):
    return str(tmp_path_factory.mktemp("named") / "a.db")


@pytest.fixture(scope="module")
def answer(storage):
    only = {**NONE, "optimizer": ["adamw"]}
    return advisor.tune(asked(only=only), storage=storage, workers=0)


def test_an_optimizer_with_its_own_rate_is_recommended_and_trained_again(answer):
    assert answer.changed == {"optimizer": "adamw"}
    assert answer.trials["failed"] == 0
    # The recipe has no weight decay, so none is searched.
    assert answer.rates == ["optimizer.adamw.lr"]
    assert answer.params["training.lr"] == 1e-5
    assert answer.params["optimizer.adamw.lr"] >= 1e-4
    assert answer.train().score == pytest.approx(answer.recommended.scores[0])


def test_the_database_shows_the_rate_at_which_each_trial_is_trained(answer, storage):
    sql = "SELECT t.arm, t.lr, p.value FROM advisor_trials t LEFT JOIN advisor_params p ON "
    own = "p.study = t.study AND p.number = t.number AND p.name = 'optimizer.adamw.lr' "
    _, found = read(f"sqlite:///{storage}", f"{sql}{own} WHERE t.study = 'slow'")
    assert {lr for arm, lr, _ in found if arm == "keep"} >= {1e-5}
    assert all(lr == value for arm, lr, value in found if arm != "keep")


def test_the_lines_say_how_to_train_by_hand(answer):
    rate = answer.params["optimizer.adamw.lr"]
    *_, last = answer.apply_with
    assert "model = best.apply(net())" in last
    assert f"train it by torch.optim.AdamW(model.parameters(), lr={rate:.3g}" in last
    assert "as you do" not in last
    assert "'optimizer.adamw.lr':" in answer.apply_code
    assert "\n    lr=" not in answer.apply_code


def test_the_model_of_the_user_is_left_as_it_is_by_what_only_trains(answer):
    model = net()
    before = {name: each.clone() for name, each in model.state_dict().items()}
    applied = answer.apply(model)
    assert all(torch.equal(each, before[name]) for name, each in applied.state_dict().items())


def test_a_slot_that_is_named_later_joins_a_study_and_may_not_leave_it(storage):
    study = asked("joined", trials=3, only={**NONE, "activation": ["elu"]})
    first = advisor.tune(study, storage=storage, workers=0)
    assert "averaging" not in first.choices
    wider = asked("joined", trials=3, only={**NONE, "activation": ["elu"]}, also=["averaging"])
    second = advisor.tune(wider, storage=storage, workers=0)
    assert {each.technique for each in second.isolation} >= {"keep", "elu", "ema", "swa"}
    with pytest.raises(InputError, match="also was"):
        advisor.tune(study, storage=storage, workers=0)


def by_hand(run):
    optimizer = torch.optim.SGD(run.model.parameters(), lr=run.lr)
    for _ in range(run.epochs):
        run.model.train()
        for x, y in run.loader(run.train):
            optimizer.zero_grad()
            nn.functional.cross_entropy(run.model(x), y).backward()
            optimizer.step()
        yield


def test_a_loop_of_the_user_s_own_is_told_why_not(storage):
    task = advisor.Task(net, rows(), fit=by_hand, batch=16)
    slots = ["optimizer", "schedule", "clipping", "regularization", "averaging"]
    study = advisor.Study("loop", task, trials=3, epochs=2, seeds=3, only=NONE, also=slots)
    found = advisor.tune(study, storage=storage, workers=0)
    why = {each.technique: each.why for each in found.skipped}
    own = "your own training does not use run."
    assert why["sgd"] == f"{own}optimizer"
    assert why["cosine_decay"] == why["clip_by_norm"] == f"{own}recipe"
    assert why["mixup"] == why["label_smoothing"] == f"{own}loss"
    assert "ema" not in why
    assert "dropout_rate" not in why


def test_what_techniques_fight_with_is_said_where_both_are_chosen():
    host = load()
    named = {
        (slot, name): technique
        for slot, techniques in host.techniques.items()
        for name, technique in techniques.items()
    }
    keep = dict.fromkeys(host.slots, "keep")
    both = {**keep, "averaging": "ema", "schedule": "linear_decay"}
    (said,) = fights_in(both, named)
    assert said.startswith("averaging ema beside schedule linear_decay: a rate that falls to zero")
    assert not list(fights_in({**keep, "averaging": "ema"}, named))
    mixed = {**keep, "regularization": "mixup", "normalization": "batch_norm"}
    (said,) = fights_in(mixed, named)
    assert "batch statistics" in said
    assert not list(fights_in({**mixed, "normalization": "layer_norm"}, named))
