"""Studies of rows that belong together, and of rows in time, from the task to the answer."""

from __future__ import annotations

import torch
from torch import nn

import advisor

GROUPS = torch.arange(180) % 15
ONLY = {"activation": ["elu"], "initializer": [], "pretraining": []}


def rows():
    """Rows of fifteen groups, each around a place of its own."""
    generator = torch.Generator().manual_seed(0)
    places = torch.randn(15, 3, generator=generator)
    x = places[GROUPS] + 0.5 * torch.randn(180, 3, generator=generator)
    return x, (x.sum(1) + 0.5 * torch.randn(180, generator=generator) > 0).long()


def net():
    return nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2))


def study(**keys) -> advisor.Study:
    task = advisor.Task(net, rows, batch=64, **keys)
    return advisor.Study(
        "kept together", task, trials=2, epochs=1, min_gain=1.0, only=ONLY, seeds=3
    )


def test_the_answer_counts_groups(tmp_path):
    storage = str(tmp_path / "a.db")
    found = advisor.tune(study(group=GROUPS), storage=storage, workers=0)
    assert found.gain.test.groups == 3
    assert found.gain.test.sample.endswith(f"{found.gain.test.rows} rows of 3 groups")


def test_all_seeds_of_a_study_in_time_train_on_the_same_past(tmp_path):
    time = torch.arange(180).flip(0)
    found = advisor.tune(study(time=time), storage=str(tmp_path / "a.db"), workers=0)
    assert found.gain.test.groups is None
    assert found.gain.test.rows == 36
    report = advisor.diagnose(study(time=time))
    assert report.run.data.train.rows.tolist() == list(range(72, 180))


def test_columns_are_named_on_the_command_line(advise, write):
    write(
        "net.py", "from torch import nn\n\ndef net(features):\n    return nn.Linear(features, 2)\n"
    )
    lines = ["a,who,day,y"]
    lines += [f"{i * 7 % 11},p{i % 9},2020-01-{1 + i // 4:02},{i % 2}" for i in range(80)]
    write("rows.csv", "\n".join(lines))
    words = ("diagnose", "--model", "net.py:net", "--data", "rows.csv", "--target", "y")
    said = advise(*words, "--group", "who", "--time", "day")
    assert said.code == 0
    told = " ".join(said.err.split())
    assert "test rows from 2020-01-17" in told
    assert "rows of one 'who'" in told
    said = advise(*words, "--group", "whom")
    assert said.code == 2
    assert "Did you mean 'who'?" in " ".join(said.err.split())
    assert advise("diagnose", "study.py", "--time", "day").code == 2
