"""Traces, swaps and checks models that nobody here wrote, against a table of their hidden
activation calls.

    python -m venv ../models
    ../models/bin/pip install -c constraints.txt torch timm torchvision transformers
    rtdl_revisiting_models pytorch-tabnet ... ../models/bin/pip install -e . --no-deps
    ../models/bin/pip install pluggy numpy
    ../models/bin/python benchmarks/real_models.py [NAME ...] [--list-misses]

Nothing is downloaded: the models are small and untrained. A package that is not installed is
    skipped. Each model is traced;
all its hidden sites run `asinh`, and a count of kernels must agree; with its own activations put in
their place, the model must give the same numbers. A line says what was found, with the activation
calls that were missed and those wrongly swapped.

The tables began as what a trace found, read model by model against the architecture: calls that it
left alone and that the code shows to be hidden were put in by hand, and about forty totals were
worked out from the layout of the blocks. They say what changed since; they are no independent count
of every model.
"""

from __future__ import annotations

import argparse
import importlib.util
import random
import sys
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

import numpy
import real_models_others
import real_models_timm
import real_models_transformers
import torch
from real_models_entry import Entry
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from advisor.model import Anatomy, Site, select, swap, trace
from advisor.model.anatomy import ModuleTarget
from advisor.model.nested_values import named_tensors

TABLES = (real_models_timm, real_models_transformers, real_models_others)


def entries() -> list[Entry]:
    return [entry for table in TABLES for entry in table.entries()]


@dataclass
class Result:
    """What one model showed."""

    entry: Entry
    found: Anatomy
    seconds: float
    swapped: int = 0
    kernels: int = 0
    missed: list[tuple[Site, str]] = field(default_factory=list)
    wrong: list[Site] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    layers: list[str] = field(default_factory=list)

    @property
    def unseen(self) -> int:
        """Hidden calls that are in the code, and that the trace has no site for; negative where it
        sees too many.
        """
        seen = sum(site.calls for site in self.found.sites if not kept(self.entry, site))
        return 0 if self.entry.hidden is None else self.entry.hidden - seen

    @property
    def misses(self) -> int:
        return sum(site.calls for site, _ in self.missed) + max(self.unseen, 0)

    def line(self) -> str:
        labels: Counter[str] = Counter()
        for site in self.found.sites:
            labels[site.label] += site.calls
        sites = (
            " ".join(f"{name} {count}" for name, count in sorted(labels.items())) or "no activation"
        )
        notes = [
            f"missed {self.misses}" if self.misses else "",
            f"WRONG {len(self.wrong)}" if self.wrong else "",
        ]
        notes += [
            f"{-self.unseen} more than counted" if self.unseen < 0 else "",
            *self.problems,
            *self.layers,
        ]
        told = "" if self.entry.hidden is not None else " (nobody counted)"
        about = (
            f"{sites}; {self.swapped} swapped, {self.kernels} kernels, {self.seconds:.2f} s{told}"
        )
        return "; ".join([f"{self.entry.name:40s} {about}", *filter(None, notes)])


def kept(entry: Entry, site: Site) -> bool:
    """Whether a site is one that must be left alone."""
    return any(fnmatchcase(site.id, pattern) for pattern in entry.keep)


# ---------------------------------------------------------------- one model


def fresh(entry: Entry) -> tuple[nn.Module, tuple]:
    seed(0)
    model = entry.build()
    seed(1)
    return model.train(), entry.inputs()


def seed(number: int) -> None:
    torch.manual_seed(number)
    random.seed(number)
    numpy.random.seed(number)


def run(model: nn.Module, inputs: tuple) -> list[torch.Tensor]:
    """The tensors of floats that a model returns, random numbers being the same each time."""
    seed(2)
    return [tensor for _, tensor in named_tensors(model(*inputs), "") if tensor.is_floating_point()]


def gradients(model: nn.Module, outputs: list[torch.Tensor]) -> dict[str, torch.Tensor]:
    model.zero_grad()
    sum(output.double().square().mean() for output in outputs if output.requires_grad).backward()
    return {
        name: parameter.grad
        for name, parameter in nn.Module.named_parameters(model)
        if parameter.grad is not None
    }


def check(entry: Entry) -> Result:
    plain, inputs = fresh(entry)
    model, _ = fresh(entry)
    model.load_state_dict(plain.state_dict())  # some leave weights uninitialized
    outputs = run(plain, inputs)
    slopes = gradients(plain, outputs)
    steady = equal(run(plain, inputs), outputs)  # some draw seeds of their own
    keys = list(model.state_dict())
    start = time.process_time()
    found = trace(model, inputs)
    chosen = select(found)
    result = Result(entry, found, time.process_time() - start)
    inside = own(model, chosen)
    slopes = {name: slope for name, slope in slopes.items() if name not in inside}
    result.problems += same(model, inputs, found, outputs, slopes) if steady else []
    result.problems += swapped(
        model,
        inputs,
        found,
        chosen,
        result,
        set(slopes),
        [key for key in keys if key not in inside],
    )
    judge(result, chosen)
    result.layers += layers(model, found)
    return result


def own(model: nn.Module, sites: tuple[Site, ...]) -> set[str]:
    """Names of the parameters of the activations themselves, which go with them."""
    modules = {
        getattr(site.target, "module", None)
        for site in sites
        if isinstance(site.target, ModuleTarget)
    }
    held = {id(parameter) for module in modules for parameter in nn.Module.parameters(module)}
    return {
        name
        for name, value in nn.Module.named_parameters(model, remove_duplicate=False)
        if id(value) in held
    }


def equal(some: list[torch.Tensor], others: list[torch.Tensor]) -> bool:
    """Up to rounding: a kernel for a copy may round other than one for a view."""
    return len(some) == len(others) and all(
        torch.allclose(a, b, 1e-5, 1e-6, True) for a, b in zip(some, others, strict=True)
    )


def same(model, inputs, found, outputs, slopes) -> Iterator[str]:
    """With its own activations put in their place, a model is what it was."""
    known = [site for site in found.hidden if site.function is not None]
    report = swap(model, found, lambda site: site.function, sites=known, inputs=inputs)
    now = run(model, inputs)
    if not equal(now, outputs):
        yield "OUTPUT CHANGED"
    after = gradients(model, now)
    different = [
        name for name in slopes if name not in after or not torch.equal(slopes[name], after[name])
    ]
    far = [
        name
        for name in different
        if name not in after or not torch.allclose(slopes[name], after[name], 1e-3, 1e-6, True)
    ]
    if far:
        yield f"GRADIENTS CHANGED {len(far)}"
    report.undo()
    if len(known) < len(found.hidden):
        yield f"{len(found.hidden) - len(known)} sites without a function"


class Asinh(TorchDispatchMode):
    count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += func is torch.ops.aten.asinh.default
        return func(*args, **(kwargs or {}))


def kernels(model: nn.Module, inputs: tuple) -> int:
    with Asinh() as counter, torch.no_grad():
        run(model, inputs)
    return counter.count


def swapped(model, inputs, found, chosen, result, slopes, keys) -> Iterator[str]:
    report = swap(model, found, lambda _: torch.asinh, sites=chosen, inputs=inputs)
    result.swapped, result.kernels = report.calls, kernels(model, inputs)
    result.missed += report.refused
    if result.swapped != result.kernels:
        yield "KERNELS DIFFER"
    if list(model.state_dict()) != keys:
        yield "KEYS CHANGED"
    if set(gradients(model, run(model, inputs))) != slopes:
        yield "GRADIENTS LOST"
    model.eval()
    if report.swapped and not kernels(model, inputs):
        yield "NOTHING SWAPPED IN EVALUATION"
    report.undo()


def judge(result: Result, chosen: tuple[Site, ...]) -> None:
    """Compare with what was counted."""
    if result.entry.hidden is None:
        return
    result.wrong += [site for site in chosen if kept(result.entry, site)]
    hidden = [site for site in result.found.sites if not kept(result.entry, site)]
    result.missed += [
        (site, f"{site.label}: {site.reason}") for site in hidden if site.label != "hidden"
    ]


def layers(model: nn.Module, found: Anatomy) -> Iterator[str]:
    """Modules of torch with a weight that were called, and are no layer of the anatomy."""
    activations = {getattr(site.target, "module", None) for site in found.sites}
    owned = {name.rpartition(".")[0]: name for name, _ in nn.Module.named_parameters(model)}
    owned = {
        f".{name}".partition(".parametrizations.")[0].lstrip("."): at for name, at in owned.items()
    }
    owned = {
        name: at
        for name, at in owned.items()
        if not isinstance(model.get_submodule(name), (nn.ParameterList, nn.ParameterDict))
    }
    known = (
        {layer.name for layer in found.layers}
        | set(found.unused)
        | {name.rpartition(".")[0] for name in found.raw}
    )
    known |= {name.rpartition(".")[0] for layer in found.layers for name in layer.tied}
    known |= {name for name, module in nn.Module.named_modules(model) if module in activations}
    lost = [at for name, at in owned.items() if name not in known]
    if lost:
        yield f"LAYERS LOST {len(lost)}: {', '.join(lost[:3])}"


# ---------------------------------------------------------------- all of them


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", help="parts of names; all models without one")
    parser.add_argument(
        "--list-misses",
        action="store_true",
        help="each missed site, and each wrong one, with its reason",
    )
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    wanted = [
        entry
        for entry in entries()
        if not arguments.names or any(name in entry.name for name in arguments.names)
    ]
    absent = {entry.package for entry in wanted if importlib.util.find_spec(entry.package) is None}
    for package in sorted(absent):
        print(f"{package} is not installed: skipped")
    results, crashes = [], []
    for entry in (entry for entry in wanted if entry.package not in absent):
        try:
            results.append(check(entry))
            print(results[-1].line(), flush=True)
            if arguments.list_misses:
                print("".join(f"    {text}\n" for text in told(results[-1])), end="")
        except Exception as error:
            crashes.append(entry)
            print(
                f"{entry.name:40s} CRASH {type(error).__name__}: {str(error)[:200]} {where(error)}",
                flush=True,
            )
    print(total(results, crashes))
    return int(bool(crashes) or any(result.wrong or result.problems for result in results))


def told(result: Result) -> Iterator[str]:
    for site in result.wrong:
        yield f"wrong: {site.id} ({site.kind}) {site.reason}"
    for site, why in result.missed:
        yield f"missed: {site.id} ({site.kind}, {site.calls} calls) {why}"
    if result.unseen:
        yield f"{result.unseen} calls in the code have no site"


def where(error: Exception) -> str:
    return " < ".join(
        f"{Path(call.filename).name}:{call.lineno}"
        for call in traceback.extract_tb(error.__traceback__)[-3:]
    )


def total(results: list[Result], crashes: list[Entry]) -> str:
    counted = [result for result in results if result.entry.hidden is not None]
    truth = sum(result.entry.hidden for result in counted)
    missed = sum(result.misses for result in counted)
    wrong = sum(len(result.wrong) for result in counted)
    swaps, ran = (
        sum(result.swapped for result in results),
        sum(result.kernels for result in results),
    )
    odd = sum(bool(result.problems or result.layers) for result in results)
    seconds = [result.seconds for result in results] or [0.0]
    return (
        f"{len(results)} models, {swaps} calls swapped, {ran} kernels, {odd} models with problems, {len(crashes)} crashes; "
        f"counted in {len(counted)} models: {truth} hidden calls, {missed} missed, {wrong} sites wrongly swapped; "
        f"trace and select took {sum(seconds):.1f} s, at most {max(seconds):.2f} s"
    )


if __name__ == "__main__":
    sys.exit(main())
