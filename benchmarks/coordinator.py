"""CPU time that the coordinator takes for a trial, without training, beside Optuna's ask and tell.

    python benchmarks/coordinator.py [TRIALS …]

Each line begins with so many finished trials of the digits study in a fresh database (100 and 1000
where no number is given). The coordinator then asks, records and closes whole rounds of an
exploration with a crew that answers at once. Beside it, in the same run, an Optuna study that is
kept in memory asks and tells the same parameters with the same sampler.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import TrialState, create_trial

from advisor.search import stages
from advisor.search.decisions import STEPS
from advisor.search.plan import EXPLORED, RATE, Plan, make_plan
from advisor.search.sampler import STARTUP, _suggest
from advisor.search.search import Search
from advisor.search.trial import Stage
from advisor.store import tables
from advisor.store.database import Database
from advisor.store.study_records import Direction
from advisor.training.epoch import Epoch
from advisor.work.executors import Crew, Serial
from advisor.work.job import Job, LastSignal, Outcome
from advisor.work.prepare import Prepared, prepare
from advisor.work.study_ref import StudyRef
from advisor.work.threads import one_thread

STUDY = Path(__file__).parents[1] / "studies" / "digits.py"
"""The study whose plan is searched; its model is never trained here."""
EPOCHS = 24
"""Epochs of a full training."""
ROUNDS = 4
"""Rounds that are measured; the first one, which builds the sampler, is left out."""


def score(params: Mapping[str, Any], epoch: int) -> float:
    """An invented score: another level for each arm, smooth in the learning rate."""
    arm = sorted((key, value) for key, value in params.items() if "." not in key)
    level = random.Random(str(arm)).uniform(0.5, 0.9)
    best = level - 0.05 * (math.log10(params[RATE]) + 2.5) ** 2
    return max(0.0, best * (1 - math.exp(-epoch / 5)))


def epoch_of(number: int, params: Mapping[str, Any]) -> Epoch:
    """The epoch of this number in the invented curve of a trial."""
    value = score(params, number)
    return Epoch(number, value, 2.3 - value, 0.01, 2.2 if number <= 2 else None)


class Instant(Crew):
    """A crew that answers at once with invented curves."""

    def __init__(self) -> None:
        super().__init__(Serial, 1)

    def run(
        self, jobs: Mapping[Any, Job], is_late: Callable[[], bool] = lambda: False
    ) -> Iterator[tuple[Any, Outcome]]:
        for key, job in jobs.items():
            epochs = range(job.from_epoch + 1, job.to_epoch + 1)
            curve = [epoch_of(number, job.params) for number in epochs]
            costs = {"training": 0.1, "look": 0.01}
            actions = {"activation": "swapped 29 sites"}
            yield key, Outcome(curve, costs, actions, LastSignal(0.1, 0.5, 0.1))


def draw(rng: random.Random, distribution: BaseDistribution) -> Any:
    """A random value of a distribution."""
    if isinstance(distribution, CategoricalDistribution):
        return rng.choice(distribution.choices)
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    low, high = distribution.low, distribution.high
    if distribution.log:
        return min(max(math.exp(rng.uniform(math.log(low), math.log(high))), low), high)
    value = rng.uniform(low, high)
    return round(value) if isinstance(distribution, IntDistribution) else value


def past_trials(plan: Plan, count: int) -> list[optuna.trial.FrozenTrial]:
    """Finished trials of a search: each technique alone three times, then explorations."""
    rng = random.Random(0)
    openers = plan.each_technique()
    trials = []
    for number in range(count):
        turn, place = divmod(number, len(openers))
        if turn < 3:
            params = {**openers[place], **plan.defaults_of(openers[place])}
            params[RATE] *= 10 ** STEPS[turn]
            stage = Stage.FAIR if turn else Stage.OPEN
            start, size, is_full = turn * len(openers), len(openers), place % 2 == 0
        else:
            arm = {slot: rng.choice(names) for slot, names in plan.options.items()}
            arm.update(plan.conflicts(arm))
            params = dict(arm)
            for name in plan.parameters_of(arm):
                params[name] = draw(rng, plan.space[name])
            start = number - (number - 3 * len(openers)) % EXPLORED
            stage, size, is_full = Stage.EXPLORE, EXPLORED, number - start < 3
        last = plan.epochs if is_full else plan.rungs[0]
        attributes = {"stage": stage, "round": start, "size": size}
        if not is_full:
            attributes |= {"ended": "outranked", "why": "others were better"}
        trial = create_trial(
            state=TrialState.COMPLETE if is_full else TrialState.PRUNED,
            params=params,
            distributions=plan.distributions_of(params),
            user_attrs=attributes,
            value=score(params, last),
            intermediate_values={last: score(params, last)},
        )
        trials.append(trial)
    return trials


def coordinator_ms(
    prepared: Prepared, plan: Plan, past: list[optuna.trial.FrozenTrial], folder: Path
) -> float:
    """Milliseconds of CPU time that the coordinator takes for a trial, after those of `past`."""
    name = prepared.study.name
    with Database(f"sqlite:///{folder}/study.db", prepared.host.built_in_slots) as database:
        records = database.study(name)
        criterion = prepared.criterion
        records.begin(criterion.name, criterion.direction, plan.to_json(), None)
        study = optuna.load_study(study_name=name, storage=database.storage)
        study.add_trials(past)
        rows = []
        for number, trial in enumerate(past):
            for epoch in range(1, max(trial.intermediate_values) + 1):
                point = epoch_of(epoch, trial.params)
                rows.append({"study": name, "number": number, **vars(point)})
        with database.engine.begin() as connection:
            connection.execute(tables.curves.insert(), rows)

        search = Search(prepared, plan, records, Instant(), folder, lambda event: None)
        times = []
        for _ in range(ROUNDS):
            began = time.process_time()
            current = stages.next_round(search.history, prepared.study.trials)
            assert current is not None  # as the total of trials is far
            assert current.stage == Stage.EXPLORE
            search.ask(current)
            search.train(current)
            search.end(current)
            search.book_time()
            times.append(1000 * (time.process_time() - began) / current.size)
    return sum(times[1:]) / len(times[1:])


def optuna_ms(plan: Plan, past: list[optuna.trial.FrozenTrial], direction: Direction) -> float:
    """The same for ask and tell of an Optuna study in memory, in rounds of the same size."""
    sampler = optuna.samplers.TPESampler(
        seed=0, n_startup_trials=STARTUP, multivariate=True, constant_liar=True
    )
    study = optuna.create_study(direction=direction, sampler=sampler)
    study.add_trials(past)
    times = []
    for _ in range(ROUNDS):
        began = time.process_time()
        asked = []
        for _ in range(EXPLORED):
            trial = study.ask()
            arm = {
                slot: _suggest(trial, slot, CategoricalDistribution(options))
                for slot, options in plan.options.items()
            }
            names = plan.parameters_of(arm)
            own = {name: _suggest(trial, name, plan.space[name]) for name in names}
            asked.append((trial, {**arm, **own}))
        for trial, params in asked:
            study.tell(trial, score(params, plan.epochs))
        times.append(1000 * (time.process_time() - began) / EXPLORED)
    return sum(times[1:]) / len(times[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "trials", type=int, nargs="*", default=[100, 1000], help="numbers of earlier trials"
    )
    one_thread()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    print("earlier trials   coordinator   ask + tell   ratio   more (CPU ms a trial)")
    for count in parser.parse_args().trials:
        changes = json.dumps({"trials": 4 * count + 400, "epochs": EPOCHS})
        prepared = prepare(StudyRef(file=str(STUDY), changes=changes))
        plan = make_plan(prepared)
        past = past_trials(plan, count)
        with tempfile.TemporaryDirectory() as folder:
            ours = coordinator_ms(prepared, plan, past, Path(folder))
        theirs = optuna_ms(plan, past, prepared.criterion.direction)
        print(f"{count:14} {ours:13.1f} {theirs:12.1f} {ours / theirs:7.1f} {ours - theirs:6.1f}")


if __name__ == "__main__":
    main()
