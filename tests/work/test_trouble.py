"""A job that the machine spoils is no trial's fault, and one that the model spoils is."""

from __future__ import annotations

import errno
import json
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from models.small import Net
from PIL import Image

import advisor
from advisor.errors import MachineError
from advisor.training.ended import Ended
from advisor.training.epoch import Epoch
from advisor.work import job as job_module
from advisor.work.executors import Crew, Serial
from advisor.work.job import work
from advisor.work.opened import in_this_process
from advisor.work.prepare import prepare
from advisor.work.study_ref import StudyRef

PLUGIN = """
import advisor, math, numpy, os, torch
from torch import nn

class Odd(advisor.Technique):
    name, slot = "odd", "initializer"
    def apply(self, run):
        {body}

@advisor.hookimpl
def techniques():
    return [Odd()]
"""


@pytest.fixture
def odd(write, job, ref):
    """The outcome of a job with a technique whose `apply` has this body."""

    def odd(body):
        plugin = write("odd.py", PLUGIN.format(body=body.replace("\n", "\n        ")))
        of_study = replace(ref, plugins=(plugin,))
        return work(job(of_study, opening_id=body, initializer="odd"))

    return odd


def numbers(outcome):
    return [(epoch.epoch, epoch.score, epoch.loss) for epoch in outcome.curve]


# --- the machine --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["ENOSPC", "EDQUOT", "EROFS", "EMFILE", "EIO", "ESTALE"])
def test_what_the_system_refuses_a_technique_is_no_failed_trial(odd, name):
    outcome = odd(f"raise OSError({getattr(errno, name)}, os.strerror({getattr(errno, name)}))")
    assert "OSError" in outcome.trouble
    assert (outcome.ended, outcome.why) == (None, "")


def test_nor_is_what_a_technique_makes_of_it(odd):
    body = "try:\n    raise OSError(28, 'full')\nexcept OSError:\n    raise ValueError('no file')"
    assert "full" in odd(body).trouble


def test_a_state_that_cannot_be_saved_is_trouble_and_the_next_job_is_not(job, tmp_path):
    (tmp_path / "states").write_text("a file where the folder should be")
    outcome = work(replace(job(), save=str(tmp_path / "states" / "0-2.pt")))
    assert "states/0-2.pt cannot be written" in outcome.trouble
    assert outcome.ended is None
    (tmp_path / "states").unlink()
    assert work(replace(job(), save=str(tmp_path / "states" / "0-2.pt"))).trouble == ""


def test_shared_work_that_cannot_be_kept_is_trouble(odd, job, tmp_path, monkeypatch):
    (tmp_path / "cache").write_text("in the way")
    original = job_module.train_into
    monkeypatch.setattr(
        job_module,
        "train_into",
        lambda outcome, job, prepared: original(
            outcome, replace(job, cache=str(tmp_path / "cache")), prepared
        ),
    )
    outcome = odd("run.remember(['key'], lambda: {'x': torch.ones(3)})")
    assert "cannot be written" in outcome.trouble


@pytest.mark.parametrize("damage", ["gone", "cut", "foreign", "of another training"])
def test_a_state_that_cannot_be_read_is_made_again(job, tmp_path, damage):
    state = tmp_path / "0-1.pt"
    whole = work(job())
    first = replace(job(), to_epoch=1, save=str(state))
    work(first)
    if damage == "gone":
        state.unlink()
    elif damage == "cut":
        state.write_bytes(state.read_bytes()[:-99])
    elif damage == "foreign":
        state.write_text("no state")
    else:
        work(replace(first, seed=2))
    outcome = work(replace(job(), from_epoch=1, load=str(state)))
    assert numbers(outcome) == numbers(whole)
    assert (outcome.ended, outcome.trouble) == (None, "")


def test_a_state_that_is_there_is_gone_on_from(job, tmp_path):
    state = str(tmp_path / "0-1.pt")
    whole = work(job())
    work(replace(job(), to_epoch=1, save=state))
    outcome = work(replace(job(), from_epoch=1, load=state))
    assert numbers(outcome) == numbers(whole)[1:]


def test_a_technique_that_builds_another_model_from_the_same_seed_has_failed(odd, tmp_path):
    """Its saved state does not fit what it builds when the training goes on."""
    body = (
        f"width = 7 + len(list(__import__('pathlib').Path({str(tmp_path)!r}).glob('seen*')))\n"
        f"open({str(tmp_path)!r} + '/seen%d' % width, 'w').close()\n"
        "run.model.more = nn.Linear(width, 1)"
    )
    state = str(tmp_path / "0-1.pt")
    original = job_module.train_run

    def halves(outcome, job, prepared, run):
        part = {"load": state, "from_epoch": 1} if Path(state).exists() else {"save": state}
        end = {} if Path(state).exists() else {"to_epoch": 1}
        original(outcome, replace(job, **part, **end), prepared, run)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(job_module, "train_run", halves)
        assert odd(body).ended is None
        outcome = odd(body)
    assert outcome.ended is Ended.FAILED
    assert outcome.why.startswith("the same seed gave another model than when this training was")


STUDY = """
import advisor, torch
from pathlib import Path
from torch import nn
build = lambda: nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 2))
study = advisor.Study("wine", advisor.Task(build=build, data="d.csv", target="y"), epochs=2)
"""


@pytest.mark.parametrize("what", ["data", "syntax", "exit"])
def test_a_study_that_a_worker_cannot_open_any_more_is_trouble(write, job, what):
    rows = "".join(f"{i},{i * i % 7},{i % 2}\n" for i in range(80))
    data, file = write("d.csv", "a,b,y\n" + rows), write("study.py", STUDY)
    first = job(StudyRef.of(file), "first")
    assert work(first).trouble == ""
    if what == "data":
        Path(data).rename(data + ".moved")
    else:
        Path(file).write_text(STUDY + ("study = (" if what == "syntax" else "raise SystemExit(0)"))
    outcome = work(replace(first, opening_id="another process"))
    assert "a worker cannot open it again" in outcome.trouble
    assert outcome.ended is None


def test_images_that_are_gone_while_a_study_runs_are_trouble(tmp_path, job):
    draw = np.random.default_rng(0)
    for number in range(40):
        place = tmp_path / "pictures" / f"class{number % 2}" / f"{number}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw.integers(0, 255, (8, 8), dtype=np.uint8)).save(place)

    class Lazy(torch.utils.data.Dataset):
        files = sorted((tmp_path / "pictures").rglob("*.png"))

        def __len__(self):
            return len(self.files)

        def __getitem__(self, at):
            with Image.open(self.files[at]) as image:
                pixels = torch.from_numpy(np.array(image)).float()[None] / 255
            return pixels + torch.rand(1), at % 2

    def net():
        return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 2))

    ref = StudyRef.of(advisor.Study("pictures", advisor.Task(build=net, data=Lazy())))
    prepared = prepare(ref)
    with in_this_process(prepared):
        first = job(ref, prepared.opening_id)
        assert work(first).trouble == ""
        for file in Lazy.files[::2]:
            file.unlink()
        outcome = work(first)
    assert "rows of the data cannot be read: FileNotFoundError" in outcome.trouble
    assert outcome.ended is None


class Reader(Net):
    """Reads a file each time it is built."""

    file = ""

    def __init__(self):
        super().__init__()
        self.width = len(Path(self.file).read_text())


def test_a_file_that_the_model_is_built_from_is_missed_as_the_machines(blobs, tmp_path, job):
    file = tmp_path / "weights.txt"
    file.write_text("four")
    build = type("Reader", (Reader,), {"file": str(file)})
    ref = StudyRef.of(advisor.Study("reads", advisor.Task(build=lambda: build(), data=blobs)))
    prepared = prepare(ref)
    with in_this_process(prepared):
        file.unlink()
        outcome = work(job(ref, prepared.opening_id, prepared.digest))
    assert "cannot be built now: FileNotFoundError" in outcome.trouble


def test_a_crew_gives_no_outcome_of_a_job_that_the_machine_spoiled(job, tmp_path):
    (tmp_path / "states").write_text("in the way")
    spoiled = replace(job(), save=str(tmp_path / "states" / "0.pt"))
    with Crew(Serial, 1) as crew:
        outcomes = crew.run({0: job(), 1: spoiled, 2: job()})
        assert next(outcomes)[0] == 0
        with pytest.raises(MachineError, match="cannot be written"):
            next(outcomes)


# --- the model or the technique -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("raise MemoryError()", "out of memory: MemoryError (odd.py:8 in apply)"),
        ("torch.empty(10**15)", "out of memory: RuntimeError"),
        ("raise torch.OutOfMemoryError('CUDA out of memory')", "out of memory: OutOfMemoryError"),
        ("raise FileNotFoundError('its own file')", "FileNotFoundError: its own file (odd.py:8"),
        ("raise ValueError('a' * 10**7)", "ValueError: aaaa"),
        ("raise ValueError('zero \\x00 and half \\ud800')", r"ValueError: zero \x00 and half \ud8"),
        ("class Mute(Exception):\n    def __str__(self): raise TypeError\nraise Mute", "Mute: (its"),
        ("def again(): again()\nagain()", "RecursionError"),
    ],
)  # fmt: skip
def test_what_a_technique_raises_fails_its_trial_with_a_reason_that_can_be_written(odd, body, why):
    outcome = odd(body)
    assert outcome.ended is Ended.FAILED
    assert outcome.why.startswith(why)
    assert len(outcome.why) < 2200
    outcome.why.encode()
    assert "\x00" not in outcome.why
    assert outcome.trouble == ""


@pytest.mark.parametrize(
    ("body", "given"),
    [
        ("return {'what': 'a dictionary'}", "apply() returned an object of the class dict"),
        ("return object()", "apply() returned an object of the class object"),
        ("return 3.5", "apply() returned 3.5"),
        ("return True", "apply() returned an object of the class bool"),
        ("run.costs['x'] = 'text'", "run.costs['x'] is 'text'"),
        ("run.costs['x'] = None", "run.costs['x'] is None"),
        ("run.costs['x'] = math.nan", "run.costs['x'] is nan"),
        ("run.costs['x'] = math.inf", "run.costs['x'] is inf"),
        ("run.costs['x'] = -1.0", "run.costs['x'] is -1.0"),
        ("run.costs['x'] = 10 ** 400", "run.costs['x'] is an object of the class int"),
        ("run.costs['x'] = torch.tensor(1.0)", "run.costs['x'] is an object of the class Tensor"),
        ("run.costs['x'] = True", "run.costs['x'] is an object of the class bool"),
        ("run.costs[3] = 1.0", "run.costs has the part 3"),
        ("run.costs['x' * 200] = 1.0", "run.costs has the part 'xxx"),
        ("run.costs['x\\x00'] = 1.0", "run.costs has the part 'x"),
        ("run.costs = None", "run.costs is None"),
    ],
)
def test_what_a_technique_gives_back_is_checked_when_it_is_given(odd, body, given):
    outcome = odd(body)
    assert outcome.ended is Ended.FAILED
    assert outcome.why.startswith(f"initializer 'odd': {given}")
    assert set(outcome.costs) <= {"initializer"}
    json.dumps(outcome.costs, allow_nan=False)


def test_what_training_enters_among_the_costs_is_checked_too(odd):
    outcome = odd(
        "loss = run.loss\n"
        "def entering(output, target):\n"
        "    run.costs['loss'] = 'text'\n"
        "    return loss(output, target)\n"
        "run.loss = entering"
    )
    assert outcome.ended is Ended.FAILED
    assert "run.costs['loss'] is 'text'" in outcome.why
    assert set(outcome.costs) == {"initializer", "training"}


def test_what_a_technique_says_is_one_line_and_its_costs_are_plain_numbers(odd):
    outcome = odd(
        "class Text(str): pass\n"
        "run.costs['part'] = numpy.float32(0.5)\n"
        "run.costs['whole'] = numpy.int64(2)\n"
        "return Text('two\\nlines \\x00 and \\ud800')"
    )
    assert outcome.ended is None
    assert outcome.actions == {"initializer": r"two lines \x00 and \ud800"}
    assert type(outcome.actions["initializer"]) is str
    assert (outcome.costs["part"], outcome.costs["whole"]) == (0.5, 2.0)
    assert {type(each) for each in outcome.costs.values()} == {float}


def test_an_outcome_holds_plain_values_whatever_the_metric_returns(blobs, job):
    def metric(output, target):
        return np.float64((output.argmax(1) == target).double().mean())

    task = advisor.Task(build=Net, data=blobs, metric=metric)
    outcome = work(job(StudyRef.of(advisor.Study("own", task)), "own metric"))
    assert all(type(epoch.score) is float for epoch in outcome.curve)
    assert pickle.loads(pickle.dumps(outcome)) == outcome  # pickled on this line
    assert all(isinstance(epoch, Epoch) for epoch in outcome.curve)


@pytest.mark.parametrize(
    ("given", "named"),
    [("None", "None"), ("output", "Tensor"), ("'0.5'", "'0.5'"), ("1j", "complex")],
)
def test_a_metric_that_returns_no_number_is_named(blobs, job, given, named):
    space = {}
    exec(f"def mine(output, target): return {given}", space)
    task = advisor.Task(build=Net, data=blobs, metric=space["mine"])
    with pytest.raises(advisor.InputError) as refused:
        work(job(StudyRef.of(advisor.Study("own", task)), given))
    assert f"the metric 'mine' returned {named}; it must return one number" in str(refused.value)
