"""Which operations, functions and modules are activations, decided while a model runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from types import FrameType
from typing import Any

import torch
from torch import Tensor, nn

from advisor.model.anatomy import CallTarget, ModuleTarget, NoTarget
from advisor.model.nested_values import tensors
from advisor.model.pointwise import Pointwise
from advisor.model.references import Path, site_id
from advisor.model.tracing import scripted, source_frames, torch_activations
from advisor.model.tracing.call_sites import METHOD, kind_put_there, located
from advisor.model.tracing.elementwise import Range, is_activation, value_range
from advisor.model.tracing.formula import Formula, OutOfPlace, formula_of
from advisor.model.tracing.graph import Call

# Of a scripted function that does more than one tensor's activation.
_OUT_OF_REACH = (
    "{} is a scripted function that computes more than the activation of one tensor, and Python "
    "cannot change its inside; call the activation in the method, or take @torch.jit.script away."
)


@dataclass(frozen=True)
class TorchCall:
    """One call of a function of torch, and the frame that makes it."""

    function: Any
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    caller: FrameType


class ActivationFinder:
    """Recognizes the activations of one forward pass.

    Arguments:
        paths: the modules that belong to the model.
        paused: makes a context in which nothing is recorded, for trying the user's code, and after
            which these objects hold what they held.
    """

    def __init__(
        self,
        paths: dict[int, Path],
        paused: Callable[[Iterable[object]], AbstractContextManager[None]],
    ) -> None:
        self._paths = paths
        self._paused = paused
        # What each frame of a helper function is; None for one that is no activation.
        self._helpers: dict[FrameType, Call | None] = {}
        # By the module's id; the module is kept, so that no other one gets its id.
        self._custom_modules: dict[int, tuple[nn.Module, bool]] = {}
        # The values of an activation on tensors of one kind.
        self._ranges: dict[tuple[Formula, torch.device, torch.dtype], Range] = {}

    def forget_frames(self) -> None:
        """Let go of the frames of a run that has ended, and of what they hold."""
        self._helpers.clear()

    def of_operation(self, operation: TorchCall) -> Call | None:
        """The candidate that an operation belongs to: a helper function that is an activation, else
        the operation itself.
        """
        frames = source_frames.chain(operation.caller, self._paths)
        helper = self._helper(frames)
        if helper is not None:
            return helper
        function = operation.function
        kind = torch_activations.kind_of_function(function) or kind_put_there(frames, function)
        if kind is None:
            return None

        # `x.f()` is a call of a method in the user's source; torch's own functions call them, too.
        receiver = isinstance(function, METHOD) and bool(frames) and frames[0] is operation.caller
        call = located(frames, kind, receiver, self._paths)
        sample = operation.args[0] if operation.args else None
        if isinstance(sample, Tensor) and sample.is_floating_point():
            # The site keeps this function, and must not keep the frame of the operation.
            rest, kwargs = operation.args[1:], operation.kwargs
            self._behaves(call, OutOfPlace(function, rest, kwargs), sample)
        return call

    def of_scripted(self, scripted_call: TorchCall) -> Call | None:
        """The candidate that a call of a scripted function is or belongs to."""
        frames = source_frames.chain(scripted_call.caller, self._paths)
        helper = self._helper(frames)
        if helper is not None:
            return helper
        function = scripted_call.function
        put_there = kind_put_there(frames, function)
        kind = put_there or f"custom:{scripted.name_of(function)}"
        call = located(frames, kind, False, self._paths)
        call.custom = True
        alone = _with_one_tensor(scripted_call)
        if alone is not None:
            with self._paused(()):
                if put_there or (alone[1].is_floating_point() and is_activation(*alone)):
                    _note(call, OutOfPlace(alone[0]), alone[1])
                    return call

        # Its inside cannot be changed where it does more than that.
        call.target = NoTarget(_OUT_OF_REACH.format(call.place))
        return call if scripted.has_activation(function) else None

    def is_module(self, module: nn.Module, args: tuple[Any, ...], output: Any) -> bool:
        """Whether a module that ran, and did something, is an activation."""
        if torch_activations.kind_of_module(module) is not None or isinstance(module, Pointwise):
            return True
        if type(module).__module__.startswith("torch.nn") or len(args) != 1:
            return False

        # A custom one has no parameters and turns one tensor into another one of the same shape.
        x = args[0]
        if not isinstance(x, Tensor) or not isinstance(output, Tensor):
            return False
        if x.shape != output.shape or not x.is_floating_point():
            return False
        if next(nn.Module.parameters(module), None) is not None:
            return False
        if id(module) not in self._custom_modules:
            with self._trying(module):
                self._custom_modules[id(module)] = module, is_activation(module.forward, x)
        return self._custom_modules[id(module)][1]

    def of_module(self, module: nn.Module, args: tuple[Any, ...], caller: FrameType) -> Call:
        """The run of an activation module."""
        torchs_kind = torch_activations.kind_of_module(module)
        kind = torchs_kind or f"custom:{getattr(module, 'name', type(module).__name__)}"
        frames = source_frames.chain(caller, self._paths)
        written = located(frames, kind, False, self._paths)
        path = self._paths.get(id(module))
        if path is None:  # constructed while the model runs
            call = self._helper(frames) or written
        else:
            # The site is the module; where a method calls it, it may also be seen as that call.
            split = None
            if isinstance(written.target, CallTarget):
                written.target = replace(written.target, module=module)
                split = written
            name = site_id(path.name)
            target = ModuleTarget(module, path.registered)
            call = Call(kind, (id(module),), name, name, target, split=split)
        call.custom = torchs_kind is None
        if args and isinstance(args[0], Tensor):
            self._behaves(call, OutOfPlace(module.forward), args[0], module)
        return call

    def _helper(self, frames: list[FrameType]) -> Call | None:
        """The outermost function of the user's that is an activation, among those that lead to an
        operation.
        """
        for index in reversed(range(len(frames) - 1)):
            frame = frames[index]
            if source_frames.is_comprehension(frame.f_code):
                continue
            if frame not in self._helpers:
                self._helpers[frame] = self._helper_call(frame, frames[index + 1 :])
            call = self._helpers[frame]
            if call is not None:
                return call
        return None

    def _helper_call(self, frame: FrameType, callers: list[FrameType]) -> Call | None:
        """The run of the function in a frame, if it is an activation."""
        replayed = source_frames.replay(frame)
        if replayed is None:
            return None
        function, sample = replayed
        if not sample.is_floating_point():
            return None
        with self._paused(source_frames.held_by(frame)):
            if not is_activation(function, sample):
                return None
            kind = f"custom:{source_frames.name_of(frame)}"
            call = located(callers, kind, False, self._paths)
            _note(call, OutOfPlace(function), sample)
            call.custom = True
        return call

    def _behaves(
        self, call: Call, function: OutOfPlace, sample: Tensor, module: nn.Module | None = None
    ) -> None:
        """Note what an activation of torch's or of a module does; one that is known is not tried
        again.
        """
        formula = formula_of(function)
        if formula is None:
            with self._trying(module) if module is not None else nullcontext():
                _note(call, function, sample)
            return
        kind = (formula, sample.device, sample.dtype)
        if kind not in self._ranges:
            with self._paused(()):
                self._ranges[kind] = value_range(function, sample)
        call.function, call.values = function, self._ranges[kind]

    @contextmanager
    def _trying(self, module: nn.Module) -> Iterator[None]:
        """Run a module, in evaluation mode, only to see what it does."""
        with self._paused([module]):
            for part in nn.Module.modules(module):
                part.training = False
            yield


def _with_one_tensor(operation: TorchCall) -> tuple[Callable[[Tensor], Any], Tensor] | None:
    """A call as a function of its only tensor, and that tensor; None where it has more."""
    if any(tensors(operation.kwargs)):
        return None
    function = partial(operation.function, **operation.kwargs)
    return source_frames.with_one_tensor(function, list(operation.args))


def _note(call: Call, function: OutOfPlace, sample: Tensor) -> None:
    """Note what an activation does: the function itself, and the range of its values."""
    call.function = function
    call.values = value_range(function, sample)
