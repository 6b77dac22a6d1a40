"""Files that are whole, or as good as not there."""

from __future__ import annotations

import errno
import os
import resource
import signal
from pathlib import Path

import pytest
import torch

from advisor.errors import MachineError
from advisor.training.kept_file import KeptFile, remove_kept_files

STATE = {"model": {"weight": torch.arange(50_000.0)}, "optimizer": {"step": 3}}


@pytest.fixture
def file(tmp_path) -> KeptFile:
    file = KeptFile(tmp_path / "states" / "0-1.pt", "this training")
    file.write(STATE)
    return file


def left(file):
    return [each.name for each in file.path.parent.iterdir()]


def test_what_was_written_is_read_and_nothing_else_is_left(file):
    kept = file.read()
    assert torch.equal(kept["model"]["weight"], STATE["model"]["weight"])
    assert kept["optimizer"] == {"step": 3}
    assert left(file) == ["0-1.pt"]


def test_what_was_written_for_other_content_is_not_read(file):
    assert KeptFile(file.path, "another training").read() is None
    assert KeptFile(file.path).read() is None


def cut(content):
    return content[: len(content) // 2]


def flipped(content):
    """One bit of a tensor is another one; the archive is whole."""
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


@pytest.mark.parametrize(
    "damage",
    [cut, flipped, lambda _: b"", lambda _: b"no state at all" * 9, lambda content: content[32:]],
    ids=["cut", "flipped", "empty", "foreign", "without its seal"],
)
def test_a_damaged_file_is_as_one_that_is_gone(file, damage):
    file.path.write_bytes(damage(file.path.read_bytes()))
    assert file.read() is None
    file.write(STATE)
    assert file.read() is not None


def test_a_file_that_torch_itself_wrote_is_not_read(file):
    torch.save(STATE, file.path)
    assert file.read() is None


@pytest.mark.parametrize("way", ["unlink", "folder"])
def test_a_file_that_is_gone_is_none(file, way):
    file.path.unlink()
    if way == "folder":
        file.path.parent.rmdir()
        file.path.parent.write_text("a file where a folder should be")
    assert file.read() is None


def test_a_file_where_the_folder_should_be_is_told(tmp_path):
    (tmp_path / "states").write_text("in the way")
    with pytest.raises(MachineError, match=r"states/0-1\.pt cannot be written: .*; make room"):
        KeptFile(tmp_path / "states" / "0-1.pt").write(STATE)


def test_a_folder_where_the_file_should_be_is_told(tmp_path):
    (tmp_path / "0-1.pt").mkdir()
    with pytest.raises(MachineError, match="cannot be written"):
        KeptFile(tmp_path / "0-1.pt").write(STATE)
    assert KeptFile(tmp_path / "0-1.pt").read() is None
    assert left(KeptFile(tmp_path / "0-1.pt")) == ["0-1.pt"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a full device")
def test_a_full_disk_is_told_and_leaves_the_old_file_whole(file, monkeypatch):
    original = Path.open

    def on_full_disk(path, mode="r", *more, **options):
        return open("/dev/full", mode) if "w" in mode else original(path, mode, *more, **options)

    monkeypatch.setattr(Path, "open", on_full_disk)
    with pytest.raises(MachineError, match="No space left on device"):
        file.write({"model": {"weight": torch.zeros(90_000)}})
    assert torch.equal(file.read()["model"]["weight"], STATE["model"]["weight"])
    assert left(file) == ["0-1.pt"]


def test_a_file_that_may_not_grow_is_told_and_nothing_half_written_is_left(file):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(MachineError, match="File too large"):
            file.write({"model": {"weight": torch.zeros(90_000)}})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert file.read() is not None
    assert left(file) == ["0-1.pt"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_told(file):
    file.path.parent.chmod(0o500)
    try:
        with pytest.raises(MachineError, match="Permission denied"):
            file.write(STATE)
    finally:
        file.path.parent.chmod(0o700)


def test_too_many_open_files_say_nothing_about_a_file(file, monkeypatch):
    def refused(*_):
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(Path, "open", refused)
    with pytest.raises(MachineError, match="Too many open files"):
        file.read()


def test_what_cannot_be_pickled_is_no_fault_of_the_machine(tmp_path):
    with pytest.raises(Exception, match="pickle"):
        KeptFile(tmp_path / "x.pt").write({"model": {"hook": lambda: None}})
    assert list(tmp_path.iterdir()) == []


def test_states_and_what_was_left_half_written_are_removed_and_shared_work_is_kept(tmp_path):
    for name in ("0-1.pt", "0-1.pt.12ab.part", "cache/a.pt", "cache/b.pt.34cd.part"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    remove_kept_files(tmp_path)
    remove_kept_files(tmp_path / "gone")
    assert [each.name for each in tmp_path.rglob("*.*")] == ["a.pt"]
