"""What user code raises, told apart from what a person asks for."""

import os
import signal
import sys

import pytest

from advisor.errors import InputError
from advisor.user_code import (
    Interrupted,
    interrupts_told_apart,
    kept_from_exiting,
    place_of,
    user_faults,
)


class Odd(BaseException):
    pass


def fault_of(raised):
    """What an `except user_faults():` lets through, or None."""
    try:
        try:
            raise raised
        except user_faults():
            return None
    except BaseException as problem:
        return problem


@pytest.mark.parametrize("raised", [ValueError(), SystemExit(), KeyboardInterrupt(), Odd()])
def test_user_code_may_raise_anything(raised):
    assert fault_of(raised) is None


@pytest.mark.parametrize("raised", [Interrupted(), GeneratorExit()])
def test_what_ends_the_program_rightly_is_no_fault_of_user_code(raised):
    assert fault_of(raised) is raised


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_that_interrupts_is_told_apart_and_its_handler_is_put_back(name):
    number = getattr(signal, name)
    before = signal.signal(number, signal.default_int_handler)
    try:
        with pytest.raises(Interrupted), interrupts_told_apart():
            signal.raise_signal(number)
        assert signal.getsignal(number) is signal.default_int_handler
    finally:
        signal.signal(number, before)


@pytest.mark.parametrize(
    ("raised", "said"),
    [
        (SystemExit(0), r"called sys.exit\(0\)"),
        (SystemExit(), r"called sys.exit\(\)"),
        (KeyboardInterrupt(), "raised KeyboardInterrupt"),
        (Odd("way"), "raised Odd: way"),
    ],
)
def test_user_code_that_wants_to_end_the_program_is_refused_with_its_place(raised, said):
    def forward():
        raise raised

    place = f"forward, {os.path.basename(__file__)}:{forward.__code__.co_firstlineno + 1}"
    with pytest.raises(InputError, match=f"{place}, {said}"), kept_from_exiting():
        forward()


def test_errors_pass():
    with pytest.raises(ZeroDivisionError), kept_from_exiting():
        _ = 1 / 0


def test_a_place_is_the_users_innermost_line():
    frame = sys._getframe()
    line = frame.f_lineno + 2
    name = f"test_a_place_is_the_users_innermost_line, {os.path.basename(__file__)}"
    assert place_of(frame) == f"{name}:{line}"
    assert place_of(frame, end=frame) == place_of(None) == ""
