"""What a training script of the user's own asks and says: `arm = advisor.arm()`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeVar

Model = TypeVar("Model")
"""The model of a script."""
FIRST_SEED = 1093270746
"""The seed of a script that runs by itself: that of the first trial of a study with the seed 0."""


class Arm:
    """One arm of a study, as a script sees it.

    This one belongs to a script that runs by itself, `python train.py`: nothing is changed, and
    what is said goes nowhere.

    Attributes:
        seed: of this training, below 2³¹; Python's, NumPy's and torch's random states start from
            it before the script does.
        scored: after so many of the last epochs the script gives its `rows`.

    Example:
        >>> import advisor
        >>> arm = advisor.arm()
        >>> arm.lr(0.1)
        0.1
    """

    seed: int = FIRST_SEED
    scored: int = 0

    def apply(self, model: Model, batch: Any) -> Model:
        """The model with the techniques of this arm, before an optimizer is built for it.

        Arguments:
            model: as the script builds it, on its device.
            batch: what it is called with: a tensor, a tuple of arguments, or a dictionary of them.
        """
        del batch
        return model

    def lr(self, given: float) -> float:
        """The learning rate of this trial, which the first one has as it is `given`."""
        return given

    def weight_decay(self, given: float) -> float:
        """The weight decay of this trial, which the first one has as it is `given`."""
        return given

    def epochs(self, given: int) -> int:
        """How many epochs to train: `--epochs` of the command, or as many as are `given`."""
        return given

    def report(self, score: Any) -> None:
        """Say the score after each epoch, on rows that are not measured.

        It draws the learning curve, and chooses between arms.
        """

    def rows(self, values: Any, numbers: Any = None) -> None:
        """Say after each of the last `scored` epochs what each measured row adds to the score.

        Arguments:
            values: 1 where a row is right and 0 where it is wrong, or its loss; one for each row
                held out or to test by, `(N,)`, in the same order in every training.
            numbers: the numbers of these rows, where other trainings have other rows.
        """


@dataclass
class CurrentArm:
    """The arm of this process."""

    arm: Arm = field(default_factory=Arm)


CURRENT = CurrentArm()
"""A worker puts the arm of its trial here before it runs the script."""


def arm() -> Arm:
    """The arm that this script is run as; by itself it is the script as it is.

    Example:
        >>> import advisor
        >>> advisor.arm().seed
        1093270746
    """
    return CURRENT.arm
