"""What a comparison says, as typed records, and its JSON."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from typing import Any

from advisor.notebook import InNotebook
from advisor.record import Record
from advisor.store.location import storage_option
from advisor.store.read_back import check_types, json_object, read_back, version_in
from advisor.verdict.records import Evidence, Verdict

SCHEMA_VERSION = 1
"""The version of the JSON: keys may come without another one, and none goes or changes."""
STRENGTH = (
    Evidence.BETTER,
    Evidence.OPEN,
    Evidence.EQUIVALENT,
    Evidence.NOT_BETTER,
    Evidence.WORSE,
)
"""Which of several sides the verdict is about: the first of these that one of them has."""


class Requirement(StrEnum):
    """What `--require` asks of every side beside the first."""

    BETTER = "better"
    """It is shown to be better."""
    NOT_WORSE = "not-worse"
    """The 95 % interval of its gain begins above the negative of the smallest gain worth having."""


class Sameness(StrEnum):
    """How it is known that two sides compute the same."""

    CONTENT = "content"
    """They are made of the same code, settings and data."""
    NUMBERS = "numbers"
    """From the same seed they give the same numbers, epoch by epoch."""


@dataclass(frozen=True, eq=False)
class SideResult(Record):
    """What one side is, costs and reached on the seeds that measured.

    Attributes:
        label: what the user calls it.
        params: its learning rate and weight decay, and its techniques' own parameters.
        choices: its techniques by slot; empty where its model is taken as it is.
        epochs, batch: of a training.
        parameters: how many numbers its model trains.
        seconds: of a training; None where none was measured.
        scores: one for each seed that measured; None where the training broke.
        mean: of the scores; None where there is none.
        test: mean score of the test rows; None where they were not scored.
        findings: what is wrong with its model before it is trained, a sentence each.
    """

    label: str
    params: dict[str, Any]
    choices: dict[str, str]
    epochs: int
    batch: int
    parameters: int
    seconds: float | None = None
    scores: list[float | None] = field(default_factory=list)
    mean: float | None = None
    test: float | None = None
    findings: list[str] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class SideGain(Record):
    """The gain of one side over the first, *higher is better*, in units of the metric.

    Attributes:
        label: of the side.
        evidence: what is shown.
        verdict: what is to be done.
        mean: of the paired differences; None where too many pairs broke to have one.
        low, high: the 95 % interval, for all sides at once (Bonferroni).
        p: two-sided p-value of no difference.
        seeds: pairs in which neither training broke.
        rows: how many rows were measured.
        detectable: the smallest true difference that so many pairs find with 80 % power.
        needed, needed_rows: pairs, and rows, that would tell where the evidence is `open`; None
            where no number that can be asked for would.
        level: of the interval that must be above zero for `better`.
        least: the lower end of that interval.
        identical: how it is known that both compute the same; None where they do not.
        broken: pairs in which the first side broke, and in which this one did.
        came, went: findings that this side has and the first has not, and the other way round.
    """

    label: str
    evidence: Evidence
    verdict: Verdict
    mean: float | None
    low: float | None
    high: float | None
    p: float | None
    seeds: int
    rows: int
    detectable: float | None = None
    needed: int | None = None
    needed_rows: int | None = None
    level: float | None = None
    least: float | None = None
    identical: Sameness | None = None
    broken: list[int] = field(default_factory=lambda: [0, 0])
    came: list[str] = field(default_factory=list)
    went: list[str] = field(default_factory=list)


@dataclass
class Comparison(InNotebook):
    """What `advisor compare` says. `to_json` gives the documented keys.

    Attributes:
        comparison: its name in the database.
        metric, direction: what sides are compared by.
        verdict: `change` to the best side, `keep` the first one, or `undecided`.
        evidence: what is shown of the side that the verdict is about.
        min_gain: the smallest gain worth a change, in units of the metric.
        sides: all of them, the first one first.
        gains: of each other side over the first, in their order.
        measured_rows: a digest of the rows that may be measured.
        looks: numbers of pairs of each look at these sides, this one last.
        verdicts: the how-manieth verdict of these rows this is; 0 where none was measured.
        seconds: that the comparison took, over all resumes.
        versions: of advisor, torch and Python.
        warnings: what the user should know, one sentence each.
        schema: the version of the JSON.

    Example:
        >>> import advisor, torch
        >>> from torch import nn
        >>> def old():
        ...     return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
        >>> def new():
        ...     return nn.Sequential(nn.Linear(4, 8), nn.Threshold(0, 0), nn.Linear(8, 3))
        >>> data = (torch.randn(60, 4), torch.arange(60) % 3)
        >>> sides = [advisor.Study("old", advisor.Task(old, data), epochs=2)]
        >>> sides.append(advisor.Study("new", advisor.Task(new, data), epochs=2))
        >>> comparison = advisor.compare(*sides, workers=0)
        >>> comparison.evidence.value
        'equivalent'
        >>> advisor.Comparison.from_json(comparison.to_json()) == comparison
        True
    """

    comparison: str
    metric: str
    direction: str
    verdict: Verdict
    evidence: Evidence
    min_gain: float
    sides: list[SideResult]
    gains: list[SideGain]
    measured_rows: str = ""
    looks: list[int] = field(default_factory=list)
    verdicts: int = 0
    seconds: float = 0.0
    versions: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    schema: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        self._url: str | None = None

    @property
    def show_command(self) -> str:
        """The command that shows this answer."""
        return f"advisor show {shlex.quote(self.comparison)}{storage_option(self._url)}"

    @property
    def deciding(self) -> SideGain:
        """The gain that the verdict is about."""
        return deciding(self.gains)

    def meets(self, requirement: Requirement | str) -> bool:
        """Whether every side beside the first is what is required of it."""
        if Requirement(requirement) is Requirement.BETTER:
            return all(gain.evidence is Evidence.BETTER for gain in self.gains)
        return all(is_not_worse(gain, self.min_gain) for gain in self.gains)

    def to_json(self) -> str:
        """The documented keys as JSON text."""
        plain = {"schema": self.schema, **asdict(self)}
        return json.dumps(plain, indent=2, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str, url: str | None = None) -> Comparison:
        """The comparison that `to_json` wrote, also of another version.

        Arguments:
            text: the JSON.
            url: of the database that has it.

        Raises:
            InputError: the text is damaged, or a newer version wrote what this one does not know.
        """
        with read_back(comparison_in(text), "comparison", version_in(text)):
            plain = json_object(text)
            parts = {
                **_known(cls, plain),
                "verdict": Verdict(plain["verdict"]),
                "evidence": Evidence(plain["evidence"]),
                "sides": [SideResult(**_known(SideResult, side)) for side in plain["sides"]],
                "gains": [_read_gain(gain) for gain in plain["gains"]],
            }
            comparison = cls(**parts)
            comparison._url = url
            for record in (comparison, *comparison.sides, *comparison.gains):
                check_types(record)
        return comparison


def deciding(gains: list[SideGain]) -> SideGain:
    """The gain that the verdict is about: of the strongest evidence, then the largest."""
    return min(gains, key=lambda gain: (STRENGTH.index(gain.evidence), -(gain.mean or 0.0)))


def is_not_worse(gain: SideGain, min_gain: float) -> bool:
    """Whether an interval excludes a loss of what is worth having; `open` never passes."""
    if gain.evidence in (Evidence.OPEN, Evidence.WORSE) or gain.low is None:
        return False
    # What is identical loses nothing, also where every loss counts.
    return gain.identical is not None or gain.low > -min_gain


def comparison_in(text: str) -> str:
    """The comparison that a text is about; empty where it says none."""
    try:
        name = json.loads(text).get("comparison")
    except (ValueError, AttributeError):
        return ""
    return name if isinstance(name, str) else ""


def _known(kind: type, plain: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a record in its JSON; what a newer version keeps besides is left out."""
    return {each.name: plain[each.name] for each in fields(kind) if each.name in plain}


def _read_gain(plain: Mapping[str, Any]) -> SideGain:
    identical = plain.get("identical")
    parts = {
        "evidence": Evidence(plain["evidence"]),
        "verdict": Verdict(plain["verdict"]),
        "identical": None if identical is None else Sameness(identical),
    }
    return SideGain(**{**_known(SideGain, plain), **parts})
