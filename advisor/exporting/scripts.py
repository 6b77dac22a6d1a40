"""Writes `train.py` and `predict.py` for an arm, with as much plain PyTorch as is the same."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.metadata import packages_distributions, version
from pathlib import Path
from typing import Any

from torch.utils.data import DataLoader, Dataset

from advisor import __version__
from advisor.errors import InputError
from advisor.exporting.copied import CopiedFiles
from advisor.exporting.measured import MeasuredArm
from advisor.exporting.own_names import OwnNames, arguments_text, loaded_module
from advisor.exporting.preprocessing import Preprocessing, preprocessing_of
from advisor.exporting.recipe_lines import RecipeLines, recipe_lines
from advisor.exporting.rendering import rendered
from advisor.exporting.source_text import SourceText, UnwritableError
from advisor.exporting.starts import StartLines, start_lines
from advisor.exporting.study_file import study_file
from advisor.exporting.support import names_in
from advisor.loading.model import inferred_arguments
from advisor.loading.paths import find_path
from advisor.loading.references import Reference
from advisor.model.call import arguments
from advisor.model.swapping.report import SwapReport
from advisor.model.writing.edited import edited_files
from advisor.training.run import Run
from advisor.work.in_order import techniques_in_order
from advisor.work.job import built_run
from advisor.work.model_choice import choice_in

ALWAYS = ("torch", "numpy", "safetensors")
"""Distributions that every exported script imports."""
OWN_PLUGINS = ("advisor_plugins",)
"""Modules that an edited file must not name."""
ADVISOR = "torch-advisor"
"""The distribution of this library."""


@dataclass(frozen=True)
class ByAdvisor:
    """The parts of a script that advisor does, each with why; empty for plain PyTorch.

    Attributes:
        data: reading rows.
        build: the model for predictions.
        start: the model before training.
        loop: training.
    """

    data: str = ""
    build: str = ""
    start: str = ""
    loop: str = ""

    def also(self, part: str, why: str) -> ByAdvisor:
        """With one more part, where it has none yet."""
        return self if getattr(self, part) else replace(self, **{part: why})


@dataclass
class ScriptText:
    """What a folder has besides its weights.

    Attributes:
        files: text by name.
        copied: the user's files.
        fitted: what is in `preprocessing.json`.
        reasons: why advisor is needed; empty where it is not.
        versions: of what the scripts import, by distribution.
        by_advisor: the parts that advisor does.
    """

    files: dict[str, str]
    copied: CopiedFiles
    fitted: Mapping[str, Any]
    reasons: list[str]
    versions: dict[str, str]
    by_advisor: ByAdvisor


@dataclass
class Writer:
    """Writes the scripts of an arm.

    Attributes:
        arm: what is exported.
        digest: of the tensors that are trained and scored with.
        by_advisor: the parts that are known to need advisor.
    """

    arm: MeasuredArm
    digest: str
    by_advisor: ByAdvisor = field(default_factory=ByAdvisor)

    def __post_init__(self) -> None:
        self.text, self.copied = SourceText(), CopiedFiles()
        self.names = OwnNames(self.arm.prepared.ref, self.text, self.copied)

    def script(self) -> ScriptText:
        """The scripts; parts that cannot be written are left to advisor."""
        arm = self.arm
        run = built_run(arm.job(), arm.prepared)
        output = run.anatomy.output
        build = self._build()
        start = self._start(run)
        ready = arm.started(arm.seed)
        undecayed, later = names_in(ready)
        if later:
            self._leave("start", "parameters wait for their part of the training")
        recipe = self._recipe(ready)
        found = preprocessing_of(arm.prepared, arm.splits, output)
        data = self._data(found)
        self._leave_edited()
        reasons = self._reasons(start, found)
        context = self._context(build, start) | self._of_data(found)
        context |= self._of_recipe(recipe, ready)
        _, keywords = arguments(run.model, run.example())
        context |= {"undecayed": undecayed, "from_own": data, "keywords": list(keywords)}
        context |= self._of_other_rows(found, data)
        return self._rendered(context, found, reasons)

    def _recipe(self, ready: Run) -> RecipeLines:
        """The recipe, as lines."""
        arm = self.arm
        parts = (arm.lr, arm.weight_decay, arm.epochs, self.names, self.text)
        recipe = recipe_lines(arm.prepared, ready, *parts)
        for reason in recipe.reasons:
            self._leave("loop", reason)
        return recipe

    def _leave_edited(self) -> None:
        """Copy files as they are where advisor does a part, which it does to them as they are."""
        if self.copied.edited and any(vars(self.by_advisor).values()):
            self.copied.edited.clear()
            for part in ("build", "start"):
                self._leave(part, "activations are calls in the model's own code")

    def _reasons(self, start: StartLines, found: Preprocessing) -> list[str]:
        """Why advisor is needed, each once."""
        reasons = [*vars(self.by_advisor).values(), *start.reasons, *found.cell_reasons]
        if self.names.needs_study:
            reasons.append("your study file imports it")
        return list(dict.fromkeys(filter(None, reasons)))

    def _leave(self, part: str, why: str) -> None:
        """Leave a part of the script to advisor."""
        self.by_advisor = self.by_advisor.also(part, why)

    def _build(self) -> str:
        """The call that makes the model."""
        prepared, task = self.arm.prepared, self.arm.prepared.study.task
        try:
            if choice_in(prepared.host, self.arm.params) is not None:
                raise UnwritableError("another of your models is recommended")
            if prepared.ref.definitions_only:
                raise UnwritableError("your file is run by its definitions alone")
            given = self._arguments()
            arguments = arguments_text(given, self.names, self.text)
            return f"{self.names.said(task.build, 'build')}({arguments})"
        except UnwritableError as why:
            self._leave("build", f"the model: {why}")
            self._leave("start", f"the model: {why}")
            return ""

    def _arguments(self) -> dict[str, Any]:
        """What the model's constructor is called with."""
        prepared = self.arm.prepared
        given = dict(prepared.arguments)
        known = prepared.facts.named()
        for name, each in inferred_arguments(prepared.study.task.build, known, given).items():
            given.setdefault(name, each.value)
        return given

    def _start(self, run: Run) -> StartLines:
        """What the techniques do, as lines."""
        techniques: list[Any] = techniques_in_order(self.arm.prepared.host, self.arm.params)
        lines = start_lines(run, techniques, self.text, self._edit)
        for reason in lines.reasons:
            self._leave("start", reason)
            if reason.startswith("activation") or reason in lines.of_build:
                self._leave("build", reason)
        return lines

    def _edit(self, report: SwapReport) -> None:
        """Write swapped activations into the copies of the user's files. Raises `UnwritableError`
        where a site cannot be edited, or what runs there is no function of a library.
        """
        prepared = self.arm.prepared
        try:
            edits = edited_files(report, partial(prepared.build, prepared.study.seed))
        except InputError as why:
            raise UnwritableError(str(why)) from why
        for file, text in edits.items():
            place = self.copied.place_of(Path(file))
            if place is None or any(f"{own}." in text for own in OWN_PLUGINS):
                raise UnwritableError("its activations are calls in code that cannot be edited")
            self.copied.edited[place] = text

    def _data(self, found: Preprocessing) -> str:
        """How a script says the user's own data; empty where they are files."""
        kind, said = found.fitted["kind"], ""
        if not found.files and not self.by_advisor.data:
            said = self._own_data(found)
        if said and kind == "table":
            said = f"[{said}() if callable({said}) else {said}]"
        if said and kind == "texts":
            self._leave("data", "texts are given by your own code")
        if kind not in ("table", "texts"):
            for reason in found.reasons:
                self._leave("data", reason)
        if kind == "dataset":
            self._leave("loop", "rows are read from a torch Dataset for every batch")
        target = found.fitted["target"]
        if target["labels"]:
            self._leave("data", "a row has several labels")
        return said

    def _own_data(self, found: Preprocessing) -> str:
        """The user's own data, as a script says them; empty where advisor reads them."""
        task = self.arm.prepared.study.task
        try:
            if task.data is None or any((task.train, task.valid, task.test)):
                raise UnwritableError("splits are given as values")
            if isinstance(task.data, (Dataset, DataLoader)):
                raise UnwritableError("a torch Dataset gives its rows")
            if isinstance(task.data, (str, Path)):
                given = Reference.parse(str(task.data))
                file = find_path(given.place, self.arm.prepared.ref.folder())
                said = self.names.said_in(loaded_module(file), given.name)
            else:
                said = self.names.said(task.data, "data")
        except UnwritableError as why:
            self._leave("data", f"the data: {why}")
            return ""
        found.reasons = []
        return said

    def _context(self, build: str, start: StartLines) -> dict[str, Any]:
        """What the templates say of the arm and its model."""
        arm, task = self.arm, self.arm.prepared.study.task
        said = {
            "advisor_version": __version__,
            "study": arm.recommendation.study,
            "seed": arm.seed,
            "score": arm.score,
            "metric": arm.recommendation.metric,
            "epochs": arm.epochs,
            "batch": arm.batch,
            "channels_last": arm.prepared.shapes.channels_last,
            "device": str(arm.prepared.device),
            "digest": self.digest,
            "output": task.output,
        }
        lines = {"build": build, "structure": start.structure, "weights": start.weights}
        by = {f"{part}_by_advisor": why for part, why in vars(self.by_advisor).items()}
        return {**said, **lines, **by}

    @staticmethod
    def _of_recipe(recipe: RecipeLines, ready: Run) -> dict[str, Any]:
        """What the templates say of a step of the training."""
        own = ready.recipe
        return {
            "recipe": recipe,
            "accumulate": own.accumulate,
            "clip": own.clip,
            "clip_value": own.clip_value,
            "precision": own.precision,
            "takes_target": own.augment is not None and own.augment.takes_target,
        }

    @staticmethod
    def _of_data(found: Preprocessing) -> dict[str, Any]:
        """What the templates say of the data."""
        as_words = [found.fitted["column"]] if found.fitted["kind"] == "texts" else []
        for column in found.fitted.get("columns", ()):
            if column["kind"] == "category" or not {"written", "is_iso"}.isdisjoint(column):
                as_words.append(column["name"])
        return {
            "files": found.files,
            "fitted": found.fitted,
            "reads_csv": found.is_csv,
            "options": found.options,
            "words": as_words,
            "reads_cells": bool(found.cell_reasons),
            "has_dates": any("is_iso" in column for column in found.fitted.get("columns", ())),
        }

    def _of_other_rows(self, found: Preprocessing, own: str) -> dict[str, Any]:
        """What the templates say of other rows than those of the study."""
        task, by = self.arm.prepared.study.task, self.by_advisor
        tables = own or "[read_table(path) for path in DATA.values()]" * bool(found.files)
        is_refitted = found.fitted["kind"] == "table" and (not by.data or bool(by.loop))
        why = ""
        if task.group is not None or task.time is not None:
            why = "these are other rows, which would be split by their groups or times"
        elif any((by.data, by.start, by.loop)):
            why = "these are other rows, to which advisor itself would fit anew what it does here"
        advice = "; ask advisor tune with them, and export that"
        return {"refits": tables * is_refitted, "why_same_rows": why and why + advice}

    def _rendered(
        self, context: dict[str, Any], found: Preprocessing, reasons: list[str]
    ) -> ScriptText:
        """The files of the folder."""
        asked = self._asked(found)
        if "read_rows" in asked:
            reasons += [reason for reason in found.reasons if reason not in reasons]
        files = {"study.json": study_file(self.arm, self.copied)} if "opened" in asked else {}
        has_settings = self._settings()
        imports, own = self._imports(found, asked)
        versions = self._versions([*imports, *own], asked)
        context |= {"imports": imports, "own_imports": own, "settings": has_settings}
        context |= {"reasons": reasons, "versions": checked_versions(versions)}
        context |= {"own_files": bool(self.copied.files)}
        context |= {"definitions": list(self.text.definitions.values())}
        for name in ("train.py", "predict.py"):
            files[name] = rendered(f"{name}.jinja", context)
        return ScriptText(files, self.copied, found.fitted, reasons, versions, self.by_advisor)

    def _asked(self, found: Preprocessing) -> list[str]:
        """What a script imports from `advisor.exporting.support`."""
        by = self.by_advisor
        is_table = found.fitted["kind"] in ("table", "texts")
        asked = {
            "opened": any((by.data, by.build, by.start, by.loop)),
            "read_cells": bool(found.cell_reasons),
            "read_rows": is_table and not found.is_csv and bool(found.files),
        }
        return [name for name, is_asked in asked.items() if is_asked]

    def _imports(self, found: Preprocessing, asked: list[str]) -> tuple[list[str], list[str]]:
        """The lines of imports that the template lacks: of libraries, and of the user's files."""
        lines = dict.fromkeys(self.text.imports)
        if found.fitted["kind"] in ("table", "texts"):
            lines["import pandas as pd"] = None
        if found.fitted["kind"] == "texts":
            lines["import re"] = None
        copies = self._own_modules() if self.copied.files else set()
        own = [line for line in lines if line.split()[1].partition(".")[0] in copies]
        others = [line for line in sorted(lines) if line not in own and line not in _IN_TEMPLATE]
        if asked:
            own.insert(0, f"from advisor.exporting.support import {', '.join(asked)}")
        if self.names.needs_study:
            own += self.names.study_lines()
        return others, own

    def _own_modules(self) -> set[str]:
        """The top names of the modules that were copied."""
        return {place.partition("/")[0].removesuffix(".py") for place in self.copied.files}

    def _settings(self) -> bool:
        """Take the files that the user's code reads; returns whether there are any."""
        folder = self.arm.prepared.ref.folder()
        has = False
        for name in self.arm.prepared.content.files:
            path = folder / name
            if not Path(name).is_absolute() and path.is_file():
                self.copied.take(path.resolve(), folder.resolve())
                has = True
        return has

    def _versions(self, lines: list[str], asked: list[str]) -> dict[str, str]:
        """The versions of what the scripts and the user's files import."""
        names = {line.split()[1].partition(".")[0] for line in lines} | self.copied.libraries
        names |= {"pandas"}
        if asked or self.names.needs_study:
            names.add("advisor")
        by_module = packages_distributions()
        found = dict.fromkeys(ALWAYS)
        for name in sorted(names):
            found |= dict.fromkeys(by_module.get(name, ())[:1])
        found.pop("advisor", None)
        return {name: version(name) for name in found}


def checked_versions(versions: Mapping[str, str]) -> dict[str, str]:
    """The versions that a script compares: without what tells builds apart, and Python's."""
    plain = {name: number.partition("+")[0] for name, number in versions.items()}
    return plain | {"python": f"{sys.version_info.major}.{sys.version_info.minor}"}


_IN_TEMPLATE = {
    *("from torch import nn", "from torch import Tensor", "import torch", "import numpy as np"),
    *("import json", "import random", "import hashlib", "import sys", "import os"),
}
"""Imports that the template has."""
