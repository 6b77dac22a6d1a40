"""Opens the user's data: read, number the targets, draw the test rows, fix the structure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from advisor.data.checks import look_at_columns, warn_of_missing_classes, warn_of_repeats
from advisor.data.classes import Target
from advisor.data.digests import digest_of_rows, digest_of_words
from advisor.data.facts import Facts
from advisor.data.formats.images import ImageInputs
from advisor.data.formats.readings import read_columns
from advisor.data.formats.tables import read_table
from advisor.data.inputs import ArrayInputs, DatasetInputs, Inputs
from advisor.data.layout import Layout, RowNumbers, lay_out
from advisor.data.notes import Notes, plural
from advisor.data.parts import facts_of, sizes_of, split_of
from advisor.data.raw import SPLITS, Raw, RawKind
from advisor.data.readers import read_splits
from advisor.data.row_keys import (
    GROUP,
    TIME,
    names_of,
    note_groups,
    note_times,
    row_keys,
    take_column,
)
from advisor.data.share import share_of
from advisor.data.splits import Part, Splits
from advisor.data.target_column import take_target
from advisor.data.targets import encode
from advisor.data.weights import WEIGHTS, Weights, check_order, is_of_rows, weights_for
from advisor.errors import InputError, listing
from advisor.task_rules import KINDS

# Labelled rows below which data are refused.
LEAST_ROWS = 10

# Rows of the smallest embedding table: padding, unknown and a word.
LEAST_VOCABULARY = 3

# What the rows of each split that the user gave are called in a message.
ORIGINS = {
    "train": "the training rows",
    "valid": "the validation rows",
    "test": "the test rows",
    "unlabeled": "the unlabeled rows",
}


@dataclass(frozen=True)
class Source:
    """The user's data, opened: what they are, what was done to them, and their splits for a seed.

    Attributes:
        facts: counts, shapes and labels, the same for every seed.
        notes: what was done, one sentence each.
        warnings: what the user should know, one sentence each.
        target_scale: `(mean, deviation)` outside the test rows by which a table's numbers were
            standardized; None if they were not.
        target: the column, key or position of the targets, None where the data come with them.
        target_scales: the same of several columns: all means, and all deviations.
        every: the source of all rows, where this is one of a share of them.
    """

    facts: Facts
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    target_scale: tuple[float, float] | None
    target: str | None
    _sizes: Mapping[str, int] = field(repr=False)
    _inputs: Inputs = field(repr=False)
    _target: Target = field(repr=False)
    _layout: Layout = field(repr=False)
    _weights: Weights | None = field(repr=False, default=None)
    target_scales: tuple[tuple[float, ...], tuple[float, ...]] | None = None
    every: Source | None = field(repr=False, default=None)

    def splits(self, seed: int) -> Splits:
        """The four splits: train and valid drawn with `seed` unless the user gave valid, test
        always the same rows.

        Means, deviations and medians are those of this seed's training rows. All splits of all
        seeds share the tensors of the source.
        """
        drawn = self._layout.draw(self._target.strata, seed)
        return split_of(self._inputs, self._target, self._layout, drawn, self._weights)

    def measuring_splits(self, chose: int, seed: int) -> Splits:
        """The four splits of a seed that measures, whose `valid` are the rows that it holds out.

        The validation rows of the seed `chose`, by which arms were chosen, are trained on, but for
        the user's own. There may be no rows to hold out (`Layout.draw_measuring`).
        """
        drawn = self._layout.draw_measuring(self._target.strata, chose, seed)
        return split_of(self._inputs, self._target, self._layout, drawn, self._weights)

    def whole(self) -> Splits:
        """All rows with a target to train on; the test rows, which are among them, score."""
        layout = (self.every or self)._layout
        rows = np.sort(np.concatenate([layout.labelled_pool, layout.test]))
        return split_of(self._inputs, self._target, layout, (rows, layout.test), self._weights)

    def on_rows(self, train: int | None, seed: int) -> Source:
        """A source of a share of the same rows, with about so many to train on; None for all.

        The digests stay those of all rows. `seed` draws the rows (`share_of`).
        """
        every = self.every or self
        if train is None or train >= every.facts.sizes["train"]:
            return every
        layout = share_of(every._layout, every._target, train, seed)
        drawn = layout.draw(self._target.strata, seed)
        splits = split_of(self._inputs, self._target, layout, drawn)
        facts = replace(every.facts, sizes=sizes_of(splits))
        return replace(every, facts=facts, _layout=layout, every=every)

    def every_row(self, train: RowNumbers) -> tuple[Part, torch.Tensor]:
        """All rows by their numbers, prepared as the rows `train` say, and the targets of those
        that have one, which come first.
        """
        return self._inputs.part(train), self._target.values

    def digests(self, splits: Splits) -> dict[str, str]:
        """Digests of the rows and of how they were split, by what messages call them.

        Equal content gives equal digests in every process. What is drawn anew for each batch is not
        part of them.
        """
        digests = {}
        # The splits stand one after the other, in the order in which their rows are numbered.
        first = 0
        for split, name in ORIGINS.items():
            rows = slice(first, first + self._sizes.get(split, 0))
            if rows.stop > first:
                digests[name] = self._inputs.digest(rows)
            first = rows.stop
        # Rows that advisor splits itself are all of the data.
        if "valid" not in self._sizes and "test" not in self._sizes:
            digests["the rows"] = digests.pop(ORIGINS["train"])

        targets = digest_of_rows(self._target.values)
        digests["the targets"] = digest_of_words([targets, self.target_scale])
        if self.facts.classes is not None:
            digests["the class names"] = digest_of_words(self.facts.classes)
        if self.facts.labels is not None:
            digests["the label names"] = digest_of_words(self.facts.labels)
        if self._inputs.columns is not None:
            digests["the column names"] = digest_of_words(self._inputs.columns)
        weights = self._weights
        if weights is not None and weights.of_rows is not None:
            digests["the weights of rows"] = digest_of_rows(weights.of_rows)
        if weights is not None and weights.of_classes is not None:
            digests["the weights of classes"] = digest_of_rows(weights.of_classes)
        if self._inputs.pads_right:
            digests["texts padded on the right"] = digest_of_words(["right"])
        keys = self._layout.keys
        if keys.groups is not None:
            digests["the groups of rows"] = digest_of_rows(torch.from_numpy(keys.groups))
        if keys.times is not None:
            digests["the times of rows"] = digest_of_rows(torch.from_numpy(keys.times))
        drawn = [splits.train.rows, splits.valid.rows, splits.test.rows]
        digests["the rows drawn for training, validation and test"] = digest_of_rows(drawn)
        return digests

    @property
    def readers(self) -> Mapping[str, Sequence[object]]:
        """The user's code that reads rows anew for every batch, by what it is."""
        return self._inputs.readers

    @property
    def groups(self) -> RowNumbers | None:
        """The group of each row, by its number; int64 (N,), None where each row stands alone."""
        return self._layout.keys.groups

    @property
    def total(self) -> int:
        """How many rows there are, over all splits."""
        return sum(self._sizes.values())

    @property
    def inputs(self) -> Inputs:
        """The inputs of all rows, whose kind says how a new row becomes an input."""
        return self._inputs

    @property
    def pool(self) -> RowNumbers:
        """Rows that are not test rows, which decide the structure of the inputs."""
        return self._layout.pool

    @property
    def drew_test(self) -> bool:
        """Whether the test rows were drawn from the others, and not given by the user."""
        return self._layout.drew_test

    @property
    def pads_right(self) -> bool:
        """Whether texts have their padding behind the words."""
        return self._inputs.pads_right

    def padded_right(self) -> Source:
        """A source of the same texts with their padding behind the words."""
        return replace(self, _inputs=self._inputs.padded_right())

    def limit_vocabulary(self, rows: int) -> Source:
        """A source of the same tensors with at most `rows` ids, most frequent tokens first; other
        tokens become unknown (id 1).

        A source without a vocabulary is returned unchanged.

        Raises:
            InputError: fewer than 3 rows, which leave no word beside padding and unknown.
        """
        if self.facts.vocabulary is None or rows >= len(self.facts.vocabulary):
            return self
        if rows < LEAST_VOCABULARY:
            raise InputError(
                f"a vocabulary needs at least {LEAST_VOCABULARY} rows (padding, unknown and a "
                f"word), got {rows}."
            )
        inputs = self._inputs.limited(rows)
        facts = replace(self.facts, vocabulary=inputs.vocabulary, ids=inputs.ids)
        return replace(self, facts=facts, _inputs=inputs)


def open_source(
    *,
    data: Any = None,
    train: Any = None,
    valid: Any = None,
    test: Any = None,
    unlabeled: Any = None,
    target: str | int | Sequence[str] | None = None,
    kind: str | None = None,
    seed: int = 0,
    folder: Path | None = None,
    group: Any = None,
    time: Any = None,
    weights: Any = None,
    definitions_only: bool = False,
    notes: Notes | None = None,
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
        target: the column to predict, or several, for tables; the label's key or position, for
            items of a Dataset.
        kind: `classification`, `binary`, `regression`, `multilabel`, or None to infer it from the
            target.
        seed: draws the test rows.
        folder: where relative paths start; the current directory is tried too.
        group: the column or key whose equal values belong together, or an array with one entry for
            each row; groups are split as a whole.
        time: the column or key, or array, of the rows' times; later rows validate and test.
        weights: `balanced`, a weight by class, or the column, key or array of the rows' weights.
        definitions_only: of Python files, run only the imports, functions, classes and constants.
        notes: gets the sentences of the source as things happen, for what is told beside an error.

    Raises:
        InputError: the data are missing, cannot be read, or cannot be learned from.
    """
    if kind is not None and kind not in KINDS:
        raise InputError(f"kind={kind!r}: the kinds are {listing(KINDS)}.")

    # Read everything, and take the labels out.
    notes = Notes() if notes is None else notes
    values = {"data": data, "train": train, "valid": valid, "test": test, "unlabeled": unlabeled}
    target = _as_text(target)
    of_rows = weights if is_of_rows(weights) else None
    names = names_of(group, time, of_rows)
    read = read_splits(values, folder, notes, target, definitions_only, names)
    read = read_columns(read, notes)
    labelled = take_target(read, target, notes, kind)
    labelled, groups = take_column(labelled, GROUP, group)
    labelled, times = take_column(labelled, TIME, time)
    labelled, weighed = take_column(labelled, WEIGHTS, of_rows)
    raws = {split: labelled[split] for split in SPLITS if split in labelled}
    del read, labelled
    _check_sizes(raws)
    check_order(raws["train"], weighed)

    # Number the targets and lay out the rows; only a table's numbers are scaled.
    targets = encode(raws, kind, notes)
    sizes = {split: len(raw) for split, raw in raws.items()}
    keys = row_keys(raws, groups, times, notes)
    layout = lay_out(sizes, targets.strata, seed, keys)
    drawn = layout.draw(targets.strata, seed)
    if times is not None:
        note_times(layout, drawn, times, notes)
    if groups is not None:
        note_groups(layout, drawn, groups, notes)
    as_given = targets
    is_table = raws["train"].kind is RawKind.TABLE
    target_name = raws["train"].target
    if is_table and targets.what == "numbers":
        targets = targets.standardized(layout.labelled_pool, notes)

    # The raw rows are let go of as soon as there are tensors.
    inputs = _to_inputs(raws, layout, notes)
    del raws
    row_hashes = inputs.keys()
    if row_hashes is not None:
        warn_of_repeats(row_hashes, layout, notes)
        look_at_columns(inputs, row_hashes, as_given, layout, sizes["train"], notes)
    shares = targets.shares(layout.labelled_pool)
    row_weights = weights_for(weights, weighed, targets, layout.labelled_pool, notes)
    facts = facts_of(inputs, targets, split_of(inputs, targets, layout, drawn), shares)
    warn_of_missing_classes(targets, drawn[0] if times else layout.train, notes)
    return Source(
        facts=facts,
        notes=tuple(notes.notes),
        warnings=tuple(notes.warnings),
        target_scale=targets.scale,
        target_scales=targets.column_scales,
        target=target_name,
        _sizes=sizes,
        _inputs=inputs,
        _target=targets,
        _layout=layout,
        _weights=row_weights,
    )


def _as_text(target: str | int | Sequence[str] | None) -> str | None:
    """A column, key or position as text, several columns with commas between them."""
    if target is None or isinstance(target, str):
        return target
    return str(target) if isinstance(target, int) else ",".join(target)


def _check_sizes(raws: Mapping[str, Raw]) -> None:
    """Raises `InputError` when a split is empty or there are too few rows to be split."""
    for split, raw in raws.items():
        if len(raw) == 0:
            raise InputError(f"{raw.name} ({split}) has no rows.")
    train = raws["train"]
    if len(train) < LEAST_ROWS:
        raise InputError(
            f"{train.name} has {plural(len(train), 'row')} with a target; at least {LEAST_ROWS} "
            "are needed."
        )


def _to_inputs(splits: Mapping[str, Raw], layout: Layout, notes: Notes) -> Inputs:
    """The inputs of all splits as one thing, whose structure the rows outside test decide."""
    raws = list(splits.values())
    kinds = {raw.kind for raw in raws}
    if kinds == {RawKind.TABLE}:
        return read_table(raws, layout.pool, notes)
    if kinds == {RawKind.IMAGES}:
        return ImageInputs(raws, layout.pool, notes)
    if kinds == {RawKind.ARRAYS}:
        return ArrayInputs(raws, notes)
    if kinds <= {RawKind.ARRAYS, RawKind.DATASET}:
        return DatasetInputs(splits, notes)
    each = [f"{raw.name}: {raw.kind.value}" for raw in raws]
    raise InputError(
        f"the splits are of different kinds ({listing(each)}); give all of them alike."
    )
