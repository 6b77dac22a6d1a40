"""A technique under examination: tried on every example, each try made once and shared by the
checks.
"""

from __future__ import annotations

import pickle
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from advisor.errors import explain
from advisor.model import call
from advisor.randomness import isolated
from advisor.space import Choice, Parameter
from advisor.technique import Slot, Technique
from advisor.testing.examples import EXAMPLES, Example, run_of
from advisor.testing.promise import Unjudged
from advisor.training.run import Run

SEED, OTHER = 1, 2
"""The seed of a try, and another one."""
GLOBAL_SEED = 20_011
"""Where global random states stand when a technique is tried: where no manual_seed puts them by
chance.
"""


@dataclass
class Try:
    """A technique applied to an example: the run, what it was before, and what moved on the way.

    Attributes:
        run: the run afterwards.
        before: tensors of the model's `state_dict` before.
        frozen: the parameters that were frozen, by name.
        tied: names of parameters that were one tensor.
        shape: of the output before.
        returned: what `apply` returned.
        touched: names of the forbidden data that were used.
        drawn: names of the global random states that are not as they were.
        raised: what `apply` raised, or None.
    """

    run: Run
    before: dict[str, Tensor]
    frozen: dict[str, nn.Parameter]
    tied: list[frozenset[str]]
    shape: torch.Size
    touched: list[str]
    returned: Any = None
    drawn: list[str] = field(default_factory=list)
    raised: Exception | None = None

    @property
    def after(self) -> dict[str, Tensor]:
        """Tensors of the model's `state_dict` now."""
        return state(self.run.model)


class Probe:
    """A technique and an example."""

    def __init__(self, technique: Technique, example: Example) -> None:
        self.technique = technique
        self.example = example
        self._tries: dict[str, Try] = {}  # by everything that a try depends on

    @property
    def on(self) -> str:
        """`on an LSTM`."""
        return f"on {self.example.name}"

    @cached_property
    def why_not(self) -> str | None:
        """Why the technique cannot be tried here, or None; it cannot where its `unfit` raises."""
        try:
            return self.technique.unfit(run_of(self.example, SEED))
        except Exception as problem:  # the promise about `unfit` reports it
            return explain(problem)

    @property
    def fits(self) -> bool:
        """Whether the technique can be tried here."""
        return self.why_not is None

    def attempt(
        self,
        params: Mapping[str, Any] | None = None,
        seed: int = SEED,
        global_seed: int = GLOBAL_SEED,
        other_targets: bool = False,
    ) -> Try:
        """Apply the technique; the result is shared with other checks.

        Arguments:
            params: values of the technique's space, by default its defaults.
            seed: of the run.
            global_seed: where the global random states start.
            other_targets: give every row another target.
        """
        # Many checks ask for the same try, and some techniques take seconds.
        values = self.technique.defaults() if params is None else dict(params)
        key = repr((sorted(values.items()), seed, global_seed, other_targets))
        if key not in self._tries:
            self._tries[key] = self.fresh(values, seed, global_seed, other_targets)
        return self._tries[key]

    def working(self, **options: Any) -> Try:
        """The try of a technique that works. Raises `Unjudged` where it does not."""
        attempt = self.attempt(**options)
        if attempt.raised is not None:
            raise Unjudged(f"apply raised {type(attempt.raised).__name__} {self.on}")
        return attempt

    def fresh(
        self,
        params: Mapping[str, Any] | None = None,
        seed: int = SEED,
        global_seed: int = GLOBAL_SEED,
        other_targets: bool = False,
    ) -> Try:
        """Apply the technique as `attempt` does, not shared with other checks."""
        params = self.technique.defaults() if params is None else params

        # What a promise compares with is copied before the technique can change it.
        touched: list[str] = []
        run = run_of(self.example, seed, touched, other_targets)
        attempt = Try(
            run,
            before=state(run.model),
            frozen=frozen_in(run.model),
            tied=ties(run.model),
            shape=output(run).shape,
            touched=touched,
        )

        # The global random states are compared before anything else can move them.
        with isolated(global_seed):
            states_before = global_states()
            try:
                attempt.returned = self.technique.apply(run, **params)
            except Exception as problem:  # a stranger's technique may raise anything
                attempt.raised = problem
            states_after = global_states()
        for name, before in states_before.items():
            if states_after[name] != before:
                attempt.drawn.append(name)
        run.changed()
        return attempt


class Subject:
    """A technique under examination.

    Attributes:
        technique: an instance.
        slots: the slots that there are, by name.
        own_slot: whether the technique's plugin brings its slot.
        all: the technique on every example, also on those that it does not fit.
    """

    def __init__(self, technique: Technique, slots: Mapping[str, Slot], own_slot: bool) -> None:
        self.technique = technique
        self.slots = slots
        self.own_slot = own_slot
        self.all = [Probe(technique, example) for example in EXAMPLES]

    def probes(self) -> Iterator[Probe]:
        """The examples that the technique fits. Raises `Unjudged` where it fits none."""
        fitting = [probe for probe in self.all if probe.fits]
        if not fitting:
            raise Unjudged(f"it fits none of the kit's models: {self.all[0].why_not}")
        return iter(fitting)

    def tries(self) -> Iterator[tuple[Probe, Try]]:
        """The technique at its defaults on each example that it fits. Raises `Unjudged` where it
        works on none.
        """
        working = []
        for probe in self.probes():
            attempt = probe.attempt()
            if attempt.raised is None:
                working.append((probe, attempt))
        if not working:
            raise Unjudged("apply raised")
        return iter(working)

    def ends(self) -> list[dict[str, Any]]:
        """Parameters at the ends of the space: all low, all high, and every option of choices."""
        space = self.technique.space
        if not space:
            return []
        # Numbers have two ends; a choice with more options needs more points.
        options = [len(p.options) for p in space.values() if isinstance(p, Choice)]
        ends = []
        for number in range(max([2, *options])):
            ends.append({name: _end(parameter, number) for name, parameter in space.items()})
        return ends


def _end(parameter: Parameter, number: int) -> Any:
    """The lowest value for even numbers, the highest for odd ones; of a choice, each in turn."""
    if isinstance(parameter, Choice):
        return parameter.options[number % len(parameter.options)]
    return parameter.high if number % 2 else parameter.low


def state(model: nn.Module) -> dict[str, Tensor]:
    """Copies of the tensors in a model's `state_dict`."""
    copies = {}
    for name, value in model.state_dict().items():
        if isinstance(value, Tensor):
            copies[name] = value.detach().clone()
    return copies


def frozen_in(model: nn.Module) -> dict[str, nn.Parameter]:
    """The frozen parameters by name."""
    parameters = model.named_parameters(remove_duplicate=False)
    return {name: parameter for name, parameter in parameters if not parameter.requires_grad}


def ties(model: nn.Module) -> list[frozenset[str]]:
    """Names of parameters that are one tensor."""
    # A tied parameter appears under each of its names, with one identity.
    names_by_tensor: dict[int, set[str]] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        names_by_tensor.setdefault(id(parameter), set()).add(name)
    return [frozenset(names) for names in names_by_tensor.values() if len(names) > 1]


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Inside, the model is in evaluation mode and its random numbers are always the same."""
    training = model.training
    model.eval()
    with isolated(0):
        yield
    model.train(training)


def output(run: Run) -> Tensor:
    """The model's output on the first rows, in evaluation mode and without a trace of the call."""
    with _evaluating(run.model), torch.no_grad():
        result: Tensor = call(run.model, run.example())
    return result


def leaves(run: Run) -> Iterator[Tensor]:
    """The tensors in which the gradient of the model's output ends, as in evaluation."""
    with _evaluating(run.model), torch.enable_grad():
        nodes = [call(run.model, run.example()).grad_fn]
    # Walk autograd's graph back from the output; a leaf's node holds the tensor itself.
    visited = set()
    while nodes:
        node = nodes.pop()
        if node is None or node in visited:
            continue
        visited.add(node)
        if hasattr(node, "variable"):
            yield node.variable
        nodes += [before for before, _ in node.next_functions]


def global_states() -> dict[str, object]:
    """Where the global random generators stand."""
    # NumPy's state holds an array, which compares element by element; its bytes compare at once.
    return {
        "torch": torch.get_rng_state().numpy().tobytes(),
        "NumPy": pickle.dumps(np.random.get_state()),
        "Python": random.getstate(),
    }


def first_difference(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> str | None:
    """The first name whose tensors differ, or None."""
    # Names that only one of them has differ too.
    for name in dict.fromkeys([*one, *other]):
        if name not in one or name not in other or not equal(one[name], other[name]):
            return name
    return None


def equal(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors hold the same numbers."""
    return one.shape == other.shape and bool(torch.equal(one, other))
