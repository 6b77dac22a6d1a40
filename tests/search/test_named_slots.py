"""Slots that are searched where a study names them."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

import advisor
from advisor.cli.task_options import split_slots
from advisor.errors import InputError
from advisor.host.host import load
from advisor.search.plan import check_asked
from advisor.technique import Keep, Slot, Wanted


@pytest.fixture(scope="module")
def named():
    """The built-in slots that a study searches only where it names them."""
    return [name for name, slot in load().slots.items() if not slot.standard]


def names(host, **given):
    """By slot, the names of the techniques that a study wants."""
    wanted = host.asked(Wanted.by(given))
    return {slot: [each.name for each in found] for slot, found in wanted.items()}


def test_a_study_that_names_no_slot_searches_the_standard_ones(named):
    host = load()
    assert named
    found = names(host)
    assert not set(named) & set(found)
    assert set(found) == set(host.slots) - set(named)


def test_a_slot_that_is_named_is_searched_beside_the_others(named):
    host, slot = load(), named[0]
    found = names(host, also=[slot])
    assert found.pop(slot) == [
        each.name
        for each in host.techniques[slot].values()
        if each.standard and each.name != "keep"
    ]
    assert found == names(host)


def test_techniques_that_are_named_open_their_slot(named):
    host, slot = load(), named[0]
    name = list(host.techniques[slot])[1]
    assert names(host, only={slot: [name]})[slot] == [name]
    assert names(host, only={slot: []})[slot] == []


def test_nothing_keeps_a_slot_by_choice():
    assert not Wanted().has(Keep("here"), Slot("here", "what"))


def test_a_slot_that_there_is_not_is_refused_with_those_that_are():
    with pytest.raises(InputError, match=r"also: there is no slot 'activatoin'.*activation"):
        check_asked(Wanted(also=["activatoin"]), load())
    # One that the study was begun with may be gone.
    check_asked(Wanted(also=["gone"]), load(), [("gone", "technique")])


@pytest.mark.parametrize("also", ["optimizer", 3, [3], None])
def test_slots_are_given_as_a_list(also):
    task = advisor.Task(object, data=([1], [1]))
    with pytest.raises(InputError, match="also must be a list of slots"):
        advisor.Study("small", task, also=also)


def test_slots_are_named_on_the_command_line_one_by_one_or_together():
    assert split_slots(["a,b", " c"]) == ["a", "b", "c"]
    with pytest.raises(InputError, match="--also 'a,'"):
        split_slots(["a,"])


def test_the_same_slots_in_another_order_are_the_same_study():
    one, other = Wanted(also=["b", "a"]), Wanted(also=["a", "b"])
    assert one.names == other.names == {"only": {}, "also": ["a", "b"]}
    assert Wanted.by({"only": {"x": ["a"]}}).names["also"] is None
    assert replace(one, also=()).has_slot(SimpleNamespace(name="s", standard=True))


def test_the_learning_rate_of_an_arm_may_be_a_technique_s():
    host = load()
    assert host.rate_in(dict.fromkeys(host.slots, "keep")) == "training.lr"
    own = [
        (slot, technique)
        for slot, techniques in host.techniques.items()
        for technique in techniques.values()
        if technique.rate
    ]
    assert own
    for slot, technique in own:
        name = f"{slot}.{technique.name}.{technique.rate}"
        assert host.rate_in({slot: technique.name}) == name
