"""A training loop of the user's own: what it is given, what it may tell, and what is refused."""

from __future__ import annotations

import copy
import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, Subset

import advisor
from advisor.errors import InputError
from advisor.randomness import mix, start_from
from advisor.technique import Technique
from advisor.training.by_loop import train_by_loop
from advisor.training.criterion import count_last
from advisor.training.ended import Ended, StoppedEarly
from advisor.training.loop import TrainingSettings
from advisor.training.own_loop import read_loop
from advisor.training.run import apply
from advisor.work.job import HELD_OUT, TEST, Job, work
from advisor.work.job import Outcome as JobOutcome
from advisor.work.opened import in_this_process
from advisor.work.prepare import Prepared, prepare
from advisor.work.study_ref import StudyRef

ROWS, BATCH, EPOCHS = 120, 16, 4


def rows():
    """A hundred and twenty rows of three classes."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(ROWS, 6, generator=generator)
    return x, (x[:, 0] + x[:, 1] > 0).long() + (x[:, 2] > 0).long()


def net():
    """A small net with dropout."""
    return nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Dropout(0.1), nn.Linear(16, 3))


def opened(fit, epochs=EPOCHS, **task) -> Prepared:
    """A study with this loop, opened."""
    task = advisor.Task(net, rows, **{"batch": BATCH, "fit": fit, **task})
    prepared = prepare(StudyRef.of(advisor.Study("loop", task, epochs=epochs)))
    # The study was pickled; this is the function itself, which may note what it sees.
    return replace(prepared, loop=read_loop(fit))


def job_of(prepared, **changes) -> Job:
    """A whole training of the model as it is."""
    params = {"training.lr": prepared.recipe.lr, "training.weight_decay": 0.0}
    whole = {"seed": 3, "split": 0, "batch": BATCH, "from_epoch": 0, "to_epoch": EPOCHS}
    return Job(
        prepared.ref, prepared.opening_id, prepared.digest, **{"params": params, **whole, **changes}
    )


def trained(prepared, **changes) -> JobOutcome:
    """What a training brings."""
    with in_this_process(prepared):
        return work(job_of(prepared, **changes))


def scores(outcome):
    return [(epoch.epoch, epoch.score, epoch.loss) for epoch in outcome.curve]


def an_epoch(model, loader, optimizer):
    """The user's own steps of an epoch."""
    model.train()
    for x, y in loader:
        optimizer.zero_grad()
        functional.cross_entropy(model(x), y).backward()
        optimizer.step()


def accuracy(model, loader):
    """The user's own score."""
    model.eval()
    with torch.no_grad():
        right = [(model(x).argmax(1) == y).float() for x, y in loader]
    return float(torch.cat(right).mean())


def yields(run):
    """The plainest loop: it yields nothing, and so is scored."""
    optimizer = torch.optim.SGD(run.model.parameters(), lr=run.lr, momentum=0.9)
    for _ in range(run.epochs):
        an_epoch(run.model, run.loader(run.train), optimizer)
        yield


def reports(run):
    """The same by report."""
    for _ in yields(run):
        run.report()


def yields_scores(run):
    """The same with its own scores."""
    for _ in yields(run):
        yield accuracy(run.model, run.loader(run.valid))


def named(model, train, valid, lr=0.05, epochs=EPOCHS):
    """A loop that a script may have: it knows nothing of advisor."""
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    for _ in range(epochs):
        an_epoch(model, DataLoader(train, BATCH, shuffle=True), optimizer)
        yield accuracy(model, DataLoader(valid, 50))


def saves(run):
    """A loop that can go on from a state."""
    optimizer = torch.optim.Adam(run.model.parameters(), lr=run.lr, weight_decay=run.weight_decay)
    state = run.state
    if state is not None:
        run.model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
    for _ in range(run.epoch, run.epochs):
        # All that may be drawn counts.
        noise = random.random() + np.random.rand() + float(torch.rand(()))
        for group in optimizer.param_groups:
            group["lr"] = run.lr * noise
        an_epoch(run.model, run.loader(run.train), optimizer)
        run.save({"model": run.model.state_dict(), "optimizer": optimizer.state_dict()})
        yield


# --- what a loop gives --------------------------------------------------------------------------


def test_yield_and_report_are_the_same_training():
    by_yield, by_report = trained(opened(yields, lr=0.1)), trained(opened(reports, lr=0.1))
    assert scores(by_yield) == scores(by_report)
    assert [epoch.epoch for epoch in by_yield.curve] == [1, 2, 3, 4]
    assert by_yield.loop.asked == ("lr",)
    assert by_yield.loop.has_model
    assert not by_yield.loop.saves
    own = trained(opened(yields_scores, lr=0.1))
    assert [epoch.score for epoch in own.curve] == pytest.approx(
        [epoch.score for epoch in by_yield.curve]
    )


def test_the_first_trial_is_the_users_own_loop():
    prepared = opened(named)
    assert prepared.recipe.lr == 0.05
    outcome = trained(prepared)

    # The same loop, called as a script would call it.
    run = prepared.run(3, 0)
    start_from(mix(3, "fit"))
    x, y = run.data.train.take(torch.arange(len(run.data.train)))
    valid_x, valid_y = prepared.splits(0).valid.take(torch.arange(len(prepared.splits(0).valid)))
    plain = list(
        named(
            run.model,
            torch.utils.data.TensorDataset(x[0], y),
            torch.utils.data.TensorDataset(valid_x[0], valid_y),
        )
    )
    assert [epoch.score for epoch in outcome.curve] == pytest.approx(plain, abs=1e-6)


def test_the_defaults_of_a_loop_are_the_given_rate_and_the_epochs():
    prepared = opened(named, epochs=None)
    assert (prepared.epochs, prepared.study.epochs) == (EPOCHS, EPOCHS)
    assert opened(named, lr=0.3).recipe.lr == 0.3, "what the task says goes before"
    assert opened(named, epochs=2).epochs == 2
    # A weight decay that it does not take is not told.
    assert "your own loop named; lr 0.05; 4 epochs" in prepared.notes[-1]


def test_a_loop_that_saves_goes_on_bit_for_bit(tmp_path):
    prepared = opened(saves, lr=0.02)
    whole = trained(prepared)
    assert whole.loop.saves
    kept = str(tmp_path / "state.pt")
    first = trained(prepared, to_epoch=2, epochs=EPOCHS, save=kept)
    assert first.ended is None
    rest = trained(prepared, from_epoch=2, epochs=EPOCHS, load=kept)
    assert scores(first) + scores(rest) == scores(whole)
    # What was lost is made again.
    (tmp_path / "state.pt").unlink()
    assert scores(trained(prepared, from_epoch=2, epochs=EPOCHS, load=kept)) == scores(whole)


def test_a_model_that_is_returned_is_the_one_that_is_scored():
    def averaged(run):
        average = copy.deepcopy(run.model)
        for _ in yields_scores(run):
            with torch.no_grad():
                for mean, own in zip(average.parameters(), run.model.parameters(), strict=True):
                    mean.lerp_(own, 0.5)
            yield 0.0
        return average

    prepared = opened(averaged, epochs=9, lr=0.1)
    outcome = trained(prepared, to_epoch=9, measures=True)
    last = count_last(9)
    *before, one, two, three = [epoch.score for epoch in outcome.curve]
    assert before == [0.0] * (9 - last)
    assert one == two == three > 0.5
    assert set(outcome.rows) == {TEST, HELD_OUT}
    held_out = outcome.rows[HELD_OUT].added.mean()
    assert held_out == pytest.approx(three)


def test_scores_without_a_model_have_no_rows():
    outcome = trained(opened(yields_scores, lr=0.1), measures=True)
    assert (outcome.rows, outcome.test) == ({}, None)
    assert not outcome.loop.has_model
    assert set(trained(opened(yields, lr=0.1), measures=True).rows) == {TEST, HELD_OUT}


def test_a_loop_may_stop_early():
    def early(run):
        for epoch, _ in enumerate(yields(run)):
            yield
            if epoch == 1:
                return

    prepared = opened(early, epochs=12, lr=0.1)
    outcome = trained(prepared, to_epoch=12, measures=True)
    assert outcome.ended is None
    found = [epoch.score for epoch in outcome.curve]
    assert found[2:] == [found[1]] * 10
    assert prepared.criterion.score(outcome.curve, 12) == pytest.approx(found[1])
    assert outcome.rows[HELD_OUT].added.mean() == pytest.approx(found[1])


def test_scoring_leaves_modes_and_random_states_as_the_loop_has_them():
    seen = []

    def looks(run):
        optimizer = torch.optim.SGD(run.model.parameters(), lr=run.lr)
        run.model.train()
        run.model[2].eval()  # a frozen layer
        for _ in range(run.epochs):
            for x, y in run.loader(run.train):
                optimizer.zero_grad()
                run.loss(run.model(x), y).backward()
                optimizer.step()
            before = torch.get_rng_state(), [module.training for module in run.model.modules()]
            yield
            after = torch.get_rng_state(), [module.training for module in run.model.modules()]
            seen.append(torch.equal(before[0], after[0]) and before[1] == after[1])

    assert not trained(opened(looks, lr=0.1)).why
    assert seen == [True] * EPOCHS


def test_a_loop_that_catches_everything_is_stopped_again():
    calls = []

    def stubborn(run):
        for _ in range(run.epochs + 3):
            try:
                run.report("much")
            except Exception as problem:
                calls.append(type(problem))

    outcome = trained(opened(stubborn))
    assert outcome.ended is Ended.FAILED
    assert "reported 'much'" in outcome.why
    assert calls == [advisor.Stop] * (EPOCHS + 3)


def test_a_training_in_one_go_is_cut_where_it_is_below_its_limit():
    closed = []

    def tidy(run):
        try:
            yield from yields(run)
        finally:
            closed.append(run.epoch)

    outcome = trained(opened(tidy, lr=0.1), cuts={2: 2.0})
    assert outcome.ended is Ended.OUTRANKED
    assert "after epoch 2, and the better half of the earlier trainings" in outcome.why
    assert (len(outcome.curve), closed) == (2, [2])
    assert trained(opened(tidy, lr=0.1), cuts={2: 0.0}).ended is None


# --- what it is given ---------------------------------------------------------------------------


def test_rows_are_a_dataset_and_mini_batches_hold_each_once():
    seen = {}

    def looks(run):
        seen["row"] = run.train[0]
        seen["last"] = run.train[-1][0], run.train[len(run.train) - 1][0]
        seen["all"] = [y for _, y in run.valid]
        loader = run.loader(run.train, batch=20)
        seen["sizes"] = [len(y) for _, y in loader], len(loader)
        seen["orders"] = [torch.cat([y for _, y in loader]).tolist() for _ in range(2)]
        subset = Subset(run.train, list(range(33)))
        seen["subset"] = sum(len(y) for _, y in run.loader(subset, batch=16))
        seen["other"] = [len(x) for x in run.loader(torch.arange(10), batch=4)]
        seen["valid"] = torch.cat([y for _, y in run.loader(run.valid)]).tolist()
        yield from yields(run)

    prepared = opened(looks, lr=0.1)
    assert not trained(prepared).why
    train, valid = prepared.splits(0).train, prepared.splits(0).valid
    assert seen["row"][0].shape == (6,)
    assert seen["row"][1].dtype == torch.int64
    assert torch.equal(*seen["last"])
    assert [int(y) for y in seen["all"]] == valid.target.tolist() == seen["valid"]
    sizes, batches = seen["sizes"]
    assert sum(sizes) == len(train)
    assert len(sizes) == batches
    one, other = seen["orders"]
    assert one != other
    assert sorted(one) == sorted(other) == sorted(train.target.tolist())
    assert seen["subset"] == 32, "a last mini-batch of one training row is left out"
    assert seen["other"] == [4, 4, 2]


class Hooked(Technique):
    """Notes the mini-batches and the steps."""

    slot, name = "activation", "hooked"

    def __init__(self):
        self.rows, self.steps = [], []

    def apply(self, run):
        run.batch = self.batch
        run.each_step.append(lambda *step: self.steps.append(step[:2]))

    def batch(self, inputs, target, generator):
        self.rows.append(len(target))
        return inputs, target


def hooked(prepared):
    """A training with that technique."""
    technique, run = Hooked(), prepared.run(3, 0)
    apply(run, [(technique, {})])
    fit = TrainingSettings(0.1, 0.0, BATCH, 0, EPOCHS)
    train_by_loop(run, prepared.loop, fit, prepared.splits(0).valid, lambda *_: None)
    return technique


def test_hooks_of_techniques_see_each_step_of_any_optimizer_and_training_rows_alone():
    prepared = opened(reports, lr=0.1)
    technique = hooked(prepared)
    rows = len(prepared.splits(0).train)
    steps = prepared.recipe.steps_an_epoch(rows, BATCH)
    assert len(technique.rows) == steps * EPOCHS
    assert technique.steps[0] == (1, 0)
    assert technique.steps[-1] == (steps * EPOCHS, EPOCHS - 1)


def test_a_loop_that_does_not_let_a_technique_act_fails_with_it_alone():
    with pytest.raises(StoppedEarly, match=r"does not take its training rows from run\.loader"):
        hooked(opened(named))
    assert not trained(opened(named)).why


def test_an_optimizer_that_leaves_out_what_waits_for_its_epoch_is_named():
    def of_those(chosen):
        def fit(run):
            own = [each for each in run.model.parameters() if chosen(each)]
            optimizer = torch.optim.SGD(own, lr=run.lr)
            for _ in range(run.epochs):
                an_epoch(run.model, run.loader(run.train), optimizer)
                yield

        return fit

    def whole(prepared):
        run = prepared.run(3, 0)
        run.later.append((run.model[0].weight, 0.5))
        before = run.model[0].weight.clone()
        fit = TrainingSettings(0.1, 0.0, BATCH, 0, EPOCHS)
        train_by_loop(run, prepared.loop, fit, prepared.splits(0).valid, lambda *_: None)
        return before, run.model[0].weight

    before, after = whole(opened(of_those(lambda each: True), lr=0.1))
    assert not torch.equal(before, after)
    with pytest.raises(StoppedEarly, match="build it for all of run.model.parameters"):
        whole(opened(of_those(lambda each: each.requires_grad), lr=0.1))


# --- what is refused ------------------------------------------------------------------------------


def never(run):
    an_epoch(run.model, run.loader(run.train), torch.optim.SGD(run.model.parameters(), lr=0.1))


def nan(run):
    yield float("nan")


def text(run):
    yield "0.9"


def true(run):
    yield True


def too_long(run):
    for _ in range(run.epochs + 1):
        yield 0.5


def twice(run):
    for _ in yields(run):
        run.report(0.5)
        run.report(0.5)


def numbers(run):
    return [0.5, 0.6]


def returns_score(run):
    yield from [0.5] * run.epochs
    return 0.9


def mixed(run):
    for epoch, _ in enumerate(yields(run)):
        yield 0.5 if epoch else None


def percent(run):
    yield 93.0


def raises(run):
    yield 0.5
    raise RuntimeError("no more memory cards")


def untrained(run):
    model = copy.deepcopy(run.model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(run.epochs):
        an_epoch(model, run.loader(run.train), optimizer)
        yield


def keeps_objects(run):
    for _ in yields(run):
        run.save({"optimizer": torch.optim.SGD(run.model.parameters(), lr=0.1)})
        yield


def saves_late(run):
    for _ in yields(run):
        yield
        run.save({"model": run.model.state_dict()})


def exits(run):
    yield 0.5
    raise SystemExit(3)


WRONG = {
    never: (Ended.FAILED, "reported no epoch: yield after each epoch"),
    nan: (Ended.NOT_FINITE, "that Task(fit=…): nan reported became nan"),
    text: (Ended.FAILED, "it reported '0.9' as the score of an epoch: report one number"),
    true: (Ended.FAILED, "it reported True as the score of an epoch"),
    too_long: (Ended.FAILED, "more than the 4 epochs that it was asked for"),
    twice: (Ended.FAILED, "more than the 4 epochs that it was asked for: one score after each"),
    numbers: (Ended.FAILED, "it returned list: yield a score after each epoch"),
    returns_score: (Ended.FAILED, "it returned float"),
    mixed: (Ended.FAILED, "a score after one epoch and none after another"),
    percent: (Ended.FAILED, "it reported 93, and accuracy is never above 1"),
    raises: (Ended.FAILED, "no more memory cards"),
    exits: (Ended.FAILED, "asked Python to exit"),
    untrained: (Ended.FAILED, "run.model is what it was before training"),
    keeps_objects: (Ended.FAILED, "SGD in state['optimizer']; give a dictionary of tensors"),
    saves_late: (Ended.FAILED, "reported without run.save(…): save after every epoch, before"),
}


@pytest.mark.parametrize("fit", WRONG, ids=lambda fit: fit.__name__)
def test_what_a_loop_does_wrong_is_said_with_who_and_what_to_do(fit):
    ended, told = WRONG[fit]
    outcome = trained(opened(fit, lr=0.1))
    assert (outcome.ended, told in outcome.why) == (ended, True), outcome.why
    assert fit.__name__ in outcome.why


def test_a_state_that_is_not_read_is_refused(tmp_path):
    def forgets(run):
        for _ in range(run.epochs):
            an_epoch(run.model, run.loader(run.train), torch.optim.SGD(run.model.parameters(), 0.1))
            run.save({"model": run.model.state_dict()})
            yield

    prepared, kept = opened(forgets), str(tmp_path / "state.pt")
    trained(prepared, to_epoch=2, epochs=EPOCHS, save=kept)
    outcome = trained(prepared, from_epoch=2, epochs=EPOCHS, load=kept)
    assert "saves its state and does not go on from it" in outcome.why


WRONG_TASKS = {
    "no function": ({"fit": "fit"}, "Task(fit='fit'): give a training loop"),
    "an optimizer beside it": (
        {"fit": named, "optimizer": torch.optim.SGD},
        "your own loop trains as it does itself. Leave optimizer out",
    ),
    "weights beside it": ({"fit": named, "weights": "balanced"}, "Leave weights out"),
    "no rate": ({"lr": 0}, "Task(lr=0): give a number above 0"),
    "two rates": ({"optimizer": torch.optim.SGD, "lr": 0.1}, "say the rate once"),
    "a decay below zero": ({"weight_decay": -1}, "Task(weight_decay=-1): give 0 or more"),
}


@pytest.mark.parametrize("case", WRONG_TASKS)
def test_a_task_that_says_its_training_twice_is_refused(case):
    words, told = WRONG_TASKS[case]
    with pytest.raises(InputError) as caught:
        advisor.Task(net, rows, **words)
    assert told in str(caught.value)


WRONG_LOOPS = {
    "asks for nothing": (lambda: None, "asks for nothing; a loop gets the run alone"),
    "unknown": (lambda model, fold: None, "asks for fold; a loop gets the run alone, fit(run), or"),
    "no rate": (lambda model, lr=0: None, "has lr=0; its default must be a number above 0"),
    "no epochs": (lambda model, epochs="6": None, "has epochs='6'; its default must be a whole"),
}


@pytest.mark.parametrize("case", WRONG_LOOPS)
def test_a_loop_that_asks_for_what_there_is_not_is_refused(case):
    fit, told = WRONG_LOOPS[case]
    with pytest.raises(InputError) as caught:
        opened(fit)
    assert told in str(caught.value)
