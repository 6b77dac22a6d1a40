"""The parts of the recipe RealMLP by their formulas, and as an arm of its own in a study."""

from __future__ import annotations

import json
import math

import pytest
import torch
from advisor_plugins.realmlp.waves_of_rate import in_cycles, share_in_cycles
from models.runs import plain, put, run_of
from torch import nn
from torch.nn import functional as F

from advisor.search.arm import Skip
from advisor.search.plan import Plan, make_plan
from advisor.search.recipes import whole_recipes
from advisor.work.prepare import prepare
from advisor.work.study_ref import StudyRef

BESIDE = {
    "features": "scaling",
    "initializer": "hull_bias",
    "schedule": "cosine_cycles",
    "regularization": "label_smoothing",
}


def test_a_unit_mixes_its_activation_with_a_straight_line(host):
    run = run_of(plain(6, 2), torch.randn(16, 6))
    put(host, run, activation=("parametric", {"function": "mish"}))
    act = run.model[1]
    x = torch.randn(4, 6)
    torch.testing.assert_close(act(x), F.mish(x))
    with torch.no_grad():
        act.share.copy_(torch.linspace(0, 1, 6))
    torch.testing.assert_close(act(x), (1 - act.share) * x + act.share * F.mish(x))
    assert any(each is act.share for each in run.undecayed)


def test_maps_have_a_share_for_each_channel(host):
    net = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(12, 2))
    run = run_of(net, torch.randn(8, 2, 4, 4))
    put(host, run, activation="parametric")
    act = run.model[1]
    with torch.no_grad():
        act.share.copy_(torch.tensor([0.0, 1.0, 0.5]))
    x = torch.randn(5, 3, 2, 2)
    torch.testing.assert_close(act(x)[:, 0], x[:, 0])
    torch.testing.assert_close(act(x)[:, 1], F.selu(x)[:, 1])


def test_units_have_variance_1_and_bend_between_rows_that_reach_them(host):
    torch.manual_seed(0)
    rows = 3 + torch.randn(256, 8)
    model = nn.Sequential(
        nn.Linear(8, 200), nn.ReLU(), nn.Linear(200, 30), nn.ReLU(), nn.Linear(30, 2)
    )
    run = run_of(model, rows)
    said = put(host, run, initializer="hull_bias")["initializer"]
    assert said.startswith("units of 2 layers bend between 5 rows each")
    with torch.no_grad():
        first = model[0](rows)
        torch.testing.assert_close(
            first.std(0, correction=0), torch.ones(200), rtol=1e-4, atol=1e-4
        )
        # Zero, where a unit bends, lies within what the rows give; rows alone would be at 3 W.
        assert bool(((first.min(0).values < 0) & (first.max(0).values > 0)).all())
        second = model[2](torch.relu(first))
        torch.testing.assert_close(
            second.std(0, correction=0), torch.ones(30), rtol=1e-4, atol=1e-4
        )
        assert bool(((second.min(0).values < 0) & (second.max(0).values > 0)).all())
    # The place is a mean of five rows with weights that are uniform on the simplex: its variance
    # is 5 · 2 / (5 · 6) = 1/3 of a row's.
    middle = first.mean(0)
    assert float(middle.std()) == pytest.approx(1 / math.sqrt(3), rel=0.2)
    assert not bool(model[4].bias.any())


def test_the_rate_comes_in_waves_that_grow_twofold_and_ends_at_zero():
    shares = [share_in_cycles(step, 4, 1500) for step in range(1500)]
    assert max(shares) == pytest.approx(1, abs=1e-3)
    assert shares[0] < 0.01
    assert shares[-1] < 0.001
    # Minima at t = (2^i - 1) / 15.
    lows = [
        step for step in range(1, 1499) if shares[step] < min(shares[step - 1], shares[step + 1])
    ]
    assert lows == pytest.approx([100, 300, 700], abs=1)
    weight = nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=2.0)
    scheduler = in_cycles(optimizer, 30)
    rates = []
    for _ in range(30):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert rates == [2 * share_in_cycles(step, 4, 30) for step in range(30)]


def test_a_recipe_is_whole_where_all_of_its_parts_are_searched(host):
    options = {slot: ["keep", name] for slot, name in BESIDE.items()}
    options["activation"] = ["keep", "parametric"]
    assert whole_recipes(options, [], host) == {"activation.parametric": BESIDE}
    # What is not searched breaks it up; what does not fit is left out of it.
    fewer = {**options, "regularization": ["keep"]}
    assert whole_recipes(fewer, [], host) == {}
    skip = Skip("regularization", "label_smoothing", "no classes")
    others = {slot: name for slot, name in BESIDE.items() if slot != "regularization"}
    assert whole_recipes(fewer, [skip], host) == {"activation.parametric": others}


NET = """\
from torch import nn
import advisor, torch

def build():
    return nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))

draw = torch.Generator().manual_seed(0)
x = torch.randn(120, 4, generator=draw)
only = ONLY
task = advisor.Task(build, (x, (x[:, 0] > 0).long()))
study = advisor.Study("recipe", task, trials=9, epochs=1, seeds=3, only=only)
"""


@pytest.fixture
def study_file(write):
    only = {slot: [name] for slot, name in {**BESIDE, "activation": "parametric"}.items()}
    return write("study.py", NET.replace("ONLY", repr({**only, "pretraining": []})))


def test_a_plan_opens_with_the_recipe_after_each_part_alone(study_file):
    plan = make_plan(prepare(StudyRef.of(study_file)))
    arms = plan.each_technique()
    assert len(arms) == 7
    assert arms[-1] == {**plan.baseline, **BESIDE, "activation": "parametric"}
    assert Plan.from_json(plan.to_json()).each_technique() == arms
    assert "beside" not in Plan.from_json({**plan.to_json(), "beside": {}}).to_json()


def test_a_study_trains_the_recipe_as_one_arm(advise, study_file):
    said = advise("tune", study_file, "--workers", "0", "--storage", "a.db", "--quiet")
    assert said.code == 0, said.err
    rows = advise(
        "query", "SELECT number, arm, state FROM advisor_trials", "--json", "--storage", "a.db"
    )
    trials = json.loads(rows.out)
    assert trials[6]["arm"].count("=") == 5
    assert trials[6]["state"] in ("COMPLETE", "PRUNED")
    assert [each["arm"].count("=") for each in trials[:6]] == [0, 1, 1, 1, 1, 1]
