"""What a process has set for all of its code, put back after each job."""

from __future__ import annotations

import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from advisor.randomness import preserved


@dataclass(frozen=True)
class Setting:
    """Something that code can set for the whole process.

    Attributes:
        read: what it is now, as a value of its own.
        write: sets it.
    """

    read: Callable[[], Any]
    write: Callable[[Any], object]


SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGALRM", "SIGUSR1", "SIGUSR2")
"""Signals whose handlers are put back, where the system has them."""


@contextmanager
def settings_kept() -> Iterator[None]:
    """What code inside sets for the whole process is afterwards as it was, however it ends.

    The next job then gives what it would have given in any other process.
    """
    before = [setting.read() for setting in SETTINGS]
    try:
        with preserved():
            yield
    finally:
        for setting, value in zip(SETTINGS, before, strict=True):
            if setting.read() != value:
                setting.write(value)


def process_settings() -> list[Any]:
    """What is set for the whole process now, to be compared."""
    return [setting.read() for setting in SETTINGS]


# --- torch --------------------------------------------------------------------------------------


def _determinism() -> tuple[bool, bool]:
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    return torch.are_deterministic_algorithms_enabled(), warn_only


def _set_determinism(value: tuple[bool, bool]) -> None:
    torch.use_deterministic_algorithms(value[0], warn_only=value[1])


def _set_default_device(device: torch.device) -> None:
    # A device that was never set is the CPU, and costs nothing at each call.
    torch.set_default_device(None if device.type == "cpu" else device)


def _cudnn() -> tuple[bool, bool, bool]:
    cudnn = torch.backends.cudnn
    return cudnn.enabled, cudnn.benchmark, cudnn.deterministic


def _set_cudnn(value: tuple[bool, bool, bool]) -> None:
    cudnn = torch.backends.cudnn
    cudnn.enabled, cudnn.benchmark, cudnn.deterministic = value


def _anomalies() -> tuple[bool, bool]:
    return torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()


def _set_anomalies(value: tuple[bool, bool]) -> None:
    torch.autograd.set_detect_anomaly(*value)


# --- Python and the system ----------------------------------------------------------------------


def _folder() -> str | None:
    with suppress(OSError):  # it may have been removed
        return str(Path.cwd())
    return None


def _set_folder(folder: str | None) -> None:
    if folder is not None:
        with suppress(OSError):
            os.chdir(folder)


def _set_import_path(path: list[str]) -> None:
    sys.path[:] = path


def _set_environment(variables: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(variables)


def _streams() -> tuple[object, object]:
    return sys.stdout, sys.stderr


def _set_streams(streams: tuple[Any, Any]) -> None:
    sys.stdout, sys.stderr = streams


def _set_warning_filters(filters: list[Any]) -> None:
    warnings.filters[:] = filters  # type: ignore[index]  # it is a list, and typed as a sequence


def _set_numpy_errors(kinds: dict[str, Any]) -> None:
    np.seterr(**kinds)


def _handlers() -> dict[int, Any]:
    # A handler that is not Python's own can be read by nobody, and is None.
    numbers = [getattr(signal, name) for name in SIGNALS if hasattr(signal, name)]
    return {number: signal.getsignal(number) for number in numbers}


def _set_handlers(handlers: dict[int, Any]) -> None:
    # Python sets handlers in the main thread only, in which alone they can have been changed.
    if threading.current_thread() is not threading.main_thread():
        return
    for number, handler in handlers.items():
        if handler is not None and signal.getsignal(number) != handler:
            signal.signal(number, handler)


def _has_alarm() -> bool:
    if not hasattr(signal, "getitimer"):
        return False
    return signal.getitimer(signal.ITIMER_REAL)[0] > 0


def _set_alarm(was_set: bool) -> None:
    # An alarm that a job has left would end the next one.
    if not was_set:
        signal.setitimer(signal.ITIMER_REAL, 0)


SETTINGS = (
    Setting(torch.get_default_dtype, torch.set_default_dtype),
    Setting(torch.get_default_device, _set_default_device),
    Setting(torch.is_grad_enabled, torch.set_grad_enabled),
    Setting(torch.get_num_threads, torch.set_num_threads),
    Setting(torch.get_float32_matmul_precision, torch.set_float32_matmul_precision),
    Setting(_determinism, _set_determinism),
    Setting(_anomalies, _set_anomalies),
    Setting(_cudnn, _set_cudnn),
    Setting(np.geterr, _set_numpy_errors),
    Setting(_folder, _set_folder),
    Setting(lambda: list(sys.path), _set_import_path),
    Setting(lambda: dict(os.environ), _set_environment),
    Setting(lambda: list(warnings.filters), _set_warning_filters),
    Setting(_streams, _set_streams),
    Setting(sys.getrecursionlimit, sys.setrecursionlimit),
    Setting(_handlers, _set_handlers),
    Setting(_has_alarm, _set_alarm),
)
"""What is put back. Functions of libraries that code has replaced are not among it."""
