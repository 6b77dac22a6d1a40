"""Two layers with an activation between them, called in every way that Python has."""

import asyncio
import functools

import torch
import torch.nn as nn
import torch.nn.functional as F

ACTIVATIONS = {"relu": F.relu, "tanh": torch.tanh}


def repeated(times):
    def decorate(method):
        @functools.wraps(method)
        def inner(self, *args, **kwargs):
            return [method(self, *args, **kwargs) for _ in range(times)][-1]

        return inner

    return decorate


class Two(nn.Module):
    def __init__(self):
        super().__init__(); self.a, self.b = nn.Linear(8, 8), nn.Linear(8, 2)  # fmt: skip  # noqa: E702  # two on one line  # two on one line


class Lifts:
    """No module, no constructor."""

    def lift(self, x):
        return F.relu(self.a(x))


class FromMixin(Lifts, Two):
    def forward(self, x):
        return self.b(self.lift(x))


class Partial(Two):
    def __init__(self):
        super().__init__()
        self.act = functools.partial(F.leaky_relu, negative_slope=0.1)

    def forward(self, x):
        return self.b(self.act(self.a(x)))


class FromTable(Two):
    name = "relu"

    def forward(self, x):
        return self.b(ACTIVATIONS[self.name](self.a(x)))


class Walrus(Two):
    def forward(self, x):
        return self.b(y := F.relu(z := self.a(x))) + y[:, :2] - z[:, :2]


class LambdaDefault(Two):
    def forward(self, x, f=lambda t: F.relu(t)):
        return self.b(f(self.a(x)))


class Repeated(Two):
    @repeated(2)
    def forward(self, x):
        return self.b(F.relu(self.a(x)))


class NoGrad(Two):
    @torch.no_grad()
    def lift(self, x):
        return F.relu(self.a(x))

    def forward(self, x):
        return self.b(self.lift(x))


class Property(Two):
    @property
    def act(self):
        return F.relu

    def forward(self, x):
        return self.b(self.act(self.a(x)))


class Async(Two):
    async def lift(self, x):
        return F.relu(self.a(x))

    def forward(self, x):
        return self.b(asyncio.run(self.lift(x)))


class Generator(Two):
    def parts(self, x):
        yield F.relu(self.a(x))

    def forward(self, x):
        return self.b(sum(self.parts(x)))


class Match(Two):
    def forward(self, x):
        match x.dim():
            case 2:
                y = F.relu(self.a(x))
            case _:
                y = x
        return self.b(y)


class Annotated(Two):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h: torch.Tensor = (self.a(x) + 1).relu()  # in parentheses
        return self.b(h)


class First(Two):
    def forward(self, x):
        return F.relu(self.a(x))


class Second(First):
    def forward(self, x):
        return super().forward(x) + torch.tanh(x)


class Third(Second):
    def forward(self, x):
        return self.b(super().forward(x))


class Starred(Two):
    def forward(self, *args, **kwargs):
        return self.b(F.relu(self.a(*args), **kwargs))


class Callable:
    def __call__(self, x):
        return F.relu(x)


class Kept(Two):
    def __init__(self):
        super().__init__()
        self.act = Callable()

    def forward(self, x):
        return self.b(self.act(self.a(x)))


class Shadowed(Two):
    def forward(self, x):
        _, nn = x.shape
        return self.b(F.relu(self.a(x))) * nn


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.fc, self.act = nn.Linear(width, width), nn.ReLU()

    def forward(self, x):
        return self.act(self.fc(x))


class EndsInBlock(nn.Module):
    """The activation of the first block is hidden, that of the second is the output."""

    def __init__(self):
        super().__init__()
        self.first, self.last = Block(8), Block(8)

    def forward(self, x):
        return self.last(self.first(x))


class Loop(nn.Module):
    """A list of layers that grows, then a Sequential of it; and a module that was made first."""

    def __init__(self, widths=(8, 8, 8)):
        super().__init__()
        layers, act = [], nn.GELU()
        for width in widths:
            layers += [nn.Linear(8, width), nn.ReLU(inplace=True)]
        layers.append(nn.Linear(8, 8))
        self.body = nn.Sequential(*layers, act, nn.Linear(8, 2))

    def forward(self, x):
        return self.body(x)


class Chosen(Two):
    def __init__(self, name="relu"):
        super().__init__()
        self.act = nn.ModuleDict({"relu": nn.ReLU(), "tanh": nn.Tanh()})[name]

    def forward(self, x):
        return self.b(self.act(self.a(x)))


class Given(Two):
    def __init__(self, act=nn.ReLU):
        super().__init__()
        self.act = act()
        self.more = nn.Sequential(*[nn.Linear(8, 8), nn.ReLU()])

    def forward(self, x):
        return self.b(self.more(self.act(self.a(x))))


class Split(Two):
    """One module, hidden at its first call and the output at its second."""

    def __init__(self):
        super().__init__()
        self.act = nn.Sigmoid()

    def forward(self, x):
        return self.act(self.b(self.act(self.a(x))))


class Encoder(nn.Module):
    """The pattern layer is kept, and never runs."""

    def __init__(self):
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(
            8, 2, dim_feedforward=16, dropout=0.0, batch_first=True
        )
        self.encoder = nn.TransformerEncoder(self.layer, num_layers=2, enable_nested_tensor=False)
        self.out = nn.Linear(8, 2)

    def forward(self, x):
        return self.out(self.encoder(x.unsqueeze(1)))
