"""Unusual, but seen: hooks, drop-connect, trained and inline activations, functions of several
arguments.
"""

from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import nn


def factory(in_features=8, num_classes=3, *hidden, act="Mish"):
    """A Sequential only."""
    layers = OrderedDict()
    for i, width in enumerate(hidden):
        layers[f"fc{i}"] = nn.Linear(in_features, width)
        layers[f"{act.lower()}{i}"] = getattr(nn, act)()
        in_features = width
    layers["head"] = nn.Linear(in_features, num_classes)
    return nn.Sequential(layers)


class DropConnect(nn.Linear):
    def forward(self, x):
        return F.linear(x, F.dropout(self.weight, 0.5, self.training), self.bias)


class DropConnectNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(DropConnect(8, 8), nn.CELU(), nn.Linear(8, 2))

    def forward(self, x):
        return self.net(x)


class LearnedSwish(nn.Module):
    def __init__(self):
        super().__init__()
        self.beta = nn.Parameter(torch.ones(1))

    def forward(self, x):
        return x * torch.sigmoid(self.beta * x)


class TrainedActivation(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1, self.act, self.fc2 = nn.Linear(8, 8), LearnedSwish(), nn.Linear(8, 2)

    def forward(self, x):
        return self.fc2(self.act(self.fc1(x)))


class InlineMish(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(8, 8), nn.Linear(8, 2)

    def forward(self, x):
        x = self.fc1(x)
        x = x * torch.tanh(F.softplus(x))
        return self.fc2(x)


class GradCAM(nn.Module):
    """A hook on the activation keeps its output, another one on a layer replaces that layer's
    output.
    """

    def __init__(self):
        super().__init__()
        self.conv, self.relu, self.fc = nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Linear(4, 2)
        self.kept = {}
        self.relu.register_forward_hook(self.keep)
        self.conv.register_forward_hook(halve)

    def keep(self, module, inputs, output):
        self.kept["relu"] = output

    def forward(self, x):
        logits = self.fc(self.relu(self.conv(x)).mean((2, 3)))
        return logits, self.kept["relu"].mean(1)


def halve(module, inputs, output):
    return output * 0.5


class Swap(nn.Module):
    """The hook on the activation replaces what it returns."""

    def __init__(self, act=nn.GELU):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(8, 8), act(), nn.Linear(8, 2))
        self.body[1].register_forward_hook(halve)

    def forward(self, x):
        return self.body(x)


class Residual(nn.Module):
    """Activations as arguments, as attributes of a config, and as partial functions."""

    def __init__(self, width=8, act=nn.functional.leaky_relu, negative_slope=0.3):
        super().__init__()
        from functools import partial

        self.act = partial(act, negative_slope=negative_slope)
        self.layers = nn.ModuleList([nn.Linear(width, width) for _ in range(2)])
        self.final = nn.Linear(width, 2)

    def forward(self, x, return_features=False):
        features = []
        for layer in self.layers:
            x = x + self.act(layer(x))
            features.append(x)
        return (self.final(x), features) if return_features else self.final(x)


class Parallel(nn.Module):
    """One call, in a comprehension over several inputs of different sizes; a helper with a default."""

    def __init__(self, sizes=(3, 5), hidden=4):
        super().__init__()
        self.inputs = nn.ModuleList([nn.Linear(size, hidden) for size in sizes])
        self.merge, self.sizes = nn.Linear(hidden * len(sizes), 2), sizes

    def forward(self, x):
        parts = x.split(self.sizes, dim=-1)
        return self.merge(
            torch.cat(
                [hard_swish(layer(part)) for layer, part in zip(self.inputs, parts, strict=True)],
                -1,
            )
        )


def hard_swish(x, inplace: bool = False):
    if inplace:
        return x.mul_(F.relu6(x + 3.0) / 6.0)
    return F.relu6(x + 3.0) / 6.0 * x


class Maxout(nn.Module):
    def __init__(self):
        super().__init__()
        self.pieces, self.out = nn.Linear(8, 16), nn.Linear(8, 2)

    def forward(self, x):
        return self.out(self.pieces(x).view(-1, 8, 2).max(-1).values)
