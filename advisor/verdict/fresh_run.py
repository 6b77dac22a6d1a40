"""A training on a fresh seed: what identifies it, and where it is done and kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

from advisor.events import Event
from advisor.randomness import mix
from advisor.store.study_records import StudyRecords
from advisor.training.criterion import Criterion
from advisor.verdict.candidates import Candidate
from advisor.work.executors import Crew
from advisor.work.job import Job, Outcome

Phase = Literal["choose", "measure"]
"""What fresh seeds are for: they choose an arm, or they measure its gain.

Earlier versions had `select` and `estimate`, of other rows; these are left alone.
"""
EARLIER = ("select", "estimate")
"""The phases of versions before 0.3."""
LINES = {"choose": "choosing seed", "measure": "measuring seed"}
"""What the seeds of a phase are called on the screen."""


class FreshRun(NamedTuple):
    """What identifies one training on a fresh seed, also in the database.

    Attributes:
        phase: what the seed is for.
        label: the arm in words.
        params: its parameters as JSON.
        seed: the random seed.
    """

    phase: str
    label: str
    params: str
    seed: int

    @property
    def name(self) -> str:
        """What its jobs are called; the last number tells its parameters from others."""
        return f"fresh seed {self.seed} of {self.label} ({self.phase} {mix(self.params):x})"


class Asked(NamedTuple):
    """What is told of a training.

    Attributes:
        arm: that is trained.
        line: what is shown when it is done.
        place: of its seed, from 0; None where the arm is only made.
    """

    arm: Candidate
    line: str
    place: int | None = None


class Later(NamedTuple):
    """Trainings that will be asked for, whatever those say that are asked for now, or most likely.

    Attributes:
        phase: what their seeds are for.
        arms: that are trained.
        seeds: by their places, from 0.
    """

    phase: Phase
    arms: Sequence[Candidate]
    seeds: Sequence[int]


def check_phase(phase: str) -> None:
    """Raise `ValueError` where fresh seeds are for something that this version does not know."""
    if phase not in (*get_args(Phase), *EARLIER):
        raise ValueError(f"no phase is called {phase!r}")


@dataclass(frozen=True)
class SeedPlace:
    """Where fresh seeds are trained and kept.

    Attributes:
        seed: of the study or the comparison.
        criterion: what arms are compared by.
        crew: trains.
        records: keep the results.
        on: is told of each training.
        book_time: books the time that has passed.
        why_no_stack: why so many trainings of the study of a job are done one by one, or None where
            they are done together.
        is_by_itself: whether an arm is never trained beside others.
        note: hears what each training brought.
        seconds: what an epoch of an arm takes; 0 where that is not known.
    """

    seed: int
    criterion: Criterion
    crew: Crew
    records: StudyRecords
    on: Callable[[Event], object]
    book_time: Callable[[], object]
    why_no_stack: Callable[[Job, int], str | None] = lambda job, copies: "nothing was asked"
    is_by_itself: Callable[[Candidate], bool] = lambda arm: False
    note: Callable[[Outcome], object] = lambda outcome: None
    seconds: Callable[[Candidate], float] = lambda arm: 0.0
