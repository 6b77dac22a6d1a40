"""How often `advisor` recommends a change where there is none, finds a true one, and what its
intervals cover.

`python benchmarks/null_rate.py [--studies 200] [--real 10] [--workers 2]`

Simulated: the whole way of a study (the real search, sampler, database and confirmation), only that
    a training is a formula.
An arm's score is its level, less a parabola in the logarithm of the learning rate, plus noise: a
part that all arms of a seed share, one that a split gives an arm (and, because splits overlap,
partly every split), one that a draw of weights gives it. Beside it stands what a script does that
takes the best of the same trials. Real: techniques that are the same under two names, and
    activations on shallow nets, on data of scikit-learn.
"""

from __future__ import annotations

import argparse
import functools
import math
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import beta
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine
from torch import nn

import advisor
from advisor.host.host import load
from advisor.randomness import mix
from advisor.search.plan import RATE, make_plan
from advisor.search.search import Search, arm_label
from advisor.store.database import Database
from advisor.training.epoch import Epoch
from advisor.training.run import save
from advisor.verdict.confirm import confirm
from advisor.work.executors import Crew
from advisor.work.job import Job, Outcome
from advisor.work.prepare import setup
from advisor.work.study_ref import StudyRef

SD = 0.007
"""Deviation of a score from seed to seed, as measured on digits; half of its variance is shared by
all arms of a seed.
"""
LEVEL = 0.95
TEST_ROWS = 1000
PLUGIN = """import advisor
from torch import nn

@advisor.hookimpl
def techniques():
    return [advisor.Activation(f"t{{i}}", nn.Tanh) for i in range({arms})]
"""


@dataclass(frozen=True)
class World:
    """What is true in a simulated study: gains by technique in units of SD, whether runs fail now
    and then, and its noise.
    """

    number: int
    arms: int
    gain: float
    failing: float = 0.0

    def score(self, arm: str, rate: float, seed: int, split: int) -> float:
        """The score of a training: everything that is random depends on the names of what it
        depends on.
        """
        better = self.gain * SD if arm == "activation=t0" else 0.0
        best_rate = -3 + self._normal("rate", arm) / 2
        own = SD / math.sqrt(
            2
        )  # half the variance is the arm's own, and half of that comes with the rows
        rows = self.here(arm) + SD / 2 * self._normal("rows", arm, split)
        draw = own / math.sqrt(2) * self._normal("draw", arm, seed, round(rate, 9))
        shared = own * self._normal("shared", seed)
        failed = 0.3 if self._uniform("fails", arm, seed) < self.failing else 0.0
        return (
            LEVEL
            + better
            - 0.01 * (math.log10(rate) - best_rate) ** 2
            + shared
            + rows
            + draw
            - failed
        )

    def test(self, arm: str, rate: float, seed: int) -> torch.Tensor:
        """Which test rows are right: other rows, the same for all seeds; some are easy for one arm
        and not for another.
        """
        easy = np.random.default_rng(mix(self.number, "test")).uniform(size=TEST_ROWS)
        own = np.random.default_rng(mix(self.number, "test", arm)).normal(size=TEST_ROWS)
        level = (
            LEVEL
            + expected(self, arm, rate)
            + SD / 4 * self._normal("draw", arm, seed, round(rate, 9))
        )
        return torch.from_numpy((easy + 0.02 * own < level).astype("int64"))

    def here(self, arm: str) -> float:
        """What the rows of the study, apart from the test rows, give an arm for good: no seed can
        tell it from a gain.
        """
        return SD / 2 / math.sqrt(3) * self._normal("rows", arm)

    def _normal(self, *what: object) -> float:
        return float(np.random.default_rng(mix(self.number, *what)).standard_normal())

    def _uniform(self, *what: object) -> float:
        return float(np.random.default_rng(mix(self.number, *what)).uniform())


class Simulator(Executor):
    """Answers a job by the world's formula."""

    def __init__(self, world: World) -> None:
        self.world = world

    def submit(self, fn: Any, /, job: Job) -> Future[Outcome]:
        future: Future[Outcome] = Future()
        arm = arm_label({"activation": job.params["activation"]})
        score = self.world.score(arm, job.params[RATE], job.seed, job.split)
        rising = [score - 0.2 * 0.5**epoch for epoch in range(job.to_epoch)]
        curve = [
            Epoch(i + 1, rising[i], 1 - rising[i], 0.001)
            for i in range(job.from_epoch, job.to_epoch)
        ]
        test = None
        if job.test:
            right = self.world.test(arm, job.params[RATE], job.seed)
            answers = {
                "output": nn.functional.one_hot(right, 2).float(),
                "target": torch.ones(TEST_ROWS, dtype=torch.long),
            }
            Path(job.test).parent.mkdir(parents=True, exist_ok=True)
            save(answers, Path(job.test))
            test = float(right.double().mean())
        future.set_result(Outcome(curve=curve, costs={"training": 0.001}, test=test))
        return future


@dataclass(frozen=True)
class Answer:
    """What a simulated study said, next to the truth and to the best of the same trials."""

    world: World
    verdict: str
    gain: float
    low: float
    high: float
    truth: float
    seeds: int
    searched: float | None
    naive_change: bool
    naive_gain: float
    naive_truth: float
    here: float


def data() -> tuple[Any, Any]:
    generator = np.random.default_rng(0)
    x = generator.normal(size=(100, 4)).astype("float32")
    return x, (x[:, 0] > 0).astype("int64")


def net() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))


def simulate(world: World, trials: int) -> Answer:
    """One study from its first trial to its verdict."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as place:
        plugin = Path(place, "arms.py")
        plugin.write_text(PLUGIN.format(arms=world.arms), encoding="utf-8")
        names = [f"t{i}" for i in range(world.arms)]
        only = {"activation": names, "initializer": [], "pretraining": [], "embedding": []}
        task = advisor.Task(build=net, data=data)
        study = advisor.Study("null", task, trials=trials, epochs=12, seed=world.number, only=only)
        question = StudyRef.given(study, (str(plugin),))
        shared, host = setup(question), load(question.plugins, question.without)
        plan = make_plan(shared, host)
        database = Database(f"sqlite:///{place}/study.db", host.built_in_slots)
        metric = shared.objective.metric
        database.begin(study.name, metric.name, metric.direction, plan.to_json(), None)
        search = Search(
            shared,
            plan,
            database,
            Crew(lambda: Simulator(world), 1),
            Path(place),
            lambda event: None,
        )
        search.run()
        evidence = confirm(search)
        answer = _answer(world, search, evidence)
        database.close()
    setup.cache_clear()
    return answer


def _answer(world: World, search: Search, evidence: Any) -> Answer:
    gain = evidence.gain
    one, other = evidence.baseline.searched, evidence.best.searched
    full = [t for t in search.trials() if t.value is not None and t.state.name == "COMPLETE"]
    top = max(full, key=lambda trial: trial.value)
    own = max((t for t in full if t.params["activation"] == "keep"), key=lambda trial: trial.value)
    return Answer(
        world,
        evidence.verdict,
        gain.mean,
        gain.low,
        gain.high,
        expected(world, evidence.best.label, evidence.best.params[RATE])
        - expected(world, evidence.baseline.label, evidence.baseline.params[RATE]),
        gain.seeds,
        None if one is None or other is None else other - one,
        top.params["activation"] != "keep",
        top.value - own.value,
        truth_of(world, top) - truth_of(world, own),
        world.here(evidence.best.label) - world.here(evidence.baseline.label),
    )


def truth_of(world: World, trial: Any) -> float:
    return expected(
        world, arm_label({"activation": trial.params["activation"]}), trial.params[RATE]
    )


def expected(world: World, arm: str, rate: float) -> float:
    """The score of an arm without noise, at one learning rate."""
    better = world.gain * SD if arm == "activation=t0" else 0.0
    failing = 0.3 * world.failing
    return better - 0.01 * (math.log10(rate) - (-3 + world._normal("rate", arm) / 2)) ** 2 - failing


def share(hits: int, of: int) -> str:
    """A share with its 95 % interval (Clopper & Pearson 1934)."""
    low = beta.ppf(0.025, hits, of - hits + 1) if hits else 0.0
    high = beta.ppf(0.975, hits + 1, of - hits) if hits < of else 1.0
    return f"{hits:3d} of {of} = {100 * hits / of:5.1f} % [{100 * low:.1f}, {100 * high:.1f}]"


def report(title: str, answers: list[Answer]) -> None:
    """One block of the table."""
    n = len(answers)
    errors = [a.gain - a.truth for a in answers]
    naive = [a.naive_gain - a.naive_truth for a in answers]
    spread = statistics.stdev(a.gain - a.truth for a in answers)
    print(f"\n{title}")
    print(f"  change             {share(sum(a.verdict == 'change' for a in answers), n)}")
    print(f"  undecided          {share(sum(a.verdict == 'undecided' for a in answers), n)}")
    print(f"  covers: new rows   {share(sum(a.low <= a.truth <= a.high for a in answers), n)}")
    here = statistics.fmean(a.gain - a.truth - a.here for a in answers)
    print(
        f"    on these rows    {share(sum(a.low <= a.truth + a.here <= a.high for a in answers), n)}"
    )
    print(
        f"  bias of the gain   {here:+.5f} = {here / spread:+.2f} of its sd, for new seeds on these rows"
    )
    print(
        f"                     {statistics.fmean(errors):+.5f} for new rows: what was chosen suits these rows"
    )
    promised = [a.searched - a.truth for a in answers if a.searched is not None]
    print(
        f"  bias of the search {statistics.fmean(promised):+.5f} (the same arms; the winner's curse)"
    )
    print(f"  seeds              {statistics.fmean(a.seeds for a in answers):.1f} on average")
    print(f"  best of the trials: change {share(sum(a.naive_change for a in answers), n)}")
    print(f"                      bias {statistics.fmean(naive):+.5f}", flush=True)


def worlds(studies: int) -> Iterator[tuple[str, list[World]]]:
    third = studies // 3
    sizes = [3] * (studies - 2 * third) + [8] * third + [17] * third
    yield "null, 3 to 17 techniques", [World(i, arms, 0.0) for i, arms in enumerate(sizes)]
    yield (
        "null, 5 % of all trainings fail",
        [World(10_000 + i, 3, 0.0, 0.05) for i in range(studies // 4)],
    )
    yield (
        "one technique is better by 1 sd",
        [World(20_000 + i, 3, 1.0) for i in range(studies // 4)],
    )
    yield (
        "one technique is better by 2 sd",
        [World(30_000 + i, 3, 2.0) for i in range(studies // 4)],
    )
    yield (
        "one technique is better by 4 sd",
        [World(40_000 + i, 3, 4.0) for i in range(studies // 4)],
    )


def trials_of(world: World) -> int:
    return 16 + 3 * world.arms


def run(world: World) -> Answer:
    return simulate(world, trials_of(world))


# ---------------------------------------------------------------- real studies without a difference


def scaled(loader: Any) -> tuple[Any, Any]:
    x, y = loader(return_X_y=True)
    return ((x - x.mean(0)) / (x.std(0) + 1e-9)).astype("float32"), y


SETS = {
    "digits": load_digits,
    "wine": load_wine,
    "breast_cancer": load_breast_cancer,
    "iris": load_iris,
    "diabetes": load_diabetes,
}
TWINS = """import advisor
from torch import nn

@advisor.hookimpl
def techniques():
    return [advisor.Activation(f"twin{i}", lambda: nn.LeakyReLU(0.0)) for i in range(4)]
"""


def shallow(in_features: int, num_outputs: int, width: int) -> nn.Module:
    return nn.Sequential(nn.Linear(in_features, width), nn.ReLU(), nn.Linear(width, num_outputs))


def real(number: int, folder: Path) -> tuple[str, Any]:
    """A real null: twins of the model's own activation for even numbers, other rectifiers on a
    shallow net for odd ones.
    """
    name = list(SETS)[number // 2 % len(SETS)]
    twins, plugin = number % 2 == 0, folder / "twins.py"
    plugin.write_text(TWINS, encoding="utf-8")
    x, y = scaled(SETS[name])
    outputs = 1 if name == "diabetes" else len(np.unique(y))
    build = functools.partial(shallow, x.shape[1], outputs, 128)
    target = y.astype("float32") if name == "diabetes" else y
    names = [f"twin{i}" for i in range(4)] if twins else ["leaky_relu", "gelu", "silu"]
    only = {"activation": names, "initializer": [], "pretraining": [], "embedding": []}
    study = advisor.Study(
        f"{name}-{number}",
        advisor.Task(build=build, data=(x, target)),
        trials=16,
        seed=number,
        only=only,
    )
    found = advisor.tune(study, storage=str(folder / "real.db"), plugins=[str(plugin)], workers=2)
    return f"{name} ({'twins' if twins else 'rectifiers'})", found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=200)
    parser.add_argument("--real", type=int, default=10)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    began = time.perf_counter()
    with ProcessPoolExecutor(options.workers) as pool:
        for title, cases in worlds(options.studies):
            report(
                f"{title} ({len(cases)} simulated studies)", list(pool.map(run, cases, chunksize=4))
            )
    changes = 0
    print(f"\n{options.real} real studies without a difference")
    with tempfile.TemporaryDirectory() as place:
        for number in range(options.real):
            title, found = real(number, Path(place))
            gain = found.gain
            changes += found.verdict == "change"
            print(
                f"  {title:28} {found.verdict:10} {gain['mean']:+.4f} [{gain['low']:+.4f}, {gain['high']:+.4f}]",
                flush=True,
            )
    print(f"  change: {changes} of {options.real}\n\n{time.perf_counter() - began:.0f} s")
    return 1 if changes else 0


if __name__ == "__main__":
    sys.exit(main())
