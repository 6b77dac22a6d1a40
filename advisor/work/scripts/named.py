"""A training script as the command line names it, and what its score is called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from advisor.errors import InputError, explain
from advisor.training.metrics import METRICS, Metric

SCORE = "score"
"""What the score of a script is called where the user gives it no name."""
LOWER = ("loss", "error", "mse", "mae", "perplexity", "nll")
"""A score with one of these words in its name is better where it is lower."""
SCORE_GAIN, LOSS_GAIN = 0.005, 0.02
"""The smallest gain worth a change: of a score, and of a loss as a share of it."""


@dataclass(frozen=True)
class TrainingScript:
    """A training script of the user's own.

    Attributes:
        path: its file, as a whole path.
        arguments: what the command line gives it.
        metric: what its score is called; empty where the user does not say.
        minimize: whether the user says that a lower score is better.
        folder: the one that it runs in; None for that of the command.
    """

    path: str
    arguments: tuple[str, ...] = ()
    metric: str = ""
    minimize: bool = False
    folder: str | None = None

    @classmethod
    def from_flags(cls, flags: Mapping[str, Any]) -> TrainingScript | None:
        """The script that options of the command line name; None where they name none."""
        if not flags.get("script"):
            return None
        arguments = tuple(flags.get("words", ()))
        return cls(flags["script"], arguments, flags.get("metric", ""), bool(flags.get("minimize")))

    def is_lower_better(self) -> bool:
        """Whether a lower score is better: the user says so, or its name does."""
        name = self.metric.lower()
        if name in METRICS:
            return self.minimize or not METRICS[name].maximize
        return self.minimize or any(word in name for word in LOWER)

    def measure(self) -> Metric:
        """The score as a metric of what the script says of each row."""
        is_lower = self.is_lower_better()
        known = METRICS.get(self.metric)
        least, is_share = (LOSS_GAIN, True) if is_lower else (SCORE_GAIN, False)
        if known is not None:
            least, is_share = known.min_gain, known.relative
        return Metric(
            name=self.metric or SCORE,
            score=lambda output, target: float(output.double().mean()),
            maximize=not is_lower,
            min_gain=least,
            relative=is_share,
            rows=lambda output, target: output.double(),
        )


def unreadable(path: str, problem: Exception) -> InputError:
    """The error about a script that Python cannot read, with its line where that is known."""
    line = getattr(problem, "lineno", None)
    place = f"{path}:{line}" if line else path
    return InputError(f"{place}: the script cannot be read ({explain(problem)}).")
