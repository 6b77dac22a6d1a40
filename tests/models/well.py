"""Healthy models of many kinds, in which a diagnosis finds nothing."""

import math
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from models.faults import IMAGE, Patient
from models.silent import (
    ROWS8,
    bytes_of_pixels,
    colours,
    columns,
    linear,
    of,
    series,
    two_inputs,
    with_gate,
)
from torch import nn


def stack(*makers: Any) -> Any:
    return lambda: nn.Sequential(
        *(make() if callable(make) and not isinstance(make, nn.Module) else make for make in makers)
    )


def conv(*args: Any, **more: Any) -> Any:
    return lambda: nn.Conv2d(*args, **more)


class OwnBatchNorm(nn.Module):
    """A batch normalization written by hand."""

    def __init__(self, width: int):
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("var", torch.ones(width))
        self.gain = nn.Parameter(torch.ones(width))

    def forward(self, x):
        mean, var = self.mean, self.var
        if self.training:
            mean, var = x.mean(0), x.var(0)
            with torch.no_grad():
                self.mean.lerp_(mean, 0.1)
                self.var.lerp_(var, 0.1)
        return (x - mean) / (var + 1e-5).sqrt() * self.gain


class Shortcut(nn.Module):
    """A residual block with stride 2 and a 1x1 shortcut."""

    def __init__(self, inside: int, outside: int):
        super().__init__()
        self.a = nn.Conv2d(inside, outside, 3, 2, 1, bias=False)
        self.b = nn.Conv2d(outside, outside, 3, 1, 1, bias=False)
        self.s = nn.Conv2d(inside, outside, 1, 2, bias=False)
        self.n, self.o = nn.BatchNorm2d(outside), nn.BatchNorm2d(outside)

    def forward(self, x):
        return F.relu(self.o(self.b(F.relu(self.n(self.a(x))))) + self.s(x))


class Squeeze(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.a, self.b = nn.Linear(width, width // 4), nn.Linear(width // 4, width)

    def forward(self, x):
        gate = torch.sigmoid(self.b(F.relu(self.a(x.mean((2, 3))))))
        return x * gate[:, :, None, None]


class Dense(nn.Module):
    def __init__(self):
        super().__init__()
        self.c = nn.ModuleList(nn.Conv2d(1 + 8 * i, 8, 3, padding=1) for i in range(3))
        self.b = nn.Linear(25, 10)

    def forward(self, x):
        for layer in self.c:
            x = torch.cat([x, F.relu(layer(x))], 1)
        return self.b(x.mean((2, 3)))


class Mixer(nn.Module):
    def __init__(self):
        super().__init__()
        self.e = nn.Linear(8, 32)
        self.n, self.o = nn.LayerNorm(32), nn.LayerNorm(32)
        self.t, self.u = nn.Linear(8, 16), nn.Linear(16, 8)
        self.v, self.w = nn.Linear(32, 64), nn.Linear(64, 32)
        self.b = nn.Linear(32, 10)

    def forward(self, x):
        x = self.e(x)
        x = x + self.u(F.gelu(self.t(self.n(x).transpose(1, 2)))).transpose(1, 2)
        x = x + self.w(F.gelu(self.v(self.o(x))))
        return self.b(x.mean(1))


class Scaled(nn.Module):
    """Blocks whose branches begin at a ten-thousandth."""

    def __init__(self):
        super().__init__()
        self.e, self.b = nn.Linear(64, 32), nn.Linear(32, 10)
        self.f = nn.ModuleList(nn.Linear(32, 32) for _ in range(3))
        self.g = nn.ParameterList(torch.full((32,), 1e-4) for _ in range(3))

    def forward(self, x):
        x = self.e(x)
        for layer, gain in zip(self.f, self.g, strict=True):
            x = x + gain * F.gelu(layer(x))
        return self.b(x)


class ReZero(nn.Module):
    def __init__(self):
        super().__init__()
        self.e, self.b = nn.Linear(64, 32), nn.Linear(32, 10)
        self.f, self.alpha = nn.Linear(32, 32), nn.Parameter(torch.zeros(1))

    def forward(self, x):
        x = self.e(x)
        return self.b(x + self.alpha * F.relu(self.f(x)))


class Causal(nn.Module):
    def __init__(self):
        super().__init__()
        self.e, self.b = nn.Linear(8, 32), nn.Linear(32, 10)
        self.q = nn.Linear(32, 96)

    def forward(self, x):
        q, k, v = self.q(self.e(x)).chunk(3, -1)
        return self.b(F.scaled_dot_product_attention(q, k, v, is_causal=True).mean(1))


class Latents(nn.Module):
    """A few learned queries read all tokens."""

    def __init__(self):
        super().__init__()
        self.e, self.b = nn.Linear(8, 32), nn.Linear(32, 10)
        self.z = nn.Parameter(torch.randn(4, 32) * 0.02)
        self.r = nn.MultiheadAttention(32, 4, batch_first=True)

    def forward(self, x):
        y = self.e(x)
        return self.b(self.r(self.z.expand(len(x), -1, -1), y, y)[0].mean(1))


class Cells(nn.Module):
    def __init__(self):
        super().__init__()
        self.r, self.b = nn.LSTMCell(8, 32), nn.Linear(32, 10)

    def forward(self, x):
        h = c = x.new_zeros(len(x), 32)
        for step in x.unbind(1):
            h, c = self.r(step, (h, c))
        return self.b(h)


def remembering() -> nn.Module:
    model = of(
        lambda m, x: m.b(m.r(x)[0][:, -1]),
        r=lambda: nn.LSTM(3, 32, batch_first=True),
        b=linear(32, 2),
    )()
    with torch.no_grad():
        model.r.bias_hh_l0[32:64] = 4.0
    return model


def orthogonal() -> nn.Module:
    model = of(
        lambda m, x: m.b(m.r(x)[0][:, -1]),
        r=lambda: nn.RNN(3, 32, batch_first=True),
        b=linear(32, 2),
    )()
    nn.init.orthogonal_(model.r.weight_hh_l0)
    return model


class Dilated(nn.Module):
    def __init__(self):
        super().__init__()
        widths = [3, 16, 16, 16, 16, 16]
        self.c = nn.ModuleList(
            nn.Conv1d(a, b, 3, dilation=2**i) for i, (a, b) in enumerate(pairwise(widths))
        )
        self.b = nn.Linear(16, 2)

    def forward(self, x):
        x = x.transpose(1, 2)
        for layer in self.c:
            y = F.relu(layer(F.pad(x, (2 * layer.dilation[0], 0))))
            x = y if y.shape != x.shape else x + y
        return self.b(x.mean(2))


class Experts(nn.Module):
    def __init__(self):
        super().__init__()
        self.g = nn.Linear(64, 4)
        self.f = nn.ModuleList(nn.Linear(64, 32) for _ in range(4))
        self.b = nn.Linear(32, 10)

    def forward(self, x):
        weights, chosen = self.g(x).softmax(1).topk(2, 1)
        out = x.new_zeros(len(x), 32)
        for number, expert in enumerate(self.f):
            row, place = (chosen == number).nonzero(as_tuple=True)
            out = out.index_add(0, row, weights[row, place, None] * F.relu(expert(x[row])))
        return self.b(out)


class Sampling(nn.Module):
    """A code that is sampled while training, and its mean in evaluation."""

    def __init__(self):
        super().__init__()
        self.a, self.m, self.s = nn.Linear(64, 32), nn.Linear(32, 16), nn.Linear(32, 16)
        self.b = nn.Linear(16, 10)

    def forward(self, x):
        y = F.relu(self.a(x))
        mean, scale = self.m(y), F.softplus(self.s(y))
        return self.b(mean + scale * torch.randn_like(mean) if self.training else mean)


class Sometimes(nn.Module):
    """Stochastic depth and noise while training."""

    def __init__(self):
        super().__init__()
        self.e, self.f, self.b = nn.Linear(64, 32), nn.Linear(32, 32), nn.Linear(32, 10)

    def forward(self, x):
        if self.training:
            x = x + 0.1 * torch.randn_like(x)
        x = self.e(x)
        keep = torch.rand(len(x), 1) < 0.8 if self.training else 1
        return self.b(F.dropout(x + F.relu(self.f(x)) * keep, 0.2, self.training))


class Prototypes(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.p = nn.Linear(64, 16), nn.Parameter(torch.randn(10, 16))

    def forward(self, x):
        return -torch.cdist(self.a(x), self.p)


class Slopes(nn.Module):
    """The gradient with respect to the input is one of the features."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(64, 32), nn.Linear(96, 10)

    def forward(self, x):
        with torch.enable_grad():
            x = x.detach().clone().requires_grad_()
            y = torch.tanh(self.a(x))
            (slope,) = torch.autograd.grad(y.sum(), x, create_graph=True)
            return self.b(torch.cat([y, slope], 1))


class Binary(nn.Module):
    """Features are binarized; the gradient goes straight through."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(64, 64), nn.Linear(64, 10)

    def forward(self, x):
        y = torch.tanh(self.a(x))
        return self.b(y + (y.sign() - y).detach())


def texts() -> Any:
    draw = torch.Generator().manual_seed(0)
    ids = torch.randint(1, 50, (400, 12), generator=draw)
    lengths = torch.randint(3, 13, (400,), generator=draw)
    ids[torch.arange(12) >= lengths[:, None]] = 0
    return ids, (ids == 7).any(1).long()


class Texts(nn.Module):
    """A mean of word vectors, without padding."""

    def __init__(self):
        super().__init__()
        self.e, self.b = nn.Embedding(50, 16, padding_idx=0), nn.Linear(16, 2)

    def forward(self, x):
        seen = (x > 0).float()[:, :, None]
        return self.b((self.e(x) * seen).sum(1) / seen.sum(1))


class Packed(nn.Module):
    def __init__(self):
        super().__init__()
        self.e, self.r = nn.Embedding(50, 16), nn.GRU(16, 32, batch_first=True)
        self.b = nn.Linear(32, 2)

    def forward(self, x):
        lengths = (x > 0).sum(1).cpu()
        packed = nn.utils.rnn.pack_padded_sequence(
            self.e(x), lengths, batch_first=True, enforce_sorted=False
        )
        return self.b(self.r(packed)[1][-1])


class Masked(nn.Module):
    """Attention that leaves padding out."""

    def __init__(self):
        super().__init__()
        self.e, self.b = nn.Embedding(50, 16), nn.Linear(16, 2)
        self.r = nn.MultiheadAttention(16, 2, batch_first=True)

    def forward(self, x):
        y, padding = self.e(x), x == 0
        y = y + self.r(y, y, y, key_padding_mask=padding)[0]
        return self.b(y.masked_fill(padding[:, :, None], 0).sum(1) / 6)


class Categories(nn.Module):
    def __init__(self):
        super().__init__()
        self.e = nn.ModuleList(nn.Embedding(50, 8) for _ in range(12))
        self.b = nn.Linear(96, 2)

    def forward(self, x):
        return self.b(torch.cat([table(x[:, i]) for i, table in enumerate(self.e)], 1))


class Sine(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.c, self.b = nn.Linear(6, 64), nn.Linear(64, 64), nn.Linear(64, 1)

    def forward(self, x):
        return self.b(torch.sin(self.c(torch.sin(2 * self.a(x)))))


class Waves(nn.Module):
    """Coordinates as waves of many frequencies."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(54, 64), nn.Linear(64, 1)
        self.register_buffer("f", 2.0 ** torch.arange(4))

    def forward(self, x):
        waves = (x[..., None] * self.f).flatten(1)
        return self.b(F.relu(self.a(torch.cat([x, waves.sin(), waves.cos()], 1))))


class Splines(nn.Module):
    """A sum of learned functions of one input each."""

    def __init__(self, inside: int = 64, outside: int = 10):
        super().__init__()
        self.register_buffer("centres", torch.linspace(-2, 2, 8))
        self.w = nn.Parameter(torch.randn(outside, inside * 8) / math.sqrt(inside * 8))

    def forward(self, x):
        basis = torch.exp(-((x[..., None] - self.centres) ** 2))
        return F.linear(basis.flatten(1), self.w)


def positive() -> Any:
    x, y = columns()
    return x, y.exp()


def yes_or_no() -> Any:
    x, y = columns()
    return x, (y[:, 0] > 0).long()


smoothed = nn.CrossEntropyLoss(label_smoothing=0.1)


def penalised(output, target):
    return F.cross_entropy(output, target) + 1e-3 * output.square().mean()


def focal(output, target):
    surely = F.log_softmax(output, 1).gather(1, target[:, None])
    return -((1 - surely.exp()) ** 2 * surely).mean()


def expected_accuracy(output, target):
    return -output.softmax(1).gather(1, target[:, None]).mean()


def less_sure(output, target):
    logs = F.log_softmax(output, 1)
    return F.nll_loss(logs, target) + 0.1 * (logs.exp() * logs).sum(1).mean()


def relu_net() -> nn.Module:
    return nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))


HEAD = stack(lambda: nn.AdaptiveAvgPool2d(1), nn.Flatten, linear(16, 10))

WELL = {
    "net with dropout": Patient(stack(linear(64, 64), nn.ReLU, nn.Dropout, linear(64, 10))),
    "net with batch normalization": Patient(
        stack(linear(64, 64), lambda: nn.BatchNorm1d(64), nn.ReLU, linear(64, 10))
    ),
    "layer normalization first": Patient(
        stack(lambda: nn.LayerNorm(64), linear(64, 64), nn.GELU, linear(64, 10))
    ),
    "batch normalization by hand": Patient(
        stack(linear(64, 64), lambda: OwnBatchNorm(64), nn.ReLU, linear(64, 10))
    ),
    "CNN with batch normalization": Patient(
        stack(conv(1, 16, 3, padding=1), lambda: nn.BatchNorm2d(16), nn.ReLU, HEAD), shape=IMAGE
    ),
    "CNN with strides, without padding": Patient(
        stack(conv(1, 16, 3, 2), nn.ReLU, conv(16, 16, 2), nn.ReLU, HEAD), shape=IMAGE
    ),
    "CNN with pooling that leaves a border": Patient(
        stack(
            conv(3, 16, 3),
            nn.ReLU,
            lambda: nn.MaxPool2d(4),
            conv(16, 16, 2),
            nn.ReLU,
            lambda: nn.AdaptiveAvgPool2d(1),
            nn.Flatten,
            linear(16, 2),
        ),
        data=colours,
    ),
    "depthwise convolutions": Patient(
        stack(
            conv(1, 16, 3, padding=1),
            nn.ReLU,
            conv(16, 16, 3, padding=1, groups=16),
            conv(16, 16, 1),
            nn.Hardswish,
            HEAD,
        ),
        shape=IMAGE,
    ),
    "group normalization": Patient(
        stack(conv(1, 16, 3, padding=1), lambda: nn.GroupNorm(4, 16), nn.SiLU, HEAD), shape=IMAGE
    ),
    "squeeze and excite": Patient(
        stack(conv(1, 16, 3, padding=1), nn.ReLU, lambda: Squeeze(16), HEAD), shape=IMAGE
    ),
    "dense connections": Patient(Dense, shape=IMAGE),
    "strided residual blocks": Patient(
        stack(lambda: Shortcut(1, 16), lambda: Shortcut(16, 16), HEAD), shape=IMAGE
    ),
    "dilated convolutions": Patient(
        stack(conv(1, 16, 3, padding=2, dilation=2), nn.ReLU, HEAD), shape=IMAGE
    ),
    "instance normalization": Patient(
        stack(
            conv(1, 16, 3, padding=1),
            lambda: nn.InstanceNorm2d(16),
            nn.ReLU,
            conv(16, 16, 3, 2),
            nn.ReLU,
            HEAD,
        ),
        shape=IMAGE,
    ),
    "mixer": Patient(Mixer, shape=ROWS8),
    "branches scaled to almost nothing": Patient(Scaled),
    "branch that begins at zero": Patient(ReZero),
    "causal attention": Patient(Causal, shape=ROWS8),
    "learned queries": Patient(Latents, shape=ROWS8),
    "LSTM both ways, its mean": Patient(
        of(
            lambda m, x: m.b(m.r(x)[0].mean(1)),
            r=lambda: nn.LSTM(8, 16, batch_first=True, bidirectional=True),
            b=linear(32, 10),
        ),
        shape=ROWS8,
    ),
    "two layers of GRU with dropout": Patient(
        of(
            lambda m, x: m.b(m.r(x)[0][:, -1]),
            r=lambda: nn.GRU(8, 32, 2, batch_first=True, dropout=0.3),
            b=linear(32, 10),
        ),
        shape=ROWS8,
    ),
    "LSTM over 64 steps, its mean": Patient(
        of(
            lambda m, x: m.b(m.r(x)[0].mean(1)),
            r=lambda: nn.LSTM(3, 32, batch_first=True),
            b=linear(32, 2),
        ),
        data=series,
    ),
    "LSTM over 64 steps that remembers": Patient(remembering, data=series),
    "RNN over 64 steps, orthogonal": Patient(orthogonal, data=series),
    "LSTM over 28 steps": Patient(
        of(
            lambda m, x: m.b(m.r(x)[0][:, -1]),
            r=lambda: nn.LSTM(3, 32, batch_first=True),
            b=linear(32, 2),
        ),
        data=lambda: series(28),
    ),
    "time first, transposed": Patient(
        of(
            lambda m, x: m.b(m.r(x.transpose(0, 1))[0][-1]),
            r=lambda: nn.LSTM(8, 32),
            b=linear(32, 10),
        ),
        shape=ROWS8,
    ),
    "cells of an LSTM": Patient(Cells, shape=ROWS8),
    "dilated convolutions over time": Patient(Dilated, data=series),
    "experts": Patient(Experts),
    "highway": Patient(
        of(
            lambda m, x: m.b(torch.sigmoid(m.t(x)) * F.relu(m.h(x)) + torch.sigmoid(-m.t(x)) * x),
            t=linear(64, 64),
            h=linear(64, 64),
            b=linear(64, 10),
        )
    ),
    "spectral normalization": Patient(
        stack(
            lambda: nn.utils.parametrizations.spectral_norm(nn.Linear(64, 64)),
            nn.ReLU,
            linear(64, 10),
        )
    ),
    "weight normalization": Patient(
        stack(
            lambda: nn.utils.parametrizations.weight_norm(nn.Linear(64, 64)),
            nn.ReLU,
            linear(64, 10),
        )
    ),
    "maxout": Patient(
        of(lambda m, x: m.b(m.a(x).view(len(x), 32, 2).amax(2)), a=linear(64, 64), b=linear(32, 10))
    ),
    "pixels that the model scales": Patient(
        of(lambda m, x: m.b(F.relu(m.a(x / 255))), a=linear(64, 64), b=linear(64, 10)),
        data=bytes_of_pixels,
    ),
    "pixels that are normalized first": Patient(
        stack(lambda: nn.BatchNorm1d(64), linear(64, 64), nn.ReLU, linear(64, 10)),
        data=bytes_of_pixels,
    ),
    "pixels that are normalized after a layer": Patient(
        stack(linear(64, 64), lambda: nn.BatchNorm1d(64), nn.ReLU, linear(64, 10)),
        data=bytes_of_pixels,
    ),
    "mean of word vectors": Patient(Texts, data=texts),
    "packed GRU": Patient(Packed, data=texts),
    "masked attention": Patient(Masked, data=texts),
    "tables of categories": Patient(Categories, data=texts),
    "two inputs": Patient(
        of(
            lambda m, x, z: m.b(F.relu(m.a(x) + m.c(z))),
            a=linear(6, 32),
            c=linear(5, 32),
            b=linear(32, 2),
        ),
        data=two_inputs,
    ),
    "regression": Patient(stack(linear(6, 32), nn.ReLU, linear(32, 1)), data=columns),
    "positive numbers": Patient(
        stack(linear(6, 32), nn.ReLU, linear(32, 1), nn.Softplus), data=positive
    ),
    "one logit": Patient(
        of(lambda m, x: m.b(F.relu(m.a(x)))[:, 0], a=linear(6, 32), b=linear(32, 1)),
        data=yes_or_no,
    ),
    "label smoothing": Patient(relu_net, loss=smoothed),
    "penalty on logits": Patient(relu_net, loss=penalised),
    "focal loss": Patient(relu_net, loss=focal),
    "expected accuracy": Patient(relu_net, loss=expected_accuracy),
    "confidence penalty": Patient(relu_net, loss=less_sure),
    "logits that are capped": Patient(
        with_gate(lambda m, x: 30 * torch.tanh(m.b(F.relu(m.a(x) + m.g(x))) / 30))
    ),
    "code that is sampled in training": Patient(Sampling),
    "noise and stochastic depth in training": Patient(Sometimes),
    "prototypes": Patient(Prototypes),
    "slopes as features": Patient(Slopes),
    "binary features": Patient(Binary),
    "sine activations": Patient(Sine, data=columns),
    "waves of coordinates": Patient(Waves, data=columns),
    "splines": Patient(Splines),
    "mean over a set": Patient(
        of(lambda m, x: m.b(F.relu(m.a(x)).mean(1)), a=linear(8, 32), b=linear(32, 10)), shape=ROWS8
    ),
    "largest over a set": Patient(
        of(lambda m, x: m.b(F.relu(m.a(x)).amax(1)), a=linear(8, 32), b=linear(32, 10)), shape=ROWS8
    ),
    "leaky end": Patient(with_gate(lambda m, x: F.leaky_relu(m.b(F.relu(m.a(x) + m.g(x))), 0.2))),
}
