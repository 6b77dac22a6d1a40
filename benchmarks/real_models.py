"""Traces, swaps and checks the models of other packages, against a table of their hidden activation
calls.

    python -m venv ../models
    ../models/bin/pip install -c constraints.txt torch timm torchvision transformers
    ../models/bin/pip install rtdl_revisiting_models pytorch-tabnet …
    ../models/bin/pip install -e . --no-deps
    ../models/bin/pip install pluggy numpy
    ../models/bin/python benchmarks/real_models.py [NAME …] [--list-misses]

The names of the packages are in the tables, `real_models_*.py`; one that is not installed is
skipped. Nothing is downloaded: the models are small and untrained. Each model is traced; all its
hidden sites run `asinh`, and a count of kernels must agree; with its own activations put in their
place, the model must give the same numbers. A line says what the trace has, with the activation
calls that were missed and those wrongly swapped.

The tables began as the results of a trace, read model by model against the architecture: calls that
it left as they are and that the code shows to be hidden were put in by hand, and about forty totals
were worked out from the layout of the blocks. They say what changed since; they are no independent
count of every model.
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
from typing import Any

import numpy as np
import real_models_others
import real_models_timm
import real_models_transformers
import torch
from real_models_entry import Entry, Inputs
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from advisor.model import Anatomy, Site, select, swap, trace
from advisor.model.anatomy import ModuleTarget
from advisor.model.nested_values import named_tensors

TABLES = (real_models_timm, real_models_transformers, real_models_others)
"""Modules with the tables."""


def entries() -> list[Entry]:
    """All models of all tables."""
    return [entry for table in TABLES for entry in table.entries()]


@dataclass
class Result:
    """What one model showed.

    Attributes:
        entry: the model, and the truth about it.
        anatomy: its trace.
        seconds: CPU time of tracing and selecting.
        swapped: calls that ran another function after the swap.
        kernels: calls of that function that ran.
        missed: hidden sites that were not swapped, and why.
        wrong: sites that were swapped and must not be.
        problems: what differs between the model and the model with its own activations put in.
        layers: layers that the anatomy lacks, in words.
    """

    entry: Entry
    anatomy: Anatomy
    seconds: float
    swapped: int = 0
    kernels: int = 0
    missed: list[tuple[Site, str]] = field(default_factory=list)
    wrong: list[Site] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    layers: list[str] = field(default_factory=list)

    @property
    def unseen(self) -> int:
        """Hidden calls that are in the code, and that the trace has no site for.

        Negative where it has too many.
        """
        if self.entry.hidden is None:
            return 0
        sites = [site for site in self.anatomy.sites if not kept(self.entry, site)]
        return self.entry.hidden - sum(site.calls for site in sites)

    @property
    def misses(self) -> int:
        """Hidden calls that were not swapped."""
        return sum(site.calls for site, _ in self.missed) + max(self.unseen, 0)

    def line(self) -> str:
        """The line of the report."""
        calls: Counter[str] = Counter()
        for site in self.anatomy.sites:
            calls[site.label] += site.calls
        sites = " ".join(f"{label} {count}" for label, count in sorted(calls.items()))
        about = f"{sites or 'no activation'}; {self.swapped} swapped, {self.kernels} kernels"
        about += f", {self.seconds:.2f} s"
        if self.entry.hidden is None:
            about += " (nobody counted)"

        notes = []
        if self.misses:
            notes.append(f"missed {self.misses}")
        if self.wrong:
            notes.append(f"WRONG {len(self.wrong)}")
        if self.unseen < 0:
            notes.append(f"{-self.unseen} more than counted")
        notes += self.problems + self.layers
        return "; ".join([f"{self.entry.name:40s} {about}", *notes])


def kept(entry: Entry, site: Site) -> bool:
    """Whether a site is one that must be left alone."""
    return any(fnmatchcase(site.id, pattern) for pattern in entry.keep)


# --- one model ----------------------------------------------------------------------------------


def fresh(entry: Entry) -> tuple[nn.Module, Inputs]:
    """A new model in training mode, and a batch; the same numbers each time."""
    seed(0)
    model = entry.build()
    seed(1)
    return model.train(), entry.inputs()


def seed(number: int) -> None:
    """Seed whatever a model may draw from."""
    torch.manual_seed(number)
    random.seed(number)
    np.random.seed(number)


def run(model: nn.Module, inputs: Inputs) -> list[torch.Tensor]:
    """The tensors of floats that a model returns, random numbers being the same each time."""
    seed(2)
    tensors = [tensor for _, tensor in named_tensors(model(*inputs), "")]
    return [tensor for tensor in tensors if tensor.is_floating_point()]


def gradients(model: nn.Module, outputs: list[torch.Tensor]) -> dict[str, torch.Tensor]:
    """The gradient of each parameter that has one, by name."""
    model.zero_grad()
    squares = [each.double().square().mean() for each in outputs if each.requires_grad]
    torch.stack(squares).sum().backward()
    slopes = {}
    for name, parameter in nn.Module.named_parameters(model):
        if parameter.grad is not None:
            slopes[name] = parameter.grad
    return slopes


def check(entry: Entry) -> Result:
    """Trace, swap and compare one model."""
    plain, inputs = fresh(entry)
    model, _ = fresh(entry)
    model.load_state_dict(plain.state_dict())  # some leave weights uninitialized
    outputs = run(plain, inputs)
    slopes = gradients(plain, outputs)
    is_steady = equal(run(plain, inputs), outputs)  # some draw seeds of their own
    keys = list(model.state_dict())

    start = time.process_time()
    anatomy = trace(model, inputs)
    chosen = select(anatomy)
    result = Result(entry, anatomy, time.process_time() - start)

    # The parameters of the activations themselves go with them.
    inside = parameters_inside(model, chosen)
    slopes = {name: slope for name, slope in slopes.items() if name not in inside}
    keys = [key for key in keys if key not in inside]
    if is_steady:
        result.problems += changes_by_same(model, inputs, anatomy, outputs, slopes)
    result.problems += changes_by_asinh(model, inputs, chosen, result, set(slopes), keys)
    judge(result, chosen)
    result.layers += lost_layers(model, anatomy)
    return result


def parameters_inside(model: nn.Module, sites: tuple[Site, ...]) -> set[str]:
    """Names of the parameters of the activations themselves."""
    held: set[int] = set()
    for site in sites:
        if isinstance(site.target, ModuleTarget):
            held.update(id(each) for each in nn.Module.parameters(site.target.module))
    parameters = nn.Module.named_parameters(model, remove_duplicate=False)
    return {name for name, parameter in parameters if id(parameter) in held}


def equal(some: list[torch.Tensor], others: list[torch.Tensor]) -> bool:
    """Up to rounding: a kernel for a copy may round other than one for a view."""
    if len(some) != len(others):
        return False
    pairs = zip(some, others, strict=True)
    return all(torch.allclose(one, other, 1e-5, 1e-6, True) for one, other in pairs)


def changes_by_same(
    model: nn.Module,
    inputs: Inputs,
    anatomy: Anatomy,
    outputs: list[torch.Tensor],
    slopes: dict[str, torch.Tensor],
) -> Iterator[str]:
    """What differs once a model's own activations are put in their place, which is a problem."""
    functions = {}
    for site in anatomy.hidden:
        if site.function is not None:
            functions[site] = site.function
    report = swap(model, anatomy, functions.__getitem__, sites=list(functions), inputs=inputs)
    now = run(model, inputs)
    if not equal(now, outputs):
        yield "OUTPUT CHANGED"
    after = gradients(model, now)
    far = 0
    for name, slope in slopes.items():
        far += name not in after or not torch.allclose(slope, after[name], 1e-3, 1e-6, True)
    if far:
        yield f"GRADIENTS CHANGED {far}"
    report.undo()
    if len(functions) < len(anatomy.hidden):
        yield f"{len(anatomy.hidden) - len(functions)} sites without a function"


class Asinh(TorchDispatchMode):
    """Counts the calls of `torch.asinh` that run."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch's has no annotations
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += func is torch.ops.aten.asinh.default
        return func(*args, **(kwargs or {}))


def count_kernels(model: nn.Module, inputs: Inputs) -> int:
    """How often `torch.asinh` runs in a forward pass."""
    with Asinh() as counter, torch.no_grad():
        run(model, inputs)
    return int(counter.count)


def changes_by_asinh(
    model: nn.Module,
    inputs: Inputs,
    chosen: tuple[Site, ...],
    result: Result,
    slopes: set[str],
    keys: list[str],
) -> Iterator[str]:
    """What goes wrong while `torch.asinh` is in the place of the activations; fills `result`."""
    report = swap(model, result.anatomy, lambda _: torch.asinh, sites=chosen, inputs=inputs)
    result.swapped, result.kernels = report.calls, count_kernels(model, inputs)
    result.missed += report.refused
    if result.swapped != result.kernels:
        yield "KERNELS DIFFER"
    if list(model.state_dict()) != keys:
        yield "KEYS CHANGED"
    if set(gradients(model, run(model, inputs))) != slopes:
        yield "GRADIENTS LOST"
    model.eval()
    if report.swapped and not count_kernels(model, inputs):
        yield "NOTHING SWAPPED IN EVALUATION"
    report.undo()


def judge(result: Result, chosen: tuple[Site, ...]) -> None:
    """Compare with what was counted."""
    if result.entry.hidden is None:
        return
    result.wrong += [site for site in chosen if kept(result.entry, site)]
    for site in result.anatomy.sites:
        if site.label != "hidden" and not kept(result.entry, site):
            result.missed.append((site, f"{site.label}: {site.reason}"))


def lost_layers(model: nn.Module, anatomy: Anatomy) -> Iterator[str]:
    """Modules of torch with a weight that were called, and are no layer of the anatomy."""
    # The modules that own a parameter, each with the name of one.
    owners = {}
    for full_name, _ in nn.Module.named_parameters(model):
        owner = full_name.rpartition(".")[0]
        owner = f".{owner}".partition(".parametrizations.")[0].lstrip(".")
        if not isinstance(model.get_submodule(owner), (nn.ParameterList, nn.ParameterDict)):
            owners[owner] = full_name

    # What the anatomy accounts for.
    accounted = {layer.name for layer in anatomy.layers} | set(anatomy.unused)
    accounted |= {name.rpartition(".")[0] for name in anatomy.raw}
    accounted |= {name.rpartition(".")[0] for layer in anatomy.layers for name in layer.tied}
    activations = {getattr(site.target, "module", None) for site in anatomy.sites}
    accounted |= {name for name, module in nn.Module.named_modules(model) if module in activations}
    lost = [full_name for owner, full_name in owners.items() if owner not in accounted]
    if lost:
        yield f"LAYERS LOST {len(lost)}: {', '.join(lost[:3])}"


# --- all of them --------------------------------------------------------------------------------


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("names", nargs="*", help="parts of names; all models without one")
    parser.add_argument(
        "--list-misses",
        action="store_true",
        help="each missed site, and each wrong one, with its reason",
    )
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    asked = entries()
    if arguments.names:
        asked = [entry for entry in asked if any(part in entry.name for part in arguments.names)]
    packages = sorted({entry.package for entry in asked})
    absent = [package for package in packages if importlib.util.find_spec(package) is None]
    for package in absent:
        print(f"{package} is not installed: skipped")

    results, crashes = [], []
    for entry in asked:
        if entry.package in absent:
            continue
        try:
            result = check(entry)
        except Exception as problem:  # whatever a model raises
            crashes.append(entry)
            what = f"{type(problem).__name__}: {str(problem)[:200]}"
            print(f"{entry.name:40s} CRASH {what} {place_of(problem)}", flush=True)
            continue
        results.append(result)
        print(result.line(), flush=True)
        if arguments.list_misses:
            for sentence in misses_of(result):
                print(f"    {sentence}")
    show_totals(results, crashes)
    return int(bool(crashes) or any(result.wrong or result.problems for result in results))


def misses_of(result: Result) -> Iterator[str]:
    """Each missed site, and each wrong one, with its reason."""
    for site in result.wrong:
        yield f"wrong: {site.id} ({site.kind}) {site.reason}"
    for site, why in result.missed:
        yield f"missed: {site.id} ({site.kind}, {site.calls} calls) {why}"
    if result.unseen:
        yield f"{result.unseen} calls in the code have no site"


def place_of(problem: Exception) -> str:
    """The last three calls before an exception."""
    calls = traceback.extract_tb(problem.__traceback__)[-3:]
    return " < ".join(f"{Path(call.filename).name}:{call.lineno}" for call in calls)


def show_totals(results: list[Result], crashes: list[Entry]) -> None:
    """Print what all models together showed."""
    swaps = sum(result.swapped for result in results)
    ran = sum(result.kernels for result in results)
    odd = sum(bool(result.problems or result.layers) for result in results)
    print(f"{len(results)} models, {odd} with problems, {len(crashes)} crashes")
    print(f"{swaps} calls swapped, {ran} kernels")

    counted = [result for result in results if result.entry.hidden is not None]
    truth = sum(result.entry.hidden or 0 for result in counted)
    missed = sum(result.misses for result in counted)
    wrong = sum(len(result.wrong) for result in counted)
    print(f"counted in {len(counted)} models: {truth} hidden calls, {missed} missed,")
    print(f"{wrong} sites wrongly swapped")
    seconds = [result.seconds for result in results] or [0.0]
    print(f"trace and select took {sum(seconds):.1f} s, at most {max(seconds):.2f} s")


if __name__ == "__main__":
    sys.exit(main())
