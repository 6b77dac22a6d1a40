"""What a listener is told while a study or a comparison runs: `advisor.tune(study, on=listener)`.

A listener is called in the process that called `tune` or `compare`, with what happens now: what the
database has of an earlier call is not told again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from advisor.comparing.comparison import Comparison
    from advisor.training.epoch import Epoch
    from advisor.verdict.recommendation import Recommendation

NOTE = "note"
"""The stage of an event whose text is a sentence to be read, and no step of the work."""
OPENED, VERDICT = "opened", "verdict"
"""The stages of the first and of the last event."""


@dataclass(frozen=True)
class Event:
    """Something that happened: how far the work is, and one line of text for a log.

    Attributes:
        stage: of the search, or another part of the work, such as `pilot` or `confirm`; `note` for
            a sentence that stays on the screen.
        done: how much of it is done: trials that were begun, or steps of that part.
        total: how much there is to do.
        text: what has just happened, in words; it may be empty.

    Example:
        >>> import advisor
        >>> def show(event):
        ...     print(f"{event.stage} {event.done} of {event.total} {event.text}")
        >>> show(advisor.Event("pilot", 0, 1, "begins"))
        pilot 0 of 1 begins
    """

    stage: str
    done: int
    total: int
    text: str = ""


@dataclass(frozen=True, kw_only=True)
class StudyOpened(Event):
    """A study or a comparison was opened; the first event.

    Attributes:
        study: its name.
        metric: what arms are compared by.
        direction: `maximize` or `minimize`.
        techniques: those that fit, by slot; empty for a comparison.
        sides: what the sides of a comparison are called, the first one first; empty for a study.
        settings: what makes a study this study, such as `seed`, `batch`, `model` and `data`.

    Example:
        >>> import advisor
        >>> def listener(event):
        ...     if isinstance(event, advisor.StudyOpened):
        ...         print(event.study, event.metric, dict(event.techniques))
        >>> slots = {"activation": ["elu", "gelu"]}
        >>> listener(advisor.StudyOpened("opened", 0, 1, study="digits", metric="accuracy",
        ...                              direction="maximize", techniques=slots))
        digits accuracy {'activation': ['elu', 'gelu']}
    """

    study: str
    metric: str
    direction: str
    techniques: Mapping[str, Sequence[str]] = field(default_factory=dict)
    sides: Sequence[str] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class TrialEnded(Event):
    """A trial of the search is over, whatever ended it.

    Attributes:
        number: of the trial, from 0, which is the model as it is.
        choices: one technique per slot.
        params: its numbers by full name, such as `training.lr`.
        score: after its last epoch; None where there is none.
        epochs: that it was trained for.
        ended: why it has no full training, such as `outranked` or `failed`; None where it has one.
        why: the reason in a sentence.
        seconds: that it took.
        curve: its epochs, each with `epoch`, `score`, `loss` and `seconds`.

    Example:
        >>> import advisor
        >>> def listener(event):
        ...     if isinstance(event, advisor.TrialEnded):
        ...         print(event.number, event.choices["activation"], event.score)
        >>> listener(advisor.TrialEnded("open", 4, 60, number=3, choices={"activation": "elu"},
        ...                             params={"training.lr": 0.001}, score=0.93, epochs=10))
        3 elu 0.93
    """

    number: int
    choices: Mapping[str, str]
    params: Mapping[str, Any]
    score: float | None
    epochs: int
    ended: str | None = None
    why: str = ""
    seconds: float = 0.0
    curve: Sequence[Epoch] = ()


@dataclass(frozen=True, kw_only=True)
class SeedEnded(Event):
    """An arm of a study, or a side of a comparison, was trained on a fresh seed.

    Attributes:
        phase: `choose` where the seed chooses an arm, `measure` where it measures the gain.
        place: of the seed in its phase, from 0; the arms of one seed make a pair.
        label: the arm in words, or what the side is called.
        choices: one technique per slot.
        params: its numbers by full name.
        score: on the rows that the seed holds out; None where the training broke.
        test: score on the test rows; None where there is none.
        why: why the training broke, in a sentence.
        seconds: that it took.

    Example:
        >>> import advisor
        >>> def listener(event):
        ...     if isinstance(event, advisor.SeedEnded) and event.phase == "measure":
        ...         print(event.place, event.label, event.score)
        >>> listener(advisor.SeedEnded("confirm", 1, 10, phase="measure", place=0, label="elu",
        ...                            choices={"activation": "elu"}, params={}, score=0.94))
        0 elu 0.94
    """

    phase: str
    place: int
    label: str
    choices: Mapping[str, str]
    params: Mapping[str, Any]
    score: float | None
    test: float | None = None
    why: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class VerdictGiven(Event):
    """The answer is there; the last event.

    Attributes:
        study: its name, or that of the comparison.
        verdict: `change`, `keep` or `undecided`.
        evidence: what was shown, such as `better`.
        answer: the `advisor.Recommendation` or `advisor.Comparison` itself.

    Example:
        >>> import advisor
        >>> def listener(event):
        ...     if isinstance(event, advisor.VerdictGiven):
        ...         print(event.verdict, event.answer.gain.mean)
        >>> from types import SimpleNamespace as Answer
        >>> answer = Answer(gain=Answer(mean=0.012))
        >>> listener(advisor.VerdictGiven("verdict", 1, 1, study="digits", verdict="change",
        ...                               evidence="better", answer=answer))
        change 0.012
    """

    study: str
    verdict: str
    evidence: str
    answer: Recommendation | Comparison


Listener = Callable[[Event], None]
"""What is called with every event."""
