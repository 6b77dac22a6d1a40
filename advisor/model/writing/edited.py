"""A swap as the whole text of the user's files, where all of it can be written."""

from __future__ import annotations

from advisor.errors import InputError
from advisor.model.swapping.report import SwapReport
from advisor.model.writing.construction_editor import ConstructionEditor
from advisor.model.writing.constructors import Build
from advisor.model.writing.method_editor import MethodEditor
from advisor.model.writing.source_change import SourceChange
from advisor.model.writing.user_files import UserFiles


def edited_files(report: SwapReport, build: Build) -> dict[str, str]:
    """The text of each file that a swap edits, by its path.

    Arguments:
        report: the swap.
        build: makes another such model, as for `diff`.

    Raises:
        InputError: a site cannot be written as an edit.
    """
    change, files = SourceChange.of(report), UserFiles()
    notes = list(MethodEditor(change, files).edit())
    notes += ConstructionEditor(change, files, build, report.before).edit()
    if notes:
        site, why = notes[0]
        raise InputError(f"{site}: {why}")
    return {path: file.edited() for path, file in files.opened.items() if file.is_edited}
