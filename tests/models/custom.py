"""Hand-written activations and unusual ways to call one."""

import functools

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.checkpoint import checkpoint


class HSwish(nn.Module):
    def __init__(self):
        super().__init__()
        self.relu6 = nn.ReLU6()

    def forward(self, x):
        return x * self.relu6(x + 3) / 6


class SwishFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * torch.sigmoid(x)

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        s = torch.sigmoid(x)
        return grad * (s * (1 + x * (1 - s)))


def swish(x):
    return x * torch.sigmoid(x)


def scaled(x, w):
    return F.relu(x * w)


class Modules(nn.Module):
    """A module, a helper function and an autograd function of one's own."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c, self.d = (nn.Linear(8, 8) for _ in range(4))
        self.act = HSwish()

    def forward(self, x):
        x = self.act(self.a(x))
        x = swish(self.b(x))
        x = SwishFunction.apply(self.c(x))
        return self.d(x)


class Inline(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(8, 8), nn.Linear(8, 2)

    def forward(self, x):
        x = self.a(x)
        return self.b(x * torch.sigmoid(1.702 * x))


class Lambda(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(8, 8), nn.Linear(8, 2)
        self.f = lambda x: torch.tanh(x)

    def forward(self, x):
        return self.b(self.f(self.a(x)))


class Helper(nn.Module):
    """The activation is inside a helper that has other arguments."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(8, 8), nn.Linear(8, 2)
        self.w = nn.Parameter(torch.ones(8))

    def forward(self, x):
        return self.b(scaled(self.a(x), self.w))


class Base(nn.Module):
    def __init__(self):
        super().__init__()
        self.__a, self.b = nn.Linear(8, 8), nn.Linear(8, 8)

    def forward(self, x):
        return self.b(F.relu(self.__a(x)))


class Derived(Base):
    def __init__(self):
        super().__init__()
        self.c = nn.Linear(8, 2)

    def forward(self, x):
        x = super().forward(x)
        return self.c(F.elu(x))


def traced(method):
    @functools.wraps(method)
    def wrapper(self, *args):
        return method(self, *args)

    return wrapper


class Decorated(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(8, 8), nn.Linear(8, 2)

    @traced
    def forward(self, x):
        def body(h):
            return F.relu(self.a(h))

        # a comment in the first column
        return self.b(body(x))


class Checkpointed(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList([Modules() for _ in range(2)])
        self.lift = nn.ModuleList([nn.Linear(8, 8) for _ in range(2)])
        self.head = nn.Linear(8, 2)

    def _block(self, x, lift):
        return x + F.gelu(lift(x))

    def forward(self, x):
        for lift in self.lift:
            x = checkpoint(self._block, x, lift, use_reentrant=False)
        return self.head(x)


class Aliased(nn.Module):
    """One module under two names and in a dictionary."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 2)
        self.act = self.activation = nn.ReLU()
        self.table = {"act": self.act}

    def forward(self, x):
        x = self.act(self.a(x))
        return self.c(self.activation(self.table["act"](self.b(x))))
