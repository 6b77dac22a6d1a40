"""Jobs that are done as one computation, and what becomes of them where they cannot be."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from advisor.training.ended import Ended
from advisor.work.crews import crew
from advisor.work.prepare import prepare
from advisor.work.stacked import (
    StackedJob,
    blocks_of_places,
    run_stacked,
    why_no_stack,
    work_on_stack,
)

TECHNIQUE = """
import os, advisor
class Odd(advisor.Technique):
    name, slot = "odd", "initializer"
    def apply(self, run):
        {body}
@advisor.hookimpl
def techniques():
    return [Odd()]
"""


@pytest.fixture
def seeds(ref, job, write):
    """Measuring jobs of four seeds, whose technique does what is given on one line."""

    def seeds(body=None):
        study, own = ref, {}
        if body is not None:
            study = replace(ref, plugins=(write("odd.py", TECHNIQUE.format(body=body)),))
            own = {"initializer": "odd"}
        first = job(study, body, **own)
        return {
            seed: replace(first, seed=seed, split=seed, measures=True, name=f"seed {seed}")
            for seed in range(4)
        }

    return seeds


def numbers(outcomes):
    """What must not depend on how jobs were done."""
    return {
        key: (
            [pytest.approx((each.score, each.loss), abs=1e-5) for each in outcome.curve],
            pytest.approx(outcome.test, abs=1e-5),
            {name: pytest.approx(each.added, abs=1e-5) for name, each in outcome.rows.items()},
            outcome.ended,
            outcome.why,
            outcome.actions,
        )
        for key, outcome in sorted(outcomes.items())
    }


def plain(outcomes):
    return {
        key: (
            [(each.score, each.loss) for each in outcome.curve],
            outcome.test,
            {name: each.added for name, each in outcome.rows.items()},
            outcome.ended,
            outcome.why,
            outcome.actions,
        )
        for key, outcome in sorted(outcomes.items())
    }


@pytest.mark.parametrize("workers", [0, 2])
def test_jobs_of_a_stack_have_the_outcomes_that_they_have_alone(seeds, workers):
    jobs = seeds()
    with crew(workers) as workforce:
        alone = dict(workforce.run(jobs))
        together = dict(run_stacked(workforce, jobs, [(0, 1, 2), (3,)]))
    assert plain(together) == numbers(alone)
    assert all(len(each.rows) == 2 and each.costs["training"] > 0 for each in together.values())


def test_a_stack_says_that_it_was_one(seeds):
    done = work_on_stack(StackedJob.of(list(seeds().values())))
    assert [len(each.curve) for each in done.outcomes] == [2] * 4
    assert done.alone == []


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("run.each_step.append(print)", "a technique has set run.each_step"),
        ("run.later.append((run.model.first.weight, .5))", "begin to train later"),
        ("os.environ['ODD'] = str(run.seed)", "something for the whole process"),
    ],
)
def test_an_arm_that_cannot_be_a_stack_says_why(seeds, body, why):
    done = work_on_stack(StackedJob.of(list(seeds(body).values())))
    assert done.outcomes == [None] * 4
    assert why in done.alone[0]


def test_such_an_arm_is_trained_one_by_one_and_the_reason_is_logged(seeds, caplog):
    jobs = seeds("run.later.append((run.model.first.weight, .5))")
    with crew(0) as workforce, caplog.at_level("INFO", "advisor.stacks"):
        together = dict(run_stacked(workforce, jobs, [tuple(jobs)]))
        assert plain(together) == numbers(dict(workforce.run(jobs)))
    assert "4 of 4 trainings are done one by one: some of its parameters begin" in caplog.text


def test_a_seed_that_a_technique_breaks_costs_no_other_of_its_stack(seeds):
    jobs = seeds("assert run.seed != 2, 'not this one'")
    done = work_on_stack(StackedJob.of(list(jobs.values())))
    assert [each.ended for each in done.outcomes] == [None, None, Ended.FAILED, None]
    assert "not this one" in done.outcomes[2].why
    with crew(0) as workforce:
        alone = dict(workforce.run(jobs))
    assert plain(dict(enumerate(done.outcomes))) == numbers(alone)


def test_a_seed_whose_worker_dies_costs_no_other_of_its_stack(seeds):
    jobs = seeds("os._exit(0) if run.seed == 2 else None")
    with crew(2) as workforce:
        outcomes = dict(run_stacked(workforce, jobs, [tuple(jobs)]))
    assert [outcomes[seed].ended for seed in range(4)] == [None, None, Ended.FAILED, None]
    assert "its worker process ended 3 times" in outcomes[2].why


def test_a_stack_whose_worker_is_killed_is_done_again_as_a_stack(seeds, tmp_path, caplog):
    mark = tmp_path / "killed"
    once = f"p = {str(mark)!r}; n = os.path.exists(p); open(p, 'w').close()"
    jobs = seeds(f"{once}; n or os.kill(os.getpid(), 9)")
    with crew(1) as workforce, caplog.at_level("INFO", "advisor.stacks"):
        together = dict(run_stacked(workforce, jobs, [tuple(jobs)]))
        assert mark.exists()
        assert plain(together) == numbers(dict(workforce.run(jobs)))
    assert not caplog.text, "nothing was done one by one"


def test_a_stack_may_take_as_long_as_its_jobs_may(seeds):
    jobs = [replace(each, seconds=10.0) for each in seeds().values()]
    assert StackedJob.of(jobs).seconds == 40.0
    assert StackedJob.of(jobs).name == "seed 0 and 3 beside it"


def test_places_of_seeds_are_grouped_by_their_numbers_alone():
    assert blocks_of_places(range(5)) == [[0, 1, 2, 3, 4]]
    assert [len(each) for each in blocks_of_places(range(20))] == [5, 5, 10]
    assert blocks_of_places([3, 4, 5, 12]) == [[3, 4], [5], [12]]


def test_the_model_as_it_is_says_whether_a_study_has_stacks(ref):
    prepared = prepare(ref)
    assert why_no_stack(prepared, 10, 16) is None
    assert "too few" in why_no_stack(prepared, 1, 16)
    assert "loop of the user's own" in why_no_stack(replace(prepared, loop=object()), 10, 16)
    broken = SimpleNamespace(has_rows=True, loop=None, study=prepared.study)
    assert "run" in why_no_stack(broken, 10, 16)
    script = SimpleNamespace(has_rows=False)
    assert why_no_stack(script, 10, 16) == "a script trains by itself"
