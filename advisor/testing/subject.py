"""A technique under examination: tried on every example, each try made once and shared by the
checks.
"""

from __future__ import annotations

import pickle
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from advisor.errors import explain
from advisor.model import call
from advisor.randomness import isolated
from advisor.space import Choice
from advisor.technique import Slot, Technique
from advisor.testing.examples import EXAMPLES, Example, run_of
from advisor.testing.promise import Unjudged
from advisor.training.run import Run

SEED, OTHER = 1, 2
AROUND = 20_011
"""Where global random states stand when a technique is tried: where no manual_seed puts them by
chance.
"""


@dataclass
class Try:
    """A technique applied to an example: the run, what it was before, and what moved on the way.

    Arguments:
        run: the run afterwards.
        before: tensors of the model's `state_dict` before.
        frozen: names of the parameters that were frozen.
        tied: names of parameters that were one tensor.
        shape: of the output before.
        told: what `apply` returned.
        used: forbidden data that were touched.
        drawn: names of the global random states that are not as they were.
        raised: what `apply` raised, or None.
    """

    run: Run
    before: dict[str, Tensor]
    frozen: list[str]
    tied: list[frozenset[str]]
    shape: torch.Size
    told: Any = None
    used: list[str] = field(default_factory=list)
    drawn: list[str] = field(default_factory=list)
    raised: Exception | None = None

    @property
    def after(self) -> dict[str, Tensor]:
        """Tensors of the model's `state_dict` now."""
        return state(self.run.model)


class Probe:
    """A technique and an example."""

    def __init__(self, technique: Technique, example: Example) -> None:
        self.technique, self.example = technique, example
        self._tries: dict[str, Try] = {}

    @property
    def on(self) -> str:
        """`on an LSTM`."""
        return f"on {self.example.name}"

    @cached_property
    def why_not(self) -> str | None:
        """Why the technique cannot be tried here, or None; one whose `unfit` raises is not tried."""
        try:
            return self.technique.unfit(run_of(self.example, SEED, []))
        except Exception as problem:  # the promise about `unfit` tells
            return explain(problem)

    @property
    def fits(self) -> bool:
        """Whether the technique can be tried here."""
        return self.why_not is None

    def attempt(
        self,
        params: Mapping[str, Any] | None = None,
        seed: int = SEED,
        around: int = AROUND,
        turned: bool = False,
    ) -> Try:
        """Apply the technique with `params` (its defaults), inside global random states that start
        from `around`.
        """
        given = self.technique.defaults() if params is None else dict(params)
        key = repr((sorted(given.items()), seed, around, turned))
        if key not in self._tries:
            self._tries[key] = self.fresh(given, seed, around, turned)
        return self._tries[key]

    def tried(self, **options: Any) -> Try:
        """The same, of a technique that works. Raises `Unjudged` where it does not."""
        found = self.attempt(**options)
        if found.raised is not None:
            raise Unjudged(f"apply raised {type(found.raised).__name__} {self.on}")
        return found

    def fresh(
        self,
        params: Mapping[str, Any] | None = None,
        seed: int = SEED,
        around: int = AROUND,
        turned: bool = False,
    ) -> Try:
        """The same, not shared with other checks."""
        params = self.technique.defaults() if params is None else params
        used: list[str] = []
        run = run_of(self.example, seed, used, turned)
        found = Try(
            run,
            state(run.model),
            frozen_in(run.model),
            ties(run.model),
            output(run).shape,
            used=used,
        )
        with isolated(around):
            states = global_states()
            try:
                found.told = self.technique.apply(run, **params)
            except Exception as problem:  # whatever a stranger's technique raises
                found.raised = problem
            found.drawn = [name for name, was in states.items() if was != global_states()[name]]
        run.changed()
        return found


class Subject:
    """A technique under examination, with the slots that are known besides."""

    def __init__(self, technique: Technique, slots: Mapping[str, Slot], own_slot: bool) -> None:
        self.technique, self.slots, self.own_slot = technique, slots, own_slot
        self.all = [Probe(technique, example) for example in EXAMPLES]

    def probes(self) -> Iterator[Probe]:
        """The examples that the technique fits. Raises `Unjudged` where it fits none."""
        found = [probe for probe in self.all if probe.fits]
        if not found:
            raise Unjudged(f"it fits none of the kit's models: {self.all[0].why_not}")
        return iter(found)

    def tries(self) -> Iterator[tuple[Probe, Try]]:
        """The technique at its defaults on each example that it fits. Raises `Unjudged` where it
        works on none.
        """
        found = [(probe, probe.attempt()) for probe in self.probes()]
        if all(each.raised is not None for _, each in found):
            raise Unjudged("apply raised")
        return iter([(probe, each) for probe, each in found if each.raised is None])

    def ends(self) -> list[dict[str, Any]]:
        """Parameters at the ends of the space: all low, all high, and every option of every choice."""
        space = self.technique.space
        count = (
            max([2, *(len(p.options) for p in space.values() if isinstance(p, Choice))])
            if space
            else 0
        )
        return [
            {key: _end(parameter, number) for key, parameter in space.items()}
            for number in range(count)
        ]


def _end(parameter: Any, number: int) -> Any:
    if isinstance(parameter, Choice):
        return parameter.options[number % len(parameter.options)]
    return parameter.high if number % 2 else parameter.low


def state(model: nn.Module) -> dict[str, Tensor]:
    """Copies of the tensors in a model's `state_dict`."""
    return {
        name: value.detach().clone()
        for name, value in model.state_dict().items()
        if isinstance(value, Tensor)
    }


def frozen_in(model: nn.Module) -> list[str]:
    """Names of the frozen parameters."""
    return [
        name for name, p in model.named_parameters(remove_duplicate=False) if not p.requires_grad
    ]


def ties(model: nn.Module) -> list[frozenset[str]]:
    """Names of parameters that are one tensor."""
    found: dict[int, set[str]] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        found.setdefault(id(parameter), set()).add(name)
    return [frozenset(names) for names in found.values() if len(names) > 1]


def output(run: Run) -> Tensor:
    """The model's output on the first rows, in evaluation mode and without a trace of the call."""
    training = run.model.training
    run.model.eval()
    with torch.no_grad(), isolated(0):
        found: Tensor = call(run.model, run.example())
    run.model.train(training)
    return found


def leaves(run: Run) -> Iterator[Tensor]:
    """The tensors in which the gradient of the model's output ends, as in evaluation."""
    training = run.model.training
    run.model.eval()
    with torch.enable_grad(), isolated(0):
        nodes = [call(run.model, run.example()).grad_fn]
    run.model.train(training)
    seen = set()
    while nodes:
        node = nodes.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if hasattr(node, "variable"):
            yield node.variable
        nodes += [before for before, _ in node.next_functions]


def global_states() -> dict[str, object]:
    """Where the global random generators stand."""
    return {
        "torch": torch.get_rng_state().numpy().tobytes(),
        "NumPy": pickle.dumps(np.random.get_state()),
        "Python": random.getstate(),
    }


def same(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> str | None:
    """The first name whose tensors differ, or None."""
    names = [*one, *(name for name in other if name not in one)]
    return next(
        (n for n in names if n not in one or n not in other or not equal(one[n], other[n])), None
    )


def equal(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors hold the same numbers."""
    return one.shape == other.shape and bool(torch.equal(one, other))
