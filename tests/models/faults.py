"""Models with one fault each and models without any, on handwritten digits (64 pixels, or 8x8), for
the diagnosis.

`truth` names what must be found; `also` what follows from it and may be found besides.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn

from advisor.study import Study, Task
from advisor.training.run import Run
from advisor.work.prepare import prepare
from advisor.work.study_ref import StudyRef


@dataclass(frozen=True)
class Patient:
    build: Callable[[], nn.Module]
    truth: frozenset[str] = frozenset()
    also: frozenset[str] = frozenset()
    shape: tuple[int, ...] = (64,)
    loss: Callable[..., Any] | None = None
    data: Callable[[], Any] | None = None


def plain(
    depth: int,
    act: type[nn.Module],
    width: int = 64,
    init: Callable[[torch.Tensor], object] | None = None,
) -> nn.Module:
    layers: list[nn.Module] = []
    for i in range(depth):
        layers += [nn.Linear(64 if i == 0 else width, width), act()]
    model = nn.Sequential(*layers, nn.Linear(width, 10))
    if init is not None:
        for layer in model:
            if isinstance(layer, nn.Linear):
                init(layer.weight)
                nn.init.zeros_(layer.bias)
    return model


def he(weight: torch.Tensor) -> None:
    nn.init.kaiming_normal_(weight, nonlinearity="relu")


class LeNet(nn.Module):
    def __init__(self, act=F.relu):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 8, 3, padding=1), nn.Conv2d(8, 16, 3, padding=1)
        self.fc1, self.fc2 = nn.Linear(64, 32), nn.Linear(32, 10)
        self.act = act

    def forward(self, x):
        x = F.max_pool2d(self.act(self.conv1(x)), 2)
        x = F.max_pool2d(self.act(self.conv2(x)), 2)
        return self.fc2(self.act(self.fc1(x.flatten(1))))


class Residual(nn.Module):
    class Block(nn.Module):
        def __init__(self, channels):
            super().__init__()
            self.conv1, self.bn1 = (
                nn.Conv2d(channels, channels, 3, padding=1, bias=False),
                nn.BatchNorm2d(channels),
            )
            self.conv2, self.bn2 = (
                nn.Conv2d(channels, channels, 3, padding=1, bias=False),
                nn.BatchNorm2d(channels),
            )
            nn.init.zeros_(self.bn2.weight)
            self.relu = nn.ReLU(inplace=True)

        def forward(self, x):
            return self.relu(x + self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x))))))

    def __init__(self, blocks=6):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(inplace=True)
        )
        self.blocks = nn.Sequential(*(self.Block(16) for _ in range(blocks)))
        self.head = nn.Linear(16, 10)

    def forward(self, x):
        return self.head(self.blocks(self.stem(x)).mean((2, 3)))


class Rows(nn.Module):
    """An LSTM that reads the picture row by row."""

    def __init__(self, kind=nn.LSTM):
        super().__init__()
        self.rnn, self.fc = kind(8, 32, batch_first=True), nn.Linear(32, 10)

    def forward(self, x):
        return self.fc(self.rnn(x.squeeze(1))[0][:, -1])


class ViT(nn.Module):
    """Rows as tokens; each block draws its own start."""

    class Block(nn.Module):
        def __init__(self, width):
            super().__init__()
            self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
            self.attn = nn.MultiheadAttention(width, 4, batch_first=True)
            self.mlp = nn.Sequential(
                nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
            )

        def forward(self, x):
            y = self.norm1(x)
            x = x + self.attn(y, y, y, need_weights=False)[0]
            return x + self.mlp(self.norm2(x))

    def __init__(self, width=32, depth=4):
        super().__init__()
        self.patch = nn.Conv2d(1, width, 2, 2)
        self.cls = nn.Parameter(torch.zeros(1, 1, width))
        self.pos = nn.Parameter(torch.randn(1, 17, width) * 0.02)
        self.blocks = nn.Sequential(*(self.Block(width) for _ in range(depth)))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 10)

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls.expand(len(x), -1, -1), x], 1) + self.pos
        return self.head(self.norm(self.blocks(x))[:, 0])


class Encoder(nn.Module):
    def __init__(self, layers=3):
        super().__init__()
        self.embed = nn.Linear(8, 32)
        self.encoder = nn.TransformerEncoder(
            nn.TransformerEncoderLayer(32, 4, 64, batch_first=True), layers
        )
        self.fc = nn.Linear(32, 10)

    def forward(self, x):
        return self.fc(self.encoder(self.embed(x.squeeze(1))).mean(1))


def dead() -> nn.Module:
    model = plain(3, nn.ReLU)
    nn.init.constant_(model[2].bias, -10.0)
    return model


def half_dead() -> nn.Module:
    model = LeNet()
    with torch.no_grad():
        model.conv2.bias[:6] = -20.0
    return model


def saturated(act=nn.Sigmoid) -> nn.Module:
    return plain(2, act, init=lambda w: nn.init.normal_(w, std=10.0))


def constant(value: float, act: type[nn.Module] = nn.Tanh) -> nn.Module:
    return plain(2, act, init=lambda w: nn.init.constant_(w, value))


def loud(model: nn.Module, last: nn.Linear) -> nn.Module:
    with torch.no_grad():
        last.weight.mul_(100)
    return model


def loud_plain() -> nn.Module:
    model = plain(2, nn.ReLU, init=he)
    return loud(model, model[-1])


def loud_lenet() -> nn.Module:
    model = LeNet()
    return loud(model, model.fc2)


def spare() -> nn.Module:
    model = LeNet()
    model.spare = nn.Linear(32, 32)
    return model


def frozen() -> nn.Module:
    model = LeNet()
    for layer in (model.conv1, model.conv2, model.fc1):
        layer.requires_grad_(False)
    return model


def gated() -> nn.Module:
    model = Rows()
    nn.init.orthogonal_(model.rnn.weight_hh_l0)
    return model


class Ends(nn.Module):
    """A net that ends in something."""

    def __init__(self, end: Callable[[torch.Tensor], torch.Tensor]):
        super().__init__()
        self.body, self.end = plain(2, nn.ReLU), end

    def forward(self, x):
        return self.end(self.body(x))


class Detached(LeNet):
    def forward(self, x):
        x = F.max_pool2d(self.act(self.conv1(x)), 2)
        x = F.max_pool2d(self.act(self.conv2(x)), 2).detach()
        return self.fc2(self.act(self.fc1(x.flatten(1))))


def zero_head() -> nn.Module:
    model = Residual(3)
    nn.init.zeros_(model.head.weight)
    return model


def normed(depth: int = 12) -> nn.Module:
    layers: list[nn.Module] = []
    for _ in range(depth):
        layers += [nn.Linear(64, 64), nn.BatchNorm1d(64), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(64, 10))


IMAGE = (1, 8, 8)
COLLAPSE = frozenset({"collapsed", "vanishing"})

FAULTS = {
    "30 layers, default start": Patient(
        lambda: plain(30, nn.ReLU), COLLAPSE | {"default_start"}, frozenset({"dead_units"})
    ),
    "20 layers of GELU, default start": Patient(
        lambda: plain(20, nn.GELU), COLLAPSE | {"default_start"}
    ),
    "50 layers of tanh, default start": Patient(
        lambda: plain(50, nn.Tanh), COLLAPSE | {"default_start"}
    ),
    "30 layers of ReLU, Xavier": Patient(
        lambda: plain(30, nn.ReLU, init=nn.init.xavier_normal_), COLLAPSE, frozenset({"dead_units"})
    ),
    "6 layers of sigmoid, default start": Patient(lambda: plain(6, nn.Sigmoid), COLLAPSE),
    "50 layers of tanh, gain 5/3": Patient(
        lambda: plain(50, nn.Tanh, init=lambda w: nn.init.xavier_normal_(w, 5 / 3)),
        frozenset({"exploding"}),
    ),
    "30 layers of ReLU, twice He": Patient(
        lambda: plain(
            30, nn.ReLU, init=lambda w: nn.init.normal_(w, std=2 * math.sqrt(2 / w.shape[1]))
        ),
        frozenset({"large_logits"}),
        frozenset({"exploding", "dead_units"}),
    ),
    "ReLU born dead": Patient(
        dead, frozenset({"dead_units", "vanishing"}), frozenset({"collapsed"})
    ),
    "six of sixteen channels dead": Patient(half_dead, frozenset({"dead_units"}), shape=IMAGE),
    "saturated sigmoid": Patient(
        saturated, frozenset({"saturated_units", "large_head"}), frozenset({"large_logits"})
    ),
    "saturated tanh": Patient(
        lambda: saturated(nn.Tanh), frozenset({"saturated_units", "large_logits", "large_head"})
    ),
    "cloned encoder layers": Patient(Encoder, frozenset({"identical_layers"}), shape=IMAGE),
    "zero weights": Patient(lambda: constant(0.0), frozenset({"symmetric_units"}), COLLAPSE),
    "constant weights": Patient(
        lambda: constant(0.05), frozenset({"symmetric_units"}), frozenset({"vanishing"})
    ),
    "logits a hundred times too large": Patient(
        loud_plain, frozenset({"large_logits", "large_head"})
    ),
    "the same in a CNN": Patient(
        loud_lenet, frozenset({"large_logits", "large_head"}), shape=IMAGE
    ),
    "log_softmax fed to cross-entropy": Patient(
        lambda: Ends(lambda x: F.log_softmax(x, 1)),
        frozenset({"normalized_twice"}),
        loss=nn.CrossEntropyLoss(),
    ),
    "softmax fed to cross-entropy": Patient(
        lambda: Ends(lambda x: x.softmax(1)),
        frozenset({"output_misfit"}),
        loss=nn.CrossEntropyLoss(),
    ),
    "logits fed to NLL": Patient(
        lambda: plain(2, nn.ReLU), frozenset({"output_misfit"}), loss=nn.NLLLoss()
    ),
    "sigmoid fed to cross-entropy": Patient(
        lambda: Ends(torch.sigmoid), frozenset({"output_misfit"}), loss=F.cross_entropy
    ),
    "unused layer": Patient(spare, frozenset({"unused"}), shape=IMAGE),
    "frozen trunk": Patient(frozen, frozenset({"frozen"}), shape=IMAGE),
    "detached trunk": Patient(Detached, frozenset({"no_gradient"}), shape=IMAGE),
    "gates orthogonal as one matrix": Patient(gated, frozenset({"stacked_gates"}), shape=IMAGE),
}

HEALTHY = {
    "logistic regression": Patient(lambda: nn.Linear(64, 10)),
    "shallow ReLU net": Patient(lambda: plain(2, nn.ReLU)),
    "shallow tanh net": Patient(lambda: plain(3, nn.Tanh)),
    "30 layers of tanh, Xavier": Patient(lambda: plain(30, nn.Tanh, init=nn.init.xavier_normal_)),
    "10 layers of ReLU, He": Patient(lambda: plain(10, nn.ReLU, width=256, init=he)),
    "12 layers with batch normalization": Patient(normed),
    "LeNet": Patient(LeNet, shape=IMAGE),
    "residual net with zero last gains": Patient(Residual, shape=IMAGE),
    "residual net with a zero head": Patient(zero_head, shape=IMAGE),
    "LSTM": Patient(Rows, shape=IMAGE),
    "GRU": Patient(lambda: Rows(nn.GRU), shape=IMAGE),
    "ViT": Patient(ViT, shape=IMAGE),
    "log-probabilities and NLL": Patient(
        lambda: Ends(lambda x: F.log_softmax(x, 1)), loss=nn.NLLLoss()
    ),
    "one sigmoid layer": Patient(lambda: plain(1, nn.Sigmoid)),
}


def run_of(patient: Patient) -> Run:
    """A run of a patient on the training rows of the digits, standardized."""
    return prepare(StudyRef.of(study_of(patient))).run(0, 0)


def study_of(patient: Patient) -> Study:
    if patient.data is not None:
        return Study("own", Task(build=patient.build, data=patient.data, loss=patient.loss))
    x, y = load_digits(return_X_y=True)
    x = ((x - x.mean(0)) / (x.std(0) + 1e-6)).astype("float32").reshape(-1, *patient.shape)
    return Study("digits", Task(build=patient.build, data=(x, y), loss=patient.loss))
