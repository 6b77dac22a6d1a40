"""Activations: each is a line. They replace every hidden activation of the model and nothing else."""

from __future__ import annotations

from torch import nn

import advisor


@advisor.hookimpl
def slots() -> list[advisor.Slot]:
    """The slot for what sits between layers."""
    return [advisor.Slot("activation", "the nonlinearity between layers; outputs and gates are left alone")]


@advisor.hookimpl
def techniques() -> list[advisor.Technique]:
    """A table: name, what makes it, where it is from, what may vary."""
    slope = {"negative_slope": advisor.Float(1e-3, 0.3, default=0.01, log=True)}
    alpha = {"alpha": advisor.Float(0.5, 2.0, default=1.0)}
    return [
        advisor.Activation("relu", nn.ReLU, cite="Nair & Hinton 2010; Glorot et al. 2011"),
        advisor.Activation("leaky_relu", nn.LeakyReLU, cite="Maas et al. 2013", space=slope),
        advisor.Activation("elu", nn.ELU, cite="Clevert et al. 2015", space=alpha),
        advisor.Activation("silu", nn.SiLU, cite="Hendrycks & Gimpel 2016; Ramachandran et al. 2017"),
        advisor.Activation("gelu", nn.GELU, cite="Hendrycks & Gimpel 2016"),
        advisor.Activation("tanh", nn.Tanh, cite="LeCun et al. 1998"),
    ]
