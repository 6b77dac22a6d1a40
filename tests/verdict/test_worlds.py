"""The worlds by formula, small: their truth is their truth, and what is said of many is said of one."""

import numpy as np
import pytest

from advisor.verdict.crossed import crossed_gain, part_of
from advisor.verdict.evidence import evidence_of
from benchmarks.referee.kinds import BUILD, HELD_BACK, WORLDS, World
from benchmarks.referee.rules import evidences, false_chains, ours
from benchmarks.referee.worlds import MIN_GAIN, SD, draw_studies, measured


def test_every_kind_of_world_stands_in_both_halves():
    assert len(BUILD) == len(HELD_BACK) == len(WORLDS) / 2
    assert not {world.name for world in BUILD} & {world.name for world in HELD_BACK}
    for half in (BUILD, HELD_BACK):
        for kind in ("favour", "collapse", "other_collapse", "stopping", "number"):
            assert any(getattr(world, kind) for world in half)
        assert any(world.group > 1 for world in half)
        assert any(world.uneven > 1 for world in half)
        assert any(world.gave_valid and not world.gave_test for world in half)
        assert any(world.gave_valid and world.gave_test for world in half)
        assert any(not world.test for world in half)


@pytest.mark.parametrize(
    "world",
    [
        World("plain", test=100, pool=200),
        World("groups", test=100, pool=200, group=5),
        World("a number", test=100, pool=200, number=True),
        World("many", test=5000, pool=5000),
        World("near 1", test=100, pool=200, level=0.99),
    ],
    ids=lambda world: world.name,
)
def test_the_measured_gain_is_the_truth_on_average(world):
    rng = np.random.default_rng(0)
    studies = draw_studies(world, 2.0, 1500, rng)
    arm = np.ones(1500, int)
    test, rest = measured(studies, arm, studies.truth[:, :2], list(range(5)), rng)
    truth = (studies.truth[:, 1] - studies.truth[:, 0]).mean()
    for part in (test, rest):
        means = part.means.mean(-1)
        assert means.mean() == pytest.approx(truth, abs=4 * means.std() / np.sqrt(1500))


def test_a_null_seldom_changes_and_a_large_gain_mostly():
    world = World("small", arms=3, test=200, pool=200)
    none, large = (
        ours(draw_studies(world, gain, 300, np.random.default_rng(1)), np.random.default_rng(2))
        for gain in (0.0, 6.0)
    )
    assert none.change.mean() <= 0.02
    assert none.covers.mean() > 0.91
    assert (large.change & large.better).mean() > 0.9
    assert np.mean(large.gain - large.truth) == pytest.approx(0, abs=0.15 * SD)


def test_the_evidence_of_many_studies_is_that_of_each():
    rng = np.random.default_rng(3)
    values = rng.normal(0, 0.02, (60, 6, 40)) + rng.normal(0, 0.006, (60, 1, 1))
    said = evidences(crossed_gain(part_of(values)), MIN_GAIN, 0.99)
    each = [evidence_of(crossed_gain(part_of(one)), MIN_GAIN).value for one in values]
    assert list(said) == each
    assert len(set(each)) >= 4


def test_chains_of_edits_that_do_nothing_seldom_keep_one():
    kept = false_chains(40, 30, 100, 5, np.random.default_rng(0))
    assert kept.mean() <= 0.1
