"""A chain of 30 edits that do nothing, each accepted where `advisor.compare` says `better`.

    python benchmarks/greedy_chain.py [--edits 30] [--seed 0]

A small net on scikit-learn's digits is rewritten thirty times: other names, other orders, another
spelling of the activation or of the weights' uniform distribution. Eleven edits compute the same;
nineteen draw other numbers from the same distribution, fifteen of them each in a way of its own,
and so give other scores. Each is held against the version accepted last, on the same rows, in one
database that counts the verdicts.
"""

from __future__ import annotations

import argparse
import math
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional as F

import advisor
from advisor.comparing.comparison import Comparison

WIDTH = 48
"""Units of a hidden layer."""
EPOCHS = 5
"""Of a training."""

# --- spellings that draw other numbers ----------------------------------------------------------


def bound_of(weight: Tensor) -> float:
    """Within which PyTorch draws the weights of a linear layer: 1/√inputs."""
    return 1 / math.sqrt(weight.shape[1])


def as_it_is(weight: Tensor) -> Tensor:
    """PyTorch's own draw."""
    return weight.clone()


def by_rand(weight: Tensor) -> Tensor:
    """2u - 1, times the bound."""
    return (2 * torch.rand(weight.shape) - 1) * bound_of(weight)


def by_two(weight: Tensor) -> Tensor:
    """A sign and a size, drawn apart."""
    sign = torch.randint(2, weight.shape) * 2 - 1
    return sign * torch.rand(weight.shape) * bound_of(weight)


def by_normal(weight: Tensor) -> Tensor:
    """The distribution function of the normal at normal numbers."""
    return torch.erf(torch.randn(weight.shape) / math.sqrt(2)) * bound_of(weight)


def by_angle(weight: Tensor) -> Tensor:
    """The angle of a point drawn from a round normal."""
    x, y = torch.randn(2, *weight.shape)
    return torch.atan2(y, x) / math.pi * bound_of(weight)


def by_column(weight: Tensor) -> Tensor:
    """Drawn the other way round, and transposed."""
    bound = bound_of(weight)
    return torch.empty(weight.T.shape).uniform_(-bound, bound).T.clone()


def in_halves(weight: Tensor) -> Tensor:
    """The second half of the units is drawn first."""
    bound = bound_of(weight)
    second, first = (torch.empty(part.shape).uniform_(-bound, bound) for part in weight.chunk(2))
    return torch.cat([first, second])


def mirrored(weight: Tensor) -> Tensor:
    """PyTorch's own draw with the other sign."""
    return -weight


def reversed_units(weight: Tensor) -> Tensor:
    """PyTorch's own draw with the inputs in the other order."""
    return weight.flip(1)


def by_own_stream(weight: Tensor, constant: int) -> Tensor:
    """A stream of its own, begun from the model's seed and a constant."""
    stream = torch.Generator().manual_seed(int(torch.randint(2**31, ())) + constant)
    bound = bound_of(weight)
    return torch.empty(weight.shape).uniform_(-bound, bound, generator=stream)


CONSTANTS = (1, 2, 3, 7, 42, 1234, 2024)
"""Numbers that people begin a stream with."""
DRAWS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "as it is": as_it_is,
    "2u - 1": by_rand,
    "sign and size": by_two,
    "erf of a normal": by_normal,
    "an angle": by_angle,
    "transposed": by_column,
    "in halves": in_halves,
    "mirrored": mirrored,
    "inputs reversed": reversed_units,
    **{f"own stream {n}": partial(by_own_stream, constant=n) for n in CONSTANTS},
}
"""Ways to draw weights from one distribution: uniform within ±1/√inputs."""

# --- spellings that compute the same ------------------------------------------------------------


class Product(nn.Module):
    """SiLU as x times its sigmoid."""

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(x)


class Quotient(nn.Module):
    """SiLU as x over 1 + exp(-x)."""

    def forward(self, x: Tensor) -> Tensor:
        return x / (1 + torch.exp(-x))


class Function(nn.Module):
    """SiLU as a call of the function."""

    def forward(self, x: Tensor) -> Tensor:
        return F.silu(x)


ACTIVATIONS: Mapping[str, type[nn.Module]] = {
    "module": nn.SiLU,
    "product": Product,
    "quotient": Quotient,
    "function": Function,
}
"""Spellings of one activation."""


class Net(nn.Module):
    """Two hidden layers, spelled as it is said.

    Arguments:
        names: of the three linear layers.
        order: in which the three are made.
        activation: a key of `ACTIVATIONS`.
        draw: a key of `DRAWS`, for the weights of all three.
        idle: a module that does nothing between the layers: `dropout` or `identity`; none if empty.
    """

    def __init__(
        self,
        names: str = "first second head",
        order: str = "012",
        activation: str = "module",
        draw: str = "as it is",
        idle: str = "",
    ) -> None:
        super().__init__()
        self.names = names.split()
        sizes = ((64, WIDTH), (WIDTH, WIDTH), (WIDTH, 10))
        for place in map(int, order):
            layer = nn.Linear(*sizes[place])
            with torch.no_grad():
                layer.weight.copy_(DRAWS[draw](layer.weight))
            self.add_module(self.names[place], layer)
        self.activation = ACTIVATIONS[activation]()
        idle_kinds = {"": None, "dropout": nn.Dropout(0.0), "identity": nn.Identity()}
        self.idle = idle_kinds[idle]

    def forward(self, x: Tensor) -> Tensor:
        first, second, head = (self.get_submodule(name) for name in self.names)
        x = self.activation(first(x))
        if self.idle is not None:
            x = self.idle(x)
        return head(self.activation(second(x)))


def digits() -> tuple[Tensor, Tensor]:
    """1,797 images of 8 x 8 pixels in 0..16, scaled to mean 0 and deviation 1."""
    x, y = load_digits(return_X_y=True)
    return torch.from_numpy((x - x.mean()) / x.std()).float(), torch.from_numpy(y)


# --- the chain ----------------------------------------------------------------------------------

EDITS: tuple[dict[str, Any], ...] = (
    {"names": "a b c"},
    {"draw": "2u - 1"},
    {"draw": "sign and size"},
    {"activation": "product"},
    {"draw": "erf of a normal"},
    {"draw": "own stream 1"},
    {"order": "210"},
    {"draw": "an angle"},
    {"draw": "own stream 2"},
    {"idle": "dropout"},
    {"draw": "transposed"},
    {"draw": "in halves"},
    {"activation": "quotient"},
    {"draw": "mirrored"},
    {"draw": "own stream 3"},
    {"names": "entry middle exit"},
    {"draw": "inputs reversed"},
    {"draw": "own stream 42"},
    {"idle": "identity"},
    {"draw": "2u - 1", "order": "102"},
    {"draw": "own stream 1234"},
    {"activation": "function"},
    {"draw": "sign and size", "order": "201"},
    {"draw": "erf of a normal", "order": "120"},
    {"order": "021"},
    {"draw": "own stream 2024"},
    {"draw": "an angle", "order": "210"},
    {"names": "layer_1 layer_2 layer_3"},
    {"draw": "own stream 7"},
    {"names": "in_ hidden out", "order": "120"},
)
"""What each edit changes of the version accepted last."""


def version(name: str, spelled: Mapping[str, Any], seed: int) -> advisor.Study:
    """The model with a spelling, as a study that is not searched."""
    task = advisor.Task(Net, digits, arguments=dict(spelled), metric="accuracy", batch=64)
    return advisor.Study(name, task, epochs=EPOCHS, seed=seed)


def line(number: int, edit: Mapping[str, Any], found: Comparison, seconds: float) -> str:
    """What is printed of an edit."""
    gain = found.deciding
    told = ", ".join(f"{key}: {value}" for key, value in edit.items())
    shown = f"{number:>2}  {told:<38} {found.verdict:<10} {found.evidence:<11}"
    if gain.identical is not None:
        return f"{shown} identical ({gain.identical}){'':33}{seconds:5.1f} s"
    if gain.mean is None or gain.low is None or gain.high is None or gain.level is None:
        return f"{shown} broken {gain.broken}"
    return (
        f"{shown} {gain.mean:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}]  "
        f"{gain.seeds:>2} pairs {gain.rows:>5} rows  {100 * gain.level:.3f} %  {seconds:5.1f} s"
    )


def main() -> None:
    """Go through the edits, and print each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--edits", type=int, default=len(EDITS), help="so many of them")
    parser.add_argument("--seed", type=int, default=0, help="of all studies")
    options = parser.parse_args()

    accepted: dict[str, Any] = {}
    kept = measured = 0
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        storage = f"sqlite:///{Path(folder) / 'chain.db'}"
        for number, edit in enumerate(EDITS[: options.edits], start=1):
            started = time.perf_counter()
            spelled = {**accepted, **edit}
            sides = (
                version(f"version_{kept}", accepted, options.seed),
                version(f"edit_{number}", spelled, options.seed),
            )
            found = advisor.compare(*sides, storage=storage, workers=0)
            print(line(number, edit, found, time.perf_counter() - started), flush=True)
            measured += found.deciding.identical is None
            if found.evidence == "better":
                accepted, kept = spelled, kept + 1
    print(f"\n{kept} of {options.edits} edits accepted, {measured} of them measured; ", end="")
    print(f"{time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
