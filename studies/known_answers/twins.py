"""Activations that are equal by definition, under other names. They are put in place by hand, so
that they have to be trained to be compared.
"""

import copy

import torch
from torch import nn

import advisor


class Twin(advisor.Technique):
    """Put a module that is the same function in the place of each one of a class."""

    slot = "twin"

    def __init__(self, name: str, old: type[nn.Module], new: nn.Module, cite: str) -> None:
        self.name, self.old, self.new, self.cite = name, old, new, cite

    def unfit(self, run: advisor.Run) -> str | None:
        if any(isinstance(module, self.old) for module in run.model.modules()):
            return None
        return f"the model has no {self.old.__name__}"

    def apply(self, run: advisor.Run) -> str:
        places = []
        for parent in run.model.modules():
            for name, child in parent.named_children():
                if isinstance(child, self.old):
                    places.append((parent, name))
        for parent, name in places:
            setattr(parent, name, copy.deepcopy(self.new))
        return f"replaced {len(places)} modules"


class ReLU(nn.Module):
    """The rectifier in other words."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.where(x > 0, x, 0.0)


@advisor.hookimpl
def slots() -> list[advisor.Slot]:
    return [advisor.Slot("twin", "the same function under another name")]


@advisor.hookimpl
def techniques() -> list[advisor.Technique]:
    return [
        Twin("celu", nn.ELU, nn.CELU(1.0), "Barron 2017: CELU(1) = ELU(1)"),
        Twin("leaky_zero", nn.ReLU, nn.LeakyReLU(0.0), "Maas et al. 2013: a slope of 0"),
        Twin("where", nn.ReLU, ReLU(), "Nair & Hinton 2010"),
        advisor.Activation("celu_one", lambda: nn.CELU(1.0), "Barron 2017"),
        advisor.Activation("leaky_none", lambda: nn.LeakyReLU(0.0), "Maas et al. 2013"),
    ]
