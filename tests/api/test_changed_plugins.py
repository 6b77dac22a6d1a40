"""Plugins that came, went or changed while a study was not running."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from models.small import Net

import advisor
from advisor.errors import InputError, MachineError
from advisor.events import NOTE
from advisor.store.database import Database
from advisor.store.query import read
from advisor.work.opened import refuse_other_content
from advisor.work.prepare import prepare
from advisor.work.study_ref import StudyRef

WAVES = '''\
"""Two waves."""
import advisor
import torch

SLOPE = 1.0


def wave(x):
    """Bends."""
    return SLOPE * x + torch.sin(x)  # a wave


def swell(x):
    return x + torch.cos(x)


@advisor.hookimpl
def techniques():
    return [
        advisor.Activation("wave", lambda: wave, cite="one", about="A wave."),
        advisor.Activation("swell", lambda: swell, cite="two"),
    ]
'''

# Another plugin, of which nothing is asked.
OTHER = """\
import advisor
import torch


@advisor.hookimpl
def techniques():
    return [advisor.Activation("ripple", lambda: torch.tanh, cite="three", standard=True)]
"""


def check_told_with_the_same_answer(second, first, notes):
    """An old answer that is given again says first what has changed since."""
    assert second.warnings == [*notes, *first.warnings]
    assert replace(second, warnings=[]).to_json() == replace(first, warnings=[]).to_json()


def without_mark(facts):
    """The facts of a trial, whether or not it is the one that is recommended."""
    return {key: value for key, value in facts.items() if key != "recommended"}


class Tuned:
    """A study that is tuned again and again in one folder, with its plugins."""

    def __init__(self, folder, blobs):
        self.folder = folder
        only = {"initializer": [], "pretraining": [], "embedding": []}
        self.study = {
            "task": advisor.Task(build=Net, data=blobs),
            "trials": 8,
            "epochs": 1,
            "seeds": 3,
            "only": {**only, "activation": ["wave", "swell"]},
        }
        self.notes = []
        self.lines = []

    def write(self, name, text):
        (self.folder / name).write_text(text)

    def run(self, *plugins, **options):
        self.notes, self.lines = [], []

        def on(event):
            (self.notes if event.stage == NOTE else self.lines).append(event.text)

        paths = [str(self.folder / name) for name in plugins or ("waves.py",)]
        study = advisor.Study("waves", **{**self.study, **options})
        return advisor.tune(study, storage=self.storage, workers=0, plugins=paths, on=on)

    @property
    def storage(self):
        return f"sqlite:///{self.folder}/waves.db"

    def trials(self):
        """Every trial's parameters, score, facts and curve, by its number."""
        with Database(self.storage, ()) as database:
            records = database.study("waves")
            curves, costs = records.curves(), records.costs()
            return [
                (trial.params, trial.state.name, trial.value, without_mark(trial.user_attrs),
                 [(epoch.epoch, epoch.score) for epoch in curves.get(trial.number, [])],
                 costs.get(trial.number, {}))
                for trial in records.trials()
            ]  # fmt: skip

    def seeds(self):
        with Database(self.storage, ()) as database:
            rows = database.study("waves").confirmations()
        return {
            (row.arm, row.params, row.phase, row.seed): (row.score, row.seconds) for row in rows
        }

    def trained(self):
        """The trials that the last run trained, by the lines that it showed."""
        found = (line.partition(":")[0] for line in self.lines)
        return {int(line.removeprefix("trial ")) for line in found if line.startswith("trial ")}


@pytest.fixture
def tuned(tmp_path, blobs):
    tuned = Tuned(tmp_path, blobs)
    tuned.write("waves.py", WAVES)
    tuned.write("other.py", OTHER)
    return tuned


def with_wave(trials):
    return {n for n, (params, *_) in enumerate(trials) if params["activation"] == "wave"}


def test_trials_of_a_changed_technique_are_run_again_and_no_others(tuned):
    first = tuned.run()
    before, seeds_before = tuned.trials(), tuned.seeds()
    assert tuned.notes == []
    assert all(facts["plugins"]["waves"] for _, _, _, facts, *_ in before)
    assert [sorted(facts["codes"]) for _, _, _, facts, *_ in before[:3]] == [
        [],
        ["activation.wave"],
        ["activation.swell"],
    ]

    tuned.write("waves.py", WAVES.replace("SLOPE = 1.0", "SLOPE = -3.0"))
    second = tuned.run()
    after, seeds_after = tuned.trials(), tuned.seeds()
    changed = with_wave(before)
    assert changed
    assert tuned.trained() == changed
    for number, (old, new) in enumerate(zip(before, after, strict=True)):
        assert old[0] == new[0]
        assert (old == new) == (number not in changed)
        assert new[1] != "RUNNING"
    # Each score of a wave is another one, and other arms' fresh seeds are the same rows.
    assert all(before[n][4] != after[n][4] for n in changed)
    for run, result in seeds_before.items():
        if run[0] != "activation=wave" and run in seeds_after:
            assert seeds_after[run] == result
        elif run in seeds_after:
            assert seeds_after[run] != result

    # The answer is another, and says what was done.
    assert second.to_json() != first.to_json()
    notes = [note for note in second.warnings if "activation.wave" in note]
    assert len(notes) == 1
    assert f"{len(changed)} trial" in notes[0]
    assert notes[0] in tuned.notes
    assert "swell" not in " ".join(tuned.notes)

    # Asked once more, it answers at once.
    third = tuned.run()
    assert tuned.trained() == set()
    assert third.to_json() == second.to_json()
    assert tuned.trials() == after


def test_a_study_whose_technique_changed_is_the_study_that_had_it_from_the_start(tuned, tmp_path):
    edited = WAVES.replace("torch.sin(x)", "torch.sin(2 * x)")
    tuned.run(trials=5)
    tuned.write("waves.py", edited)
    tuned.run(trials=5)
    again = [(params, state, value, curve) for params, state, value, _, curve, _ in tuned.trials()]

    fresh = Tuned(tmp_path / "fresh", tuned.study["task"].data)
    fresh.folder.mkdir()
    fresh.write("waves.py", edited)
    fresh.run(trials=5)
    scores = {json.dumps(params, sort_keys=True): value for params, _, value, *_ in fresh.trials()}
    # Parameters that both have tried have the same scores.
    both = [
        (value, scores[key])
        for params, state, value, _ in again
        if (key := json.dumps(params, sort_keys=True)) in scores
    ]
    assert len(both) >= 3
    assert all(one == other for one, other in both)


def test_a_comment_or_what_a_technique_says_of_itself_runs_nothing_again(tuned):
    first = tuned.run()
    before = tuned.trials()
    text = WAVES.replace("# a wave", "# a tall wave").replace('cite="one"', 'cite="One 2001"')
    tuned.write("waves.py", text.replace("Bends.", "Bends twice.").replace("A wave.", "Tall."))
    second = tuned.run()
    assert tuned.trained() == set()
    assert tuned.trials() == before
    check_told_with_the_same_answer(second, first, tuned.notes)
    (note,) = tuned.notes
    assert note.startswith("Plugin 'waves' (file ")
    assert ") has another file now" in note


def test_a_plugin_that_is_gone_is_told_and_its_trials_still_count(tuned):
    tuned.run("waves.py", "other.py")
    before = tuned.trials()
    gone = {**tuned.study["only"], "activation": ["wave", "swell"]}
    answer = tuned.run("waves.py", trials=10, only=gone)
    (note,) = tuned.notes
    assert re.match(r"Plugin 'other' \(file [0-9a-f]{8}\) is not loaded any more", note)
    assert note in answer.warnings
    assert tuned.trials()[: len(before)] == before


def test_a_plugin_that_came_and_is_not_named_is_told_with_what_to_do(tuned):
    tuned.run()
    before = tuned.trials()
    answer = tuned.run("waves.py", "other.py", trials=10)
    (note,) = tuned.notes
    assert re.match(r"Plugin 'other' \(file [0-9a-f]{8}\) came after this study had begun", note)
    assert "activation.ripple" in note
    assert "--only" in note
    assert note in answer.warnings
    after = tuned.trials()
    assert after[: len(before)] == before
    assert len(after) == 10


def alone(trials, name):
    """How many trials had an activation, and nothing else."""
    return sum(params["activation"] == name for params, *_ in trials)


def test_a_finished_study_goes_on_with_a_technique_that_is_named_now(tuned):
    first = tuned.run()
    before = tuned.trials()
    wider = {**tuned.study["only"], "activation": ["wave", "swell", "ripple"]}
    second = tuned.run("waves.py", "other.py", only=wider)
    after = tuned.trials()

    # What was tried is evidence, and is not trained again.
    assert after[: len(before)] == before
    assert tuned.trained() == set(range(len(before), len(after)))
    (note,) = tuned.notes
    assert re.match(r"activation.ripple of plugin 'other' \(file \w{8}\) came after 8 trials", note)
    assert note in second.warnings

    # The newcomer opens alone at its defaults, as the others did, and has as many trials as they.
    params, *_ = after[len(before)]
    assert params["activation"] == "ripple"
    assert params["training.lr"] == before[0][0]["training.lr"]
    assert alone(after, "ripple") >= min(alone(before, "wave"), alone(before, "swell"))
    assert {single.technique for single in second.isolation} == {"keep", "wave", "swell", "ripple"}
    assert len(second.to_json()) > len(first.to_json())

    # It is finished again: it answers at once, also where the plugin is gone in the meantime.
    third = tuned.run("waves.py", "other.py", only=wider)
    assert tuned.trained() == set()
    assert third.to_json() == second.to_json()
    fourth = tuned.run("waves.py", only=wider)
    assert tuned.trained() == set()
    assert tuned.trials() == after
    new = [note for note in tuned.notes if note not in second.warnings]
    check_told_with_the_same_answer(fourth, second, new)
    assert "is not loaded any more" in new[0]


def test_techniques_of_a_finished_study_are_not_left_out_while_they_are_loaded(tuned):
    tuned.run()
    fewer = {**tuned.study["only"], "activation": ["wave"]}
    with pytest.raises(InputError, match=r"leaves out activation\.swell"):
        tuned.run(only=fewer)


SLOT = """\
import advisor


@advisor.hookimpl
def slots():
    return [advisor.Slot("oven", "how hot the weights are", after=("initializer",))]


class Heat(advisor.Technique):
    name, slot, cite = "heat", "oven", "nobody"

    def apply(self, run):
        for parameter in run.model.parameters():
            parameter.data *= 1.5


@advisor.hookimpl
def techniques():
    return [Heat()]
"""


def test_a_finished_study_goes_on_with_a_slot_that_a_plugin_brings_and_without_it(tuned):
    tuned.run(trials=4)
    before = tuned.trials()
    tuned.write("oven.py", SLOT)
    answer = tuned.run("waves.py", "oven.py", trials=4)
    after = tuned.trials()
    assert after[: len(before)] == before
    assert after[len(before)][0]["oven"] == "heat"
    assert "oven" in answer.choices
    _, rows = read(tuned.storage, "SELECT oven FROM advisor_trials ORDER BY number")
    assert rows[: len(before)] == [(None,)] * len(before)
    assert rows[len(before)] == ("heat",)

    # Without the plugin there is no such slot, and the study goes on.
    tuned.run(trials=len(after) + 2)
    assert len(tuned.trials()) == len(after) + 2
    assert all(params["oven"] == "keep" for params, *_ in tuned.trials()[len(after) :])


def test_a_study_whose_time_is_up_gets_time_for_a_technique_that_joins(tuned):
    tuned.run(minutes=60)
    with Database(tuned.storage, ()) as database, database.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE advisor_plans SET seconds = 3600")
    before = len(tuned.trials())
    tuned.run(minutes=60)
    assert len(tuned.trials()) == before
    wider = {**tuned.study["only"], "activation": ["wave", "swell", "ripple"]}
    tuned.run("waves.py", "other.py", only=wider, minutes=60)
    assert len(tuned.trials()) > before


def test_an_older_study_without_the_facts_goes_on_as_it_is(tuned):
    tuned.run()
    with Database(tuned.storage, ()) as database, database.engine.begin() as connection:
        connection.exec_driver_sql(
            "DELETE FROM trial_user_attributes WHERE key IN ('plugins', 'codes')"
        )
    tuned.write("waves.py", WAVES.replace("SLOPE = 1.0", "SLOPE = -3.0"))
    before = tuned.trials()
    tuned.run()
    assert tuned.trained() == set()
    assert tuned.notes == []
    assert tuned.trials() == before


def test_time_goes_back_to_a_study_with_a_limit(tuned):
    tuned.run(minutes=60)
    with Database(tuned.storage, ()) as database:
        spent = database.study("waves").spent()
    tuned.write("waves.py", WAVES.replace("SLOPE = 1.0", "SLOPE = -3.0"))
    spends = []

    def on(event):
        if event.stage == NOTE:
            with Database(tuned.storage, ()) as database:
                spends.append(database.study("waves").spent())

    study = advisor.Study("waves", **tuned.study, minutes=60)
    paths = [str(tuned.folder / "waves.py")]
    advisor.tune(study, storage=tuned.storage, workers=0, plugins=paths, on=on)
    assert 0 < spends[0] < spent


KILLED = """\
import os, sys
import advisor
import advisor.api.tuning
from advisor.store.study_records import StudyRecords
sys.path.insert(0, {tests!r})
import torch
from models.small import Net

def end_at(place):
    name = "close_trial" if place == "between" else "reopen_trials"
    whole = getattr(StudyRecords, name)
    def ended(*args):
        if place != "before":
            whole(*args)
        os._exit(9)
    setattr(StudyRecords, name, ended)

generator = torch.Generator().manual_seed(0)
y = torch.arange(120) % 2
data = torch.randn(120, 4, generator=generator) + 1.5 * y[:, None], y
only = {{"activation": ["wave", "swell"], "initializer": [], "pretraining": [], "embedding": []}}
for place in sys.argv[1:]:
    # A process of its own for each, which need not import torch again.
    child = os.fork()
    if not child:
        end_at(place)
        task = advisor.Task(build=Net, data=data)
        study = advisor.Study("waves", task, trials=8, epochs=1, seeds=3, only=only)
        storage, plugin = f"sqlite:///{folder}/{{place}}/waves.db", f"{folder}/{{place}}/waves.py"
        advisor.tune(study, storage=storage, workers=0, plugins=[plugin])
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.proof
@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not fork")
def test_a_kill_at_any_point_of_it_changes_nothing(tuned, tmp_path):
    places = ["before", "after", "between"]
    studies = {place: Tuned(tmp_path / place, tuned.study["task"].data) for place in places}
    studies["never"] = Tuned(tmp_path / "never", tuned.study["task"].data)
    for each in studies.values():
        each.folder.mkdir()
        each.write("waves.py", WAVES)
        each.run()
        each.write("waves.py", WAVES.replace("SLOPE = 1.0", "SLOPE = -3.0"))

    text = KILLED.format(tests=str(Path(__file__).parent.parent), folder=tmp_path)
    ended = subprocess.run(
        [sys.executable, "-c", text, *places],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "OMP_WAIT_POLICY": "PASSIVE"},
    )
    assert ended.stdout.split() == ["9", "9", "9"], ended.stderr

    results = {}
    for place, each in studies.items():
        answer = json.loads(each.run().to_json())
        # Seconds are the only numbers that differ.
        facts = [(*trial[:3], trial[4]) for trial in each.trials()]
        results[place] = answer["verdict"], answer["gain"], answer["warnings"], facts
    assert results["before"] == results["never"]
    assert results["after"] == results["never"]
    assert results["between"] == results["never"]


def test_a_new_version_with_the_same_code_runs_nothing_again(tuned, tmp_path, monkeypatch):
    # A distribution, as pip leaves it.
    site = tmp_path / "site-packages"
    info = site / "advisor_tides-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "entry_points.txt").write_text("[advisor]\ntides = advisor_tides\n")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: advisor-tides\nVersion: 1.0\n")
    (site / "advisor_tides.py").write_text(WAVES)
    monkeypatch.syspath_prepend(str(site))

    def run():
        for name in ("advisor_tides",):
            sys.modules.pop(name, None)
        notes = []
        study = advisor.Study("waves", **tuned.study)
        answer = advisor.tune(
            study,
            storage=tuned.storage,
            workers=0,
            on=lambda event: notes.append(event.text) if event.stage == NOTE else None,
        )
        return answer, notes

    first, notes = run()
    assert notes == []
    before = tuned.trials()
    assert before[1][3]["plugins"]["tides"] == "1.0"
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: advisor-tides\nVersion: 1.1\n")
    second, notes = run()
    assert notes == [
        "Plugin 'tides' was 1.0 and is 1.1; only trials of techniques whose code is another one "
        "are run again."
    ]
    assert tuned.trials() == before
    check_told_with_the_same_answer(second, first, notes)

    # Where the code is another one, the version need not be.
    (site / "advisor_tides.py").write_text(WAVES.replace("SLOPE = 1.0", "SLOPE = -30.0"))
    _, notes = run()
    assert len(notes) == 2
    assert "activation.wave has changed" in notes[1]
    after = tuned.trials()
    assert {n for n in range(8) if before[n] != after[n]} == with_wave(before)


def test_a_worker_that_loads_another_plugin_trains_nothing(tuned):
    ref = StudyRef.of(advisor.Study("waves", **tuned.study), (str(tuned.folder / "waves.py"),))
    coordinator = prepare(ref)
    assert prepare(ref).digest == coordinator.digest
    tuned.write("waves.py", WAVES.replace("SLOPE = 1.0", "SLOPE = -3.0"))
    kind = coordinator.digest.differs_in(prepare(ref).digest)
    assert kind == "plugins"
    with pytest.raises(MachineError, match="A plugin was edited"):
        refuse_other_content(coordinator.digest, prepare(ref).digest)
