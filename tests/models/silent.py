"""Models that run without an error and are wrong all the same, each with the finding that must name
it.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from models.faults import Patient
from sklearn.datasets import load_digits
from torch import nn


class Net(nn.Module):
    """Modules by name, and a forward pass that is a function of them and the inputs."""

    def __init__(self, run: Callable[..., Any], **modules: nn.Module):
        super().__init__()
        self.run = run
        for name, module in modules.items():
            self.add_module(name, module)

    def forward(self, *inputs):
        return self.run(self, *inputs)


def of(run: Callable[..., Any], **makers: Callable[[], nn.Module]) -> Callable[[], nn.Module]:
    """A factory of such a net; every model has modules of its own."""
    return lambda: Net(run, **{name: make() for name, make in makers.items()})


def linear(*size: int) -> Callable[[], nn.Module]:
    return lambda: nn.Linear(*size)


def two_layers(run: Callable[..., Any], inputs: int = 64) -> Callable[[], nn.Module]:
    return of(run, a=linear(inputs, 64), b=linear(64, 10))


def with_gate(run: Callable[..., Any]) -> Callable[[], nn.Module]:
    return of(run, a=linear(64, 64), b=linear(64, 10), g=linear(64, 64))


def series(steps: int = 64, features: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(400, steps, features, generator=draw)
    return x, (x[:, 0, 0] > 0).long()


def two_inputs() -> tuple[Any, torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(400, 6, generator=draw)
    return (x, torch.randn(400, 5, generator=draw)), (x[:, 0] > 0).long()


def colours() -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(300, 3, 12, 12, generator=draw)
    return x, (x.mean((1, 2, 3)) > 0).long()


def columns(scales: tuple[float, ...] = (1.0,) * 6) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(400, 6, generator=draw)
    y = x[:, :1] - x[:, 1:2] + 0.1 * torch.randn(400, 1, generator=draw)
    return x * torch.tensor(scales), y


def bytes_of_pixels() -> tuple[Any, Any]:
    x, y = load_digits(return_X_y=True)
    return (x * 255 / 16).astype("float32"), y


class InList(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = [nn.Linear(64, 64) for _ in range(2)]
        self.b = nn.Linear(64, 10)

    def forward(self, x):
        for layer in self.hidden:
            x = F.relu(layer(x))
        return self.b(x)


class InDict(nn.Module):
    def __init__(self):
        super().__init__()
        self.parts = {"a": nn.Linear(64, 64)}
        self.b = nn.Linear(64, 10)

    def forward(self, x):
        return self.b(F.relu(self.parts["a"](x)))


class Leaf(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = torch.ones(64, requires_grad=True)
        self.a, self.b = nn.Linear(64, 64), nn.Linear(64, 10)

    def forward(self, x):
        return self.b(F.relu(self.a(x * self.scale)))


def time_first(kind: Callable[..., nn.Module]) -> Callable[[], nn.Module]:
    return of(lambda m, x: m.b(m.r(x)[0][:, -1]), r=lambda: kind(8, 32), b=linear(32, 10))


def attends_wrongly(m, x):
    y = m.e(x)
    return m.b(m.r(y, y, y)[0].mean(1))


def last_step(kind: Callable[..., nn.Module]) -> Callable[[], nn.Module]:
    return of(
        lambda m, x: m.b(m.r(x)[0][:, -1]),
        r=lambda: kind(3, 32, batch_first=True),
        b=linear(32, 2),
    )


ROWS8 = (8, 8)


def wrong(build: Callable[[], nn.Module], truth: str, also: str = "", **more: Any) -> Patient:
    return Patient(build, frozenset({truth}), frozenset(also.split()), **more)


SILENT = {
    "softmax over the batch": wrong(
        with_gate(lambda m, x: m.b(F.relu(m.a(x)) * torch.softmax(m.g(x), 0) * 64)), "mixes_rows"
    ),
    "LSTM without batch_first": wrong(
        time_first(nn.LSTM), "mixes_rows", "ignores_inputs", shape=ROWS8
    ),
    "view in place of transpose": wrong(
        of(
            lambda m, x: m.b(m.r(x.view(8, len(x), 8))[0][-1]),
            r=lambda: nn.GRU(8, 32),
            b=linear(32, 10),
        ),
        "mixes_rows",
        shape=ROWS8,
    ),
    "standardized by the batch": wrong(
        two_layers(lambda m, x: m.b(F.relu(m.a((x - x.mean(0)) / (x.std(0) + 1e-3))))),
        "mixes_rows",
    ),
    "attention without batch_first": wrong(
        of(
            attends_wrongly,
            e=linear(8, 16),
            r=lambda: nn.MultiheadAttention(16, 2),
            b=linear(16, 10),
        ),
        "mixes_rows",
        shape=ROWS8,
    ),
    "the neighbour's features added": wrong(
        with_gate(lambda m, x: m.b(F.relu(m.a(x) + m.g(x.roll(1, 0))))), "mixes_rows"
    ),
    "F.dropout in evaluation": wrong(
        two_layers(lambda m, x: m.b(F.dropout(F.relu(m.a(x)), 0.5))), "random_in_eval"
    ),
    "noise in evaluation": wrong(
        two_layers(lambda m, x: m.b(F.relu(m.a(x + 0.3 * torch.randn_like(x))))),
        "random_in_eval",
    ),
    "nn.Dropout made in forward": wrong(
        two_layers(lambda m, x: m.b(nn.Dropout(0.5)(F.relu(m.a(x))))), "random_in_eval"
    ),
    "a wrong slice": wrong(
        two_layers(lambda m, x: m.b(F.relu(m.a(x[:, :8]))), 8), "ignores_inputs"
    ),
    "the last step only": wrong(
        two_layers(lambda m, x: m.b(F.relu(m.a(x[:, -1]))), 8),
        "ignores_inputs",
        shape=ROWS8,
    ),
    "an input that is not passed on": wrong(
        of(lambda m, x, z: m.b(F.relu(m.a(x))), a=linear(6, 32), b=linear(32, 2)),
        "ignores_inputs",
        data=two_inputs,
    ),
    "one colour of three": wrong(
        of(
            lambda m, x: m.b(F.relu(m.c(x[:, :1])).mean((2, 3))),
            c=lambda: nn.Conv2d(1, 8, 3, padding=1),
            b=linear(8, 2),
        ),
        "ignores_inputs",
        data=colours,
    ),
    "layers in a list": wrong(InList, "unregistered"),
    "layers in a dictionary": wrong(InDict, "unregistered"),
    "a tensor that is no parameter": wrong(Leaf, "unregistered"),
    "ReLU at the end of a classifier": wrong(
        two_layers(lambda m, x: F.relu(m.b(F.relu(m.a(x))))), "ends_in_activation"
    ),
    "ReLU at the end of a regression": wrong(
        of(lambda m, x: F.relu(m.b(F.relu(m.a(x)))), a=linear(6, 32), b=linear(32, 1)),
        "ends_in_activation",
        data=columns,
    ),
    "pixels from 0 to 255": wrong(
        two_layers(lambda m, x: m.b(F.relu(m.a(x)))),
        "unscaled_inputs",
        "large_logits large_output",
        data=bytes_of_pixels,
    ),
    "one column in thousands": wrong(
        of(lambda m, x: m.b(F.relu(m.a(x))), a=linear(6, 32), b=linear(32, 1)),
        "unscaled_inputs",
        "large_output",
        data=lambda: columns((1, 1, 1, 1, 1, 5000.0)),
    ),
    "LSTM over 64 steps": wrong(last_step(nn.LSTM), "forgets", data=series),
    "GRU over 64 steps": wrong(last_step(nn.GRU), "forgets", data=series),
}
