"""The autoencoder: a layer learns to keep what its input says. Its relatives change the input or
add a penalty.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import advisor
from advisor import Pretraining

from .decoder import decoder_of


class Autoencoder(Pretraining):
    """Each layer learns to rebuild its input from its output.

    Loss: mean over elements of -x log x' - (1-x) log(1-x') where a saturating layer reads values in
    [0, 1], else of (x' - x)². The encoder is the user's layer with its activation, the decoder a
    linear mirror with weights of its own that is thrown away: a rectifier in it could not learn a
    target that it gives zero for.

    When it helps: saturating units, or few labels with many unlabeled rows; not rectifiers with a
    good start and many labels.

    Arguments: `epochs`, `lr`, `freeze` as every method's.

    Reference: Bengio et al. 2007, "Greedy layer-wise training of deep networks"; Masci et al. 2011
    for convolutions.
    """

    name = "autoencoder"
    cite = "Bengio et al. 2007; Masci et al. 2011"
    standard = False

    # The relatives of this class change what follows, and share the rest.

    def corrupt(self, clean: Tensor, generator: torch.Generator, **params: Any) -> Tensor:
        """What the encoder reads instead of the input."""
        return clean

    def penalty(
        self, segment: advisor.Segment, inputs: Tensor, decoder: nn.Module, **params: Any
    ) -> Tensor | float:
        """What is added to the error, summed over a row's elements and averaged over rows."""
        return 0.0

    def learn(
        self,
        segment: advisor.Segment,
        inputs: Tensor,
        generator: torch.Generator,
        *,
        epochs: int = 20,
        lr: float = 3e-3,
        **params: Any,
    ) -> tuple[float, float]:
        """Train encoder and decoder; the losses are those of held rows under one fixed noise."""
        decoder = decoder_of(segment).to(inputs)
        error = error_of(segment, inputs)
        # The mirror of an even kernel may give one value too many in each dimension.
        window = tuple(slice(size) for size in inputs.shape[2:])

        def loss(rows: Sequence[Tensor], noise: torch.Generator) -> Tensor:
            """The mean error over elements, and the penalty by the same measure."""
            (clean,) = rows
            read = self.corrupt(clean, noise, **params)
            rebuilt = decoder(segment.encode(read))[..., *window]
            penalty = self.penalty(segment, read, decoder, **params)
            return error(rebuilt, clean) + penalty / clean[0].numel()

        # Without a penalty the gradients may be written out; what draws the noise is the same.
        has_penalty = type(self).penalty is not Autoencoder.penalty
        step = None if has_penalty else self.rebuilding(segment, decoder, error)

        def write(rows: Sequence[Tensor], noise: torch.Generator) -> None:
            """The gradients of the loss."""
            assert step is not None  # else autograd computes them
            step(self.corrupt(rows[0], noise, **params), rows[0])

        trained = [*segment.parameters, *decoder.parameters()]
        gradients = write if step else None
        return self.descend(
            trained, [inputs], loss, generator, epochs=epochs, lr=lr, gradients=gradients
        )


def error_of(segment: advisor.Segment, inputs: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
    """Cross-entropy of logits where a saturating layer reads values in [0, 1], or squared error."""
    like_probabilities = bool((inputs >= 0).all() and (inputs <= 1).all())
    # Behind a rectifier, which has no upper bound, values in [0, 1] are there by chance.
    if segment.bounds is not None and like_probabilities:
        return F.binary_cross_entropy_with_logits
    return F.mse_loss
