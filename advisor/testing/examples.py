"""Small models with data of some structure, on which techniques are tried."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from advisor.data import Facts, TensorPart
from advisor.randomness import isolated, mix
from advisor.study import Task
from advisor.training.losses import cross_entropy
from advisor.training.metrics import METRICS
from advisor.training.objective import Objective
from advisor.training.recipe import adamw
from advisor.training.run import Data, Run

ROWS, WIDTH, WORDS, CLASSES = 64, 8, 30, 3


class Plain(nn.Module):
    """A multi-layer perceptron with dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(6, WIDTH), nn.ReLU(), nn.Dropout(0.1), nn.Linear(WIDTH, WIDTH), nn.Tanh()
        )
        self.head = nn.Linear(WIDTH, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, CLASSES)."""
        return torch.as_tensor(self.head(self.body(x)))


class Convolutional(nn.Module):
    """Two convolutions with a norm and a functional activation."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm = nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.second, self.head = nn.Conv2d(4, 4, 3, stride=2, groups=2), nn.Linear(4, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, CLASSES)."""
        hidden = torch.relu(self.norm(self.first(x)))
        return torch.as_tensor(self.head(torch.relu(self.second(hidden)).mean((2, 3))))


class Recurrent(nn.Module):
    """An LSTM with a hidden layer after its last state."""

    def __init__(self) -> None:
        super().__init__()
        self.cells, self.hidden, self.head = (
            nn.LSTM(5, WIDTH, batch_first=True),
            nn.Linear(WIDTH, 6),
            nn.Linear(6, CLASSES),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, CLASSES)."""
        return torch.as_tensor(self.head(torch.relu(self.hidden(self.cells(x)[0][:, -1]))))


class Attentive(nn.Module):
    """A layer of a transformer encoder."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(WIDTH, 2, 16, dropout=0.1, batch_first=True)
        self.head = nn.Linear(WIDTH, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, CLASSES)."""
        return torch.as_tensor(self.head(self.layer(x).mean(1)))


class Wordy(nn.Module):
    """A classifier of texts, whose table has a padding row."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(WORDS, WIDTH, padding_idx=0)
        self.hidden, self.head = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, CLASSES)

    def forward(self, ids: Tensor) -> Tensor:
        """Logits (N, CLASSES)."""
        return torch.as_tensor(self.head(torch.relu(self.hidden(self.table(ids).mean(1)))))


class Bound(nn.Module):
    """A model of texts with a frozen layer and a head that is tied to its table."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.frozen = nn.Embedding(WORDS, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.hidden, self.head = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WORDS, bias=False)
        self.head.weight = self.table.weight
        self.frozen.requires_grad_(False)

    def forward(self, ids: Tensor) -> Tensor:
        """Logits (N, WORDS)."""
        hidden = torch.relu(self.frozen(self.table(ids).mean(1)))
        return torch.as_tensor(self.head(torch.relu(self.hidden(hidden))))


def _factors(*shape: int) -> Tensor:
    """Rows that three numbers explain, but for a little noise: something to be learnt."""
    hidden, size = torch.randn(ROWS, 3), torch.Size(shape).numel()
    return (hidden @ torch.randn(3, size) / 2 + 0.1 * torch.randn(ROWS, size)).reshape(ROWS, *shape)


def _texts() -> Tensor:
    """Texts of up to 12 words, each from one of three topics, padded with 0."""
    topic = torch.arange(ROWS)[:, None] % CLASSES
    ids = 2 + topic * 9 + torch.randint(0, 9, (ROWS, 12))
    return ids.masked_fill(torch.arange(12)[None] >= torch.randint(6, 13, (ROWS, 1)), 0)


@dataclass(frozen=True)
class Example:
    """A small model with inputs; `name` reads after "on"."""

    name: str
    build: Callable[[], nn.Module]
    inputs: Callable[[], Tensor]


EXAMPLES = (
    Example("a perceptron", Plain, lambda: _factors(6)),
    Example("a convolutional net", Convolutional, lambda: _factors(2, 8, 8)),
    Example("an LSTM", Recurrent, lambda: _factors(6, 5)),
    Example("a transformer layer", Attentive, lambda: _factors(5, WIDTH)),
    Example("a text classifier", Wordy, _texts),
    Example("a model with tied and frozen weights", Bound, _texts),
)


class Forbidden:
    """Data that no technique may look at: every use is noted, and raises."""

    def __init__(self, name: str, used: list[str]) -> None:
        self._name, self._used = name, used

    def _touched(self, *_: Any) -> Any:
        self._used.append(self._name)
        raise LookupError(f"a technique may not look at run.task.{self._name}")

    def __getattr__(self, name: str) -> Any:
        return self._touched()

    __len__ = __iter__ = __getitem__ = __call__ = __array__ = _touched


def run_of(example: Example, seed: int, used: list[str], turned: bool = False) -> Run:
    """A fresh run of an example; `used` notes which forbidden data were touched, `turned` gives it
    other targets.

    The model starts the same for every seed.
    """
    with isolated(mix("example", example.name)):
        model, inputs = example.build(), example.inputs()
    target = torch.arange(ROWS) % CLASSES
    classes = tuple(map(str, range(CLASSES)))
    ids = None if inputs.is_floating_point() else WORDS
    kind = str(inputs.dtype).removeprefix("torch.")
    words = None if ids is None else ("<pad>", "<unk>", *(f"word{i}" for i in range(2, WORDS)))
    facts = Facts(
        ROWS,
        {"train": ROWS},
        (tuple(inputs.shape[1:]),),
        (kind,),
        "classes",
        classes,
        CLASSES,
        words,
        ids,
    )
    forbidden: dict[str, Any] = {name: Forbidden(name, used) for name in ("data", "valid", "test")}
    return Run(
        task=Task(example.build, **forbidden),
        model=model,
        loss=cross_entropy,
        optimizer=adamw,
        data=Data(TensorPart((inputs,), (target + 1) % CLASSES if turned else target), None, facts),
        seed=seed,
        generator=torch.Generator().manual_seed(mix(seed, "technique")),
        device=torch.device("cpu"),
        objective=Objective(
            "classification",
            "cross_entropy",
            cross_entropy,
            _as_it_is,
            METRICS["accuracy"],
            classes,
        ),
    )


def _as_it_is(output: Tensor, _: Tensor) -> Tensor:
    return output
