"""Jobs on the workers of an engine: Dask with real processes, and executors of other kinds."""

import io
import json
import multiprocessing
import os
import random
import shutil
import subprocess
import sys
import threading
import time
import zipfile
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from dask_cluster import Cluster

import advisor
from advisor.content.files_read import files_read
from advisor.errors import InputError, MachineError
from advisor.search.plan import make_plan
from advisor.store.query import read
from advisor.training.ended import Ended
from advisor.work.engines import at_worker
from advisor.work.engines.abroad import hired_of
from advisor.work.engines.collecting import shipment_of
from advisor.work.engines.door import why_refused
from advisor.work.engines.packed import Packed, unpack
from advisor.work.job import Job, work
from advisor.work.opening import open_study
from advisor.work.prepare import prepare
from advisor.work.study_ref import StudyRef

NET = """
from torch import nn
from layers import layer
def net(in_features, num_classes):
    return nn.Sequential(layer(in_features, 8), nn.ReLU(), layer(8, num_classes))
"""
LAYERS = "from torch.nn import Linear as layer\n"
STUDY = """
import advisor
from net import net
study = advisor.Study("small", advisor.Task(net, {data!r}, target="y"), trials=4, epochs=2,
                      seeds=3, only={{"activation": ["elu"], "initializer": ["he"]}})
"""
TECHNIQUE = """
import os, pathlib, signal, time, advisor
class Odd(advisor.Technique):
    name, slot = "odd", "initializer"
    def apply(self, run):
        {body}
@advisor.hookimpl
def techniques():
    return [Odd()]
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A scheduler with two workers, which the tests leave as they are."""
    cluster = Cluster(tmp_path_factory.mktemp("dask"))
    cluster.start_worker()
    cluster.start_worker()
    yield cluster
    cluster.stop()


@pytest.fixture
def own_cluster(tmp_path):
    """A scheduler without workers."""
    cluster = Cluster(tmp_path / "dask")
    yield cluster
    cluster.stop()


@pytest.fixture
def study(write, tmp_path):
    """A study in three files with its data in another folder, named by a relative path."""
    rows = "".join(f"{i % 7},{i % 5},{'a' if i % 7 > 2 else 'b'}\n" for i in range(120))
    write("elsewhere/rows.csv", "u,v,y\n" + rows)
    write("study/net.py", NET)
    write("study/layers.py", LAYERS)
    return write("study/small.py", STUDY.format(data="../elsewhere/rows.csv"))


@pytest.fixture
def opened(study, write):
    """Open the study for a crew, with a technique that does what is given on one line."""

    def opened(crew, body="pass"):
        ref = StudyRef.of(study, (write("study/odd.py", TECHNIQUE.format(body=body)),))
        return open_study(ref, "cpu", crew)

    return opened


def job_of(prepared, **params):
    """Two epochs of a model, as a job."""
    plan = make_plan(prepared)
    return Job(
        prepared.ref,
        prepared.opening_id,
        prepared.digest,
        {**plan.baseline, **plan.defaults_of(plan.baseline), **params},
        seed=1,
        split=0,
        batch=16,
        from_epoch=0,
        to_epoch=2,
        name=f"trial {params}",
    )


def ran_well(outcome):
    assert not outcome.why
    return len(outcome.curve) == 2


def timeless(value):
    """A JSON without what clocks say."""
    if isinstance(value, dict):
        kept = {key: each for key, each in value.items() if "second" not in key}
        return {key: timeless(each) for key, each in kept.items()}
    return [timeless(each) for each in value] if isinstance(value, list) else value


def answer(study, **words):
    """The JSON of a recommendation."""
    return timeless(json.loads(advisor.tune(study, **words).to_json()))


# --- Dask ---------------------------------------------------------------------------------------


def test_a_study_on_dask_gives_the_answer_that_it_gives_on_this_machine(cluster, study, tmp_path):
    here = answer(study, storage=str(tmp_path / "here.db"), workers=0)
    assert answer(study, storage=str(tmp_path / "there.db"), executor=cluster.name) == here


def test_a_job_runs_in_another_folder_with_another_home_and_without_the_studys_files(
    cluster, opened, tmp_path
):
    told = []
    with hired_of(cluster.name, None, None) as crew:
        crew.on_wait = told.append
        prepared = opened(crew)
        shutil.rmtree(tmp_path / "study")
        shutil.rmtree(tmp_path / "elsewhere")
        jobs = {i: job_of(prepared, initializer=name) for i, name in enumerate(["keep", "he"])}
        outcomes = dict(crew.run(jobs))
    assert all(map(ran_well, outcomes.values()))
    assert not told


def test_a_technique_sees_the_folder_of_its_files_and_not_that_of_the_command(
    cluster, opened, tmp_path
):
    body = "raise ValueError(f'{pathlib.Path.home()} {pathlib.Path(__file__)}')"
    with hired_of(cluster.name, None, None) as crew:
        outcome = crew.run_by_itself(job_of(opened(crew, body), initializer="odd"))
    home, file = outcome.why.removeprefix("ValueError: ").split()[:2]
    assert Path(home).parent == cluster.folder
    assert file.endswith(str(tmp_path / "study" / "odd.py"))
    assert file != str(tmp_path / "study" / "odd.py")


@pytest.mark.parametrize("scratch", [None, "{}/scratch", "file://{}/scratch"])
def test_a_training_goes_on_from_its_state_on_any_worker(cluster, opened, tmp_path, scratch):
    place = scratch and scratch.format(tmp_path)
    with hired_of(cluster.name, None, place) as crew:
        prepared = opened(crew)
        whole = crew.run_by_itself(job_of(prepared))
        half = str(tmp_path / "states" / "1.pt")
        first = replace(job_of(prepared), to_epoch=1, epochs=2, save=half)
        second = replace(job_of(prepared), from_epoch=1, epochs=2, load=half)
        outcomes = [crew.run_by_itself(each) for each in (first, second)]
        assert (Path(half).stat().st_size < 100) == (scratch is not None)
        kept = [*(tmp_path / "scratch").rglob("1.pt")]
        assert len(kept) == (scratch is not None)
        Path(half).unlink()
    assert [len(each.curve) for each in outcomes] == [1, 1]
    scores = [epoch.score for each in outcomes for epoch in each.curve]
    assert scores == [epoch.score for epoch in whole.curve]
    assert not any(each.exists() for each in kept), "what is not kept here is not kept there"


def test_a_process_that_ends_by_its_own_doing_costs_its_job_and_not_the_worker(cluster, opened):
    with hired_of(cluster.name, None, None) as crew:
        prepared = opened(crew, "os._exit(3)")
        jobs = {0: job_of(prepared, initializer="odd"), 1: job_of(prepared)}
        outcomes = dict(crew.run(jobs))
        assert crew.workers == 2
    assert outcomes[0].ended is Ended.FAILED
    assert "3 times: exit code 3: os._exit in Odd.apply, odd.py:6 on tcp://" in outcomes[0].why
    assert ran_well(outcomes[1])


def test_a_worker_trains_with_one_thread_and_the_variables_of_the_command(
    cluster, opened, monkeypatch
):
    monkeypatch.setenv("MKL_CBWR", "COMPATIBLE")
    body = (
        "import torch; raise ValueError(f'{torch.get_num_threads()} '"
        ' f\'{os.environ["OMP_NUM_THREADS"]} {os.environ["MKL_CBWR"]}\')'
    )
    with hired_of(cluster.name, None, None) as crew:
        outcome = crew.run_by_itself(job_of(opened(crew, body), initializer="odd"))
    assert outcome.why.startswith("ValueError: 1 1 COMPATIBLE")


def test_a_job_is_dropped_by_its_worker_when_the_command_ends(cluster, opened, tmp_path):
    flag = tmp_path / "pid"
    body = f"pathlib.Path({str(flag)!r}).write_text(str(os.getpid())); time.sleep(600)"
    with hired_of(cluster.name, None, None) as crew:
        crew.begin(work, job_of(opened(crew, body), initializer="odd"))
        wait_until(lambda: flag.exists() and flag.read_text())
    wait_until(lambda: not is_alive(int(flag.read_text())))


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def wait_until(is_so):
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_training_that_takes_longer_than_it_may_is_ended_by_its_worker(cluster, opened):
    with hired_of(cluster.name, None, None) as crew:
        late = replace(job_of(opened(crew, "time.sleep(600)"), initializer="odd"), seconds=0.3)
        outcome = crew.run_by_itself(late)
    assert outcome.ended is Ended.FAILED
    assert "longer than 0.005 minutes, in Odd.apply, odd.py:6 (--trial-minutes)" in outcome.why


def test_out_of_memory_fails_the_arm_with_the_size_and_the_next_job_has_a_clean_process(
    cluster, opened, tmp_path
):
    pids = tmp_path / "pids"
    size = "torch.OutOfMemoryError('CUDA out of memory. Tried to allocate 2.00 GiB')"
    body = (
        f"import torch; pathlib.Path({str(pids)!r}).open('a').write(f'{{os.getpid()}} ')\n"
        f"        raise {size}"
    )
    with hired_of(cluster.name, 1, None) as crew:
        prepared = opened(crew, body)
        jobs = {i: job_of(prepared, initializer="odd") for i in range(2)}
        outcomes = dict(crew.run({**jobs, 2: job_of(prepared)}))
    assert [outcomes[i].ended for i in range(2)] == [Ended.FAILED] * 2
    assert outcomes[0].why.startswith("out of memory: OutOfMemoryError: CUDA out of memory. Tried")
    assert "2.00 GiB" in outcomes[0].why
    assert ran_well(outcomes[2])
    assert len(set(pids.read_text().split())) == 2


def test_a_job_whose_worker_was_killed_runs_on_another(own_cluster, opened, tmp_path):
    flag = tmp_path / "began"
    body = (
        f"new = not (f := pathlib.Path({str(flag)!r})).exists(); f.touch(); new and time.sleep(600)"
    )
    own_cluster.start_worker()
    with hired_of(own_cluster.name, None, None) as crew:
        prepared = opened(crew, body)
        killer = threading.Thread(target=kill_the_first, args=(own_cluster, flag))
        killer.start()
        outcomes = dict(crew.run({0: job_of(prepared, initializer="odd"), 1: job_of(prepared)}))
        killer.join()
    assert set(outcomes) == {0, 1}
    assert len(outcomes[0].curve) == len(outcomes[1].curve) == 2


def kill_the_first(cluster, flag):
    """Kill the first worker once a job has begun, and start another one."""
    while not flag.exists():
        time.sleep(0.05)
    cluster.kill(cluster.workers[0])
    cluster.start_worker()


def test_a_study_whose_scheduler_died_ends_and_goes_on_to_the_same_answer(
    own_cluster, study, tmp_path, monkeypatch
):
    monkeypatch.setattr("advisor.work.engines.dask_engine.ANSWER_SECONDS", 3.0)
    own_cluster.start_worker()

    def kill_scheduler(event):
        if isinstance(event, advisor.TrialEnded):
            own_cluster.stop()

    words = {"storage": str(tmp_path / "there.db"), "executor": own_cluster.name}
    with pytest.raises(MachineError, match="The Dask scheduler dask://.* does not answer"):
        advisor.tune(study, **words, on=kill_scheduler)
    own_cluster.start_scheduler()
    own_cluster.start_worker()
    here = answer(study, storage=str(tmp_path / "here.db"), workers=0)
    assert answer(study, **words) == here


def test_a_worker_with_another_version_of_torch_is_refused(own_cluster, opened, write, tmp_path):
    write("fake/torch-9.9.dist-info/METADATA", "Metadata-Version: 2.1\nName: torch\nVersion: 9.9\n")
    own_cluster.start_worker(PYTHONPATH=str(tmp_path / "fake"))
    with hired_of(own_cluster.name, None, None) as crew:
        prepared = opened(crew)
        with pytest.raises(InputError) as refused:
            crew.run_by_itself(job_of(prepared))
    assert "\n" not in str(refused.value)
    assert str(refused.value).startswith("Worker tcp://127.0.0.1:")
    assert " has torch 9.9; this command has torch 2" in str(refused.value)
    assert "install the same there, or take that worker away" in str(refused.value)


def test_where_there_is_no_scheduler_the_command_says_how_it_goes_on(advise, study, monkeypatch):
    monkeypatch.setattr("advisor.work.engines.dask_engine.ANSWER_SECONDS", 0.5)
    pytest.importorskip("distributed")
    said = advise("tune", study, "--executor", "dask://127.0.0.1:1")
    assert said.code == 1
    assert "The Dask scheduler dask://127.0.0.1:1 does not answer" in said.err
    assert f"The same command goes on where it stopped:\n  advisor tune {study}" in said.err


@pytest.mark.proof
def test_sixty_kills_lose_nothing_and_double_nothing(own_cluster, study, tmp_path):
    """Workers and the command are killed at random moments; each is started anew."""
    here = answer(study, storage=str(tmp_path / "here.db"), workers=0)
    url = str(tmp_path / "there.db")
    line = [sys.executable, "-m", "advisor.cli", "tune", study, "--json", "--quiet"]
    line += ["--storage", url, "--executor", own_cluster.name]
    own_cluster.start_worker()
    own_cluster.start_worker()
    rng, kills, said = random.Random(0), 0, ""
    while kills < 60:
        command = subprocess.Popen(line, stdout=subprocess.PIPE, text=True, cwd=tmp_path)
        while command.poll() is None and kills < 60:
            time.sleep(rng.uniform(2, 12))
            kills += 1
            if rng.random() < 0.3 and command.poll() is None:
                command.kill()
                break
            place = rng.randrange(2)
            own_cluster.kill(own_cluster.workers[-1 - place])
            own_cluster.start_worker()
            own_cluster.workers.sort(key=lambda each: each.poll() is None)
        said = command.communicate()[0]
        if command.returncode == 0:
            assert timeless(json.loads(said)) == here
            advisor_rows(url, here)
            # Then from the beginning, as there are kills left.
            Path(url).unlink()
    end = subprocess.run(line, capture_output=True, text=True, cwd=tmp_path)
    assert end.returncode == 0, end.stderr
    assert timeless(json.loads(end.stdout)) == here
    advisor_rows(url, here)


def advisor_rows(url, here):
    """No trial is lost or there twice."""
    rows = read(f"sqlite:///{url}", "SELECT number FROM advisor_trials ORDER BY number")[1]
    assert [number for (number,) in rows] == list(range(sum(here["trials"].values())))


# --- what is sent -------------------------------------------------------------------------------


def test_code_travels_first_and_what_is_too_large_is_named(study, tmp_path):
    ref = StudyRef.of(study)
    with files_read() as read:
        prepared = prepare(ref)
    whole = shipment_of(ref, prepared.study, read, None)
    names = zipfile.ZipFile(io.BytesIO(whole.packed.data)).namelist()
    here = str(tmp_path).lstrip("/")
    for name in ("study/small.py", "study/net.py", "study/layers.py", "elsewhere/rows.csv"):
        assert f"{here}/{name}" in names
    assert shipment_of(ref, prepared.study, read, None).packed == whole.packed
    small = shipment_of(ref, prepared.study, read, 100)
    assert str(tmp_path / "elsewhere" / "rows.csv") in small.packed.left_out
    assert small.packed.digest != whole.packed.digest


def test_files_that_were_damaged_on_their_way_are_not_unpacked(tmp_path):
    packed = Packed.of({"a/b.py": b"1"}, {})
    assert (unpack(packed.data, packed.digest, tmp_path) / "a/b.py").read_bytes() == b"1"
    assert unpack(packed.data, packed.digest, tmp_path).name == packed.digest
    with pytest.raises(ValueError, match="damaged"):
        unpack(packed.data[:-1], packed.digest, tmp_path)


@pytest.mark.parametrize(
    ("theirs", "words"),
    [
        ({"torch": "2.6.0"}, "Worker w has torch 2.6.0; this command has torch 2.13.0."),
        ({"plugin x": "x 1"}, "has plugin x x 1; this command has plugin x (none)."),
        ({"torch": "2.13.0", "python": "3.12"}, "has python 3.12; this command has python 3.11."),
    ],
)
def test_a_worker_with_other_versions_is_told_apart_at_the_door(theirs, words):
    ours = {"python": "3.11", "torch": "2.13.0"}
    assert words in why_refused("w", ours, {**ours, **theirs})
    assert why_refused("w", ours, ours) == ""


# --- what pretrainings have made ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scratch", "times"), [(None, 2), ("{}/scratch", 1), ("file://{}/scratch", 1)]
)
def test_what_one_worker_has_made_another_one_finds_in_scratch(opened, tmp_path, scratch, times):
    made, folder = tmp_path / "made", tmp_path / "states"
    body = (
        f"run.remember(['odd'], lambda: pathlib.Path({str(made)!r}).open('a').write('1') and"
        " {'numbers': __import__('torch').ones(3)})"
    )
    folder.mkdir()
    outcomes = []
    with ThreadPoolExecutor(1) as executor:
        for _ in range(2):
            with hired_of(executor, None, scratch and scratch.format(tmp_path)) as crew:
                job = job_of(opened(crew, body), initializer="odd")
                job = replace(job, cache=str(folder / "cache"))
                outcomes.append(crew.run_by_itself(job))
            at_worker.end_all()  # the next one is another worker, which has a folder of its own
    assert all(map(ran_well, outcomes))
    assert made.read_text() == times * "1"
    assert len([*(tmp_path / "scratch").rglob("cache-*/*.pt")]) == (scratch is not None)
    assert outcomes[0].curve[-1].score == outcomes[1].curve[-1].score
    # It is there as long as the study has its folder.
    folder.rmdir()
    crew.stop()
    assert not [*(tmp_path / "scratch").rglob("*.pt")]


# --- executors of other kinds -------------------------------------------------------------------


def threads():
    return ThreadPoolExecutor(2)


def processes():
    return ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))


@pytest.mark.parametrize("make", [threads, processes])
def test_a_study_on_an_executor_that_is_given_gives_the_same_answer(study, tmp_path, make):
    here = answer(study, storage=str(tmp_path / "here.db"), workers=0)
    with make() as executor:
        assert answer(study, storage=str(tmp_path / "there.db"), executor=executor) == here
        assert executor.submit(os.getpid).result(), "it is the user's, and lives on"


def test_a_study_on_an_executor_of_a_function_gives_an_answer(advise, study, write):
    write(
        "mine.py",
        "import concurrent.futures\n"
        "def two(): return concurrent.futures.ThreadPoolExecutor(2)\n"
        "def none(): return 3\n"
        "def broken(): raise OSError('no cluster')\n",
    )
    said = advise("tune", study, "--executor", "mine.py:two", "--json")
    assert said.code == 0, said.err
    assert json.loads(said.out)["study"] == "small"
    for name, code, words in [
        ("none", 2, "mine.py:none gives int, which has no submit()"),
        ("broken", 1, "The executor mine.py:broken cannot be made: OSError: no cluster"),
        ("others", 2, "mine.py has no 'others'"),
    ]:
        said = advise("tune", study, "--name", "other", "--executor", f"mine.py:{name}")
        assert (said.code, words in said.err) == (code, True), said.err


def test_a_process_of_a_pool_that_is_killed_costs_its_job(opened, tmp_path):
    flag = tmp_path / "died"
    body = (
        f"new = not (f := pathlib.Path({str(flag)!r})).exists(); f.touch();"
        " new and os.kill(os.getpid(), signal.SIGKILL)"
    )
    with hired_of(threads(), None, None) as crew:
        prepared = opened(crew, body)
        jobs = {0: job_of(prepared, initializer="odd"), 1: job_of(prepared)}
        outcomes = dict(crew.run(jobs))
        assert crew.deaths.count(jobs[0].name) == 0
    assert flag.exists()
    assert all(len(each.curve) == 2 for each in outcomes.values())


def killing_the_pools_worker(flag):
    """A line by which a training ends the worker of the pool once, and not its own process."""
    return (
        f"new = not (f := pathlib.Path({str(flag)!r})).exists(); f.touch();"
        " new and os.kill(__import__('multiprocessing').parent_process().pid, signal.SIGKILL);"
        " new and time.sleep(600)"
    )


def test_a_pool_of_a_function_that_has_broken_is_made_anew(opened, write, tmp_path):
    flag = tmp_path / "died"
    pool = write(
        "pool.py",
        "import multiprocessing, concurrent.futures\n"
        "def pool():\n"
        "    context = multiprocessing.get_context('spawn')\n"
        "    return concurrent.futures.ProcessPoolExecutor(1, context)\n",
    )
    with hired_of(f"{pool}:pool", None, None) as crew:
        prepared = opened(crew, killing_the_pools_worker(flag))
        outcomes = dict(crew.run({0: job_of(prepared, initializer="odd"), 1: job_of(prepared)}))
    assert flag.exists()
    assert all(len(each.curve) == 2 for each in outcomes.values())


def test_an_executor_that_is_given_and_has_broken_ends_the_call(opened, tmp_path):
    pool = processes()
    with hired_of(pool, None, None) as crew:
        prepared = opened(crew, killing_the_pools_worker(tmp_path / "died"))
        with pytest.raises(MachineError, match="that was given takes no more jobs: BrokenProcess"):
            crew.run_by_itself(job_of(prepared, initializer="odd"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--executor", "nonsense"], "write dask://HOST:PORT, or module:factory"),
        (["--scratch", "here"], "name it with --executor"),
        (["--executor", "dask://127.0.0.1:1", "--workers", "0"], "--workers 0 trains in this"),
    ],
)
def test_words_about_engines_that_say_nothing_are_refused(advise, study, words, message):
    said = advise("tune", study, *words)
    assert said.code == 2
    assert message in said.err
