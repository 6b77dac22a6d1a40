"""How busy many workers are: 100 simulated ones, whose jobs sleep, in a real search.

python benchmarks/many_workers.py [--workers 100] [--seconds 10] [--round 2000] [--trials 3400]

Everything is real but the training: Optuna, SQLite, the plan, rounds and rungs of the digits study.
Each job sleeps for `--seconds`, a tenth more or less. The search is followed until it only tunes
the rates of its leaders. For each stage are printed: jobs; seconds; the share of the workers' time
that was work, from the first question to the last answer; that share while there were jobs that
nobody had begun, so that a worker without one waited for the coordinator; and the coordinator's
processor time per job. At the end stands what 1,000 workers would need of it, on paper.

A round has 20 times as many trials as there are workers unless `--round` says otherwise, and there
are as many trials as let the combinations be one round.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from advisor.api.tuning import plan_of
from advisor.search.ranges import rungs_of
from advisor.search.search import Search
from advisor.search.stages import TUNE_SHARE, next_round
from advisor.search.trial import Stage
from advisor.store.database import Database
from advisor.training.epoch import Epoch
from advisor.work.engines.abroad import handed_out
from advisor.work.executors import Crew
from advisor.work.job import Job, LastSignal, Outcome
from advisor.work.prepare import prepare
from advisor.work.study_ref import StudyRef
from advisor.work.threads import one_thread

EPOCHS = 9
OPENING = 45
"""Trials of which no share tunes rates, somewhat less than there are."""
PAPER_WORKERS = 1000

Span = tuple[float, float]
"""When a job began and ended."""


class Sleepers(ThreadPoolExecutor):
    """Workers that sleep as long as a training would take, and note when they were busy."""

    def __init__(self, workers: int, seconds: float) -> None:
        super().__init__(workers)
        self.seconds = seconds
        self.spans: list[Span] = []

    def submit(self, fn, /, *args, **kwargs) -> Future:
        return super().submit(self._sleep, args[0])

    def _sleep(self, job: Job) -> Outcome:
        began = time.monotonic()
        rng = random.Random(repr(sorted(job.params.items())))
        time.sleep(self.seconds * rng.uniform(0.9, 1.1))
        outcome = Outcome(costs={"training": self.seconds}, signal=LastSignal())
        quality = rng.uniform(0.5, 0.9)
        for number in range(job.from_epoch + 1, job.to_epoch + 1):
            score = quality * (1 - 0.5**number)
            outcome.curve.append(Epoch(number, 1 - score, 1 - score, score, 0.01))
        self.spans.append((began, time.monotonic()))
        return outcome


class WatchedCrew(Crew):
    """Notes when each call of `run` had jobs that nobody had begun."""

    def __init__(self, sleepers: Sleepers, workers: int) -> None:
        super().__init__(lambda: sleepers, workers)
        self.sleepers = sleepers
        self.fed: list[Span] = []

    @property
    def in_flight(self) -> int:
        return handed_out(self.workers)  # as workers of an engine are given them

    def run(self, jobs, is_late=lambda: False):
        began, before = time.monotonic(), len(self.sleepers.spans)
        yield from super().run(jobs, is_late)
        begins = [first for first, _ in self.sleepers.spans[before:]]
        if len(begins) > self.workers:
            self.fed.append((began, max(begins)))


class LargeModels(Search):
    """A search whose trainings are too long to be computed together."""

    def _pays(self, copies: int) -> bool:
        return False


def share(spans: list[Span], workers: int, times: list[Span]) -> float:
    """The share of the time of so many workers that is in the spans; NaN for no time."""
    length = sum(last - first for first, last in times)
    inside = 0.0
    for begin, end in times:
        inside += sum(max(0.0, min(last, end) - max(first, begin)) for first, last in spans)
    return inside / (workers * length) if length else float("nan")


def follow(search: Search, crew: WatchedCrew, trials: int) -> float:
    """Follow a search until it tunes, and print each stage. Returns the coordinator's seconds per
    job of the combinations.
    """
    spans = crew.sleepers.spans
    jobs, spent = 0, 0.0
    while (current := next_round(search.history, trials)) is not None:
        if current.stage is Stage.TUNE:
            break
        began, processor, before = time.monotonic(), time.process_time(), len(spans)
        crew.fed.clear()
        search.ask(current)
        search.train(current)
        search.end(current)
        own, ended = spans[before:], time.monotonic()
        busy, fed = share(own, crew.workers, [(began, ended)]), share(own, crew.workers, crew.fed)
        taken = time.process_time() - processor
        if current.stage is Stage.EXPLORE:
            jobs, spent = jobs + len(own), spent + taken
        print(
            f"{current.stage.value:24} {len(own):5} jobs {ended - began:7.1f} s  busy {busy:5.1%}  "
            f"while jobs waited {fed:5.1%}  {1000 * taken / max(1, len(own)):.1f} ms a job",
            flush=True,
        )
    return spent / max(1, jobs)


def on_paper(each: float, seconds: float) -> str:
    """What many workers need, where a job costs the coordinator so much, and lasts so long."""
    jobs = PAPER_WORKERS / seconds
    return (
        f"on paper: {PAPER_WORKERS:,} workers end {jobs:.0f} jobs of {seconds:g} s a second, which "
        f"cost the coordinator {jobs * each:.2f} of a core; it keeps up where a job lasts at least "
        f"{PAPER_WORKERS * each:.0f} s"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--round", type=int)
    parser.add_argument("--trials", type=int)
    asked = parser.parse_args()
    asked.round = asked.round or 20 * asked.workers
    asked.trials = asked.trials or OPENING + round(asked.round / (1 - TUNE_SHARE))
    one_thread()
    file = Path(__file__).parent.parent / "studies" / "digits.py"
    prepared = prepare(StudyRef(file=str(file)))
    study = replace(prepared.study, trials=asked.trials, epochs=EPOCHS, round=asked.round)
    prepared = replace(prepared, study=study, epochs=EPOCHS)
    plan = replace(plan_of(prepared, ()), rungs=rungs_of(EPOCHS, prepared.steps))
    sleepers = Sleepers(asked.workers, asked.seconds)
    crew = WatchedCrew(sleepers, asked.workers)
    with (
        tempfile.TemporaryDirectory() as name,
        sleepers,
        Database(f"sqlite:///{name}/many.db", tuple(prepared.host.slots)) as database,
    ):
        records, criterion = database.study(study.name), prepared.criterion
        records.begin(criterion.name, criterion.direction, plan.to_json(), None)
        search = LargeModels(prepared, plan, records, crew, Path(name), lambda event: None)
        each = follow(search, crew, asked.trials)
    print(on_paper(each, asked.seconds))


if __name__ == "__main__":
    main()
