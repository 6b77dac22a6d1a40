"""Give a model other activations, in place: modules are replaced, calls are rewritten, and the result is traced again."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial, singledispatch
from operator import setitem
from typing import Any

from torch import Tensor, nn

from advisor.errors import InputError, listing
from advisor.model.advised import advised_class, base_of, edits_of, find_method, merge
from advisor.model.anatomy import HIDDEN, Anatomy, AttributeTarget, CallTarget, ModuleTarget, NoTarget, Site, Target
from advisor.model.record import CALLS
from advisor.model.trace import trace
from advisor.model.walk import ACTS, ATTRIBUTE, Holding, holdings

Activation = Callable[[Tensor], Tensor]
Factory = Callable[[Site], Activation]
Undo = Callable[[], object]


class Pointwise(nn.Module):
    """A plain function where the model holds an activation module."""

    def __init__(self, function: Activation) -> None:
        super().__init__()
        self.function = function
        self.name = getattr(function, "__name__", type(function).__name__).strip("<>")

    def forward(self, x: Tensor) -> Tensor:
        """The function of `x`."""
        return self.function(x)

    def extra_repr(self) -> str:
        """The function's name."""
        return self.name


@dataclass
class SwapReport:
    """What `swap` changed, what it could not, and the way back.

    Arguments:
        swapped: sites that run the new activation now.
        refused: sites that were asked for and cannot be reached, each with a sentence that says why.
        left: sites that were not asked for.
    """

    swapped: list[Site] = field(default_factory=list)
    refused: list[tuple[Site, str]] = field(default_factory=list)
    left: list[Site] = field(default_factory=list)
    _undos: list[Undo] = field(default_factory=list, repr=False)

    @property
    def calls(self) -> int:
        """How often the new activations run in one forward pass."""
        return sum(site.calls for site in self.swapped)

    def undo(self) -> None:
        """Make the model what it was. Parameters keep their values."""
        while self._undos:
            self._undos.pop()()

    def summary(self) -> str:
        """One line: what was swapped and what was left alone."""
        names = listing((site.id for site in self.swapped), limit=4)
        parts = [f"swapped {_many(len(self.swapped), 'site')} ({_many(self.calls, 'call')})" + (f": {names}" if names else "")]
        labels = Counter(site.label for site in self.left)
        if labels:
            parts.append("left alone: " + ", ".join(_many(count, label) for label, count in labels.items()))
        if self.refused:
            parts.append("out of reach: " + listing((site.place for site, _ in self.refused), limit=4))
        return "; ".join(parts)


def _many(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 or word == HIDDEN else f"{count} {word}s"


def swap(
    model: nn.Module,
    anatomy: Anatomy,
    factory: Factory,
    sites: Iterable[Site] | None = None,
    inputs: tuple[Any, ...] | None = None,
) -> SwapReport:
    """Replace the activations of `model` at `sites` (by default the hidden ones) by what `factory(site)` returns, in place.

    The factory is called once per site. A plain function costs nothing per call; an `nn.Module` is registered, so that its
    parameters train. Keys of the `state_dict` stay; new parameters add keys.

    With `inputs` the model is traced again: each site must run its new activation as often as the old one, and all others
    must be as before. If not, everything is undone and InputError says why.
    """
    wanted = tuple(anatomy.hidden if sites is None else sites)
    report = SwapReport(left=[site for site in anatomy.sites if site not in wanted])
    placed: dict[str, _Placed] = {}
    try:
        for site, activation in _made(wanted, factory):
            _swap_one(model, site, activation, report, placed)
        if inputs is not None:
            _verify(model, anatomy, report, placed, inputs)
    except BaseException:
        report.undo()
        raise
    return report


def _made(sites: Iterable[Site], factory: Factory) -> Iterator[tuple[Site, Activation]]:
    """An activation per site; a module that a factory gives twice is copied, so that no two sites share parameters."""
    modules: list[nn.Module] = []
    for site in sites:
        activation = factory(site)
        if any(activation is module for module in modules):
            activation = copy.deepcopy(activation)
        if isinstance(activation, nn.Module):
            modules.append(activation)
        yield site, activation


def _swap_one(model: nn.Module, site: Site, activation: Activation, report: SwapReport, placed: dict[str, _Placed]) -> None:
    try:
        if isinstance(activation, nn.Module):
            _refuse_untrained(site, activation)
            activation.train(model.training)
        placed[site.id] = _put(site.target, _Order(model, site, activation))
    except InputError as error:
        report.refused.append((site, str(error)))
        return
    report._undos.extend(placed[site.id].undos)
    report.swapped.append(site)


def _refuse_untrained(site: Site, activation: nn.Module) -> None:
    if next(nn.Module.parameters(activation), None) is not None and not getattr(site.target, "registered", True):
        raise InputError(
            f"{site.id} is kept in a plain Python list or dict, so a trainable activation would not be trained. Use "
            "nn.ModuleList, or an activation without parameters."
        )


# ---------------------------------------------------------------- one way per target


@dataclass
class _Order:
    """An activation for a site of a model."""

    model: nn.Module
    site: Site
    activation: Activation


@dataclass
class _Placed:
    """A new activation, where it is kept, and how to take it away again."""

    where: dict[str, Any]
    key: str
    undos: list[Undo]


@singledispatch
def _put(target: Target, order: _Order) -> _Placed:
    """Carry out an order at a target. Raises InputError where that cannot be done."""
    raise TypeError(f"{order.site.id} has the target {target!r}")


@_put.register
def _refuse(target: NoTarget, _order: _Order) -> _Placed:
    raise InputError(target.why)


@_put.register
def _replace_module(target: ModuleTarget, order: _Order) -> _Placed:
    """Wherever the model holds the module: under each of its names, in lists and dicts."""
    new = order.activation if isinstance(order.activation, nn.Module) else Pointwise(order.activation)
    inside = {id(part) for part in nn.Module.modules(new)}
    undos: list[Undo] = []
    while new is not target.module and (holding := _holding(order.model, target.module, inside)) is not None:
        name = holding.path.rpartition(".")[2]
        if holding.holder is not None and isinstance(holding.holder, _TRANSFORMER_LAYERS) and name == _ACTIVATION:
            undos.extend(_set_activation(holding.holder, name, new))
        else:
            holding.put(new)
            undos.append(partial(holding.put, target.module))
    return _Placed({order.site.id: new}, order.site.id, undos)


def _holding(model: nn.Module, module: nn.Module, inside: set[int]) -> Holding | None:
    found = (holding for holding in holdings(model) if holding.module is module)
    return next((holding for holding in found if id(holding.holder) not in inside), None)


@_put.register
def _replace_attribute(target: AttributeTarget, order: _Order) -> _Placed:
    return _Placed(vars(target.owner), target.name, _set_activation(target.owner, target.name, order.activation))


_TRANSFORMER_LAYERS = (nn.TransformerEncoderLayer, nn.TransformerDecoderLayer)
_ACTIVATION = "activation"
_FAST_PATH = "activation_relu_or_gelu"  # says which fused kernel to use in eval mode; 0 is none


def _set_activation(owner: nn.Module, name: str, activation: Activation) -> list[Undo]:
    """In a transformer layer of torch.

    A decoder layer that is copied or unpickled falls back to its default unless `__dict__` has the activation, so it is kept
    there; a module is registered under another name as well.
    """
    undos = [_set(vars(owner), name, activation), _remove(owner._modules, name)]
    if isinstance(activation, nn.Module):
        undos.append(_set(owner._modules, ATTRIBUTE + name, activation))
    else:
        undos.append(_remove(owner._modules, ATTRIBUTE + name))
    if hasattr(owner, _FAST_PATH):
        undos.append(_set(vars(owner), _FAST_PATH, 0))
    return undos


@_put.register
def _rewrite_call(target: CallTarget, order: _Order) -> _Placed:
    """One call in the source of a method, in a subclass made for this owner."""
    owner, key = target.owner, order.site.id.partition("@")[0]
    cls = type(owner)
    depth, name = find_method(cls, target.code)
    edit = (depth, name, (target.span[1], target.span[3]), key, target.receiver)
    known = {known_edit[:3] for known_edit in edits_of(cls)}
    if edit[:3] not in known:
        owner.__class__ = advised_class(base_of(cls), merge(edits_of(cls), [edit]))
    undos: list[Undo] = [partial(setattr, owner, "__class__", cls)]
    calls: dict[str, Any] = vars(owner).get(CALLS, {})
    undos += [_set(vars(owner), CALLS, calls), _set(calls, key, order.activation), _register(owner, key, order.activation)]
    return _Placed(calls, key, undos)


def _register(owner: nn.Module, key: str, activation: Activation) -> Undo:
    acts = owner._modules.get(ACTS)
    children: dict[str, Any] = dict(acts._modules) if acts is not None else {}
    children.pop(key, None)
    if isinstance(activation, nn.Module):
        children[key] = activation
    if not children:
        return _remove(owner._modules, ACTS)
    return _set(owner._modules, ACTS, nn.ModuleDict(children).train(owner.training))


_MISSING = object()


def _set(mapping: dict[str, Any], key: str, value: Any) -> Undo:
    old = mapping.get(key, _MISSING)
    mapping[key] = value
    return partial(mapping.pop, key, None) if old is _MISSING else partial(setitem, mapping, key, old)


def _remove(mapping: dict[str, Any], key: str) -> Undo:
    old = mapping.pop(key, _MISSING)
    return (lambda: None) if old is _MISSING else partial(setitem, mapping, key, old)


# ---------------------------------------------------------------- verification


def _verify(model: nn.Module, before: Anatomy, report: SwapReport, placed: dict[str, _Placed], inputs: tuple[Any, ...]) -> None:
    with _counted(placed) as ran:
        after = trace(model, inputs)
    after = _without_insides(after, placed)
    for complaint in _complaints(before, after, report.swapped, ran):
        raise InputError(f"{complaint} Everything was undone.")


def _without_insides(anatomy: Anatomy, placed: dict[str, _Placed]) -> Anatomy:
    """The anatomy without what runs inside the new activations, which may be built of others."""
    new = [place.where[place.key] for place in placed.values()]
    inside = {id(module) for made in new if isinstance(made, nn.Module) for module in made.modules()}
    tops = {id(made) for made in new}

    def outside(site: Site) -> bool:
        place = getattr(site.target, "owner", None) or getattr(site.target, "module", None)
        return id(place) not in inside or id(getattr(site.target, "module", None)) in tops

    return replace(anatomy, sites=tuple(site for site in anatomy.sites if outside(site)))


def _complaints(before: Anatomy, after: Anatomy, sites: list[Site], ran: Counter[str]) -> Iterator[str]:
    """What is not as it should be after a swap of `sites`, whose new activations ran so often."""
    swapped = {site.id for site in sites}
    seen = {site.id: site.calls for site in after.sites}
    changed = _others(before, swapped) != _others(after, swapped)
    # how often a place runs may depend on the data; that the new activation runs there each time may not
    counts = [(site, ran[site.id]) for site in sites]
    unreached = [site.id for site, count in counts if count != seen.get(site.id, count) or (changed and not count)]
    if unreached:
        what = f"{len(unreached)} of {len(sites)} sites still ran the old activation: {listing(unreached)}"
        yield f"After the swap {what}; leave them out with --exclude."
    hidden = swapped & {site.id for site in before.hidden}
    dropped = [site.place for site in after.sites if site.id in hidden and site.label == "output"]
    if dropped:
        why = "the result is not used, because the activation worked in place"
        yield f"{listing(dropped)}: {why}. Assign the result instead of inplace=True."
    if changed and all(count == site.calls for site, count in counts):
        yield "After the swap other activations ran more or less often than before."


def _others(anatomy: Anatomy, swapped: set[str]) -> Counter[str]:
    """How often each kind of activation ran outside the swapped sites."""
    counts: Counter[str] = Counter()
    for site in anatomy.sites:
        if site.id not in swapped:
            counts[site.kind] += site.calls
    return counts


@contextmanager
def _counted(placed: dict[str, _Placed]) -> Iterator[Counter[str]]:
    """Count how often each new activation runs."""
    ran: Counter[str] = Counter()
    undos: list[Undo] = []
    for ident, place in placed.items():
        activation = place.where[place.key]
        count = partial(ran.update, [ident])
        if isinstance(activation, nn.Module):
            undos.append(activation.register_forward_hook(partial(_call, count)).remove)
        else:
            undos.append(_set(place.where, place.key, partial(_counting, count, activation)))
    try:
        yield ran
    finally:
        for undo in undos:
            undo()


def _call(count: Undo, *_: Any) -> None:
    count()


def _counting(count: Undo, activation: Activation, x: Tensor) -> Tensor:
    count()
    return activation(x)
