"""The kinds of worlds. `WORLDS` is split by a fixed rule: those with even places are `BUILD`, which
may be looked at while the rule is built; those with odd places are `HELD_BACK` and are run once, at
the end. Each kind stands in both halves, with other numbers.

Those whose validation rows the user gave were run a second time, after all others: before, they
were taken for worlds in which the test rows alone measure.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class World:
    """What is true of a data set, its arms and their trainings.

    Attributes:
        name: what is special.
        arms: how many there are beside the baseline.
        test: test rows; 0 for none.
        pool: rows that measuring seeds hold out or train on; 0 where rows are split by time, so
            that the test rows alone measure.
        share: of the pool, that a measuring seed holds out.
        choosing: choosing rows; measuring seeds train on them.
        gave_valid: whether the user gave the choosing rows, instead of having them drawn.
        gave_test: whether the user gave the test rows, which then measure alone.
        level: accuracy of the baseline.
        own_rows: share of a row's latent variance that is an arm's own on every seed.
        noise: share that each training draws anew.
        favour: deviation of what this data's training rows give an arm on every seed, in `SD`.
        tied: share of the variance between seeds that comes with the rows a seed does not train on;
            such a row is also easy for the arm that it helps.
        epochs: deviation of the noise between epochs, in `SD`.
        stopping: trainings stop at the epoch that is best on the choosing rows.
        tails: degrees of freedom of what varies from seed to seed and, for a number, row to row.
        number: the target is a number, with normal or heavy-tailed errors, and not a class.
        group: rows that belong together.
        collapse: share of trainings of all arms that break.
        other_collapse: share of trainings that break of the arms other than the baseline.
        uneven: how many times as much the arms with odd numbers vary from seed to seed.
    """

    name: str
    arms: int = 8
    test: int = 300
    pool: int = 600
    share: float = 0.25
    choosing: int = 300
    gave_valid: bool = False
    gave_test: bool = False
    level: float = 0.95
    own_rows: float = 0.1
    noise: float = 0.2
    favour: float = 0.0
    tied: float = 0.2
    epochs: float = 0.3
    stopping: bool = False
    tails: float = math.inf
    number: bool = False
    group: int = 1
    collapse: float = 0.0
    other_collapse: float = 0.0
    uneven: float = 1.0


WORLDS = (
    World("plain, 3 arms", arms=3),
    World("plain, 17 arms", arms=17),
    World("8 arms, no pool rows but few", pool=300, test=1000),
    World("50 arms", arms=50),
    World("60 test rows, small pool", test=60, pool=120, choosing=60),
    World(
        "60 test rows, validation given",
        test=60,
        pool=240,
        choosing=60,
        level=0.9,
        gave_valid=True,
    ),
    World("50,000 rows", test=10_000, pool=30_000, choosing=10_000),
    World(
        "50,000 test rows, given as validation is",
        test=50_000,
        pool=20_000,
        choosing=5_000,
        gave_valid=True,
        gave_test=True,
    ),
    World("validation given, 8 arms", test=200, pool=800, choosing=200, gave_valid=True),
    World(
        "validation given, 17 arms",
        arms=17,
        pool=800,
        share=0.5,
        choosing=400,
        test=200,
        gave_valid=True,
    ),
    World("training rows favour arms", favour=1.0, tied=0.5),
    World("training rows favour arms, 17 arms", arms=17, favour=0.6, tied=0.8, pool=600),
    World("noise between epochs", epochs=1.0),
    World("noise between epochs, 17 arms", arms=17, epochs=1.5, test=500),
    World("early stopping", stopping=True, epochs=1.0),
    World(
        "early stopping, validation given",
        stopping=True,
        epochs=0.7,
        test=200,
        pool=800,
        share=3 / 8,
        gave_valid=True,
    ),
    World("groups of 10", group=10, test=600, pool=1200),
    World("groups of 5, own rows strong", group=5, test=400, pool=800, own_rows=0.25),
    World("heavy tails of seeds", tails=3.0),
    World("heavy tails, a number", tails=4.0, number=True, test=200, pool=600),
    World("a number", number=True, arms=3, test=150, pool=450),
    World("a number, heavy tails of seeds and rows", number=True, tails=3.0, arms=17),
    World("2 % of trainings break", collapse=0.02),
    World("5 % of trainings break", collapse=0.05, arms=3),
    World("arms break in 15 %", other_collapse=0.15),
    World(
        "arms break in 15 %, 3 arms, validation given",
        arms=3,
        other_collapse=0.15,
        test=200,
        pool=800,
        share=3 / 8,
        gave_valid=True,
    ),
    World("uneven noise", uneven=3.0),
    World("uneven noise, 17 arms", arms=17, uneven=4.0, test=500),
    World("accuracy near 1", level=0.99),
    World("accuracy near 1, few rows", level=0.985, test=200, pool=400),
    World("no test rows", test=0, pool=1000),
    World("no test rows, few rows", test=0, pool=300, choosing=100, arms=3),
    World(
        "validation and test given",
        test=500,
        pool=1000,
        share=0.2,
        choosing=200,
        gave_valid=True,
        gave_test=True,
    ),
    World(
        "validation and test given, 17 arms, few rows",
        arms=17,
        test=150,
        pool=400,
        choosing=100,
        level=0.9,
        gave_valid=True,
        gave_test=True,
    ),
)
"""All of them; each kind twice."""
BUILD = WORLDS[0::2]
"""Those that the rule is built on."""
HELD_BACK = WORLDS[1::2]
"""Those that are run once, when it is built."""
