"""Whether two sides are measured by the same rows and the same measure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence

from advisor.comparing.sides import OpenSide
from advisor.content.code import code_parts
from advisor.content.difference import Difference, difference, listed
from advisor.content.study_content import Content
from advisor.errors import InputError
from advisor.work.prepare import Prepared

RECIPE = ("the weights of rows", "the weights of classes")
"""What belongs to how a side is trained, and not to what it is measured by."""
DRAWN = "the rows drawn for training, validation and test"
"""How the rows are split, which follows from them and the seed."""


def rows_of(prepared: Prepared) -> dict[str, str]:
    """Digests of the rows and targets of a study, and of nothing that a side may choose itself."""
    if not prepared.has_rows:
        return {}
    source = prepared.read
    digests = source.digests(source.splits(prepared.study.seed))
    return {name: each for name, each in digests.items() if name not in RECIPE}


def digest_of_measured(prepared: Prepared) -> str:
    """A digest of all rows that may be measured, whatever the seed that splits them."""
    script = prepared.ref.script
    if script is not None:
        return digest_of([script.path, list(script.arguments)])
    rows = {name: each for name, each in rows_of(prepared).items() if name != DRAWN}
    return digest_of(rows)


def digest_of(plain: object) -> str:
    """A digest of plain data."""
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:32]


def check_same(sides: Sequence[OpenSide]) -> None:
    """Raise `InputError` where a side has other data, or another measure, than the first one."""
    first = sides[0]
    for other in sides[1:]:
        found = rows_difference(first.prepared, other.prepared)
        if found.sentences:
            raise InputError(
                f"{first.label} and {other.label} have other data, so they cannot be compared: "
                f"seen from the second, {listed(found.sentences)}. Give both the same rows, "
                "targets and splits; a data function that draws at random needs a seed."
            )
        one, two = measure_of(first), measure_of(other)
        differing = [name for name in one if one[name] != two[name]]
        for name in differing[:1]:
            raise InputError(
                f"{first.label} and {other.label} are measured by other numbers: {name} is "
                f"{one[name]} and {two[name]}. Give both the same (--metric, or Task(metric=…))."
            )


def rows_difference(first: Prepared, other: Prepared) -> Difference:
    """How the rows of one study differ from those of another."""
    return difference(Content(rows=rows_of(first)), Content(rows=rows_of(other)))


def measure_of(side: OpenSide) -> Mapping[str, object]:
    """What a side is measured by, by the words of a message."""
    prepared = side.prepared
    task, metric = prepared.study.task, prepared.objective.metric
    measure: dict[str, object] = {
        "the metric": prepared.criterion.name,
        "the kind of task": prepared.objective.kind,
        "the noise on the inputs": prepared.study.noise,
    }
    # The code of a metric counts, and where it stands does not.
    with side.entered():
        if callable(task.metric):
            measure["the metric's code"] = short_digest(code_parts({"": task.metric}))
        if metric.name == "loss":
            measure["the loss, which is the metric"] = prepared.objective.loss_name
            if task.loss is not None:
                measure["the loss's code"] = short_digest(code_parts({"": task.loss}))
    return measure


def short_digest(parts: Mapping[str, str]) -> str:
    """The digests of code as a word for a message, whatever its files are called."""
    return digest_of(sorted(each for name, each in parts.items() if name))[:8]
