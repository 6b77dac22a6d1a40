"""Rules on the worlds: ours, the code before, a careful script; what each of them gets right.

python -m benchmarks.referee.rules --half build --studies 6000
"""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import dataclass, replace

import numpy as np
import scipy.stats

from advisor.verdict.crossed import CrossedGain, crossed_gain, part_of
from advisor.verdict.evidence import (
    CHANGE_LEVEL,
    PRINTED_LEVEL,
    breaks_more,
    contradicts,
    level_after,
    level_of_look,
    shared_levels,
)
from advisor.verdict.measuring import FEWEST_PAIRS
from advisor.verdict.records import Evidence, Verdict
from benchmarks.referee.kinds import BUILD, HELD_BACK, World
from benchmarks.referee.old_rule import chosen_overlap, paired_gain, precise_enough, verdict
from benchmarks.referee.worlds import (
    CELLS,
    GAINS,
    MANY_ROWS,
    MIN_GAIN,
    NOMINEES,
    SCRIPT_TRIALS,
    SD,
    Choice,
    Studies,
    breaking,
    choose,
    choosing_rows,
    choosing_scores,
    draw_studies,
    measured,
)

# --- verdicts -------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Answers:
    """What studies said, one number each: of ours, or of another rule.

    Attributes:
        gain: the printed gain.
        truth: the true gain of the arm that was measured, on new rows, given this data.
        better: whether it is the arm that is better.
        evidence: what was shown, as names.
        change: whether it recommends a change.
        covers, covers_99: whether the intervals hold the truth.
        pairs: how many measured.
    """

    gain: np.ndarray
    truth: np.ndarray
    better: np.ndarray
    evidence: np.ndarray
    change: np.ndarray
    covers: np.ndarray
    covers_99: np.ndarray
    pairs: np.ndarray


def evidences(gain: CrossedGain, min_gain: float, level: np.ndarray | float) -> np.ndarray:
    """`evidence_of` for many studies at once, as names."""
    low, high = gain.interval(PRINTED_LEVEL)
    sure = gain.mean - gain.reach(level) > 0
    conditions = [
        sure & (gain.mean >= min_gain) & ~np.asarray(contradicts(gain, min_gain)),
        high < 0,
        (low >= -min_gain) & (high <= min_gain),
        high < min_gain,
    ]
    names = [Evidence.BETTER, Evidence.WORSE, Evidence.EQUIVALENT, Evidence.NOT_BETTER]
    return np.select(conditions, [name.value for name in names], Evidence.OPEN.value)


def ours(studies: Studies, rng: np.random.Generator) -> Answers:
    """The whole way, from the first trial to the verdict."""
    world, number = studies.world, len(studies.truth)
    choice = choose(studies, choosing_rows(studies, rng), rng)
    truth = np.stack([studies.truth[:, 0], studies.truth[np.arange(number), choice.arm]], 1)
    broken = (
        rng.random((number, 2, 20))
        < breaking(world, np.stack([0 * choice.arm, choice.arm], 1))[..., None]
    )
    within = np.arange(20) < choice.pairs[:, None]
    whole = (~broken.any(1) & within).sum(1)
    one = (broken[:, 0] & ~broken[:, 1] & within).sum(1)
    other = (~broken[:, 0] & broken[:, 1] & within).sum(1)
    levels = np.array([first_look(*each) for each in zip(one, other, strict=True)])

    out = empty(number, studies, choice)
    for pairs in np.unique(whole[whole >= FEWEST_PAIRS]):
        cells = 2 * pairs * cells_of(world)
        some = np.flatnonzero(whole == pairs)
        for block in np.array_split(some, max(1, math.ceil(len(some) * cells / CELLS))):
            parts = measured(studies, choice.arm[block], truth[block], list(range(pairs)), rng)
            gain = crossed_gain(*parts)
            fill(out, block, gain, evidences(gain, MIN_GAIN, levels[block]))
    level = level_of_look(1)
    helps = [breaks_more(int(a), int(b), level) for a, b in zip(one, other, strict=True)]
    return replace(out, change=(out.evidence == Evidence.BETTER.value) | np.array(helps))


def first_look(only_one: int, only_other: int) -> float:
    """The level at which the gain decides in a first look, where so many trainings broke."""
    return shared_levels(only_one, only_other, level_of_look(1)).gain


def cells_of(world: World) -> int:
    """Numbers that a training of a world needs."""
    rows = world.test + world.pool
    return rows if 0 < rows < MANY_ROWS else 1


def empty(number: int, studies: Studies, choice: Choice) -> Answers:
    """Answers before anything is measured."""
    arm = choice.arm
    truth = studies.truth[np.arange(number), arm] - studies.truth[:, 0]
    nothing = np.zeros(number)
    return Answers(
        nothing.copy(),
        truth,
        arm == 1,
        np.full(number, Evidence.OPEN.value, dtype="<U12"),
        np.zeros(number, bool),
        np.ones(number, bool),
        np.ones(number, bool),
        choice.pairs,
    )


def fill(out: Answers, block: np.ndarray, gain: CrossedGain, evidence: np.ndarray) -> None:
    """Write what a block of studies measured."""
    off = np.abs(gain.mean - out.truth[block])
    out.gain[block], out.evidence[block] = gain.mean, evidence
    out.covers[block] = off <= gain.reach(PRINTED_LEVEL)
    out.covers_99[block] = off <= gain.reach(CHANGE_LEVEL)


# --- other rules ----------------------------------------------------------------------------------

OLD_SPLITS = [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 5, 6, 7, 8, 9]
"""The split of each measuring seed in the code before: second draws on the first, then new ones."""


def before(studies: Studies, rng: np.random.Generator) -> Answers:
    """The rule of the code before: overlapping splits, a look at the noise, a veto of test rows."""
    world, number = studies.world, len(studies.truth)
    chose = choosing_rows(studies, rng)
    choice = choose(studies, chose, rng)
    truth = np.stack([studies.truth[:, 0], studies.truth[np.arange(number), choice.arm]], 1)
    out = empty(number, studies, replace(choice, pairs=np.full(number, 20)))
    drawn = world.pool and not world.gave_valid
    overlap = world.share / (1 - world.share) if drawn else 0.0
    grown = chosen_overlap(overlap, min(world.arms, NOMINEES + 1)) if overlap else 0.0
    # It read all rows that it had, whoever gave them.
    mine = replace(studies, world=replace(world, gave_test=False))
    cells = 40 * cells_of(world)
    for block in np.array_split(np.arange(number), max(1, math.ceil(number * cells / CELLS))):
        test, rest = measured(mine, choice.arm[block], truth[block], OLD_SPLITS, rng)
        rows = crossed_gain(replace(test, means=test.means[:, :5])) if test else None
        # Where no rows are drawn, all seeds are scored on those of the choice.
        gains = rest.means if rest is not None and drawn else None
        if gains is None:
            gains = gains_on_choosing_rows(studies, choice, chose, rng)[block]
        for place, i in enumerate(block):
            old_verdict(out, int(i), gains[place], grown, rows, place)
    return out


def gains_on_choosing_rows(
    studies: Studies, choice: Choice, chose: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """The gain of each seed on the rows that chose `(studies, seeds)`; no training breaks."""
    sound = replace(studies, world=replace(studies.world, collapse=0.0, other_collapse=0.0))
    both = np.stack([np.zeros_like(choice.arm), choice.arm], 1)
    scores = choosing_scores(sound, both, len(OLD_SPLITS), chose, rng)
    return np.asarray(scores[:, 1] - scores[:, 0])


def old_verdict(
    out: Answers, i: int, gains: np.ndarray, overlap: float, rows: CrossedGain | None, place: int
) -> None:
    """Look at 5, 10 and 20 pairs, and let the test rows of the first five veto."""
    for pairs in (5, 10, 20):
        gain = paired_gain([0.0] * pairs, list(gains[:pairs]), overlap, OLD_SPLITS[:pairs])
        if precise_enough(gain, MIN_GAIN, 0.0):
            break
    said = verdict(gain, MIN_GAIN)
    if said is Verdict.CHANGE and rows is not None:
        error = math.sqrt(rows.row_error[place] + rows.noise[place] / 5)
        if rows.mean[place] < 0.84 * error:
            said = Verdict.UNDECIDED if gain.shrunk >= MIN_GAIN else Verdict.KEEP
    out.gain[i], out.evidence[i], out.change[i] = gain.mean, said.value, said is Verdict.CHANGE
    out.covers[i], out.pairs[i] = gain.low <= out.truth[i] <= gain.high, gain.seeds


@dataclass(frozen=True, eq=False)
class Scripted:
    """How far the best trial of a script is above its baseline, and whether it is the better."""

    claimed: np.ndarray
    better: np.ndarray


def script(studies: Studies, rng: np.random.Generator) -> Scripted:
    """20 trials of three seeds each, arms in turn; the best mean against the baseline's best."""
    number, arms = studies.truth.shape
    turn = (np.arange(SCRIPT_TRIALS) % arms)[None] if arms <= SCRIPT_TRIALS else None
    if turn is None:
        others = rng.random((number, arms - 1)).argsort(1)[:, : SCRIPT_TRIALS - 1] + 1
        tried = np.concatenate([np.zeros((number, 1), int), others], 1)
    else:
        tried = np.broadcast_to(turn, (number, SCRIPT_TRIALS))
    scores = choosing_scores(studies, tried, 3, choosing_rows(studies, rng), rng)
    means = np.nan_to_num(scores, nan=-0.3).mean(-1)
    own = np.where(tried == 0, means, -np.inf).max(1)
    best = np.where(tried == 0, -np.inf, means).argmax(1)
    place = np.arange(number)
    return Scripted(means[place, best] - own, tried[place, best] == 1)


# --- many verdicts on the same rows ---------------------------------------------------------------


def false_chains(
    chains: int, edits: int, rows: int, pairs: int, rng: np.random.Generator
) -> np.ndarray:
    """Which chains of edits that do nothing keep one of them, each kept where it is `better`.

    All verdicts of a chain are on the same rows, and each edit has row effects of its own.
    """
    studies = draw_studies(World("chain", test=rows, pool=0), 0.0, chains, rng)
    level = studies.world.level
    held = np.zeros(chains, dtype=bool)
    history: list[list[Evidence]] = [[] for _ in range(chains)]
    row = rng.normal(size=(chains, rows)) * math.sqrt(0.7)
    current = rng.normal(size=(chains, rows))
    for _ in range(edits):
        other = rng.normal(size=(chains, rows))
        values = right(level, row, other, pairs, rng) - right(level, row, current, pairs, rng)
        gain = crossed_gain(part_of(values))
        levels = np.array([level_after(each) for each in history])
        said = evidences(gain, 0.0, levels)
        for i, name in enumerate(said):
            history[i].append(Evidence(name))
        kept = said == Evidence.BETTER.value
        held |= kept
        current[kept] = other[kept]
    return held


def right(
    level: float, row: np.ndarray, own: np.ndarray, pairs: int, rng: np.random.Generator
) -> np.ndarray:
    """Which rows a model is right on, seed by seed `(chains, pairs, rows)`."""
    sd = SD / 0.103
    middle = scipy.stats.norm.ppf(level) * math.sqrt(1 + sd**2)
    easy = (middle + row + math.sqrt(0.1) * own).astype(np.float32)[:, None]
    seed = sd * rng.standard_normal((len(row), pairs, 1), dtype=np.float32)
    drawn = rng.standard_normal((len(row), pairs, row.shape[1]), dtype=np.float32)
    return (easy + seed + math.sqrt(0.2) * drawn > 0).astype(np.float32)


# --- report ---------------------------------------------------------------------------------------


def percent(hits: np.ndarray) -> str:
    """A share, in percent."""
    return f"{100 * hits.mean():5.1f}" if len(hits) else "    -"


def report(world: World, studies: int, old: int, seed: int) -> None:
    """Print a line for each gain: ours, the code before, the script with its raised margin."""
    print(f"\n{world.name}: {world.arms} arms, {world.test} test rows, {world.pool} others")
    margin, bar = 0.01, 0.0
    for gain in GAINS:
        began = time.perf_counter()
        rng = np.random.default_rng([seed, int(gain)])
        drawn = draw_studies(world, gain, studies, rng)
        mine, hand = ours(drawn, rng), script(drawn, rng)
        # The margin is raised until nulls change as rarely as ours do.
        if not gain:
            margin = max(margin, float(np.quantile(hand.claimed, 1 - mine.change.mean())))
        theirs = before(draw_studies(world, gain, old, rng), rng)
        if not gain:
            sure = np.where(theirs.change, theirs.gain, -np.inf)
            bar = max(0.0, float(np.quantile(sure, 1 - mine.change.mean(), method="higher")))
        hit = theirs.change & (theirs.better | (gain == 0))
        print(f"      before, raised: {percent(hit & (theirs.gain > bar))}")
        print_line(gain, mine, theirs, (hand.claimed > margin) & (hand.better | (gain == 0)))
        print(f"      margin {margin:.3f}, {time.perf_counter() - began:.0f} s", flush=True)


def print_line(gain: float, mine: Answers, theirs: Answers, script_changes: np.ndarray) -> None:
    """Print what one world and gain gave."""
    hit = (lambda a: a.change & a.better) if gain else (lambda a: a.change)
    wrong = mine.change & (mine.truth <= 0)
    covers = " ".join(
        f"{pairs}: {percent(mine.covers[mine.pairs == pairs])}/"
        f"{percent(mine.covers_99[mine.pairs == pairs])} ({(mine.pairs == pairs).sum()})"
        for pairs in (5, 10, 20)
    )
    bias = (mine.gain - mine.truth)[mine.change]
    kinds = " ".join(f"{kind.value} {percent(mine.evidence == kind.value)}" for kind in Evidence)
    old_bias = (theirs.gain - theirs.truth)[theirs.change]
    print(
        f"  {gain:.0f} sd  change {percent(hit(mine))} wrong {percent(wrong)} "
        f"covers {percent(mine.covers)} / {100 * mine.covers_99.mean():5.2f}  "
        f"before: change {percent(hit(theirs))} covers {percent(theirs.covers)}  "
        f"script: {percent(script_changes)}\n"
        f"      by pairs {covers}\n"
        f"      {kinds}; bias {(mine.gain - mine.truth).mean() / SD:+.2f} sd, "
        f"given change {bias.mean() / SD if len(bias) else 0:+.2f} sd "
        f"(before {old_bias.mean() / SD if len(old_bias) else 0:+.2f})"
    )


def main() -> None:
    """Run one half of the worlds, and chains of edits."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--half", choices=["build", "held-back"], default="build")
    parser.add_argument("--studies", type=int, default=6000)
    parser.add_argument("--before", type=int, default=1000, help="studies by the code before")
    parser.add_argument("--chains", type=int, default=1000)
    parser.add_argument("--only", default="", help="worlds with this in their name")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--part", type=int, default=0, help="with --parts: which share of the worlds"
    )
    parser.add_argument("--parts", type=int, default=1)
    options = parser.parse_args()
    worlds = BUILD if options.half == "build" else HELD_BACK
    for world in worlds[options.part :: options.parts]:
        if options.only in world.name:
            report(world, options.studies, options.before, options.seed)
    if options.chains:
        for rows, pairs in ((100, 10), (500, 10)):
            rng = np.random.default_rng([options.seed, rows])
            kept = false_chains(options.chains, 100, rows, pairs, rng)
            print(f"\nchains of 100 edits, {rows} rows: a false keep in {percent(kept)}")


if __name__ == "__main__":
    main()
