"""One study drawn from a world: its arms, its rows, and which rows a training is right on.

The formula is that of `worlds.py`, written once more for one training and one row: everything
random depends on the names of its causes, so that a row is as difficult for every arm and seed that
scores it, and a training is the same however often it is asked for.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np

from advisor.randomness import mix
from advisor.training.criterion import count_last
from benchmarks.referee.kinds import World
from benchmarks.referee.worlds import SD, Studies, breaking, draw_studies, heavy, latent

EPOCHS = 12
"""Epochs of a training."""
RATE_LOSS = 0.01
"""What a learning rate that is ten times the best, or a tenth of it, costs."""
CLASS_SHARE = 0.4
"""Share of the rows of the class that a broken training answers for all rows."""


@dataclass(frozen=True)
class Training:
    """What a training depends on.

    Attributes:
        arm: 0 for the baseline, else the number of the technique from 1.
        rate: its learning rate.
        seed: of its draws.
    """

    arm: int
    rate: float
    seed: int


@dataclass(frozen=True)
class Drawn:
    """One study drawn from a world.

    Attributes:
        number: of the study, from which all its random numbers follow.
        gain: of the first technique, in units of `SD`.
        spec: the world; its target is a class.
        rate_loss: what a learning rate that is not an arm's best costs; 0 where none matters.
    """

    number: int
    gain: float
    spec: World
    rate_loss: float = RATE_LOSS

    @property
    def rows(self) -> int:
        """How many rows the data have."""
        return self.spec.test + self.spec.pool + self.spec.choosing

    @property
    def names(self) -> list[str]:
        """The names of the techniques."""
        return [f"t{i}" for i in range(self.spec.arms)]

    def best_rate(self, arm: int) -> float:
        """The learning rate that suits an arm best."""
        return float(10 ** (-3 + self._normal(1, "rate", arm)[0] / 2))

    def mean_score(self, arm: int, rate: float) -> float:
        """The score of an arm on endless rows, averaged over seeds, above the world's level."""
        return float(self._studies.truth[0, arm]) - self._loss(arm, rate)

    def right(
        self, one: Training, rows: np.ndarray, targets: np.ndarray, missed: float | None = None
    ) -> np.ndarray:
        """Which rows a training is right on after each epoch `(epochs, rows)`.

        `missed` is by how much the pool rows that it did not train on would have helped its arm; it
        has the variance 1. None where it trained on all of them.
        """
        spec = self.spec
        epochs = spec.epochs * SD * self._normal(EPOCHS, "epochs", *vars(one).values())
        if self._breaks(one):
            return np.broadcast_to(targets == 0, (EPOCHS, len(rows)))

        # Half of what a seed does is done to all arms alike.
        spread = float(self._studies.spread[one.arm])
        both = self._heavy("seed", one.seed) + self._heavy("draw", *vars(one).values())
        effect = both / math.sqrt(2) * spread
        if missed is not None:
            effect = math.sqrt(1 - spec.tied) * effect
            effect -= math.sqrt(spec.tied / 2) * missed * spread

        # A latent number above zero is a right answer; its middle is such that the mean is true.
        middle, slope = self._latent(one.arm, one.rate)
        value = math.sqrt(1 - spec.own_rows - spec.noise) * self._easy(None)[rows // spec.group]
        value = value + math.sqrt(spec.own_rows) * self._easy(one.arm)[rows // spec.group]
        drawn = self._normal(self.rows, "rows of", *vars(one).values())[rows]
        value = value + math.sqrt(spec.noise) * drawn + middle
        return value + ((effect + epochs) / slope)[:, None] > 0

    def missed(self, arm: int, pool: np.ndarray, held: np.ndarray) -> float | None:
        """What the rows of the pool that are held out give an arm, with variance 1; None for none.

        A row that helps an arm where it is trained on is easy for the arm.
        """
        pool, held = np.unique(pool // self.spec.group), np.unique(held // self.spec.group)
        share = len(held) / len(pool)
        if not share:
            return None
        easy = self._easy(arm)
        over = easy[held] - easy[pool].mean()
        return float(over.sum()) / math.sqrt(len(pool) * share * (1 - share))

    def score(self, one: Training, rows: np.ndarray) -> float:
        """The score of one training on some rows, by its last epochs."""
        last = self.right(one, rows, self.targets[rows])[-count_last(EPOCHS) :]
        return float(last.mean())

    @property
    def targets(self) -> np.ndarray:
        """The class of each row."""
        return (np.arange(self.rows) % 10 >= 10 * CLASS_SHARE).astype("int64")

    @cached_property
    def _studies(self) -> Studies:
        rng = np.random.default_rng(mix(self.number, "study"))
        return draw_studies(self.spec, self.gain, 1, rng)

    @cached_property
    def _easy(self) -> Callable[[int | None], np.ndarray]:
        """How easy groups of rows are for an arm; for all arms alike where it is None."""
        groups = -(-self.rows // self.spec.group)
        return cache(lambda arm: self._normal(groups, "easy", arm))

    @cached_property
    def _latent(self) -> Callable[[int, float], tuple[float, float]]:
        """The middle of an arm's latent number, and how fast a score follows it."""

        def found(arm: int, rate: float) -> tuple[float, float]:
            truth = np.array([[self.mean_score(arm, rate)]])
            middle, slope = latent(self._studies, np.array([[arm]]), truth)
            return float(middle[0, 0]), slope

        return cache(found)

    def _loss(self, arm: int, rate: float) -> float:
        """What a rate that is not the arm's best costs."""
        return self.rate_loss * math.log10(rate / self.best_rate(arm)) ** 2

    def _breaks(self, one: Training) -> bool:
        share = breaking(self.spec, np.array(one.arm))
        return bool(self._rng("breaks", *vars(one).values()).random() < share)

    def _heavy(self, *causes: object) -> float:
        return float(heavy(self._rng(*causes), self.spec.tails, (1,))[0])

    def _normal(self, count: int, *causes: object) -> np.ndarray:
        return self._rng(*causes).standard_normal(count)

    def _rng(self, *causes: object) -> np.random.Generator:
        return np.random.default_rng(mix(self.number, *causes))


def place_of(name: str) -> int:
    """The number of an arm from the name of its technique; 0 for the baseline."""
    return int(name[1:]) + 1 if name[1:].isdigit() else 0
