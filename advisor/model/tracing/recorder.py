"""Records one forward pass as a graph: a function mode sees every operation, global hooks see every
module.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from types import FrameType
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.overrides import TorchFunctionMode

from advisor.model.anatomy import AttributeTarget, CallTarget, ModuleTarget
from advisor.model.pointwise import Pointwise
from advisor.model.references import Path, site_id
from advisor.model.tracing import source_frames, torch_activations
from advisor.model.tracing.elementwise import is_activation, out_of_place, value_range
from advisor.model.tracing.graph import (
    BUFFER,
    CONSTANT,
    INPUT,
    PARAMETER,
    Call,
    Graph,
    Node,
    is_weighted,
)

CALLS = "_advisor_calls"  # in an owner: what its rewritten calls run, by method:line:column
_DEPTH = 4  # of tensors inside lists, dicts and batch objects
_Method = type(torch.Tensor.add)


@dataclass(eq=False)
class Running:
    """A module whose forward has begun, its tensor inputs, and the first node that may belong to
    it.
    """

    module: nn.Module
    inputs: tuple[Tensor, ...]
    start: int


def tensors(value: Any) -> Iterator[Tensor]:
    """The tensors in a result or an argument: itself, or inside tuples, lists and dicts."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from tensors(item)
    elif isinstance(value, Mapping):
        yield from tensors(list(value.values()))


def named_tensors(value: Any, name: str, depth: int = _DEPTH) -> Iterator[tuple[str, Tensor]]:
    """Tensors among a model's inputs, `args[0]`, `args[1]['ids']`, `args[0].x`; objects are looked
    into, modules are not.
    """
    if isinstance(value, Tensor):
        yield name, value
    elif depth == 0 or isinstance(value, (str, bytes, nn.Module, type)):
        return
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from named_tensors(item, f"{name}[{key!r}]", depth - 1)
    elif isinstance(value, (tuple, list)) and not hasattr(value, "_fields"):
        for index, item in enumerate(value):
            yield from named_tensors(item, f"{name}[{index}]", depth - 1)
    else:
        for key, item in _attributes(value):
            yield from named_tensors(item, f"{name}.{key}", depth - 1)


def _attributes(value: Any) -> list[tuple[str, Any]]:
    if hasattr(value, "_asdict"):
        return list(value._asdict().items())
    return list(vars(value).items()) if hasattr(value, "__dict__") else []


class Recorder(TorchFunctionMode):
    """While active, every operation becomes a node. `paths` names the modules that belong to the
    model.

    While `probes` is not zero, what runs is no part of a forward pass.
    """

    probes: ClassVar[int] = 0

    def __init__(self, inputs: tuple[Any, ...], paths: dict[int, Path]) -> None:
        super().__init__()
        torch_activations.prepare()
        self.paths = paths
        self.nodes: list[Node] = []
        self.stack: list[Running] = []
        self.called: set[int] = set()
        self._origin: dict[int, Node] = {}
        self._alive: list[Tensor] = []  # keeps ids unique
        self._storages: dict[int, list[Tensor]] = {}
        self._groups: dict[FrameType, Call | None] = {}
        self._activations: dict[int, bool] = {}
        self._paused = False
        self._operations = 0
        self._leaves(inputs)

    def _leaves(self, inputs: tuple[Any, ...]) -> None:
        for path in self.paths.values():
            for name, parameter in path.module._parameters.items():
                if parameter is not None and not isinstance(
                    path.module, (nn.ParameterList, nn.ParameterDict)
                ):
                    self._leaf(parameter, PARAMETER, f"{path.name}.{name}".lstrip("."))
            for name, buffer in path.module._buffers.items():
                if buffer is not None:
                    self._leaf(buffer, BUFFER, f"{path.name}.{name}".lstrip("."))
        for name, tensor in named_tensors(inputs, "args"):
            self._leaf(tensor, INPUT, name)

    def _leaf(self, tensor: Tensor, leaf: str, label: str) -> Node:
        known_leaf = self._origin.get(id(tensor))
        if known_leaf is not None:
            return known_leaf
        if leaf == CONSTANT and isinstance(tensor, nn.Parameter):
            leaf = PARAMETER  # of a module in a plain list
        node = Node(leaf, -1, leaf=leaf, label=label, floating=tensor.is_floating_point())
        node.data, node.learned = leaf == INPUT, leaf == PARAMETER
        self._bind(tensor, node)
        return node

    def _bind(self, tensor: Tensor, node: Node) -> None:
        self._origin[id(tensor)] = node
        self._alive.append(tensor)
        storage = _storage(tensor)
        if storage is not None:
            self._storages.setdefault(storage, []).append(tensor)

    # ---------------------------------------------------------------- operations

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if self._paused:
            return func(*args, **kwargs)
        operands = [*tensors(args), *tensors(kwargs)]
        versions = [_version(tensor) for tensor in operands]
        result = func(*args, **kwargs)
        changed = [
            t for t, version in zip(operands, versions, strict=True) if _version(t) != version
        ]
        outputs = [t for t in tensors(result) if not any(t is operand for operand in operands)]
        changed = [t for t in changed if self._leaf(t, CONSTANT, "").leaf != BUFFER]
        if outputs or changed:
            self._add(func, args, kwargs, operands, outputs, changed)
        return result

    def _add(
        self,
        func: Any,
        args: Any,
        kwargs: Any,
        operands: list[Tensor],
        outputs: list[Tensor],
        changed: list[Tensor],
    ) -> None:
        name = _name(func)
        sources = [self._leaf(operand, CONSTANT, "") for operand in operands]
        self._operations += 1
        kind = torch_activations.kind_of_function(func)
        call = self._call(func, args, kwargs, kind)
        for tensor in (*outputs, *changed):
            node = self._node(name, sources, tensor)
            node.call, node.kind = call, kind
        for tensor in changed:
            for alias in self._storages.get(_storage(tensor) or 0, ()):
                self._origin[id(alias)] = self._origin[id(tensor)]

    def _node(self, name: str, sources: list[Node], tensor: Tensor) -> Node:
        values = list(sources)
        if name.endswith("_like") or name.startswith("new_"):
            values = []  # takes the shape of its operand
        elif name.endswith("_as"):
            values = values[:1]  # takes the shape of the second
        node = Node(
            name,
            self._operations,
            values,
            floating=tensor.is_floating_point() or tensor.is_complex(),
        )
        node.data = is_weighted(name) or any(source.data for source in values)
        node.learned = not node.data and any(source.learned for source in values)
        node.running = tuple(running.module for running in self.stack)
        self.nodes.append(node)
        self._bind(tensor, node)
        return node

    def _call(self, func: Any, args: Any, kwargs: Any, kind: str | None) -> Call | None:
        """The candidate that an operation belongs to: a helper function that is an activation, else
        the operation itself.
        """
        if self.stack and torch_activations.kind_of_module(self.stack[-1].module) is not None:
            return None  # the module is the candidate
        chain = source_frames.chain(sys._getframe(), self.paths)
        call = self._helper(chain)
        if call is not None:
            return call
        if kind is None and (kind := _advised(chain, func)) is None:
            return None
        return self._operation_call(func, args, kwargs, kind, chain)

    def _operation_call(
        self, func: Any, args: Any, kwargs: Any, kind: str, chain: list[FrameType]
    ) -> Call:
        receiver = (
            isinstance(func, _Method) and bool(chain) and chain[0] is _nearest(sys._getframe())
        )
        call = self._located(chain, kind, receiver)
        if args and isinstance(args[0], Tensor) and args[0].is_floating_point():
            rest = args[1:]
            _behaves(call, lambda x: func(x, *rest, **kwargs), args[0])
        return call

    def _helper(self, chain: list[FrameType]) -> Call | None:
        for index in reversed(range(len(chain) - 1)):  # the outermost wins
            frame = chain[index]
            if source_frames.is_comprehension(frame.f_code):
                continue
            if frame not in self._groups:
                self._groups[frame] = self._helper_call(chain, index)
            call = self._groups[frame]
            if call is not None:
                return call
        return None

    def _helper_call(self, chain: list[FrameType], index: int) -> Call | None:
        found = source_frames.replay(chain[index])
        if found is None:
            return None
        function, sample = found
        with self.paused():
            if not sample.is_floating_point() or not is_activation(function, sample):
                return None
            call = self._located(
                chain[index + 1 :], f"custom:{source_frames.name_of(chain[index])}", receiver=False
            )
            _behaves(call, function, sample)
            call.custom = True
        return call

    def _located(self, chain: list[FrameType], kind: str, receiver: bool) -> Call:
        """A call as its place in the source says: in a method, in an attribute of a torch module,
        or out of reach.
        """
        target = source_frames.target_of(chain, kind, receiver, self.paths)
        if isinstance(target, AttributeTarget):
            ident = f"{self.paths[id(target.owner)].name}.{target.name}".lstrip(".")
            return Call(kind, (id(target.owner), target.name), ident, ident, target)
        if not chain:
            return Call(kind, (kind,), kind, kind, target)
        owner = source_frames.owner_of(chain[-1])
        path = self.paths.get(id(owner))
        ident = f"{_key(chain, receiver)}@{path.name if path else ''}".rstrip("@")
        key = (
            id(owner),
            chain[0].f_code.co_filename,
            source_frames.span_of(chain[0]) or chain[0].f_lasti,
        )
        return Call(kind, key, ident, source_frames.describe(chain[0]), target)

    # ---------------------------------------------------------------- modules

    @contextmanager
    def hooked(self) -> Iterator[None]:
        """Watch every module that is called."""
        before = register_module_forward_pre_hook(self._enter)
        after = register_module_forward_hook(self._leave)
        try:
            yield
        finally:
            before.remove()
            after.remove()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Run the user's code without recording it, only to see what it does."""
        was, self._paused = self._paused, True
        Recorder.probes += 1
        try:
            yield
        finally:
            self._paused = was
            Recorder.probes -= 1

    def _enter(self, module: nn.Module, args: Any) -> None:
        if not self._paused:
            self.called.add(id(module))
            self.stack.append(Running(module, tuple(tensors(args)), len(self.nodes)))

    def _leave(self, module: nn.Module, args: Any, output: Any) -> None:
        if self._paused:
            return
        while (running := self.stack.pop()).module is not module:
            pass  # a module that raised, and whose error the user's code caught
        self._opaque(module, args, output)
        if self._is_candidate(module, args, output, running.start):
            call = self._module_call(module, args)
            for node in self.nodes[running.start :]:
                node.call = call

    def _opaque(self, module: nn.Module, args: Any, output: Any) -> None:
        """What a module computed out of sight (TorchScript, an extension) is one node."""
        unseen = [tensor for tensor in tensors(output) if id(tensor) not in self._origin]
        if unseen:
            operands = [*tensors(args), *nn.Module.parameters(module)]
            sources = [self._leaf(operand, CONSTANT, "") for operand in operands]
            self._operations += 1
            for tensor in unseen:
                self._node(type(module).__name__, sources, tensor)

    def _is_candidate(self, module: nn.Module, args: Any, output: Any, start: int) -> bool:
        if torch_activations.kind_of_module(module) is not None or isinstance(module, Pointwise):
            return len(self.nodes) > start
        x = args[0] if len(args) == 1 else None
        if (
            type(module).__module__.startswith("torch.nn")
            or not isinstance(x, Tensor)
            or not isinstance(output, Tensor)
        ):
            return False
        if x.shape != output.shape or not x.is_floating_point() or len(self.nodes) == start:
            return False
        if next(nn.Module.parameters(module), None) is not None:
            return False
        if id(module) not in self._activations:
            self._activations[id(module)] = self._probe(
                module, lambda: is_activation(module.forward, x)
            )
        return self._activations[id(module)]

    def _probe(self, module: nn.Module, ask: Callable[[], Any]) -> Any:
        flags = [(part, part.training) for part in nn.Module.modules(module)]
        with self.paused():
            try:
                for part, _ in flags:
                    part.training = False
                return ask()
            finally:
                for part, flag in flags:
                    part.training = flag

    def _module_call(self, module: nn.Module, args: Any) -> Call:
        kind = torch_activations.kind_of_module(module) or f"custom:{_custom_name(module)}"
        chain = source_frames.chain(sys._getframe(), self.paths)
        path = self.paths.get(id(module))
        written = self._located(chain, kind, receiver=False)
        if path is None:  # made while the model runs
            call = self._helper(chain) or written
        else:
            ident = site_id(path.name)
            split = None
            if isinstance(written.target, CallTarget):
                split, written.target = written, replace(written.target, module=module)
            call = Call(
                kind,
                (id(module),),
                ident,
                ident,
                ModuleTarget(module, path.registered),
                split=split,
            )
        call.custom = torch_activations.kind_of_module(module) is None
        if args and isinstance(args[0], Tensor):
            self._probe(module, partial(_behaves, call, module.forward, args[0]))
        return call

    # ---------------------------------------------------------------- result

    def graph(self, output: Any) -> Graph:
        """The recorded graph, when the model has returned `output`."""
        self._groups.clear()
        returned = (tensor for _, tensor in named_tensors(output, "output"))
        outputs = [self._origin[id(tensor)] for tensor in returned if id(tensor) in self._origin]
        return Graph(
            [node for node in self.nodes if node.data or node.learned or node.call or node.inputs],
            outputs,
        )

    def origin(self, tensor: Tensor) -> Node | None:
        """The node that made a tensor."""
        return self._origin.get(id(tensor))


def _behaves(call: Call, function: Callable[[Tensor], Any], sample: Tensor) -> None:
    """Note what an activation does: the function itself, and the range of its values."""
    call.function = out_of_place(function)
    call.values = value_range(call.function, sample)


def _name(func: Any) -> str:
    return str(getattr(func, "__name__", func)).strip("_")


def _version(tensor: Tensor) -> int:
    return -1 if tensor.is_inference() else tensor._version


def _storage(tensor: Tensor) -> int | None:
    try:
        return tensor.untyped_storage().data_ptr() or None
    except (RuntimeError, NotImplementedError):  # sparse tensors and the like have none
        return None


def _nearest(frame: FrameType) -> FrameType:
    while frame.f_code.co_filename == __file__ and frame.f_back is not None:
        frame = frame.f_back
    return frame


def _key(chain: list[FrameType], receiver: bool) -> str:
    """`method:line:column` of the call that `chain[0]` makes; in `x.f().g()`, where starts
    coincide, its end.
    """
    first, end = _keys(chain)
    return _advised_keys(chain).get(end) or (end if receiver else first)


def _keys(chain: list[FrameType]) -> tuple[str, str]:
    span = source_frames.span_of(chain[0]) or (
        chain[0].f_lineno,
        chain[0].f_lineno,
        chain[0].f_lasti,
        chain[0].f_lasti,
    )
    method = chain[-1].f_code.co_name
    return f"{method}:{span[0]}:{span[2]}", f"{method}:{span[1]}:{span[3]}"


def _advised_keys(chain: list[FrameType]) -> dict[str, str]:
    """Under which key advisor keeps what runs in each rewritten call, by `method:line:column` of
    the call's end.
    """
    edits = getattr(type(source_frames.owner_of(chain[-1])), "_advisor_edits", ())
    return {
        f"{key.partition(':')[0]}:{line}:{column}": key for _, _, (line, column), key, _ in edits
    }


def _advised(chain: list[FrameType], func: Any) -> str | None:
    """A call that advisor has put there is a candidate whatever it runs."""
    if not chain or isinstance(func, _Method):
        return None
    called = _keys(chain)[1] in _advised_keys(chain)
    return _name(func) if called or source_frames.kept_function(chain[-1]) is func else None


def _custom_name(module: nn.Module) -> str:
    return str(getattr(module, "name", type(module).__name__))
