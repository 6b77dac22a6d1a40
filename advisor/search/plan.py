"""The plan: which slots and techniques fit a task, frozen for the life of a study."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
    distribution_to_json,
    json_to_distribution,
)

from advisor.errors import InputError, explain, listing, near
from advisor.host.host import Host
from advisor.randomness import isolated
from advisor.space import Choice, Float, Int, Parameter
from advisor.technique import KEEP, Technique
from advisor.training.loop import EARLY_STEPS, count_parameters
from advisor.training.run import Run
from advisor.work.prepare import Prepared

RATE, DECAY = "training.lr", "training.weight_decay"
NUISANCE: dict[str, Float] = {
    RATE: Float(1e-4, 1e-1, default=1e-3, log=True),
    DECAY: Float(1e-6, 1e-1, default=1e-4, log=True),
}
"""What is tuned inside every arm, the baseline included. The defaults are those of the first trial
of each technique.
"""

Choices = dict[str, str]
"""One technique per slot."""


@dataclass(frozen=True)
class Skip:
    """A technique that cannot be tried on this task, and why."""

    slot: str
    technique: str
    why: str


@dataclass(frozen=True)
class Plan:
    """What a study searches. All of it is plain data, kept in the database as JSON.

    Attributes:
        options: names of the techniques that fit, by slot in the order in which they are applied;
            `keep` comes first.
        space: Optuna's distribution for every parameter, by its full name.
        first: the value of every parameter that is tried first.
        skipped: what does not fit and why.
        rungs: numbers of epochs after which trials are compared; the last is a full trial.
        batch: rows in a mini-batch.
        identity: what makes this study this study; a resume with another value is refused.
        settles: slots that a technique (`slot.name`) fills itself, so that they are kept beside it.
        absent: techniques whose plugin is not loaded any more; they are not asked again, and not
            part of the JSON.
    """

    options: dict[str, list[str]]
    space: dict[str, BaseDistribution]
    first: dict[str, Any]
    skipped: list[Skip]
    rungs: list[int]
    batch: int
    identity: dict[str, Any]
    settles: dict[str, list[str]] = field(default_factory=dict)
    absent: frozenset[tuple[str, str]] = frozenset()

    @property
    def baseline(self) -> Choices:
        """The user's model as it is."""
        return dict.fromkeys(self.options, KEEP)

    def alone(self) -> list[Choices]:
        """The baseline, and then each technique with everything else kept."""
        changed = [
            (slot, name) for slot, names in self.options.items() for name in names if name != KEEP
        ]
        return [self.baseline, *({**self.baseline, slot: name} for slot, name in changed)]

    def settled(self, choices: Mapping[str, str], fixed: Collection[str] = ()) -> Choices:
        """The slots that must be kept because of another choice; what is chosen in a `fixed` slot
        goes last.
        """
        return {
            slot if other in fixed and slot not in fixed else other: KEEP
            for slot, name in choices.items()
            for other in self.settles.get(f"{slot}.{name}", ())
            if choices.get(other, KEEP) != KEEP
        }

    def parameters_of(self, choices: Mapping[str, str]) -> list[str]:
        """Names of the parameters that are free in an arm: the training's, and those of its
        techniques.
        """
        prefixes = tuple(f"{slot}.{name}." for slot, name in choices.items())
        return [name for name in self.space if name in NUISANCE or name.startswith(prefixes)]

    def defaults_of(self, choices: Mapping[str, str]) -> dict[str, Any]:
        """The parameters of an arm that are tried first."""
        return {name: self.first[name] for name in self.parameters_of(choices)}

    def to_json(self) -> dict[str, Any]:
        """The plan as plain data."""
        kept = {key: value for key, value in asdict(self).items() if key != "absent"}
        kept["space"] = {
            name: distribution_to_json(distribution) for name, distribution in self.space.items()
        }
        return kept

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Plan:
        """The plan that `to_json` wrote."""
        space = {name: json_to_distribution(text) for name, text in kept["space"].items()}
        return cls(
            **{**kept, "space": space, "skipped": [Skip(**skip) for skip in kept["skipped"]]}
        )


def make_plan(shared: Prepared, host: Host) -> Plan:
    """Ask every technique whether it fits the task. Raises `InputError` for names in `only` that do
    not exist.
    """
    _check_only(shared.study.only or {}, host)
    run = shared.run(shared.study.seed, shared.splits(shared.study.seed))
    options: dict[str, list[str]] = {}
    skipped: list[Skip] = []
    space: dict[str, Parameter] = dict(NUISANCE)
    first: dict[str, Any] = {name: parameter.first for name, parameter in NUISANCE.items()}
    settles: dict[str, list[str]] = {}
    for slot in host.slots:
        options[slot] = [KEEP]
        for technique in _wanted(shared.study.only or {}, host, slot):
            why = _unfit(technique, run)
            if why:
                skipped.append(Skip(slot, technique.name, why))
                continue
            options[slot].append(technique.name)
            prefix = f"{slot}.{technique.name}"
            settles |= {prefix: list(technique.settles)} if technique.settles else {}
            space |= {f"{prefix}.{name}": parameter for name, parameter in technique.space.items()}
            first |= {f"{prefix}.{name}": value for name, value in technique.defaults().items()}
    return Plan(
        options=options,
        space={name: _distribution(parameter) for name, parameter in space.items()},
        first=first,
        skipped=skipped,
        rungs=rungs_of(shared.epochs, shared.steps),
        batch=shared.batch,
        identity=_identity(shared, run),
        settles=settles,
    )


def _wanted(only: Mapping[str, Sequence[str]], host: Host, slot: str) -> list[Technique]:
    names = only.get(
        slot, [name for name, technique in host.techniques[slot].items() if technique.standard]
    )
    return [
        technique
        for name, technique in host.techniques[slot].items()
        if name in names and name != KEEP
    ]


def _unfit(technique: Technique, run: Run) -> str | None:
    try:
        with isolated(run.seed) as run.generator:
            return technique.unfit(run)
    except InputError:  # the user's own file or setting, which the technique cannot read
        raise
    except Exception as problem:  # a plugin's bug costs the technique, not the study
        return f"its unfit() raised {explain(problem)}"


def _check_only(only: Mapping[str, Sequence[str]], host: Host) -> None:
    for slot, names in only.items():
        if slot not in host.slots:
            raise InputError(
                f"only: there is no slot {slot!r}.{near(slot, host.slots)} The slots are: {listing(host.slots)}."
            )
        known = host.techniques[slot]
        for name in names:
            if name not in known:
                raise InputError(
                    f"only: slot {slot!r} has no technique {name!r}.{near(name, known)} It has: {listing(known, 40)}."
                )


def _distribution(parameter: Parameter) -> BaseDistribution:
    if isinstance(parameter, Choice):
        return CategoricalDistribution(parameter.options)
    if isinstance(parameter, Int):
        return IntDistribution(parameter.low, parameter.high, log=parameter.log)
    return FloatDistribution(parameter.low, parameter.high, log=parameter.log)


def rungs_of(epochs: int, steps: int) -> list[int]:
    """1-3-9-…: bad arms show after an epoch of at least 20 steps, good ones only near the end."""
    first = math.ceil(EARLY_STEPS / steps)
    return [*(rung * first for rung in (1, 3, 9) if 2 * rung * first < epochs), epochs]


def _identity(shared: Prepared, run: Run) -> dict[str, Any]:
    facts = shared.facts
    return {
        "seed": shared.study.seed,
        "epochs": shared.study.epochs,
        "batch": shared.batch,
        "metric": shared.goal.name,
        "kind": shared.objective.kind,
        "model": f"{type(run.model).__name__} with {count_parameters(run.model):,} parameters",
        "data": f"{facts.rows} rows, inputs {list(map(list, facts.inputs))}, {facts.outputs} outputs",
        "only": {slot: sorted(names) for slot, names in sorted((shared.study.only or {}).items())},
        "output": shared.study.task.output,
        "include": sorted(shared.study.task.include) or None,
        "exclude": sorted(shared.study.task.exclude) or None,
        "vectors": shared.study.task.vectors,
    }
