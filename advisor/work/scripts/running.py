"""Runs a script as `python FILE` does, in a process that is used for nothing else before or after.

What it leaves behind (globals, replaced functions, modules, its folder, torch's settings) goes with
the process, so nothing is put back.
"""

from __future__ import annotations

import atexit
import gc
import io
import multiprocessing
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import CodeType, ModuleType

from advisor.randomness import start_from
from advisor.script import CURRENT, Arm
from advisor.work.scripts.named import TrainingScript, unreadable

MAIN = "__main__"
"""The name of the module that a script is."""
GOOD = (None, 0, False)
"""What a script that ends well gives to `sys.exit`."""


class ScriptEnded(BaseException):  # no error: raised where nothing is left to do
    """The script need not go on. No `except Exception` of the user's catches it."""


def run_script(script: TrainingScript, arm: Arm, printed: Path | None) -> None:
    """Run a script to its end, or until `arm` needs no more of it.

    Arguments:
        script: the script.
        arm: what `advisor.arm()` gives it.
        printed: the file for what it prints; None to drop that.

    Raises:
        SystemExit: the script ends with an exit code that is no good end.
        BaseException: what the script raises.
    """
    print_to(printed)
    CURRENT.arm = arm
    code, module = compiled(script.path), main_module(script)
    if script.folder is not None:
        os.chdir(script.folder)
    # What this process has loaded for itself need not be gone through while the script runs.
    gc.freeze()
    start_from(arm.seed)
    try:
        exec(code, vars(module))  # noqa: S102  # the user named this file to be run
        wait_for_threads()
    except ScriptEnded:
        pass  # its threads may wait for what never comes now
    except SystemExit as problem:
        if problem.code not in GOOD:
            raise
        wait_for_threads()
    finally:
        call_exit_hooks()


def main_module(script: TrainingScript) -> ModuleType:
    """The module that a script is, in a process that is as Python makes one for a script."""
    sys.argv = [script.path, *script.arguments]
    sys.path.insert(0, str(Path(script.path).parent))
    module = ModuleType(MAIN)
    module.__file__ = script.path
    vars(module)["__builtins__"] = __builtins__
    sys.modules[MAIN] = module
    # A worker's own processes are started as its coordinator starts it; a script's as Python does.
    multiprocessing.set_start_method(None, force=True)
    multiprocessing.current_process().name = "MainProcess"
    return module


def compiled(path: str) -> CodeType:
    """The code of a script. Raises `InputError` where it cannot be read."""
    try:
        return compile(Path(path).read_bytes(), path, "exec")
    except (OSError, SyntaxError, ValueError) as problem:
        raise unreadable(path, problem) from problem


def print_to(file: Path | None) -> None:
    """Send what this process and those that it starts print to a file, or nowhere."""
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    number = os.open(os.devnull if file is None else file, flags, 0o666)
    for stream in (1, 2):
        os.dup2(number, stream)
    os.close(number)
    sys.stdout, sys.stderr = lines_to(1), lines_to(2)


def lines_to(number: int) -> io.TextIOWrapper:
    """A stream that writes each line to a file descriptor as it ends."""
    raw = os.fdopen(number, "wb", closefd=False)
    return io.TextIOWrapper(raw, "utf-8", "backslashreplace", line_buffering=True)


def wait_for_threads() -> None:
    """Wait for the threads that a script has started, as Python does at its end."""
    for thread in threading.enumerate():
        if not thread.daemon and thread is not threading.current_thread():
            thread.join()


def call_exit_hooks() -> None:
    """Call what a script has registered for the end of its process."""
    # Python has no other way to do that before the process ends, which has to answer first.
    hooks: Callable[[], None] = atexit._run_exitfuncs
    hooks()
    for stream in (sys.stdout, sys.stderr):
        if not stream.closed:
            stream.flush()
