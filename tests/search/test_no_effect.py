"""What changed nothing, at any stage, is the arm without it."""

import sqlite3

import pytest
import torch
from torch import nn

import advisor

PLUGIN = '''
import torch
import advisor

class Marks(advisor.Technique):
    """Changes the model, and says so in it."""
    name, slot, cite = "marks", "first", "a test"
    def apply(self, run):
        run.model.marked = True
        with torch.no_grad():
            run.model[0].weight.mul_(1.5)

class Shy(advisor.Technique):
    """Changes a model that is not marked; what it says is always the same."""
    name, slot, cite = "shy", "second", "a test"
    space = {"factor": advisor.Float(0.5, 2.0)}
    def apply(self, run, factor=1.2):
        if not hasattr(run.model, "marked"):
            with torch.no_grad():
                run.model[0].bias.add_(factor)
        return "scaled 1 layer"

class Hollow(advisor.Technique):
    """Changes nothing."""
    name, slot, cite = "hollow", "third", "a test"
    space = {"factor": advisor.Float(0.5, 2.0)}
    def apply(self, run, factor=1.2):
        return "scaled 1 layer"

class Moves(advisor.Technique):
    name, slot, cite = "moves", "third", "a test"
    def apply(self, run):
        with torch.no_grad():
            run.model[0].bias.sub_(0.1)

@advisor.hookimpl
def slots():
    return [advisor.Slot(name, "a test", after=before) for name, before in
            [("first", ()), ("second", ("first",)), ("third", ("second",))]]

@advisor.hookimpl
def techniques():
    return [Marks(), Shy(), Hollow(), Moves()]
'''
ONLY = {name: [] for name in ("activation", "initializer", "pretraining", "embedding")}


def data():
    x = torch.randn(160, 6, generator=torch.Generator().manual_seed(0))
    return x, (x[:, 0] > 0).long()


def net():
    return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 2))


@pytest.fixture
def tuned(write, tmp_path):
    """Tune a small study with these techniques; gives the answer and the rows of its trials."""
    plugin = write("effects.py", PLUGIN)

    def tuned(name, trials=26, only=(), on=lambda event: None, **options):
        chosen = ONLY | dict(only)
        task = advisor.Task(build=net, data=data, batch=40)
        study = advisor.Study(name, task, trials=trials, epochs=2, seeds=3, only=chosen)
        url = f"sqlite:///{tmp_path}/{name}.db"
        answer = advisor.tune(
            study, storage=url, plugins=[plugin], on=on, **{"workers": 0, **options}
        )
        with sqlite3.connect(tmp_path / f"{name}.db") as connection:
            trials_asked = rows_of(connection)
        return answer, trials_asked

    return tuned


def rows_of(connection):
    """Number, slots, score, learning rate and facts of each trial."""
    rows = {}
    asked = connection.execute(
        "SELECT t.number, t.state, v.value, p.param_name, p.param_value, p.distribution_json "
        "FROM trials t JOIN trial_params p ON p.trial_id = t.trial_id "
        "LEFT JOIN trial_values v ON v.trial_id = t.trial_id ORDER BY t.number, p.param_name"
    )
    for number, state, value, name, internal, _ in asked:
        row = rows.setdefault(number, {"state": state, "value": value, "params": {}})
        row["params"][name] = internal
    facts = connection.execute(
        "SELECT t.number, a.key, a.value_json FROM trials t "
        "JOIN trial_user_attributes a ON a.trial_id = t.trial_id WHERE a.key = 'no_effect'"
    )
    for number, _, text in facts:
        rows[number]["no_effect"] = text
    return rows


def has_both(row):
    """Whether a trial has a technique in the first slot and one with no effect beside it."""
    return row["params"]["first"] > 0 and row["params"]["second"] > 0


def test_no_trial_is_trained_with_a_technique_that_changes_nothing(tuned):
    _, rows = tuned("effects")
    taken = [row for row in rows.values() if "shy" in row.get("no_effect", "")]
    assert taken
    assert not any(has_both(row) for row in rows.values())
    assert all(row["value"] is not None for row in taken if row["state"] == "COMPLETE")
    # A parameter of a technique that a trial has not got is gone, too.
    assert not any("second.shy.factor" in row["params"] for row in taken)


def test_a_trial_without_the_technique_is_one_that_was_not_tried_before(tuned):
    _, rows = tuned("effects")
    trained = [tuple(row["params"].items()) for row in rows.values() if row["value"] is not None]
    assert len(set(trained)) == len(trained)


def test_a_technique_that_never_changes_anything_is_told_identical_and_is_in_no_arm(tuned):
    answer, _ = tuned("effects")
    told = {(row.slot, row.technique): row for row in answer.isolation}
    assert told["third", "hollow"].identical
    assert told["third", "hollow"].best is None
    assert not told["second", "shy"].identical
    confirmed = [arm.choices for arm in answer.alternatives]
    assert confirmed
    assert not any(arm["third"] == "hollow" for arm in confirmed)
    assert not any((arm["first"], arm["second"]) == ("marks", "shy") for arm in confirmed)
    (alone,) = [row for row in answer.pruned if row.arm == "third=hollow"]
    assert alone.why == "third hollow changed nothing (scaled 1 layer)"
    assert (alone.ended, alone.epochs) == ("no_effect", 0)


def test_where_nothing_has_an_effect_the_answer_says_identical(tuned):
    only = {"first": [], "second": [], "third": ["hollow"]}
    answer, rows = tuned("hollow", trials=5, only=only)
    assert answer.verdict == "keep"
    assert "third hollow: identical to your model" in answer.reasons[0]
    trained = [row for row in rows.values() if row["params"].get("third", 0) > 0 and row["value"]]
    assert not trained


def test_a_search_that_is_stopped_wherever_it_is_gives_the_same_trials(tuned):
    _, whole = tuned("whole")
    stopped = 0

    def stop(event):
        nonlocal stopped
        if "taken as" in event.text or (event.done > 14 and stopped % 2):
            stopped += 1
            raise KeyboardInterrupt

    while True:
        try:
            _, pieces = tuned("pieces", on=stop)
            break
        except KeyboardInterrupt:
            assert stopped < 60
    assert stopped > 1
    assert pieces == whole


def test_the_trials_are_the_same_on_two_workers(tuned):
    _, alone = tuned("alone", trials=20)
    _, together = tuned("together", trials=20, workers=2)
    assert together == alone
