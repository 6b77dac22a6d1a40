"""How often `advisor` recommends a change where there is none, finds a true one, and what its
intervals cover.

    python benchmarks/null_rate.py [--studies 200] [--real 10] [--workers 2]

Simulated: the whole way of a study, with the real search, sampler, database, splits and
confirmation; only a training is a formula (`referee/simulated.py`). Rows have a difficulty, arms
are right on rows, and each arm has a best learning rate. Beside it stands what a script does that
takes the best of the same trials. Real: techniques that are the same under two names, and
rectifiers on shallow nets whose truth was measured (known_truths.py), on data of scikit-learn.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

from known_problems import NULLS, Problem, problem_of
from scipy.stats import beta

import advisor

sys.path.append(str(Path(__file__).parents[1]))
from benchmarks.referee.drawn import Drawn
from benchmarks.referee.kinds import World
from benchmarks.referee.simulated import Answer, simulate

PLAIN = World("plain", arms=3, test=200, pool=600, share=1 / 3, choosing=200)
"""1,000 rows, divided as `advisor` divides them."""
NULL_WORLDS = (
    ("5 % of all trainings break", replace(PLAIN, collapse=0.05)),
    ("the training rows favour arms", replace(PLAIN, favour=1.0, tied=0.5)),
    ("validation rows given", replace(PLAIN, pool=800, share=0.25, gave_valid=True)),
    ("groups of 10 rows", replace(PLAIN, group=10)),
    ("60 test rows", replace(PLAIN, test=60, pool=180, choosing=60)),
)
"""What else may mislead where nothing helps."""


# --- simulated studies --------------------------------------------------------------------------


def worlds(studies: int) -> Iterator[tuple[str, list[Drawn]]]:
    """The blocks of the table: a title and its studies."""
    third, quarter = studies // 3, studies // 4
    sizes = [3] * (studies - 2 * third) + [8] * third + [17] * third
    plain = [Drawn(i, 0.0, replace(PLAIN, arms=arms)) for i, arms in enumerate(sizes)]
    yield "null, 3 to 17 techniques", plain
    for place, (title, world) in enumerate(NULL_WORLDS, start=1):
        block = [Drawn(10_000 * place + i, 0.0, world) for i in range(quarter)]
        yield f"null, {title}", block
    for gain in (1, 2, 4):
        block = [Drawn(100_000 * gain + i, float(gain), PLAIN) for i in range(quarter)]
        yield f"one technique is better by {gain} sd", block


def report(title: str, answers: list[Answer]) -> None:
    """Print one block of the table."""
    mean = statistics.fmean
    off = [a.gain - a.truth for a in answers]
    searched = [a.searched - a.truth for a in answers if a.searched is not None]
    script = [a.script_gain - a.script_truth for a in answers]

    print(f"\n{title} ({len(answers)} simulated studies)")
    print(f"  change             {share([a.verdict == 'change' for a in answers])}")
    print(f"  undecided          {share([a.verdict == 'undecided' for a in answers])}")
    print(f"  interval covers    {share([a.covers for a in answers])}")
    print(f"  bias of the gain   {mean(off):+.5f} = {mean(off) / statistics.stdev(off):+.2f} sd")
    print(f"  bias of the search {mean(searched):+.5f} (the same arms; the winner's curse)")
    print(f"  pairs, trainings   {mean(a.pairs for a in answers):.1f}, ", end="")
    print(f"{mean(a.trainings for a in answers):.0f} on average")
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
