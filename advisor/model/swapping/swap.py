"""Give a model other activations, in place: modules are replaced, calls are rewritten, and the
result is traced again.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from advisor.errors import InputError
from advisor.model.anatomy import Anatomy, Site, Target
from advisor.model.pointwise import Activation
from advisor.model.swapping.module_places import ModulePlaces
from advisor.model.swapping.replace import Installed, Replacement, install
from advisor.model.swapping.report import ModelBefore, SwapReport
from advisor.model.swapping.verify import verify

Factory = Callable[[Site], Activation]


def swap(
    model: nn.Module,
    anatomy: Anatomy,
    factory: Factory,
    sites: Iterable[Site] | None = None,
    inputs: Any = None,
) -> SwapReport:
    """Replace the activations of `model` at `sites` (by default the hidden ones) by what
    `factory(site)` returns, in place.

    The factory is called once per site. A plain function costs nothing per call; an `nn.Module` is
    registered, so that its parameters train. Keys of the `state_dict` stay; new parameters add
    keys.

    With `inputs`, a batch as `trace` takes it, the model is traced again: each site must run its
    new activation as often as the old one, and all others must be as before. If not, everything is
    undone and InputError says why.
    """
    chosen = tuple(anatomy.hidden if sites is None else sites)
    report = SwapReport(ModelBefore.of(model))
    places = ModulePlaces(model)
    report.left = [site for site in anatomy.sites if site not in chosen]
    installed: dict[str, Installed] = {}
    try:
        for site, activation in _activation_per_site(chosen, factory):
            _swap_one(report, site, activation, installed, places)
        if inputs is not None:
            report.anatomy = verify(model, anatomy, report.swapped, installed, inputs)
    except BaseException:
        report.undo()
        raise
    return report


def _activation_per_site(
    sites: Iterable[Site], factory: Factory
) -> Iterator[tuple[Site, Activation]]:
    """What the factory makes for each site; a module that it returns twice is copied, so that no
    two sites share parameters.
    """
    modules: list[nn.Module] = []
    for site in sites:
        activation = factory(site)
        if any(activation is module for module in modules):
            activation = copy.deepcopy(activation)
        if isinstance(activation, nn.Module):
            modules.append(activation)
        yield site, activation


def _swap_one(
    report: SwapReport,
    site: Site,
    activation: Activation,
    installed: dict[str, Installed],
    places: ModulePlaces,
) -> None:
    """Put an activation at a site, and note in the report whether that was possible."""
    model = report.before.model
    start: dict[str, Tensor] = {}
    try:
        if isinstance(activation, nn.Module):
            _refuse_untrained(site, activation)
            activation.to(**_device_and_dtype(model, site.target)).train(model.training)
            start = {name: each.detach().clone() for name, each in activation.state_dict().items()}
        installed[site.id] = install(site.target, Replacement(places, site, activation))
    except InputError as error:
        report.refused.append((site, str(error)))
        return
    report.swapped.append(site)
    report.activations[site.id] = activation
    report.starting_states[site.id] = start
    report.undos.extend(installed[site.id].undos)


def _device_and_dtype(model: nn.Module, target: Target) -> dict[str, Any]:
    """The device and type of the parameters near a target, else of any in the model."""
    for module in (getattr(target, "owner", model), model):
        for parameter in nn.Module.parameters(module):
            if parameter.is_floating_point() and not is_lazy(parameter):
                return {"device": parameter.device, "dtype": parameter.dtype}
    return {}


def _refuse_untrained(site: Site, activation: nn.Module) -> None:
    """Raise InputError where the model would not register an activation that has parameters."""
    has_parameters = next(nn.Module.parameters(activation), None) is not None
    if has_parameters and not getattr(site.target, "registered", True):
        raise InputError(
            f"{site.id} is kept in a plain Python list or dict, so a trainable activation would "
            "not be trained. Use nn.ModuleList, or an activation without parameters."
        )
