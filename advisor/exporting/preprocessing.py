"""What is fitted to the data, as JSON: how a new row becomes an input, and an output an answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from advisor.data.formats.categories import MISSING, MOST_LEVELS, NO_COLUMN, Category
from advisor.data.formats.columns import ColumnKind, kinds_of, to_numbers
from advisor.data.formats.date_cells import WrittenDates
from advisor.data.formats.images import ImageInputs
from advisor.data.formats.number_cells import WrittenNumbers
from advisor.data.formats.readings import decided_columns, read_columns
from advisor.data.formats.separators import SAMPLE_LINES, separation_of
from advisor.data.formats.table_files import PARSER_OPTIONS
from advisor.data.formats.tables import TableInputs
from advisor.data.formats.text_files import first_lines, read_utf8
from advisor.data.formats.texts import TextInputs
from advisor.data.inputs import ArrayInputs
from advisor.data.layout import RowNumbers
from advisor.data.notes import Notes
from advisor.data.raw import SPLITS, Raw
from advisor.data.readers import read_splits
from advisor.data.row_keys import names_of
from advisor.data.splits import Splits, TensorPart
from advisor.data.target_column import take_target
from advisor.data.weights import is_of_rows
from advisor.loading.paths import find_path, is_reference
from advisor.nested import mapped
from advisor.work.prepare import Prepared

EXAMPLES = 200
"""Written cells of a column that are kept, by which new ones are read alike."""

ISO = r"\d{4}-\d\d-\d\d"
"""A day as pandas alone reads it."""


@dataclass
class Preprocessing:
    """How raw rows become tensors.

    Attributes:
        fitted: for `preprocessing.json`.
        files: whole paths of the data by split, where they are files.
        is_csv: whether pandas reads the files with `options`.
        options: of `pandas.read_csv`.
        reasons: why advisor itself reads rows; empty where the script does.
        cell_reasons: why advisor itself reads cells of some columns.
    """

    fitted: dict[str, Any]
    files: dict[str, str] = field(default_factory=dict)
    is_csv: bool = False
    options: dict[str, Any] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)
    cell_reasons: list[str] = field(default_factory=list)


def preprocessing_of(prepared: Prepared, splits: Splits, output: str) -> Preprocessing:
    """What is fitted to the rows of a seed.

    Arguments:
        prepared: the study.
        splits: the rows of the seed, whose training rows give means and the like.
        output: what the model's output holds, as `kind_of_output` calls it.
    """
    inputs = prepared.source.inputs
    fitted: dict[str, Any] = {"target": target_of(prepared, output)}
    found = Preprocessing(fitted, data_files(prepared))
    if isinstance(inputs, (TableInputs, TextInputs)):
        set_columns(found, prepared, splits)
    elif isinstance(inputs, ArrayInputs):
        fitted["kind"] = "arrays"
        if found.files:
            found.reasons.append("the arrays are read from a file by advisor's reader")
    elif isinstance(inputs, ImageInputs):
        set_images(found, splits)
    else:
        fitted["kind"] = "dataset"
        found.reasons.append("rows are read from a torch Dataset for every batch")
    # Where a tensor is, JSON has null; a tuple is a list.
    fitted["form"] = list(mapped(lambda tensor: None, splits.train.take(torch.arange(1))[0]))
    return found


def set_columns(found: Preprocessing, prepared: Prepared, splits: Splits) -> None:
    """Note what a table or texts become, and how their file is read."""
    raws = raw_rows(prepared)
    set_reading(found, raws["plain"])
    columns = set_table if isinstance(prepared.source.inputs, TableInputs) else set_texts
    columns(found, prepared, raws, splits)


def target_of(prepared: Prepared, output: str) -> dict[str, Any]:
    """What is predicted, and how an output is read."""
    source, objective = prepared.source, prepared.objective
    mean, deviation = source.target_scales or source.target_scale or (0.0, 1.0)
    return {
        "column": source.target,
        "columns": target_columns(prepared),
        "task": objective.kind,
        "classes": None if source.facts.classes is None else list(source.facts.classes),
        "labels": None if source.facts.labels is None else list(source.facts.labels),
        "mean": mean,
        "deviation": deviation,
        "output": output,
    }


def target_columns(prepared: Prepared) -> list[str] | None:
    """The names of the columns of a table that are predicted, where they are several."""
    source = prepared.source
    has_several = source.target_scales is not None or source.facts.labels is not None
    names = [name.strip() for name in str(source.target).split(",")]
    return names if has_several and source.target is not None and len(names) > 1 else None


def data_files(prepared: Prepared) -> dict[str, str]:
    """The whole paths of the data by split, where all of them are files or folders."""
    task, files = prepared.study.task, {}
    for split in ("data", "train", "valid", "test"):
        value = getattr(task, split)
        if value is None:
            continue
        if not isinstance(value, (str, Path)) or is_reference(str(value)):
            return {}
        files[split] = str(find_path(value, prepared.ref.folder()).resolve())
    return files


def raw_rows(prepared: Prepared) -> dict[str, dict[str, Raw]]:
    """The rows of tables as they were read (`plain`), and with written numbers and dates read and
    without the columns that are no inputs (`ready`).
    """
    task, notes = prepared.study.task, Notes()
    values = {split: getattr(task, split) for split in ("data", *SPLITS)}
    target = task.target if task.target is None or isinstance(task.target, str) else None
    of_rows = task.weights if is_of_rows(task.weights) else None
    read = read_splits(
        values,
        prepared.ref.folder(),
        notes,
        target,
        prepared.ref.definitions_only,
        names_of(task.group, task.time, of_rows),
    )
    ready = take_target(read_columns(read, notes), prepared.source.target, notes, task.kind)
    return {"plain": read, "ready": ready}


def set_reading(found: Preprocessing, plain: Mapping[str, Raw]) -> None:
    """Note how pandas alone reads the files, or why it does not."""
    paths = [Path(file) for file in found.files.values()]
    if not paths:
        found.reasons.append("the rows are given by your own code as a table")
        # New rows may be a file all the same.
        found.options = {"sep": ",", **PARSER_OPTIONS, "header": 0}
        found.options["na_values"] = list(PARSER_OPTIONS["na_values"])
        found.is_csv = True
        return
    named = len(found.files) == 1 and len(plain) > 1
    if named or any(path.suffix.lower() not in (".csv", ".tsv") for path in paths):
        found.reasons.append(f"{paths[0].name} is read by advisor's reader")
        return
    columns = [str(name).strip() for name in next(iter(plain.values())).inputs.columns]
    found.options = csv_options(paths[0], columns)
    found.is_csv = bool(found.options)
    if not found.is_csv:
        found.reasons.append(f"{paths[0].name} has lines above its table")


def csv_options(path: Path, columns: list[str]) -> dict[str, Any]:
    """How pandas alone reads a file into these columns; empty where it does not."""
    separation = separation_of(first_lines(read_utf8(path, Notes()), SAMPLE_LINES))
    options: dict[str, Any] = {"sep": separation.separator, **PARSER_OPTIONS}
    options["na_values"] = list(PARSER_OPTIONS["na_values"])
    header = pd.read_csv(path, nrows=0, **options)
    if set(columns) <= {str(name).strip() for name in header.columns}:
        return {**options, "header": 0}
    if len(columns) == len(header.columns):
        return {**options, "header": None, "names": columns}
    return {}


# --- tables ---------------------------------------------------------------------------------------


def set_table(
    found: Preprocessing, prepared: Prepared, raws: Mapping[str, Mapping[str, Raw]], splits: Splits
) -> None:
    """Note the columns of a table: means and deviations, levels and their places."""
    inputs, pool = prepared.source.inputs, prepared.source.pool
    part = splits.train
    if not isinstance(inputs, TableInputs) or not isinstance(part, TensorPart):
        raise TypeError("no table")
    table = joined([raws["ready"][split] for split in SPLITS if split in raws["ready"]])
    readings = readings_of(raws["plain"], found)
    batch: Any = part.finish
    names = list(inputs.columns or ())
    kinds = kinds_of(table, pool, Notes())
    columns: list[dict[str, Any]] = []
    for name, mean, deviation in zip(names, batch.means, batch.deviations, strict=False):
        values = to_numbers(table[name], kinds[name]).to_numpy()[part_rows(part)]
        kind = "date" if kinds[name] is ColumnKind.DATE else "number"
        column = {"name": name, "kind": kind, "median": median_of(values)}
        column |= {"mean": float(mean), "deviation": float(deviation)}
        columns.append(column | readings.get(name, {}))
    width = 0
    for name in names[len(columns) :]:
        column, own = category_column(table[name], pool, width)
        columns.append({"name": name, **column})
        width += own
    found.fitted |= {"kind": "table", "columns": columns, "width": width}


def median_of(values: np.ndarray[Any, Any]) -> float:
    """The median of the numbers among some values; 0 without any."""
    values = values[~np.isnan(values)]
    return float(np.median(values)) if len(values) else 0.0


def category_column(cells: Any, pool: RowNumbers, first: int) -> tuple[dict[str, Any], int]:
    """A column of words: the one-hot column of each level, from `first` on, and their number."""
    category = Category.of(cells).filled()
    places, width = category.places(pool)
    has_others = width > MOST_LEVELS
    levels = {}
    for level, place in zip(category.levels, places, strict=True):
        is_other = has_others and place == MOST_LEVELS
        if place != NO_COLUMN and not is_other:
            levels[level] = first + int(place)
    others = first + MOST_LEVELS if has_others else None
    is_bool = bool(pd.api.types.is_bool_dtype(cells))
    how = {"levels": levels, "others": others, "gap": MISSING, "is_bool": is_bool}
    return {"kind": "category", **how}, width


def part_rows(part: TensorPart) -> np.ndarray[Any, Any]:
    """The numbers of the rows of a part."""
    return torch.arange(len(part)).numpy() if part.rows is None else part.rows.numpy()


def joined(raws: list[Raw]) -> pd.DataFrame:
    """The tables of all splits, with the columns of the first."""
    tables: list[Any] = []
    for raw in raws:
        table = raw.inputs.rename(columns=lambda name: str(name).strip())
        tables.append(table[tables[0].columns] if tables else table)
    whole: pd.DataFrame = pd.concat(tables, ignore_index=True)
    return whole


def readings_of(plain: Mapping[str, Raw], found: Preprocessing) -> dict[str, dict[str, Any]]:
    """How written numbers and dates are read, by the name of their column."""
    readings: dict[str, dict[str, Any]] = {}
    for column in decided_columns(plain, Notes()):
        reading = column.read_as()
        if isinstance(reading, WrittenDates) and column.cells.str.fullmatch(ISO).all():
            readings[column.name] = {"is_iso": True}
            continue
        examples = [str(cell) for cell in column.cells.iloc[:EXAMPLES]]
        how: dict[str, Any] = {"examples": examples}
        if isinstance(reading, WrittenNumbers):
            how["sign"] = reading.sign.value
        elif isinstance(reading, WrittenDates):
            how["day_first"] = {"day first": True, "month first": False}.get(reading.order)
        readings[column.name] = {"written": how}
        found.cell_reasons.append(
            f"column {column.name!r} is written as {examples[0]!r}, which its reader takes apart"
        )
    return readings


# --- texts and images -----------------------------------------------------------------------------


def set_texts(
    found: Preprocessing, prepared: Prepared, raws: Mapping[str, Mapping[str, Raw]], splits: Splits
) -> None:
    """Note the vocabulary and the length of texts."""
    inputs, part = prepared.source.inputs, splits.train
    table = joined([raws["ready"][split] for split in SPLITS if split in raws["ready"]])
    kinds = kinds_of(table, prepared.source.pool, Notes())
    texts = [name for name, kind in kinds.items() if kind is ColumnKind.TEXT]
    name = texts[0] if texts else str(table.columns[0])
    sample, _ = part.take(torch.arange(1))
    found.fitted |= {
        "kind": "texts",
        "column": name,
        "vocabulary": list(inputs.vocabulary or ()),
        "length": int(sample[0].shape[1]),
        "pads_right": bool(inputs.pads_right),
    }


def set_images(found: Preprocessing, splits: Splits) -> None:
    """Note the size of images, and mean and deviation of each channel."""
    part = splits.train
    batch: Any = getattr(part, "finish", None)
    sample, _ = part.take(torch.arange(1))
    _, channels, height, width = sample[0].shape
    found.fitted |= {
        "kind": "images",
        "mode": "L" if channels == 1 else "RGB",
        "height": height,
        "width": width,
        "mean": batch.mean.flatten().tolist(),
        "deviation": batch.deviation.flatten().tolist(),
    }
    found.reasons.append("a folder of images is read by advisor's reader")
