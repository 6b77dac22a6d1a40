from __future__ import annotations

import math

import pytest

from advisor import Choice, Float, InputError, Int, Slot, Study, Task, Technique
from advisor.errors import AdvisorError, MachineError, PluginError, SearchError, listing, near
from advisor.technique import KEEP, Keep


def build():
    raise AssertionError("a task does not build its model before it is asked to")


TASK = Task(build, data="digits.csv")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (
            {"build": "net.py:Net", "data": "d.csv"},
            ["build=", "class or a function", "'net.py:Net'"],
        ),
        ({"build": None, "data": "d.csv"}, ["build=", "None"]),
        ({"build": build}, ["data=", "train=", "not both"]),
        ({"build": build, "data": "d.csv", "train": "t.csv"}, ["data=", "train=", "not both"]),
        (
            {"build": build, "data": "d.csv", "kind": "clasification"},
            ["kind='clasification'", "classification, binary, regression"],
        ),
        ({"build": build, "data": "d.csv", "batch": 0}, ["batch=0", "at least one row"]),
        ({"build": build, "data": "d.csv", "batch": "32"}, ["batch", "'32'"]),
    ],
    ids=[
        "a text for build",
        "nothing for build",
        "no data",
        "data twice",
        "kind",
        "batch of none",
        "batch as text",
    ],
)
def test_a_task_that_makes_no_sense_is_refused_at_once_by_name(given, words):
    with pytest.raises(InputError) as refused:
        Task(**given)
    assert all(word in str(refused.value) for word in words), refused.value


@pytest.mark.parametrize(
    "given",
    [
        {"data": ([[1.0]], [1])},
        {"train": "t.csv", "valid": "v.csv", "test": "e.csv"},
        {"data": "d.csv", "valid": "v.csv", "kind": "binary"},
    ],
)
def test_a_task_takes_data_whole_or_in_the_users_own_splits(given):
    task = Task(lambda: None, **given)
    assert {name: getattr(task, name) for name in given} == given


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"name": ""}, ["name=''", "needs a name"]),
        ({"name": 3}, ["name=3", "needs a name"]),
        ({"task": "net.py"}, ["task", "advisor.Task"]),
        ({"trials": 0}, ["'digits'", "trials", "at least 1", "got 0"]),
        ({"trials": "60"}, ["'digits'", "trials", "'60'"]),
        ({"seeds": 2}, ["'digits'", "seeds", "at least 3", "got 2"]),
        ({"epochs": 0}, ["'digits'", "epochs", "at least 1", "got 0"]),
        ({"minutes": 0}, ["'digits'", "minutes", "above 0", "got 0"]),
        ({"minutes": -1.5}, ["'digits'", "minutes", "above 0", "got -1.5"]),
        ({"min_gain": -0.1}, ["'digits'", "min_gain", "-0.1"]),
        ({"only": {"activation": "elu"}}, ["'digits'", "only", "activation", "'elu'"]),
        ({"only": ["elu"]}, ["'digits'", "only", "slot"]),
    ],
    ids=lambda value: "" if isinstance(value, list) else " ".join(map(str, *value.items())),
)
def test_a_study_that_makes_no_sense_is_refused_at_once_by_name(given, words):
    with pytest.raises(InputError) as refused:
        Study(**{"name": "digits", "task": TASK, **given})
    assert all(word in str(refused.value) for word in words), refused.value


def test_a_study_has_the_budget_of_the_documentation_unless_told_otherwise():
    study = Study("digits", TASK)
    assert (study.trials, study.minutes, study.epochs, study.seed, study.seeds) == (
        60,
        None,
        None,
        0,
        None,
    )
    assert study.only is None
    assert study.min_gain is None
    with pytest.raises(AttributeError):
        study.trials = 3  # a study is a value


@pytest.mark.parametrize(
    ("kind", "given", "words"),
    [
        (Float, {"low": 2.0, "high": 1.0}, "low > high"),
        (Float, {"low": math.nan, "high": 1.0}, "low > high"),
        (Float, {"low": 0.0, "high": math.inf}, "inf"),
        (Float, {"low": 0.0, "high": 1.0, "log": True}, "low must be above 0"),
        (Float, {"low": 0.0, "high": 1.0, "default": 1.5}, "default outside its range"),
        (Int, {"low": 2, "high": 1}, "low > high"),
        (Int, {"low": 0, "high": 8, "log": True}, "low must be above 0"),
        (Int, {"low": 1, "high": 8, "default": 9}, "default outside its range"),
        (Int, {"low": 0.5, "high": 3.5}, "whole"),
    ],
)
def test_a_range_that_holds_nothing_to_search_is_refused(kind, given, words):
    with pytest.raises(ValueError, match=words):
        kind(**given)


@pytest.mark.parametrize(("options", "default"), [((), None), (("a", "b"), "c")])
def test_a_choice_needs_options_and_its_default_among_them(options, default):
    with pytest.raises(ValueError, match="needs options, and a default among them"):
        Choice(*options, default=default)


@pytest.mark.parametrize("options", [(None, "a"), (math.sqrt,), (["a"], "b")], ids=repr)
def test_an_option_is_text_a_number_or_a_boolean(options):
    with pytest.raises(ValueError, match="option"):
        Choice(*options)


@pytest.mark.parametrize(
    ("parameter", "first"),
    [
        (Float(1.0, 2.0), 1.5),
        (Float(1e-4, 1e-2, log=True), 1e-3),
        (Float(0.0, 1.0, default=0.0), 0.0),
        (Float(1.0, 1.0), 1.0),
        (Int(3, 10), 6),
        (Int(1, 100, log=True), 10),
        (Int(0, 10, default=0), 0),
        (Choice("a", "b"), "a"),
        (Choice("a", "b", default="b"), "b"),
        (Choice(True, False, default=False), False),
    ],
    ids=repr,
)
def test_the_first_value_is_the_default_or_else_the_middle_or_the_first_option(parameter, first):
    assert (
        parameter.first == pytest.approx(first)
        if isinstance(first, float)
        else parameter.first == first
    )
    assert type(parameter.first) is type(first)


class Shrink(Technique):
    name, slot = "shrink", "weights"
    space = {
        "signed": Float(0.0, 1.0, default=0.2),
        "spaced": Float(0.0, 1.0, default=0.3),
        "middle": Float(0.0, 1.0),
        "hidden": Int(1, 9, default=2),
        "kind": Choice("soft", "hard"),
    }

    def apply(self, run, signed=0.9, spaced=None, *, kind="hard", **params):
        return None


class Bare(Shrink):
    def apply(self, run, signed, **params):
        return None


def test_what_is_tried_first_comes_from_the_signature_then_from_the_space_then_from_the_middle():
    assert Bare().defaults() == {
        "signed": 0.2,
        "spaced": 0.3,
        "middle": 0.5,
        "hidden": 2,
        "kind": "soft",
    }
    first = Shrink().defaults()
    assert first["signed"] == 0.9
    assert first["kind"] == "hard"
    assert first["middle"] == 0.5
    assert first["hidden"] == 2
    assert list(first) == list(Shrink.space)


def test_none_in_a_signature_says_nothing_about_a_number():
    assert Shrink().defaults()["spaced"] == 0.3


def test_a_technique_fits_unless_it_says_why_not_and_must_say_how_it_is_applied():
    class Lazy(Technique):
        name, slot = "lazy", "weights"

    assert Lazy().unfit(None) is None
    assert Lazy().defaults() == {}
    assert repr(Lazy()) == "<technique weights=lazy>"
    with pytest.raises(TypeError, match=r"Lazy must define apply\(run, ...\)"):
        Lazy().apply(None)


def test_keep_does_nothing_in_every_slot():
    keep = Keep("weights")
    assert (keep.name, keep.slot, keep.defaults(), keep.unfit(None), keep.apply(None)) == (
        KEEP,
        "weights",
        {},
        None,
        None,
    )


def test_a_slot_is_a_value_with_an_order():
    assert Slot("a", "what", after=("b",)) == Slot("a", "what", ("b",), ())
    assert len({Slot("a", "what"), Slot("a", "what")}) == 1


@pytest.mark.parametrize(
    ("error", "code"),
    [(AdvisorError, 1), (MachineError, 1), (SearchError, 1), (InputError, 2), (PluginError, 2)],
    ids=lambda value: str(value),
)
def test_an_error_of_the_users_ends_with_2_and_one_of_the_search_with_1(error, code):
    assert issubclass(error, AdvisorError)
    assert error("no").exit_code == code


def test_a_long_list_in_a_message_is_cut_and_says_so():
    assert listing(["a", "b"]) == "a, b"
    assert listing(range(14), limit=3) == "0, 1, 2, … (14 in all)"


@pytest.mark.parametrize(
    ("word", "hint"), [("initialiser", " Did you mean 'initializer'?"), ("zzz", ""), ("", "")]
)
def test_a_near_word_is_offered_and_a_far_one_is_not(word, hint):
    assert near(word, ["activation", "initializer"]) == hint


@pytest.mark.parametrize("given", [(["a", "b"],), (("a", "b"),), ("a", "b")], ids=repr)
def test_options_may_be_given_one_by_one_or_as_a_list(given):
    assert Choice(*given).options == ("a", "b")
