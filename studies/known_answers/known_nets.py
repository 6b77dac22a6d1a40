"""Models that several cases share."""

from collections.abc import Callable, Iterable
from itertools import pairwise

import torch
from torch import Tensor, nn

Start = Callable[[Tensor], object]


def plain(
    sizes: Iterable[int],
    act: Callable[[], nn.Module],
    start: Start | None = None,
    after: Iterable = (),
) -> nn.Sequential:
    """Linear layers of these sizes with an activation, and the modules that `after` makes, after
    each but the last.

    `start` fills every weight, and then every bias is zero; without it the net begins as PyTorch
    has it.
    """
    sizes, after = list(sizes), list(after)
    layers = [nn.Linear(one, other) for one, other in pairwise(sizes)]
    if start is not None:
        begin(layers, start)
    modules: list[nn.Module] = []
    for layer in layers[:-1]:
        modules += [layer, act()]
        modules += [make() for make in after]
    return nn.Sequential(*modules, layers[-1])


def begin(layers: Iterable[nn.Linear], start: Start) -> None:
    """Fill weights with `start`, and biases with zero."""
    for layer in layers:
        start(layer.weight)
        nn.init.zeros_(layer.bias)


def he(weight: Tensor) -> Tensor:
    """He's start for rectifiers."""
    return nn.init.kaiming_normal_(weight, nonlinearity="relu")


def lecun(weight: Tensor) -> Tensor:
    """N(0, 1 / fan_in)."""
    return nn.init.kaiming_normal_(weight, nonlinearity="linear")


def squared_error(output: Tensor, target: Tensor) -> Tensor:
    """Mean squared error of numbers, in whatever shape the target comes."""
    return nn.functional.mse_loss(output.reshape(target.shape), target)


class Residual(nn.Module):
    """Blocks of two layers whose result is added to what went past them; no normalization, He's
    start everywhere.
    """

    def __init__(self, features: int, width: int, blocks: int, classes: int) -> None:
        super().__init__()
        self.stem = nn.Linear(features, width)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))
            for _ in range(blocks)
        )
        self.head = nn.Linear(width, classes)
        begin([module for module in self.modules() if isinstance(module, nn.Linear)], he)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.stem(x))
        for block in self.blocks:
            x = x + block(x)
        return self.head(torch.relu(x))


class BagOfWords(nn.Module):
    """The mean of a text's word vectors, which begin with deviation `std`, and a linear layer."""

    def __init__(
        self, vocab_size: int, num_classes: int, width: int = 32, std: float = 1.0
    ) -> None:
        super().__init__()
        self.words = nn.Embedding(vocab_size, width, padding_idx=0)
        self.words.weight.data.mul_(std)
        self.head = nn.Linear(width, num_classes)

    def forward(self, ids: Tensor) -> Tensor:
        count = (ids != 0).sum(dim=1, keepdim=True).clamp(min=1)
        return self.head(self.words(ids).sum(dim=1) / count)
