"""`study.json`: by which advisor opens the study of a folder again, from the copies in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from advisor.exporting.copied import OWN_CODE, CopiedFiles
from advisor.exporting.measured import MeasuredArm
from advisor.exporting.own_names import flags_of
from advisor.loading.paths import find_path, is_reference
from advisor.loading.references import Reference
from advisor.work.study_ref import StudyRef

NAMED = ("model", "data", "train", "valid", "test", "unlabeled", "vectors")
"""The options of the command line that name a file, or an object in one."""


def study_file(arm: MeasuredArm, copied: CopiedFiles) -> str:
    """The JSON of an arm; `copied` gets the files that it names."""
    ref = arm.prepared.ref
    flags, in_folder = copied_flags(ref, copied)
    plugins = [f"{OWN_CODE}/{copied.add(Path(each).resolve())}" for each in ref.plugins]
    plain = {
        "file": copied_file(ref, copied),
        "flags": None if ref.flags is None else flags,
        "in_folder": in_folder,
        "plugins": plugins,
        **{name: getattr(ref, name) for name in ("changes", "without", "as_before")},
        "home": str(ref.folder().resolve()),
        "device": str(arm.prepared.device),
        "params": dict(arm.params),
        **{name: getattr(arm, name) for name in ("batch", "epochs", "seed")},
        "rows": arm.prepared.rows,
    }
    return json.dumps(plain, indent=2)


def copied_file(ref: StudyRef, copied: CopiedFiles) -> str | None:
    """The study file by its place in the folder; None where the study has none."""
    if ref.file is None:
        return None
    own = Reference.parse(ref.file)
    place = copied.add(Path(own.place).resolve())
    return f"{OWN_CODE}/{place}" + (f":{own.name}" if own.name else "")


def copied_flags(ref: StudyRef, copied: CopiedFiles) -> tuple[dict[str, Any], list[str]]:
    """The options of the command line with whole paths, and those that name copies."""
    flags, in_folder = dict(flags_of(ref)), []
    for word in NAMED:
        value = flags.get(word)
        if not isinstance(value, str) or not value:
            continue
        reference = Reference.parse(value)
        if reference.place.endswith(".py"):
            path = find_path(reference.place, ref.folder()).resolve()
            flags[word] = f"{OWN_CODE}/{copied.add(path)}:{reference.name}"
            in_folder.append(word)
        elif not is_reference(value):
            flags[word] = str(find_path(value, ref.folder()).resolve())
    return flags, in_folder
