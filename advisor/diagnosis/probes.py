"""What a few passes on chosen rows show that one batch does not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from advisor.diagnosis.input_probes import Unread, unread
from advisor.diagnosis.leaf_probe import Stranger, unregistered
from advisor.diagnosis.row_probes import Change, mixing, randomness
from advisor.diagnosis.scale_probe import RawInput, raw_inputs
from advisor.diagnosis.time_probe import Memory, memories
from advisor.training.run import Run

Seen = TypeVar("Seen")
"""What a probe shows."""


@dataclass(frozen=True)
class Probed:
    """What the probes showed of a model.

    Attributes:
        mixing: how rows of a batch influence each other.
        randomness: how two evaluations of the same rows differ.
        unread: numbers of the inputs that nothing reads.
        unregistered: tensors that train in no optimizer.
        memories: layers that go through time.
        raw: layers that read an input as it is.
    """

    mixing: Change | None
    randomness: Change | None
    unread: tuple[Unread, ...]
    unregistered: tuple[Stranger, ...]
    memories: tuple[Memory, ...]
    raw: tuple[RawInput, ...]


def probe(run: Run) -> Probed:
    """Ask every probe; the model is the same afterwards."""
    return Probed(
        mixing=_seen(mixing, run, None),
        randomness=_seen(randomness, run, None),
        unread=_seen(unread, run, ()),
        unregistered=_seen(unregistered, run, ()),
        memories=_seen(memories, run, ()),
        raw=_seen(raw_inputs, run, ()),
    )


def _seen(look: Callable[[Run], Seen], run: Run, nothing: Seen) -> Seen:
    """What a probe shows; nothing of a model that does not run on the probe's rows."""
    try:
        return look(run)
    except Exception:  # the user's forward or loss may raise anything on rows that were chosen
        return nothing
