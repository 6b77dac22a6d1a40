"""The sides of a comparison: what the user names, and what it is once it is open."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from advisor.content.study_content import Content
from advisor.errors import InputError
from advisor.model.call import call
from advisor.randomness import isolated, mix
from advisor.search.plan import RATE, nuisance_of
from advisor.training.loop import count_parameters
from advisor.training.objective import to_device
from advisor.training.run import digest
from advisor.work.executors import Crew
from advisor.work.job import Job
from advisor.work.opened import Opening, side_id
from advisor.work.opening import open_beside
from advisor.work.prepare import Prepared
from advisor.work.scripts.prepared import PreparedScript
from advisor.work.study_ref import StudyRef


@dataclass(frozen=True)
class Side:
    """One side as the user names it.

    Attributes:
        label: what it is called, in the answer and in the database.
        ref: the study that it is a side of.
        choices: one technique per slot; empty where its model is taken as it is.
        params: of its training and its techniques; None for the study's own rate.
        epochs, batch: of its training; None for those of the study.
        content: what it was made of when its study was begun; None where that is not known.
        criterion: the name of what its study compares arms by; None where it is no study's arm.
    """

    label: str
    ref: StudyRef
    choices: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, Any] | None = None
    epochs: int | None = None
    batch: int | None = None
    content: Content | None = None
    criterion: str | None = None


@dataclass(frozen=True)
class OpenSide:
    """A side that is open.

    Attributes:
        side: as the user names it.
        opening: its study in this process.
        epochs: of a training.
        params: of its training and its techniques.
    """

    side: Side
    opening: Opening
    epochs: int
    params: Mapping[str, Any]

    @property
    def label(self) -> str:
        """What it is called."""
        return self.side.label

    @property
    def prepared(self) -> Prepared:
        """Its study. What runs the user's code is asked of it inside `entered` alone."""
        return self.opening.prepared

    @property
    def batch(self) -> int:
        """Rows in a mini-batch."""
        return self.side.batch or self.prepared.batch

    @property
    def has_own_epochs(self) -> bool:
        """Whether the user, the study of an arm, or a script says how long it is trained."""
        said = self.side.epochs or self.prepared.study.epochs
        return said is not None or not self.prepared.has_rows

    @contextmanager
    def entered(self) -> Iterator[Prepared]:
        """While this is open, code of the side finds what is its own."""
        with self.opening.entered() as prepared:
            yield prepared

    def job(self, name: str) -> Job:
        """A whole training of the side, but for its seeds and its files."""
        prepared = self.prepared
        minutes = prepared.study.trial_minutes
        return Job(
            study=prepared.ref,
            opening_id=prepared.opening_id,
            content=prepared.digest,
            params={**self.side.choices, **self.params},
            seed=mix(prepared.study.seed, "search"),
            split=prepared.study.seed,
            batch=self.batch,
            from_epoch=0,
            to_epoch=self.epochs,
            device=str(prepared.device),
            name=f"{name} of {self.label}",
            seconds=None if minutes is None else 60 * minutes,
        )


@dataclass(frozen=True)
class InitialModel:
    """A model before it is trained.

    Attributes:
        values: of its parameters, by their names, in the order in which its layers are called.
        digests: of each of these values, by the same names.
        parameters: how many numbers it trains.
    """

    values: Mapping[str, Tensor]
    digests: Mapping[str, str]
    parameters: int


def start_of(side: OpenSide) -> InitialModel:
    """The model of a side at the seed that all sides are first trained with."""
    if isinstance(side.prepared, PreparedScript):
        return InitialModel({}, {}, side.prepared.rehearsed.parameters)
    seed = mix(side.prepared.study.seed, "search")
    with side.entered() as prepared, isolated(0):
        model = prepared.build(seed)
        own = dict(nn.Module.named_parameters(model))
        values = {name: own[name].detach() for name in in_order_of_use(model, prepared)}
        return InitialModel(
            values=values,
            digests={name: digest([value]) for name, value in values.items()},
            parameters=count_parameters(model),
        )


def in_order_of_use(model: nn.Module, prepared: Prepared) -> list[str]:
    """The names of a model's parameters as its layers are called, whatever they are called by."""
    used: list[str] = []

    def note(path: str, module: nn.Module, _: object) -> None:
        """Note the parameters of a layer that is called."""
        used.extend(f"{path}.{name}".lstrip(".") for name in module._parameters)

    handles = []
    for path, module in nn.Module.named_modules(model):
        handles.append(module.register_forward_pre_hook(partial(note, path)))
    inputs, _ = prepared.splits(prepared.study.seed).train.take(torch.arange(2))
    with torch.no_grad():
        call(model.eval(), to_device(inputs, prepared.device))
    for handle in handles:
        handle.remove()
    # Those of layers that are never called come last, and one that is shared has one name.
    names = dict(nn.Module.named_parameters(model))
    return [name for name in dict.fromkeys([*used, *names]) if name in names]


def open_sides(sides: Sequence[Side], device: str, crew: Crew, command: str) -> list[OpenSide]:
    """Open all sides of a comparison with the seed of the first one.

    Arguments:
        sides: at least two.
        device: a torch device.
        crew: the workers.
        command: a name for the openings of this command.

    Raises:
        InputError: the parts of a side do not fit together.
        MachineError: no worker can be started, or each of them is killed.
    """
    opened: list[OpenSide] = []
    for place, side in enumerate(sides):
        # All sides have their rows split and their draws made by one seed.
        ref = replace(side.ref, shares_draws=True)
        if opened:
            ref = with_seed(ref, opened[0].prepared.study.seed)
        others = [each.prepared for each in opened]
        try:
            opening = open_beside(ref, device, crew, side_id(command, place), others)
            # A side that names no metric has that of its study, or else that of the first side.
            kept = side.criterion or (opened[0].prepared.criterion.name if opened else None)
            if kept is not None and opening.prepared.infers_another(kept):
                again = side_id(command, place + len(sides))
                opening = open_beside(replace(ref, as_before=True), device, crew, again, others)
        except InputError as problem:
            raise InputError(f"{side.label}: {problem}") from problem
        prepared = opening.prepared
        params = side.params or {
            name: each.first for name, each in nuisance_of(prepared.recipe).items()
        }
        opened.append(OpenSide(side, opening, side.epochs or prepared.epochs, params))
    return opened


def with_seed(ref: StudyRef, seed: int) -> StudyRef:
    """The reference of a study that is opened with another seed than its own."""
    changes = {**json.loads(ref.changes), "seed": seed}
    return replace(ref, changes=json.dumps(changes, sort_keys=True))


def distinct(labels: Sequence[str]) -> list[str]:
    """The labels, with their places behind those that several sides have."""
    return [
        f"{label} ({place})" if labels.count(label) > 1 else label
        for place, label in enumerate(labels, start=1)
    ]


def rates_to_try(side: OpenSide, trials: int) -> list[dict[str, Any]]:
    """The parameters of a side at so many learning rates, its own first.

    The others are spread evenly over all rates that a search would try, on the scale of logarithms
    (van der Corput 1935): they are the same for every side.
    """
    host = side.prepared.host
    name, rates = host.rate_in(side.params), nuisance_of(side.prepared.recipe)[RATE]
    if name != RATE:
        slot, technique, parameter = name.split(".")
        rates = host.techniques[slot][technique].space[parameter]  # type: ignore[assignment]  # checked
    low, high = rates.low, rates.high
    tried = [dict(side.params)]
    for number in range(1, trials):
        rate = low * (high / low) ** van_der_corput(number)
        tried.append({**side.params, name: float(f"{rate:.3g}")})
    return tried


def van_der_corput(number: int) -> float:
    """The number-th of a sequence that fills (0, 1) evenly: 1/2, 1/4, 3/4, 1/8, …"""
    share, part = 0.0, 0.5
    while number:
        share += part * (number % 2)
        number, part = number // 2, part / 2
    return share
