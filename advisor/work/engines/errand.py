"""What goes to a worker of an engine, and what comes back: plain values without paths of a machine.

A worker reads these without torch; what needs it stays pickled until it is in a process that
trains.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto

MOST_BYTES = 2**26
"""Bytes of a training state, or of the files of a study, that travel with a job."""


@dataclass(frozen=True)
class Errand:
    """A function that a worker is to call, with what that needs there.

    Attributes:
        task: the function and its arguments, pickled.
        versions: of what the worker must have.
        files: digest of the study's files.
        packed: the files themselves; None where the worker is asked whether it has them.
        folder: the current folder of the command.
        home: the user's home folder there.
        imports: folders from which the command imports the user's own modules.
        environment: variables that decide how numbers are computed.
        seconds: that its training may take; None for no limit.
        scratch: a folder, or a URL of fsspec's, that all workers reach; None where there is none.
        cache: the folder in there of what pretrainings have made, by the study and its content.
        load, save: names of the training states, which are those of the study, trial and epoch.
        state: the training state that it goes on from, where that travels.
        prints: whether what a script prints is wanted.
    """

    task: bytes = field(repr=False)
    versions: Mapping[str, str]
    files: str
    packed: bytes | None = field(default=None, repr=False)
    folder: str = ""
    home: str = ""
    imports: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    seconds: float | None = None
    scratch: str | None = None
    cache: str | None = None
    load: str | None = None
    save: str | None = None
    state: bytes | None = field(default=None, repr=False)
    prints: bool = False


@dataclass(frozen=True)
class Delivery:
    """What an errand brought.

    Attributes:
        result: what the function returned, pickled.
        spoils: whether the process is not to be used again.
        state: the training state that was saved, where it travels.
        is_in_scratch: whether it is in the scratch folder instead.
        too_large: bytes of a state that was left behind, because it is too large; 0 for none.
        printed: what a script printed.
    """

    result: bytes = field(repr=False)
    spoils: bool = False
    state: bytes | None = field(default=None, repr=False)
    is_in_scratch: bool = False
    too_large: int = 0
    printed: bytes | None = field(default=None, repr=False)


class Came(Enum):
    """What came of an errand."""

    DONE = auto()
    """The function returned something."""
    RAISED = auto()
    """It raised something."""
    DIED = auto()
    """The process that did it has ended."""
    WITHOUT_FILES = auto()
    """The worker does not have the files of the study."""
    REFUSED = auto()
    """The worker has other versions."""


@dataclass(frozen=True)
class Reply:
    """What a worker answers.

    Attributes:
        came: what came of the errand.
        where: what the worker is called.
        delivery: what it brought.
        problem: what the function raised, pickled.
        how: how the process ended, or why the worker is refused.
        from_outside: whether the system, or a person, may have ended the process.
        ended: why it was ended by the worker; empty where it was not.
    """

    came: Came
    where: str
    delivery: Delivery | None = None
    problem: bytes = b""
    how: str = ""
    from_outside: bool = False
    ended: str = ""
