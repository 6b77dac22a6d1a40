"""What a training brings, noted epoch by epoch in the outcome of its job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from advisor.training.answers import Answering
from advisor.training.by_loop import LoopEnd
from advisor.training.criterion import Criterion, count_last, mean_of_last
from advisor.training.epoch import Epoch
from advisor.training.run import Run

if TYPE_CHECKING:
    from advisor.work.job import Outcome

TEST, HELD_OUT = "test", "held out"
"""What the rows that measure are called, also in the database."""


class Progress:
    """Notes each epoch of a training as it ends, whoever trains.

    Arguments:
        outcome: of the job.
        run: that is trained meanwhile.
        epochs: after so many the training is over.
        answering: takes what the model answers on the rows that measure; None where the job
            measures nothing, and reads no test rows.
    """

    def __init__(
        self, outcome: Outcome, run: Run, epochs: int, answering: Answering | None
    ) -> None:
        self.outcome, self.run, self.epochs = outcome, run, epochs
        self._answering, self._seconds = answering, 0.0
        self._has_answers = False

    def ended(self, epoch: Epoch, has_model: bool = True) -> None:
        """Note an epoch; `has_model` says whether the run's model is the one to be scored."""
        self.outcome.curve.append(epoch)
        self._seconds += epoch.seconds
        self.run.costs["training"] = self._seconds
        # A score is of the last epochs, and so is what is answered.
        if has_model and epoch.epoch > self.epochs - count_last(self.epochs):
            self._take()

    def _take(self) -> None:
        if self._answering is not None:
            self._answering.take()
            self._has_answers = True

    def cut(self, limits: Mapping[int, float], criterion: Criterion, number: int) -> str:
        """Why a training need not go on after an epoch, in a sentence; empty where it is to go on.

        `limits` are the scores, *higher is better*, that it must reach after some epochs.
        """
        return why_cut(criterion, self.outcome.curve, number, limits)

    def loop_ended(self, end: LoopEnd, criterion: Criterion) -> None:
        """Note how a loop of the user's own ended.

        An epoch that it left out has the mean of its last scores. The model that it returned is the
        one that is scored.
        """
        self.outcome.loop = end.facts
        if end.is_paused:
            return
        curve = self.outcome.curve
        if end.epochs < self.epochs:
            mean = mean_of_last([epoch.score for epoch in curve])
            for number in range(end.epochs + 1, self.epochs + 1):
                curve.append(replace(curve[-1], epoch=number, score=mean, seconds=0.0))
        if end.score is not None and criterion.reach is None:
            for place in range(-count_last(self.epochs), 0):
                curve[place] = replace(curve[place], score=end.score)
        # What was answered before is another model's, or nothing yet where it stopped early.
        if end.score is not None and self._answering is not None:
            self._answering, self._has_answers = self._answering.anew(), False
        if end.facts.has_model and not self._has_answers:
            self._take()

    def finish(self) -> None:
        """Give the outcome what was answered; nothing where there was no model to ask."""
        if self._answering is not None and self._has_answers:
            self.outcome.test = self._answering.mean_score(TEST)
            self.outcome.rows = self._answering.row_values()


def why_cut(
    criterion: Criterion, curve: Sequence[Epoch], number: int, limits: Mapping[int, float]
) -> str:
    """Why a training need not go on after an epoch, in a sentence; empty where it is to go on.

    Arguments:
        criterion: what arms are compared by.
        curve: the training so far.
        number: of the epoch.
        limits: the scores, *higher is better*, that it must reach after some epochs.
    """
    if number not in limits:
        return ""
    own, least = criterion.score(curve, number), criterion.sign * limits[number]
    if criterion.sign * own >= limits[number]:
        return ""
    return (
        f"{criterion.name} {own:.4g} after epoch {number}, and the better half of the earlier "
        f"trainings all had {least:.4g} or better"
    )
