from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import textwrap
import time

import pytest

import advisor

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals are those of POSIX")

ADVISOR = os.path.join(os.path.dirname(sys.executable), "advisor")
STUDY = """\
import sys
import advisor
from torch import nn
from sklearn.datasets import load_iris

def net():
    return nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3))

def data():
    print("the data are read", file=sys.stderr, flush=True)
    x, y = load_iris(return_X_y=True)
    return (x - x.mean(0)).astype("float32"), y

only = {"activation": ["elu"], "initializer": ["he"], "pretraining": []}
study = advisor.Study("iris", advisor.Task(build=net, data=data), trials=6, epochs=8, seeds=3, only=only)
"""
SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@pytest.fixture
def started(tmp_path):
    """Start a program in the test's folder, in a process group of its own."""
    processes = []

    def start(*words, **options):
        process = subprocess.Popen(
            words,
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            **options,
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.communicate()


def wait_for(process, words):
    """Read what a process says on stderr until it has said these words."""
    said = ""
    for line in process.stderr:
        said += line
        if words in line:
            return
    raise AssertionError(f"it ended with {process.wait()} and never said {words!r}: {said}")


def group_of(process):
    """The processes that are left of a group some seconds after its end, however busy all are."""
    mine = []
    for _ in range(100):
        listed = subprocess.run(
            ["ps", "-eo", "sid,args"], capture_output=True, text=True, check=True
        ).stdout.splitlines()
        mine = [line for line in listed if line.split()[0] == str(process.pid)]
        mine = [line for line in mine if "defunct" not in line]
        if not mine:
            break
        time.sleep(0.1)
    return mine


# --- a whole study ------------------------------------------------------------------------------


@pytest.mark.proof
def test_a_study_that_signals_stop_at_every_moment_says_how_to_go_on_and_answers_the_same(
    tmp_path, started
):
    (tmp_path / "iris.py").write_text(STUDY)
    words = [ADVISOR, "tune", "iris.py", "--storage", "stopped.db", "--json", "--workers"]
    # What is said, the signal, the workers, whether the whole group gets it, and how many times.
    moments = [
        ("the data are read", signal.SIGTERM, "1", False, 1),
        ("pilot 1/1", signal.SIGTERM, "2", True, 1),
        ("each technique alone", signal.SIGINT, "1", False, 3),
        ("fresh seeds", signal.SIGHUP, "2", True, 3),
    ]
    line = ""
    for said, number, workers, whole_group, times in moments:
        process = started(*words, workers)
        wait_for(process, said)
        for _ in range(times):
            send = os.killpg if whole_group else os.kill
            send(process.pid, number)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 128 + number, (said, err)
        assert "Traceback" not in err, (said, err)
        assert out == "", said
        line = err.splitlines()[-1].strip()
        assert "goes on where it stopped" in err.splitlines()[-2], (said, err)
        assert group_of(process) == [], said
        left = sorted(
            path.name for path in tmp_path.iterdir() if path.name.endswith(("wal", "shm"))
        )
        assert left == [], said

    # The line is a command that works as it is printed.
    again = started(*shlex.split(line))
    answer, err = again.communicate(timeout=120)
    assert again.returncode == 0, err
    whole = advisor.tune(str(tmp_path / "iris.py"), storage=str(tmp_path / "whole.db"))
    assert timeless(json.loads(answer)) == timeless(json.loads(whole.to_json()))


def timeless(plain):
    """An answer without what differs from run to run."""
    if isinstance(plain, dict):
        return {key: timeless(each) for key, each in plain.items() if key != "seconds"}
    return [timeless(each) for each in plain] if isinstance(plain, list) else plain


# --- the signals alone --------------------------------------------------------------------------


def program(body):
    """A program that runs `body` as a command does, with a short time to end by itself."""
    return (
        textwrap.dedent("""\
        import os, signal, sys, time
        from advisor.cli import signals
        signals.GRACE_SECONDS = 0.3
        handler = signals.Signals(lambda number: f"ended late by {number}\\n")
        def say(text): print(text, file=sys.stderr, flush=True)
        code = 0
        try:
            handler.install()
        """)
        + textwrap.indent(textwrap.dedent(body), "    ")
        + textwrap.dedent("""
            handler.note_end()
        except KeyboardInterrupt:
            say("interrupted")
        handler.end(code if handler.received is None else 128 + handler.received)
        """)
    )


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_is_an_interrupt_and_the_exit_code_tells_which(started, number):
    process = started(sys.executable, "-c", program("say('here'); time.sleep(60)"))
    wait_for(process, "here")
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (128 + number, "interrupted\n")


@pytest.mark.parametrize("number", SIGNALS)
def test_further_signals_do_not_disturb_the_end(started, number):
    body = """
    try:
        say("here")
        time.sleep(60)
    finally:
        for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(os.getpid(), each)
        say("cleaned up")
    """
    process = started(sys.executable, "-c", program(body))
    wait_for(process, "here")
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (128 + number, "cleaned up\ninterrupted\n")


def test_a_command_that_swallows_the_interrupt_is_ended_all_the_same(started):
    body = """
    import multiprocessing
    worker = multiprocessing.get_context("spawn").Process(target=time.sleep, args=(60,))
    worker.start()
    told = False
    while True:
        try:
            if not told:
                told = True
                say("here")
            time.sleep(60)
        except BaseException:
            pass
    """
    process = started(sys.executable, "-c", program(body))
    wait_for(process, "here")
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (128 + signal.SIGTERM, "ended late by 15\n")
    assert group_of(process) == []


def test_a_command_inside_a_long_operation_of_a_library_is_ended(started):
    # The other thread runs when the main one lets it, which is inside the operation, not before.
    body = """
    import hashlib, threading
    sys.setswitchinterval(1000)
    begun = threading.Event()
    threading.Thread(target=lambda: begun.wait() and say("here"), daemon=True).start()
    begun.set()
    hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)
    """
    process = started(sys.executable, "-c", program(body))
    wait_for(process, "here")
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (128 + signal.SIGTERM, "ended late by 15\n")


def test_a_signal_that_is_ignored_stays_ignored(started):
    body = """
    say("here")
    for _ in range(100):
        time.sleep(0.01)
    say("done")
    """
    nohup = "import os, signal, sys; signal.signal(signal.SIGHUP, signal.SIG_IGN); os.execv(sys.executable, [sys.executable, '-c', sys.argv[1]])"
    process = started(sys.executable, "-c", nohup, program(body))
    wait_for(process, "here")
    process.send_signal(signal.SIGHUP)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, "done\n")


def test_a_process_that_is_forked_off_has_its_own_signals(started):
    body = """
    child = os.fork()
    if not child:
        time.sleep(60)
        os._exit(0)
    os.kill(child, signal.SIGTERM)
    _, status = os.waitpid(child, 0)
    say(f"the child ended by {os.WTERMSIG(status)}")
    time.sleep(0.6)
    """
    process = started(sys.executable, "-c", program(body))
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, "the child ended by 15\n")


def test_the_signals_of_a_program_that_calls_us_in_a_thread_are_left_alone(started):
    body = """
    import threading
    other = signals.Signals(lambda number: "")
    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    thread = threading.Thread(target=other.install)
    thread.start()
    thread.join()
    assert before == [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    """
    process = started(sys.executable, "-c", program(body))
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, "")


def test_tune_as_a_function_leaves_the_signals_of_the_program_alone(blobs, tmp_path):
    from torch import nn

    called = []
    programs_own = signal.signal(signal.SIGTERM, lambda number, _: called.append(number))
    before = [signal.getsignal(number) for number in SIGNALS]
    task = advisor.Task(lambda: nn.Linear(4, 2), blobs)
    study = advisor.Study("small", task, trials=1, epochs=1, seeds=3)
    advisor.tune(
        study,
        storage=str(tmp_path / "small.db"),
        on=lambda _: os.kill(os.getpid(), signal.SIGTERM),
    )
    after = [signal.getsignal(number) for number in SIGNALS]
    signal.signal(signal.SIGTERM, programs_own)
    assert set(called) == {signal.SIGTERM}
    assert after == before


# --- what is said -------------------------------------------------------------------------------


def test_the_line_that_goes_on_shows_no_password(advise, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("advisor.cli.cli.main", stop)
    said = advise("tune", "a study.py", "--storage", "postgresql://ann:secret@host/name")
    assert said.code == 130
    assert "secret" not in said.err
    assert "advisor tune 'a study.py' --storage postgresql://ann:***@host/name" in said.err
    assert "your password in place of ***" in said.err
    assert advise("query", "advisor_trials").err == "\nInterrupted.\n"


def test_an_error_of_the_machine_tells_how_to_go_on_and_one_of_the_user_does_not(
    advise, monkeypatch
):
    def fail(error):
        def main(*_, **__):
            raise error("it is so")

        monkeypatch.setattr("advisor.cli.cli.main", main)

    fail(advisor.MachineError)
    said = advise("tune", "study.py")
    assert said.code == 1
    assert said.err.startswith("advisor: it is so\nThe same command goes on where it stopped:\n")
    assert said.err.endswith("advisor tune study.py\n")
    assert advise("show", "digits").err == "advisor: it is so\n"
    fail(advisor.InputError)
    said = advise("tune", "study.py")
    assert (said.code, said.err) == (2, "advisor: it is so\n")


def test_a_module_that_is_run_is_called_as_a_module_again(advise, monkeypatch):
    from advisor.cli import called_as

    monkeypatch.setattr(sys, "argv", ["/somewhere/advisor/cli/__main__.py", "tune"])
    assert called_as() == [sys.executable, "-m", "advisor"]
