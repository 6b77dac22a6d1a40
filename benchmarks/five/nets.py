"""The models of the five studies, each with the activation as an argument."""

from __future__ import annotations

import torch
from torch import Tensor, nn

Activation = type[nn.Module]
"""A class of modules that is called without arguments."""
TOKENS = 5000
"""Words that a text model knows; 0 fills up a row, and 1 is any other word."""


def deep_net(activation: Activation = nn.ReLU) -> nn.Module:
    """Thirty layers of 64 on 8 x 8 pixels, as in studies/digits.py."""
    hidden = [layer for _ in range(28) for layer in (nn.Linear(64, 64), activation())]
    return nn.Sequential(nn.Linear(64, 64), activation(), *hidden, nn.Linear(64, 10))


def digits_net(activation: Activation = nn.ReLU) -> nn.Module:
    """Two layers of 128 on 8 x 8 pixels."""
    first = (nn.Linear(64, 128), activation())
    return nn.Sequential(*first, nn.Linear(128, 128), activation(), nn.Linear(128, 10))


def adult_net(columns: int, activation: Activation = nn.ReLU) -> nn.Module:
    """Two layers of 128 on the columns of a table."""
    first = (nn.Linear(columns, 128), activation())
    return nn.Sequential(*first, nn.Linear(128, 128), activation(), nn.Linear(128, 2))


def fashion_net(activation: Activation = nn.ReLU) -> nn.Module:
    """Two convolutions and a layer of 64 on grey images of 28 x 28."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        activation(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1),
        activation(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(32 * 7 * 7, 64),
        activation(),
        nn.Linear(64, 10),
    )


class SentenceNet(nn.Module):
    """The mean of the vectors of the words of a sentence, and one hidden layer."""

    def __init__(self, activation: Activation = nn.ReLU) -> None:
        super().__init__()
        self.words = nn.Embedding(TOKENS, 64, padding_idx=0)
        self.head = nn.Sequential(nn.Linear(64, 64), activation(), nn.Linear(64, 2))

    def forward(self, x: Tensor) -> Tensor:
        there = (x != 0).unsqueeze(-1).to(torch.float32)
        mean = (self.words(x) * there).sum(1) / there.sum(1).clamp(min=1)
        return self.head(mean)
