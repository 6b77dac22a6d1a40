"""Leaves a model and the random numbers as they were, whatever a forward pass does to them."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from advisor.model.plain_values import Restore, restore_items, steps_back
from advisor.model.references import CALLS

# What `nn.Module` itself keeps in an instance, and advisor, is not the user's.
_OWN = frozenset(vars(nn.Module())) | {CALLS}


# How the names of the dictionaries end in which a module keeps its hooks.
_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
# Those that every module has.
_OWN_HOOKS = tuple(name for name in _OWN if name.endswith(_HOOKS))


@contextmanager
def untouched(
    model: nn.Module, modules: list[nn.Module], parameters: bool = False
) -> Iterator[None]:
    """Restore buffers, plain attributes and training flags of `modules` and every random state
    afterwards; the model is in training mode.

    What a module builds at its first call stays, with the attributes that say so.

    `parameters` are restored too where nothing inside means to change them: some models renormalize
    theirs when they run.
    """
    steps = [*_flags(modules), *_states(modules), *_random_states()]
    if parameters:
        steps.extend(_parameters(modules))
    with _restored(steps):
        model.train()
        yield


@contextmanager
def state_kept(modules: Iterable[nn.Module], others: Iterable[object]) -> Iterator[None]:
    """Restore buffers, plain attributes and training flags of `modules`, and what `others` hold,
    afterwards. Tensors that `others` hold are not copied.
    """
    parts = list(modules)
    with _restored([*_flags(parts), *_states(parts), *steps_back(others, copies=False)]):
        yield


@contextmanager
def random_states_kept() -> Iterator[None]:
    """Every random state is afterwards as it was."""
    with _restored(list(_random_states())):
        yield


def random_states(device: torch.device) -> list[object]:
    """Where the generators stand that a function on this device may draw from, to be compared."""
    # Bytes and lists, because tensors and arrays have no single answer to `==`.
    states: list[object] = [torch.get_rng_state().numpy().tobytes(), random.getstate()]
    if device.type == "cuda":
        states.append(torch.cuda.get_rng_state(device).numpy().tobytes())
    if "numpy" in sys.modules:
        _, keys, *position = sys.modules["numpy"].random.get_state()
        states += [keys.tobytes(), position]
    return states


@contextmanager
def _restored(steps: list[Restore]) -> Iterator[None]:
    """Take these steps back to the state of before, also after an exception."""
    try:
        yield
    finally:
        for restore in steps:
            restore()


def _flags(modules: list[nn.Module]) -> Iterator[Restore]:
    yield partial(_set_flags, [(module, module.training) for module in modules])


def _set_flags(flags: list[tuple[nn.Module, bool]]) -> None:
    # To set an attribute of a module takes longer than to read it.
    for module, training in flags:
        if module.training is not training:
            module.training = training


def _states(modules: list[nn.Module]) -> Iterator[Restore]:
    """Steps that restore what modules hold besides parameters and other modules."""
    for module in modules:
        tensors = [*module._parameters.values(), *module._buffers.values()]
        if any(tensor is not None and is_lazy(tensor) for tensor in tensors):
            continue  # it takes its shape now
        buffers = dict(module._buffers.items())
        copies = {name: tensor.clone() for name, tensor in buffers.items() if tensor is not None}
        attributes = _attributes(module)
        yield from _hooks(module, attributes)
        yield partial(_put_back, module, _built(module), buffers, copies, attributes)
        yield from steps_back(attributes.values())


def _attributes(module: nn.Module) -> dict[str, object]:
    """The user's attributes of a module."""
    others = _others(module)
    return {name: value for name, value in vars(module).items() if name not in others}


def _others(module: nn.Module) -> frozenset[str]:
    """The names of the attributes of a module that are not the user's."""
    return _OWN | _recomputed(module) if module._forward_pre_hooks else _OWN


def _hooks(module: nn.Module, attributes: Iterable[str]) -> Iterator[Restore]:
    """A step that takes away the hooks that a run registers: what says so goes, too."""
    held = vars(module)
    names = [*_OWN_HOOKS, *(name for name in attributes if name.endswith(_HOOKS))]
    before = [(held[name], set(held[name])) for name in names if name in held]
    yield partial(_keep_only, before)


def _keep_only(before: list[tuple[dict[int, object], set[int]]]) -> None:
    for hooks, keys in before:
        for key in [key for key in hooks if key not in keys]:
            del hooks[key]


def _recomputed(module: nn.Module) -> set[str]:
    """The attributes that hooks of torch compute anew before each run: normalized and pruned
    weights.
    """
    names: set[str] = set()
    for hook in module._forward_pre_hooks.values():
        if type(hook).__module__.startswith("torch.nn.utils"):
            names.add(getattr(hook, "name", "") or getattr(hook, "_tensor_name", ""))
    return names


def _built(module: nn.Module) -> list[str]:
    """The names of what a module is built of."""
    return [*module._parameters.keys(), *module._modules.keys()]


def _put_back(
    module: nn.Module,
    built: list[str],
    buffers: dict[str, torch.Tensor | None],
    copies: dict[str, torch.Tensor],
    attributes: dict[str, object],
) -> None:
    # The module may have put another tensor there, changed this one in place, or both.
    with torch.no_grad():
        for name, copy in copies.items():
            module._buffers[name] = buffers[name]
            module._buffers[name].copy_(copy)  # type: ignore[union-attr]  # has a copy, so is no None
    if _built(module) != built:
        return

    _remove_buffers(module, buffers)
    others = _others(module)
    own = {name: value for name, value in vars(module).items() if name in others}
    restore_items(vars(module), own | attributes)


def _remove_buffers(module: nn.Module, buffers: dict[str, torch.Tensor | None]) -> None:
    """Take away the buffers that were not there, or were None."""
    for name in list(module._buffers.keys()):
        if name not in buffers:
            del module._buffers[name]
            module._non_persistent_buffers_set.discard(name)
        elif buffers[name] is None:
            module._buffers[name] = None


def _parameters(modules: list[nn.Module]) -> Iterator[Restore]:
    by_id: dict[int, nn.Parameter] = {}  # one that several modules share is copied once
    for module in modules:
        for parameter in module._parameters.values():
            if parameter is not None and not is_lazy(parameter):
                by_id[id(parameter)] = parameter
    yield partial(_write_back, [(each, each.detach().clone()) for each in by_id.values()])


@torch.no_grad()
def _write_back(copies: list[tuple[torch.Tensor, torch.Tensor]]) -> None:
    # Writing counts as a change in place for autograd, so an equal parameter is not written.
    for parameter, copy in copies:
        if not torch.equal(parameter, copy):
            parameter.copy_(copy)


def _random_states() -> Iterator[Restore]:
    """Steps that restore torch's, Python's and, where it is imported, NumPy's global generator."""
    yield partial(torch.set_rng_state, torch.get_rng_state())
    if torch.cuda.is_available():
        yield partial(torch.cuda.set_rng_state_all, torch.cuda.get_rng_state_all())
    yield partial(random.setstate, random.getstate())
    if "numpy" in sys.modules:
        numpy_random = sys.modules["numpy"].random
        yield partial(numpy_random.set_state, numpy_random.get_state())
