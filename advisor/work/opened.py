"""The one study that a process has open, for all jobs of its opening."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch

import advisor
from advisor.content.study_content import ContentDigest
from advisor.errors import MachineError, explain
from advisor.user_code import user_faults
from advisor.work.prepare import Prepared, prepare
from advisor.work.study_ref import StudyRef

OWN_FOLDERS = ("site-packages", str(Path(advisor.__file__).parent))
"""Parts of the paths of files that are not the user's: a line of theirs explains less."""


OTHER_CONTENT = {
    "code": "The study's code was edited while the study runs. Bring back what it was.",
    "files": "A file that the study reads was edited while it runs. Bring back what it was.",
    "plugins": "A plugin was edited, or installed anew, while the study runs. Bring back what it "
    "was.",
    "rows": "The data are other rows in each process: they were edited while the study runs, or a "
    "data function draws at random and needs a seed.",
}
"""What a worker says whose study is made of something else than the coordinator's, by its kind."""

_prepared: list[Prepared] = []
"""The one study that this process has open. A job of another opening replaces it."""


def prepared_for(ref: StudyRef, device: str, opening_id: str, content: ContentDigest) -> Prepared:
    """The study of a job, made of `content`; opened once in each process for each opening by a
    coordinator.

    Raises `MachineError` where it cannot be opened: the coordinator has opened it, so that it is
    not the arm of the job that is at fault; and where it is made of something else.
    """
    try:
        prepared = open_once(ref, device, opening_id)
    except user_faults() as problem:  # files of the user's may raise anything
        raise MachineError(
            "The study was opened when the command began, and a worker cannot open it again: "
            f"{explain_with_place(problem)}. Bring back what was moved or edited meanwhile."
        ) from problem
    refuse_other_content(content, prepared.digest)
    return prepared


def open_once(ref: StudyRef, device: str, opening_id: str) -> Prepared:
    """A study, which this process opens where the one that it has open is of another opening."""
    if not _prepared or _prepared[0].opening_id != opening_id:
        _prepared.clear()  # first, so that two studies never share the memory
        _prepared.append(replace(prepare(ref, device), opening_id=opening_id))
    return _prepared[0]


def refuse_other_content(wanted: ContentDigest, found: ContentDigest) -> None:
    """Raise `MachineError` where a worker found another study than its coordinator."""
    kind = wanted.differs_in(found)
    if kind:
        raise MachineError(OTHER_CONTENT[kind])


def check_device(prepared: Prepared) -> None:
    """Raise `MachineError` where nothing can be computed on a device that this process has used.

    An error on a GPU makes all that follows in the same process fail, in other jobs, too.
    """
    if prepared.device.type == "cpu":
        return
    try:
        torch.zeros(1, device=prepared.device).item()
    except RuntimeError as problem:
        raise MachineError(
            f"The device {prepared.device} does not answer any more: {explain(problem)}."
        ) from problem


@contextmanager
def in_this_process(prepared: Prepared) -> Iterator[None]:
    """Let jobs of this opening that run in this process use what it has prepared already."""
    # What this process had open before is put back, however the block ends.
    before = list(_prepared)
    _prepared[:] = [prepared]
    try:
        yield
    finally:
        _prepared[:] = before


def explain_with_place(problem: BaseException) -> str:
    """The exception with the last line of the user's own code, else the last line of all."""
    sentence = explain(problem)
    if isinstance(problem, SystemExit):
        sentence = f"it asked Python to exit ({sentence})"
    # A line of torch says less than the user's line that called it.
    frames = traceback.extract_tb(problem.__traceback__)
    own = [each for each in frames if not any(part in each.filename for part in OWN_FOLDERS)]
    if not frames:
        return sentence
    last = (own or frames)[-1]
    return f"{sentence} ({Path(last.filename).name}:{last.lineno} in {last.name})"
