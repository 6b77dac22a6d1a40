"""Writes `train.py` and `predict.py` for an arm, with as much plain PyTorch as is the same."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.metadata import packages_distributions, version
from pathlib import Path
from typing import Any

import jinja2

from advisor import __version__
from advisor.errors import InputError
from advisor.exporting.copied import OWN_CODE, CopiedFiles
from advisor.exporting.measured import MeasuredArm
from advisor.exporting.own_names import OwnNames, arguments_text, flags_of, loaded_module
from advisor.exporting.preprocessing import Preprocessing, preprocessing_of
from advisor.exporting.recipe_lines import RecipeLines, recipe_lines
from advisor.exporting.source_text import SourceText, UnwritableError
from advisor.exporting.starts import StartLines, start_lines
from advisor.exporting.support import names_in
from advisor.loading.model import inferred_arguments
from advisor.loading.paths import is_reference
from advisor.loading.references import Reference
from advisor.model.swapping.report import SwapReport
from advisor.model.writing.diff import edited_files
from advisor.training.run import Run
from advisor.work.job import built_run, techniques_in_order
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
class Script:
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

    def script(self) -> Script:
        """The scripts; parts that cannot be written are left to advisor."""
        arm = self.arm
        prepared = arm.prepared
        run = built_run(arm.job(), prepared)
        output = run.anatomy.output
        build = self._build(run)
        start = self._start(run)
        ready = arm.started(arm.seed)
        undecayed, later = names_in(ready)
        if later:
            self._leave("start", "parameters wait for their part of the training")
        parts = (arm.lr, arm.weight_decay, arm.epochs, self.names, self.text)
        recipe = recipe_lines(prepared, ready, *parts)
        for reason in recipe.reasons:
            self._leave("loop", reason)
        found = preprocessing_of(prepared, arm.splits, output)
        data = self._data(found)
        if self.copied.edited and any(vars(self.by_advisor).values()):
            # What advisor does, it does to the files as they are.
            self.copied.edited.clear()
            for part in ("build", "start"):
                self._leave(part, "activations are calls in the model's own code")
        reasons = [*vars(self.by_advisor).values(), *start.reasons, *found.cell_reasons]
        if self.names.needs_study:
            reasons.append("your study file imports it")
        reasons = list(dict.fromkeys(filter(None, reasons)))
        context = self._context(run, build, start, recipe, found, data)
        context |= {"undecayed": undecayed, "reasons": reasons}
        return self._rendered(context, found, reasons)

    def _leave(self, part: str, why: str) -> None:
        """Leave a part of the script to advisor."""
        self.by_advisor = self.by_advisor.also(part, why)

    def _build(self, run: Run) -> str:
        """The call that makes the model."""
        prepared, task = self.arm.prepared, self.arm.prepared.study.task
        if choice_in(prepared.host, self.arm.params) is not None:
            self._leave("build", "another of your models is recommended")
            self._leave("start", "another of your models is recommended")
            return ""
        try:
            if prepared.ref.definitions_only:
                raise UnwritableError("your file is run by its definitions alone")
            given = dict(prepared.arguments)
            known = prepared.facts.named()
            for name, each in inferred_arguments(task.build, known, given).items():
                given.setdefault(name, each.value)
            arguments = arguments_text(given, self.names, self.text)
            return f"{self.names.said(task.build, 'build')}({arguments})"
        except UnwritableError as why:
            self._leave("build", f"the model: {why}")
            self._leave("start", f"the model: {why}")
            return ""

    def _start(self, run: Run) -> StartLines:
        """What the techniques do, as lines."""
        techniques: list[Any] = techniques_in_order(self.arm.prepared.host, self.arm.params)
        lines = start_lines(run, techniques, self.text, self._edit)
        for reason in lines.reasons:
            self._leave("start", reason)
            if reason.startswith("activation"):
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
        task, said = self.arm.prepared.study.task, ""
        if not found.files and not self.by_advisor.data:
            try:
                if task.data is None or any((task.train, task.valid, task.test)):
                    raise UnwritableError("splits are given as values")
                said = self._own_data(task.data)
                found.reasons = []
            except UnwritableError as why:
                self._leave("data", f"the data: {why}")
        if said and found.fitted["kind"] == "table":
            said = f"[{said}() if callable({said}) else {said}]"
        if found.fitted["kind"] == "texts" and said:
            self._leave("data", "texts are given by your own code")
        for reason in found.reasons:
            if found.fitted["kind"] not in ("table", "texts"):
                self._leave("data", reason)
        if found.fitted["kind"] == "dataset":
            self._leave("loop", "rows are read from a torch Dataset for every batch")
        if "," in str(found.fitted["target"]["column"]) or found.fitted["target"]["labels"]:
            self._leave("data", "several columns are predicted")
        return said

    def _own_data(self, value: Any) -> str:
        """The user's own data, as a script says them."""
        if isinstance(value, (str, Path)):
            loaded = Reference.parse(str(value))
            from advisor.loading.paths import find_path

            file = find_path(loaded.place, self.arm.prepared.ref.folder())
            module = loaded_module(file)
            thing = module
            for name in loaded.name.split("."):
                thing = getattr(thing, name)
            return self.names.said_in(module, loaded.name)
        return self.names.said(value, "data")

    def _context(
        self,
        run: Run,
        build: str,
        start: StartLines,
        recipe: RecipeLines,
        found: Preprocessing,
        data: str,
    ) -> dict[str, Any]:
        """What the templates are filled with."""
        arm, task = self.arm, self.arm.prepared.study.task
        by = self.by_advisor
        augment = arm.prepared.recipe.augment
        text_columns = []
        for column in found.fitted.get("columns", ()):
            if column["kind"] == "category" or "written" in column:
                text_columns.append(column["name"])
        if found.fitted["kind"] == "texts":
            text_columns.append(found.fitted["column"])
        return {
            "advisor_version": __version__,
            "study": arm.recommendation.study,
            "seed": arm.seed,
            "score": arm.score,
            "metric": arm.recommendation.metric,
            "epochs": arm.epochs,
            "batch": arm.batch,
            "recipe": recipe,
            "accumulate": arm.prepared.recipe.accumulate,
            "clip": arm.prepared.recipe.clip,
            "precision": arm.prepared.recipe.precision,
            "takes_target": augment is not None and augment.takes_target,
            "device": str(arm.prepared.device),
            "files": found.files,
            "digest": self.digest,
            "data": "advisor" if by.data else "",
            "from_own": data,
            "fitted": found.fitted,
            "reads_csv": found.is_csv,
            "options": found.options,
            "words": text_columns,
            "options_of_reader": found.fitted["target"]["column"],
            "reads_cells": bool(found.cell_reasons),
            "build": build,
            "structure": start.structure,
            "weights": start.weights,
            "build_by_advisor": by.build,
            "start_by_advisor": by.start,
            "loop_by_advisor": by.loop,
            "output": task.output,
        }

    def _rendered(
        self, context: dict[str, Any], found: Preprocessing, reasons: list[str]
    ) -> Script:
        """The files of the folder."""
        by = self.by_advisor
        text = self.text
        kind = found.fitted["kind"]
        imports, own = dict(text.imports), []
        if kind in ("table", "texts") and not by.data:
            imports["import pandas as pd"] = None
        if kind == "texts":
            imports["import re"] = None
        asked = []
        if any((by.data, by.build, by.start, by.loop)):
            asked.append("opened")
        if found.cell_reasons:
            asked.append("read_cells")
        if kind in ("table", "texts") and not by.data and not found.is_csv and found.files:
            asked.append("read_rows")
            reasons += [reason for reason in found.reasons if reason not in reasons]
        own += [f"from advisor.exporting.support import {', '.join(asked)}"] if asked else []
        needed = text.imports
        for line in needed:
            module = line.split()[1]
            if self.copied.files and module.partition(".")[0] in self._own_modules():
                own.append(line)
                imports.pop(line)
        if self.names.needs_study:
            own += self.names.study_lines()
        settings = self._settings()
        study_file = self._study_file() if asked and "opened" in asked else None
        imports = {line: None for line in sorted(imports) if line not in _IN_TEMPLATE}
        context |= {
            "imports": list(imports),
            "own_imports": own,
            "own_files": bool(self.copied.files),
            "settings": settings,
            "definitions": list(text.definitions.values()),
            "reasons": reasons,
        }
        versions = self._versions([*imports, *own], asked, kind)
        context["versions"] = {
            **{name: number.partition("+")[0] for name, number in versions.items()},
            "python": f"{sys.version_info.major}.{sys.version_info.minor}",
        }
        files = {
            "train.py": rendered("train.py.jinja", context),
            "predict.py": rendered("predict.py.jinja", context),
        }
        if study_file is not None:
            files["study.json"] = study_file
        return Script(files, self.copied, found.fitted, reasons, versions, by)

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

    def _versions(self, lines: list[str], asked: list[str], kind: str) -> dict[str, str]:
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

    def _study_file(self) -> str:
        """The JSON by which advisor opens the study again."""
        ref, arm = self.arm.prepared.ref, self.arm
        flags = dict(flags_of(ref))
        in_folder = []
        for word in ("model", "data", "train", "valid", "test", "unlabeled"):
            value = flags.get(word)
            if not isinstance(value, str) or not value:
                continue
            place = Reference.parse(value)
            if place.place.endswith(".py"):
                path = self._found(place.place)
                flags[word] = f"{OWN_CODE}/{self.copied.add(path)}:{place.name}"
                in_folder.append(word)
            elif not is_reference(value):
                flags[word] = str(self._found(value))
        if flags.get("vectors"):
            flags["vectors"] = str(self._found(flags["vectors"]))
        file = None
        if ref.file is not None:
            own = Reference.parse(ref.file)
            place_of_file = self.copied.add(Path(own.place).resolve())
            file = f"{OWN_CODE}/{place_of_file}" + (f":{own.name}" if own.name else "")
        plugins = [f"{OWN_CODE}/{self.copied.add(Path(each).resolve())}" for each in ref.plugins]
        plain = {
            "file": file,
            "flags": None if ref.flags is None else flags,
            "in_folder": in_folder,
            "changes": ref.changes,
            "plugins": plugins,
            "without": ref.without,
            "as_before": ref.as_before,
            "home": str(ref.folder().resolve()),
            "device": str(arm.prepared.device),
            "params": dict(arm.params),
            "batch": arm.batch,
            "epochs": arm.epochs,
            "seed": arm.seed,
        }
        return json.dumps(plain, indent=2)

    def _found(self, place: str) -> Path:
        """A file or folder by its whole path."""
        from advisor.loading.paths import find_path

        return find_path(place, self.arm.prepared.ref.folder()).resolve()


_IN_TEMPLATE = {
    *("from torch import nn", "from torch import Tensor", "import torch", "import numpy as np"),
    *("import json", "import random", "import hashlib", "import sys", "import os"),
}
"""Imports that the template has."""


def rendered(name: str, context: Mapping[str, Any]) -> str:
    """A template, filled. Values go through `py`, which writes them as Python does."""
    environment = jinja2.Environment(  # noqa: S701  # it writes Python, and no page
        loader=jinja2.PackageLoader("advisor.exporting"),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    environment.filters["py"] = SourceText().value
    return environment.get_template(name).render(**context)
