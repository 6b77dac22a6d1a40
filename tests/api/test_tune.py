"""`advisor.tune`: real studies in seconds, stopped, resumed, killed and asked again."""

import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import time

import pytest
import torch
from models.small import Net

import advisor
from advisor.errors import InputError, SearchError
from advisor.store.query import read


def study(data, name="blobs", **options):
    options = {"trials": 14, "epochs": 3, **options}
    return advisor.Study(name, advisor.Task(build=Net, data=data), **options)


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
        workers=0,
    )
    assert found.trials.failed >= 1
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
            workers=0,
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
    advisor.tune(study(blobs, trials=8), storage=url, workers=0)
    more = advisor.tune(study(blobs, trials=12), storage=url, workers=0)
    assert more.trials.total == 12
    again = advisor.tune(study(blobs, trials=12), storage=url, workers=0)
    assert again.to_json() == more.to_json()


def test_a_trial_that_was_cut_says_its_score_and_that_of_the_worst_which_went_on(blobs, tmp_path):
    url = str(tmp_path / "a.db")
    advisor.tune(study(blobs, epochs=16), storage=url, workers=0)
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
    advisor.tune(study(blobs, trials=3), storage=url, workers=0)
    with pytest.raises(InputError, match="begun differently: epochs was 3 and is 2"):
        advisor.tune(study(blobs, trials=3, epochs=2), storage=url, workers=0)


def test_a_study_cannot_run_twice_at_the_same_time(blobs, tmp_path):
    from advisor.store.database import Database
    from advisor.store.folder import study_folder

    url = f"sqlite:///{tmp_path}/a.db"
    with (
        Database(url, None) as database,
        study_folder(database, "blobs"),
        pytest.raises(InputError, match="is running in another process"),
    ):
        advisor.tune(study(blobs), storage=url, workers=0)


def test_minutes_end_the_search_and_there_is_still_a_verdict(blobs, tmp_path):
    found = advisor.tune(
        study(blobs, trials=10_000, minutes=0.05), storage=str(tmp_path / "a.db"), workers=0
    )
    assert found.trials.total < 10_000
    assert found.verdict in ("keep", "change", "undecided")


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
    killed = advisor.tune(str(file), storage=str(tmp_path / "killed.db"), workers=0)
    whole = advisor.tune(str(file), storage=str(tmp_path / "whole.db"), workers=0)
    assert _timeless(json.loads(killed.to_json())) == _timeless(json.loads(whole.to_json()))
    assert killed.trials.total == 16
    left = {path.name for path in tmp_path.iterdir()} - {"iris.py", "__pycache__"}
    assert left == {"killed.db", "whole.db"}
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


def test_a_script_without_a_main_guard_may_ask_for_workers(tmp_path):
    file = tmp_path / "script.py"
    file.write_text(
        SCRIPT.replace("trials=16", "trials=3, seeds=3")
        + "print('ran', advisor.tune(study, storage='a.db', workers=2).trials.complete)\n"
    )
    said = subprocess.run(
        [sys.executable, str(file)], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert said.stdout.count("ran") == 1
    assert "Traceback" not in said.stderr
