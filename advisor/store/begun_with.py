"""What a study was begun with, as columns of the database, from the JSON that holds it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

import sqlalchemy as sa

from advisor.store.answers import object_at
from advisor.store.read_back import UNREADABLE, json_object, version_in
from advisor.store.tables import plans

IN_PYTHON = "advisor.tune(…)"
"""The command of a study that was made in Python and has no file."""
OPTIONS = {"kind": "task", "scheduler": "schedule", "arguments": "model-arg"}
"""Options of the command line that are called otherwise than their values."""
NO_OPTIONS = ("words",)
"""Values of a reference that are no options."""


def begun_with(plan: str, ref: str | None) -> dict[str, str]:
    """Model, data, command and version of advisor; empty where they cannot be read.

    Arguments:
        plan: the plan as JSON.
        ref: the reference of the study as JSON; None where it was made in Python.
    """
    settings = settings_in(plan)
    return {
        "model": str(settings.get("model") or ""),
        "data": str(settings.get("data") or ""),
        "command": command_of(ref),
        "advisor": version_in(plan),
    }


@dataclass(frozen=True)
class PlanParts:
    """The parts of a plan that are read here, by their keys.

    Attributes:
        identity: what makes the study this study.
        options: names of techniques by slot.
    """

    identity: dict[str, Any]
    options: dict[str, Any]

    @classmethod
    def of(cls, plan: str) -> PlanParts:
        """The parts of a plan that is given as JSON."""
        plain = readable(plan)
        return cls(**{part.name: object_at(plain, part.name) for part in fields(cls)})


def settings_in(plan: str) -> dict[str, Any]:
    """The settings of a plan that is given as JSON."""
    return PlanParts.of(plan).identity


def slots_in(plan: str) -> list[str]:
    """The slots of a plan that is given as JSON."""
    return list(PlanParts.of(plan).options)


def plugins_in(text: str) -> list[tuple[str, str]]:
    """The plugins of a trial with their versions, from its attribute."""
    return [(str(name), str(mark)) for name, mark in readable(text).items()]


def replace_plan(engine: sa.Engine, study: str, plan: Mapping[str, Any], ref: str | None) -> None:
    """Write the plan to which techniques were added, with the reference that brings them.

    Arguments:
        engine: of the database.
        study: its name.
        plan: as plain data.
        ref: the reference of the study as JSON, or None where it means nothing elsewhere.
    """
    text = json.dumps(plan)
    values = {"plan": text, "question": ref, "command": command_of(ref)}
    with engine.begin() as connection:
        connection.execute(plans.update().where(plans.c.study == study).values(**values))


def command_of(ref: str | None) -> str:
    """The command line that asks a study again, from its reference as JSON."""
    if ref is None:
        return IN_PYTHON
    plain = readable(ref)
    flags = readable(plain.get("flags"))
    words = ["advisor", "tune", *([str(plain["file"])] if plain.get("file") else ())]
    options = {**flags, **readable(plain.get("changes"))}
    options |= {"plugin": plain.get("plugins"), "without": plain.get("without")}
    for name, value in options.items():
        words += words_of_option(name, value)
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
    for each in values_of_option(name, value):
        yield from (option, each)


def values_of_option(name: str, value: Any) -> list[str]:
    """What is typed after each occurrence of an option."""
    if isinstance(value, bool):
        return []
    if isinstance(value, list):
        return [str(each) for each in value]
    if not isinstance(value, Mapping):
        return [str(value)]
    pairs = [f"{key}={each}" for key, each in value.items()]
    if name == "only":
        return [f"{slot}={','.join(map(str, names))}" for slot, names in value.items()]
    return pairs if name == "arguments" else [",".join(pairs)]


def readable(text: Any) -> dict[str, Any]:
    """The object that a text of the database is; empty where it is none."""
    try:
        return json_object(text)
    except UNREADABLE:
        return {}
