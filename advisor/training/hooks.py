"""What techniques hang into a training: called here, and held to what they must give back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from advisor.errors import listing
from advisor.nested import tensors_in
from advisor.randomness import isolated, mix
from advisor.technique import Technique
from advisor.training.ended import Ended, StoppedEarly
from advisor.user_code import user_faults
from advisor.values import shown

if TYPE_CHECKING:
    from advisor.training.run import Run

HOOKS = ("steps", "each_step", "batch", "scored", "keep", "optimizer", "recipe", "loss")
"""Attributes of a run that reach into its training, in the order in which a person reads them."""
CALLED = ("each_step", "batch", "scored", "keep")
"""Those that are empty until a technique sets them."""


@dataclass(frozen=True)
class Given:
    """How a run is trained before any technique is applied; the names are those of the run."""

    loss: Any
    optimizer: Any
    recipe: Any
    rate: float | None


def hooks_set(run: Run) -> tuple[str, ...]:
    """The hooks that techniques have set in a run; `steps` is only read, and never among them."""
    found = [name for name in CALLED if getattr(run, name) not in (None, [], {})]
    for name in ("optimizer", "recipe", "loss"):
        if getattr(run, name) is not getattr(run.given, name):
            found.append(name)
    if run.rate is not None and "optimizer" not in found:
        found.append("optimizer")
    return tuple(name for name in HOOKS if name in found)


def depends_on_length(run: Run) -> bool:
    """Whether the first part of a run's training may depend on how long the whole of it is.

    A technique knows the number of steps, and what it hangs into the training may use it.
    """
    return bool(hooks_set(run) or run.later or run.recipe.schedule is not None)


def unheard(names: Iterable[str], honours: Iterable[str]) -> str | None:
    """Why a technique that needs these hooks cannot be tried in a training that calls but some of
    them, in one sentence; None where it can.
    """
    honoured = set(honours)
    missing = [f"run.{name}" for name in names if name not in honoured]
    return f"your own training does not use {listing(missing)}" if missing else None


def unheard_hooks(technique: Technique, run: Run) -> str | None:
    """Why a technique cannot be tried in a training that does not call the hooks that it sets, in
    one sentence, or None.

    It is applied to a copy of the run, where its class writes `apply` itself: the bases set no
    hooks.
    """
    is_of_a_base = type(technique).apply.__module__.startswith("advisor.")
    if run.honours.issuperset(HOOKS) or is_of_a_base:
        return None
    try:
        tried = run.copied()
        technique.apply(tried, **technique.defaults())
    except user_faults():  # its first trial fails for the same reason, and says so
        return None
    return unheard(hooks_set(tried), run.honours)


@contextmanager
def hooks_joined(run: Run) -> Iterator[None]:
    """Inside, a technique finds no hook of which there is but one; what it sets is put behind that
    of the techniques before it.
    """
    batch, scored = run.batch, run.scored
    run.batch = run.scored = None
    yield
    run.batch = _one_after_another(batch, run.batch)
    run.scored = _one_in_another(scored, run.scored)


def _one_after_another(first: Any, second: Any) -> Any:
    """A change of mini-batches by two functions, either of which may be None."""
    if first is None or second is None or not callable(second):
        return first if second is None else second

    def changed_by_both(inputs: tuple[Any, ...], target: Tensor, generator: torch.Generator) -> Any:
        """What the second function makes of what the first one has made."""
        return second(*first(inputs, target, generator), generator)

    return changed_by_both


def _one_in_another(first: Any, second: Any) -> Any:
    """The contexts of two functions, either of which may be None, the second inside the first."""
    if first is None or second is None or not callable(second):
        return first if second is None else second

    @contextmanager
    def scored_in_both() -> Iterator[None]:
        """Both contexts."""
        with first(), second():
            yield

    return scored_in_both


def check_hooks(who: str, run: Run) -> None:
    """Raise `StoppedEarly` where a technique has set a hook that cannot be called, or one that the
    training does not call.
    """
    for fault in _hook_faults(run):
        raise StoppedEarly(Ended.FAILED, f"{who}: {fault}")
    why = unheard(hooks_set(run), run.honours)
    if why is not None:
        raise StoppedEarly(Ended.FAILED, f"{who}: {why}")


def _hook_faults(run: Run) -> Iterator[str]:
    """What is wrong with the hooks of a run, as far as it shows before they are called."""
    if not isinstance(run.each_step, list) or not all(map(callable, run.each_step)):
        yield (
            f"run.each_step is {shown(run.each_step)}; "
            "append functions (step, epoch, optimizer) to the list"
        )
    if run.batch is not None and not callable(run.batch):
        wanted = "a function (inputs, target, generator) -> (inputs, target)"
        yield f"run.batch is {shown(run.batch)}; set {wanted}"
    if run.scored is not None and not callable(run.scored):
        yield f"run.scored is {shown(run.scored)}; set a function that returns a context"
    if not isinstance(run.keep, dict):
        yield f"run.keep is {shown(run.keep)}; enter objects by name: run.keep[name]"
        return
    for name, kept in run.keep.items():
        has_both = hasattr(kept, "state_dict") and hasattr(kept, "load_state_dict")
        if not isinstance(name, str) or not has_both:
            wanted = "an object with state_dict and load_state_dict, under a name"
            yield f"run.keep[{name!r}] is {shown(kept)}; enter {wanted}"


def after_step(run: Run, number: int, epoch: int, optimizer: torch.optim.Optimizer) -> None:
    """Call what techniques want to be called after an optimizer step.

    What they draw from global random states depends on the run's seed and the step alone.

    Arguments:
        run: that is trained.
        number: of the step, counted from 1 through the whole training.
        epoch: counted from 0.
        optimizer: that has made the step.
    """
    if not run.each_step:
        return
    with isolated(mix(run.seed, "each step", number)):
        for hook in run.each_step:
            hook(number, epoch, optimizer)


def changed_rows(
    run: Run, inputs: tuple[Any, ...], target: Tensor, epoch: int, step: int
) -> tuple[tuple[Any, ...], Tensor]:
    """A mini-batch of training rows as the techniques change it.

    Raises `StoppedEarly` where they give back something else than as many inputs and rows.
    """
    if run.batch is None:
        return inputs, target
    seed = mix(run.seed, "batch", epoch, step)
    with isolated(seed) as generator:
        found = run.batch(inputs, target, generator)
    fault = batch_fault(found, inputs, target)
    if fault is not None:
        raise StoppedEarly(Ended.FAILED, f"run.batch {fault}")
    changed, new_target = found
    return tuple(changed), new_target


def batch_fault(found: Any, inputs: tuple[Any, ...], target: Tensor) -> str | None:
    """What is wrong with what a hook made of a mini-batch, as the rest of a sentence, or None.

    Arguments:
        found: what it returned.
        inputs: of the model, as it got them.
        target: as it got it.
    """
    if not isinstance(found, tuple) or len(found) != 2:
        return f"returned {shown(found)}; return (inputs, target)"
    changed, new_target = found
    if not isinstance(changed, (tuple, list)) or len(changed) != len(inputs):
        count = f"{len(inputs)} in a tuple"
        return f"returned {shown(changed)} as inputs; return as many as it gets, {count}"
    if not isinstance(new_target, Tensor):
        return f"returned {shown(new_target)} as target; return a tensor"
    rows, given = _rows((changed, new_target)), _rows((inputs, target))
    if rows != given:
        was, now = (listing(sorted(map(str, each))) for each in (given, rows))
        return f"returned {now} rows of {was}; return as many as it gets"
    return None


def _rows(value: Any) -> set[int]:
    """The numbers of rows of the tensors in a mini-batch."""
    return {len(tensor) for tensor in tensors_in(value) if tensor.ndim}


@contextmanager
def scoring(run: Run) -> Iterator[None]:
    """Around an evaluation: a technique may have the model scored with other weights than those
    that are trained.

    Raises `StoppedEarly` where the weights are not put back.
    """
    if run.scored is None:
        yield
        return
    model, before = run.model, values_of(run.model)
    context = run.scored()
    if not hasattr(context, "__enter__") or not hasattr(context, "__exit__"):
        returned = f"run.scored() returned {shown(context)}"
        raise StoppedEarly(Ended.FAILED, f"{returned}; return a context, as contextlib makes one")
    with context:
        yield
    left = left_by_scoring(run, model, before)
    if left is not None:
        raise StoppedEarly(Ended.FAILED, f"the context of run.scored {left}; put it back")


def values_of(model: nn.Module) -> dict[str, Tensor]:
    """Copies of a model's parameters and buffers, by name."""
    parameters = nn.Module.named_parameters(model)
    buffers = nn.Module.named_buffers(model)
    return {name: value.detach().clone() for name, value in (*parameters, *buffers)}


def left_by_scoring(run: Run, model: nn.Module, before: dict[str, Tensor]) -> str | None:
    """What of a model is not as it was before an evaluation, as the rest of a sentence, or None.

    Arguments:
        run: whose model was scored.
        model: the one that is trained.
        before: its values before the evaluation.
    """
    if run.model is not model:
        return "leaves another model in run.model"
    after = values_of(model)
    for name, value in before.items():
        if name not in after or not _is_same(value, after[name]):
            return f"leaves other values in {name}"
    return None


def _is_same(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors hold the same numbers, those that are none included."""
    is_like = one.shape == other.shape and one.dtype == other.dtype
    if not is_like:
        return False
    are_no_numbers = (one != one) & (other != other)
    return bool(((one == other) | are_no_numbers).all())
