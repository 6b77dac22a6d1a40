"""How a script says the model that is trained: its constructor, activations, initial weights."""

from __future__ import annotations

import ast
import copy
import inspect
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn

from advisor.exporting.source_text import SourceText, UnwritableError, call_text, names_used
from advisor.model.anatomy import AttributeTarget, ModuleTarget, Site
from advisor.model.pointwise import Pointwise
from advisor.model.swapping.report import SwapReport
from advisor.model.writing.describe import Description, describe
from advisor.slots.activation.base import Activation
from advisor.slots.embedding.base import Embedding
from advisor.slots.initializer.base import Fans, Initializer
from advisor.slots.pretraining.base import Pretraining
from advisor.technique import Technique
from advisor.training.effect import state_of_model
from advisor.training.run import Run, apply

MOST_STRETCHES = 8
"""Stretches of equal numbers up to which a bias is written out."""

FANS = '''\
@dataclass(frozen=True)
class Fans:
    """What a rule knows of a block: inputs and outputs per unit, and the gain of what follows."""

    fan_in: float
    fan_out: float
    gain: float
    recurrent: bool = False
    kind: str = "linear"'''
"""The class of that name as a script has it."""


@dataclass
class StartLines:
    """What a script does before training.

    Attributes:
        structure: lines that put activations into `model`.
        weights: lines that fill its weights, with a generator `generator`.
        reasons: why advisor itself applies the techniques; empty where the lines do it.
        of_build: those that hold for the model in use, too, as it has other layers then.
    """

    structure: list[str] = field(default_factory=list)
    weights: list[str] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    of_build: list[str] = field(default_factory=list)


def start_lines(
    run: Run,
    techniques: list[tuple[Technique, Mapping[str, Any]]],
    text: SourceText,
    edit: Callable[[SwapReport], None],
) -> StartLines:
    """What the techniques do to a fresh run, as lines of plain code; the run is used up.

    Arguments:
        run: before its techniques.
        techniques: in the order in which they are applied, each with its own parameters.
        text: gets what the lines need above them.
        edit: writes activations into the copy of the user's file, where they are calls in its code;
            raises `UnwritableError` where it cannot.
    """
    lines = StartLines()
    names = nn.Module.state_dict(run.model).keys()
    for technique, params in techniques:
        try:
            if isinstance(technique, Activation) and not technique.settles:
                apply(run, [(technique, params)])
                lines.structure += activation_lines(run, text, edit)
            elif isinstance(technique, Initializer):
                lines.weights += initial_lines(run, technique, params, text)
            else:
                left_as_it_is(run, technique, params)
        except UnwritableError as why:
            reason = f"{technique.slot} {technique.name}: {why}"
            lines.reasons.append(reason)
            if nn.Module.state_dict(run.model).keys() != names:
                lines.of_build.append(reason)
            # What comes after it would be written for another model.
            if isinstance(technique, Activation):
                return StartLines(reasons=lines.reasons)
    return lines


def left_as_it_is(run: Run, technique: Technique, params: Mapping[str, Any]) -> None:
    """Apply a technique that only says how the model is trained. Raises `UnwritableError` for one
    that changes the model.
    """
    # What learns before training changes the model, and takes long.
    if isinstance(technique, (Embedding, Pretraining)):
        raise UnwritableError("it is more than a formula")
    before = state_of_model(run.model)
    apply(run, [(technique, params)])
    if state_of_model(run.model) != before:
        raise UnwritableError("it is more than a formula")


# --- activations ----------------------------------------------------------------------------------


def activation_lines(run: Run, text: SourceText, edit: Callable[[SwapReport], None]) -> list[str]:
    """Lines that put the activations of the last swap into the model; none where its file is
    edited instead. Raises `UnwritableError` where neither can be done.
    """
    try:
        return list(structure_lines(run.swaps[-1], run.model, text))
    except UnwritableError:
        edit(run.swaps[-1])
        return []


def structure_lines(report: SwapReport, model: nn.Module, text: SourceText) -> Iterator[str]:
    """Lines that put the new activations where the swap has put them.

    Raises `UnwritableError` where a site is no module, or what runs there has no name.
    """
    if report.refused:
        raise UnwritableError("not all activations could be reached")
    by_module: dict[int, list[str]] = {}
    for path, module in nn.Module.named_modules(model, remove_duplicate=False):
        by_module.setdefault(id(module), []).append(path)
    for site in report.swapped:
        yield from site_lines(site, report, by_module, text)


def site_lines(
    site: Site, report: SwapReport, by_module: Mapping[int, list[str]], text: SourceText
) -> Iterator[str]:
    """The lines of one site. Raises `UnwritableError`."""
    activation = report.activations[site.id]
    said = activation_text(activation, report.starting_states[site.id], text)
    if isinstance(site.target, AttributeTarget):
        path = _one(by_module.get(id(site.target.owner), []), site)
        yield f"model.get_submodule({path!r}).{site.target.name} = {said}"
        return
    places = by_module.get(id(activation), [])
    if not places or not isinstance(site.target, ModuleTarget):
        raise UnwritableError(f"{site.id} is a call inside the model's own code")
    if len(places) == 1:
        yield f"model.set_submodule({places[0]!r}, {said})"
        return
    yield f"shared = {said}"
    yield from (f"model.set_submodule({place!r}, shared)" for place in places)


def _one(paths: list[str], site: Site) -> str:
    if not paths:
        raise UnwritableError(f"{site.id} is held where it has no path")
    return paths[0]


def activation_text(activation: Any, state: Mapping[str, Tensor], text: SourceText) -> str:
    """An activation as it is constructed. Raises `UnwritableError`."""
    if isinstance(activation, Pointwise):
        name = text.add(Pointwise)
        return f"{name}({activation_text(activation.function, {}, text)})"
    description = describe(activation, state)
    if description is None:
        raise UnwritableError(
            f"{type(activation).__name__} has arguments that cannot be read off it"
        )
    return described_text(description, text)


def described_text(description: Description, text: SourceText) -> str:
    """What a description says, as it is written. Raises `UnwritableError`."""
    thing = description._named()
    said = text.add(thing)
    if not description.is_class:
        if not description.arguments:
            return said
        text.imports["from functools import partial"] = None
        inside = ", ".join(f"{k}={text.value(v)}" for k, v in description.arguments.items())
        return f"partial({said}, {inside})"
    # Arguments that are the default say nothing.
    defaults = inspect.signature(thing).parameters
    given = {k: v for k, v in description.arguments.items() if defaults[k].default != v}
    return call_text(said, given, text.value)


# --- initial weights ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Filled:
    """A block of a weight that a rule has filled.

    Attributes:
        place: how a script says it.
        fans: what the rule was told of it.
        params: the rule's parameters.
    """

    place: str
    fans: Fans
    params: Mapping[str, Any]


def initial_lines(
    run: Run, technique: Initializer, params: Mapping[str, Any], text: SourceText
) -> list[str]:
    """Lines that fill the weights as an initializer does by its formula.

    Raises `UnwritableError` where it looks at data, or changes more than weights and biases.
    """
    if type(technique).apply is not Initializer.apply:
        raise UnwritableError("its start is more than a formula for each weight")
    model = run.model
    before = {name: each.detach().clone() for name, each in nn.Module.named_parameters(model)}
    filled: list[Filled] = []
    apply(run, [(recording(technique, model, filled), params)])

    # Biases come first, as they are set before what is drawn.
    done = {each.place.partition("[")[0] for each in filled}
    lines: list[str] = []
    for name, parameter in nn.Module.named_parameters(model):
        place = parameter_text(name)
        if place not in done and name in before and not torch.equal(before[name], parameter):
            lines += bias_lines(place, parameter.detach())
    return lines + (fill_lines(technique, filled, text) if filled else [])


def recording(technique: Initializer, model: nn.Module, filled: list[Filled]) -> Initializer:
    """A rule that notes each block in `filled`, and fills it as `technique` does."""
    recorder = copy.copy(technique)

    def fill(weight: Tensor, fans: Fans, generator: torch.Generator, **given: Any) -> None:
        """Note a block, and let the rule fill it."""
        filled.append(Filled(place_of_block(weight, model), fans, given))
        technique.fill(weight, fans, generator, **given)

    vars(recorder)["fill"] = fill
    return recorder


def fill_lines(technique: Initializer, filled: list[Filled], text: SourceText) -> list[str]:
    """Lines that fill blocks by the formula of a rule. Raises `UnwritableError`."""
    rule = rule_text(technique, text)
    text.imports["from dataclasses import dataclass"] = None
    text.definitions["Fans"] = FANS
    lines = [f"rule = {rule}"]
    for each in filled:
        fans = call_text("Fans", _fans_of(each.fans), text.value)
        more = "".join(f", {key}={text.value(value)}" for key, value in each.params.items())
        lines.append(f"rule.fill({each.place}, {fans}, generator{more})")
    return lines


def _fans_of(fans: Fans) -> dict[str, Any]:
    """The fields of `Fans` that are not the default."""
    given: dict[str, Any] = {"fan_in": fans.fan_in, "fan_out": fans.fan_out, "gain": fans.gain}
    if fans.recurrent:
        given["recurrent"] = True
    if fans.kind != "linear":
        given["kind"] = fans.kind
    return given


def parameter_text(name: str) -> str:
    """How a script says a parameter of `model`."""
    return f"model.get_parameter({name!r})"


def place_of_block(weight: Tensor, model: nn.Module) -> str:
    """How a script says a block of a parameter. Raises `UnwritableError` where that is no slice."""
    start = weight.untyped_storage().data_ptr()
    for name, parameter in nn.Module.named_parameters(model):
        if parameter.untyped_storage().data_ptr() != start:
            continue
        place = parameter_text(name)
        if weight.shape == parameter.shape and weight.stride() == parameter.stride():
            return place
        return f"{place}{slice_text(weight, parameter)}"
    raise UnwritableError("a weight is computed from other parameters")


def slice_text(weight: Tensor, parameter: Tensor) -> str:
    """What stands behind a parameter to say a part of it."""
    offset = weight.storage_offset() - parameter.storage_offset()
    is_alike = weight.stride() == parameter.stride() and weight.shape[1:] == parameter.shape[1:]
    if is_alike and offset % parameter.stride(0) == 0:
        first = offset // parameter.stride(0)
        return f"[{first}:{first + len(weight)}]"
    shape, stride = tuple(weight.shape), tuple(weight.stride())
    return f".as_strided({shape}, {stride}, {weight.storage_offset()})"


def bias_lines(place: str, values: Tensor) -> Iterator[str]:
    """Lines that set a bias of few different numbers. Raises `UnwritableError` for another one."""
    if values.ndim != 1:
        raise UnwritableError("it changes more than weights and biases")
    stretches = [(value, len(list(equal))) for value, equal in groupby(values.tolist())]
    if len(stretches) > MOST_STRETCHES:
        raise UnwritableError("it sets a bias number by number")
    if len(stretches) == 1:
        yield f"{place}.fill_({stretches[0][0]!r})"
        return
    first = 0
    for value, count in stretches:
        yield f"{place}[{first}:{first + count}] = {value!r}"
        first += count


def rule_text(technique: Initializer, text: SourceText) -> str:
    """An object with the rule's `fill`, without its base class. Raises `UnwritableError`."""
    cls = type(technique)
    function = cls.fill
    name = f"{cls.__name__}Rule"
    source = textwrap.dedent(inspect.getsource(function))
    for used, value in names_used(source, function):
        text.bring(used, value)
    read = attributes_read(source)
    if "super()" in source:
        raise UnwritableError("its formula is that of another rule, and more")
    body = [f"class {name}:", f'    """{cls.__name__}: how each weight is filled."""', ""]
    body += [f"    {attr} = {text.value(getattr(technique, attr))}" for attr in sorted(read)]
    body += [""] * bool(read) + [textwrap.indent(source.rstrip(), "    ")]
    text.definitions[name] = "\n".join(body)
    return f"{name}()"


def attributes_read(source: str) -> set[str]:
    """What a method reads of its object: plain data of its class."""
    read = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            read |= {node.attr} if node.value.id == "self" else set()
    return read
