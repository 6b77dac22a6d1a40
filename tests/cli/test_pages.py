from __future__ import annotations

import os
from pathlib import Path

import pytest

STUDY = """\
import advisor

def net():
    raise SystemExit("the model was built")

study = advisor.Study("small", advisor.Task(net, data=net))
"""


@pytest.mark.parametrize("command", ["tune", "diagnose"])
@pytest.mark.parametrize("page", ["file.txt/page.html", "folder"])
def test_a_page_that_cannot_be_written_is_told_before_the_work_begins(advise, write, command, page):
    write("study.py", STUDY)
    write("file.txt", "a file")
    write("folder/other.txt", "another")
    said = advise(command, "study.py", "-o", page)
    assert said.code == 2
    assert said.err.startswith(f"advisor: -o {page}: the page cannot be written (")
    assert "the model was built" not in said.err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_page_for_which_there_is_no_room_is_the_fault_of_the_machine():
    from advisor import MachineError
    from advisor.report.html import write_html

    with pytest.raises(MachineError, match=r"-o /dev/full: .*make room on the disk"):
        write_html("a page", "/dev/full")


def test_the_check_of_a_page_leaves_no_file_and_changes_none(tmp_path):
    from advisor.report.html import check_page

    (tmp_path / "old.html").write_text("what was there")
    check_page(str(tmp_path / "old.html"))
    check_page(str(tmp_path / "new" / "page.html"))
    assert (tmp_path / "old.html").read_text() == "what was there"
    assert os.listdir(tmp_path) == ["old.html"]
