"""One trial of the search, as a typed record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState

from advisor.search.arm import Arm, techniques_in
from advisor.search.plan import Plan
from advisor.store.study_records import StudyRecords
from advisor.training.ended import Ended
from advisor.training.epoch import Epoch
from advisor.work.job import LastSignal

DUPLICATE_KEY = "twin"  # as version 0.1 wrote it
"""Key in the database that says of a trial that its technique is a duplicate of the model's own."""
NO_EFFECT_KEY = "no_effect"
"""Key in the database for the techniques of a trial that changed nothing, by slot."""


class Stage(StrEnum):
    """The stages of a search, in their order. The value is what the database keeps."""

    OPEN = "open"
    """The model as it is, then each technique alone."""
    JOIN = "join"
    """Techniques that cannot train alone, each with the best technique of another slot."""
    FAIR = "fair"
    """As many trials for each technique as for the model as it is."""
    WHOLE = "whole"
    """A training to its end for each technique that was cut in every trial."""
    EXPLORE = "explore"
    """Combinations of techniques."""
    TUNE = "tune"
    """Learning rates of the leading arms and of the model as it is."""


@dataclass(frozen=True)
class Round:
    """Trials `start` to `start + size - 1`, which are asked together and compared."""

    stage: Stage
    start: int
    size: int

    @property
    def end(self) -> int:
        """The number of the first trial after the round."""
        return self.start + self.size


@dataclass
class Trial:
    """One arm with all parameters fixed, trained once.

    Attributes:
        storage_id: the trial's id in the database, which is not its number.
        number: from 0, which is the model as it is.
        arm: one technique per slot.
        params: one technique per slot, and every free parameter by its full name.
        distributions: what each of `params` was drawn from.
        round: the round that it was asked in.
        state: running, complete, pruned or failed.
        value: the score after `curve`, also of a pruned trial; None where there is no score.
        ended: why it has no full training; None where it has one, or is not over.
        why: the reason in a sentence, with the number that decided.
        actions: what each slot's technique said it did.
        signal: what reached the last layer before training, where that was measured.
        is_duplicate: its technique computes what the user's model computes already.
        curve: its epochs so far.
        costs: seconds by part: a slot, `training`, or `look` (the check before training).
        plugins: what was loaded, each plugin's version or its file's hash by its name; empty where
            an older version asked for the trial.
        codes: a digest of the code of each of its techniques, by `slot.name`.
        no_effect: by slot, the techniques that it was asked with and that changed nothing; `arm` is
            without them, unless the trial ended by it.
        again: techniques (`slot.name`) whose code had changed, so that the trial was run again.
    """

    storage_id: int
    number: int
    arm: Arm
    params: Mapping[str, Any]
    distributions: Mapping[str, BaseDistribution]
    round: Round
    state: TrialState = TrialState.RUNNING
    value: float | None = None
    ended: Ended | None = None
    why: str = ""
    actions: Mapping[str, str] = field(default_factory=dict)
    signal: LastSignal | None = None
    is_duplicate: bool = False
    curve: list[Epoch] = field(default_factory=list)
    costs: dict[str, float] = field(default_factory=dict)
    plugins: Mapping[str, str] = field(default_factory=dict)
    codes: Mapping[str, str] = field(default_factory=dict)
    no_effect: Mapping[str, str] = field(default_factory=dict)
    again: Sequence[str] = ()

    @property
    def stage(self) -> Stage:
        """The stage that it was asked in."""
        return self.round.stage

    @property
    def is_running(self) -> bool:
        """Whether it is not over."""
        return self.state == TrialState.RUNNING

    @property
    def is_complete(self) -> bool:
        """Whether it was trained to its end, with a score."""
        return self.state == TrialState.COMPLETE and self.value is not None

    @property
    def epochs(self) -> int:
        """How many epochs it was trained."""
        return self.curve[-1].epoch if self.curve else 0

    @property
    def early_loss(self) -> float | None:
        """Its training loss just before step 20, where it came that far."""
        # Only the epoch that holds step 20 has one.
        for epoch in self.curve:
            if epoch.early_loss is not None:
                return epoch.early_loss
        return None

    @property
    def score(self) -> float:
        """The value of a trial that has one. Raises `ValueError` where it has none."""
        if self.value is None:
            raise ValueError(f"trial {self.number} has no score")
        return self.value

    @property
    def could_not_train(self) -> bool:
        """Whether its training was given up before there was a score."""
        given_up = (Ended.NOT_TRAINED, Ended.NOT_FINITE, Ended.EARLY_LOSS)
        return self.value is None and self.ended in given_up

    @property
    def is_final(self) -> bool:
        """Whether no learning rate can change what it showed: it raised an error, its model's
        signal dies before training, its technique is a duplicate of the model's own, or it changed
        nothing.
        """
        died = self.value is None and self.ended in (Ended.NOT_TRAINED, Ended.NO_EFFECT)
        return died or self.is_duplicate or self.ended == Ended.FAILED

    @property
    def asked_arm(self) -> Arm:
        """The arm that it was asked with, also where a technique of it changed nothing."""
        return {**self.arm, **self.no_effect}

    @property
    def techniques(self) -> list[tuple[str, str]]:
        """Slot and name of the techniques in it, those that keep a slot left out."""
        return techniques_in(self.arm)


def state_file(folder: Path, number: int, epoch: int) -> str:
    """The file of a trial's training state after so many epochs."""
    return str(folder / f"{number}-{epoch}.pt")


def read_trials(records: StudyRecords, plan: Plan) -> list[Trial]:
    """All trials of a study's search, by number.

    Arguments:
        records: the study in the database.
        plan: with the slots whose techniques are a trial's arm.

    Raises:
        InputError: the database holds something else than advisor writes.
    """
    curves = records.curves()
    costs = records.costs()
    trials = []
    for frozen in records.trials():
        number = frozen.number
        with records.reading(f"trial {number}"):
            trial = read_trial(frozen, plan, curves.get(number, []), costs.get(number, {}))
        trials.append(trial)
    return trials


def read_trial(
    frozen: FrozenTrial, plan: Plan, curve: list[Epoch], costs: dict[str, float]
) -> Trial:
    """A trial from what the database has of it.

    Raises `ValueError` or `KeyError` where that is not what the ledger wrote.
    """
    # A trial that is running has no reason for its end.
    attributes = frozen.user_attrs
    signal = attributes.get("signal")
    ended = attributes.get("ended")
    arm = plan.arm_in(frozen.params)
    check_arm(arm, plan)
    # A trial that was asked before a slot joined keeps it.
    params = {**frozen.params, **arm}
    late = [slot for slot in arm if slot not in frozen.distributions]
    distributions = {**frozen.distributions, **plan.distributions_of(late)}
    return Trial(
        storage_id=frozen._trial_id,
        number=frozen.number,
        arm=arm,
        params=params,
        distributions=distributions,
        round=Round(Stage(attributes["stage"]), attributes["round"], attributes["size"]),
        state=frozen.state,
        # A trial that failed has no score, whatever was written about it.
        value=None if frozen.state == TrialState.FAIL else frozen.value,
        ended=Ended(ended) if ended else None,
        why=attributes.get("why") or "",
        actions=attributes.get("did", {}),
        signal=LastSignal(**signal) if signal else None,
        is_duplicate=attributes.get(DUPLICATE_KEY, False),
        curve=curve,
        costs=costs,
        plugins=attributes.get("plugins", {}),
        codes=attributes.get("codes", {}),
        no_effect=attributes.get(NO_EFFECT_KEY, {}),
        again=attributes.get("again", ()),
    )


def check_arm(arm: Mapping[str, str], plan: Plan) -> None:
    """Raise `ValueError` where an arm has a technique that its study's plan does not have."""
    for slot, name in arm.items():
        if name not in plan.options[slot]:
            raise ValueError(f"slot {slot!r} has no technique {name!r} in the plan")
