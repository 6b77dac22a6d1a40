"""Models that were written when the rules were as they are: ten that are wrong, and ten that are
not.
"""

from typing import Any

import torch
import torch.nn.functional as F
from models.faults import IMAGE, Patient
from models.silent import ROWS8, columns, linear, of, series, two_layers, with_gate, wrong
from models.sound import drawn, graphs, labels, long_texts, prices, stack
from models.well import conv
from torch import nn


class Pairs(nn.Module):
    """Two towers whose product is the answer."""

    def __init__(self):
        super().__init__()
        self.a, self.c = nn.Linear(32, 16), nn.Linear(32, 16)
        self.b = nn.Linear(16, 10)

    def forward(self, x):
        return self.b(torch.tanh(self.a(x[:, :32])) * torch.tanh(self.c(x[:, 32:])))


class Patches(nn.Module):
    """Rotary positions over patches of a picture."""

    def __init__(self):
        super().__init__()
        self.e, self.q, self.b = nn.Linear(8, 16), nn.Linear(16, 48), nn.Linear(16, 10)
        angle = torch.arange(8)[:, None] / 10 ** (torch.arange(8) / 4)
        self.register_buffer("sin", angle.sin())
        self.register_buffer("cos", angle.cos())

    def turned(self, x):
        a, b = x.chunk(2, -1)
        return torch.cat([a * self.cos - b * self.sin, a * self.sin + b * self.cos], -1)

    def forward(self, x):
        q, k, v = self.q(self.e(x)).chunk(3, -1)
        return self.b(F.scaled_dot_product_attention(self.turned(q), self.turned(k), v).mean(1))


class Tree(nn.Module):
    """A soft decision tree."""

    def __init__(self):
        super().__init__()
        self.a, self.leaf = nn.Linear(64, 7), nn.Parameter(drawn(8, 10, seed=8))

    def forward(self, x):
        right = torch.sigmoid(self.a(x))
        share = x.new_ones(len(x), 1)
        for level in range(3):
            here = right[:, 2**level - 1 : 2 ** (level + 1) - 1]
            share = torch.stack([share * (1 - here), share * here], 2).flatten(1)
        return share @ self.leaf


class Reads(nn.Module):
    """Text, of which every step predicts, and the mean counts; padding is left out."""

    def __init__(self):
        super().__init__()
        self.e, self.b = nn.Embedding(60, 16), nn.Linear(16, 2)
        self.c = nn.Conv1d(16, 16, 5, padding=2)

    def forward(self, x):
        h = F.gelu(self.c(self.e(x).transpose(1, 2))).transpose(1, 2)
        keep = (x > 0).float()[..., None]
        return (self.b(h) * keep).sum(1) / keep.sum(1)


def log_cosh(output, target):
    return torch.log(torch.cosh((output[:, 0] - target).clamp(-20, 20))).mean()


def margins(output, target):
    right = output.gather(1, target[:, None])
    apart = F.relu(1 + output - right).scatter(1, target[:, None], 0)
    return apart.square().mean()


def centres(output, target):
    means = torch.stack([output[target == k].mean(0) for k in target.unique()])
    inside = (output - means[torch.unique(target, return_inverse=True)[1]]).square().sum(1).mean()
    return inside + F.relu(4 - torch.pdist(means)).mean()


class Transposed(nn.Module):
    """The features of a set are pooled over the rows of the batch."""

    def __init__(self):
        super().__init__()
        self.a, self.c, self.b = nn.Linear(4, 16), nn.Linear(16, 16), nn.Linear(16, 2)

    def forward(self, x, adjacency):
        h = F.relu(adjacency @ self.a(x))
        return self.b(self.c(h.mean(1)) + h.mean(0).mean(0))


class Copies(nn.Module):
    """The layers are kept in a list that is copied to tuples by name."""

    def __init__(self):
        super().__init__()
        self.blocks = {"first": (nn.Conv2d(1, 8, 3), nn.Conv2d(8, 8, 3))}
        self.b = nn.Linear(8, 10)

    def forward(self, x):
        for layer in self.blocks["first"]:
            x = F.relu(layer(x))
        return self.b(x.mean((2, 3)))


class Halved(nn.Module):
    """The second half of an LSTM's steps never reaches the head."""

    def __init__(self):
        super().__init__()
        self.r, self.b = nn.LSTM(8, 16, batch_first=True), nn.Linear(16, 10)

    def forward(self, x):
        return self.b(self.r(x)[0][:, 3])


class Asks(nn.Module):
    """The trunk is looked at through numbers."""

    def __init__(self):
        super().__init__()
        self.a, self.c, self.b = nn.Linear(64, 32), nn.Linear(32, 32), nn.Linear(32, 10)

    def forward(self, x):
        h = torch.tensor(F.relu(self.a(x)).tolist())
        return self.b(F.relu(self.c(h)))


def shrunk() -> nn.Module:
    layers: list[nn.Module] = []
    for _ in range(15):
        layers += [nn.Linear(64, 64), nn.Softsign()]
    return nn.Sequential(*layers, nn.Linear(64, 10))


def shouting() -> nn.Module:
    model = stack(conv(1, 8, 3), nn.ReLU, nn.Flatten, linear(288, 10))()
    nn.init.normal_(model[3].weight, std=3)
    return model


def in_millions() -> Any:
    x, y = columns()
    return x * 1e6, y


FRESH_WRONG = {
    "15 layers of softsign": Patient(
        shrunk, frozenset({"collapsed", "vanishing", "default_start"})
    ),
    "a loud last layer": wrong(shouting, "large_logits", "large_head large_output", shape=IMAGE),
    "pooled over rows": wrong(Transposed, "mixes_rows", data=graphs),
    "layers in tuples": wrong(Copies, "unregistered", shape=IMAGE),
    "half of the steps": wrong(Halved, "ignores_inputs", shape=ROWS8),
    "trunk through numbers": wrong(Asks, "no_gradient"),
    "random crop in evaluation": wrong(
        with_gate(lambda m, x: m.b(F.relu(m.a(x * (torch.rand(len(x), 1) > 0.2)) + m.g(x)))),
        "random_in_eval",
    ),
    "ELU at the end of a regression": wrong(
        of(lambda m, x: F.elu(m.b(F.relu(m.a(x)))), a=linear(6, 32), b=linear(32, 1)),
        "ends_in_activation",
        data=columns,
    ),
    "columns in millions": wrong(
        of(lambda m, x: m.b(F.relu(m.a(x))), a=linear(6, 32), b=linear(32, 1)),
        "unscaled_inputs",
        "large_output",
        data=in_millions,
    ),
    "normalized along the wrong axis": wrong(
        two_layers(lambda m, x: m.b(F.relu(m.a(F.normalize(x, dim=0) * 10)))), "mixes_rows"
    ),
}

FRESH_SOUND = {
    "product of two towers": Patient(Pairs),
    "rotary positions": Patient(Patches, shape=ROWS8),
    "soft decision tree": Patient(Tree),
    "mean over the steps of a text": Patient(Reads, data=long_texts),
    "logarithm of the hyperbolic cosine": Patient(
        stack(linear(6, 32), nn.ReLU, linear(32, 1)), data=prices, loss=log_cosh
    ),
    "squared margins": Patient(stack(linear(64, 32), nn.ReLU, linear(32, 10)), loss=margins),
    "centres of classes": Patient(stack(linear(64, 32), nn.ReLU, linear(32, 10)), loss=centres),
    "labels through a residual net": Patient(
        of(
            lambda m, x: m.b(m.e(x) + m.c(F.silu(m.a(m.e(x))))),
            e=linear(6, 32),
            a=linear(32, 32),
            c=linear(32, 32),
            b=linear(32, 3),
        ),
        data=labels,
    ),
    "GRU over 40 steps, its largest": Patient(
        of(
            lambda m, x: m.b(m.r(x)[0].amax(1)),
            r=lambda: nn.GRU(3, 32, batch_first=True),
            b=linear(32, 2),
        ),
        data=lambda: series(40),
    ),
    "picture in frequencies": Patient(
        of(
            lambda m, x: m.b(F.relu(m.a(torch.fft.rfft(x, norm="ortho").abs()))),
            a=linear(33, 64),
            b=linear(64, 10),
        )
    ),
}
