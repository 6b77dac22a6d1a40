"""What an exported script asks of advisor, where plain PyTorch would not be the same.

Each use is named in the script with its reason, and in docs/export.md.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from advisor.data.formats.date_cells import written_dates
from advisor.data.formats.files import read_path
from advisor.data.formats.image_files import read_pixels
from advisor.data.formats.number_cells import DecimalSign, written_numbers
from advisor.data.notes import Notes
from advisor.data.splits import Part
from advisor.errors import InputError
from advisor.exporting.measured import started, trained
from advisor.study import Study
from advisor.technique import DECAY, RATE
from advisor.training.by_loop import train_by_loop
from advisor.training.loop import TrainingSettings
from advisor.training.run import Run
from advisor.training.stacks import alone
from advisor.work.job import Job, applied
from advisor.work.prepare import Prepared, prepare
from advisor.work.replay import measuring_job, scored_model
from advisor.work.study_ref import StudyRef
from advisor.work.threads import one_thread

__all__ = ["Folder", "opened", "read_cells", "read_pixels", "read_rows"]

STUDY_FILE = "study.json"
"""The file of a folder that says which study it is."""

_opened: dict[tuple[str, str], Folder] = {}
"""The folders that this process has opened, by their paths, their studies and the data."""


@dataclass
class Folder:
    """The study of an exported folder, opened again.

    Attributes:
        prepared: the study.
        params: what is recommended.
        batch, epochs, seed: of its training.
    """

    prepared: Prepared
    params: Mapping[str, Any]
    batch: int
    epochs: int
    seed: int

    def rows(self, seed: int) -> tuple[tuple[Any, ...], Tensor]:
        """Inputs and targets of all rows, prepared as the training rows of a seed say."""
        splits = self.prepared.measuring_splits(seed)
        rows = splits.train.rows
        if rows is None:
            raise InputError("the rows of this study have no numbers.")
        part, target = self.prepared.source.every_row(rows.numpy())
        return taken(part), target

    def start(self, seed: int) -> tuple[nn.Module, list[str], dict[str, float]]:
        """A model with the techniques applied; names without weight decay, and those that wait."""
        run = started(self.prepared, self._job(seed))
        return run.model, *names_in(run)

    def train(self, seed: int, is_final: bool = False) -> tuple[nn.Module, float | None]:
        """A trained model, and its score on the rows that were held out; None where it is trained
        on all rows.
        """
        job = self._job(seed)
        if is_final:
            return trained_on_all(self.prepared, job), None
        run, outcome = trained(self.prepared, job)
        return scored_model(run), self.prepared.criterion.score(outcome.curve, self.epochs)

    def _job(self, seed: int) -> Job:
        parts = (self.params, self.batch, self.epochs)
        return replace(measuring_job(self.prepared, *parts, seed), split=self.seed)


@dataclass(frozen=True)
class WithFiles(StudyRef):
    """A reference to a study file, whose data are files at other places.

    Attributes:
        files: the data by split, by whole paths.
    """

    files: Mapping[str, str] = field(default_factory=dict)

    def load(self) -> Study:
        """The study, as `StudyRef.load`."""
        study = super().load()
        return replace(study, task=replace(study.task, **dict[str, Any](self.files)))


def taken(part: Part) -> tuple[Any, ...]:
    """The inputs of all rows of a part."""
    return part.take(torch.arange(len(part)))[0]


def names_in(run: Run) -> tuple[list[str], dict[str, float]]:
    """The parameters of a run without weight decay, and those that wait, by name."""
    undecayed = {id(each) for each in run.undecayed}
    later = {id(each): share for each, share in run.later}
    named = list(nn.Module.named_parameters(run.model))
    return (
        [name for name, each in named if id(each) in undecayed],
        {name: later[id(each)] for name, each in named if id(each) in later},
    )


def trained_on_all(prepared: Prepared, job: Job) -> nn.Module:
    """A model that is trained on all rows."""
    one_thread()
    splits = prepared.source.whole()
    run = prepared.run(job.seed, splits)
    run.steps = run.recipe.steps_an_epoch(len(splits.train), job.batch) * job.to_epoch
    applied(run, job, prepared)
    rates = (job.params[RATE], job.params[DECAY])
    settings = TrainingSettings(*rates, job.batch, from_epoch=0, to_epoch=job.to_epoch)
    if prepared.loop is None:
        for _ in alone.trained(run, settings, splits.test):
            pass
    else:
        train_by_loop(run, prepared.loop, settings, splits.test, lambda epoch, has_model: None)
    return scored_model(run)


# --- what a script calls --------------------------------------------------------------------------


def opened(folder: Path, files: Mapping[str, str] | None = None) -> Folder:
    """The study of an exported folder, opened once.

    Arguments:
        folder: of the export.
        files: the data by split; None for those of the study.

    Raises:
        InputError: it cannot be opened.
    """
    text = (folder / STUDY_FILE).read_text()
    key = (str(folder), text + json.dumps(dict(files or {})))
    if key not in _opened:
        plain = json.loads(text)
        home = Path(plain["home"])
        with inside(home if home.is_dir() else folder), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            prepared = prepare(reference_in(folder, plain, files or {}), plain["device"])
        parts = (plain["params"], plain["batch"], plain["epochs"], plain["seed"])
        _opened[key] = Folder(prepared.on_rows(plain.get("rows")), *parts)
    return _opened[key]


@contextmanager
def inside(folder: Path) -> Iterator[None]:
    """While this is open, a folder is the current one."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def reference_in(folder: Path, plain: Mapping[str, Any], files: Mapping[str, str]) -> StudyRef:
    """The reference to the copies of a study's files in a folder."""
    plugins = tuple(str(folder / place) for place in plain["plugins"])
    ref = StudyRef(
        changes=plain["changes"],
        plugins=plugins,
        without=tuple(plain["without"]),
        as_before=plain["as_before"],
    )
    if plain["file"] is not None:
        return WithFiles(**{**vars(ref), "file": str(folder / plain["file"]), "files": dict(files)})
    flags = dict(plain["flags"])
    for word in plain["in_folder"]:
        flags[word] = str(folder / flags[word])
    return replace(ref, flags=json.dumps({**flags, **files}))


def read_rows(path: str | Path, target: str | None) -> pd.DataFrame:
    """The rows of a file as a table, of all splits that it has, with the target if it is there.

    Raises `InputError` where the file cannot be read.
    """
    raws = list(read_path(Path(path), Notes()).values())
    tables = []
    for raw in raws:
        table = raw.inputs
        if not isinstance(table, pd.DataFrame):
            raise InputError(f"{path} holds no table.")
        if raw.labels is not None:
            table = table.assign(**{str(target): raw.labels})
        table.columns = pd.Index([str(name).strip() for name in table.columns])
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def read_cells(cells: Any, written: Mapping[str, Any]) -> np.ndarray[Any, Any]:
    """Written numbers, or dates as days since 1970, as float64; NaN for a gap.

    Arguments:
        cells: a column.
        written: how its cells were read before: examples, and the decimal sign or the order of day
            and month.
    """
    words = [None if pd.isna(cell) else str(cell).strip() for cell in cells]
    known = [word for word in dict.fromkeys(words) if word not in (None, "", "?")]
    # New cells are read as those before, of which there are enough to show how they are written.
    distinct = pd.Series(list(dict.fromkeys([*written["examples"], *known])), dtype=object)
    if "sign" in written:
        values = written_numbers(distinct)[DecimalSign(written["sign"])].values
    else:
        dates = written_dates(distinct, written["day_first"]).values
        since = dates if dates.dtype.kind == "m" else dates - pd.Timestamp(0)
        values = since / pd.Timedelta(days=1)
    return np.array([values.get(word, np.nan) for word in words], np.float64)
