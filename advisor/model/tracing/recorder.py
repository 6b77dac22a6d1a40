"""Records one forward pass as a graph: a function mode sees every operation, global hooks see every
module.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from types import FrameType, MethodWrapperType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.overrides import TorchFunctionMode

from advisor.model.nested_values import named_tensors, tensors
from advisor.model.probing import probing
from advisor.model.references import Path
from advisor.model.tracing import scripted, source_frames, torch_activations
from advisor.model.tracing.activation_finder import ActivationFinder, TorchCall
from advisor.model.tracing.arranged import Places
from advisor.model.tracing.call_sites import METHOD, name_of
from advisor.model.tracing.graph import BUFFER, Call, Graph, Node
from advisor.model.tracing.operations import AVERAGES, DETACH, is_weighted
from advisor.model.tracing.origins import Origins
from advisor.model.tracing.weights import weights_in

# Methods that say something of a tensor, and neither compute nor change one.
_READS = frozenset(
    (
        *(Tensor.dim, Tensor.ndimension, Tensor.size, Tensor.numel, Tensor.nelement),
        *(Tensor.stride, Tensor.is_contiguous, Tensor.is_floating_point, Tensor.is_complex),
    )
)


@dataclass(eq=False)
class Running:
    """A module whose forward has begun, its tensor inputs, and the first node that may belong to
    it.
    """

    module: nn.Module
    inputs: tuple[Tensor, ...]
    start: int


class Recorder(TorchFunctionMode):
    """While active, every operation becomes a node.

    Arguments:
        inputs: the positional arguments that the model will get.
        paths: the modules that belong to the model.
    """

    def __init__(self, inputs: tuple[Any, ...], paths: dict[int, Path]) -> None:
        super().__init__()
        torch_activations.fill_caches()
        self.paths = paths
        self.nodes: list[Node] = []
        self.stack: list[Running] = []
        self.origins = Origins(inputs, paths)
        self.places = Places()
        self._finder = ActivationFinder(paths, self.paused)
        self._paused = False
        self._operations = 0

    @contextmanager
    def hooked(self) -> Iterator[None]:
        """Watch every module that is called."""
        before = register_module_forward_pre_hook(self._enter)
        after = register_module_forward_hook(self._leave)
        try:
            with scripted.script_calls(self._scripted), source_frames.function_calls():
                yield
        finally:
            before.remove()
            after.remove()

    @contextmanager
    def paused(self, touched: Iterable[object] = ()) -> Iterator[None]:
        """Run the user's code without recording it, only to see what it does, and put back what it
        changes in `touched`.
        """
        was_paused, self._paused = self._paused, True
        try:
            with probing(touched):
                yield
        finally:
            self._paused = was_paused

    def graph(self, output: Any) -> Graph:
        """The recorded graph, when the model has returned `output`."""
        self._finder.forget_frames()
        outputs = []
        for _, tensor in named_tensors(output, "output"):
            node = self.origins.of(tensor)
            if node is not None:
                outputs.append(node)
        nodes = [
            node for node in self.nodes if node.data or node.learned or node.call or node.inputs
        ]
        return Graph(nodes, outputs)

    # ---------------------------------------------------------------- operations

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Run an operation, and record what it puts out and what it changes in place."""
        kwargs = kwargs or {}
        if self._paused:
            return func(*args, **kwargs)
        # To read a shape or a type computes nothing.
        if type(func) is MethodWrapperType and func.__name__ == "__get__":
            value = func(*args, **kwargs)
            if not isinstance(value, Tensor):
                return value
        elif type(func) is METHOD and func in _READS:
            return func(*args, **kwargs)
        torch_call = TorchCall(func, args, kwargs, sys._getframe(1))

        # Inside an activation module of torch, the module is the candidate.
        inside = self._is_inside_activation()
        candidate = (lambda: None) if inside else partial(self._finder.of_operation, torch_call)
        first_node = len(self.nodes)
        operands = [*tensors(args), *tensors(kwargs)]
        result = self._recorded(name_of(func), operands, partial(func, *args, **kwargs), candidate)
        kind = torch_activations.kind_of_function(func)
        name = name_of(func)
        weights = weights_in(name, args, kwargs, self.places)
        for node in self.nodes[first_node:]:
            node.kind = kind
            node.summed = _summed(node.name, args, kwargs)
            node.weights = weights
        # Where the numbers of a parameter go is found by doing the same with their places.
        if any(node.learned for node in self.nodes[first_node:]):
            self.places.follow(name, func, args, kwargs, result)
        return result

    def _scripted(
        self,
        function: Any,
        run: Callable[[], Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        caller: FrameType,
    ) -> Any:
        """Run a function or method of TorchScript, and record it as one operation."""
        # What a ScriptModule calls as its forward is seen as the module.
        inside = self.stack and isinstance(self.stack[-1].module, torch.jit.ScriptModule)
        if self._paused or inside:
            return run()
        operands = [*tensors(args), *tensors(kwargs), *scripted.parameters_of(function)]
        return self._recorded(
            scripted.name_of(function),
            operands,
            run,
            lambda: self._finder.of_scripted(TorchCall(function, args, kwargs, caller)),
        )

    def _recorded(
        self,
        name: str,
        operands: list[Tensor],
        run: Callable[[], Any],
        candidate: Callable[[], Call | None],
    ) -> Any:
        """Run an operation, and make nodes of what it puts out and of what it changes in place."""
        versions = [_version(operand) for operand in operands]
        result = run()

        # The new tensors in the result, then the operands that were changed in place. A buffer that
        # is updated stays a buffer.
        written = []
        for tensor in tensors(result):
            if not any(tensor is operand for operand in operands):
                written.append(tensor)
        changed = []
        for operand, version in zip(operands, versions, strict=True):
            if _version(operand) != version and self.origins.leaf(operand).leaf != BUFFER:
                changed.append(operand)

        if written or changed:
            sources = [self.origins.leaf(operand) for operand in operands]
            self._operations += 1
            call = candidate()
            for tensor in (*written, *changed):
                self._add_node(name, sources, tensor).call = call
            for tensor in changed:
                self.origins.rebind_aliases(tensor)
        return result

    def _is_inside_activation(self) -> bool:
        if not self.stack:
            return False
        return torch_activations.kind_of_module(self.stack[-1].module) is not None

    def _add_node(self, name: str, sources: list[Node], tensor: Tensor) -> Node:
        """The node of a tensor that the current operation puts out."""
        values = list(sources)
        if name.endswith("_like") or name.startswith("new_"):
            values = []  # takes the shape of its operand
        elif name.endswith("_as"):
            values = values[:1]  # takes the shape of the second
        floating = tensor.is_floating_point() or tensor.is_complex()
        node = Node(name, self._operations, values, floating=floating)
        # A layer's result is data even if it works on constants.
        learned = any(source.learned for source in values)
        node.data = any(source.data for source in values) or (learned and is_weighted(name))
        node.learned = learned and not node.data
        node.trained = node.learned and name != DETACH and any(each.trained for each in values)
        node.shape = tuple(tensor.shape)
        node.running = tuple(running.module for running in self.stack)
        self.nodes.append(node)
        self.origins.bind(tensor, node)
        return node

    # ---------------------------------------------------------------- modules

    def _enter(self, module: nn.Module, args: Any) -> None:
        if not self._paused:
            self.stack.append(Running(module, tuple(tensors(args)), len(self.nodes)))

    def _leave(self, module: nn.Module, args: Any, output: Any) -> None:
        if self._paused:
            return
        while (running := self.stack.pop()).module is not module:
            pass  # a module that raised, and whose error the user's code caught
        self._add_unseen(module, args, output)
        did_something = len(self.nodes) > running.start
        if did_something and self._finder.is_module(module, args, output):
            call = self._finder.of_module(module, args, sys._getframe(1))
            for node in self.nodes[running.start :]:
                node.call = call

    def _add_unseen(self, module: nn.Module, args: Any, output: Any) -> None:
        """Make one node of what a module computed out of sight (TorchScript, an extension)."""
        unseen = [tensor for tensor in tensors(output) if self.origins.of(tensor) is None]
        if unseen:
            operands = [*tensors(args), *nn.Module.parameters(module)]
            sources = [self.origins.leaf(operand) for operand in operands]
            self._operations += 1
            for tensor in unseen:
                self._add_node(type(module).__name__, sources, tensor)


def _summed(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[int, ...]:
    """The dimensions that a sum or a mean of the first argument adds up; none for other
    operations.
    """
    if name not in AVERAGES or not args or not isinstance(args[0], Tensor):
        return ()
    dims = kwargs.get("dim", kwargs.get("axis", args[1] if len(args) > 1 else None))
    if isinstance(dims, int):
        dims = (dims,)
    every = range(args[0].dim())
    if not isinstance(dims, (tuple, list)) or not dims:
        return tuple(every)
    return tuple(every[dim] for dim in dims if isinstance(dim, int))


def _version(tensor: Tensor) -> int:
    """How often a tensor was changed in place; tensors of inference mode do not count it."""
    return -1 if tensor.is_inference() else tensor._version
