"""What initializers and pretraining do to an example model, measured."""

import math
import time
from dataclasses import dataclass, field
from typing import Any

import torch
from models.zoo import Case
from torch import Tensor, nn
from torch.nn import functional as F

import advisor
from advisor.data import Facts
from advisor.data.splits import Part
from advisor.host.host import load
from advisor.model.handwritten import called
from advisor.model.tracing.output import pick
from advisor.slots.forward import forward, quiet
from advisor.slots.pretraining import base as pretraining
from advisor.training.metrics import METRICS
from advisor.training.objective import Objective
from advisor.training.optimizers import adamw
from advisor.training.run import Data, Run

HOST = load()
FEW = {"amount": 0.2, "epochs": 15, "lr": 3e-3}


class Whole(Part):
    """A batch that cannot be cut into rows (a graph, packed words): `take` gives all of it,
    whatever is asked for.
    """

    def __init__(self, inputs: tuple[Any, ...], rows: int) -> None:
        self.inputs, self.rows, self.target = inputs, rows, torch.zeros(rows)

    def __len__(self) -> int:
        return self.rows

    def take(self, index):
        return self.inputs, self.target

    def subset(self, index):
        return self

    def labelled(self, target):
        return self


def run_of_case(case: Case, seed: int = 0) -> Run:
    """A run of an example model on its example batch."""
    torch.manual_seed(seed)
    shapes = tuple(tuple(x.shape[1:]) for x in case.inputs if isinstance(x, Tensor))
    facts = Facts(4, {"train": 4}, shapes, (), "numbers", None, 1, None)
    loss = F.mse_loss
    model = case.build()
    return Run(
        task=advisor.Task(build=case.build, data="x"),
        model=model,
        loss=loss,
        optimizer=adamw,
        data=Data(Whole(case.inputs, 4), None, facts),
        seed=seed,
        generator=torch.Generator().manual_seed(seed),
        device=torch.device("cpu"),
        objective=Objective(
            "regression", "mse", loss, lambda out, target: out, METRICS["rmse"], None
        ),
    )


def output_std(run: Run) -> float:
    """Deviation of the model's output on its batch, with nothing random."""
    torch.manual_seed(0)
    with quiet(run.model):
        result = pick(forward(run, run.example()), None)
    return float(result.detach().float().std())


@dataclass
class Scaled:
    """LSUV on one model: layers with weights, those scaled, and the deviation of each scaled
    layer's first output.
    """

    layers: int
    why: dict[str, str]
    again: dict[str, float]
    seconds: float

    @property
    def within(self) -> int:
        return sum(abs(std - 1) < 0.05 for std in self.again.values())


def lsuv(case: Case) -> Scaled:
    """Scale a model, run it again on the same batch, and look at the layers' first outputs."""
    run, technique = run_of_case(case), HOST.find("initializer", "lsuv")
    layers = [layer for layer in run.anatomy.layers if layer.kind not in ("embedding", "norm")]
    started = time.perf_counter()
    for layer in technique.layers(run):
        technique.start(layer, run.generator)
    torch.manual_seed(0)
    found = technique.scaled(run)
    seconds = time.perf_counter() - started
    stds: dict[str, float] = {}

    def note(name):
        def hook(module, inputs, output):
            if float(output.detach().std()) > 1e-8:
                stds.setdefault(name, float(output.detach().std()))

        return hook

    handles = [
        layer.module.register_forward_hook(note(layer.name))
        for layer in run.anatomy.layers
        if isinstance(found.get(layer.name), float)
    ]
    torch.manual_seed(0)
    with quiet(run.model), called(layer.module for layer in layers):
        forward(run, run.example())
    for handle in handles:
        handle.remove()
    why = dict(technique.skips(run)) | {
        name: reason for name, reason in found.items() if isinstance(reason, str)
    }
    return Scaled(
        len(layers),
        {layer.name: why[layer.name] for layer in layers if layer.name in why},
        stds,
        seconds,
    )


@dataclass
class Pretrained:
    """Pretraining on one model: layers with weights, losses of those that were trained, why others
    were not.
    """

    layers: int
    losses: dict[str, tuple[float, float]] = field(default_factory=dict)
    why: dict[str, str] = field(default_factory=dict)
    finite: bool = True
    seconds: float = 0.0

    @property
    def better(self) -> int:
        return sum(after < before for before, after in self.losses.values())


def denoising(case: Case) -> Pretrained:
    """Pretrain a model with a few steps for each layer."""
    run, technique = run_of_case(case), HOST.find("pretraining", "denoising")
    found = Pretrained(sum(layer.kind in pretraining.KINDS for layer in run.anatomy.layers))
    learn, started = technique.learn, time.perf_counter()

    def watched(segment, *args, **params):
        found.losses[segment.layer.name] = learn(segment, *args, **params)
        return found.losses[segment.layer.name]

    technique.learn = watched
    try:
        segments, skipped = pretraining.segments(run)
        torch.manual_seed(0)
        codes = [technique._learn(run, segment, FEW)[0] for segment in segments]
    finally:
        del technique.learn
    found.why = dict(skipped)
    found.why |= {
        s.layer.name: pretraining._REASONS[c] for s, c in zip(segments, codes, strict=True) if c
    }
    found.finite = all(
        bool(p.isfinite().all()) for p in nn.Module.parameters(run.model)
    ) and math.isfinite(output_std(run))
    found.seconds = time.perf_counter() - started
    return found


def growth(case: Case, rule: str = "he") -> tuple[float, float]:
    """Deviation of a model's output before and after an initializer."""
    run = run_of_case(case)
    before = output_std(run)
    torch.manual_seed(0)
    technique = HOST.find("initializer", rule)
    for layer in list(technique.layers(run)):
        technique.start(layer, run.generator)
    return before, output_std(run)
