"""Two layers with an activation module between them, made in every way that people have."""

import copy
import functools
from collections import OrderedDict
from dataclasses import dataclass

import torch.nn as nn
from torch.nn import ReLU

TABLE = {"relu": nn.ReLU, "gelu": nn.GELU}
SHARED = nn.ReLU()


def ends():
    return nn.Linear(8, 8), nn.Linear(8, 2)


class Default(nn.Sequential):
    """Its layers make themselves, and the class of the activation is an argument."""

    def __init__(self, act_layer=nn.GELU):
        super().__init__(
            nn.Linear(8, 8), act_layer(), nn.Linear(8, 8), act_layer(), nn.Linear(8, 2)
        )


class Between(nn.Module):
    """`make` makes the activation."""

    def __init__(self):
        super().__init__()
        self.first, self.last = ends()
        self.act = self.make()

    def forward(self, x):
        return self.last(self.act(self.first(x)))


class Nested(Between):
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.Sequential(nn.Linear(8, 8), nn.ReLU())

        def forward(self, x):
            return x + self.body(x)

    def make(self):
        return self.Block()


class ByIf(Between):
    def make(self, name="gelu"):
        if name == "relu":
            return nn.ReLU()
        if name == "gelu":
            return nn.GELU()
        return nn.Identity()


class ByTableOfClasses(Between):
    def make(self):
        return TABLE["relu"](inplace=True)


class ByTable(Between):
    def make(self):
        return nn.ModuleDict({"relu": nn.ReLU(), "tanh": nn.Tanh()})["tanh"]


class ByPartial(Between):
    def make(self, act=functools.partial(nn.LeakyReLU, 0.2)):  # noqa: B008  # the case in question  # the case in question
        return act()


class ByLambda(Between):
    def make(self):
        return [lambda: nn.ReLU()][0]()


class OverLines(Between):
    def make(self):
        return (
            nn
            .LeakyReLU(
                0.2,  # steep
            )
        )  # fmt: skip


@dataclass
class Config:
    act: str = "ReLU"


class ByName(Between):
    config = Config()

    def make(self):
        return getattr(nn, self.config.act)()


class Hides(Between):
    """A name of the file means something else there."""

    def make(self):
        nn = 8
        return ReLU(inplace=nn > 9)


class WithDictionary(nn.Module):
    def __init__(self):
        super().__init__()
        self.acts = nn.ModuleDict({"one": nn.ReLU(), "two": nn.Tanh()})
        self.layers = nn.ModuleDict([(name, nn.Linear(8, 8)) for name in self.acts])
        self.last = nn.Linear(8, 2)

    def forward(self, x):
        for name, layer in self.layers.items():
            x = self.acts[name](layer(x))
        return self.last(x)


def traced(constructor):
    @functools.wraps(constructor)
    def inner(*args, **kwargs):
        return constructor(*args, **kwargs)

    return inner


class Counted(type(nn.Module)):
    def __call__(cls, *args, **kwargs):
        return super().__call__(*args, **kwargs)


class Own(nn.Module, metaclass=Counted):
    """An activation that is a class of the file, with all that can be around a constructor."""

    @traced
    def __init__(self, slope=0.0):
        super().__init__()
        self.slope = slope

    def forward(self, x):
        return x.clamp(min=0) + self.slope * x.clamp(max=0)


class Steep(Own):
    def __init__(self):
        super().__init__(slope=0.3)


class ByOwn(Between):
    def make(self):
        return Steep()


def sequential(depth=3, width=8):
    """A function that returns torch's own class."""
    hidden = [layer for _ in range(depth) for layer in (nn.Linear(width, width), nn.ReLU())]
    return nn.Sequential(*[nn.Linear(8, width), nn.ReLU(), *hidden], nn.Linear(width, 2))


def ordered():
    return nn.Sequential(
        OrderedDict([("first", nn.Linear(8, 8)), ("act", nn.ReLU()), ("last", nn.Linear(8, 2))])
    )


def from_plan(plan=((nn.Linear, 8, 8), (nn.ReLU,), (nn.Linear, 8, 2))):
    return nn.Sequential(*[cls(*sizes) for cls, *sizes in plan])


def copied():
    """One block, copied, as in the annotated transformer."""
    block = nn.Sequential(nn.Linear(8, 8), nn.ReLU())
    return nn.Sequential(*[copy.deepcopy(block) for _ in range(3)], nn.Linear(8, 2))


def mapped():
    return nn.Sequential(nn.Linear(8, 8), *map(nn.ReLU, [False, False]), nn.Linear(8, 2))


def at_import():
    return nn.Sequential(nn.Linear(8, 8), SHARED, nn.Linear(8, 2))


def as_default(act=nn.Tanh()):  # noqa: B008  # the case in question  # the case in question
    return nn.Sequential(nn.Linear(8, 8), act, nn.Linear(8, 2))


class Layer(nn.TransformerEncoderLayer):
    def __init__(self, width=8):
        super().__init__(width, 2, 16, dropout=0.0, batch_first=True)


class Layers(nn.Module):
    """Layers of torch by a class of the file."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(Layer(), Layer())
        self.last = nn.Linear(8, 2)

    def forward(self, x):
        return self.last(self.layers(x.unsqueeze(1)))


class Decoder(nn.Module):
    """Torch copies the layer."""

    def __init__(self):
        super().__init__()
        layer = nn.TransformerDecoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
        self.decoder = nn.TransformerDecoder(layer, 2)
        self.last = nn.Linear(8, 2)

    def forward(self, x):
        return self.last(self.decoder(x.unsqueeze(1), x.unsqueeze(1)))
