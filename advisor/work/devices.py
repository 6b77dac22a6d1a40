"""Devices that train: one, or several of one kind, and how many workers they have."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, replace

import torch

from advisor.errors import InputError
from advisor.work.task_facts import usable_device

CONTEXT = 2**29
"""Bytes of a device that a process takes besides its tensors, about what CUDA does."""
MOST_WORKERS = 8
"""Processes that train where the user gives no number, however many cores there are."""
SHARE = 0.8
"""Part of a device's memory that its workers may fill: other arms take more than the first."""


@dataclass(frozen=True)
class Staff:
    """Workers of this machine.

    Attributes:
        workers: that train at once, at first.
        devices: of which each worker has one; empty where there is one for all.
        most: workers where their devices have the memory for so many; 0 for no more than at first.
    """

    workers: int
    devices: tuple[str, ...] = ()
    most: int = 0


@dataclass(frozen=True)
class DeviceMemory:
    """What a process has taken of the memory of its device.

    Attributes:
        peak: bytes that it held at most.
        total: bytes that the device has.
    """

    peak: int
    total: int


@dataclass
class DeviceRoom:
    """How many workers there is room for, as far as trainings have shown.

    Attributes:
        devices: that they are spread over.
        most: workers that there are in any case at most.
        peak: bytes that a training has taken at most.
    """

    devices: int
    most: int
    peak: int = 0

    def workers(self, memory: DeviceMemory) -> int:
        """How many workers there may be, after a training that took so much."""
        self.peak = max(self.peak, memory.peak)
        on_each = int(SHARE * memory.total / (self.peak + CONTEXT))
        return min(self.most, self.devices * max(1, on_each))


def default_workers() -> int:
    """Processor cores that this process may use, at most `MOST_WORKERS`."""
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    return max(1, min(MOST_WORKERS, cores))


def staff_of(device: str, workers: int | None, usual: int) -> tuple[str, Staff]:
    """The device on which a study is opened, and who trains, by `--device` and `--workers`.

    Without a number there is a worker a device, or as many as usual where the device is a CPU.
    Where those are more, another device gets more workers once it is known that they have room.

    Arguments:
        device: names of torch devices, with commas between them.
        workers: what is asked for; None for no number.
        usual: how many there are where nobody says a number.

    Raises:
        InputError: a device is not there, is of another kind, or has no worker.
    """
    names = devices_of(device)
    devices = names if len(names) > 1 else ()
    if workers is None:
        if is_processor(names[0]):
            return names[0], Staff(max(usual, len(names)), devices)
        return names[0], Staff(len(names), devices, max(usual, len(names)))
    if devices and workers < len(devices):
        raise InputError(
            f"--workers {workers} leaves a device of --device {device} without one: give "
            f"--workers {len(devices)} or more, or fewer devices."
        )
    return names[0], Staff(workers, devices)


def staff_for(workers: int | Staff, has_script: bool = False) -> Staff:
    """A number of workers as a staff, of one at least where there is a training script.

    Raises `InputError` where a script is to train on several devices, which it chooses itself.
    """
    staff = workers if isinstance(workers, Staff) else Staff(workers)
    if not has_script:
        return staff
    if staff.devices:
        raise InputError(
            f"A training script chooses its device itself: leave out --device "
            f"{','.join(staff.devices)}, and let the script see one with CUDA_VISIBLE_DEVICES."
        )
    return replace(staff, workers=max(1, staff.workers))


def devices_of(text: str) -> tuple[str, ...]:
    """The names of devices in a text.

    One by itself is checked where the study is opened on it. Raises `InputError` where one of
    several is not there, twice, or of another kind than the others.
    """
    names = tuple(each.strip() for each in text.split(","))
    if len(names) == 1:
        return names
    found = [device_named(name) for name in names]
    kinds = list(dict.fromkeys(each.type for each in found))
    if len(kinds) > 1:
        raise InputError(
            f"--device {text} has devices of several kinds ({', '.join(kinds)}), which compute "
            "other numbers: name devices of one kind, such as cuda:0,cuda:1."
        )
    ((number, times),) = Counter(each.index or 0 for each in found).most_common(1)
    if times > 1:
        raise InputError(
            f"--device {text} names {kinds[0]}:{number} {times} times: name each device once; "
            "--workers says how many trainings there are at once."
        )
    usable_device(names[0])
    for device in found[1:]:
        check_is_there(device)
    return names


def device_named(name: str) -> torch.device:
    """A device by its name. Raises `InputError` where torch knows none of this name."""
    try:
        return torch.device(name)
    except RuntimeError:
        return usable_device(name)  # which says what is wrong


def check_is_there(device: torch.device) -> None:
    """Raise `InputError` where a device is not there on which this process computes nothing itself,
    so that no memory is taken there.
    """
    module = torch.get_device_module(device)
    if device.type == "cpu" or not hasattr(module, "device_count"):
        usable_device(str(device))
        return
    count = module.device_count()
    if (device.index or 0) >= count:
        raise InputError(
            f"--device {device} cannot be used here: there are {count}, which are counted from "
            f"{device.type}:0."
        )


def is_processor(name: str) -> bool:
    """Whether a device is the CPU, by its name."""
    return name.partition(":")[0] == "cpu"


def keep_to(device: torch.device) -> None:
    """Let code that names only the kind of a device have this one in this process."""
    module = torch.get_device_module(device)
    if device.index is not None and hasattr(module, "set_device"):
        module.set_device(device.index)


def memory_of(device: torch.device) -> DeviceMemory | None:
    """What this process has taken of a device's memory; None where the device does not say."""
    module = torch.get_device_module(device)
    if not hasattr(module, "max_memory_reserved") or not hasattr(module, "mem_get_info"):
        return None
    return DeviceMemory(module.max_memory_reserved(device), module.mem_get_info(device)[1])
