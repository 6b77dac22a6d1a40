"""In a process that trains, on a machine of an engine: a job finds its files, and is done."""

from __future__ import annotations

import os
import pickle
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from advisor.loading.paths import SentFiles, find_in
from advisor.loading.references import Reference
from advisor.training.kept_file import Beyond, shared
from advisor.work.crews import has_failed
from advisor.work.engines.errand import MOST_BYTES, Delivery, Errand
from advisor.work.engines.packed import PICKLE, under
from advisor.work.engines.scratch import CACHE, Scratch
from advisor.work.job import Job
from advisor.work.stacked import StackedJob
from advisor.work.study_ref import StudyRef


def done(errand: Errand, root: str) -> Delivery:
    """Do an errand; `root` has the files of the study, by their whole paths."""
    settle(errand, Path(root))
    with tempfile.TemporaryDirectory(dir=Path(root).parent) as name:
        folder = Path(name)
        before = state_before(errand)
        if before is not None:
            (folder / "load.pt").write_bytes(before)
        function, arguments = pickle.loads(errand.task)  # noqa: S301  # of the user's own command
        with shared(beyond(errand, Path(root))):
            result = function(*(moved(each, Path(root), folder) for each in arguments))
        delivery = Delivery(pickle.dumps(result), has_failed(result))
        return with_files(delivery, errand, folder)


def settle(errand: Errand, root: Path) -> None:
    """Let this process find the files of a study where they lie here."""
    find_in(SentFiles(root, errand.home))
    os.environ.update(errand.environment)
    folder = under(root, errand.folder)
    folder.mkdir(parents=True, exist_ok=True)
    os.chdir(folder)
    own = [str(under(root, each)) for each in errand.imports]
    there = [each for each in own if os.path.isdir(each)]
    sys.path[:] = [*there, *(each for each in sys.path if each not in there)]


def state_before(errand: Errand) -> bytes | None:
    """The training state that an errand goes on from; None where it begins anew."""
    if errand.load is None or errand.scratch is None:
        return errand.state
    return Scratch(errand.scratch).read(errand.load)


def cache_of(root: Path) -> Path:
    """The folder of this machine for what pretrainings have made, beside the files of the study."""
    return root.parent / f"{root.name}.{CACHE}"


def beyond(errand: Errand, root: Path) -> Beyond | None:
    """Where other workers reach what pretrainings have made; None where they do not."""
    if errand.scratch is None or errand.cache is None:
        return None
    scratch, name = Scratch(errand.scratch), errand.cache

    def read(file: str) -> bytes | None:
        """The content of a file of theirs."""
        return scratch.read(f"{name}/{file}")

    def write(file: str, data: bytes) -> None:
        """Give them a file."""
        scratch.write(f"{name}/{file}", data)

    return Beyond(cache_of(root), read, write)


def with_files(delivery: Delivery, errand: Errand, folder: Path) -> Delivery:
    """A delivery with the files that a job has left in its folder."""
    if errand.prints and (folder / "printed.txt").exists():
        delivery = replace(delivery, printed=(folder / "printed.txt").read_bytes())
    saved = folder / "save.pt"
    if errand.save is None or not saved.exists():
        return delivery
    if errand.scratch is not None:
        Scratch(errand.scratch).write(errand.save, saved.read_bytes())
        return replace(delivery, is_in_scratch=True)
    size = saved.stat().st_size
    if size > MOST_BYTES:
        return replace(delivery, too_large=size)
    return replace(delivery, state=saved.read_bytes())


def moved(value: Any, root: Path, folder: Path) -> Any:
    """An argument with the paths of this machine."""
    if isinstance(value, StudyRef):
        return moved_ref(value, root)
    if not isinstance(value, Job):
        return value
    own: dict[str, Any] = {"study": moved_ref(value.study, root)}
    if value.cache is not None:
        own["cache"] = str(cache_of(root))
    for name, file in (("load", "load.pt"), ("save", "save.pt"), ("printed", "printed.txt")):
        if getattr(value, name) is not None:
            own[name] = str(folder / file)
    if isinstance(value, StackedJob):
        own["jobs"] = tuple(moved(each, root, folder) for each in value.jobs)
    return replace(value, **own)


def moved_ref(ref: StudyRef, root: Path) -> StudyRef:
    """A reference to the files of a study where they lie here."""
    file = ref.file
    if file is not None:
        own = Reference.parse(file)
        file = str(replace(own, place=str(under(root, own.place))))
    pickled = ref.pickled
    if file is None and ref.flags is None:
        pickled = (root / PICKLE).read_bytes()
    return replace(
        ref,
        file=file,
        pickled=pickled,
        plugins=tuple(str(under(root, each)) for each in ref.plugins),
        home=None if ref.home is None else str(under(root, ref.home)),
        was_sent=True,
    )
