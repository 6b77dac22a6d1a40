"""Which files count as read."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import numpy
import pytest
import torch

from advisor.content.files_read import files_read


def digests(folder, work):
    with files_read() as noted:
        work()
    return noted.digests(folder)


def by_open(path):
    with open(path) as file:
        json.load(file)


def by_number(path):
    number = os.open(path, os.O_RDONLY)
    os.read(number, 10)
    os.close(number)


def in_a_thread(path):
    thread = threading.Thread(target=by_open, args=(path,))
    thread.start()
    thread.join()


@pytest.mark.parametrize(
    "read", [by_open, by_number, in_a_thread, lambda path: Path(path).read_text()]
)
def test_a_file_that_is_read_counts_by_its_content(tmp_path, read):
    path = tmp_path / "conf" / "config.json"
    path.parent.mkdir()
    path.write_text("{}")
    first = digests(tmp_path, lambda: read(path))
    assert list(first) == [os.path.join("conf", "config.json")]
    os.utime(path)
    assert digests(tmp_path, lambda: read(str(path))) == first
    path.write_text("[]")
    second = digests(tmp_path, lambda: read(path))
    assert second.keys() == first.keys()
    assert second != first


def test_files_of_libraries_that_read_them_count(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    numpy.save("a.npy", numpy.arange(3))
    torch.save({"a": torch.ones(2)}, "b.pt")

    def work():
        numpy.load("a.npy")
        torch.load("b.pt")

    assert list(digests(tmp_path, work)) == ["a.npy", "b.pt"]


def test_what_lies_elsewhere_has_its_whole_path(tmp_path):
    path = tmp_path / "other.yaml"
    path.write_text("a: 1")
    (tmp_path / "study").mkdir()
    assert list(digests(tmp_path / "study", path.read_bytes)) == [str(path.resolve())]


def test_code_logs_and_what_belongs_to_the_machine_do_not_count(tmp_path):
    for name in ("code.py", "log.txt", ".cache/x.json", "gone.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("1")

    def work():
        (tmp_path / "code.py").read_text()
        (tmp_path / ".cache/x.json").read_text()
        (tmp_path / "gone.json").read_text()
        (tmp_path / "gone.json").unlink()
        with (tmp_path / "log.txt").open("a") as log:
            log.write("1")
        (tmp_path / "log.txt").read_text()
        Path(json.__file__).read_text()
        Path(torch.__file__).with_name("py.typed").read_text()
        Path("/proc/self/status").read_text() if Path("/proc").exists() else None
        with pytest.raises(FileNotFoundError):
            (tmp_path / "missing.json").read_text()
        with pytest.raises(IsADirectoryError):
            tmp_path.read_text()

    assert digests(tmp_path, work) == {}


def test_outside_a_block_nothing_is_noted(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("1")
    with files_read() as outer:
        with files_read() as inner:
            pass
        path.read_text()
    path.with_name("b.json").write_text("1")
    path.with_name("b.json").read_text()
    assert inner.digests(tmp_path) == {}
    assert list(outer.digests(tmp_path)) == ["a.json"]
