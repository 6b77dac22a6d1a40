"""The content of a study that is being opened: its code, rows, arguments and model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from advisor.content.study_content import Content
from advisor.data.source import Source
from advisor.data.splits import Splits
from advisor.model.structure import plain_text, structure_of
from advisor.study import Task


def content_of(
    task: Task, source: Source, splits: Splits, model: nn.Module, arguments: Mapping[str, Any]
) -> Content:
    """What a study is made of, but for the files that are read.

    Arguments:
        task: what the user brought.
        source: the data, opened.
        splits: those of the study's own seed.
        model: a first one, whose layers have learned their sizes.
        arguments: what its constructor was called with.
    """
    texts = {}
    for name, value in arguments.items():
        text = plain_text(value)
        if text is not None:
            texts[name] = text
    return Content(
        rows=source.digests(splits),
        arguments=texts,
        model=structure_of(model),
    )


def roots_of(task: Task, source: Source) -> dict[str, object]:
    """The user's own objects whose code makes a study what it is, by what they are for.

    A function that gives the data is not among them: the rows themselves are compared.
    """
    roots = {"model": task.build, "loss": task.loss, "metric": task.metric, **source.readers}
    for name, value in task.arguments.items():
        roots[f"argument {name}"] = value
    return {name: root for name, root in roots.items() if root is not None}
