"""What techniques of others can reach in a training script."""

import json

import pytest
from work.test_scripts import WHOLE, job_of

from advisor.training.ended import Ended
from advisor.work.crews import crew
from advisor.work.scripts.prepared import open_script
from advisor.work.study_ref import StudyRef

PLUGIN = """
import torch
import advisor


class Counts(advisor.Technique):
    name, slot = "counts", "reach"

    def unfit(self, run):
        return run.lacks("each_step")

    def apply(self, run):
        self.seen = []
        run.each_step.append(lambda step, epoch, optimizer: print("step", step, "epoch", epoch))


class Mixes(advisor.Technique):
    name, slot = "mixes", "reach"

    def unfit(self, run):
        return run.lacks("batch")


class Losing(advisor.Technique):
    name, slot = "losing", "reach"

    def apply(self, run):
        run.loss = lambda output, target: output.sum()


@advisor.hookimpl
def slots():
    return [advisor.Slot("reach", "what a technique reaches")]


@advisor.hookimpl
def techniques():
    return [Counts(), Mixes(), Losing()]
"""


@pytest.fixture(scope="module")
def workforce():
    with crew(1) as made:
        yield made


@pytest.fixture
def prepared(tmp_path, workforce):
    plugin, script = tmp_path / "reach.py", tmp_path / "train.py"
    plugin.write_text(PLUGIN)
    script.write_text(WHOLE)
    flags = {"name": "own", "script": str(script)}
    changes = {"only": {"reach": ["counts", "mixes", "losing"]}}
    ref = StudyRef(flags=json.dumps(flags), changes=json.dumps(changes), plugins=(str(plugin),))
    return open_script(ref, workforce)


def test_each_step_is_heard_and_batches_are_the_script_s_own(prepared, workforce, tmp_path):
    skipped = prepared.rehearsed.skipped
    assert skipped["reach", "counts"] is None
    assert "run.batch" in skipped["reach", "mixes"]
    printed = tmp_path / "printed.txt"
    job = job_of(prepared, {"reach": "counts"}, printed=str(printed))
    assert workforce.run_by_itself(job).ended is None
    lines = printed.read_text().splitlines()
    assert lines == ["step 1 epoch 0", "step 2 epoch 1", "step 3 epoch 2"]


def test_a_technique_that_changes_the_loss_fails_where_the_script_has_its_own(prepared, workforce):
    outcome = workforce.run_by_itself(job_of(prepared, {"reach": "losing"}))
    assert outcome.ended is Ended.FAILED
    assert outcome.why == "reach 'losing': your own training does not use run.loss"
