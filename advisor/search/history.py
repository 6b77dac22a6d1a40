"""What is known from the trials so far. Each trial updates it; nothing is computed from all."""

from __future__ import annotations

import bisect
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from advisor.search.arm import Arm, count_changes, techniques_in
from advisor.search.plan import RATE, Plan
from advisor.search.trial import Trial
from advisor.technique import KEEP
from advisor.training.criterion import Criterion
from advisor.training.ended import Ended

ArmKey = tuple[str, ...]
"""The names of an arm's techniques, in the order of the plan's slots."""
Rank = tuple[float, int, int]
"""Score with its sign turned, number of changes, number of the trial: the smaller, the better."""


class History:
    """The trials of one search with their plan and what arms are compared by.

    A trial is added when it is asked for, and closed when it is over. Trials are kept by number.

    Attributes:
        plan: what is searched.
        criterion: what arms are compared by.
        trials: all trials, by number.
        duplicates: slot and name of techniques that compute what the user's model does already.
        no_effect: by arm, the slots in which it was seen to change nothing.
        tried_rates: the lowest and highest learning rate of all trials; None before the first.
    """

    def __init__(self, plan: Plan, criterion: Criterion, trials: Iterable[Trial] = ()) -> None:
        self.plan = plan
        self.criterion = criterion
        self.trials: list[Trial] = []
        self.duplicates: set[tuple[str, str]] = set()
        self.no_effect: dict[ArmKey, list[str]] = {}
        self.tried_rates: tuple[float, float] | None = None

        # The trials of each arm, and of each technique how many were asked for and how many are
        # final.
        self._by_arm: dict[ArmKey, list[Trial]] = defaultdict(list)
        self._asked: Counter[tuple[str, str]] = Counter()
        self._final: Counter[tuple[str, str]] = Counter()

        # Full trials in the order of their ranks: all of them, and the best one of each arm.
        self._ranked: list[tuple[Rank, Trial]] = []
        self._best: list[tuple[Rank, Trial]] = []
        self._rank_of_best: dict[ArmKey, Rank] = {}

        for trial in trials:
            self.add(trial)
            if not trial.is_running:
                self.close(trial)

    def add(self, trial: Trial) -> None:
        """Take in a trial that was asked for."""
        self.trials.append(trial)
        key = self.key(trial.arm)
        self._by_arm[key].append(trial)
        self._asked.update(techniques_in(trial.asked_arm))
        self._note_no_effect(trial)

        rate = trial.params[RATE]
        low, high = self.tried_rates or (rate, rate)
        self.tried_rates = (min(low, rate), max(high, rate))

    def close(self, trial: Trial) -> None:
        """Take in what became of a trial; its state and value are set."""
        self._note_no_effect(trial)
        if trial.is_duplicate:
            self.duplicates.update(trial.techniques)
        if trial.is_final:
            self._final.update(trial.techniques)
        if not trial.is_complete:
            return

        # No two ranks are equal, so trials, which have no order, are never compared.
        changes = count_changes(trial.arm)
        rank = (-self.sign * trial.score, changes, trial.number)
        bisect.insort(self._ranked, (rank, trial))
        self._replace_best(trial, rank)

    def move(self, trial: Trial, arm: Arm, params: Mapping[str, Any]) -> None:
        """Take a trial whose techniques changed nothing as one of the arm without them.

        `no_effect` of the trial names them.
        """
        mine = self._by_arm[self.key(trial.arm)]
        mine[:] = [other for other in mine if other.number != trial.number]
        trial.arm, trial.params = arm, params
        trial.distributions = {name: trial.distributions[name] for name in params}
        bisect.insort(self._by_arm[self.key(arm)], trial, key=lambda other: other.number)
        self._note_no_effect(trial)

    def _note_no_effect(self, trial: Trial) -> None:
        """Note the arm that a trial was asked with, where a technique of it changed nothing."""
        if trial.no_effect:
            self.no_effect[self.key(trial.asked_arm)] = list(trial.no_effect)

    def _replace_best(self, trial: Trial, rank: Rank) -> None:
        """Put a full trial in the place of its arm's best one, if its score is better."""
        key = self.key(trial.arm)
        best = self._rank_of_best.get(key)
        if best is not None:
            # Of equal scores the earlier trial stays.
            if best[0] <= rank[0]:
                return
            place = bisect.bisect_left(self._best, (best,))
            del self._best[place]
        self._rank_of_best[key] = rank
        bisect.insort(self._best, (rank, trial))

    def key(self, arm: Mapping[str, str]) -> ArmKey:
        """What tells an arm from others."""
        return tuple(arm[slot] for slot in self.plan.options)

    @property
    def identical(self) -> set[tuple[str, str]]:
        """The duplicates, and the techniques that alone changed nothing in the user's model."""
        alone = set(self.duplicates)
        for slot, name in self.plan.techniques:
            if self.without_effect({**self.plan.baseline, slot: name}):
                alone.add((slot, name))
        return alone

    @property
    def sign(self) -> float:
        """What turns a score into *higher is better*."""
        return self.criterion.sign

    def best_of_each_arm(self) -> list[Trial]:
        """The best full trial of each arm that has one, best arm first.

        Ties go to fewer changes, then to the earlier trial.
        """
        return [trial for _, trial in self._best]

    def best_of_other_arms(self) -> list[Trial]:
        """As `best_of_each_arm`, without the model as it is and without duplicates of it."""
        others = []
        for _, trial in self._best:
            is_duplicate = not self.duplicates.isdisjoint(trial.techniques)
            if trial.techniques and not is_duplicate:
                others.append(trial)
        return others

    def best_unfinished(self) -> list[Trial]:
        """Where the time was up for some: trials of other arms that did not come to their end,
        those that came farthest and scored best first.
        """
        if all(trial.ended != Ended.OUT_OF_TIME for trial in self.trials):
            return []
        scored = [
            trial
            for trial in self.trials
            if trial.techniques and trial.value is not None and not trial.is_complete
        ]
        scored.sort(key=lambda trial: (-trial.epochs, -self.sign * trial.score, trial.number))
        return [each for each in scored if self.duplicates.isdisjoint(each.techniques)]

    def best_of_baseline(self) -> Trial | None:
        """The best full trial of the model as it is, or None where it has none."""
        key = self.key(self.plan.baseline)
        rank = self._rank_of_best.get(key)
        if rank is None:
            return None
        # A rank ends with the number of its trial.
        number = rank[2]
        return self.trials[number]

    def full_trials(self, before: int) -> list[Trial]:
        """Trials with a lower number than `before` that were trained to the end, best first."""
        return [trial for _, trial in self._ranked if trial.number < before]

    def of_arm(self, arm: Arm) -> list[Trial]:
        """The trials of an arm, by number."""
        key = self.key(arm)
        return self._by_arm.get(key, [])

    def times_asked(self, slot: str, name: str) -> int:
        """How many trials had a technique."""
        return self._asked[slot, name]

    def is_exhausted(self, slot: str, name: str) -> bool:
        """Whether a technique was tried, and no learning rate can change what its trials showed."""
        asked = self._asked[slot, name]
        final = self._final[slot, name]
        return asked > 0 and asked == final

    def can_be_asked(self, arm: Arm) -> bool:
        """Whether the plugins of all of an arm's techniques are loaded, and it is not known as
        another name of an arm with fewer of them.
        """
        return self.plan.absent.isdisjoint(arm.items()) and not self.without_effect(arm)

    def without_effect(self, arm: Mapping[str, str]) -> list[str]:
        """The slots of an arm whose techniques changed nothing whenever it was tried."""
        key = self.key(arm)
        trials = self._by_arm.get(key, [])
        # With other values of its parameters a technique may have changed something.
        had_effect = any(not trial.no_effect for trial in trials)
        return [] if had_effect else self.no_effect.get(key, [])

    def kept_without_effect(self, arm: Mapping[str, str], fixed: Collection[str]) -> Arm:
        """The slots that an arm must keep so that it is not known to change nothing in one.

        Arguments:
            arm: one technique per slot.
            fixed: slots whose techniques stay where the others can be kept instead.
        """
        empty = self.without_effect(arm)
        if not empty:
            return {}
        others = [slot for slot, _ in techniques_in(arm) if slot not in fixed]
        if others and not set(others) & set(empty):
            return dict.fromkeys(others, KEEP)
        return dict.fromkeys([slot for slot in empty if slot in others] or empty, KEEP)
