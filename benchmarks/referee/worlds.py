"""Worlds by formula: studies from the first trial to the verdict, thousands in seconds.

Rows have a difficulty, arms are right on rows, splits are drawn from rows, training rows favour an
arm. `kinds.py` lists the worlds, `rules.py` runs rules on them, `simulated.py` the real search and
confirmation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
import scipy.stats

from advisor.verdict.crossed import MeasuredRows, part_of
from advisor.verdict.racing import NUMBERS_OF_PAIRS, pairs_for, still_possible
from benchmarks.referee.kinds import World

SD = 0.007
"""Deviation of a score from seed to seed, on endless rows."""
MIN_GAIN = 0.005
"""The smallest gain worth having."""
GAINS = (0.0, 1.0, 2.0, 4.0)
"""How much better the better arm is, in units of `SD`."""
CHOOSING_SEEDS = 3
"""Seeds that choose."""
NOMINEES = 3
"""Arms that the search sends to the choosing seeds."""
MANY_ROWS = 4000
"""From so many rows on, sums over rows are drawn from their normal limit."""
SCRIPT_TRIALS = 20
"""Trials of the script, of three seeds each."""
ROW_SCALE = 0.15
"""Deviation of what a row adds to a score that is a number."""
CELLS = 20_000_000
"""Numbers held in memory at once."""


# --- arms and seeds -------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Studies:
    """Many studies of one world, each with its arms; the first is the baseline.

    Attributes:
        truth: score of each arm on endless new rows, given this data `(studies, arms + 1)`.
        spread: deviation of a score from seed to seed, arm by arm `(arms + 1,)`.
        shared, total: variance of a row's gain that all pairs have, and in one pair.
    """

    world: World
    truth: np.ndarray
    spread: np.ndarray
    shared: float
    total: float


def ceiling(world: World, gain: float) -> float:
    """A gain in units of `SD` as a difference of scores, which end at 1."""
    return gain * SD if world.number else min(gain * SD, 0.9 * (1 - world.level))


def draw_studies(world: World, gain: float, studies: int, rng: np.random.Generator) -> Studies:
    """Arms of which the second is better by `gain`, and what this data gives each of them."""
    arms = world.arms + 1
    truth = np.zeros((studies, arms))
    truth[:, 1] += ceiling(world, gain)
    truth += world.favour * SD / math.sqrt(2) * rng.normal(size=truth.shape)
    truth = np.minimum(truth, 0.95 * (1 - world.level)) if not world.number else truth
    spread = SD * np.where(np.arange(arms) % 2 == 1, world.uneven, 1.0)
    shared, total = row_variances(world)
    return Studies(world, truth, spread, shared, total)


@cache
def row_variances(world: World) -> tuple[float, float]:
    """The variance of a row's gain that all pairs have, and that in one pair, without a gain."""
    if world.number:
        scale = 2 * ROW_SCALE**2
        return scale * world.own_rows, scale * (world.own_rows + world.noise)
    rng = np.random.default_rng(0)
    row = rng.normal(size=(200_000, 1)) * math.sqrt(1 - world.own_rows - world.noise)
    own = rng.normal(size=(200_000, 2)) * math.sqrt(world.own_rows)
    middle = scipy.stats.norm.ppf(world.level) + row + own
    right = scipy.stats.norm.cdf(middle / math.sqrt(world.noise))
    shared = float(np.var(right[:, 1] - right[:, 0]))
    return shared, shared + float(np.mean((right * (1 - right)).sum(1)))


def heavy(rng: np.random.Generator, tails: float, size: tuple[int, ...]) -> np.ndarray:
    """Numbers of variance 1 with so many degrees of freedom."""
    if math.isinf(tails):
        return rng.standard_normal(size, dtype=np.float32)
    return (rng.standard_t(tails, size) * math.sqrt((tails - 2) / tails)).astype(np.float32)


def seed_effects(
    studies: Studies, arms: np.ndarray, seeds: int, rng: np.random.Generator
) -> np.ndarray:
    """What a seed does to the scores of arms `(studies, arms, seeds)`; half of it to all alike."""
    world, (number, count) = studies.world, arms.shape
    both = heavy(rng, world.tails, (number, 1, seeds))
    alone = heavy(rng, world.tails, (number, count, seeds))
    return (both + alone) / math.sqrt(2) * studies.spread[arms][..., None]


def choosing_scores(
    studies: Studies, arms: np.ndarray, seeds: int, rows: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Scores of arms on the choosing rows `(studies, arms, seeds)`, NaN where a training broke.

    `rows` is what these rows give each arm on every seed `(studies, arms + 1)`.
    """
    world = studies.world
    place = np.arange(len(arms))[:, None]
    score = (studies.truth[place, arms] + rows[place, arms])[..., None]
    score = score + seed_effects(studies, arms, seeds, rng)
    noise = math.sqrt((studies.total - studies.shared) / 2 / world.choosing * world.group)
    score = score + noise * rng.normal(size=score.shape)
    # A score is the mean over three epochs; who stops at the best epoch keeps its luck.
    epochs = world.epochs * SD * rng.normal(size=(*score.shape, 3))
    score = score + (epochs.max(-1) if world.stopping else epochs.mean(-1))
    return np.where(rng.random(score.shape) < breaking(world, arms)[..., None], np.nan, score)


def breaking(world: World, arms: np.ndarray) -> np.ndarray:
    """The share of trainings of each arm that break."""
    return np.where(arms > 0, 1 - (1 - world.collapse) * (1 - world.other_collapse), world.collapse)


def choosing_rows(studies: Studies, rng: np.random.Generator) -> np.ndarray:
    """What the choosing rows give each arm on every seed `(studies, arms + 1)`."""
    sd = math.sqrt(studies.shared / 2 / studies.world.choosing * studies.world.group)
    return sd * rng.normal(size=studies.truth.shape)


@dataclass(frozen=True, eq=False)
class Choice:
    """The arm that is measured in each study, how many pairs measure it, trainings spent so far."""

    arm: np.ndarray
    pairs: np.ndarray
    trainings: np.ndarray


def choose(studies: Studies, rows: np.ndarray, rng: np.random.Generator) -> Choice:
    """Nominate by the best of three trials on one seed, then race on choosing seeds."""
    number, arms = studies.truth.shape
    every = np.broadcast_to(np.arange(arms), (number, arms))
    trials = [choosing_scores(studies, every, 1, rows, rng)[..., 0] for _ in range(3)]
    searched = np.max(np.nan_to_num(trials, nan=-1.0), 0)
    best = 1 + np.argsort(-searched[:, 1:], 1)[:, :NOMINEES]
    entered = np.concatenate([np.zeros((number, 1), int), best], 1)
    scores = choosing_scores(studies, entered, CHOOSING_SEEDS, rows, rng)
    arm, pairs, trained = np.zeros(number, int), np.zeros(number, int), np.zeros(number, int)
    for i in range(number):
        place, pairs[i], trained[i] = race(scores[i])
        arm[i] = entered[i, place]
    return Choice(arm, pairs, trained)


def race(scores: np.ndarray) -> tuple[int, int, int]:
    """The arm that wins, the number of pairs, trainings spent; the first arm is the baseline."""
    scores = scores.copy()
    going = list(range(len(scores)))
    trained = 0
    for seed in range(scores.shape[1]):
        trained += len(going)
        scores[[i for i in range(len(scores)) if i not in going], seed] = np.nan
        broken = [i for i in going if not np.isfinite(scores[i, seed])]
        going = sorted({*still_possible(scores[:, : seed + 1], [0]), *broken})
    # An arm that broke ranks behind those that broke less.
    means = [np.nanmean(row) if np.isfinite(row).any() else -np.inf for row in scores]
    sound = np.isfinite(scores).sum(1)
    best = max((i for i in going if i), key=lambda i: (sound[i], means[i]), default=1)
    # That an arm breaks more often than another takes many pairs to tell.
    if not np.isfinite(scores[[0, best]]).all():
        return best, NUMBERS_OF_PAIRS[-1][1], trained
    return best, pairs_for(scores, 0, best), trained


# --- rows -----------------------------------------------------------------------------------------


def held_rows(world: World, number: int, splits: int, rng: np.random.Generator) -> np.ndarray:
    """Which groups of the pool each split holds out `(number, splits, groups)`."""
    groups = world.pool // world.group
    order = rng.random((number, splits, groups), dtype=np.float32)
    cut = np.partition(order, int(world.share * groups), -1)[..., int(world.share * groups)]
    return order < cut[..., None]


def measured(
    studies: Studies,
    arm: np.ndarray,
    truth: np.ndarray,
    splits: list[int],
    rng: np.random.Generator,
) -> tuple[MeasuredRows | None, MeasuredRows | None]:
    """What pairs say of the test rows and of the rows that they held out.

    Arguments:
        studies: of one world.
        arm: the other arm of each study `(studies,)`.
        truth: the score of both arms on endless rows `(studies, 2)`.
        splits: the split of each pair.
        rng: of the draws.
    """
    world, number, pairs = studies.world, len(arm), len(splits)
    both = np.stack([np.zeros_like(arm), arm], 1)
    effects = seed_effects(studies, both, pairs, rng)
    if world.test + world.pool >= MANY_ROWS:
        return limits(studies, effects, truth, rng)

    # What a seed does not train on costs the arms that those rows help.
    held, own = None, None
    if world.pool:
        held = held_rows(world, number, max(splits) + 1, rng)[:, splits]
        own = rng.standard_normal((number, held.shape[-1], 2), dtype=np.float32)
        missed = np.einsum(
            "nsg,nga->nas", held.astype(np.float32), own - own.mean(1, keepdims=True)
        )
        missed /= math.sqrt(held.shape[-1] * world.share * (1 - world.share))
        effects = math.sqrt(1 - world.tied) * effects
        effects = effects - math.sqrt(world.tied / 2) * missed * studies.spread[both][..., None]
    noise = world.epochs * SD / math.sqrt(3) * rng.normal(size=effects.shape)
    effects = effects + noise * (0.8 if world.stopping else 1.0)
    test = rest = None
    if world.test:
        fresh = rng.standard_normal((number, world.test // world.group, 2), dtype=np.float32)
        test = part_of(*rows_of(studies, effects, both, truth, fresh, rng))
    if held is not None and not world.gave_test:
        values, groups = rows_of(studies, effects, both, truth, own, rng)
        rest = part_of(
            np.where(np.repeat(held, world.group, -1), values, np.float32(np.nan)), groups
        )
    return test, rest


def rows_of(
    studies: Studies,
    effects: np.ndarray,
    both: np.ndarray,
    truth: np.ndarray,
    own: np.ndarray,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray | None]:
    """What each row adds to the gain of each pair `(studies, pairs, rows)`, and groups of rows.

    `own` is how easy groups of rows are for each arm `(studies, groups, 2)`.
    """
    world = studies.world
    number, _, pairs = effects.shape
    own = np.repeat(own, world.group, 1).transpose(0, 2, 1)[:, :, None, :]
    rows = own.shape[-1]
    groups = np.arange(rows) // world.group if world.group > 1 else None
    drawn = heavy(rng, world.tails if world.number else math.inf, (number, 2, pairs, rows))
    if world.number:
        tail = own if math.isinf(world.tails) else np.sign(own) * np.abs(own) ** 1.5 / 1.26
        value = math.sqrt(world.own_rows) * tail + math.sqrt(world.noise) * drawn
        seed = (truth[:, :, None] + effects).astype(np.float32)
        value = seed[..., None] + value * np.float32(ROW_SCALE)
        return value[:, 1] - value[:, 0], groups

    # A latent number above zero is a right answer; its middle is such that the mean is the truth.
    middle, slope = latent(studies, both, truth)
    row = rng.standard_normal((number, 1, 1, rows // world.group), dtype=np.float32)
    row = np.repeat(row, world.group, -1) * math.sqrt(1 - world.own_rows - world.noise)
    value = row + math.sqrt(world.own_rows) * own + math.sqrt(world.noise) * drawn
    seed = (middle[..., None] + effects / slope).astype(np.float32)
    right = value > -seed[..., None]
    return right[:, 1].astype(np.float32) - right[:, 0], groups


def latent(studies: Studies, both: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, float]:
    """The middle of each arm's latent number `(studies, 2)`, and how fast a score follows it."""
    world = studies.world
    slope = float(scipy.stats.norm.pdf(scipy.stats.norm.ppf(world.level)))
    ties = 1 - world.tied / 2 if world.pool else 1.0
    variance = (ties * studies.spread[both] ** 2 + (world.epochs * SD) ** 2 / 3) / slope**2
    score = np.clip(world.level + truth, 1e-6, 1 - 1e-6)
    return scipy.stats.norm.ppf(score) * np.sqrt(1 + variance), slope


def limits(
    studies: Studies,
    effects: np.ndarray,
    truth: np.ndarray,
    rng: np.random.Generator,
) -> tuple[MeasuredRows | None, MeasuredRows | None]:
    """The same for many rows, from the normal limit of sums over rows."""
    world = studies.world
    number = len(effects)
    gain = (truth[:, 1] - truth[:, 0])[:, None] + effects[:, 1] - effects[:, 0]
    parts: list[MeasuredRows | None] = []
    rest = 0 if world.gave_test else world.pool
    for rows, share in ((world.test, 1.0), (rest, world.share)):
        if not rows:
            parts.append(None)
            continue
        own, overlap = 1 / (rows * share), 1 / rows
        alone = studies.total * own - studies.shared * overlap
        means = gain + math.sqrt(studies.shared * overlap) * rng.normal(size=(number, 1))
        means = means + math.sqrt(alone) * rng.normal(size=gain.shape)
        parts.append(part_in_the_limit(studies, means, own, overlap, rows, share, rng))
    return parts[0], parts[1]


def part_in_the_limit(
    studies: Studies,
    means: np.ndarray,
    own: float,
    overlap: float,
    rows: int,
    share: float,
    rng: np.random.Generator,
) -> MeasuredRows:
    """A part of many rows, its estimates with the noise that so many rows leave."""
    number, pairs = means.shape
    mine = studies.total - studies.shared
    times = max(2.0, share * pairs)
    variance = (2 * studies.shared**2 + 4 * studies.shared * mine / times) / rows
    variance += 2 * mine**2 / (times * (times - 1) * rows)
    shared = studies.shared + math.sqrt(variance) * rng.normal(size=number)
    full = np.ones(number)
    weight = rows * (times - 1)
    return MeasuredRows(
        means,
        studies.total * full,
        shared,
        variance * full,
        weight * full,
        own * full,
        overlap * full,
        rows,
        rows,
    )
