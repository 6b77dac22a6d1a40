"""More models that are wrong: mistakes that people make in other places than those of silent.py."""

import dataclasses
import random
from typing import Any

import torch
import torch.nn.functional as F
from models.faults import COLLAPSE, IMAGE, Patient, plain
from models.silent import (
    ROWS8,
    colours,
    columns,
    linear,
    of,
    series,
    two_inputs,
    two_layers,
    with_gate,
    wrong,
)
from models.sound import labels, long_texts, mixed_table, stack
from models.well import conv
from torch import nn


def raw_pictures() -> Any:
    """Pictures as numbers from 0 to 255."""
    x, y = colours()
    return ((x.clamp(-2, 2) + 2) * 63).round(), y


def raw_series() -> Any:
    x, y = series(16)
    return x * 40 + 1000, y


@dataclasses.dataclass
class Parts:
    a: nn.Module
    c: nn.Module


class InRecord(nn.Module):
    """Layers in an object that is no module."""

    def __init__(self):
        super().__init__()
        self.parts = Parts(nn.Linear(64, 64), nn.Linear(64, 64))
        self.b = nn.Linear(64, 10)

    def forward(self, x):
        return self.b(F.relu(self.parts.c(F.relu(self.parts.a(x)))))


class InClosure(nn.Module):
    def __init__(self):
        super().__init__()
        hidden = nn.Linear(64, 64)
        self.first = lambda x: F.relu(hidden(x))
        self.b = nn.Linear(64, 10)

    def forward(self, x):
        return self.b(self.first(x))


class Heads(nn.Module):
    """Heads are split from the batch: (rows, steps) is read as (rows * heads, ...) too early."""

    def __init__(self):
        super().__init__()
        self.q, self.b = nn.Linear(8, 24), nn.Linear(8, 10)

    def forward(self, x):
        q, k, v = (part.reshape(2, -1, 8, 4) for part in self.q(x).chunk(3, -1))
        q, k, v = (part.transpose(0, 2) for part in (q, k, v))
        y = F.scaled_dot_product_attention(q, k, v)
        return self.b(y.transpose(0, 2).reshape(len(x), 8, 8).mean(1))


class NoisyState(nn.Module):
    def __init__(self):
        super().__init__()
        self.r, self.b = nn.GRU(8, 32, batch_first=True), nn.Linear(32, 10)

    def forward(self, x):
        return self.b(self.r(x, torch.randn(1, len(x), 32))[0][:, -1])


class DropsAttention(nn.Module):
    def __init__(self):
        super().__init__()
        self.q, self.b = nn.Linear(8, 24), nn.Linear(8, 10)

    def forward(self, x):
        q, k, v = self.q(x).chunk(3, -1)
        return self.b(F.scaled_dot_product_attention(q, k, v, dropout_p=0.2).mean(1))


class Forgetful(nn.Module):
    """A table of categories and numbers, of which one column is left out."""

    def __init__(self):
        super().__init__()
        self.e, self.a, self.b = nn.Embedding(5, 4), nn.Linear(7, 32), nn.Linear(32, 2)

    def forward(self, x):
        return self.b(F.relu(self.a(torch.cat([self.e(x[:, 0].long()), x[:, 2:5]], 1))))


class FirstWord(nn.Module):
    def __init__(self):
        super().__init__()
        self.e, self.b = nn.Embedding(60, 16), nn.Linear(16, 2)

    def forward(self, x):
        return self.b(self.e(x)[:, 0])


class Root(nn.Module):
    """The root has no slope at zero, the distance of a step to itself."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(8, 8), nn.Linear(64, 10)

    def forward(self, x):
        x = self.a(x)
        apart = (x[:, :, None] - x[:, None]).square().sum(-1)
        return self.b(apart.sqrt().flatten(1))


class Cut(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.c, self.b = nn.Linear(64, 64), nn.Linear(64, 64), nn.Linear(64, 10)

    def forward(self, x):
        with torch.no_grad():
            x = F.relu(self.a(x))
        return self.b(F.relu(self.c(x)))


class Learned(nn.Module):
    """A loss with a parameter of its own."""

    def __init__(self):
        super().__init__()
        self.heat = nn.Parameter(torch.ones(()))

    def forward(self, output, target):
        return F.cross_entropy(output / self.heat, target)


def deep_cnn() -> nn.Module:
    layers: list[nn.Module] = [nn.Conv2d(1, 16, 3, padding=1), nn.ReLU()]
    for _ in range(19):
        layers += [nn.Conv2d(16, 16, 3, padding=1), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10))


def small_start() -> nn.Module:
    return plain(6, nn.ReLU, init=lambda w: nn.init.normal_(w, std=1e-3))


def hot() -> nn.Module:
    return two_layers(lambda m, x: m.b(F.relu(m.a(x))) / 0.01)()


def large_table() -> nn.Module:
    model = nn.Sequential(nn.Embedding(60, 16), nn.Flatten(), nn.Linear(192, 2))
    nn.init.normal_(model[0].weight, std=100)
    return model


def dead_cnn() -> nn.Module:
    model = stack(
        conv(1, 16, 3, padding=1),
        nn.ReLU,
        conv(16, 16, 3, padding=1),
        nn.ReLU,
        nn.Flatten,
        linear(1024, 10),
    )()
    nn.init.constant_(model[0].bias, -50.0)
    return model


def infinite() -> nn.Module:
    return two_layers(lambda m, x: torch.log(F.relu(m.b(F.relu(m.a(x))))))()


MISTAKEN = {
    "20 convolutions, default start": Patient(
        deep_cnn, frozenset({"default_start"}) | COLLAPSE, frozenset({"dead_units"}), shape=IMAGE
    ),
    "6 layers of tiny weights": Patient(small_start, COLLAPSE),
    "logits divided by a hundredth": wrong(hot, "large_logits", "large_output"),
    "words of deviation 100": wrong(
        large_table, "large_logits", "large_output", data=lambda: long_texts(12)
    ),
    "convolution born dead": wrong(dead_cnn, "dead_units", "vanishing collapsed", shape=IMAGE),
    "logarithm of a rectified number": wrong(infinite, "not_finite", "ends_in_activation"),
    "distances by a root": wrong(Root, "not_finite", shape=ROWS8),
    "trunk without gradient": wrong(Cut, "no_gradient"),
    "probability fed to logits": wrong(
        of(
            lambda m, x: torch.sigmoid(m.b(F.relu(m.a(x)))),
            a=linear(6, 32),
            b=linear(32, 3),
        ),
        "output_misfit",
        data=labels,
        loss=nn.BCEWithLogitsLoss(),
    ),
    "tanh fed to cross-entropy": wrong(
        two_layers(lambda m, x: torch.tanh(m.b(F.relu(m.a(x))))), "output_misfit"
    ),
    "sigmoid at the end of a regression": wrong(
        of(lambda m, x: torch.sigmoid(m.b(F.relu(m.a(x)))), a=linear(6, 32), b=linear(32, 1)),
        "output_misfit",
        data=columns,
    ),
    "attention over the batch": wrong(
        of(
            lambda m, x: m.b((torch.softmax(m.q(x) @ m.q(x).transpose(1, 2), 0) @ x).mean(1)),
            q=linear(8, 8),
            b=linear(8, 10),
        ),
        "mixes_rows",
        shape=ROWS8,
    ),
    "heads split from the batch": wrong(Heads, "mixes_rows", shape=ROWS8),
    "statistics that are not kept": wrong(
        stack(
            linear(64, 64),
            lambda: nn.BatchNorm1d(64, track_running_stats=False),
            nn.ReLU,
            linear(64, 10),
        ),
        "mixes_rows",
    ),
    "divided by the batch's largest": wrong(
        two_layers(lambda m, x: m.b(F.relu(m.a(x / x.max())))), "mixes_rows"
    ),
    "sums over the rows above": wrong(
        with_gate(lambda m, x: m.b(F.relu(m.a(x.cumsum(0) / 8)) + 0 * m.g(x))), "mixes_rows"
    ),
    "attention that always drops": wrong(DropsAttention, "random_in_eval", shape=ROWS8),
    "random first state": wrong(NoisyState, "random_in_eval", shape=ROWS8),
    "gumbel softmax in evaluation": wrong(
        with_gate(lambda m, x: m.b(F.relu(m.a(x)) * F.gumbel_softmax(m.g(x), dim=1) * 64)),
        "random_in_eval",
    ),
    "Python's own random numbers": wrong(
        two_layers(lambda m, x: m.b(F.relu(m.a(x)) * (random.random() + 0.5))), "random_in_eval"
    ),
    "layers in a record": wrong(InRecord, "unregistered"),
    "layer in a closure": wrong(InClosure, "unregistered"),
    "temperature of the loss": wrong(lambda: plain(2, nn.ReLU), "unregistered", loss=Learned()),
    "a column of a mixed table": wrong(Forgetful, "ignores_inputs", data=mixed_table),
    "the first word only": wrong(FirstWord, "ignores_inputs", data=long_texts),
    "a mask of zeros": wrong(
        two_layers(lambda m, x: m.b(F.relu(m.a(x * (torch.arange(64) < 40))))), "ignores_inputs"
    ),
    "half of the picture": wrong(
        of(
            lambda m, x: m.b(F.relu(m.c(x[..., :4])).mean((2, 3))),
            c=lambda: nn.Conv2d(1, 8, 3, padding=1),
            b=linear(8, 10),
        ),
        "ignores_inputs",
        shape=IMAGE,
    ),
    "the second input in place of the first": wrong(
        of(
            lambda m, x, z: m.b(F.relu(m.a(z) + m.c(z))),
            a=linear(5, 32),
            c=linear(5, 32),
            b=linear(32, 2),
        ),
        "ignores_inputs",
        data=two_inputs,
    ),
    "softplus at the end of a classifier": wrong(
        two_layers(lambda m, x: F.softplus(m.b(F.relu(m.a(x))))), "ends_in_activation"
    ),
    "rectified labels": wrong(
        of(lambda m, x: F.relu(m.b(F.relu(m.a(x)))), a=linear(6, 32), b=linear(32, 3)),
        "ends_in_activation",
        data=labels,
    ),
    "numbers to 255 into a convolution": wrong(
        of(
            lambda m, x: m.b(F.relu(m.c(x)).mean((2, 3))),
            c=lambda: nn.Conv2d(3, 8, 3, padding=1),
            b=linear(8, 2),
        ),
        "unscaled_inputs",
        "large_logits large_output",
        data=raw_pictures,
    ),
    "prices into an LSTM": wrong(
        of(
            lambda m, x: m.b(m.r(x)[0][:, -1]),
            r=lambda: nn.LSTM(3, 32, batch_first=True),
            b=linear(32, 2),
        ),
        "unscaled_inputs",
        "saturated_units collapsed vanishing forgets",
        data=raw_series,
    ),
    "plain RNN over 64 steps": wrong(
        of(
            lambda m, x: m.b(m.r(x)[0][:, -1]),
            r=lambda: nn.RNN(3, 32, batch_first=True),
            b=linear(32, 2),
        ),
        "forgets",
        data=series,
    ),
    "cells of a GRU over 64 steps": wrong(
        of(
            lambda m, x: m.b(_last_of(m.r, x)),
            r=lambda: nn.GRUCell(3, 32),
            b=linear(32, 2),
        ),
        "forgets",
        data=series,
    ),
}


def _last_of(cell: nn.Module, x: torch.Tensor) -> torch.Tensor:
    h = x.new_zeros(len(x), 32)
    for step in x.unbind(1):
        h = cell(step, h)
    return h
