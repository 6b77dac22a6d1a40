"""At the door of a worker: whether what is installed there is what the command has."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import advisor

NUMERIC = ("torch", "numpy")
"""Libraries whose versions decide the numbers, besides advisor."""
GROUP = "advisor"
"""The group of entry points by which plugins are installed."""
ENVIRONMENT = (
    "ATEN_CPU_CAPABILITY",
    "CUBLAS_WORKSPACE_CONFIG",
    "KMP_AFFINITY",
    "MKL_CBWR",
    "MKL_NUM_THREADS",
    "NVIDIA_TF32_OVERRIDE",
    "OMP_NUM_THREADS",
    "OMP_WAIT_POLICY",
    "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE",
)
"""Variables that say how numbers are computed, which workers take over from the command."""


def versions_here() -> dict[str, str]:
    """What this process has: versions by the names of Python, libraries and plugins."""
    found = {"python": f"{sys.version_info.major}.{sys.version_info.minor}"}
    for name in NUMERIC:
        # A build for other hardware (2.13.0+cpu, 2.13.0+cu130) is the same version.
        found[name] = importlib.metadata.version(name).partition("+")[0]
    found["advisor"] = f"{advisor.__version__} (code {code_of_advisor()})"
    found.update(plugins_here())
    return found


def plugins_here() -> Iterator[tuple[str, str]]:
    """The installed plugins of others, each with its distribution and the version of that."""
    for entry in importlib.metadata.entry_points(group=GROUP):
        if entry.dist is not None and not entry.value.startswith("advisor_plugins"):
            yield f"plugin {entry.name}", f"{entry.dist.name} {entry.dist.version}"


def code_of_advisor() -> str:
    """A short digest of advisor's own code: two checkouts may have one version."""
    digest = hashlib.sha256()
    plugins = importlib.util.find_spec("advisor_plugins")
    files = [advisor.__file__, *([plugins.origin] if plugins and plugins.origin else [])]
    for folder in (Path(file).parent for file in files):
        for path in sorted(folder.rglob("*.py")):
            digest.update(path.relative_to(folder).as_posix().encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:8]


def environment_here() -> dict[str, str]:
    """The variables of this process that say how numbers are computed."""
    # A worker trains with one thread, as on this machine.
    one = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    return {**one, **{name: os.environ[name] for name in ENVIRONMENT if name in os.environ}}


def why_refused(where: str, wanted: Mapping[str, str], found: Mapping[str, str]) -> str:
    """Why a worker is refused, in a message; empty where it has what is wanted.

    Arguments:
        where: what the worker is called.
        wanted: the versions of the command.
        found: those of the worker.
    """
    others = [name for name in {**wanted, **found} if wanted.get(name) != found.get(name)]
    if not others:
        return ""
    theirs = ", ".join(f"{name} {found.get(name, '(none)')}" for name in others)
    ours = ", ".join(f"{name} {wanted.get(name, '(none)')}" for name in others)
    return (
        f"Worker {where} has {theirs}; this command has {ours}. Trainings of different versions "
        "cannot be compared: install the same there, or take that worker away. "
        "Then the same command goes on."
    )
