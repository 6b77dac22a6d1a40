"""What identifies a study of a script: its code and arguments. Its rows are known to it alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from advisor.content.scripts import script_parts
from advisor.content.study_content import Content, ContentDigest
from advisor.host.host import Host
from advisor.work.scripts.named import TrainingScript, unreadable


def content_of_script(
    script: TrainingScript,
    files: Mapping[str, str] | None = None,
    model: Mapping[str, Mapping[str, str]] | None = None,
) -> Content:
    """What a study of a script is made of.

    Arguments:
        script: the script.
        files: digests of the files of settings that it reads.
        model: the layers of its model.

    Raises:
        InputError: the script cannot be read.
    """
    try:
        code = script_parts(script.path)
    except (OSError, SyntaxError, ValueError) as problem:
        raise unreadable(script.path, problem) from problem
    arguments = {str(place): word for place, word in enumerate(script.arguments, start=1)}
    return Content(code=code, files=files or {}, arguments=arguments, model=model or {})


def digest_of_script(script: TrainingScript, host: Host) -> ContentDigest:
    """What a worker compares with its coordinator's."""
    return replace(content_of_script(script).digest, plugins=repr(host.marks))
