"""The studies that a process has open for one command: one, or the sides of a comparison."""

from __future__ import annotations

import gc
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch

import advisor
from advisor.content.study_content import ContentDigest
from advisor.errors import MachineError, explain
from advisor.loading.own_modules import Surroundings
from advisor.loading.paths import current_folder
from advisor.loading.references import Reference
from advisor.model.swapping.subclass import forget_rewritten_classes
from advisor.user_code import user_faults
from advisor.work.devices import keep_to
from advisor.work.prepare import Prepared, prepare
from advisor.work.study_ref import StudyRef
from advisor.work.trust import code_named_by
from advisor.work.worker import own_device

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


@dataclass(frozen=True)
class Opening:
    """A study that is open in this process.

    Attributes:
        prepared: the study.
        surroundings: what its code finds by name; None where it is the only study of its command.
    """

    prepared: Prepared
    surroundings: Surroundings | None = None

    @contextmanager
    def entered(self) -> Iterator[Prepared]:
        """While this is open, code of the study finds what is its own."""
        if self.surroundings is None:
            yield self.prepared
            return
        with self.surroundings.entered():
            yield self.prepared


_openings: list[Opening] = []
"""The studies of one command that this process has open. A job of another command closes them."""


def side_id(command: str, place: int) -> str:
    """The name of the opening of one of several studies that a command opens."""
    return f"{command}.{place}"


def command_of(opening_id: str) -> str:
    """What all openings of one command begin with."""
    return opening_id.partition(".")[0]


@contextmanager
def prepared_for(
    ref: StudyRef, device: str, opening_id: str, content: ContentDigest, rows: int | None = None
) -> Iterator[Prepared]:
    """The study of a job, made of `content`; opened once in each process for each opening by a
    coordinator. `rows` are those of its share of the data.

    Raises `MachineError` where it cannot be opened: the coordinator has opened it, so that it is
    not the arm of the job that is at fault; and where it is made of something else.
    """
    try:
        opening = open_once(ref, device, opening_id)
    except user_faults() as problem:  # files of the user's may raise anything
        raise MachineError(
            "The study was opened when the command began, and a worker cannot open it again: "
            f"{explain_with_place(problem)}. Bring back what was moved or edited meanwhile."
        ) from problem
    refuse_other_content(content, opening.prepared.digest)
    opening = on_rows(opening, rows)
    with opening.entered() as prepared:
        yield prepared


def open_once(ref: StudyRef, device: str, opening_id: str) -> Opening:
    """A study, which this process opens where it has not done so for this opening on this device.

    A worker that has a device of its own opens it there instead.
    """
    own = own_device()
    device = own or device
    for opening in _openings:
        prepared = opening.prepared
        if prepared.opening_id == opening_id and prepared.device == torch.device(device):
            return opening
    # First, so that studies of two commands never share the memory.
    command = command_of(opening_id)
    forget_rewritten_classes()
    _openings[:] = [each for each in _openings if command_of(each.prepared.opening_id) == command]
    others = [each.prepared for each in _openings]
    if own:
        keep_to(torch.device(own))
    _openings.append(opened(ref, device, opening_id, others))
    return _openings[-1]


def on_rows(opening: Opening, rows: int | None) -> Opening:
    """The opening of a study on so many training rows, which stays open in its place."""
    prepared = opening.prepared.on_rows(rows)
    if prepared is opening.prepared:
        return opening
    found = replace(opening, prepared=prepared)
    _openings[:] = [found if each is opening else each for each in _openings]
    return found


def opened(ref: StudyRef, device: str, opening_id: str, others: Sequence[Prepared] = ()) -> Opening:
    """A study, opened anew; `others` are those that the command has open.

    Raises `InputError` where its parts do not fit together.
    """
    if opening_id == command_of(opening_id):
        return Opening(replace(prepare(ref, device), opening_id=opening_id))
    # Each side of a comparison finds its own modules and files.
    folder = current_folder() if ref.home is None else Path(ref.home)
    around = Surroundings(folder, folders_of(ref, folder))
    with around.entered():
        prepared = prepare(ref, device, others)
    return Opening(replace(prepared, opening_id=opening_id), around)


def folders_of(ref: StudyRef, folder: Path) -> list[Path]:
    """The folders whose modules are a study's own."""
    named = [folder / Reference.parse(text).place for text in code_named_by(ref)]
    parents = [place.resolve().parent for place in named if place.suffix == ".py"]
    return list(dict.fromkeys([folder.resolve(), *parents]))


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
def in_this_process(*studies: Prepared | Opening) -> Iterator[None]:
    """Let jobs of these studies that run in this process use what it has prepared already."""
    # What this process had open before is put back, however the block ends.
    before = list(_openings)
    _openings[:] = [each if isinstance(each, Opening) else Opening(each) for each in studies]
    try:
        with libraries_left_alone():
            yield
    finally:
        _openings[:] = before
        forget_rewritten_classes()


@contextmanager
def libraries_left_alone() -> Iterator[None]:
    """While this is open, Python does not look for garbage among what was there before.

    All that torch and its like have loaded would be gone through once in some ten models, which
    takes as long as to build and change several of them.
    """
    # Another one's frozen objects are not to be thawed.
    if gc.get_freeze_count():
        yield
        return
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


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
