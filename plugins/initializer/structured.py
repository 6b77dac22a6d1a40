"""Initializers that choose a structure: orthogonal, sparse, the identity."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from advisor import Fans, Float, Initializer, Int, Layer, Run

from .fills import centre, identity, normal, orthogonal, sparse


class Orthogonal(Initializer):
    """Orthogonal rows or columns, times the gain: no direction grows or shrinks.

    W Wᵀ = gain² I (or Wᵀ W, for more units than inputs), kernels flattened. Helps very deep nets,
    most of all with tanh-like units.

    Reference: Saxe et al. 2013, "Exact solutions to the nonlinear dynamics of learning in deep
    linear neural networks".
    """

    name = "orthogonal"
    cite = "Saxe et al. 2013"

    def fill(self, weight: Tensor, fans: Fans, generator: torch.Generator, **params: Any) -> None:
        """An orthogonal block; each gate of a recurrent layer is one."""
        orthogonal(weight, fans.gain, generator)

    def plain(self, fans: Fans, **params: Any) -> str:
        """Torch's own fill."""
        return f"orthogonal_({{weight}}, gain={fans.gain:.6g})"


class DeltaOrthogonal(Orthogonal):
    """Convolutions that start as one orthogonal matrix at each position.

    The middle tap of a kernel is an orthogonal matrix times the gain, all other taps are zero, so
    that the convolution keeps the norm of every input; where a layer has more inputs than outputs
    that cannot be, and it gets a plain orthogonal kernel, as do transposed convolutions and all
    other layers. Helps very deep convolutional nets without normalization.

    Reference: Xiao et al. 2018, "Dynamical isometry and a mean field theory of CNNs".
    """

    name = "delta_orthogonal"
    cite = "Xiao et al. 2018"
    standard = False

    def unfit(self, run: Run) -> str | None:
        """A model without a convolution that can be filled so has nothing to gain from it."""
        why = super().unfit(run)
        if why is not None:
            return why
        for layer in self.layers(run):
            # With a single tap the middle one is all, and a plain orthogonal kernel is the same.
            if _why_plain(layer) is None and max(layer.module.kernel_size) > 1:  # type: ignore[arg-type]  # of a convolution
                return None
        return (
            "no convolution of the model has a kernel of several taps and as many outputs as "
            "inputs; orthogonal is the same"
        )

    def fill(self, weight: Tensor, fans: Fans, generator: torch.Generator, **params: Any) -> None:
        """A delta in space and an isometry across channels, where there are channels enough."""
        outputs, inputs = weight.shape[:2]
        if fans.kind == "conv" and outputs >= inputs:
            weight.zero_()
            orthogonal(centre(weight), fans.gain, generator)
        else:
            orthogonal(weight, fans.gain, generator)

    def apply(self, run: Run, **params: Any) -> str:
        """Fill, and say which layers got a plain orthogonal block."""
        reasons = [(layer.name, _why_plain(layer)) for layer in self.layers(run)]
        plain = [(name, why) for name, why in reasons if why is not None]
        filled = super().apply(run, **params)
        return f"{filled}; plain orthogonal: {self.tell(plain)}" if plain else filled


def _why_plain(layer: Layer) -> str | None:
    """Why a layer gets a plain orthogonal block, or None."""
    if layer.kind == "conv_transpose":
        return "a transposed convolution"
    if layer.kind != "conv":
        return "no convolution"
    module: Any = layer.module
    # More inputs than outputs lose something, however the weights lie.
    return "fewer outputs than inputs" if module.out_channels < module.in_channels else None


class Sparse(Initializer):
    """A few large weights per unit instead of many small ones.

    In each unit `count` weights are drawn from N(0, gain² / count), the others are zero: the
    variance of the unit's sum does not depend on its number of inputs. Helps wide layers, whose
    units start more different than with dense weights.

    Arguments:
        count: weights per unit that are not zero; all, where a unit has no more inputs.

    Reference: Martens 2010, "Deep learning via Hessian-free optimization" (15 per unit).
    """

    name = "sparse_units"
    cite = "Martens 2010"
    space = {"count": Int(4, 64, default=15, log=True)}  # 15 is the paper's
    standard = False

    def fill(
        self, weight: Tensor, fans: Fans, generator: torch.Generator, count: int = 15, **params: Any
    ) -> None:
        """`count` weights per unit."""
        sparse(weight, count, fans.gain, generator)


class Identity(Initializer):
    """Layers that start by handing their input on.

    Ones on the diagonal (for kernels, of the middle tap), and everywhere N(0, noise²), which tells
    units apart that have no input of their own. Helps recurrent layers and layers that lie on a
    residual path.

    Arguments:
        noise: deviation of what is added.

    Reference: Bachlechner et al. 2020, "ReZero is all you need"; PyTorch, `eye_` and `dirac_`.
    """

    name = "identity"
    cite = "Bachlechner et al. 2020"
    space = {"noise": Float(1e-4, 1e-1, default=1e-2, log=True)}
    standard = False

    def fill(
        self,
        weight: Tensor,
        fans: Fans,
        generator: torch.Generator,
        noise: float = 1e-2,
        **params: Any,
    ) -> None:
        """The identity and a little noise."""
        normal(weight, noise, generator)
        # Added to the noise, so that units beyond the diagonal differ from the start.
        centre(weight).diagonal().add_(1.0)


class IRNN(Initializer):
    """Recurrent layers of rectifiers that start by remembering everything.

    W_hh = scale · I, W_ih ~ N(0, std²), biases 0; only for `nn.RNN` and `nn.RNNCell` with relu, all
    other layers stay as they are. Helps such layers to learn over many steps; it needs a small
    learning rate and clipped gradients.

    Arguments:
        std: deviation of the weights of the input.
        scale: what a state is multiplied by in each step; below 1 it is forgotten slowly.

    Reference: Le et al. 2015, "A simple way to initialize recurrent networks of rectified linear
    units".
    """

    name = "irnn"
    cite = "Le et al. 2015"
    space = {
        "std": Float(1e-4, 1e-1, default=1e-3, log=True),
        "scale": Float(0.01, 1.0, default=1.0, log=True),
    }
    standard = False

    def refuses(self, layer: Layer) -> str | None:
        """It fills recurrent layers of rectifiers only."""
        module = layer.module
        # With gates or a tanh the identity does not keep the state.
        if isinstance(module, (nn.RNN, nn.RNNCell)) and module.nonlinearity == "relu":
            return None
        return "no recurrent layer of rectifiers"

    def fill(
        self,
        weight: Tensor,
        fans: Fans,
        generator: torch.Generator,
        std: float = 1e-3,
        scale: float = 1.0,
        **params: Any,
    ) -> None:
        """The identity from state to state, almost nothing from the input."""
        # The state is kept, and what comes in is added to it in small parts.
        if fans.recurrent:
            identity(weight, scale)
        else:
            normal(weight, std, generator)
