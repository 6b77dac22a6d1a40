"""What must hold for every example model, swapped: one function per property.

A property asserts, or raises `BaseCannot` where the unmodified model fails in the same way.
"""

import copy
import os
import pickle
import random
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from models import zoo
from models.handling import (
    FREE,
    Asinh,
    InverseSine,
    Scale,
    built,
    close,
    either,
    gradients,
    kernels,
    of_base,
    result,
    same,
    seed,
    swapped,
    traced,
)
from models.zoo import Case
from torch import nn
from torch._dynamo.utils import counters
from torch.func import functional_call, stack_module_state, vmap

from advisor.model import Site, SwapReport, swap, trace
from advisor.model.nested_values import named_tensors

# ---------------------------------------------------------------- the trace


def labels(case: Case) -> None:
    """Every activation has its true kind, label and count; ids are unique and stable; the output is
    known.
    """
    found, again = (trace(built(case), case.inputs) for _ in range(2))
    assert tuple((site.kind, site.label, site.calls) for site in found.sites) == case.truth
    assert found.output == case.output
    assert all(site.reason.endswith(".") for site in found.sites)
    assert len({site.id for site in found.sites}) == len(found.sites)
    assert [site.id for site in found.sites] == [site.id for site in again.sites]


def untouched(case: Case) -> None:
    """A trace leaves no trace."""
    model = built(case)
    model(*case.inputs)  # a lazy layer takes its shape once
    model.eval()
    next(model.children(), model).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    flags = [module.training for module in model.modules()]
    torch_state, python_state, numpy_state = (
        torch.get_rng_state(),
        random.getstate(),
        np.random.get_state()[1].copy(),
    )
    trace(model, case.inputs)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert [module.training for module in model.modules()] == flags
    assert torch.equal(torch_state, torch.get_rng_state())
    assert python_state == random.getstate()
    assert (numpy_state == np.random.get_state()[1]).all()
    assert all(parameter.grad is None for parameter in nn.Module.parameters(model))


def alone(case: Case) -> None:
    """Every site can be run by itself, and does not change its argument."""
    x = torch.linspace(-4, 4, 9)
    for site in trace(built(case), case.inputs).sites:
        y = site.function(x)
        assert torch.equal(x, torch.linspace(-4, 4, 9)), f"{site.id} changed its argument"
        assert y.shape == x.shape
        assert not torch.equal(y, x)


# ---------------------------------------------------------------- the swap


def counted(case: Case) -> None:
    """As many new kernels run as there were hidden calls within reach, in training and evaluation;
    the rest is left alone.
    """
    for make in FREE.values():
        model, report = swapped(case, make, verified=True)
        assert {site.label for site in report.left} <= {"gate", "score", "output", "composite"}
        assert report.calls == case.hidden_calls - case.beyond
        assert sum(site.calls for site, why in report.refused if why.endswith(".")) == case.beyond
        for mode in (model.train, model.eval, model.train):
            mode()
            assert kernels(model, case) == report.calls
        assert all(module.training for module in nn.Module.modules(model))


def identical(case: Case) -> None:
    """The same function in its place gives the same bits in training, and the same gradients."""
    base, model = traced(case), built(case)
    swap(model, trace(model, case.inputs), lambda site: site.function, inputs=case.inputs)
    assert same(result(base, case), result(model, case))
    expected = of_base(lambda model: gradients(model, case), base)
    found = gradients(model, case)
    for name, gradient in found.items():  # a trained activation has taken its own away
        wanted = expected[name]
        assert gradient is wanted is None or torch.equal(gradient.to_dense(), wanted.to_dense()), (
            name
        )


def loaded(case: Case) -> None:
    """The names in the state_dict stay, and the weights of the unmodified model load."""
    base = built(case)
    trace(base, case.inputs)  # a lazy layer takes its shape
    weights = dict(base.state_dict())
    model, _ = swapped(case, InverseSine)
    assert list(model.state_dict()) == list(weights)
    assert str(model.load_state_dict(weights)) == "<All keys matched successfully>"
    model, report = swapped(case, Scale)
    new = [name for name in model.state_dict() if name not in weights]
    assert [name for name in model.state_dict() if name in weights] == list(weights)
    assert len(new) >= len(report.swapped)  # a module that is held twice has two names
    assert all(name.endswith(".scale") for name in new)


def copied(case: Case) -> None:
    """A deep copy keeps the swap and owns its parameters."""
    for make in (InverseSine, Scale):
        model, report = swapped(case, make)
        twin = either(copy.deepcopy, built(case), model)
        _equal_but_separate(model, twin, case, report)


def pickled(case: Case) -> None:
    """So does one that went through pickle."""
    model, report = swapped(case, InverseSine)
    twin = either(lambda model: pickle.loads(pickle.dumps(model)), built(case), model)
    _equal_but_separate(model, twin, case, report)


def _equal_but_separate(model: nn.Module, twin: nn.Module, case: Case, report: SwapReport) -> None:
    assert same(result(model, case), result(twin, case))
    assert kernels(twin, case) == report.calls
    before = [parameter.clone() for parameter in nn.Module.parameters(model)]
    with torch.no_grad():
        for parameter in nn.Module.parameters(twin):
            parameter.add_(1.0)
    assert same(before, list(nn.Module.parameters(model)))


def reloaded(case: Case) -> None:
    """Unpickled in another process, it still runs the new activation."""
    name = next(name for name, other in zoo.CASES.items() if other is case)
    here, there = _elsewhere()
    if name not in here:
        either(pickle.dumps, built(case), swapped(case, Scale)[0])
    assert there[name][0] == here[name][0]
    assert close(there[name][1], here[name][1])


Ran = tuple[int, list[torch.Tensor]]  # new kernels, outputs


@cache
def _elsewhere() -> tuple[dict[str, Ran], dict[str, Ran]]:
    """What every swapped model that can be pickled does in this process, and in one other."""
    pickles, here = {}, {}
    for name, case in zoo.CASES.items():
        model, report = swapped(case, Scale)
        try:
            pickles[name] = pickle.dumps(model)
        except Exception:  # `reloaded` looks whether the unmodified model can
            continue
        here[name] = report.calls, result(model, case)
    with tempfile.TemporaryDirectory() as folder:
        file, back = Path(folder, "models"), Path(folder, "back")
        file.write_bytes(pickle.dumps(pickles))
        path = os.pathsep.join(
            str(place) for place in (Path(__file__).parents[1], Path(__file__).parents[2])
        )
        code = "import sys; from models.properties import answer; answer(*sys.argv[1:])"
        subprocess.run(
            [sys.executable, "-c", code, file, back],
            check=True,
            env={**os.environ, "PYTHONPATH": path},
        )
        return here, torch.load(back)


def answer(file: str, back: str) -> None:
    """Run the pickled models of `_elsewhere`, in the other process."""
    models = {
        name: pickle.loads(text) for name, text in pickle.loads(Path(file).read_bytes()).items()
    }
    outputs = {name: result(model, zoo.CASES[name]) for name, model in models.items()}
    torch.save(
        {name: (kernels(models[name], zoo.CASES[name]), outputs[name]) for name in models}, back
    )


def undone(case: Case) -> None:
    """Undo restores classes, names, sites and bits."""
    expected, model = result(traced(case), case), traced(case)
    names, classes = list(model.state_dict()), [type(module) for module in model.modules()]
    found = trace(model, case.inputs)
    swap(model, found, lambda _: InverseSine()).undo()
    swap(model, found, lambda _: Scale()).undo()
    assert [type(module) for module in model.modules()] == classes
    assert list(model.state_dict()) == names
    assert trace(model, case.inputs).sites == found.sites
    assert same(result(model, case), expected)
    assert kernels(model, case) == 0


def again(case: Case) -> None:
    """A swapped model has the same hidden sites and can be swapped again."""
    model, report = swapped(case, lambda: torch.asinh)
    once = trace(model, case.inputs)
    ids = {site.id for site in report.swapped}
    sites = [site for site in once.sites if site.id in ids]
    assert {site.id for site in sites} == ids
    more = swap(model, once, lambda _: torch.atan, sites=sites, inputs=case.inputs)
    assert more.calls == report.calls
    assert kernels(model, case) == 0


def straight(case: Case) -> None:
    """A straight line can take an activation's place."""
    for make in (lambda: lambda x: 2 * x, nn.Identity):
        model, report = swapped(case, make)
        assert report.calls == case.hidden_calls - case.beyond
        assert all(bool(torch.isfinite(tensor).all()) for tensor in result(model, case))


def trained(case: Case) -> None:
    """A trained activation is among the parameters, gets a gradient and moves; where that cannot
    be, it is refused.
    """
    model, report = swapped(case, Scale, verified=True)
    assert report.calls == case.hidden_calls - case.beyond - case.untrained
    assert (
        sum(site.calls for site, why in report.refused if "plain Python list" in why)
        == case.untrained
    )
    scales = {name: p for name, p in nn.Module.named_parameters(model) if name.endswith("scale")}
    assert len(scales) == len(report.swapped)
    before = {name: scale.item() for name, scale in scales.items()}
    _wake(model)
    gradients(model, case)
    assert all(scale.grad is not None for scale in scales.values())
    torch.optim.SGD(nn.Module.parameters(model), lr=0.5).step()
    assert {name for name, scale in scales.items() if scale.item() == before[name]} == set()


def _wake(model: nn.Module) -> None:
    """Nothing learns behind a head of zeros, and little behind a scale of 1e-6."""
    with torch.no_grad():
        for parameter in nn.Module.parameters(model):
            if parameter.dim() and parameter.abs().max() < 1e-5:
                parameter.uniform_(0.1, 0.5)


# ---------------------------------------------------------------- what torch does with models


def functional(case: Case) -> None:
    """functional_call runs it with other weights as it does the unmodified model."""

    def call(model: nn.Module) -> tuple[Asinh, list[torch.Tensor]]:
        weights = {name: p.detach() + 0.01 for name, p in nn.Module.named_parameters(model)}
        with Asinh() as counter:
            return counter, result(lambda *inputs: functional_call(model, weights, inputs), case)

    model, report = swapped(case, lambda: torch.asinh)
    counter, outputs = either(call, traced(case), model)
    assert counter.count == report.calls
    twin, _ = swapped(case, lambda: torch.asinh)
    with torch.no_grad():
        for parameter in nn.Module.parameters(twin):
            parameter.add_(0.01)
    assert close(outputs, result(twin, case))


def vectorized(case: Case) -> None:
    """vmap runs several of them at once, with stacked weights."""

    def call(model: nn.Module) -> list[torch.Tensor]:
        model.eval()
        twin = copy.deepcopy(model)
        weights, buffers = stack_module_state([model, twin])

        def one(weights: Any, buffers: Any) -> tuple[torch.Tensor, ...]:
            outputs = functional_call(model, (weights, buffers), case.inputs)
            return tuple(
                tensor for _, tensor in named_tensors(outputs, "") if tensor.is_floating_point()
            )

        seed(3)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it is slow where torch has no rule
            return list(vmap(one, randomness="same")(weights, buffers))

    model, _ = swapped(case, lambda: torch.asinh)
    alone = result(swapped(case, lambda: torch.asinh)[0].eval(), case)
    outputs = either(call, traced(case), model)
    assert all(
        close([part, part], [tensor[0], tensor[1]])
        for part, tensor in zip(alone, outputs, strict=True)
    )


def compiled(case: Case) -> None:
    """Compiled, it gives the same result with as many graph breaks as the unmodified model, the
    activation in the graph.
    """

    def call(model: nn.Module) -> tuple[int, list[torch.fx.GraphModule], list[torch.Tensor]]:
        torch._dynamo.reset()
        counters["graph_break"].clear()
        graphs: list[torch.fx.GraphModule] = []

        def backend(graph: torch.fx.GraphModule, _inputs: Any) -> Any:
            graphs.append(graph)
            return graph.forward

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what dynamo looks at
            outputs = result(torch.compile(model, backend=backend), case)
        return counters["graph_break"].total(), graphs, outputs

    base, model = traced(case), built(case)
    report = swap(model, trace(model, case.inputs), _marked)
    breaks, graphs, outputs = either(call, base, model)
    if len(graphs) == 1 and not breaks:
        assert _nodes(graphs[0], "asinh") == report.calls
    else:  # a loop with a break inside is left to Python as a whole, and not counted
        assert breaks == call(base)[0]
    assert close(outputs, result(base, case))


def _marked(site: Site) -> Callable[[torch.Tensor], torch.Tensor]:
    """The site's own function, which can be counted: what a model computes may decide where it
    goes.
    """
    return lambda x: site.function(x) + 0 * torch.asinh(x)


def _nodes(graph: torch.fx.GraphModule, name: str) -> int:
    inside = [module for module in graph.modules() if isinstance(module, torch.fx.GraphModule)]
    return sum(
        name in str(node.target) and node.op == "call_function"
        for part in inside
        for node in part.graph.nodes
    )


PROPERTIES: dict[str, Callable[[Case], None]] = {
    check.__name__: check
    for check in (
        *(labels, untouched, alone),
        *(counted, identical, loaded, copied, pickled, reloaded, undone, again, straight, trained),
        *(functional, vectorized, compiled),
    )
}
