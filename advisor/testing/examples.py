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
from advisor.training.optimizers import adamw
from advisor.training.run import Data, Run

ROWS = 64
"""Rows of every example."""
WIDTH = 8
"""Units of the hidden layers."""
WORDS = 30
"""Words of the texts, padding and unknown words among them."""
BATCH = 32
"""Rows of a mini-batch."""
EPOCHS = 2
"""Epochs of a full training."""
CLASSES = 3
"""Classes that the examples tell apart."""


class Perceptron(nn.Module):
    """A multi-layer perceptron with dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(6, WIDTH),
            nn.ReLU(),
            nn.Dropout(0.1),
            nn.Linear(WIDTH, WIDTH),
            nn.Tanh(),
        )
        self.head = nn.Linear(WIDTH, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, CLASSES)."""
        return torch.as_tensor(self.head(self.body(x)))


class Convolutional(nn.Module):
    """Two convolutions with a norm and a functional activation."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(2, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        # Two groups of filters are stacked in one weight.
        self.second = nn.Conv2d(4, 4, 3, stride=2, groups=2)
        self.head = nn.Linear(4, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, CLASSES)."""
        hidden = torch.relu(self.norm(self.first(x)))
        pooled = torch.relu(self.second(hidden)).mean((2, 3))
        return torch.as_tensor(self.head(pooled))


class Recurrent(nn.Module):
    """An LSTM with a hidden layer after its last state."""

    def __init__(self) -> None:
        super().__init__()
        self.cells = nn.LSTM(5, WIDTH, batch_first=True)
        self.hidden = nn.Linear(WIDTH, 6)
        self.head = nn.Linear(6, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, CLASSES)."""
        # What the last step holds stands for the whole row.
        outputs, _ = self.cells(x)
        last = outputs[:, -1]
        return torch.as_tensor(self.head(torch.relu(self.hidden(last))))


class OneEncoderLayer(nn.Module):
    """A layer of a transformer encoder."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(WIDTH, 2, 16, dropout=0.1, batch_first=True)
        self.head = nn.Linear(WIDTH, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, CLASSES)."""
        return torch.as_tensor(self.head(self.layer(x).mean(1)))


class TextClassifier(nn.Module):
    """A classifier of texts, whose table has a padding row."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(WORDS, WIDTH, padding_idx=0)
        self.hidden = nn.Linear(WIDTH, WIDTH)
        self.head = nn.Linear(WIDTH, CLASSES)

    def forward(self, ids: Tensor) -> Tensor:
        """Logits (N, CLASSES)."""
        words = self.table(ids).mean(1)
        return torch.as_tensor(self.head(torch.relu(self.hidden(words))))


class TiedAndFrozen(nn.Module):
    """A model of texts with a frozen layer and a head that is tied to its table."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(WORDS, WIDTH)
        self.frozen = nn.Linear(WIDTH, WIDTH)
        self.hidden = nn.Linear(WIDTH, WIDTH)
        self.head = nn.Linear(WIDTH, WORDS, bias=False)
        # The head scores each word by the vector with which the table reads it.
        self.head.weight = self.table.weight
        self.frozen.requires_grad_(False)

    def forward(self, ids: Tensor) -> Tensor:
        """Logits (N, WORDS)."""
        hidden = torch.relu(self.frozen(self.table(ids).mean(1)))
        return torch.as_tensor(self.head(torch.relu(self.hidden(hidden))))


class Handwritten(nn.Module):
    """A perceptron whose layers are products with parameters, one of which lies transposed."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.randn(6, WIDTH) / 6**0.5)
        self.v = nn.Parameter(torch.randn(WIDTH, WIDTH) / WIDTH**0.5)
        self.bias = nn.Parameter(torch.zeros(WIDTH))
        self.head = nn.Linear(WIDTH, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, CLASSES)."""
        hidden = torch.relu(x @ self.w + self.bias)
        hidden = torch.tanh(torch.einsum("nk,hk->nh", hidden, self.v))
        return torch.as_tensor(self.head(hidden))


def _factors(*shape: int) -> Tensor:
    """Rows of a shape that three numbers explain, but for a little noise: there is something to
    learn.
    """
    # Pretraining must be able to lower its loss, which pure noise would not allow.
    size = torch.Size(shape).numel()
    factors = torch.randn(ROWS, 3)
    signal = factors @ torch.randn(3, size) / 2
    noise = 0.1 * torch.randn(ROWS, size)
    return (signal + noise).reshape(ROWS, *shape)


def _texts() -> Tensor:
    """Texts of up to 12 words, each from one of three topics, padded with 0."""
    # Ids 0 and 1 are padding and the unknown word; each topic has nine words of its own.
    topic = torch.arange(ROWS)[:, None] % CLASSES
    ids = 2 + topic * 9 + torch.randint(0, 9, (ROWS, 12))
    length = torch.randint(6, 13, (ROWS, 1))
    is_padding = torch.arange(12)[None] >= length
    return ids.masked_fill(is_padding, 0)


@dataclass(frozen=True)
class Example:
    """A small model with inputs.

    Attributes:
        name: what it is, to be read after "on".
        build: makes a fresh model.
        inputs: makes the inputs of `ROWS` rows.
    """

    name: str
    build: Callable[[], nn.Module]
    inputs: Callable[[], Tensor]


EXAMPLES = (
    Example("a perceptron", Perceptron, lambda: _factors(6)),
    Example("a convolutional net", Convolutional, lambda: _factors(2, 8, 8)),
    Example("an LSTM", Recurrent, lambda: _factors(6, 5)),
    Example("a transformer layer", OneEncoderLayer, lambda: _factors(5, WIDTH)),
    Example("a text classifier", TextClassifier, _texts),
    Example("a model with tied and frozen weights", TiedAndFrozen, _texts),
    Example("a perceptron written by hand", Handwritten, lambda: _factors(6)),
)
"""The models on which a technique is tried, in this order."""


class Forbidden:
    """Data that no technique may look at: every use is noted in `touched`, and raises."""

    def __init__(self, name: str, touched: list[str]) -> None:
        self._name = name
        self._touched = touched

    def _refuse(self, *_: Any) -> Any:
        self._touched.append(self._name)
        raise LookupError(f"a technique may not look at run.task.{self._name}")

    def __getattr__(self, name: str) -> Any:
        return self._refuse()

    # Python looks these up in the class, without __getattr__.
    __len__ = __iter__ = __getitem__ = __call__ = __array__ = _refuse


def run_of(
    example: Example, seed: int, touched: list[str] | None = None, other_targets: bool = False
) -> Run:
    """A fresh run of an example.

    Arguments:
        example: its model starts the same for every seed.
        seed: of the run.
        touched: gets the names of forbidden data that are used.
        other_targets: give every row the next class as its target.
    """
    # A technique is compared between seeds, so that only its own draws may differ.
    with isolated(mix("example", example.name)):
        model, inputs = example.build(), example.inputs()
    target = torch.arange(ROWS) % CLASSES
    if other_targets:
        target = (target + 1) % CLASSES

    # The task's own data are out of bounds; what training sees is `run.data`.
    touched = [] if touched is None else touched
    forbidden: dict[str, Any] = {}
    for name in ("data", "valid", "test"):
        forbidden[name] = Forbidden(name, touched)
    classes = tuple(map(str, range(CLASSES)))
    objective = Objective(
        "classification",
        "cross_entropy",
        cross_entropy,
        _unchanged,
        METRICS["accuracy"],
        classes,
    )
    return Run(
        task=Task(example.build, **forbidden),
        model=model,
        loss=cross_entropy,
        optimizer=adamw,
        data=Data(TensorPart((inputs,), target), None, _facts(inputs, classes)),
        seed=seed,
        generator=torch.Generator().manual_seed(mix(seed, "technique")),
        device=torch.device("cpu"),
        objective=objective,
        steps=EPOCHS * ROWS // BATCH,
    )


def _facts(inputs: Tensor, classes: tuple[str, ...]) -> Facts:
    """What is known about the rows; inputs of whole numbers are ids of words."""
    words, ids = None, None
    if not inputs.is_floating_point():
        names = [f"word{i}" for i in range(2, WORDS)]
        words, ids = ("<pad>", "<unk>", *names), WORDS
    kind = str(inputs.dtype).removeprefix("torch.")
    shapes = (tuple(inputs.shape[1:]),)
    sizes = {"train": ROWS}
    return Facts(ROWS, sizes, shapes, (kind,), "classes", classes, CLASSES, words, ids)


def _unchanged(output: Tensor, _: Tensor) -> Tensor:
    return output
