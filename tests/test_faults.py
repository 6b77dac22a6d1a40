"""Whose fault an exception is, and how it is told."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path

import pytest
import torch

from advisor.errors import MOST_LETTERS, MachineError, explain, one_line
from advisor.faults import is_out_of_memory, machine_fault


@pytest.mark.parametrize("name", ["ENOSPC", "EDQUOT", "EROFS", "EMFILE", "EIO", "ESTALE", "EFBIG"])
def test_what_the_system_refuses_is_the_machines(name):
    number = getattr(errno, name)
    assert os.strerror(number) in machine_fault(OSError(number, os.strerror(number)))


@pytest.mark.parametrize(
    "problem",
    [
        ValueError("no good"),
        FileNotFoundError(errno.ENOENT, "No such file", "weights.bin"),
        PermissionError(errno.EACCES, "Permission denied"),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory"),
        SystemExit(0),
        KeyboardInterrupt(),
        ZeroDivisionError(),
    ],
    ids=repr,
)
def test_what_a_model_raises_is_not(problem):
    assert machine_fault(problem) == ""


def raised(make):
    try:
        make()
    except Exception as problem:
        return problem
    raise AssertionError("it should have raised")


def hidden(problem, explicit):
    def make():
        try:
            raise problem
        except Exception as cause:
            if explicit:
                raise ValueError("the model could not write") from cause
            raise ValueError("the model could not write")  # noqa: B904  # the test is about this

    return raised(make)


@pytest.mark.parametrize("explicit", [True, False])
@pytest.mark.parametrize(
    "problem", [OSError(errno.ENOSPC, "No space left on device"), MachineError("the disk")]
)
def test_it_is_found_behind_what_was_raised_for_it(problem, explicit):
    assert machine_fault(hidden(problem, explicit))


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="only Linux has a full device")
def test_what_torch_says_of_a_full_disk_is_the_machines():
    assert machine_fault(raised(lambda: torch.save({"a": torch.zeros(90_000)}, "/dev/full")))


def test_two_exceptions_that_are_each_others_cause_are_looked_at_once():
    one, other = ValueError("one"), ValueError("other")
    one.__cause__, other.__cause__ = other, one
    assert machine_fault(one) == ""


def test_a_file_that_is_missing_because_the_working_folder_is_gone_is_the_machines(
    tmp_path, monkeypatch
):
    place = tmp_path / "work"
    place.mkdir()
    monkeypatch.chdir(place)
    shutil.rmtree(place)
    try:
        assert "the command was started is gone" in machine_fault(raised(Path("x.csv").read_text))
    finally:
        os.chdir(tmp_path)


@pytest.mark.parametrize(
    "problem",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        hidden(MemoryError(), False),
    ],
    ids=repr,
)
def test_missing_memory_is_told_apart(problem):
    assert is_out_of_memory(problem)
    assert not is_out_of_memory(ValueError("out of memory"))


class Mute(Exception):
    def __str__(self):
        raise TypeError("nothing to say")


@pytest.mark.parametrize(
    ("problem", "said"),
    [
        (ValueError("two\nlines  and\ttabs."), "ValueError: two lines and tabs"),
        (ValueError("a\x00b\x1b[31m"), r"ValueError: a\x00b\x1b[31m"),
        (ValueError("half \ud800 a pair"), r"ValueError: half \ud800 a pair"),
        (ValueError("ünïcode 模型 🙂"), "ValueError: ünïcode 模型 🙂"),
        (Mute(), "Mute: (its text cannot be read)"),
        (SystemExit(), "SystemExit"),
        (ValueError(), "ValueError"),
    ],
    ids=ascii,
)
def test_an_exception_is_explained_in_letters_that_every_database_takes(problem, said):
    assert explain(problem) == said
    assert "\\u0000" not in json.dumps(explain(problem))
    explain(problem).encode()


def test_a_text_of_megabytes_is_cut():
    assert len(explain(ValueError("x" * 10_000_000))) < MOST_LETTERS + 20
    assert one_line("word " * 1_000_000).endswith("…")
    assert one_line(" " * 1_000_000 + "end") == "…"
    assert one_line("short") == "short"
