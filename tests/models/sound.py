"""More healthy models: other domains, other losses, and what looks like a mistake and is none."""

from typing import Any

import torch
import torch.nn.functional as F
from models.faults import IMAGE, Patient
from models.silent import ROWS8, columns, linear, of, series
from models.well import conv, stack
from sklearn.datasets import load_digits
from torch import nn


def drawn(*size: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*size, generator=torch.Generator().manual_seed(seed))


def pixels(high: float = 1.0) -> Any:
    """Pictures that are their own targets."""
    x, _ = load_digits(return_X_y=True)
    x = (x / 16 * high).astype("float32")
    return x, x


def codes() -> Any:
    """Noise, and a picture for each."""
    z = drawn(400, 8)
    return z, torch.tanh(z @ drawn(8, 64, seed=1) / 3)


def graphs() -> Any:
    """Features of nodes and an adjacency matrix, by graph."""
    x = drawn(300, 7, 4)
    a = (drawn(300, 7, 7, seed=1) > 0).float()
    a = ((a + a.transpose(1, 2) + torch.eye(7)) > 0).float()
    return (x, a), (x.sum((1, 2)) > 0).long()


def nodes() -> Any:
    """Nodes of one graph by number."""
    return torch.arange(300), (drawn(300, seed=2) > 0).long()


def labels() -> Any:
    x = drawn(400, 6)
    return x, (x[:, :3] + x[:, 3:] > 0.5).long()


def counts() -> Any:
    """Numbers of which none is below zero."""
    x = drawn(400, 6)
    return x, F.relu(x[:, :1] * 3)


def prices() -> Any:
    x, y = columns()
    return x, 2e5 + 5e4 * y


def long_texts(steps: int = 120) -> Any:
    ids = torch.randint(1, 60, (300, steps), generator=torch.Generator().manual_seed(0))
    return ids, (ids == 7).sum(1).gt(1).long()


def mixed_table() -> Any:
    """Two columns of categories, as numbers, and four of measures."""
    x = drawn(400, 6)
    x[:, 0] = torch.arange(400) % 5
    x[:, 1] = torch.arange(400) // 7 % 3
    return x, (x[:, 2] + x[:, 0] > 2).long()


def amounts() -> Any:
    x = (drawn(400, 6) * 3).exp()
    return x, (x[:, 0] > x[:, 1]).long()


class TiedAutoencoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(drawn(16, 64, seed=3) / 8)
        self.c, self.d = nn.Parameter(torch.zeros(16)), nn.Parameter(torch.zeros(64))

    def forward(self, x):
        return F.linear(torch.tanh(F.linear(x, self.w, self.c)), self.w.t(), self.d)


class Convolved(nn.Module):
    """A graph convolution by hand."""

    def __init__(self):
        super().__init__()
        self.a, self.c, self.b = nn.Linear(4, 16), nn.Linear(16, 16), nn.Linear(16, 2)

    def forward(self, x, adjacency):
        norm = adjacency / adjacency.sum(2, keepdim=True)
        x = F.relu(norm @ self.a(x))
        return self.b(F.relu(norm @ self.c(x)).mean(1))


class Attending(nn.Module):
    """Graph attention by hand."""

    def __init__(self):
        super().__init__()
        self.w, self.s, self.t = nn.Linear(4, 16), nn.Linear(16, 1), nn.Linear(16, 1)
        self.b = nn.Linear(16, 2)

    def forward(self, x, adjacency):
        h = self.w(x)
        scores = F.leaky_relu(self.s(h) + self.t(h).transpose(1, 2), 0.2)
        weights = scores.masked_fill(adjacency == 0, float("-inf")).softmax(2)
        return self.b(F.elu(weights @ h).mean(1))


class OneGraph(nn.Module):
    """All nodes of a graph that the model holds; a row is the number of a node."""

    def __init__(self):
        super().__init__()
        self.register_buffer("x", drawn(300, 8, seed=4))
        a = (drawn(300, 300, seed=5) > 2).float() + torch.eye(300)
        self.register_buffer("a", a / a.sum(1, keepdim=True))
        self.c, self.b = nn.Linear(8, 16), nn.Linear(16, 2)

    def forward(self, rows):
        return self.b(self.a @ F.relu(self.a @ self.c(self.x)))[rows]


class NextWord(nn.Module):
    """The head is the table of words."""

    def __init__(self):
        super().__init__()
        self.e, self.r = nn.Embedding(60, 16), nn.GRU(16, 16, batch_first=True)
        self.b = nn.Linear(16, 60)
        self.b.weight = self.e.weight
        nn.init.normal_(self.e.weight, std=0.1)

    def forward(self, x):
        return self.b(self.r(self.e(x))[0].mean(1))


class Follows(nn.Module):
    """A predictor of what a slowly following copy of the trunk says."""

    def __init__(self):
        super().__init__()
        self.a, self.p, self.b = nn.Linear(64, 32), nn.Linear(32, 32), nn.Linear(32, 10)
        self.slow = nn.Linear(64, 32).requires_grad_(False)

    def forward(self, x):
        h = F.relu(self.a(x))
        return self.b(h), self.p(h), self.slow(x).detach()


def follows(output, target):
    scores, said, slow = output
    return F.cross_entropy(scores, target) + 0.1 * F.mse_loss(said, slow)


class Aside(nn.Module):
    """A second head that must not change the trunk."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(64, 32), nn.Linear(32, 10), nn.Linear(32, 10)

    def forward(self, x):
        h = F.relu(self.a(x))
        return self.b(h), self.c(h.detach())


def aside(output, target):
    logits, other = output
    return F.cross_entropy(logits, target) + F.cross_entropy(other, target)


class Both(nn.Module):
    """A mean and a variance."""

    def __init__(self):
        super().__init__()
        self.a, self.m, self.v = nn.Linear(6, 32), nn.Linear(32, 1), nn.Linear(32, 1)

    def forward(self, x):
        h = torch.tanh(self.a(x))
        return self.m(h), self.v(h)


def likelihood(output, target):
    mean, logs = output
    return (logs + (target - mean) ** 2 * (-logs).exp()).mean()


def supervised_contrast(output, target):
    z = F.normalize(output, dim=1)
    same = (target[:, None] == target[None]).float() - torch.eye(len(z))
    scores = (z @ z.t() / 0.2).masked_fill(torch.eye(len(z)) > 0, -1e9)
    logs = scores.log_softmax(1)
    return -((logs * same.clamp_min(0)).sum(1) / same.clamp_min(0).sum(1).clamp_min(1)).mean()


def triplets(output, target):
    apart = torch.cdist(output, output)
    same = target[:, None] == target[None]
    farthest = apart.masked_fill(~same, 0).amax(1)
    nearest = apart.masked_fill(same, 1e9).amin(1)
    return F.relu(farthest - nearest + 1).mean()


def evidence(output, target):
    """Output is evidence for each class, of a Dirichlet distribution."""
    alpha = output + 1
    chosen = F.one_hot(target, output.shape[1])
    return (chosen * (alpha.sum(1, keepdim=True).log() - alpha.log())).sum(1).mean()


class Variational(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.m, self.s = nn.Linear(64, 32), nn.Linear(32, 8), nn.Linear(32, 8)
        self.d = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 64))

    def forward(self, x):
        h = F.relu(self.a(x))
        mean, logs = self.m(h), self.s(h)
        z = mean + torch.randn_like(mean) * (0.5 * logs).exp() if self.training else mean
        return self.d(z), mean, logs


def bound(output, target):
    x, mean, logs = output
    return F.mse_loss(x, target) + 1e-3 * (mean**2 + logs.exp() - logs - 1).mean()


class Quantized(nn.Module):
    """A table of codes that follows the features; the gradient goes straight through."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(64, 16), nn.Linear(16, 10)
        self.register_buffer("codes", drawn(32, 16, seed=6))

    def forward(self, x):
        h = self.a(x)
        nearest = torch.cdist(h, self.codes).argmin(1)
        if self.training:
            with torch.no_grad():
                self.codes.index_copy_(0, nearest, 0.9 * self.codes[nearest] + 0.1 * h)
        return self.b(h + (self.codes[nearest] - h).detach())


class WordWindows(nn.Module):
    """Convolutions over words, and the largest over the text."""

    def __init__(self):
        super().__init__()
        self.e, self.c, self.b = nn.Embedding(60, 8), nn.Conv1d(8, 4, 3), nn.Linear(4, 2)

    def forward(self, x):
        return self.b(F.relu(self.c(self.e(x).transpose(1, 2))).amax(2))


class TableAndNumbers(nn.Module):
    def __init__(self):
        super().__init__()
        self.e, self.f = nn.Embedding(5, 4), nn.Embedding(3, 4)
        self.a, self.b = nn.Linear(12, 32), nn.Linear(32, 2)

    def forward(self, x):
        tables = [self.e(x[:, 0].long()), self.f(x[:, 1].long())]
        return self.b(F.relu(self.a(torch.cat([*tables, x[:, 2:]], 1))))


class Cosines(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.w = nn.Linear(64, 32), nn.Parameter(drawn(10, 32, seed=7))
        self.scale = nn.Parameter(torch.tensor(10.0))

    def forward(self, x):
        h = torch.tanh(self.a(x))
        return self.scale * F.linear(F.normalize(h, dim=1), F.normalize(self.w, dim=1))


class Pooled(nn.Module):
    """A GRU whose steps are weighted by attention."""

    def __init__(self):
        super().__init__()
        self.r, self.s = nn.GRU(3, 32, batch_first=True), nn.Linear(32, 1)
        self.b = nn.Linear(32, 2)

    def forward(self, x):
        h = self.r(x)[0]
        return self.b((h * self.s(h).softmax(1)).sum(1))


class Diagonal(nn.Module):
    """A linear recurrence of one number a unit that begins near one."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(3, 32), nn.Linear(32, 2)
        self.decay = nn.Parameter(torch.linspace(3, 6, 32))

    def forward(self, x):
        h, keep = x.new_zeros(len(x), 32), torch.sigmoid(self.decay)
        for step in self.a(x).unbind(1):
            h = keep * h + (1 - keep) * step
        return self.b(F.gelu(h))


class Pretends(nn.Module):
    """Random features that stay as they are, under a head that is larger."""

    def __init__(self):
        super().__init__()
        self.f = nn.Linear(64, 32).requires_grad_(False)
        self.a, self.b = nn.Linear(32, 128), nn.Linear(128, 10)

    def forward(self, x):
        return self.b(F.relu(self.a(torch.cos(self.f(x)))))


def one_sigmoid() -> nn.Module:
    return nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, 3), nn.Sigmoid())


def three_logits() -> nn.Module:
    return nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, 3))


def one_number(*end: nn.Module) -> Any:
    return stack(linear(6, 32), nn.ReLU, linear(32, 1), *end)


def embedder() -> nn.Module:
    return nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 16))


SOUND = {
    "autoencoder": Patient(stack(linear(64, 16), nn.ReLU, linear(16, 64)), data=pixels),
    "autoencoder of one weight": Patient(TiedAutoencoder, data=pixels),
    "autoencoder that ends in a sigmoid": Patient(
        stack(linear(64, 16), nn.ReLU, linear(16, 64), nn.Sigmoid), data=pixels
    ),
    "generator of pictures": Patient(
        stack(
            linear(8, 64),
            nn.ReLU,
            lambda: nn.Unflatten(1, (16, 2, 2)),
            lambda: nn.ConvTranspose2d(16, 8, 4, 2, 1),
            lambda: nn.BatchNorm2d(8),
            nn.ReLU,
            lambda: nn.ConvTranspose2d(8, 1, 4, 2, 1),
            nn.Flatten,
        ),
        data=codes,
    ),
    "variational autoencoder": Patient(Variational, data=pixels, loss=bound),
    "graph convolution by hand": Patient(Convolved, data=graphs),
    "graph attention by hand": Patient(Attending, data=graphs),
    "nodes of one graph": Patient(OneGraph, data=nodes),
    "words with one table": Patient(NextWord, data=lambda: (long_texts(12)[0], nodes()[1])),
    "slowly following copy": Patient(Follows, loss=follows),
    "head aside": Patient(Aside, loss=aside),
    "mean and variance": Patient(Both, data=columns, loss=likelihood),
    "supervised contrast": Patient(embedder, loss=supervised_contrast),
    "triplets of a batch": Patient(embedder, loss=triplets),
    "evidence": Patient(stack(linear(64, 32), nn.ReLU, linear(32, 10), nn.Softplus), loss=evidence),
    "codes that follow the features": Patient(Quantized),
    "several labels": Patient(three_logits, data=labels),
    "several labels, probabilities": Patient(one_sigmoid, data=labels, loss=nn.BCELoss()),
    "counts that end in ReLU": Patient(one_number(nn.ReLU()), data=counts),
    "counts by their logarithm": Patient(one_number(), data=counts, loss=nn.PoissonNLLLoss()),
    "prices": Patient(one_number(), data=prices),
    "prices, absolute error": Patient(one_number(), data=prices, loss=nn.L1Loss()),
    "hinge": Patient(embedder, loss=nn.MultiMarginLoss()),
    "weights of classes": Patient(
        embedder, loss=nn.CrossEntropyLoss(weight=torch.linspace(0.5, 2, 16))
    ),
    "largest over a long text": Patient(WordWindows, data=long_texts),
    "largest over many steps": Patient(
        of(lambda m, x: m.b(F.relu(m.a(x)).amax(1)), a=linear(3, 4), b=linear(4, 2)),
        data=lambda: series(500),
    ),
    "categories and measures in one table": Patient(TableAndNumbers, data=mixed_table),
    "amounts by their logarithm": Patient(
        of(lambda m, x: m.b(F.relu(m.a(torch.log(x)))), a=linear(6, 32), b=linear(32, 2)),
        data=amounts,
    ),
    "cosines with a scale": Patient(Cosines),
    "GRU over 64 steps with attention": Patient(Pooled, data=series),
    "LSTM over 64 steps, both ends": Patient(
        of(
            lambda m, x: m.b(m.r(x)[1][0].transpose(0, 1).flatten(1)),
            r=lambda: nn.LSTM(3, 16, batch_first=True, bidirectional=True),
            b=linear(32, 2),
        ),
        data=series,
    ),
    "diagonal recurrence": Patient(Diagonal, data=series),
    "plain RNN over 8 steps": Patient(
        of(
            lambda m, x: m.b(m.r(x)[0][:, -1]),
            r=lambda: nn.RNN(8, 32, batch_first=True),
            b=linear(32, 10),
        ),
        shape=ROWS8,
    ),
    "random features below a head": Patient(Pretends),
    "half of the channels dropped": Patient(
        stack(
            conv(1, 16, 3, padding=1),
            nn.ReLU,
            nn.Dropout2d,
            lambda: nn.AdaptiveMaxPool2d(2),
            nn.Flatten,
            linear(64, 10),
        ),
        shape=IMAGE,
    ),
    "self-normalizing net": Patient(
        stack(linear(64, 64), nn.SELU, nn.AlphaDropout, linear(64, 64), nn.SELU, linear(64, 10))
    ),
}
