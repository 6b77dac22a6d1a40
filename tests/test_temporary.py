"""Temporary folders of processes that were killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile

import pytest

from advisor.temporary import TemporaryFolder

HELD = """
import sys, time
from advisor.temporary import TemporaryFolder
folder = TemporaryFolder("advisor-test-")
(folder.path / "file").write_text("text")
print(folder.path, flush=True)
time.sleep(60)
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_what_a_killed_process_left_is_removed_by_the_next_and_a_living_one_keeps_its_own(place):
    holders = [
        subprocess.Popen([sys.executable, "-c", HELD], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    paths = [holder.stdout.readline().strip() for holder in holders]
    killed, living = holders
    try:
        killed.kill()
        killed.wait()
        assert all(os.path.isfile(f"{path}/file") for path in paths)
        own = TemporaryFolder("advisor-test-")
        names = {own.path.name, os.path.basename(paths[1])}
        assert {path.name for path in place.iterdir() if path.is_dir()} == names
        # of another prefix nothing is touched
        other = TemporaryFolder("advisor-other-")
        assert own.path.is_dir()
        own.remove()
        other.remove()
    finally:
        living.send_signal(signal.SIGKILL)
        living.wait()
        for holder in holders:
            holder.stdout.close()
    TemporaryFolder("advisor-test-").remove()
    assert not list(place.iterdir())


def test_a_fresh_folder_is_its_owners_alone(place):
    (place / "advisor-test-strange").mkdir()  # of an older version, without a lock
    folder = TemporaryFolder("advisor-test-")
    assert folder.path.stat().st_mode & 0o777 == 0o700
    assert not list(folder.path.iterdir())
    folder.remove()
    assert [path.name for path in place.iterdir()] == ["advisor-test-strange"]
