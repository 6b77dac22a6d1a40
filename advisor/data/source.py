"""Opens the user's data: read, number the targets, draw the test rows, fix the structure."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from advisor.data.datasets import untouched_randomness
from advisor.data.facts import Facts
from advisor.data.formats.images import Images
from advisor.data.formats.tables import read_table
from advisor.data.inputs import Arrays, Body, Items
from advisor.data.layout import Layout, Rows, lay_out
from advisor.data.raw import SPLITS, Raw, Told, plural, shared_rows
from advisor.data.readers import gather
from advisor.data.splits import Part, Splits
from advisor.data.targets import Target, encode, take_target
from advisor.errors import InputError, listing
from advisor.nested import tensors_in
from advisor.study import KINDS

LEAST = 10  # rows


class Source:
    """The user's data, opened: what they are, what was done to them, and their splits for a seed.

    Attributes:
        facts: counts, shapes and labels, the same for every seed.
        notes: what was done, one sentence each.
        warnings: what the user should know, one sentence each.
        target_scale: `(mean, deviation)` of a table's regression target outside the test rows, by
            which it was standardized; None if it was not.
    """

    def __init__(self, body: Body, target: Target, layout: Layout, told: Told, seed: int) -> None:
        self.notes, self.warnings, self.target_scale = told.notes, told.warnings, target.scale
        self._body, self._target, self._layout, self._seed = body, target, layout, seed
        self._drawn: tuple[int, Splits] | None = None
        self.facts = self._facts()
        for number, name in enumerate(target.classes or ()):
            if not (target.values[torch.as_tensor(layout.train)] == number).any():
                told.warn(f"no row to train on has the class {name!r}")

    def splits(self, seed: int) -> Splits:
        """The four splits: train and valid drawn with `seed` unless the user gave valid, test
        always the same rows.

        Means, deviations and medians are those of this seed's training rows.
        """
        if self._drawn is None or self._drawn[0] != seed:
            train, valid = self._layout.draw(self._target.numbers, seed)
            rows = self._body.view(train)
            unlabeled = (
                None if self._layout.unlabeled is None else rows.subset(self._layout.unlabeled)
            )
            train_part, valid_part, test_part = (
                self._part(rows, at) for at in (train, valid, self._layout.test)
            )
            self._drawn = seed, Splits(train_part, valid_part, test_part, unlabeled)
        return self._drawn[1]

    @property
    def redraws(self) -> bool:
        """Whether every seed draws its own train and valid rows; not so where the user gave valid."""
        return self._layout.valid is None

    def limit_vocabulary(self, rows: int) -> Source:
        """The same source with at most `rows` ids, most frequent tokens first; other tokens become
        unknown (id 1).

        A source without a vocabulary is returned unchanged.

        Raises:
            InputError: fewer than 3 rows, which leave no word beside padding and unknown.
        """
        if self.facts.vocabulary is None or rows >= len(self.facts.vocabulary):
            return self
        if rows < 3:
            raise InputError(
                f"a vocabulary needs at least 3 rows (padding, unknown and a word), got {rows}."
            )
        other = copy.copy(self)
        other._body, other._drawn = self._body.limited(rows), None
        other.facts = replace(self.facts, vocabulary=other._body.vocabulary, ids=other._body.ids)
        return other

    def _part(self, rows: Part, at: Rows) -> Part:
        return rows.subset(at).labelled(self._target.values[torch.as_tensor(at)])

    def _facts(self) -> Facts:
        splits = self.splits(self._seed)
        values, classes = self._target.values, self._target.classes
        with untouched_randomness():
            inputs = list(tensors_in(splits.train.take(torch.arange(1))[0]))
        sizes = {
            name: 0 if getattr(splits, name) is None else len(getattr(splits, name))
            for name in SPLITS
        }
        return Facts(
            rows=len(values),
            sizes=sizes,
            inputs=tuple(tuple(tensor.shape[1:]) for tensor in inputs),
            dtypes=tuple(str(tensor.dtype).removeprefix("torch.") for tensor in inputs),
            target="numbers" if classes is None else "classes",
            classes=classes,
            outputs=len(classes)
            if classes is not None
            else (values.shape[1] if values.ndim == 2 else 1),
            vocabulary=self._body.vocabulary,
            ids=self._body.ids,
        )


def open_source(
    *,
    data: Any = None,
    train: Any = None,
    valid: Any = None,
    test: Any = None,
    unlabeled: Any = None,
    target: str | None = None,
    kind: str | None = None,
    seed: int = 0,
    folder: Path | None = None,
    definitions_only: bool = False,
) -> Source:
    """Read the data, fix their structure, draw the test rows.

    Arguments:
        data: a path, `FILE.py:NAME`, a pair `(x, y)`, a dict of splits or of arrays, a DataFrame, a
            Dataset, a DataLoader, or a function that returns one of these; like `train`, of which
            one is needed.
        train: the user's own training rows.
        valid: the user's own; else a fifth of all rows, redrawn for each seed.
        test: the user's own; else a fifth of all rows, stratified, drawn with `seed`.
        unlabeled: inputs without targets; targets are ignored.
        target: the column to predict, for tables; the label's key or position, for items of a
            Dataset.
        kind: `classification`, `binary`, `regression`, or None to infer it from the target.
        seed: draws the test rows.
        folder: where relative paths start; the current directory is tried too.
        definitions_only: of Python files, run only the imports, functions, classes and constants.

    Raises:
        InputError: the data are missing, cannot be read, or cannot be learned from.
    """
    if kind is not None and kind not in KINDS:
        raise InputError(f"kind={kind!r}: the kinds are {listing(KINDS)}.")
    told = Told()
    given = {"data": data, "train": train, "valid": valid, "test": test, "unlabeled": unlabeled}
    raws = take_target(gather(given, folder, told, target, definitions_only), target, told)
    raws = {split: raws[split] for split in SPLITS if split in raws}
    _enough(raws)
    answer = encode(raws, kind, told)
    layout = lay_out({split: len(raw) for split, raw in raws.items()}, answer.numbers, seed)
    if (
        isinstance(raws["train"].body, pd.DataFrame)
        and answer.classes is None
        and answer.values.ndim == 1
    ):
        answer = answer.standardized(layout.labelled_pool, told)
    body = _body(raws, layout, told)
    _tell_repeats(body, layout, told)
    return Source(body, answer, layout, told, seed)


def _enough(raws: Mapping[str, Raw]) -> None:
    """Refuse empty splits and sets that are too small to be split."""
    for split, raw in raws.items():
        if len(raw) == 0:
            raise InputError(f"{raw.name} ({split}) has no rows.")
    rows = len(raws["train"])
    if rows < LEAST:
        raise InputError(
            f"{raws['train'].name} has {plural(rows, 'row')} with a target; at least {LEAST} are needed."
        )


def _body(splits: Mapping[str, Raw], layout: Layout, told: Told) -> Body:
    """The inputs of all splits as one thing, whose structure the rows outside test decide."""
    raws = list(splits.values())
    if all(isinstance(raw.body, pd.DataFrame) for raw in raws):
        return read_table(raws, layout.pool, told)
    if all(isinstance(raw.body, list) for raw in raws):
        return Images(raws, layout.pool, told)
    if any(isinstance(raw.body, pd.DataFrame | list) for raw in raws):
        kinds = {pd.DataFrame: "a table or texts", list: "images", tuple: "arrays"}
        each = (f"{raw.name}: {kinds.get(type(raw.body), 'a Dataset')}" for raw in raws)
        raise InputError(
            f"the splits are of different kinds ({listing(each)}); give all of them alike."
        )
    return (
        Arrays(raws, told)
        if all(isinstance(raw.body, tuple) for raw in raws)
        else Items(splits, told)
    )


def _tell_repeats(body: Body, layout: Layout, told: Told) -> None:
    """Test rows whose inputs also stand among the rows that train is drawn from."""
    keys = body.keys()
    if keys is None:
        return
    repeats = shared_rows(np.asarray(keys, dtype=object), layout.test, layout.train)
    if repeats:
        told.warn(
            f"{plural(repeats, 'test row')} also {'stands' if repeats == 1 else 'stand'} in train"
        )
