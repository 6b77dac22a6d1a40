"""The search itself, on a database, with jobs that run in this process."""

import torch
from torch import nn

import advisor
from advisor.search.plan import RATE, make_plan
from advisor.search.search import Search
from advisor.store.database import Database
from advisor.work.executors import Crew, Serial
from advisor.work.opened import in_this_process
from advisor.work.prepare import prepare
from advisor.work.study_ref import StudyRef


def test_the_learning_rate_climbs_out_of_its_range_where_the_optimum_is_above_it(tmp_path):
    class Slow(nn.Linear):
        def forward(self, x):
            return super().forward(x) / 20  # so that weights must grow far, in few steps

    def data():
        x = torch.randn(240, 2, generator=torch.Generator().manual_seed(0))
        return x, x @ torch.tensor([[3.0], [-2.0]])

    task = advisor.Task(build=lambda: Slow(2, 1), data=data, batch=16)
    only = {name: [] for name in ("initializer", "pretraining")}
    prepared = prepare(StudyRef.of(advisor.Study("far", task, trials=20, epochs=2, only=only)))
    plan = make_plan(prepared)
    with (
        Database(f"sqlite:///{tmp_path}/a.db", prepared.host.built_in_slots) as database,
        Crew(Serial, 1) as crew,
        in_this_process(prepared),
    ):
        records = database.study("far")
        records.begin("r2", prepared.criterion.direction, plan.to_json(), None)
        search = Search(prepared, plan, records, crew, tmp_path / "states", lambda event: None)
        search.run()
    rates = [trial.params[RATE] for trial in search.history.trials]
    best = search.history.best_of_each_arm()[0]
    assert plan.space[RATE].high < best.params[RATE] <= max(rates) <= 10.0
