"""How long trainings take, and how long one may take before it is ended."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from advisor.host.host import Host
from advisor.search.arm import Arm
from advisor.search.history import History
from advisor.search.trial import Trial
from advisor.study import Study
from advisor.technique import KEEP
from advisor.training.epoch import Epoch
from advisor.work.stacked import is_by_itself

LEAST_MINUTES = 10.0
"""A training that the user sets no limit for may take this long at least."""
TRAININGS = 20
"""And as long as this many full trainings of the model as it is, by the time of its epochs."""


NOT_KEPT = "--trial-minutes ends no training that runs in this process (--workers 0)"
"""What is told where the limit that the user gave cannot be kept."""


def trial_name(number: int) -> str:
    """What the jobs of a trial are called."""
    return f"trial {number}"


def asked_seconds(study: Study) -> float | None:
    """The limit that the user gave, in seconds, or None."""
    return None if study.trial_minutes is None else 60 * study.trial_minutes


def told(study: Study, history: History, first: Sequence[Epoch], can_end: bool) -> str:
    """What a person is told about the limit; the empty text where none is known.

    `can_end` says whether trainings run in processes, which alone can be ended.
    """
    seconds = seconds_for_a_training(study, history, first)
    if not can_end:
        return "" if study.trial_minutes is None else NOT_KEPT
    if seconds is None:
        return ""
    return f"a training may take at most {seconds / 60:.3g} minutes (--trial-minutes)"


def seconds_for_a_training(
    study: Study, history: History, first: Sequence[Epoch] = ()
) -> float | None:
    """How long a job may train: as the user says, or so long that only one that hangs takes longer.

    None as long as nothing is known: a model that is slow is trained to its end once. `first` are
    the epochs of the first trial where it is not recorded yet.
    """
    asked = asked_seconds(study)
    if asked is not None:
        return asked
    curve = (history.trials[0].curve if history.trials else None) or first
    if not curve:
        return None
    epoch = statistics.fmean(each.seconds for each in curve)
    return max(60 * LEAST_MINUTES, TRAININGS * epoch * history.plan.epochs)


def longest_first(
    history: History, host: Host, trials: Sequence[Trial], from_epoch: int
) -> list[Trial]:
    """Trials in the order in which they are begun, so that no worker waits long for the last one:
    what makes an artefact, then what is slow by its epochs until now.

    The order decides nothing but who waits.
    """

    def turn(trial: Trial) -> tuple[bool, float]:
        """What is begun first comes first."""
        is_first = is_by_itself(host, trial.arm, from_epoch)
        return not is_first, -seconds_of_an_epoch(history, trial)

    return sorted(trials, key=turn)


def seconds_of_an_epoch(history: History, trial: Trial) -> float:
    """What an epoch of a trial takes, by its own or its arm's last one; 0 where none is known."""
    return trial.curve[-1].seconds if trial.curve else seconds_of_arm(history, trial.arm)


def seconds_of_arm(history: History, arm: Arm) -> float:
    """What an epoch of an arm takes, by the last one, or by those of arms that have its techniques
    beside others; 0 where none is known.
    """
    known = [each.curve[-1].seconds for each in history.of_arm(arm) if each.curve]
    if known:
        return known[-1]
    own = {slot: name for slot, name in arm.items() if name != KEEP}
    beside = (each for each in history.trials if each.curve and own.items() <= each.arm.items())
    return max((each.curve[-1].seconds for each in beside), default=0.0)
