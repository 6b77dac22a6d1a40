"""Why a training ended before its last epoch."""

from __future__ import annotations

from enum import StrEnum

EARLY_STEPS = 20
"""After this many steps the training loss says as much about a trial as a whole epoch does, and is
compared with that of good trials.
"""


class Ended(StrEnum):
    """Why a trial has no full training. The value is what the database keeps."""

    NOT_TRAINED = "not_trained"
    """The signal never reaches the changed model's last layer, so it was not trained at all."""
    NO_EFFECT = "no_effect"
    """A technique changed nothing, so it would have trained as the arm without that technique."""
    NOT_FINITE = "not_finite"
    """The loss, the output or the score became infinite or NaN."""
    EARLY_LOSS = "early_loss"
    """The loss after 20 steps was more than a tenth above that of every good trial
    (`pruning.loss_limit`).
    """
    OUTRANKED = "outranked"
    """Enough trials of the same round had a better score after as many epochs."""
    OUT_OF_TIME = "out_of_time"
    """The time of the study was up."""
    FAILED = "failed"
    """The model or a technique raised an error."""


class StoppedEarly(Exception):  # noqa: N818  # not an error: a trial that need not go on
    """Training was given up.

    `ended` says why; the text gives the step and the number that decided.
    """

    def __init__(self, ended: Ended, sentence: str) -> None:
        super().__init__(sentence)
        self.ended = ended


class Stop(Exception):  # noqa: N818  # not an error: what a loop of the user's own ends by
    """A training loop of the user's own need not go on. `run.report` raises it.

    A loop lets it pass, and does in a `finally` what has to be done at its end.

    Example:
        >>> import advisor
        >>> issubclass(advisor.Stop, Exception)
        True
    """
