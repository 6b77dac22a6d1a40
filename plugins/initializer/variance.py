"""Initializers that choose a variance, and two negative controls."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from advisor import Choice, Fans, Float, Initializer, Layer

from .fills import DISTRIBUTIONS, normal, plain_text, truncated, uniform


def fan(fans: Fans, mode: str) -> float:
    """The number that a variance is divided by: `fan_in`, `fan_out` or their mean `fan_avg`."""
    if mode == "fan_avg":
        return (fans.fan_in + fans.fan_out) / 2
    return fans.fan_in if mode == "fan_in" else fans.fan_out


class Uniform(Initializer):
    """Uniform random weights of one size everywhere.

    W ~ U(-bound, bound), whatever a layer's width. The old way; it suits one width and depth at a
    time, which is why the bound is searched.

    Arguments:
        bound: the largest weight.

    Reference: Rumelhart et al. 1986, "Learning representations by back-propagating errors".
    """

    name = "uniform"
    cite = "Rumelhart et al. 1986"
    # The default is Keras' own; widths from 10 to 10,000 want bounds across this range.
    space = {"bound": Float(1e-3, 1.0, default=0.05, log=True)}
    standard = False

    def fill(
        self,
        weight: Tensor,
        fans: Fans,
        generator: torch.Generator,
        bound: float = 0.05,
        **params: Any,
    ) -> None:
        """U(-bound, bound)."""
        # A uniform distribution on ±bound has deviation bound / √3.
        uniform(weight, bound / math.sqrt(3), generator)

    def plain(self, fans: Fans, bound: float = 0.05, **params: Any) -> str:
        """Torch's own uniform fill."""
        return plain_text("uniform", bound / math.sqrt(3))


class Normal(Initializer):
    """Normal random weights of one size everywhere.

    W ~ N(0, std²), whatever a layer's width. With std 0.01 a plain net of more than about eight
    layers stalls; the deviation is searched.

    Arguments:
        std: the deviation.

    Reference: Krizhevsky et al. 2012, "ImageNet classification with deep convolutional neural
    networks" (std 0.01).
    """

    name = "normal"
    cite = "Krizhevsky et al. 2012"
    # The default is Keras' own; 0.01 and 0.02 of the papers lie in the range.
    space = {"std": Float(1e-3, 1.0, default=0.05, log=True)}
    standard = False

    def fill(
        self,
        weight: Tensor,
        fans: Fans,
        generator: torch.Generator,
        std: float = 0.05,
        **params: Any,
    ) -> None:
        """N(0, std²)."""
        normal(weight, std, generator)

    def plain(self, fans: Fans, std: float = 0.05, **params: Any) -> str:
        """Torch's own normal fill."""
        return plain_text("normal", std)


class TruncatedNormal(Normal):
    """Normal random weights without the far ends.

    W ~ N(0, s²) cut at ±2 s, where s = std / 0.87963, so that the weights that are left have
    deviation `std`. Helps where a few large weights would hurt; vision transformers start so.

    Arguments:
        std: the deviation after the cut.

    Reference: Keras, `TruncatedNormal`; Dosovitskiy et al. 2020, "An image is worth 16x16 words"
    (std 0.02).
    """

    name = "truncated_normal"
    cite = "Dosovitskiy et al. 2020"

    def fill(
        self,
        weight: Tensor,
        fans: Fans,
        generator: torch.Generator,
        std: float = 0.05,
        **params: Any,
    ) -> None:
        """The cut normal distribution with deviation `std`."""
        # Torch's own `trunc_normal_` leaves the deviation that the cut makes smaller.
        truncated(weight, std, generator)

    def plain(self, fans: Fans, std: float = 0.05, **params: Any) -> str:
        """Torch's own fill, with the deviation before the cut."""
        return plain_text("truncated_normal", std)


class Xavier(Initializer):
    """Variance between what keeps the signal and what keeps the gradient.

    std = √(2 / (fan_in + fan_out)), normal. Helps tanh-like nets of moderate depth.

    Reference: Glorot & Bengio 2010, "Understanding the difficulty of training deep feedforward
    neural networks".
    """

    name = "xavier"
    cite = "Glorot & Bengio 2010"
    distribution = "normal"

    def fill(self, weight: Tensor, fans: Fans, generator: torch.Generator, **params: Any) -> None:
        """The Glorot variance; the gain is 1, as published."""
        # The paper's compromise between 1 / fan_in, which keeps the variance of the signal, and
        # 1 / fan_out, which keeps that of the gradient.
        std = math.sqrt(2 / (fans.fan_in + fans.fan_out))
        DISTRIBUTIONS[self.distribution](weight, std, generator)

    def plain(self, fans: Fans, **params: Any) -> str:
        """Torch's own fill."""
        return f"xavier_{self.distribution}_({{weight}})"


class XavierUniform(Xavier):
    """Xavier's variance from a uniform distribution, as published.

    W ~ U(-b, b) with b = √(6 / (fan_in + fan_out)). Helps where `xavier` helps.

    Reference: Glorot & Bengio 2010, "Understanding the difficulty of training deep feedforward
    neural networks".
    """

    name = "xavier_uniform"
    distribution = "uniform"
    standard = False


class He(Initializer):
    """Variance that keeps the signal through the activation that follows.

    std = gain / √fan, normal; for a rectifier the gain is √2. Helps deep rectifier nets.

    Arguments:
        mode: `fan_in` keeps the size of the signal, `fan_out` that of the gradient.

    Reference: He et al. 2015, "Delving deep into rectifiers".
    """

    name = "he"
    cite = "He et al. 2015"
    # The paper finds that either suffices for a net to converge.
    space = {"mode": Choice("fan_in", "fan_out")}
    distribution = "normal"

    def fill(
        self,
        weight: Tensor,
        fans: Fans,
        generator: torch.Generator,
        mode: str = "fan_in",
        **params: Any,
    ) -> None:
        """The He variance."""
        # The gain stands for the √2 of rectifiers; other activations have another.
        std = fans.gain / math.sqrt(fan(fans, mode))
        DISTRIBUTIONS[self.distribution](weight, std, generator)

    def plain(self, fans: Fans, mode: str = "fan_in", **params: Any) -> str:
        """Torch's own fill, with the deviation as a number."""
        return plain_text(self.distribution, fans.gain / math.sqrt(fan(fans, mode)))


class HeUniform(He):
    """He's variance from a uniform distribution.

    W ~ U(-b, b) with b = gain √(3 / fan). Helps where `he` helps.

    Arguments:
        mode: `fan_in` keeps the size of the signal, `fan_out` that of the gradient.

    Reference: He et al. 2015, "Delving deep into rectifiers".
    """

    name = "he_uniform"
    distribution = "uniform"
    standard = False


class LeCun(Initializer):
    """Variance that keeps a signal of unit size through the sum of a unit's inputs.

    std = 1 / √fan_in, normal, whatever activation follows. Helps self-normalizing nets (SELU),
    whose activation asks for it.

    Reference: LeCun et al. 1998, "Efficient backprop"; Klambauer et al. 2017, "Self-normalizing
    neural networks".
    """

    name = "lecun"
    cite = "LeCun et al. 1998"
    standard = False

    def fill(self, weight: Tensor, fans: Fans, generator: torch.Generator, **params: Any) -> None:
        """N(0, 1 / fan_in)."""
        normal(weight, 1 / math.sqrt(fans.fan_in), generator)

    def plain(self, fans: Fans, **params: Any) -> str:
        """Torch's own normal fill."""
        return plain_text("normal", 1 / math.sqrt(fans.fan_in))


class VarianceScaling(Initializer):
    """The family that Xavier, He and LeCun belong to, as Keras defines it.

    var = scale / fan. Xavier is (1, fan_avg), He for rectifiers (2, fan_in), LeCun (1, fan_in).
    Helps to find out which of them suits a model.

    Arguments:
        scale: the variance times the fan.
        mode: `fan_in`, `fan_out` or `fan_avg`.
        distribution: `truncated_normal` (cut at two deviations, the variance corrected),
            `untruncated_normal` or `uniform`.

    Reference: Keras, `VarianceScaling`.
    """

    name = "variance_scaling"
    cite = "Keras, VarianceScaling"
    space = {
        "scale": Float(0.1, 10.0, default=1.0, log=True),
        "mode": Choice("fan_in", "fan_out", "fan_avg"),
        "distribution": Choice("truncated_normal", "untruncated_normal", "uniform"),
    }
    standard = False

    def fill(
        self,
        weight: Tensor,
        fans: Fans,
        generator: torch.Generator,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        **params: Any,
    ) -> None:
        """The chosen distribution with variance scale / fan."""
        std = math.sqrt(scale / fan(fans, mode))
        DISTRIBUTIONS[distribution](weight, std, generator)

    def plain(
        self,
        fans: Fans,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        **params: Any,
    ) -> str:
        """Torch's own fill, with the deviation as a number."""
        return plain_text(distribution, math.sqrt(scale / fan(fans, mode)))


class Constant(Initializer):
    """A negative control: every weight the same, so that all units of a layer stay alike. It is no
    way to start.

    W = value. Helps nobody; a search that does not find it to be worse is broken.

    Arguments:
        value: the value of every weight.

    Reference: Goodfellow et al. 2016, "Deep learning", 8.4 (on breaking symmetry).
    """

    name = "constants"
    cite = "Goodfellow et al. 2016"
    space = {"value": Float(1e-3, 1.0, default=0.1, log=True)}
    standard = False

    def fill(
        self,
        weight: Tensor,
        fans: Fans,
        generator: torch.Generator,
        value: float = 0.1,
        **params: Any,
    ) -> None:
        """The value, everywhere."""
        # Units with equal weights get equal gradients, and so stay equal.
        weight.fill_(value)

    def plain(self, fans: Fans, value: float = 0.1, **params: Any) -> str:
        """Torch's own fill."""
        return f"constant_({{weight}}, {value:.6g})"


class Zeros(Initializer):
    """A negative control: every weight zero, so that nothing but the last bias learns. It is no way
    to start.

    W = 0. Helps nobody; a search that does not find it to be worse is broken.

    Reference: Goodfellow et al. 2016, "Deep learning", 8.4 (on breaking symmetry).
    """

    name = "zeros"
    cite = "Goodfellow et al. 2016"
    standard = False

    def fill(self, weight: Tensor, fans: Fans, generator: torch.Generator, **params: Any) -> None:
        """Zero, everywhere."""
        weight.zero_()

    def plain(self, fans: Fans, **params: Any) -> str:
        """Torch's own fill."""
        return "zeros_({weight})"

    def refuses(self, layer: Layer) -> str | None:
        """A zero would stay one under weight normalization: its direction is lost."""
        one_matrix = layer.kind not in ("rnn", "attention")
        if one_matrix and self.is_computed(layer):
            return "its weight is computed and cannot become zero"
        return None
