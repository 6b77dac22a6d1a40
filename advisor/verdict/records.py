"""The parts of a recommendation, as typed records: the verdict, arms, gains, costs, trials."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from advisor.record import Record
from advisor.search.arm import Arm
from advisor.training.ended import Ended


class Verdict(StrEnum):
    """What is to be done about a model. The value is what JSON and the database keep."""

    CHANGE = "change"
    """Another arm is better by enough to be worth it."""
    KEEP = "keep"
    """No other arm is."""
    UNDECIDED = "undecided"
    """Another arm may be, and more seeds or more rows would tell."""


class Evidence(StrEnum):
    """What the measured gain shows. The value is what JSON and the database keep."""

    BETTER = "better"
    """The other arm is better, by enough to be worth it."""
    WORSE = "worse"
    """It is worse."""
    EQUIVALENT = "equivalent"
    """Any difference is smaller than what is worth having."""
    NOT_BETTER = "not_better"
    """Any gain is smaller than what is worth having; it may be worse."""
    OPEN = "open"
    """It may be better by enough, or not; more seeds or more rows would tell."""


ESTIMAND = "for training sets drawn as here, new rows of the same kind, averaged over seeds"
"""What every gain and its interval speak of. A script that trains on the same rows with every seed
draws none anew.
"""

# --- gains ----------------------------------------------------------------------------------------

CONFLICT_ALPHA = 0.0093
"""How often test rows and other rows are said to differ by chance: 2.6 standard errors."""


@dataclass(frozen=True, eq=False)
class Interval(Record):
    """A gain with its 95 % interval, *higher is better*, in units of the metric."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class SelectedGain(Interval):
    """A gain on the few seeds that chose the arm; `p` is adjusted for all arms (Holm)."""

    p: float
    seeds: int


@dataclass(frozen=True, eq=False)
class RowGain(Record):
    """The gain on the test rows, with a 95 % interval over the sampling of rows.

    Attributes:
        mean: *higher is better*, averaged over seeds, in units of the metric.
        low, high: the interval.
        rows: how many test rows there are.
        groups: how many groups they are of, where rows belong together; else None.
    """

    mean: float
    low: float
    high: float
    rows: int
    groups: int | None = None

    @property
    def sample(self) -> str:
        """What the interval rests on: `40 rows`, or `40 rows of 8 groups`."""
        rows = f"{self.rows} row" + ("" if self.rows == 1 else "s")
        return rows if self.groups is None else f"{rows} of {self.groups} groups"

    @property
    def error(self) -> float:
        """Standard error of the mean: a normal 95 % interval is 3.92 of it wide."""
        return (self.high - self.low) / 3.92


@dataclass(frozen=True, eq=False)
class MeasuredGain(Interval):
    """The gain of the best other arm over the model as it is, on the seeds that measured it.

    The mean is over the pairs in which neither training broke; the interval is for training sets
    drawn from this data, new rows of the same kind, averaged over seeds.

    Attributes:
        p: two-sided p-value of no difference.
        seeds: number of pairs.
        detectable: the smallest true difference that so many pairs and rows find with 80 % power.
        needed: pairs that would tell, where the question is open; None where no number would.
        identical: every pair has the same scores twice.
        error: standard error of the mean, over pairs and rows.
        level: that of the interval that decides.
        least: the lower end of that interval, which a change needs above zero.
        rows: rows that measured; 0 where seeds are the only error.
        rest: the gain on the measured rows that are no test rows; None where there are none.
        conflict: p-value that it is that on the test rows; 1 where there is none.
        needed_rows: rows that would tell, where the question is open; None where no number would.
        arm: what the other arm changes; empty where there was none.
        params: the parameters of that arm; empty in answers of versions before 0.3.
        searched: the same gain as the search saw it, too good by selection.
        test: the gain on the test rows; None where they say nothing.
        broken: seeds on which the model as it is broke, and on which the other arm did.
        left_out: pairs that do not count because one of their trainings broke.
        looks: pairs of each look at these two arms so far, this one last; empty in answers of
            versions before 0.3.
    """

    p: float
    seeds: int
    detectable: float
    needed: int | None = None
    identical: bool = False
    error: float = 0.0
    level: float = 0.95
    least: float | None = None
    rows: int = 0
    rest: float | None = None
    conflict: float = 1.0
    needed_rows: int | None = None
    arm: Arm = field(default_factory=dict)
    params: dict[str, Any] = field(default_factory=dict)
    searched: float | None = None
    test: RowGain | None = None
    broken: list[int] = field(default_factory=lambda: [0, 0])
    left_out: int = 0
    looks: list[int] = field(default_factory=list)

    @property
    def conflicts(self) -> bool:
        """Whether the test rows and the other rows that measured differ by more than chance."""
        return self.conflict < CONFLICT_ALPHA


# --- arms on fresh seeds --------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Start(Record):
    """The model as it is at the rates that the search began with, and its score in the search."""

    params: dict[str, Any]
    searched: float | None


@dataclass(frozen=True, eq=False)
class ArmResult(Record):
    """What an arm reached on the seeds that measured it.

    Attributes:
        params: its learning rate, weight decay and techniques' own parameters.
        scores: one for each fresh seed on which neither arm broke.
        mean: of the scores.
        searched: its best score in the search, too good by selection; None where it has none.
        test: mean score of the test rows; None where no training was scored there.
        seconds: of a training with its techniques.
    """

    params: dict[str, Any]
    scores: list[float]
    mean: float
    searched: float | None
    test: float | None
    seconds: float


@dataclass(frozen=True, eq=False)
class BaselineResult(ArmResult):
    """What the user's model as it is reached; `given` is where the search began with it."""

    given: Start


@dataclass(frozen=True, eq=False)
class Alternative(Record):
    """Another arm that was confirmed, and why it was not chosen.

    It has no mean where it broke on all seeds, and no gain where it broke on most.
    """

    choices: Arm
    params: dict[str, Any]
    mean: float | None
    searched: float | None
    gain: SelectedGain | None
    seconds: float
    why_not: str


@dataclass(frozen=True, eq=False)
class Cost(Record):
    """Score and seconds of a confirmed arm, on the seeds that chose among the arms."""

    choices: Arm
    mean: float
    seconds: float


# --- the search -----------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class SingleTechnique(Record):
    """What one technique did in the search, on its one seed; of the model as it is, `slot` is None.

    Attributes:
        slot, technique: which one.
        trials: how many trials had it.
        alone: its best score with all other slots kept, over all learning rates.
        best: its best score in any arm.
        arm: that arm in words.
        identical: it computes what the user's model computes already.
        params: of its best trial alone.
        gain: of `alone` over the model's best, in answers of versions before 0.3; its interval is
            of one trial and not of the best of several, and is not shown.
    """

    slot: str | None
    technique: str
    trials: int
    alone: float | None
    best: float | None
    arm: str | None
    identical: bool
    params: dict[str, Any]
    gain: Interval | None = None


@dataclass(frozen=True, eq=False)
class CutTrial(Record):
    """A trial that was cut or failed.

    Attributes:
        number, arm: which one.
        why: the reason in a sentence, with the number that decided.
        score: the one that it had by then.
        ended: the reason; None in answers of versions that did not keep it.
        epochs: how many epochs it had been trained.
    """

    number: int
    arm: str
    why: str
    score: float | None
    ended: Ended | None = None
    epochs: int = 0


@dataclass(frozen=True, eq=False)
class TrialCounts(Record):
    """How the trials of the search ended."""

    complete: int = 0
    pruned: int = 0
    failed: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.complete + self.pruned + self.failed


@dataclass(frozen=True, eq=False)
class TrainRows(Record):
    """The share of the training rows that a study with a time limit is done on.

    Attributes:
        used: rows that each training sees.
        of: rows that it would see on all data.
    """

    used: int
    of: int

    def __str__(self) -> str:
        return f"{self.used:,} of {self.of:,} training rows"


@dataclass(frozen=True, eq=False)
class Seconds(Record):
    """How long the search and the confirmation took."""

    search: float = 0.0
    confirm: float = 0.0


# --- the signal -----------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class LayerSignal(Record):
    """What a layer gives before training.

    Attributes:
        layer: its name in the model.
        std: deviation across rows of its output, per unit and averaged; None where it has none.
        gradient: norm of the loss's gradient in its weights; None where it has none.
    """

    layer: str
    std: float | None
    gradient: float | None


@dataclass(frozen=True, eq=False)
class LayerSignals(Record):
    """The signal per layer, in order of execution, of the model as it is and the recommended one.

    `after` is empty where nothing is changed, and where the techniques take too long to be applied
    once more; both are in answers of scripts and of versions that kept none.
    """

    before: list[LayerSignal] = field(default_factory=list)
    after: list[LayerSignal] = field(default_factory=list)
