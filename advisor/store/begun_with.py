"""What a study was begun with, as columns of the database, from the JSON that holds it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from advisor.store.answers import object_at
from advisor.store.read_back import UNREADABLE, json_object, version_in

IN_PYTHON = "advisor.tune(…)"
"""The command of a study that was made in Python and has no file."""
OPTIONS = {"kind": "task", "scheduler": "schedule", "arguments": "model-arg"}
"""Options of the command line that are called otherwise than their values."""
NO_OPTIONS = ("script", "words", "flags")
"""Values of a reference that are no options."""


def begun_with(plan: str, ref: str | None) -> dict[str, str]:
    """Model, data, command and version of advisor; empty where they cannot be read.

    Arguments:
        plan: the plan as JSON.
        ref: the reference of the study as JSON; None where it was made in Python.
    """
    identity = object_at(readable(plan), "identity")
    return {
        "model": str(identity.get("model") or ""),
        "data": str(identity.get("data") or ""),
        "command": command_of(ref),
        "advisor": version_in(plan),
    }


def slots_in(plan: str) -> list[str]:
    """The slots of a plan that is given as JSON."""
    return list(object_at(readable(plan), "options"))


def plugins_in(text: str) -> list[tuple[str, str]]:
    """The plugins of a trial with their versions, from its attribute."""
    return [(str(name), str(mark)) for name, mark in readable(text).items()]


def command_of(ref: str | None) -> str:
    """The command line that asks a study again, from its reference as JSON."""
    if ref is None:
        return IN_PYTHON
    plain = readable(ref)
    flags = readable(plain.get("flags"))
    words = ["advisor", "tune"]
    if plain.get("file"):
        words.append(str(plain["file"]))
    if flags.get("script"):
        words += ["--script", str(flags["script"])]
    for name, value in {**flags, **readable(plain.get("changes"))}.items():
        words += words_of_option(name, value)
    for name in ("plugins", "without"):
        option = "--plugin" if name == "plugins" else "--without"
        for each in plain.get(name) or ():
            words += [option, str(each)]
    if flags.get("words"):
        words += ["--", *map(str, flags["words"])]
    return shlex.join(words)


def words_of_option(name: str, value: Any) -> Iterator[str]:
    """An option as it is typed; nothing where it has no value."""
    option = f"--{OPTIONS.get(name, name).replace('_', '-')}"
    if name in NO_OPTIONS or value in (None, False, "", [], {}):
        return
    if value is True:
        yield option
    elif name == "only" and isinstance(value, Mapping):
        for slot, names in value.items():
            yield from (option, f"{slot}={','.join(map(str, names))}")
    elif name == "arguments" and isinstance(value, Mapping):
        for key, each in value.items():
            yield from (option, f"{key}={each}")
    elif isinstance(value, Mapping):
        yield from (option, ",".join(f"{key}={each}" for key, each in value.items()))
    elif isinstance(value, list):
        for each in value:
            yield from (option, str(each))
    else:
        yield from (option, str(value))


def readable(text: Any) -> dict[str, Any]:
    """The object that a text of the database is; empty where it is none."""
    try:
        return json_object(text)
    except UNREADABLE:
        return {}
