"""While a study trains in this process, what was there before is not gone through for garbage."""

import gc
import weakref

import pytest

from advisor.work.opened import in_this_process


class Loop:
    """Garbage that only the collector finds."""

    def __init__(self):
        self.own = self


@pytest.fixture(autouse=True)
def thawed():
    gc.unfreeze()  # a command that ran in this process has frozen what it loaded
    yield
    assert gc.get_freeze_count() == 0


def test_what_was_there_before_is_left_alone_and_put_back():
    before = Loop()
    found = weakref.ref(before)
    with in_this_process():
        assert gc.get_freeze_count() > 10_000
        del before
        gc.collect()
        assert found() is not None
    gc.collect()
    assert found() is None


def test_what_comes_later_is_collected():
    with in_this_process():
        found = weakref.ref(Loop())
        gc.collect()
        assert found() is None


def fail():
    raise ValueError("stop")


def test_it_is_put_back_after_an_error():
    with pytest.raises(ValueError, match="stop"), in_this_process():
        fail()


def test_a_block_in_another_one_puts_nothing_back():
    with in_this_process():
        with in_this_process():
            pass
        assert gc.get_freeze_count() > 0


def test_objects_that_another_one_has_frozen_stay_frozen():
    gc.freeze()
    try:
        with in_this_process():
            pass
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()
