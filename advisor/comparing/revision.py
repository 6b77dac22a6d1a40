"""The files of a git revision in a folder of their own, for as long as they are needed."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from advisor.errors import InputError, MachineError, one_line
from advisor.loading.paths import current_folder
from advisor.loading.references import Reference
from advisor.temporary import TemporaryFolder

SHORT = 10
"""Letters of a commit's number that are shown."""


@dataclass(frozen=True)
class Revision:
    """The files of a revision.

    Attributes:
        name: what the user calls it, with the number of its commit.
        root: the top of the user's working tree.
        folder: where the files of the revision are.
    """

    name: str
    root: Path
    folder: Path

    def moved(self, text: str) -> str:
        """A path, or `FILE.py:NAME`, by its place among the files of the revision.

        What lies outside the working tree, and a dotted module, stays as it is. Raises `InputError`
        where the revision has no such file.
        """
        reference = Reference.parse(text).absolute()
        place = Path(reference.place)
        if not place.is_absolute() or not place.is_relative_to(self.root):
            return text
        inside = place.relative_to(self.root)
        # What git does not track is linked to the working tree, and no file of the revision.
        file = (self.folder / inside).resolve()
        if not file.exists() or not file.is_relative_to(self.folder):
            raise InputError(
                f"{self.name} has no {inside}: it was added or renamed since. Name a revision that "
                "has it (git log --oneline -- FILE), or compare two files: advisor compare OLD NEW."
            )
        moved = str(self.folder / inside)
        return f"{moved}:{reference.name}" if reference.name else moved

    @property
    def home(self) -> str:
        """The folder of the revision that stands for the current one."""
        inside = current_folder().resolve().relative_to(self.root)
        home = self.folder / inside
        home.mkdir(parents=True, exist_ok=True)
        return str(home)


@contextmanager
def exported(revision: str) -> Iterator[Revision]:
    """The files of a revision of the repository that the current folder is in.

    They are written into a temporary folder, which is gone afterwards however the block ends; where
    the process is killed, the next one removes it.
    Neither the working tree nor the index of the user is touched. Files that git does not track are
    reached there by links.

    Raises:
        InputError: there is no git, no repository or no such revision.
        MachineError: the files cannot be written.
    """
    root = Path(asked_git("rev-parse", "--show-toplevel").strip()).resolve()
    commit = commit_of(revision)
    # A signal that comes while the folder is being filled finds it inside the block, too.
    place = TemporaryFolder("advisor-compare-")
    try:
        folder = place.path.resolve() / "files"
        folder.mkdir()
        fill(folder, root, commit, place.path / "index")
        link_untracked(folder, root)
        yield Revision(f"{revision} ({commit[:SHORT]})", root, folder)
    finally:
        place.remove()


def commit_of(revision: str) -> str:
    """The number of a revision's commit. Raises `InputError` where there is none."""
    try:
        text = asked_git(
            "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}"
        )
    except InputError as problem:
        shallow = asked_git("rev-parse", "--is-shallow-repository").strip() == "true"
        advice = "see git log --oneline"
        if shallow:
            advice = (
                "this clone is shallow, so fetch more of it (git fetch --unshallow, or "
                "fetch-depth: 0 in a workflow)"
            )
        raise InputError(
            f"--git {revision!r}: there is no such revision here; {advice}."
        ) from problem
    return text.strip()


def fill(folder: Path, root: Path, commit: str, index: Path) -> None:
    """Write the files of a commit into a folder, by an index of its own."""
    own = {**os.environ, "GIT_INDEX_FILE": str(index)}
    try:
        asked_git("read-tree", commit, folder=root, environment=own)
        asked_git(
            "checkout-index",
            "--all",
            "--force",
            f"--prefix={folder}{os.sep}",
            folder=root,
            environment=own,
        )
    except InputError as problem:
        raise MachineError(
            f"The files of {commit[:SHORT]} cannot be written: {problem}"
        ) from problem


def link_untracked(folder: Path, root: Path) -> None:
    """Link the files that git does not track, such as data, to those in the working tree."""
    names = asked_git("ls-files", "--others", "--directory", "-z", folder=root).split("\0")
    for name in filter(None, names):
        link = folder / name.rstrip("/")
        # The revision may have tracked a file that is not tracked now.
        if link.exists() or link.is_symlink() or name == "./":
            continue
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(root / name.rstrip("/"))


def asked_git(
    *words: str, folder: Path | None = None, environment: dict[str, str] | None = None
) -> str:
    """What git prints. Raises `InputError` where it refuses, or is not there."""
    try:
        ended = subprocess.run(  # noqa: S603  # a program and words of ours, and no shell
            ["git", *words],  # noqa: S607  # the git that the user's own shell would find
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError as problem:
        raise InputError(
            "--git needs git, and there is no such program here; install it."
        ) from problem
    if ended.returncode:
        said = one_line(ended.stderr) or f"git {words[0]} ended with {ended.returncode}"
        raise InputError(
            f"--git: {said}. It compares revisions of the git repository that you are in."
        )
    return ended.stdout
