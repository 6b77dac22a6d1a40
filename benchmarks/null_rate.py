"""How often `advisor` recommends a change where there is none, finds a true one, and what its
intervals cover.

    python benchmarks/null_rate.py [--studies 200] [--real 10] [--workers 2]

Simulated: the whole way of a study, with the real search, sampler, database and confirmation; only
a training is a formula. An arm's score is its level, less a parabola in the logarithm of the
learning rate, plus noise: a part that all arms of a seed share, one that a split gives an arm (and,
because splits overlap, partly every split), one that a draw of weights gives it. Beside it stands
what a script does that takes the best of the same trials. Real: techniques that are the same under
two names, and rectifiers on shallow nets whose truth was measured (known_truths.py), on data of
scikit-learn.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from known_problems import NULLS, Problem, problem_of
from scipy.stats import beta
from torch import nn

import advisor
from advisor.randomness import mix
from advisor.search.arm import arm_label
from advisor.search.plan import RATE, make_plan
from advisor.search.search import Search
from advisor.search.trial import Trial
from advisor.store.database import Database
from advisor.training.epoch import Epoch
from advisor.verdict.candidates import Candidate
from advisor.verdict.confirm import Measurement, confirm
from advisor.work.executors import Crew
from advisor.work.job import Job, Outcome, kept_file
from advisor.work.prepare import prepare
from advisor.work.study_ref import StudyRef
from advisor.work.threads import one_thread

SD = 0.007
"""Deviation of a score from seed to seed, as measured on digits; half of its variance is shared by
all arms of a seed.
"""
LEVEL = 0.95
"""The score of the model as it is at its best learning rate."""
FAILURE = 0.3
"""What a training that fails loses of its score."""
EPOCHS = 12
"""Epochs of a training."""
TEST_ROWS = 1000
"""Rows of the simulated test set."""
BETTER = "activation=t0"
"""The arm that is better, in a world where one is."""
PLUGIN = """import advisor
from torch import nn

@advisor.hookimpl
def techniques():
    return [advisor.Activation(f"t{{i}}", nn.Tanh) for i in range({arms})]
"""
"""A plugin with so many techniques, whose only use is that the search can choose them."""


# --- simulated studies --------------------------------------------------------------------------


@dataclass(frozen=True)
class World:
    """What is true in a simulated study. Everything random depends on the names of its causes.

    Attributes:
        number: of the world, from which all its random numbers follow.
        arms: number of techniques.
        gain: of the arm `BETTER`, in units of `SD`; 0 where none is better.
        failing: share of all trainings that fail.
    """

    number: int
    arms: int
    gain: float
    failing: float = 0.0

    def mean_score(self, arm: str, rate: float) -> float:
        """The score of an arm at a learning rate without noise, above `LEVEL`."""
        better = self.gain * SD if arm == BETTER else 0.0
        best_rate = -3 + self._normal("rate", arm) / 2
        return better - 0.01 * (math.log10(rate) - best_rate) ** 2 - FAILURE * self.failing

    def score(self, arm: str, rate: float, seed: int, split: int) -> float:
        """The score of one training."""
        better = self.gain * SD if arm == BETTER else 0.0
        best_rate = -3 + self._normal("rate", arm) / 2
        # Half the variance is the arm's own, and half of that comes with the rows.
        own = SD / math.sqrt(2)
        rows = self.row_effect(arm) + SD / 2 * self._normal("rows", arm, split)
        draw = own / math.sqrt(2) * self._normal("draw", arm, seed, round(rate, 9))
        shared = own * self._normal("shared", seed)
        failed = FAILURE if self._uniform("fails", arm, seed) < self.failing else 0.0
        level = LEVEL + better - 0.01 * (math.log10(rate) - best_rate) ** 2
        return level + shared + rows + draw - failed

    def right_answers(self, arm: str, rate: float, seed: int) -> torch.Tensor:
        """1 for each test row that one training gets right, else 0.

        The rows are the same for all seeds; some are easy for one arm and not for another.
        """
        easy = np.random.default_rng(mix(self.number, "test")).uniform(size=TEST_ROWS)
        own = np.random.default_rng(mix(self.number, "test", arm)).normal(size=TEST_ROWS)
        draw = SD / 4 * self._normal("draw", arm, seed, round(rate, 9))
        level = LEVEL + self.mean_score(arm, rate) + draw
        return torch.from_numpy((easy + 0.02 * own < level).astype("int64"))

    def row_effect(self, arm: str) -> float:
        """What the study's rows, apart from the test rows, give an arm on every seed.

        No seed can tell it from a gain.
        """
        return SD / 2 / math.sqrt(3) * self._normal("rows", arm)

    def _normal(self, *causes: object) -> float:
        return float(np.random.default_rng(mix(self.number, *causes)).standard_normal())

    def _uniform(self, *causes: object) -> float:
        return float(np.random.default_rng(mix(self.number, *causes)).uniform())


class Simulator(Executor):
    """Answers a job by the formula of a world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.epochs = 0

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(self.outcome(*args))
        return future

    def outcome(self, job: Job) -> Outcome:
        """What became of a job: a curve that comes closer to its score by half each epoch."""
        arm, rate = arm_label({"activation": job.params["activation"]}), job.params[RATE]
        last = self.world.score(arm, rate, job.seed, job.split)
        self.epochs += job.to_epoch - job.from_epoch
        curve = []
        for epoch in range(job.from_epoch, job.to_epoch):
            score = last - 0.2 * 0.5**epoch
            curve.append(Epoch(epoch + 1, score, 1 - score, 0.001))
        outcome = Outcome(curve=curve, costs={"training": 0.001})
        if job.test:
            right = self.world.right_answers(arm, rate, job.seed)
            output = nn.functional.one_hot(right, 2).float()
            target = torch.ones(len(right), dtype=torch.long)
            kept_file(job, job.test, job.to_epoch).write({"output": output, "target": target})
            outcome.test = float(right.double().mean())
        return outcome


@dataclass(frozen=True)
class Answer:
    """What a simulated study said, beside the truth and the best of the same trials.

    Attributes:
        verdict: of the study.
        choice: the arm whose gain was measured.
        trainings: how many were spent, those that were cut by their share of the epochs.
        gain, low, high: the gain of the best arm over the model as it is, with its interval.
        truth: the true gain of this arm on new rows.
        row_effect: what the study's own rows add to the true gain.
        seeds: how many measured the gain.
        searched: the same gain by the scores of the search; None where one has none.
        script_changes: whether the best trial changes anything.
        script_gain: how much better its score is than the best of the model as it is.
        script_truth: how much better it is in truth.
    """

    verdict: str
    choice: str
    trainings: float
    gain: float
    low: float
    high: float
    truth: float
    row_effect: float
    seeds: int
    searched: float | None
    script_changes: bool
    script_gain: float
    script_truth: float


def data() -> tuple[Any, Any]:
    """Rows that are never trained on; a study has to have some."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=(100, 4)).astype("float32")
    return x, (x[:, 0] > 0).astype("int64")


def net() -> nn.Module:
    """A model that is never trained."""
    return nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))


def simulate(world: World, trials: int | None = None) -> Answer:
    """One study from its first trial to its verdict, with so many trials."""
    one_thread()
    with tempfile.TemporaryDirectory() as place:
        plugin = Path(place, "arms.py")
        plugin.write_text(PLUGIN.format(arms=world.arms), encoding="utf-8")
        names = [f"t{i}" for i in range(world.arms)]
        study = advisor.Study(
            "null",
            advisor.Task(build=net, data=data),
            trials=trials or 16 + 3 * world.arms,
            epochs=EPOCHS,
            seed=world.number,
            only={"activation": names, "initializer": [], "pretraining": [], "embedding": []},
        )
        prepared = prepare(StudyRef.of(study, (str(plugin),)))
        plan = make_plan(prepared)
        with Database(f"sqlite:///{place}/study.db", prepared.host.built_in_slots) as database:
            records = database.study(study.name)
            criterion = prepared.criterion
            records.begin(criterion.name, criterion.direction, plan.to_json(), None)
            simulator = Simulator(world)
            crew = Crew(lambda: simulator, 1)
            search = Search(prepared, plan, records, crew, Path(place), lambda event: None)
            search.run()
            evidence = confirm(search)
            return answer_of(world, search.history.trials, evidence, simulator.epochs / EPOCHS)


def answer_of(world: World, trials: list[Trial], evidence: Measurement, trainings: float) -> Answer:
    """What a study said, from its trials and its confirmation."""
    gain, baseline, best = evidence.gain, evidence.baseline, evidence.best
    searched = None
    if baseline.searched is not None and best.searched is not None:
        searched = best.searched - baseline.searched

    # What a script does: it takes the best of all trials that were trained to their end.
    full = [trial for trial in trials if trial.is_complete]
    kept = [trial for trial in full if not trial.techniques]
    top = max(full, key=lambda trial: trial.score)
    own = max(kept, key=lambda trial: trial.score)
    return Answer(
        verdict=evidence.verdict,
        choice=best.label,
        trainings=trainings,
        gain=gain.mean,
        low=gain.low,
        high=gain.high,
        truth=true_score(world, best) - true_score(world, baseline),
        row_effect=world.row_effect(best.label) - world.row_effect(baseline.label),
        seeds=gain.seeds,
        searched=searched,
        script_changes=bool(top.techniques),
        script_gain=top.score - own.score,
        script_truth=true_score(world, top) - true_score(world, own),
    )


def true_score(world: World, trained: Candidate | Trial) -> float:
    """The score of an arm at its learning rate without noise."""
    return world.mean_score(arm_label(trained.arm), trained.params[RATE])


def worlds(studies: int) -> Iterator[tuple[str, list[World]]]:
    """The blocks of the table: a title and its worlds."""
    third, quarter = studies // 3, studies // 4
    sizes = [3] * (studies - 2 * third) + [8] * third + [17] * third
    yield "null, 3 to 17 techniques", [World(i, arms, 0.0) for i, arms in enumerate(sizes)]
    failing = [World(10_000 + i, 3, 0.0, 0.05) for i in range(quarter)]
    yield "null, 5 % of all trainings fail", failing
    for start, gain in ((20_000, 1), (30_000, 2), (40_000, 4)):
        better = [World(start + i, 3, float(gain)) for i in range(quarter)]
        yield f"one technique is better by {gain} sd", better


def report(title: str, answers: list[Answer]) -> None:
    """Print one block of the table."""
    mean = statistics.fmean
    on_these_rows = [a.gain - a.truth - a.row_effect for a in answers]
    on_new_rows = [a.gain - a.truth for a in answers]
    searched = [a.searched - a.truth for a in answers if a.searched is not None]
    script = [a.script_gain - a.script_truth for a in answers]
    covers_here = [a.low <= a.truth + a.row_effect <= a.high for a in answers]
    bias = mean(on_these_rows)
    of_sd = bias / statistics.stdev(on_new_rows)

    print(f"\n{title} ({len(answers)} simulated studies)")
    print(f"  change             {share([a.verdict == 'change' for a in answers])}")
    print(f"  undecided          {share([a.verdict == 'undecided' for a in answers])}")
    print(f"  covers: new rows   {share([a.low <= a.truth <= a.high for a in answers])}")
    print(f"    on these rows    {share(covers_here)}")
    print(f"  bias of the gain   {bias:+.5f} = {of_sd:+.2f} of its sd, for new seeds on these rows")
    print(f"    for new rows     {mean(on_new_rows):+.5f} (what was chosen suits these rows)")
    print(f"  bias of the search {mean(searched):+.5f} (the same arms; the winner's curse)")
    print(f"  seeds              {mean(a.seeds for a in answers):.1f} on average")
    print(f"  best of the trials: change {share([a.script_changes for a in answers])}")
    print(f"                      bias {mean(script):+.5f}", flush=True)


def share(hits: list[bool]) -> str:
    """How many hits there are, with the 95 % interval of their share (Clopper & Pearson 1934)."""
    hit, count = sum(hits), len(hits)
    low = beta.ppf(0.025, hit, count - hit + 1) if hit else 0.0
    high = beta.ppf(0.975, hit + 1, count - hit) if hit < count else 1.0
    percent = f"{100 * hit / count:5.1f} % [{100 * low:.1f}, {100 * high:.1f}]"
    return f"{hit:3d} of {count} = {percent}"


# --- real studies without a difference ----------------------------------------------------------

TWINS = """import advisor
from torch import nn

@advisor.hookimpl
def techniques():
    return [advisor.Activation(f"twin{i}", lambda: nn.LeakyReLU(0.0)) for i in range(4)]
"""
"""A plugin with four techniques that are ReLU under another name."""


def real(number: int, folder: Path) -> tuple[str, advisor.Recommendation]:
    """The title and the answer of a real study in which no technique is better.

    Even numbers try the model's own activation under other names, odd ones rectifiers of which
    known_truths.py measured that they bring nothing.
    """
    problem = problem_of(NULLS[number // 2 % len(NULLS)])
    plugin = folder / "twins.py"
    plugin.write_text(TWINS, encoding="utf-8")
    kind, names = "rectifiers", list(problem.arms)
    if number % 2 == 0:
        kind, names = "twins", [f"twin{i}" for i in range(4)]
    data_set = problem.name.partition(":")[2]
    study = study_of(problem, f"{data_set}-{number}", names, number)
    storage = str(folder / "real.db")
    answer = advisor.tune(study, storage=storage, plugins=[str(plugin)], workers=2)
    return f"{data_set} ({kind})", answer


def study_of(problem: Problem, name: str, activations: list[str], seed: int) -> advisor.Study:
    """A study of a measured problem, which fixes all that its truth depends on."""
    task = advisor.Task(
        build=problem.build,
        data=(problem.x.numpy(), problem.y.numpy()),
        loss=problem.loss,
        metric=problem.metric,
        batch=problem.batch,
    )
    return advisor.Study(
        name,
        task,
        trials=16,
        epochs=problem.epochs,
        min_gain=problem.min_gain,
        seed=seed,
        only={"activation": activations, "initializer": [], "pretraining": [], "embedding": []},
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--studies", type=int, default=200, help="simulated studies without a gain")
    parser.add_argument("--real", type=int, default=10, help="real studies without a difference")
    parser.add_argument("--workers", type=int, default=2, help="processes that simulate")
    options = parser.parse_args()
    if 0 < options.studies < 8:
        parser.error("--studies is 0, or at least 8: a quarter of them is the smallest block")
    began = time.perf_counter()
    if options.studies:
        with ProcessPoolExecutor(options.workers) as pool:
            for title, block in worlds(options.studies):
                report(title, list(pool.map(simulate, block, chunksize=4)))

    changes = 0
    print(f"\n{options.real} real studies without a difference")
    with tempfile.TemporaryDirectory() as folder:
        for number in range(options.real):
            title, answer = real(number, Path(folder))
            gain = answer.gain
            changes += answer.verdict == "change"
            interval = f"{gain.mean:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}]"
            print(f"  {title:28} {answer.verdict:10} {interval}", flush=True)
    print(f"  change: {changes} of {options.real}\n\n{time.perf_counter() - began:.0f} s")
    return 1 if changes else 0


if __name__ == "__main__":
    sys.exit(main())
