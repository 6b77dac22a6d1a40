"""A swap as a unified diff of the user's files: calls, constructor calls and arguments are
replaced, and nothing is guessed.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from advisor.model.swapping.report import SwapReport
from advisor.model.swapping.subclass import original_class
from advisor.model.writing.construction_editor import ConstructionEditor
from advisor.model.writing.constructors import Build, default_build
from advisor.model.writing.method_editor import MethodEditor
from advisor.model.writing.plain_start import PlainStart
from advisor.model.writing.source_change import Note, SourceChange
from advisor.model.writing.user_files import UserFiles


def diff(
    report: SwapReport | None,
    root: str | os.PathLike[str] = ".",
    build: Build | None = None,
    starts: Sequence[PlainStart] = (),
) -> str:
    """A swap as a unified diff of the files that define the model, for `patch -p0` or `git apply
    -p0` in `root`.

    `build` makes another such model: it is called once, and watched, to see which lines make the
    modules. By default it is the model's class, if that needs no arguments. `starts` are lines for
    the end of the model's constructor; without a swap, `report` is None.

    What cannot be written as an edit is a comment at the end: `# not in this diff: layer1.0.act:
    why`.
    """
    root = os.fspath(root)
    files = UserFiles(root)
    notes: list[Note] = []
    if report is not None:
        build = build or default_build(original_class(type(report.before.model)))
        change = SourceChange.of(report)
        notes += MethodEditor(change, files).edit()
        notes += ConstructionEditor(change, files, build, report.before).edit()
    for start in starts:
        notes += start.edit(files)
    text = ""
    for path, file in files.opened.items():
        if file.is_edited:
            # `patch -p0` takes paths below `root`; a file elsewhere keeps its whole path.
            name = os.path.relpath(os.path.realpath(path), os.path.realpath(root))
            text += file.diff(path if name.startswith("..") else name)
    for ident, why in notes:
        text += f"# not in this diff: {ident}: {why}\n"
    return text
