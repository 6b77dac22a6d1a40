"""The plan: which slots and techniques fit a task, frozen for the life of a study."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    distribution_to_json,
    json_to_distribution,
)

from advisor import __version__
from advisor.content.study_content import Content
from advisor.errors import InputError, MachineError, explain
from advisor.faults import machine_fault
from advisor.model.structure import in_both, structure_of
from advisor.randomness import isolated
from advisor.search.arm import Arm, Skip
from advisor.search.artefacts import bounded
from advisor.search.estimate import seconds_with_artefacts
from advisor.search.identity import ROUND, identity_of
from advisor.search.only import check_asked
from advisor.search.ranges import distribution_of, nuisance_of, rungs_of
from advisor.search.recipes import recipe_arms, whole_recipes
from advisor.space import Space
from advisor.store.read_back import check_types
from advisor.technique import DECAY as DECAY
from advisor.technique import KEEP, Technique, Wanted
from advisor.technique import RATE as RATE
from advisor.training.hooks import unheard_hooks
from advisor.training.run import Run
from advisor.user_code import user_faults
from advisor.work.prepare import Prepared

NUISANCE = (RATE, DECAY)
"""What is tuned inside every arm, the model as it is included."""
EXPLORED = 8
"""Trials of combinations in a round where the user gives no number."""


@dataclass(frozen=True)
class Plan:
    """What a study searches. All of it is plain data, kept in the database as JSON.

    `make_plan` fills it; nothing changes it afterwards.

    Attributes:
        options: names of the techniques that fit, by slot in the order in which they are applied;
            `keep` comes first.
        space: Optuna's distribution for every parameter, by its full name.
        first: the value of every parameter that is tried first.
        skipped: what does not fit and why.
        rungs: numbers of epochs after which trials are compared; the last is a full trial.
        cut_at: numbers of epochs after which a training that is done in one go is compared with
            those of earlier rounds; empty where it goes on from rung to rung.
        longest: epochs that a training may get after the opening round, where the order of the
            leading arms changes by it; 0 once, or where, the rungs are settled.
        opening: the rungs of the opening round, where a full training became longer after it.
        looked: epochs to which the leading arms were trained to see that; 0 where they were not.
        batch: rows in a mini-batch.
        identity: what makes this study this study; a resume with another value is refused.
        content: what it is made of, and refused likewise; None in a study that was begun before the
            content was kept.
        settles: slots that a technique (`slot.name`) fills itself; beside it they have `keep`.
        later: techniques (`slot.name`) that joined a study which had begun, by the number of the
            trial that tries the first of them, as text; the next trials try the others.
        artefacts: techniques (`slot.name`) that make an artefact, and how it is bounded; not those
            of a study that was begun before they were told apart.
        rates: the parameter that is the learning rate of a technique (`slot.name`) which brings a
            range of its own, by its full name; the training's own has its first value beside it.
        beside: for a technique (`slot.name`) that makes a recipe with others, theirs by slot; the
            study opens with them together after each alone.
        more_seconds: what these techniques add to the time of a study that has a limit.
        absent: slot and name of techniques whose plugin is not loaded any more; they are not asked
            again, and not part of the JSON.
        rows: training rows of the share of the data that the time has room for; None for all.
    """

    options: dict[str, list[str]]
    space: dict[str, BaseDistribution]
    first: dict[str, Any]
    skipped: list[Skip]
    rungs: list[int]
    batch: int
    identity: dict[str, Any]
    content: Content | None = None
    settles: dict[str, list[str]] = field(default_factory=dict)
    cut_at: list[int] = field(default_factory=list)
    longest: int = 0
    opening: list[int] = field(default_factory=list)
    looked: int = 0
    later: dict[str, list[str]] = field(default_factory=dict)
    artefacts: dict[str, str] = field(default_factory=dict)
    rates: dict[str, str] = field(default_factory=dict)
    beside: dict[str, Arm] = field(default_factory=dict)
    more_seconds: float = 0.0
    absent: frozenset[tuple[str, str]] = frozenset()
    rows: int | None = None

    @property
    def baseline(self) -> Arm:
        """The user's model as it is."""
        return dict.fromkeys(self.options, KEEP)

    @property
    def epochs(self) -> int:
        """Epochs of a full trial."""
        return self.rungs[-1]

    @property
    def is_settled(self) -> bool:
        """Whether it is known how many epochs a full trial has."""
        return not self.longest

    def rungs_from(self, start: int) -> list[int]:
        """The rungs of the round that begins with the trial of this number."""
        return self.rungs if start else self.opening or self.rungs

    def length_at(self, start: int, epoch: int) -> int:
        """Epochs of a full training as they were known when a training of the round that begins
        with the trial of this number came to `epoch`.
        """
        known = self.opening[:-1] if not start else []
        return known[-1] if known and epoch <= known[-1] else self.epochs

    @property
    def techniques(self) -> list[tuple[str, str]]:
        """Slot and name of every technique that fits, in the order of the slots."""
        pairs = []
        for slot, names in self.options.items():
            for name in names:
                if name != KEEP:
                    pairs.append((slot, name))
        return pairs

    @property
    def has_own_rate(self) -> bool:
        """Whether the learning rate is that of the user's own loop, and not searched."""
        return self.space[RATE].single()

    @property
    def asked_together(self) -> int:
        """Trials of combinations in a round: they are asked together and compared with each other.

        A study keeps the number that it began with.
        """
        return int(self.identity.get(ROUND, EXPLORED))

    def each_technique(self) -> list[Arm]:
        """The model as it is, then each technique with everything else kept, and recipes."""
        return [arm for generation in self.generations() for arm in generation.values()]

    def generations(self) -> list[dict[int, Arm]]:
        """By the number of the trial that tries it first, the model as it is, each technique alone,
        and recipes; then, likewise, what joined together after the study had begun.
        """
        joined = {name for names in self.later.values() for name in names}
        first = [self.baseline]
        for slot, name in self.techniques:
            if f"{slot}.{name}" not in joined:
                first.append({**self.baseline, slot: name})
        first += recipe_arms(self.baseline, self.beside)
        generations = [dict(enumerate(first))]
        for start in sorted(self.later, key=int):
            arms: dict[int, Arm] = {}
            for number, full_name in enumerate(self.later[start], int(start)):
                slot, _, name = full_name.partition(".")
                arms[number] = {**self.baseline, slot: name}
            generations.append(arms)
        return generations

    def openers(self) -> dict[int, Arm]:
        """The arms of all generations by the number of the trial that tries each first."""
        return {number: arm for each in self.generations() for number, arm in each.items()}

    def absent_in(self, arm: Mapping[str, str]) -> Arm:
        """The slots that an arm must keep, because their techniques are not loaded any more."""
        kept: Arm = {}
        for slot, name in arm.items():
            if (slot, name) in self.absent:
                kept[slot] = KEEP
        return kept

    def conflicts(self, arm: Mapping[str, str], fixed: Collection[str] = ()) -> Arm:
        """The slots that an arm must keep, because a technique of another slot fills them itself.

        Arguments:
            arm: one technique per slot.
            fixed: slots whose techniques stay where two techniques exclude each other.
        """
        kept: Arm = {}
        for slot, name in arm.items():
            for other in self.settles.get(f"{slot}.{name}", ()):
                if arm.get(other, KEEP) == KEEP:
                    continue
                # The technique that fills both slots stays, unless only the other is fixed.
                other_stays = other in fixed and slot not in fixed
                kept[slot if other_stays else other] = KEEP
        return kept

    def arm_in(self, params: Mapping[str, Any]) -> Arm:
        """The technique in each of the plan's slots among a trial's parameters.

        Trials that were asked before a slot joined have nothing in it.
        """
        joined = {name.partition(".")[0] for names in self.later.values() for name in names}
        there = {**dict.fromkeys(joined, KEEP), **params}
        return {slot: str(there[slot]) for slot in self.options}

    def parameters_of(self, arm: Mapping[str, str]) -> list[str]:
        """Names of the parameters that are free in an arm: the training's, and its techniques'."""
        # The full name of a technique's parameter begins with its slot and name.
        own = tuple(f"{slot}.{name}." for slot, name in arm.items())
        free = []
        for name in self.space:
            if name in NUISANCE or name.startswith(own):
                free.append(name)
        return free

    def rate_of(self, arm: Mapping[str, str]) -> str:
        """The name of the parameter that is the learning rate of an arm."""
        names = [f"{slot}.{name}" for slot, name in arm.items()]
        return next((self.rates[name] for name in names if name in self.rates), RATE)

    def held_in(self, arm: Mapping[str, str]) -> dict[str, float]:
        """The parameters that are not varied in an arm: a learning rate that is not used."""
        return {} if self.rate_of(arm) == RATE else {RATE: self.first[RATE]}

    def defaults_of(self, arm: Mapping[str, str]) -> dict[str, Any]:
        """The parameters of an arm that are tried first."""
        return {name: self.first[name] for name in self.parameters_of(arm)}

    def has(self, name: str) -> bool:
        """Whether it has a parameter, or a slot, of this name."""
        return name in self.space or name in self.options

    def distributions_of(self, params: Iterable[str]) -> dict[str, BaseDistribution]:
        """The distribution of each of these parameters, slots included."""
        distributions: dict[str, BaseDistribution] = {}
        for name in params:
            if name in self.options:
                distributions[name] = CategoricalDistribution(self.options[name])
            else:
                distributions[name] = self.space[name]
        return distributions

    def to_json(self) -> dict[str, Any]:
        """The plan as plain data."""
        plain = asdict(self)
        # Which plugins are loaded is asked anew whenever the study is resumed.
        del plain["absent"]
        # A study to which nothing was added is the same question as before such a thing was.
        if not self.later:
            del plain["later"], plain["more_seconds"]
        for name in ("longest", "opening", "looked", "artefacts"):
            if not plain[name]:
                del plain[name]
        if self.rows is None:
            del plain["rows"]
        for name in ("rates", "beside"):
            if not plain[name]:
                del plain[name]
        for name, distribution in self.space.items():
            plain["space"][name] = distribution_to_json(distribution)
        plain["versions"] = {"advisor": __version__}
        return plain

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Plan:
        """The plan that `to_json` wrote."""
        space = {name: json_to_distribution(text) for name, text in plain["space"].items()}
        skipped = [Skip(**skip) for skip in plain["skipped"]]
        content = Content.from_json(plain.get("content"))
        # All else is as JSON keeps it; who wrote the plan is no part of it.
        parts = {**plain, "space": space, "skipped": skipped, "content": content}
        parts.pop("versions", None)
        plan = cls(**parts)
        check_types(plan)
        return plan


def make_plan(prepared: Prepared, begun: Collection[tuple[str, str]] = ()) -> Plan:
    """Ask every technique whether it fits the task.

    `begun` are slot and name of techniques with which the study was begun; they may be gone.
    Raises `InputError` when the study names a slot or technique that does not exist.
    """
    study = prepared.study
    asked = Wanted.by(vars(study))
    check_asked(asked, prepared.host, begun)
    run = prepared.run(study.seed, study.seed)
    plan = plan_without_techniques(prepared, run)
    seconds = study.artefact_share * seconds_with_artefacts(prepared)
    for slot, techniques in prepared.host.asked(asked).items():
        # Doing nothing is the first technique of every slot.
        plan.options[slot] = [KEEP]
        for technique in techniques:
            try_technique(plan, technique, run, seconds)
    plan.beside.update(whole_recipes(plan.options, plan.skipped, prepared.host))
    return plan


def plan_without_techniques(prepared: Prepared, run: Run) -> Plan:
    """The plan before any technique is asked whether it fits."""
    plan = Plan(
        options={},
        space={},
        first={},
        skipped=[],
        rungs=rungs_of(prepared.epochs, prepared.steps),
        batch=prepared.batch,
        identity=identity_of(prepared, run),
        content=replace(
            prepared.content, model=in_both(prepared.content.model, structure_of(run.model))
        ),
    )
    # The learning rate and the weight decay are free in every arm.
    for name, nuisance in nuisance_of(prepared.recipe).items():
        plan.space[name] = distribution_of(nuisance)
        plan.first[name] = nuisance.first
    return plan


def try_technique(plan: Plan, technique: Technique, run: Run, seconds: float) -> None:
    """Add a technique to a plan that is being made, or the reason why it does not fit the run.

    An artefact may take so many seconds, as they are counted.
    """
    why_not = why_unfit(technique, run)
    if why_not:
        plan.skipped.append(Skip(technique.slot, technique.name, why_not))
    elif technique.passes:
        space, told = bounded(technique, run, seconds)
        add_technique(plan, technique, space)
        plan.artefacts[f"{technique.slot}.{technique.name}"] = told
    else:
        add_technique(plan, technique)


def add_technique(plan: Plan, technique: Technique, bounds: Space | None = None) -> None:
    """Put a technique that fits, with its parameters, into a plan that is being made.

    `bounds` is its space where that is narrower than its own.
    """
    plan.options[technique.slot].append(technique.name)
    full_name = f"{technique.slot}.{technique.name}"
    if technique.settles:
        plan.settles[full_name] = list(technique.settles)
    if technique.rate:
        plan.rates[full_name] = f"{full_name}.{technique.rate}"
    for parameter, space in (bounds or technique.space).items():
        plan.space[f"{full_name}.{parameter}"] = distribution_of(space)
    for parameter, value in technique.defaults().items():
        first = value if bounds is None else bounds[parameter].first
        plan.first[f"{full_name}.{parameter}"] = first


def why_unfit(technique: Technique, run: Run) -> str | None:
    """Why a technique cannot be tried on a run, in one sentence, or None."""
    try:
        with isolated(run.seed) as run.generator:
            return technique.unfit(run) or unheard_hooks(technique, run)
    except InputError:  # the technique cannot read a file or setting of the user's
        raise
    except user_faults() as problem:  # a plugin's bug costs the technique, not the study
        refused = machine_fault(problem)
        if refused:
            raise MachineError(f"{technique.slot} {technique.name!r}: {refused}") from problem
        return f"its unfit() raised {explain(problem)}"
