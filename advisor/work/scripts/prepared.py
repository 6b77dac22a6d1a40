"""A study of a script, opened: what its rehearsal has shown, in the form of every other study."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from advisor.data import Facts
from advisor.data.classes import Target
from advisor.data.inputs import Inputs
from advisor.data.layout import Layout, RowNumbers
from advisor.data.source import Source
from advisor.data.splits import Part, TensorPart
from advisor.errors import InputError, MachineError, explain
from advisor.host.host import load
from advisor.readable import counted
from advisor.training.ended import EARLY_STEPS
from advisor.training.recipe import Recipe
from advisor.work.executors import DEATHS, Crew
from advisor.work.prepare import Prepared
from advisor.work.scripts.batches import objective_of
from advisor.work.scripts.identity import content_of_script
from advisor.work.scripts.rehearsal import Rehearsed, rehearse_script
from advisor.work.study_ref import StudyRef
from advisor.work.worker_process import WorkerDied


@dataclass(frozen=True)
class PreparedScript(Prepared):
    """A study of a script.

    Attributes:
        rehearsed: what its first run has shown.
    """

    rehearsed: Rehearsed = field(default_factory=Rehearsed)

    @property
    def has_rows(self) -> bool:
        """What rows a script has, it alone knows."""
        return False

    @property
    def steps(self) -> int:
        """Steps in an epoch, which the script alone knows: as many as tell trainings apart."""
        return EARLY_STEPS


class NoInputs(Inputs):
    """The rows of a script, of which advisor has none."""

    def part(self, train: RowNumbers) -> Part:
        """No rows."""
        del train
        return TensorPart((torch.zeros(0, 1),))

    def digest(self, rows: slice) -> str:
        """The digest of no rows."""
        del rows
        return ""


def source_of_script() -> Source:
    """The data of a script, of which nothing is known."""
    none: RowNumbers = np.zeros(0, np.int64)
    return Source(
        facts=Facts(0, {}, (), (), "numbers", None, 1, None),
        notes=(),
        warnings=(),
        target_scale=None,
        target=None,
        _sizes={},
        _inputs=NoInputs(),
        _target=Target(torch.zeros(0), None),
        _layout=Layout(none, none, none, None),
    )


def open_script(ref: StudyRef, crew: Crew) -> PreparedScript:
    """Open a study of a script: it is run once up to its first step, in a worker.

    Raises:
        InputError: the script is at fault, or ends its process.
        MachineError: no worker can be started, or each of them is killed.
    """
    script = ref.script
    assert script is not None  # this is a study of a script
    study, host = ref.load(), load(ref.plugins, ref.without)
    content = content_of_script(script)
    found = rehearsed(ref, crew)
    source = source_of_script()
    lr = found.lr if found.lr is not None else found.own_lr or 1.0
    recipe = Recipe(lr=lr, weight_decay=found.weight_decay or 0.0, keeps_rate=found.lr is None)
    return PreparedScript(
        ref=ref,
        study=study,
        host=host,
        source=source,
        objective=objective_of(script.measure(), study.task),
        recipe=recipe,
        arguments={},
        epochs=study.epochs or 0,
        batch=found.batch,
        device=torch.device("cpu"),
        notes=tuple(notes_on(found)),
        warnings=tuple(warnings_on(found)),
        content=replace(content, files=found.files, model=found.model),
        read=source,
        rehearsed=found,
    )


def rehearsed(ref: StudyRef, crew: Crew) -> Rehearsed:
    """What the rehearsal of a script shows, which is run in a worker.

    Raises what `open_script` raises.
    """
    how = ""
    for _ in range(DEATHS):
        try:
            found: Rehearsed = crew.call(rehearse_script, ref, what="the first run of the script")
        except WorkerDied as death:
            if not death.from_outside:
                raise InputError(
                    f"The script ended the process that it ran in: {death}. It must come to its "
                    "training: leave that out."
                ) from death
            how = str(death)
        except (InputError, MachineError):
            raise
        except Exception as problem:  # what its techniques or plugins brought cannot be sent
            raise InputError(f"The script cannot be run: {explain(problem)}.") from problem
        else:
            return found
    raise MachineError(f"Every worker process that ran the script was ended: {how}.")


def notes_on(found: Rehearsed) -> Iterator[str]:
    """What was understood of a script, one sentence each."""
    numbers = counted(found.parameters, "parameter")
    yield f"model {found.model_name} with {numbers}, seen with a batch of {found.batch}."
    if found.optimizer:
        yield f"recipe: the script's own; it begins with {found.optimizer}."


def warnings_on(found: Rehearsed) -> Iterator[str]:
    """What the user should know of a script before it is trained."""
    if found.lr is None:
        yield (
            "The script does not ask for its learning rate, so all arms have its own: write "
            "arm.lr(…) around it, for a fair comparison."
        )
    yield (
        "The answer holds for the rows that the script trains on: where these are the same with "
        "every seed, it is an answer for them, and not for other training rows."
    )
