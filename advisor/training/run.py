"""A Run: one model on its way from built to scored."""

from __future__ import annotations

import copy
import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from advisor.data import Facts, Part
from advisor.data.weights import Weights
from advisor.errors import one_line
from advisor.model import Anatomy, SwapReport, call, trace
from advisor.randomness import isolated, mix
from advisor.study import Task
from advisor.technique import MODEL, Technique
from advisor.training.costs import check_costs, described
from advisor.training.effect import is_still, state_of
from advisor.training.ended import Ended, StoppedEarly
from advisor.training.groups import parameter_groups
from advisor.training.hooks import HOOKS, Given, check_hooks, hooks_joined, unheard
from advisor.training.kept_file import KeptFile, to_this
from advisor.training.objective import Objective, to_device
from advisor.training.recipe import Recipe

EXAMPLE_ROWS = 32
"""Rows in the batch on which a model is traced."""

_REMEMBERED = "remembered"
"""Key in `Run.costs`: seconds that it once took to make the tensors that were now read from files.
"""

_SECONDS = "_seconds"
"""Name in such a file of the seconds that its tensors took."""


@dataclass(frozen=True)
class Data:
    """What training sees: the training split and the unlabeled inputs, never valid or test;
    `weights` are those of the training rows, None where all count alike.
    """

    train: Part
    unlabeled: Part | None
    facts: Facts
    weights: Weights | None = None

    def sample(self, rows: int, generator: torch.Generator) -> tuple[Any, ...]:
        """Inputs of `rows` training rows drawn at random without repeats (all rows if there are
        fewer).
        """
        order = torch.randperm(len(self.train), generator=generator)
        return self.train.take(order[:rows])[0]

    def inputs(self, batch: int = 256) -> Iterator[tuple[Any, ...]]:
        """All inputs in order, training rows first and then the unlabeled ones, `batch` rows at a
        time.
        """
        parts = [self.train]
        if self.unlabeled is not None:
            parts.append(self.unlabeled)
        for part in parts:
            for start in range(0, len(part), batch):
                stop = min(start + batch, len(part))
                yield part.take(torch.arange(start, stop))[0]


@dataclass
class Run:
    """One model on its way from built to scored. Techniques change it; the training loop reads it.

    Attributes:
        task: what the user brought.
        model: the model; a technique may change it in place or replace it.
        loss: `(output, target) -> scalar tensor`.
        optimizer: `(parameter groups, lr, weight_decay) -> torch.optim.Optimizer`, called after all
            techniques.
        data: what training sees.
        seed: the run's seed; all arms of one seed share it.
        generator: a random generator of this technique's own, seeded by the run's seed and the
            slot.
        device: where the model lives.
        objective: loss and metric of the task.
        costs: seconds by slot, and `training`.
        swaps: what techniques changed in the model's activations, as `swap` reported it.
        undecayed: parameters that get no weight decay besides those with fewer than two dimensions.
        later: parameters that begin to train after a share of a full training's epochs, and are
            frozen until then.
        cache: folder where `remember` keeps its files, or None to keep nothing.
        no_effect: slots whose techniques left the run as it was, so that it trains as without them.
        loaded: names of the weights that the model's constructor loads; it may build the model.
        recipe: how the user trains; it brought `optimizer`.
        scored_together: rows that are scored at a time, where a mini-batch has fewer.
        channels_last: whether the channels of images lie last in memory while it is trained.
        steps: optimizer steps of a full training; a schedule needs their number.
        each_step: called with `(step, epoch, optimizer)` after each optimizer step; steps are
            counted from 1 through the whole training, epochs from 0.
        batch: `(inputs, target, generator) -> (inputs, target)`, which changes each mini-batch of
            training rows before the model sees it; None for nothing.
        scored: called without arguments, a context around every evaluation, such as one in which
            the model has averaged weights; None for none.
        keep: objects with `state_dict` and `load_state_dict` that are saved with the training.
        rate: the learning rate, where a technique brings one of its own (`Technique.rate`); None
            for that of the trial.
        honours: which of `steps`, `each_step`, `batch`, `scored`, `keep`, `optimizer`, `recipe` and
            `loss` the training uses: all of them, unless it is a loop of the user's own.
        called: a model, and what the steps of its training call in its place (`pooled.py`); None
            where that was not asked for since the model has changed.

    Example:
        >>> import advisor, torch
        >>> from torch import nn
        >>> net = lambda: nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
        >>> task = advisor.Task(net, (torch.randn(60, 4), torch.arange(60) % 3))
        >>> run = advisor.diagnose(advisor.Study("small", task)).run
        >>> [layer.name for layer in run.anatomy.layers]
        ['0', '2']
        >>> run.sample(8)[0].shape
        torch.Size([8, 4])
    """

    task: Task
    model: nn.Module
    loss: Callable[[Any, Tensor], Tensor]
    optimizer: Callable[[Any, float, float], torch.optim.Optimizer]
    data: Data
    seed: int
    generator: torch.Generator
    device: torch.device
    objective: Objective
    costs: dict[str, float] = field(default_factory=dict)
    swaps: list[SwapReport] = field(default_factory=list)
    undecayed: list[nn.Parameter] = field(default_factory=list)
    later: list[tuple[nn.Parameter, float]] = field(default_factory=list)
    cache: Path | None = None
    no_effect: list[str] = field(default_factory=list)
    loaded: Callable[[], frozenset[str]] = frozenset
    recipe: Recipe = field(default_factory=Recipe)
    scored_together: int = 0
    channels_last: bool = False
    steps: int = 0
    each_step: list[Callable[[int, int, torch.optim.Optimizer], object]] = field(
        default_factory=list
    )
    batch: (
        Callable[[tuple[Any, ...], Tensor, torch.Generator], tuple[tuple[Any, ...], Tensor]] | None
    ) = None
    scored: Callable[[], AbstractContextManager[object]] | None = None
    keep: dict[str, Any] = field(default_factory=dict)
    rate: float | None = None
    honours: frozenset[str] = frozenset(HOOKS)
    called: tuple[nn.Module, nn.Module] | None = None
    _anatomy: Anatomy | None = None
    _left: tuple[Technique, Anatomy | None] | None = None
    _built: tuple[tuple[str, nn.Parameter], ...] = field(init=False, repr=False)
    given: Given = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._built = tuple(nn.Module.named_parameters(self.model))
        self.given = Given(self.loss, self.optimizer, self.recipe, self.rate)

    @property
    def anatomy(self) -> Anatomy:
        """Sites, layers, tables and output of the model as it is now, traced when asked for the
        first time after a change.
        """
        # A trace runs the model, so one is kept until the model has changed.
        if self._anatomy is None:
            rows = min(EXAMPLE_ROWS, len(self.data.train))
            self._anatomy = trace(self.model, self.example(), self.task.output, rows)
        return self._anatomy

    def is_loaded(self, module: nn.Module) -> bool:
        """Whether the model's constructor loads a weight of this module, which has no start of its
        own then.
        """
        names = self.loaded()
        if not names:
            return False
        own = {id(parameter) for parameter in nn.Module.parameters(module)}
        # A technique may have put a layer elsewhere, so that its weights have other names now.
        now = nn.Module.named_parameters(self.model)
        parameters = (*self._built, *now)
        return any(name in names and id(parameter) in own for name, parameter in parameters)

    def lacks(self, *hooks: str) -> str | None:
        """Why a technique that needs these hooks cannot be tried here, in one sentence, or None.

        A technique says so in `unfit`: `return run.lacks("each_step", "scored")`.
        """
        return unheard(hooks, self.honours)

    def begin_with(self, model: nn.Module, loaded: Callable[[], frozenset[str]]) -> None:
        """Put a freshly built model in the place of the run's own.

        Arguments:
            model: the model.
            loaded: names of the weights that its constructor loads.
        """
        self.model, self.loaded = model, loaded
        self.__post_init__()
        self.changed()

    def copied(self) -> Run:
        """A run like this one with a model of its own, in which nothing has been changed yet.

        Raises what the model raises that cannot be copied.
        """
        own: dict[str, Any] = {"costs": {}, "keep": {}}
        for name in ("swaps", "undecayed", "later", "no_effect", "each_step"):
            own[name] = []
        return replace(
            self,
            model=copy.deepcopy(self.model),
            cache=None,
            called=None,
            _anatomy=None,
            _left=None,
            **own,
        )

    def changed(self) -> None:
        """Say that the model has another structure now, so that `anatomy` is traced anew."""
        self._anatomy = self._left = self.called = None

    def leave_as(self, technique: Technique, anatomy: Anatomy | None) -> None:
        """Say what the model is when a technique has been applied, where that has traced it and
        changes nothing after that.
        """
        self._left = technique, anatomy

    def end(self, technique: Technique) -> None:
        """Take the model for changed by a technique; what that says that it is, is not traced."""
        left, self._left = self._left, None
        self._anatomy = left[1] if left is not None and left[0] is technique else None
        self.called = None

    def example(self, rows: int = EXAMPLE_ROWS) -> tuple[Any, ...]:
        """Inputs of the first training rows, on the run's device."""
        index = torch.arange(min(rows, len(self.data.train)))
        inputs = self.data.train.take(index)[0]
        return tuple(to_device(part, self.device) for part in inputs)

    def sample(self, rows: int) -> tuple[Any, ...]:
        """Inputs of `rows` training rows drawn with `generator`, on the run's device."""
        inputs = self.data.sample(rows, self.generator)
        return tuple(to_device(part, self.device) for part in inputs)

    def built_optimizer(self) -> torch.optim.Optimizer:
        """The optimizer that would train the run as it is now, at the rates of its recipe."""
        recipe = self.recipe
        return self.optimizer(parameter_groups(self), recipe.lr, recipe.weight_decay)

    def call(self, inputs: tuple[Any, ...]) -> Any:
        """What the model, as it is now, returns for inputs, wherever they are."""
        return call(self.model, to_device(inputs, self.device))

    def remember(
        self, key: Sequence[object], make: Callable[[], Mapping[str, Tensor]]
    ) -> dict[str, Tensor]:
        """What `make()` returns, kept in a file under a hash of `key` so that trials with equal
        inputs share the work.

        `key` must hold everything the result depends on; tensors in it count by content. Every
        trial is charged the seconds of the first, because they are part of the technique's cost.
        """
        if self.cache is None:
            return dict(make())
        content = digest(key)
        file = KeptFile(self.cache / f"{content}.pt", content)

        # An earlier trial has done the work, perhaps in a process with another device.
        kept = file.read(to_this(self.device))
        if kept is not None:
            seconds = float(kept.pop(_SECONDS))
            self.costs[_REMEMBERED] = self.costs.get(_REMEMBERED, 0.0) + seconds
            return kept

        # No file yet, or none that can be read: make it. `apply` measures the time.
        started = time.perf_counter()
        tensors = dict(make())
        duration = torch.tensor(time.perf_counter() - started)
        file.write({**tensors, _SECONDS: duration})
        return tensors


def digest(parts: Iterable[object]) -> str:
    """A hash of torch's version, of values as they print, and of tensors by content."""
    hasher = hashlib.sha256(torch.__version__.encode())
    for part in parts:
        # A tensor prints only some of its numbers, so its bytes are read.
        if isinstance(part, Tensor):
            hasher.update(repr((part.shape, part.dtype)).encode())
            numbers = part.detach().cpu().contiguous().reshape(-1)
            hasher.update(numbers.view(torch.uint8).numpy().tobytes())
        else:
            hasher.update(repr(part).encode())
    return hasher.hexdigest()[:32]


def apply(run: Run, techniques: Iterable[tuple[Technique, Mapping[str, Any]]]) -> dict[str, str]:
    """Apply techniques in order, each with a generator of its own and without touching others'
    random state.

    Returns what each slot's technique did, by slot. The seconds go to `run.costs`, the slots whose
    techniques changed nothing to `run.no_effect`. A technique in a slot that another one fills as a
    package is not applied. Raises `StoppedEarly` where a technique
    gives back what it should not.
    """
    # A package fills other slots besides its own.
    chosen = list(techniques)
    packages: dict[str, Technique] = {}
    for technique, _ in chosen:
        for slot in technique.settles:
            packages[slot] = technique

    actions: dict[str, str] = {}
    before: list[object] | None = None
    for technique, params in chosen:
        package = packages.get(technique.slot)
        if package is not None:
            owner = f"{package.slot} {package.name}"
            actions[technique.slot] = f"not applied: {owner} brings its own"
            run.no_effect.append(technique.slot)
            continue

        if before is None:
            before = state_of(run)

        # Whether a technique fits was asked for the first of the user's models only.
        if MODEL in actions:
            check_fits(technique, run)

        # The generator depends on seed and slot only, so other slots' techniques cannot move it.
        run.costs.pop(_REMEMBERED, None)
        started = time.perf_counter()
        with isolated(mix(run.seed, technique.slot)) as run.generator, hooks_joined(run):
            said = technique.apply(run, **params)
        run.end(technique)
        who = f"{technique.slot} {technique.name!r}"
        actions[technique.slot] = checked_action(who, said)
        check_costs(who, run.costs)
        check_hooks(who, run)

        # Work that an earlier trial did is part of what the technique costs.
        seconds = time.perf_counter() - started
        run.costs[technique.slot] = seconds + run.costs.pop(_REMEMBERED, 0.0)

        # What a technique says that it did decides nothing here.
        if is_still(run, before):
            run.no_effect.append(technique.slot)
        else:
            before = None
    return actions


def check_fits(technique: Technique, run: Run) -> None:
    """Raise `StoppedEarly` where a technique cannot be tried on the model that a run has now."""
    with isolated(mix(run.seed, technique.slot)) as run.generator:
        why = technique.unfit(run)
    if why is not None:
        who = f"{technique.slot} {technique.name!r}"
        model = type(run.model).__name__
        raise StoppedEarly(Ended.FAILED, f"{who} cannot be tried on the model {model}: {why}")


def checked_action(who: str, said: object) -> str:
    """What a technique says that it did, on one line; empty where it says nothing.

    Raises `StoppedEarly` where it is no text.
    """
    if said is None:
        return ""
    if not isinstance(said, str):
        given = f"apply() returned {described(said)}"
        raise StoppedEarly(Ended.FAILED, f"{who}: {given}; return None or one line of text")
    return one_line(said)
