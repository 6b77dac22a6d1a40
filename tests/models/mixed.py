"""Branches that multiply, weigh, mask and route; and unusual places for a call."""

import warnings

import torch
import torch.nn as nn
import torch.nn.functional as F


class Highway(nn.Module):
    def __init__(self):
        super().__init__()
        self.transform, self.gate, self.out = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 2)

    def forward(self, x):
        t = torch.sigmoid(self.gate(x))
        h = F.relu(self.transform(x))
        return self.out(h * t + x * (1 - t))


class AttentionPooling(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.hidden = nn.Linear(5, 8), nn.Linear(8, 6)
        self.score, self.out = nn.Linear(6, 1), nn.Linear(8, 2)

    def forward(self, x):
        x = F.relu(self.embed(x))
        weights = F.softmax(self.score(torch.tanh(self.hidden(x))), 1)
        return self.out((weights * x).sum(1))


class MaskedMean(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.fc, self.out = (
            nn.Embedding(20, 8, padding_idx=0),
            nn.Linear(8, 8),
            nn.Linear(8, 2),
        )

    def forward(self, tokens):
        mask = (tokens != 0).unsqueeze(-1).float()
        h = torch.tanh(self.fc(self.embed(tokens))) * mask
        return self.out(h.sum(1) / mask.sum(1).clamp(min=1))


class Experts(nn.Module):
    """Which expert runs, and how often, depends on the data."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Sequential(nn.Linear(8, 8), nn.Tanh())
        self.router = nn.Linear(8, 3, bias=False)
        nn.init.orthogonal_(self.router.weight)
        self.experts = nn.ModuleList(
            [nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8)) for _ in range(3)]
        )
        self.out = nn.Linear(8, 2)

    def forward(self, x):
        x = self.embed(x)
        weights = torch.softmax(self.router(x), -1)
        y = torch.zeros_like(x)
        for i, expert in enumerate(self.experts):
            chosen = weights.argmax(1) == i
            if chosen.any():
                y[chosen] = weights[chosen, i : i + 1] * expert(x[chosen])
        return self.out(y)


class LinearAttention(nn.Module):
    def __init__(self):
        super().__init__()
        self.q, self.k, self.v, self.out = (
            nn.Linear(5, 8),
            nn.Linear(5, 8),
            nn.Linear(5, 8),
            nn.Linear(8, 2),
        )

    def forward(self, x):
        q, k, v = F.elu(self.q(x)) + 1, F.elu(self.k(x)) + 1, self.v(x)
        kv = torch.einsum("bnd,bne->bde", k, v)
        z = 1 / (torch.einsum("bnd,bd->bn", q, k.sum(1)) + 1e-6)
        return self.out(torch.einsum("bnd,bde,bn->bne", q, kv, z))


class Chains(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(8, 8), nn.Linear(8, 2)

    def forward(self, x):
        y = (
            self.a(x)
            .relu()
            .mul(2.0)
            .tanh()
        )  # fmt: skip
        z = F.relu(
            input=self.a(y),
            inplace=False,
        )
        z.relu_()
        return self.b(torch.stack(tuple(F.relu(row) for row in z)))


class Properties(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.seen = nn.Linear(8, 8), nn.Linear(8, 2), None

    @property
    def hidden(self):
        return F.relu(self.a(self.seen))

    @staticmethod
    def act(x):
        return F.gelu(x)

    @torch.enable_grad()
    def other(self, x):
        return torch.tanh(self.a(x))

    def forward(self, x):
        self.seen = x
        return self.b(self.act(self.a(self.hidden + self.other(x))))


class Prepared(nn.Module):
    """A hand-written function prepares the input."""

    class Log(nn.Module):
        def forward(self, x):
            return torch.sign(x) * torch.log1p(x.abs())

    def __init__(self):
        super().__init__()
        self.prepare, self.a, self.act, self.b = (
            self.Log(),
            nn.Linear(8, 8),
            self.Log(),
            nn.Linear(8, 2),
        )

    def forward(self, x):
        return self.b(self.act(self.a(self.prepare(x))))


class Lazy(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.LazyLinear(8), nn.LazyLinear(2)

    def forward(self, x):
        return self.b(F.relu(self.a(x)))


class Scripted(nn.Module):
    def __init__(self):
        super().__init__()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch.jit is deprecated, and used
            self.block = torch.jit.script(nn.Sequential(nn.Linear(8, 8), nn.ReLU()))
        self.a, self.b = nn.Linear(8, 8), nn.Linear(8, 2)

    def forward(self, x):
        return self.b(self.block(F.relu(self.a(x))))


class OldWeightNorm(nn.Module):
    def __init__(self):
        super().__init__()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # deprecated, and used
            self.a = nn.utils.weight_norm(nn.Linear(8, 8))
        self.b = nn.utils.spectral_norm(nn.Linear(8, 2))

    def forward(self, x):
        return self.b(torch.relu(self.a(x)))


class Interpolated(nn.Module):
    """Gates that do not look like a product."""

    def __init__(self):
        super().__init__()
        self.gate, self.new, self.update, self.out = (
            nn.Linear(8, 8),
            nn.Linear(8, 8),
            nn.Linear(8, 8),
            nn.Linear(8, 2),
        )

    def forward(self, x):
        x = torch.lerp(x, F.relu(self.new(x)), torch.sigmoid(self.gate(x)))
        return self.out(torch.addcmul(x, F.elu(self.new(x)), torch.tanh(self.update(x))))


class SigmoidAttention(nn.Module):
    """Weights its values by sigmoids, and its channels in an einsum."""

    def __init__(self):
        super().__init__()
        self.q, self.k, self.v, self.channels = (nn.Linear(5, 8) for _ in range(4))
        self.act, self.out = nn.Tanh(), nn.Linear(8, 2)

    def forward(self, x):
        weights = torch.sigmoid(self.q(x) @ self.k(x).transpose(1, 2))
        y = weights @ self.act(self.v(x))
        return self.out(torch.einsum("btc,bc->bc", y, self.channels(x.mean(1)).sigmoid()))
