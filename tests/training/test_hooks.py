"""What techniques hang into a training is called when it should be, and held to what it gives
back.
"""

from contextlib import contextmanager, nullcontext
from dataclasses import replace

import numpy
import pytest
import torch
from models.runs import run_of
from torch import nn

import advisor
from advisor.data import TensorPart
from advisor.search.plan import why_unfit
from advisor.training.ended import Ended, StoppedEarly
from advisor.training.hooks import HOOKS, depends_on_length
from advisor.training.kept_file import KeptFile
from advisor.training.loop import TrainingSettings, train
from advisor.training.recipe import Recipe
from advisor.training.run import apply

ROWS, BATCH = 40, 16


def fresh(**recipe):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.ReLU(), nn.Linear(8, 2))
    run = run_of(model, torch.randn(ROWS, 4))
    run.recipe = replace(run.recipe, **recipe)
    return run


def trained(run, start=0, end=2, valid=None, **places):
    fit = TrainingSettings(1e-2, 0.0, BATCH, start, end, epochs=2, **places)
    return [(epoch.loss, epoch.score) for epoch in train(run, fit, valid or run.data.train)]


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_hook_after_a_step_is_told_the_step_of_the_whole_training_also_after_a_stop(
    accumulate, tmp_path
):
    def noted(start, end, **places):
        run, calls = fresh(accumulate=accumulate), []
        run.each_step.append(lambda *given: calls.append(given))
        trained(run, start, end, **places)
        return calls

    steps = run_steps = -(-3 // accumulate)
    whole = noted(0, 2)
    assert [call[:2] for call in whole] == [
        (number + 1, number // steps) for number in range(2 * run_steps)
    ]
    assert all(isinstance(call[2], torch.optim.Optimizer) for call in whole)
    file = KeptFile(tmp_path / "state.pt")
    first, rest = noted(0, 1, save=file), noted(1, 2, state=file.read())
    assert [call[:2] for call in (*first, *rest)] == [call[:2] for call in whole]


@pytest.mark.parametrize(
    ("change", "depends"),
    [
        (lambda run: run.model.requires_grad_(True), False),
        (lambda run: run.each_step.append(print), True),
        (lambda run: run.later.append((run.model[0].weight, 0.5)), True),
        (lambda run: setattr(run, "loss", nn.MSELoss()), True),
        (lambda run: setattr(run, "optimizer", torch.optim.SGD), True),
    ],
)
def test_a_training_may_depend_on_its_length_by_what_techniques_hang_into_it(change, depends):
    run = fresh()
    run.__post_init__()  # with its recipe, as nothing has changed it yet
    change(run)
    assert depends_on_length(run) == depends


def test_a_hook_sees_the_weights_after_the_step_and_may_move_the_rate_of_the_next():
    run, seen = fresh(), []

    def hook(step, epoch, optimizer):
        seen.append(run.model[0].weight.detach().clone())
        optimizer.param_groups[0]["lr"] = optimizer.param_groups[1]["lr"] = 0.0

    run.each_step.append(hook)
    before = run.model[0].weight.detach().clone()
    trained(run)
    assert not torch.equal(seen[0], before)
    assert all(torch.equal(seen[0], later) for later in seen)


def test_a_batch_hook_sees_training_rows_only_each_once_an_epoch():
    run, seen = fresh(), []

    def noted(inputs, target, generator):
        seen.append(inputs[0])
        return inputs, target

    run.batch = noted
    valid = TensorPart((torch.full((24, 4), 99.0),), torch.arange(24) % 2)
    trained(run, 0, 1, valid=valid)
    rows = torch.cat(seen)
    assert len(rows) == ROWS
    assert {tuple(row) for row in rows.tolist()} == {
        tuple(row) for row in run.data.train.take(torch.arange(ROWS))[0][0].tolist()
    }


def drawing(run):
    """Hooks that draw from everything, and change nothing."""

    def batch(inputs, target, generator):
        torch.rand(7, generator=generator), torch.rand(3), numpy.random.rand()
        return inputs, target

    @contextmanager
    def scored():
        torch.rand(1)
        yield

    run.batch = batch
    run.each_step.append(lambda *_: (torch.rand(5), numpy.random.rand()))
    run.scored = scored
    return run


def test_what_a_hook_draws_moves_no_dropout_and_no_order_of_rows():
    assert trained(drawing(fresh())) == trained(fresh())


def test_what_a_hook_draws_after_a_step_is_the_same_after_a_stop(tmp_path):
    def noisy():
        run = fresh()
        weight = run.model[0].weight
        run.each_step.append(lambda *_: weight.data.add_(torch.randn(weight.shape), alpha=0.01))
        return run

    file = KeptFile(tmp_path / "state.pt")
    whole = trained(noisy())
    assert whole == trained(noisy(), 0, 1, save=file) + trained(noisy(), 1, 2, state=file.read())
    assert whole != trained(fresh())


def test_the_weights_of_an_evaluation_are_those_of_its_context_and_training_goes_on_with_its_own():
    zero, plain = fresh(), fresh()

    @contextmanager
    def zeroed():
        own = [parameter.detach().clone() for parameter in zero.model.parameters()]
        for parameter in zero.model.parameters():
            parameter.data.zero_()
        yield
        for parameter, value in zip(zero.model.parameters(), own, strict=True):
            parameter.data.copy_(value)

    zero.scored = zeroed
    with_zeros, as_they_are = trained(zero), trained(plain)
    assert [loss for loss, _ in with_zeros] == [loss for loss, _ in as_they_are]
    assert {score for _, score in with_zeros} == {0.5}  # every row is called class 0


LEFT = {
    "other values": (
        lambda run: contextmanager(lambda: iter([run.model[0].bias.data.add_(1)])),
        "leaves other values in 0.bias",
    ),
    "another model": (
        lambda run: contextmanager(lambda: iter([setattr(run, "model", nn.Linear(4, 2))])),
        "leaves another model in run.model",
    ),
    "no context": (lambda run: lambda: None, "run.scored() returned None"),
}


@pytest.mark.parametrize("how", LEFT)
def test_a_context_of_scoring_that_leaves_something_ends_the_training_with_what(how):
    run = fresh()
    make, words = LEFT[how]
    run.scored = make(run)
    with pytest.raises(StoppedEarly) as told:
        trained(run)
    assert told.value.ended is Ended.FAILED
    assert words in str(told.value)


def test_what_a_context_of_scoring_raises_is_raised():
    run = fresh()
    run.scored = lambda: 1 / 0
    with pytest.raises(ZeroDivisionError):
        trained(run)


GIVEN_BACK = {
    "nothing": (lambda inputs, target: None, "returned None; return (inputs, target)"),
    "a tensor": (lambda inputs, target: (inputs[0], target), "as many as it gets, 1 in a tuple"),
    "two inputs": (lambda inputs, target: (inputs * 2, target), "as many as it gets, 1 in a tuple"),
    "no target": (lambda inputs, target: (inputs, None), "returned None as target"),
    "fewer rows": (
        lambda inputs, target: ((inputs[0][:5],), target[:5]),
        "returned 5 rows of 16; return as many as it gets",
    ),
    "rows that differ": (
        lambda inputs, target: (inputs, target[:5]),
        "returned 16, 5 rows of 16; return as many as it gets",
    ),
}


@pytest.mark.parametrize("how", GIVEN_BACK)
def test_a_batch_hook_that_gives_back_another_thing_ends_the_training_with_what(how):
    run = fresh()
    change, words = GIVEN_BACK[how]
    run.batch = lambda inputs, target, generator: change(inputs, target)
    with pytest.raises(StoppedEarly, match="run.batch") as told:
        trained(run)
    assert told.value.ended is Ended.FAILED
    assert words in str(told.value)


class Sets(advisor.Technique):
    """Sets one hook."""

    name, slot, cite = "sets", "initializer", "a test"

    def __init__(self, name, value):
        self.hook, self.value = name, value

    def apply(self, run):
        setattr(run, self.hook, self.value)


WRONG = {
    "a function for a list": ("each_step", print, "append functions (step, epoch, optimizer)"),
    "numbers": ("each_step", [1], "append functions (step, epoch, optimizer)"),
    "a number for a function": ("batch", 0.2, "(inputs, target, generator) -> (inputs, target)"),
    "a context for a function": ("scored", nullcontext(), "a function that returns a context"),
    "a list for a dictionary": ("keep", [nn.Linear(1, 1)], "run.keep[name]"),
    "a tensor": ("keep", {"mean": torch.zeros(1)}, "an object with state_dict"),
    "a name that is no text": ("keep", {1: nn.Linear(1, 1)}, "under a name"),
}


@pytest.mark.parametrize("how", WRONG)
def test_a_hook_of_another_kind_ends_the_trial_with_who_what_and_what_to_do(how):
    hook, value, words = WRONG[how]
    with pytest.raises(StoppedEarly) as told:
        apply(fresh(), [(Sets(hook, value), {})])
    assert told.value.ended is Ended.FAILED
    assert str(told.value).startswith(f"initializer 'sets': run.{hook}")
    assert words in str(told.value)


RIGHT = {
    "each_step": [print],
    "batch": lambda *given: given[:2],
    "scored": nullcontext,
    "keep": {"mean": nn.Linear(1, 1)},
    "optimizer": torch.optim.SGD,
    "recipe": Recipe(clip=1.0),
    "loss": nn.CrossEntropyLoss(),
}


@pytest.mark.parametrize("hook", RIGHT)
def test_a_technique_that_sets_a_hook_only_has_changed_something(hook):
    run = fresh()
    apply(run, [(Sets(hook, RIGHT[hook]), {})])
    assert run.no_effect == []


def test_hooks_of_several_techniques_are_called_one_after_another():
    def marked(name):
        @contextmanager
        def scored():
            calls.append(name)
            yield
            calls.append(f"end of {name}")

        return scored

    def added(number):
        return lambda inputs, target, generator: ((inputs[0] * 2 + number,), target)

    run, calls = fresh(), []
    hooks = [("batch", added(1)), ("scored", marked("a")), ("batch", added(2))]
    hooks += [("scored", marked("b")), ("loss", run.loss)]
    apply(run, [(Sets(*hook), {}) for hook in hooks])
    (rows,), _ = run.batch((torch.zeros(3, 4),), torch.zeros(3), None)
    assert rows.unique().item() == 4.0
    with run.scored():
        calls.append("inside")
    assert calls == ["a", "b", "inside", "end of b", "end of a"]
    assert run.no_effect == ["initializer"]  # the last one set the loss that was there


def test_a_technique_that_changes_the_recipe_only_has_changed_something():
    run = fresh()
    apply(run, [(Sets("recipe", replace(run.recipe, clip=1.0)), {})])
    assert run.no_effect == []


@pytest.mark.parametrize("hook", RIGHT)
def test_a_technique_whose_hook_the_users_own_loop_does_not_use_cannot_be_tried(hook):
    run, technique = fresh(), Sets(hook, RIGHT[hook])
    assert why_unfit(technique, run) is None
    run.honours = frozenset(HOOKS) - {hook}
    why = f"your own training does not use run.{hook}"
    assert why_unfit(technique, run) == why
    # The run that was asked about is as it was; and a technique that says so itself says the same.
    assert getattr(run, hook) == getattr(fresh(), hook)
    assert run.lacks(hook) == why
    assert run.lacks() is None
    # What sets a hook for some parameters only fails where it does.
    with pytest.raises(StoppedEarly, match=f"'sets': {why}"):
        apply(run, [(technique, {})])


def test_a_technique_without_hooks_can_be_tried_with_any_loop_of_the_users_own():
    run = fresh()
    run.honours = frozenset()
    assert why_unfit(Sets("nothing", 1), run) is None
