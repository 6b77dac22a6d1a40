"""The plan, the rounds, the coordinator, executors; real studies in seconds."""

import json
import math
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace

import optuna
import pytest
import torch
from optuna.trial import TrialState, create_trial
from torch import nn

import advisor
from advisor.errors import InputError, SearchError
from advisor.search import stages
from advisor.search.plan import RATE, Plan, make_plan
from advisor.search.sampler import distributions, propose
from advisor.search.search import Search
from advisor.store.database import Database
from advisor.store.query import read
from advisor.work.executors import Crew, Serial, local_pool
from advisor.work.job import Job, work
from advisor.work.prepare import setup
from advisor.work.study_ref import StudyRef, host_of


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(4, 8), nn.Linear(8, 2)

    def forward(self, x):
        return self.last(torch.relu(self.first(x)))


def study(data, name="blobs", **options):
    options = {"trials": 14, "epochs": 3, **options}
    return advisor.Study(name, advisor.Task(build=Net, data=data), **options)


@pytest.fixture
def question(blobs):
    return StudyRef.of(study(blobs))


@pytest.fixture
def plan(question):
    return make_plan(setup(question), host_of(question))


def finished(plan, choices, value, rate=1e-3, state=TrialState.COMPLETE):
    params = {**choices, **plan.defaults_of(choices), RATE: rate}
    return create_trial(
        params=params, distributions=distributions(plan, params), value=value, state=state
    )


def numbered(trials):
    memory = optuna.create_study(direction="maximize")
    memory.add_trials(trials)
    return memory.get_trials()


def test_the_plan_has_keep_first_in_every_slot_and_says_why_the_rest_does_not_fit(plan):
    assert all(names[0] == "keep" for names in plan.options.values())
    why = {(skip.slot, skip.technique): skip.why for skip in plan.skipped}
    assert why["activation", "relu"] == "the model has it already"
    assert "no embedding table" in why["embedding", "cbow"]


def test_a_plan_survives_json(plan):
    again = Plan.from_json(json.loads(json.dumps(plan.to_json())))
    assert again == plan


def test_rungs_are_of_at_least_twenty_steps():
    from advisor.search.plan import rungs_of

    assert rungs_of(24, steps=30) == [1, 3, 9, 24]
    assert rungs_of(100, steps=4) == [5, 15, 45, 100]
    assert rungs_of(2, steps=100) == [2]


def test_only_narrows_a_slot_and_refuses_names_that_do_not_exist(blobs):
    asked = StudyRef.of(study(blobs, only={"activation": ["elu"], "initializer": []}))
    narrowed = make_plan(setup(asked), host_of(asked))
    assert narrowed.options["activation"] == ["keep", "elu"]
    assert narrowed.options["initializer"] == ["keep"]
    for only, words in (
        ({"activations": []}, "Did you mean 'activation'"),
        ({"activation": ["eluu"]}, "Did you mean 'elu'"),
    ):
        wrong = StudyRef.of(study(blobs, only=only))
        with pytest.raises(InputError, match=words):
            make_plan(setup(wrong), host_of(wrong))


def test_the_opening_is_the_model_as_it_is_and_then_each_technique_alone_at_its_defaults(plan):
    current = stages.next_round(plan, [], 60)
    assert (current.stage, current.size) == (stages.OPEN, len(plan.alone()))
    first = stages.fixed(plan, current, [], 1.0)
    assert {name for name in first.values() if isinstance(name, str)} == {"keep"}
    assert first[RATE] == pytest.approx(1e-3)
    alone = [sum(name != "keep" for name in choices.values()) for choices in plan.alone()]
    assert alone == [0] + [1] * (len(alone) - 1)


def test_what_was_hopeless_alone_is_tried_with_the_best_technique_of_another_slot(plan):
    def opening(choices):
        if choices["activation"] != "keep":
            return finished(plan, choices, None, state=TrialState.PRUNED)
        return finished(plan, choices, {"lsuv": 0.9, "he": 0.8}.get(choices["initializer"], 0.1))

    trials = numbered([opening(choices) for choices in plan.alone()])
    assert stages.joined(plan, trials) == []  # cut for time, say; not hopeless
    for trial in trials:
        if trial.value is None:
            trial.set_user_attr("ended", "hopeless")
    activations = [name for name in plan.options["activation"] if name != "keep"]
    found = {pair["activation"]: pair for pair in stages.joined(plan, trials)}
    assert list(found) == activations
    for name, pair in found.items():
        own_start = "initializer" in plan.settles.get(f"activation.{name}", ())
        assert own_start or pair == {**plan.baseline, "activation": name, "initializer": "lsuv"}
        assert not plan.settled(pair)
    current = stages.next_round(plan, trials, 60)
    assert (current.stage, current.size) == (stages.JOIN, len(activations))
    assert (
        stages.fixed(plan, current, trials, 1.0).items()
        >= {"activation": activations[0], "initializer": "lsuv"}.items()
    )
    nothing = numbered(
        [finished(plan, choices, None, state=TrialState.PRUNED) for choices in plan.alone()]
    )
    assert stages.next_round(plan, nothing, 60).stage == stages.FAIR


def test_a_package_is_never_proposed_beside_what_it_settles(plan):
    packages = [
        name.partition(".")[2] for name, slots in plan.settles.items() if "initializer" in slots
    ]
    assert packages
    trials = numbered([finished(plan, choices, 0.5) for choices in plan.alone()])
    for seed in range(20):
        for forced in (
            {"activation": packages[0]},
            {"initializer": "lsuv"},
            {"activation": packages[0], "initializer": "lsuv"},
        ):
            found = propose(plan, trials, "maximize", seed, forced)
            assert (
                "keep" in (found["activation"], found["initializer"])
                or found["activation"] not in packages
            )
            assert len(forced) == 2 or found.items() >= forced.items()


def told(trials, stage, **attributes):
    for trial in trials:
        trial.user_attrs |= {"stage": stage, **attributes}
    return trials


def narrowed(plan, most):
    """The plan with this many of its techniques, and further ones that exist by name only."""
    kept = [
        next((s, n) for s, n in choices.items() if n != "keep")
        for choices in plan.alone()[1 : 1 + most]
    ]
    kept += [("initializer", f"more_{i}") for i in range(most - len(kept))]
    return replace(
        plan, options={slot: ["keep", *(n for s, n in kept if s == slot)] for slot in plan.options}
    )


def counted(plan, trials):
    return [len(stages.of_arm(plan, trials, home)) for home in stages.homes(plan, trials, 1.0)]


@pytest.mark.parametrize(
    ("techniques", "total", "quota"),
    [(3, 60, 3), (17, 60, 2), (17, 20, 1), (3, 8, 1), (17, 200, 3)],
)
def test_every_technique_and_the_baseline_get_the_same_number_of_trials_before_anything_else(
    plan, techniques, total, quota
):
    few, trials = narrowed(plan, techniques), []
    while (current := stages.next_round(few, trials, total)) and current.stage in (
        stages.OPEN,
        stages.FAIR,
    ):
        for _ in range(current.size):
            given = stages.fixed(few, current, numbered(trials), 1.0)
            arm = {slot: given[slot] for slot in few.options}
            trials += told([finished(few, arm, 0.5, given[RATE])], current.stage)
        trials = numbered(trials)
    assert counted(few, trials) == [quota] * (1 + techniques)
    tried = {
        tuple(trial.params[RATE] for trial in stages.of_arm(few, trials, home))
        for home in few.alone()
    }
    assert len(tried) == 1, "all with the same learning rates"
    assert len(set(next(iter(tried)))) == quota
    assert current is None or current.stage == stages.EXPLORE


def test_the_quota_counts_the_joined_pair_and_skips_what_no_learning_rate_can_change(plan):
    few = narrowed(plan, 4)
    trials = numbered([finished(few, choices, 0.5) for choices in few.alone()])
    trials[1] = finished(few, few.alone()[1], None, state=TrialState.PRUNED)
    trials[2] = finished(few, few.alone()[2], None, state=TrialState.FAIL)
    told([trials[1]], stages.OPEN, ended="hopeless", why="not trained: the signal collapses")
    told([trials[2]], stages.OPEN, ended="failed", why="ValueError")
    trials = numbered(trials)
    assert stages.joined(few, trials) == []  # all four sit in one slot
    current = stages.next_round(few, trials, 60)
    assert (current.stage, current.size) == (stages.FAIR, 3)
    wide = numbered([finished(plan, choices, 0.5) for choices in plan.alone()])
    told([wide[1]], stages.OPEN, ended="hopeless").clear()
    wide[1].values, wide[1].state = None, TrialState.PRUNED
    (pair,) = stages.joined(plan, wide)
    wide = numbered([*wide, finished(plan, pair, 0.4)])
    current = stages.next_round(plan, wide, 60)
    asked = [stages.fixed(plan, current, wide, 1.0)]
    for _ in range(current.size - 1):
        wide = numbered(
            [
                *wide,
                finished(
                    plan, {slot: asked[-1][slot] for slot in plan.options}, 0.5, asked[-1][RATE]
                ),
            ]
        )
        asked.append(stages.fixed(plan, current, wide, 1.0))
    arms = [{slot: given[slot] for slot in plan.options} for given in asked]
    assert pair in arms
    assert plan.alone()[1] not in arms


def test_an_arm_whose_loss_became_infinite_is_tried_at_lower_rates(plan):
    broke = finished(plan, plan.alone()[1], None, state=TrialState.PRUNED)
    told([broke], stages.OPEN, ended="hopeless", why="the training loss became nan")
    few = narrowed(plan, 1)
    trials = numbered([finished(few, few.baseline, 0.5), broke])
    current = stages.next_round(few, trials, 60)
    assert stages.fixed(few, current, trials, 1.0)[RATE] > 1e-3
    trials = numbered([*trials, finished(few, few.baseline, 0.5, 3e-3)])
    assert stages.fixed(few, current, trials, 1.0)[RATE] < 1e-3


def test_exploration_takes_turns_between_what_leads_together_what_was_tried_least_and_the_sampler(
    plan,
):
    scores = {"he": 0.9, "elu": 0.8}
    trials = [
        finished(plan, c, max(scores.get(name, 0.1) for name in c.values()), 2e-3)
        for c in plan.alone()
    ]
    trials += [finished(plan, plan.alone()[1], 0.1)] * (-len(trials) % 3)
    current = stages.Round(stages.EXPLORE, len(trials), 8)
    together = stages.fixed(plan, current, numbered(trials), 1.0)
    assert together == {**plan.baseline, "activation": "elu", "initializer": "he", RATE: 2e-3}
    trials.append(finished(plan, {**plan.baseline, "activation": "elu", "initializer": "he"}, 0.1))
    seen = [trial.params for trial in trials]
    forced = stages.fixed(plan, current, numbered(trials), 1.0)
    counts = {
        c: sum(p[c[0]] == c[1] for p in seen)
        for c in ((s, n) for s in plan.options for n in plan.options[s] if n != "keep")
    }
    assert forced == dict([min(counts, key=counts.get)])
    trials.append(finished(plan, plan.alone()[1], 0.1))
    assert stages.fixed(plan, current, numbered(trials), 1.0) == {}
    trials.append(finished(plan, plan.alone()[1], 0.1))
    again = stages.fixed(plan, current, numbered(trials), 1.0)
    assert {slot: again[slot] for slot in plan.options} != {
        slot: together[slot] for slot in plan.options
    }
    assert sum(again[slot] != "keep" for slot in plan.options) >= 2


def test_leaders_and_the_baseline_climb_from_their_best_rates_and_get_equally_many_trials(plan):
    peaks = {str(arm): 1e-3 * 10 ** (i % 5 / 2 - 1) for i, arm in enumerate(plan.alone())}
    height = {str(arm): i for i, arm in enumerate(plan.alone())}

    def scored(arm, rate):
        return finished(
            plan, arm, height[str(arm)] - abs(math.log10(rate / peaks[str(arm)])) / 10, rate=rate
        )

    trials = [scored(arm, 1e-3) for arm in plan.alone()]
    current = stages.Round(stages.TUNE, len(trials), 20)
    rates: dict[str, list[float]] = {}
    for _ in range(20):
        given = stages.fixed(plan, current, numbered(trials), 1.0)
        arm = {slot: given[slot] for slot in plan.options}
        rates.setdefault(str(arm), []).append(given[RATE])
        trials.append(scored(arm, given[RATE]))
    assert list(rates) == [
        str(arm) for arm in [plan.baseline, *reversed(plan.alone()[-stages.LEADERS :])]
    ]
    for arm, tried in rates.items():
        assert len(tried) == 5
        assert min(abs(math.log10(rate / peaks[arm])) for rate in [1e-3, *tried]) < 0.01, (
            arm,
            peaks[arm],
            tried,
        )


def test_a_best_rate_at_the_edge_widens_the_range_and_one_in_the_middle_does_not(plan):
    arm = plan.alone()[1]

    def ends(*pairs):
        trials = numbered([finished(rounds_wide, arm, value, rate) for rate, value in pairs])
        space = stages.widened(plan, trials, 1.0).space[RATE]
        return round(math.log10(space.low), 6), round(math.log10(space.high), 6)

    rounds_wide = replace(
        plan,
        space={**plan.space, RATE: optuna.distributions.FloatDistribution(1e-7, 100.0, log=True)},
    )
    assert ends((1e-3, 0.5)) == (-4, -1)
    assert ends((0.09, 0.6), (1e-3, 0.5)) == (-4, 0)
    assert ends((0.09, 0.4), (1e-3, 0.5)) == (-4, -1)
    assert ends((1.05e-4, 0.6)) == (-5, -1)
    assert ends((0.95, 0.6)) == (
        -4,
        1,
    )  # a rate that was tried is always inside, and well inside if it is the best
    assert ends((9.9, 0.6)) == (-4, 1)
    assert ends((1.1e-6, 0.6)) == (-6, -1)
    trials = numbered([finished(plan, arm, 0.6, 0.09), finished(plan, arm, 0.5)])
    wide = stages.widened(plan, trials, 1.0)
    drawn = [propose(wide, trials, "maximize", seed, {})[RATE] for seed in range(40)]
    assert max(drawn) > 0.1


def test_the_first_trial_and_the_best_of_each_slot_survive_the_opening(plan):
    trials = numbered([finished(plan, choices, 0.0) for choices in plan.alone()])
    worst_first = [(trial, float(trial.number)) for trial in reversed(trials)]
    kept = stages.survivors(plan, stages.Round(stages.OPEN, 0, len(trials)), worst_first)
    assert 0 in kept
    for slot in plan.options:
        if len(plan.options[slot]) > 1:
            assert any(trials[number].params[slot] != "keep" for number in kept)
    assert len(kept) < len(trials)


def test_a_trial_asks_the_same_whatever_was_asked_before_it_in_this_process(plan):
    trials = numbered(
        [finished(plan, choices, 0.3 + i / 50) for i, choices in enumerate(plan.alone())]
    )
    one = propose(plan, trials, "maximize", 11, {})
    propose(plan, trials, "maximize", 12, {})
    assert propose(plan, trials, "maximize", 11, {}) == one
    assert propose(plan, trials, "maximize", 11, {"initializer": "he"})["initializer"] == "he"


def test_a_technique_whose_plugin_is_gone_is_not_proposed(plan):
    gone = frozenset(("activation", name) for name in plan.options["activation"] if name != "keep")
    trials = numbered([finished(plan, choices, 0.5) for choices in plan.alone()])
    for seed in range(10):
        assert (
            propose(replace(plan, absent=gone), trials, "maximize", seed, {})["activation"]
            == "keep"
        )


def job(question, plan, **params):
    return Job(
        question, {**plan.baseline, **plan.defaults_of(plan.baseline), **params}, 1, 0, 16, 0, 2
    )


def test_work_is_a_function_of_the_job_alone(question, plan):
    one, two = (
        work(job(question, plan, initializer="he")),
        work(job(question, plan, initializer="he")),
    )
    assert [(e.score, e.loss) for e in one.curve] == [(e.score, e.loss) for e in two.curve]
    assert one.ended is None
    assert "initialized 2 layers" in one.told["initializer"]
    assert {"initializer", "training"} <= set(one.costs)


def test_a_technique_that_raises_costs_one_trial_and_names_its_place(blobs, tmp_path):
    plugin = tmp_path / "bad.py"
    plugin.write_text(
        textwrap.dedent("""
        import advisor
        class Bad(advisor.Technique):
            name, slot = "bad", "initializer"
            def apply(self, run):
                raise ValueError("no such luck")
        @advisor.hookimpl
        def techniques():
            return [Bad()]
        """)
    )
    found = advisor.tune(
        study(blobs, trials=12, only={"activation": []}),
        storage=str(tmp_path / "a.db"),
        plugins=[str(plugin)],
    )
    assert found.trials["failed"] >= 1
    assert any(
        "initializer=bad failed: ValueError: no such luck (bad.py:6 in apply)" in line
        for line in found.warnings
    )


def test_a_model_that_cannot_be_trained_ends_the_search_with_its_reason(blobs, tmp_path):
    class Breaks(Net):
        def forward(self, x):
            return super().forward(x) * (float("nan") if torch.is_grad_enabled() else 1.0)

    task = advisor.Task(build=Breaks, data=blobs)
    with pytest.raises(SearchError, match="cannot be trained: the training loss became nan"):
        advisor.tune(
            advisor.Study("breaks", task, trials=3, epochs=2, only={"activation": []}),
            storage=str(tmp_path / "a.db"),
        )
    assert read(f"sqlite:///{tmp_path}/a.db", "SELECT * FROM advisor_studies")[1] == []


def test_two_runs_of_one_study_give_the_same_trials_and_the_same_recommendation(blobs, tmp_path):
    found = [
        advisor.tune(study(blobs), storage=str(tmp_path / f"{i}.db"), workers=workers)
        for i, workers in enumerate((1, 2))
    ]
    one, two = (json.loads(recommendation.to_json()) for recommendation in found)
    assert _timeless(one) == _timeless(two)
    columns = "number, state, score, activation, initializer"
    assert (
        len(
            {
                str(read(f"sqlite:///{tmp_path}/{i}.db", f"SELECT {columns} FROM advisor_trials"))
                for i in range(2)
            }
        )
        == 1
    )


def _timeless(value):
    if isinstance(value, dict):
        return {key: _timeless(part) for key, part in value.items() if key != "seconds"}
    return [_timeless(part) for part in value] if isinstance(value, list) else value


def test_more_trials_go_on_where_the_study_stopped_and_no_more_add_none(blobs, tmp_path):
    url = str(tmp_path / "a.db")
    advisor.tune(study(blobs, trials=8), storage=url)
    more = advisor.tune(study(blobs, trials=12), storage=url)
    assert sum(more.trials.values()) == 12
    again = advisor.tune(study(blobs, trials=12), storage=url)
    assert again.to_json() == more.to_json()


def test_the_learning_rate_climbs_out_of_its_range_where_the_optimum_is_above_it(tmp_path):
    class Slow(nn.Linear):
        def forward(self, x):
            return super().forward(x) / 20  # so that weights must grow far, in few steps

    def data():
        x = torch.randn(240, 2, generator=torch.Generator().manual_seed(0))
        return x, x @ torch.tensor([[3.0], [-2.0]])

    task = advisor.Task(build=lambda: Slow(2, 1), data=data, batch=16)
    asked = advisor.Study(
        "far", task, trials=20, epochs=2, only={name: [] for name in ("initializer", "pretraining")}
    )
    url = str(tmp_path / "a.db")
    question = StudyRef.of(asked)
    shared, host = setup(question), host_of(question)
    plan = make_plan(shared, host)
    database = Database(f"sqlite:///{url}", host.built_in_slots)
    database.begin("far", "r2", shared.objective.metric.direction, plan.to_json(), None)
    with Crew(Serial, 1) as crew:
        search = Search(shared, plan, database, crew, tmp_path / "states", lambda event: None)
        search.run()
    rates = [trial.params[RATE] for trial in search.trials()]
    best = max(
        (t for t in search.trials() if t.value is not None), key=lambda t: search.sign * t.value
    )
    database.close()
    assert plan.space[RATE].high < best.params[RATE] <= max(rates) <= 10.0


def test_a_trial_that_was_cut_says_its_score_and_that_of_the_worst_which_went_on(blobs, tmp_path):
    url = str(tmp_path / "a.db")
    advisor.tune(study(blobs, epochs=16), storage=url)
    found = read(
        f"sqlite:///{url}", "SELECT value_json FROM trial_user_attributes WHERE key = 'why'"
    )[1]
    cut = [json.loads(row[0]) for row in found if " were better" in row[0]]
    assert cut
    form = r"accuracy (\S+) after epoch \d+, and (\d+) of (\d+) were better, the last of them (\S+)( with a lower training loss)?"
    for why in cut:
        own, better, all_, last, tie = re.fullmatch(form, why).groups()
        assert int(better) < int(all_)
        assert float(own) == float(last) if tie else float(own) < float(last)


def test_a_study_begun_with_other_settings_is_not_mixed_up(blobs, tmp_path):
    url = str(tmp_path / "a.db")
    advisor.tune(study(blobs, trials=3), storage=url)
    with pytest.raises(InputError, match="begun differently: epochs was 3 and is 2"):
        advisor.tune(study(blobs, trials=3, epochs=2), storage=url)


def test_a_study_cannot_run_twice_at_the_same_time(blobs, tmp_path):
    from advisor.api.tune import _alone

    url = f"sqlite:///{tmp_path}/a.db"
    with _alone(url, "blobs"), pytest.raises(InputError, match="is running in another process"):
        advisor.tune(study(blobs), storage=url)


def test_minutes_end_the_search_and_there_is_still_a_verdict(blobs, tmp_path):
    found = advisor.tune(study(blobs, trials=10_000, minutes=0.05), storage=str(tmp_path / "a.db"))
    assert sum(found.trials.values()) < 10_000
    assert found.verdict in ("keep", "change", "undecided")


def test_a_dead_worker_costs_one_job_which_is_run_again(question, plan, tmp_path):
    marker = tmp_path / "died"
    plugin = tmp_path / "killer.py"
    plugin.write_text(
        textwrap.dedent(f"""
        import os, signal, pathlib, advisor
        class Killer(advisor.Technique):
            name, slot = "killer", "initializer"
            def apply(self, run):
                marker = pathlib.Path({str(marker)!r})
                if not marker.exists():
                    marker.touch()
                    os.kill(os.getpid(), signal.SIGKILL)
        @advisor.hookimpl
        def techniques():
            return [Killer()]
        """)
    )
    asked = replace(question, plugins=(str(plugin),))
    jobs = {
        i: job(asked, plan, initializer=name) for i, name in enumerate(["keep", "killer", "he"])
    }
    with Crew(lambda: local_pool(2), 2) as crew:
        found = dict(crew.run(jobs))
    assert marker.exists()
    assert set(found) == {0, 1, 2}
    assert all(outcome.ended is None and len(outcome.curve) == 2 for outcome in found.values())


def test_no_new_job_is_started_when_the_time_is_up(question, plan):
    with Crew(Serial, 1) as crew:
        found = crew.run(
            {i: job(question, plan) for i in range(3)}, late=iter([False, True, True]).__next__
        )
        assert len(list(found)) == 1


SCRIPT = """
import advisor
from torch import nn
from sklearn.datasets import load_iris
def net():
    return nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3))
def data():
    x, y = load_iris(return_X_y=True)
    return (x - x.mean(0)).astype("float32"), y
study = advisor.Study("iris", advisor.Task(build=net, data=data), trials=16, epochs=10,
                      only={"activation": ["elu", "tanh"], "initializer": ["he"], "pretraining": []})
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL on Windows")
def test_a_coordinator_that_is_killed_loses_and_doubles_nothing(tmp_path):
    file = tmp_path / "iris.py"
    file.write_text(SCRIPT)
    code = f"import advisor; advisor.tune({str(file)!r}, storage={str(tmp_path / 'killed.db')!r}, workers=2)"
    process = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path)
    _wait_for_a_trial(tmp_path / "killed.db", process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    killed = advisor.tune(str(file), storage=str(tmp_path / "killed.db"))
    whole = advisor.tune(str(file), storage=str(tmp_path / "whole.db"))
    assert _timeless(json.loads(killed.to_json())) == _timeless(json.loads(whole.to_json()))
    assert sum(killed.trials.values()) == 16
    numbers = [
        row[0]
        for row in read(
            f"sqlite:///{tmp_path}/killed.db", "SELECT number FROM advisor_trials ORDER BY number"
        )[1]
    ]
    assert numbers == list(range(16))


def _wait_for_a_trial(path, process, most=60.0):
    end = time.monotonic() + most
    while time.monotonic() < end and process.poll() is None:
        try:
            if read(f"sqlite:///{path}", "SELECT COUNT(*) FROM advisor_curves")[1][0][0]:
                return
        except InputError:
            pass
        time.sleep(0.05)
    raise AssertionError(
        f"the study ended or stalled before its first epoch (exit {process.poll()}, {os.listdir(path.parent)})"
    )


def test_the_estimate_of_a_training_is_the_same_every_time_and_grows_with_the_model(blobs):
    from advisor.search.pilot import estimate

    class Wide(Net):
        def __init__(self):
            super().__init__()
            self.first, self.last = nn.Linear(4, 4096), nn.Linear(4096, 2)

    one, wide = (
        setup(StudyRef.of(advisor.Study("x", advisor.Task(build=kind, data=blobs))))
        for kind in (Net, Wide)
    )
    assert estimate(one, 3) == estimate(one, 3) == pytest.approx(3 * estimate(one, 1))
    assert estimate(wide, 3) > 1.2 * estimate(one, 3)


def test_the_pilot_goes_on_while_the_model_improves_and_its_training_is_the_first_trial(
    blobs, tmp_path
):
    from advisor.search.pilot import improving, pilot

    free = StudyRef.of(advisor.Study("free", advisor.Task(build=Net, data=blobs)))
    shared = setup(free)
    planned, first = pilot(shared, make_plan(shared, host_of(free)), tmp_path, 1)
    epochs = planned.rungs[-1]
    assert epochs >= shared.epochs
    assert [epoch.epoch for epoch in first.curve] == list(range(1, epochs + 1))
    assert (
        epochs >= 4 * shared.epochs
        or 2 * epochs > 4 * shared.epochs
        or not improving(shared, first, epochs)
    )
    again = work(
        Job(
            free,
            {**planned.baseline, **planned.defaults_of(planned.baseline)},
            first_seed(shared),
            0,
            planned.batch,
            0,
            epochs,
        )
    )
    assert [(e.score, e.loss) for e in again.curve] == [(e.score, e.loss) for e in first.curve]


def first_seed(shared):
    from advisor.randomness import mix

    return mix(shared.study.seed, "search")


def test_a_number_of_epochs_that_the_user_gave_is_kept(blobs, tmp_path):
    from advisor.search.pilot import pilot

    asked = StudyRef.of(study(blobs, epochs=3))
    shared = setup(asked)
    planned, first = pilot(shared, make_plan(shared, host_of(asked)), tmp_path, 1)
    assert (planned.rungs[-1], len(first.curve)) == (3, 3)


def test_a_script_without_a_main_guard_may_ask_for_workers(tmp_path):
    file = tmp_path / "script.py"
    file.write_text(
        SCRIPT.replace("trials=16", "trials=3, seeds=3")
        + "print('ran', advisor.tune(study, storage='a.db', workers=2).trials['complete'])\n"
    )
    said = subprocess.run(
        [sys.executable, str(file)], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert said.stdout.count("ran") == 1
    assert "Traceback" not in said.stderr


def test_arguments_of_the_model_may_be_literals_words_or_dotted_names(tmp_path):
    (tmp_path / "parts.py").write_text(
        "from torch import nn\n\n\n"
        "def net(width, act, name):\n"
        "    return nn.Sequential(nn.Linear(4, width), act(), nn.Linear(width, 2))\n"
    )
    arguments = {"width": 8, "act": "torch.nn.Tanh", "name": "plain.word"}
    flags = {
        "model": f"{tmp_path}/parts.py:net",
        "data": "x.csv",
        "name": "parts",
        "arguments": arguments,
    }
    task = StudyRef(flags=json.dumps(flags)).study().task
    assert task.arguments == {"width": 8, "act": nn.Tanh, "name": "plain.word"}
    assert isinstance(task.build(**task.arguments)[1], nn.Tanh)
